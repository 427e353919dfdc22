// SPDX-License-Identifier: MIT
// judge.c: the rules of jobs for the bodies of answers, compiled and kept, and what they say.
//
// failure_body is looked at first, so that it wins. A rule whose search reaches a bound has said
// nothing, and the attempt fails: a body that nobody has judged is no success.

#include "dispatch/judge_priv.h"

#include "dispatch/excerpt_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define UNUSED_MAX 4096 // Rules that wait for the next attempt that has them.
#define RULE_SHOWN_BYTES_MAX 80

struct judge_rule {
    struct table_entry entry;
    TAILQ_ENTRY(judge_rule) link; // In judge.unused.
    size_t uses;
    struct body_rule *compiled; // NULL: it cannot be used, and `why`.
    char why[FAULT_TEXT_MAX];
    char text[];
};

// --- Rules that are kept -------------------------------------------------------------------------

static struct judge_rule *rule_new(const char *text)
{
    size_t bytes = strlen(text) + 1;
    struct judge_rule *r = xcalloc(1, sizeof *r + bytes);
    struct fault f = {0};
    memcpy(r->text, text, bytes);
    r->entry.key = r->text;
    if (body_rule_new(text, &r->compiled, &f)) // Checked when it came: somebody edited the row.
        snprintf(r->why, sizeof r->why, "%s", f.text);
    return r;
}

static void forget(struct judge *j, struct judge_rule *r)
{
    assert(r->uses == 0 && j->unused_count > 0);
    TAILQ_REMOVE(&j->unused, r, link);
    j->unused_count--;
    table__remove(&j->rules, &r->entry);
    body_rule_free(r->compiled);
    free(r);
}

static struct judge_rule *take(struct judge *j, const char *text)
{
    if (!text)
        return NULL;
    struct judge_rule *r = (struct judge_rule *)table__find(&j->rules, text);
    if (!r) {
        r = rule_new(text);
        table__add(&j->rules, &r->entry);
    } else if (r->uses == 0) {
        TAILQ_REMOVE(&j->unused, r, link);
        j->unused_count--;
    }
    r->uses++;
    return r;
}

static void release(struct judge *j, struct judge_rule *r)
{
    if (!r)
        return;
    assert(r->uses > 0);
    if (--r->uses > 0)
        return;
    TAILQ_INSERT_TAIL(&j->unused, r, link);
    if (++j->unused_count > UNUSED_MAX)
        forget(j, TAILQ_FIRST(&j->unused));
}

void judge_init(struct judge *j)
{
    *j = (struct judge){0};
    TAILQ_INIT(&j->unused);
}

void judge_fini(struct judge *j)
{
    while (j->unused_count > 0)
        forget(j, TAILQ_FIRST(&j->unused));
    assert(j->rules.count == 0);
    table__fini(&j->rules);
}

struct rules_taken judge_take(struct judge *j, const struct request *r)
{
    return (struct rules_taken){take(j, r->success_body), take(j, r->failure_body)};
}

void judge_release(struct judge *j, struct rules_taken *t)
{
    release(j, t->success);
    release(j, t->failure);
    *t = (struct rules_taken){0};
}

// --- What they say -------------------------------------------------------------------------------

static const char *say(char out[static ERROR_TEXT_MAX], const struct judge_rule *r,
                       const char *words)
{
    char shown[RULE_SHOWN_BYTES_MAX + 1];
    size_t bytes = strlen(r->text);
    excerpt_format(r->text, bytes, RULE_SHOWN_BYTES_MAX, shown);
    snprintf(out, ERROR_TEXT_MAX, "%s: %s%s", words, shown,
             bytes > RULE_SHOWN_BYTES_MAX ? "..." : "");
    return out;
}

static const char *say_unusable(char out[static ERROR_TEXT_MAX], const char *name,
                                const struct judge_rule *r)
{
    snprintf(out, ERROR_TEXT_MAX, "%s of the job cannot be used: %.160s", name, r->why);
    return out;
}

#define LIMIT_WORDS "the search for %s in its body took too many steps"

// `bad` is what makes the answer a failure, and `words` say that.
static const char *judge(const struct judge_rule *r, const char *name, enum body_match bad,
                         const char *words, const char *bytes, size_t count,
                         char out[static ERROR_TEXT_MAX])
{
    if (!r)
        return NULL;
    if (!r->compiled)
        return say_unusable(out, name, r);
    enum body_match match = body_rule_match(r->compiled, bytes, count);
    char limit[96];
    snprintf(limit, sizeof limit, LIMIT_WORDS, name);
    if (match == BODY_LIMIT)
        return say(out, r, limit);
    return match == bad ? say(out, r, words) : NULL;
}

const char *rules_judge(const struct rules_taken *t, const char *bytes, size_t count,
                        char out[static ERROR_TEXT_MAX])
{
    const char *error =
        judge(t->failure, "failure_body", BODY_HAS, "its body has failure_body", bytes, count, out);
    return error ? error
                 : judge(t->success, "success_body", BODY_LACKS, "its body lacks success_body",
                         bytes, count, out);
}
