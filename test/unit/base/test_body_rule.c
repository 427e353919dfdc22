// SPDX-License-Identifier: MIT
// test_body_rule.c: texts and regular expressions in bodies, and searches that reach a bound.

#include "base/body_rule.h"

#include "base/memory.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define BODY_BYTES 65536

static enum body_match look(const char *text, const char *bytes, size_t count)
{
    struct body_rule *r = NULL;
    struct fault f = {0};
    if (body_rule_new(text, &r, &f))
        fail_msg("%s: %s", text, f.text);
    enum body_match match = body_rule_match(r, bytes, count);
    body_rule_free(r);
    return match;
}

static void a_rule_finds_what_it_says(void **state)
{
    static const struct {
        const char *rule;
        const char *body;
        enum body_match match;
    } cases[] = {
        {"done", "all done.", BODY_HAS},
        {"done", "all Done.", BODY_LACKS},
        {"done", "", BODY_LACKS},
        {"a.c", "abc", BODY_LACKS}, // A text is no expression.
        {"/", "a/b", BODY_HAS},
        {"//", "a//b", BODY_HAS}, // An expression has something between its slashes.
        {"//", "a/b", BODY_LACKS},
        {"/x", "a/x", BODY_HAS},
        {"/a.c/", "xabcx", BODY_HAS},
        {"/a.c/", "/ac/", BODY_LACKS},
        {"/(?i)done/", "all DONE.", BODY_HAS},
        {"/^ok$/", "ok", BODY_HAS},
        {"/^ok$/", "ok\nno", BODY_LACKS},
        {"/(?m)^ok$/", "no\nok\nno", BODY_HAS},
        {"/^$/", "", BODY_HAS},
        {"/^x..$/", "x\xc3\xa4\xe2\x82\xac", BODY_HAS}, // Characters, not bytes.
        {"/b$/",
         "\xff\xfe"
         "ab",
         BODY_HAS}, // Behind what is no UTF-8.
        {"/\"errors\":\\s*[1-9]/", "{\"errors\": 3}", BODY_HAS},
        {"/\"errors\":\\s*[1-9]/", "{\"errors\": 0}", BODY_LACKS},
        {"/(?<=a)b/", "ab", BODY_HAS},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (look(cases[i].rule, cases[i].body, strlen(cases[i].body)) != cases[i].match)
            fail_msg("%s in %s", cases[i].rule, cases[i].body);
    assert_int_equal(look("/^$/", NULL, 0), BODY_HAS);
    assert_int_equal(look("b", "a\0b", 3), BODY_HAS); // A body may have any byte.
}

static void what_is_no_rule_is_refused_with_its_position(void **state)
{
    static const struct {
        const char *rule;
        const char *words;
    } cases[] = {
        {"", "an empty text is in every body"},
        {"/a(b/", "the regular expression is wrong at byte 5: missing closing parenthesis"},
        {"/*a/", "the regular expression is wrong at byte "},
        {"/a\\C/", "the regular expression is wrong at byte "},
        {"/[z-a]/", "the regular expression is wrong at byte "},
        {"/\xff/", "the regular expression is wrong at byte 2: UTF-8 error"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct body_rule *r = NULL;
        struct fault f = {0};
        assert_int_equal(body_rule_new(cases[i].rule, &r, &f), ERR_SYNTAX);
        assert_null(r);
        if (strncmp(f.text, cases[i].words, strlen(cases[i].words)) != 0)
            fail_msg("%s: %s", cases[i].rule, f.text);
    }
}

// Slices of the body overlap nowhere and leave nothing out: a match is found at every place, and
// what begins in one slice may end in another.
static void a_match_is_found_at_every_place_of_a_body(void **state)
{
    char *body = xmalloc(BODY_BYTES);
    (void)state;
    memset(body, '.', BODY_BYTES);
    for (size_t at = 0; at + 40 <= 1000; at++) {
        body[at] = 'a';
        body[at + 39] = 'b';
        assert_int_equal(look("/a.{38}b/", body, 1000), BODY_HAS);
        assert_int_equal(look("/a.{37}b/", body, 1000), BODY_LACKS);
        body[at] = body[at + 39] = '.';
    }
    body[BODY_BYTES - 1] = 'b';
    assert_int_equal(look("/[ab]/", body, BODY_BYTES), BODY_HAS);
    assert_int_equal(look("/b$/", body, BODY_BYTES), BODY_HAS);
    assert_int_equal(look("/(?s)^.*b/", body, BODY_BYTES), BODY_HAS);
    assert_int_equal(look("/[xy]/", body, BODY_BYTES), BODY_LACKS);
    free(body);
}

// Steps at one place, the places together, and memory: each is bounded by itself.
static void a_search_ends_at_its_bounds(void **state)
{
    static const char *const rules[] = {"/^(a+)+$/", "/(a|aa)+$/", "/(?:a*+c|a*+d|a*+e)/"};
    char *body = xmalloc(BODY_BYTES);
    (void)state;
    memset(body, 'a', BODY_BYTES - 1);
    body[BODY_BYTES - 1] = 'b';
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (look(rules[i], body, BODY_BYTES) != BODY_LIMIT)
            fail_msg("%s has no end", rules[i]);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_finds_what_it_says),
        cmocka_unit_test(what_is_no_rule_is_refused_with_its_position),
        cmocka_unit_test(a_match_is_found_at_every_place_of_a_body),
        cmocka_unit_test(a_search_ends_at_its_bounds),
    };
    return cmocka_run_group_tests_name("body rules", tests, NULL, NULL);
}
