// SPDX-License-Identifier: MIT
// body_rule.h: what somebody wants to find in the body of an answer, or not to find there.
//
// A rule is a text, which is looked for byte by byte, or a regular expression between two slashes,
// "/done|ok/", in the syntax of Perl as PCRE2 knows it, of characters in UTF-8; bytes of the body
// that are no UTF-8 match nothing. An expression sees the whole body: `^` and `$` are its ends
// unless it begins with (?m).
//
// A search is bounded, whatever the expression: in steps and memory at each place of the body, and
// in processor time over all of them.

#ifndef CARILLON_BASE_BODY_RULE_H
#define CARILLON_BASE_BODY_RULE_H

#include "base/err.h"

#include <stddef.h>

struct body_rule;

enum body_match {
    BODY_LACKS,
    BODY_HAS,
    BODY_LIMIT, // The search reached one of its bounds before its end.
};

// ERR_SYNTAX with a sentence in *f, which says at which byte of the rule an expression is wrong.
MUST_CHECK enum err body_rule_new(const char *text, struct body_rule **out, struct fault *f);
void body_rule_free(struct body_rule *r); // NULL is a no-op.

// `bytes` may be NULL when `count` is 0.
enum body_match body_rule_match(const struct body_rule *r, const char *bytes, size_t count);

#endif
