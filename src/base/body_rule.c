// SPDX-License-Identifier: MIT
// body_rule.c: texts by memmem, regular expressions by the interpreter of PCRE2.
//
// PCRE2 counts steps anew at each place where a match may begin, so its limits alone would let a
// search take the square of the body's length. The search therefore goes on in slices of places,
// and the processor's time is looked at between two of them. A slice is short at first and doubles
// while it is cheap: an ordinary search has a dozen slices.

#define _GNU_SOURCE // memmem
#include "base/body_rule.h"

#include "base/memory.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <time.h>

#define MATCH_STEPS_MAX 100000 // At one place.
#define MATCH_DEPTH_MAX 20000  // Nested choices that could still be taken back.
#define MATCH_HEAP_KIB_MAX 8192
#define MATCH_TIME_NS_MAX 50000000
#define SLICE_FIRST 16
#define SLICE_CHEAP_NS 1000000

struct body_rule {
    char *text;
    size_t bytes;
    pcre2_code *code; // NULL: the text itself is looked for.
    pcre2_match_context *limits;
    bool anchored; // A match begins where the body does.
};

static bool is_expression(const char *text, size_t bytes)
{
    return bytes > 2 && text[0] == '/' && text[bytes - 1] == '/';
}

// The position in the rule as it was given, counted from 1, with its first slash.
static enum err refuse(int code, size_t offset, struct fault *f)
{
    char words[160];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)words, sizeof words) <= 0)
        strcpy(words, "it cannot be compiled");
    return fault_set(f, ERR_SYNTAX, "the regular expression is wrong at byte %zu: %s", offset + 2,
                     words);
}

static enum err compile(struct body_rule *r, struct fault *f)
{
    const uint32_t how =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
    int code = 0;
    size_t offset = 0;
    uint32_t options = 0;
    r->code = pcre2_compile((PCRE2_SPTR)r->text + 1, r->bytes - 2, how, &code, &offset, NULL);
    if (!r->code)
        return refuse(code, offset, f);
    pcre2_pattern_info(r->code, PCRE2_INFO_ALLOPTIONS, &options);
    r->anchored = options & PCRE2_ANCHORED;
    r->limits = pcre2_match_context_create(NULL);
    if (!r->limits)
        return fault_set(f, ERR_SYNTAX, "no memory for the regular expression");
    pcre2_set_match_limit(r->limits, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(r->limits, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(r->limits, MATCH_HEAP_KIB_MAX);
    return ERR_OK;
}

enum err body_rule_new(const char *text, struct body_rule **out, struct fault *f)
{
    size_t bytes = strlen(text);
    if (bytes == 0)
        return fault_set(f, ERR_SYNTAX, "an empty text is in every body");
    struct body_rule *r = xcalloc(1, sizeof *r);
    r->text = xstrdup(text);
    r->bytes = bytes;
    enum err err = is_expression(text, bytes) ? compile(r, f) : ERR_OK;
    if (err)
        body_rule_free(r);
    else
        *out = r;
    return err;
}

void body_rule_free(struct body_rule *r)
{
    if (!r)
        return;
    pcre2_match_context_free(r->limits);
    pcre2_code_free(r->code);
    free(r->text);
    free(r);
}

// --- Searching -----------------------------------------------------------------------------------

static int64_t used_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum body_match meaning_of(int code)
{
    if (code == PCRE2_ERROR_NOMATCH)
        return BODY_LACKS;
    return code >= 0 ? BODY_HAS : BODY_LIMIT;
}

static enum body_match search(const struct body_rule *r, const char *bytes, size_t count,
                              pcre2_match_data *found)
{
    size_t slice = r->anchored ? count + 1 : SLICE_FIRST;
    int64_t begun = used_ns(), before = begun;
    for (size_t at = 0; at <= count;) {
        pcre2_set_offset_limit(r->limits, at + slice - 1);
        int code = pcre2_match(r->code, (PCRE2_SPTR)bytes, count, at, 0, found, r->limits);
        if (code != PCRE2_ERROR_NOMATCH)
            return meaning_of(code);
        at += slice;
        int64_t now = used_ns();
        if (at <= count && now - begun > MATCH_TIME_NS_MAX)
            return BODY_LIMIT;
        slice *= now - before < SLICE_CHEAP_NS ? 2 : 1;
        before = now;
    }
    return BODY_LACKS;
}

enum body_match body_rule_match(const struct body_rule *r, const char *bytes, size_t count)
{
    if (count == 0)
        bytes = "";
    if (!r->code)
        return memmem(bytes, count, r->text, r->bytes) ? BODY_HAS : BODY_LACKS;
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    enum body_match match = found ? search(r, bytes, count, found) : BODY_LIMIT;
    pcre2_match_data_free(found);
    return match;
}
