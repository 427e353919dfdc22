// SPDX-License-Identifier: MIT
// test_prose.c: no text is markup, and none is longer than it may be.

#include "alert/prose_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>
#include <string.h>

static const struct prose_escape entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {0}};
static const struct prose_manner in_bytes = {.unit = PROSE_BYTES, .escapes = entities};
static const struct prose_manner in_json = {.unit = PROSE_JSON_BYTES};
static const struct prose_manner in_utf16 = {.unit = PROSE_UTF16, .tames_at = true};
static const struct prose_manner as_shown = {.unit = PROSE_SHOWN, .escapes = entities};

#define MORE "\xe2\x80\xa6"
#define ZWSP "\xe2\x80\x8b"
#define U_UMLAUT "\xc3\xbc"
#define BELL "\xf0\x9f\x94\x94"

static const struct {
    const struct prose_manner *manner;
    size_t limit;
    const char *text;
    const char *expected;
} cases[] = {
    {&prose_plain, 10, "", ""},
    {&prose_plain, 10, "0123456789", "0123456789"},
    {&prose_plain, 10, "01234567890", "0123456" MORE},
    {&prose_plain, 3, "0123", MORE},
    {&prose_plain, 2, "0123", ""}, // Not even the ellipsis fits.
    {&prose_plain, 9, "0123" U_UMLAUT U_UMLAUT U_UMLAUT, "0123" U_UMLAUT MORE},
    {&prose_plain, 8, "0123" U_UMLAUT U_UMLAUT U_UMLAUT, "0123" MORE},
    {&prose_plain, 20, "a\x01\x7f\tb\nc", "a   b\nc"},
    {&prose_line, 20, "a\r\nb\rc\nd", "a b c d"},
    {&prose_plain, 20, "a\r\nb\r\rc", "a\nb  c"},
    {&prose_plain, 20, "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd"},
    {&prose_plain, 20, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, // A surrogate.
    {&in_bytes, 9, "<&", "&lt;&amp;"},
    {&in_bytes, 8, "<&", "&lt;" MORE}, // Never inside of an entity.
    {&in_bytes, 6, "<&", MORE},
    {&in_json, 8, "\"\\\n12", "\"\\\n12"},
    {&in_json, 8, "\"\\\n123", "\"\\" MORE},
    {&in_utf16, 6, U_UMLAUT BELL U_UMLAUT BELL, U_UMLAUT BELL U_UMLAUT BELL},
    {&in_utf16, 5, U_UMLAUT BELL U_UMLAUT BELL, U_UMLAUT BELL U_UMLAUT MORE},
    {&in_utf16, 4, U_UMLAUT BELL U_UMLAUT BELL, U_UMLAUT BELL MORE},
    {&in_utf16, 99, "@here a@b.c (@all) @", "@" ZWSP "here a@b.c (@" ZWSP "all) @" ZWSP},
    {&as_shown, 4, "<&" BELL, "&lt;&amp;" BELL},
    {&as_shown, 4, "<&" BELL "x", "&lt;&amp;" MORE},
};

static void texts_are_escaped_and_cut_between_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prose p;
        prose_init(&p, cases[i].manner, cases[i].limit);
        prose_say(&p, cases[i].text);
        char *text = prose_take(&p);
        assert_string_equal(text, cases[i].expected);
        free(text);
    }
}

static void nothing_is_said_behind_a_cut_but_markup_is_closed(void **state)
{
    (void)state;
    struct prose p;
    prose_init(&p, &as_shown, 5);
    prose_mark(&p, "<b>");
    prose_say(&p, "ab");
    prose_mark(&p, "</b>");
    prose_sayf(&p, "%d", 123456);
    prose_say(&p, "more");
    prose_mark(&p, "<i></i>");
    char *text = prose_take(&p);
    assert_string_equal(text, "<b>ab</b>12" MORE "<i></i>");
    free(text);
}

// The text of several calls is cut as that of a single one.
static void a_limit_holds_over_all_calls(void **state)
{
    (void)state;
    struct prose p;
    prose_init(&p, &prose_plain, 8);
    prose_say(&p, "0123");
    prose_say(&p, NULL);
    prose_say(&p, "4567");
    assert_false(p.is_cut);
    prose_say(&p, "8");
    assert_true(p.is_cut);
    char *text = prose_take(&p);
    assert_string_equal(text, "01234" MORE);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped_and_cut_between_characters),
        cmocka_unit_test(nothing_is_said_behind_a_cut_but_markup_is_closed),
        cmocka_unit_test(a_limit_holds_over_all_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
