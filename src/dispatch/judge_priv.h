// SPDX-License-Identifier: MIT
// judge_priv.h: whether the body of an answer is what the job wants it to be.
//
// A judge keeps what it has compiled: a rule is read once, however many attempts and jobs have it.
// An attempt takes its rules when it starts and releases them when it has ended. Of a job without
// rules nothing is asked but whether it has any. A judge belongs to one thread.

#ifndef CARILLON_DISPATCH_JUDGE_PRIV_H
#define CARILLON_DISPATCH_JUDGE_PRIV_H

#include "base/body_rule.h"
#include "dispatch/dispatch.h"
#include "dispatch/wire/table_priv.h"

#include <sys/queue.h>

struct judge_rule;
TAILQ_HEAD(judge_rules, judge_rule);

struct judge {
    struct table rules;        // By their text.
    struct judge_rules unused; // No attempt has taken them; the one released last comes last.
    size_t unused_count;
};

// The rules of an attempt; NULL: it has none of this kind.
struct rules_taken {
    struct judge_rule *success;
    struct judge_rule *failure;
};

void judge_init(struct judge *j);
void judge_fini(struct judge *j); // All rules were released.

struct rules_taken judge_take(struct judge *j, const struct request *r);
void judge_release(struct judge *j, struct rules_taken *t); // Leaves it without rules.

static inline bool rules_are_taken(const struct rules_taken *t)
{
    return t->success || t->failure;
}

// What struct outcome tells as body_error: NULL, or `out` filled in. The bytes are the first
// RESPONSE_BYTES_MAX of the body, or as many as came.
const char *rules_judge(const struct rules_taken *t, const char *bytes, size_t count,
                        char out[static ERROR_TEXT_MAX]);

#endif
