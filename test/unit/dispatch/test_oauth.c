// SPDX-License-Identifier: MIT
// test_oauth.c: which answers of a token server hold a token, how long a token is used, and which
// makes room for another.

#include "dispatch/oauth/oauth_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

// --- Answers -------------------------------------------------------------------------------------

#define BEARER "\"token_type\":\"Bearer\""

static void answer_has_a_token_and_its_life(void **state)
{
    static const struct {
        const char *text;
        dur_ms lives_ms;
    } cases[] = {
        {"{\"access_token\":\"a.B-_~+/=\"," BEARER ",\"expires_in\":3600}", 3600000},
        {"{\"access_token\":\"a.B-_~+/=\",\"token_type\":\"bearer\"}", 300000},
        {" {\"access_token\":\"a.B-_~+/=\"," BEARER ",\"expires_in\":1,\"more\":[{}]}\n", 1000},
        {"{\"access_token\":\"a.B-_~+/=\"," BEARER ",\"expires_in\":9223372036854775807}",
         86400000},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct oauth_answer a;
        assert_int_equal(oauth__read_answer(cases[i].text, &a, NULL), ERR_OK);
        assert_string_equal(a.token, "a.B-_~+/=");
        assert_int_equal(a.lives_ms, cases[i].lives_ms);
        oauth__forget_text(a.token);
    }
}

static void other_answer_is_refused_without_showing_it(void **state)
{
    static const char *const bad[] = {
        "",
        "hush",
        "[]",
        "{}",
        "{" BEARER "}",
        "{" BEARER ",\"access_token\":7}",
        "{" BEARER ",\"access_token\":\"\"}",
        "{" BEARER ",\"access_token\":\"hush hush\"}",
        "{" BEARER ",\"access_token\":\"hush\\r\\nX: y\"}",
        "{" BEARER ",\"access_token\":\"hush\\u0000\"}",
        "{" BEARER ",\"access_token\":\"h\xc3\xbcsh\"}",
        "{\"access_token\":\"hush\"}",
        "{\"access_token\":\"hush\",\"token_type\":\"mac\"}",
        "{\"access_token\":\"hush\",\"token_type\":null}",
        "{\"access_token\":\"hush\"," BEARER ",\"expires_in\":0}",
        "{\"access_token\":\"hush\"," BEARER ",\"expires_in\":-1}",
        "{\"access_token\":\"hush\"," BEARER ",\"expires_in\":1.5}",
        "{\"access_token\":\"hush\"," BEARER ",\"expires_in\":\"3600\"}",
        "{\"access_token\":\"hush\"," BEARER ",\"expires_in\":null}",
        "{\"access_token\":\"hush\",\"access_token\":\"hush\"," BEARER "}",
        "{\"access_token\":\"hush\"," BEARER "} more",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct oauth_answer a = {0};
        struct fault f = {0};
        assert_int_not_equal(oauth__read_answer(bad[i], &a, &f), ERR_OK);
        assert_null(a.token);
        assert_true(*f.text && !strstr(f.text, "hush"));
    }
}

static void token_has_a_longest_form(void **state)
{
    char *text = xmalloc(OAUTH_TOKEN_BYTES_MAX + 200);
    (void)state;
    for (int more = 0; more <= 1; more++) {
        struct oauth_answer a = {0};
        int n = sprintf(text, "{" BEARER ",\"access_token\":\"");
        memset(text + n, 'x', OAUTH_TOKEN_BYTES_MAX + (size_t)more);
        strcpy(text + n + OAUTH_TOKEN_BYTES_MAX + more, "\"}");
        assert_int_equal(oauth__read_answer(text, &a, NULL), more ? ERR_LIMIT : ERR_OK);
        oauth__forget_text(a.token);
    }
    free(text);
}

static void known_error_alone_is_repeated(void **state)
{
    (void)state;
    assert_string_equal(oauth__error_word("{\"error\":\"invalid_client\"}"), "invalid_client");
    assert_null(oauth__error_word("{\"error\":\"hush\"}"));
    assert_null(oauth__error_word("{\"error\":7}"));
    assert_null(oauth__error_word("invalid_client"));
}

// --- Tokens --------------------------------------------------------------------------------------

static void take(struct oauth_tokens *t, struct oauth_token *k, const char *text, dur_ms lives_ms)
{
    struct oauth_answer a = {xstrdup(text), lives_ms};
    token__accept(t, k, &a);
}

static void token_is_renewed_a_little_before_its_end(void **state)
{
    static const struct {
        dur_ms lives_ms, used_ms;
    } cases[] = {{1000, 900}, {300000, 270000}, {3600000, 3570000}};
    struct oauth_tokens t;
    (void)state;
    tokens__init(&t, 1);
    struct oauth_token *k = tokens__get(&t, "a");
    assert_null(token__usable(k, 0));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        k->asked_at = 5000;
        take(&t, k, "x", cases[i].lives_ms);
        assert_string_equal(token__usable(k, 5000 + cases[i].used_ms - 1), "x");
        assert_null(token__usable(k, 5000 + cases[i].used_ms));
    }
    tokens__fini(&t);
}

// Many attempts have one token when the target begins to refuse it. The first 401 drops it; those
// that come later are about the old text, and leave the new one alone.
static void refused_text_is_dropped_once(void **state)
{
    struct oauth_tokens t;
    (void)state;
    tokens__init(&t, 2);
    struct oauth_token *k = tokens__get(&t, "a");
    take(&t, k, "old", 1000);
    uint64_t old = k->serial;
    tokens__drop(&t, "b", old);
    assert_string_equal(token__usable(k, 0), "old");
    tokens__drop(&t, "a", old);
    assert_null(token__usable(k, 0));
    take(&t, k, "new", 1000);
    tokens__drop(&t, "a", old);
    assert_string_equal(token__usable(k, 0), "new");
    tokens__fini(&t);
}

static void token_unused_for_longest_makes_room(void **state)
{
    struct oauth_tokens t;
    (void)state;
    tokens__init(&t, 2);
    take(&t, tokens__get(&t, "a"), "x", 1000);
    take(&t, tokens__get(&t, "b"), "y", 1000);
    assert_non_null(token__usable(tokens__get(&t, "a"), 0));
    struct oauth_token *c = tokens__get(&t, "c"); // In the place of b.
    c->is_fetched = true;
    assert_non_null(token__usable(tokens__get(&t, "a"), 0));
    assert_null(token__usable(tokens__get(&t, "b"), 0)); // In the place of a, since c is fetched.
    tokens__get(&t, "b")->is_fetched = true;
    assert_null(tokens__get(&t, "d"));
    assert_ptr_equal(tokens__get(&t, "c"), c);
    tokens__fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_has_a_token_and_its_life),
        cmocka_unit_test(other_answer_is_refused_without_showing_it),
        cmocka_unit_test(token_has_a_longest_form),
        cmocka_unit_test(known_error_alone_is_repeated),
        cmocka_unit_test(token_is_renewed_a_little_before_its_end),
        cmocka_unit_test(refused_text_is_dropped_once),
        cmocka_unit_test(token_unused_for_longest_makes_room),
    };
    return cmocka_run_group_tests_name("oauth", tests, NULL, NULL);
}
