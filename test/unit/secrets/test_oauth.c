// SPDX-License-Identifier: MIT
// test_oauth.c: the text of a job's OAuth client comes back as it was written, and what its members
// may be.

#include "base/memory.h"
#include "secrets/oauth.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static const char text_of_all[] =
    "token_url http://a/t\nclient_id me\nclient_secret sealed:v1:k:x\n"
    "scope a b\naudience them\nauth body\n";
static const char text_of_least[] = "token_url http://a/t\nclient_id me\n"
                                    "client_secret sealed:v1:k:x\nauth basic\n";

static void client_is_written_as_it_was_read(void **state)
{
    const char *const texts[] = {text_of_all, text_of_least};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct oauth_client c;
        assert_int_equal(oauth_read(texts[i], &c, NULL), ERR_OK);
        assert_int_equal(oauth_auth_of(&c), i == 0 ? OAUTH_BODY : OAUTH_BASIC);
        assert_true((c.scope != NULL) == (i == 0));
        char *again = oauth_write(&c);
        assert_string_equal(again, texts[i]);
        free(again);
        oauth_fini(&c);
    }
}

// Whatever is cut off at its end, or put before another line, is no text of a client.
static void edited_text_is_no_client(void **state)
{
    static const char *const bad[] = {
        "",
        "token_url http://a/t\n",
        "client_id me\ntoken_url http://a/t\nclient_secret x\nauth basic\n",
        "token_url \nclient_id me\nclient_secret x\nauth basic\n",
        "token_url a\nclient_id me\nclient_secret x\nauth jwt\n",
        "token_url a\nclient_id me\nclient_secret x\nauth basic\nmore\n",
    };
    struct oauth_client c;
    char cut[sizeof text_of_all];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(oauth_read(bad[i], &c, NULL), ERR_SYNTAX);
    for (size_t n = 0; n + 1 < sizeof text_of_all; n++) {
        memcpy(cut, text_of_all, n);
        cut[n] = '\0';
        assert_int_equal(oauth_read(cut, &c, NULL), ERR_SYNTAX);
    }
}

static void member_may_be_what_its_kind_allows(void **state)
{
    static const struct {
        const char *member, *text;
        enum err err;
    } cases[] = {
        {"client_id", "me ~!", ERR_OK},
        {"client_id", "", ERR_SYNTAX},
        {"client_id", "a\nb", ERR_SYNTAX},
        {"client_id", "\x7f", ERR_SYNTAX},
        {"client_secret", "\xc3\xa4", ERR_SYNTAX},
        {"scope", "a b:c/d", ERR_OK},
        {"scope", " a", ERR_SYNTAX},
        {"scope", "a ", ERR_SYNTAX},
        {"scope", "a  b", ERR_SYNTAX},
        {"scope", "a\"b", ERR_SYNTAX},
        {"scope", "a\\b", ERR_SYNTAX},
        {"audience", "https://a/", ERR_OK},
        {"auth", "basic", ERR_OK},
        {"auth", "body", ERR_OK},
        {"auth", "Basic", ERR_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t k = 0; k < OAUTH_MEMBERS; k++)
            if (strcmp(oauth_members[k].name, cases[i].member) == 0)
                assert_int_equal(oauth_check(&oauth_members[k], cases[i].text, NULL), cases[i].err);
    char longest[1002];
    memset(longest, 'x', sizeof longest);
    longest[1001] = '\0';
    assert_int_equal(oauth_check(&oauth_members[1], longest, NULL), ERR_LIMIT);
    longest[1000] = '\0';
    assert_int_equal(oauth_check(&oauth_members[1], longest, NULL), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_is_written_as_it_was_read),
        cmocka_unit_test(edited_text_is_no_client),
        cmocka_unit_test(member_may_be_what_its_kind_allows),
    };
    return cmocka_run_group_tests_name("oauth", tests, NULL, NULL);
}
