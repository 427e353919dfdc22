// SPDX-License-Identifier: MIT
// test_channel_member.c: the settings of channels: what is taken, what is shown, what is secret.

#include "alert/channel_form.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define KEY "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define MAIL "\"host\":\"mail.test\",\"from\":\"a@b.test\",\"to\":[\"c@d.test\"]"

static json_t *object_of(const char *text)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(object);
    return object;
}

static const struct {
    enum channel_kind kind;
    const char *given;
    const char *config;
    const char *secrets; // NULL: none.
} taken[] = {
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test/hook\"}", "{\"url\":\"https://a.test/hook\"}",
     NULL},
    {CHANNEL_WEBHOOK,
     "{\"url\":\"http://a.test\",\"secret\":\"" KEY "\",\"headers\":{\"X-Room\":\"5\"}}",
     "{\"url\":\"http://a.test\"}", "{\"secret\":\"" KEY "\",\"headers\":{\"X-Room\":\"5\"}}"},
    {CHANNEL_SLACK, "{\"url\":\"https://hooks.slack.com/services/T/B/x\"}", "{}",
     "{\"url\":\"https://hooks.slack.com/services/T/B/x\"}"},
    {CHANNEL_DISCORD, "{\"url\":\"https://discord.com/api/webhooks/1/x\"}", "{}",
     "{\"url\":\"https://discord.com/api/webhooks/1/x\"}"},
    {CHANNEL_TEAMS, "{\"url\":\"https://x.logic.azure.com/w?sig=y\"}", "{}",
     "{\"url\":\"https://x.logic.azure.com/w?sig=y\"}"},
    {CHANNEL_PAGERDUTY, "{\"routing_key\":\"R0\"}", "{}", "{\"routing_key\":\"R0\"}"},
    {CHANNEL_OPSGENIE, "{\"api_key\":\"k\",\"region\":\"eu\"}", "{\"region\":\"eu\"}",
     "{\"api_key\":\"k\"}"},
    {CHANNEL_NTFY, "{\"topic\":\"t\",\"priority\":5,\"tags\":[\"bell\"]}",
     "{\"topic\":\"t\",\"priority\":5,\"tags\":[\"bell\"]}", NULL},
    {CHANNEL_TELEGRAM, "{\"bot_token\":\"1:x\",\"chat_id\":\"-1001\",\"message_thread_id\":4}",
     "{\"chat_id\":\"-1001\",\"message_thread_id\":4}", "{\"bot_token\":\"1:x\"}"},
    {CHANNEL_EMAIL, "{" MAIL ",\"username\":\"u\",\"password\":\"p\"}",
     "{" MAIL ",\"username\":\"u\"}", "{\"password\":\"p\"}"},
    {CHANNEL_EMAIL, "{" MAIL ",\"port\":465,\"security\":\"tls\",\"subject_prefix\":\"[x]\"}",
     "{" MAIL ",\"port\":465,\"security\":\"tls\",\"subject_prefix\":\"[x]\"}", NULL},
};

static void settings_are_split_into_shown_and_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        json_t *given = object_of(taken[i].given), *config = NULL, *secrets = NULL;
        struct fault f = {0};
        assert_int_equal(channel_settings(taken[i].kind, given, &config, &secrets, &f), ERR_OK);
        json_t *expected = object_of(taken[i].config);
        assert_true(json_equal(config, expected));
        json_decref(expected);
        expected = taken[i].secrets ? object_of(taken[i].secrets) : NULL;
        assert_true(expected ? json_equal(secrets, expected) : !secrets);
        json_decref(expected);
        json_decref(given);
        json_decref(config);
        json_decref(secrets);
    }
}

static const struct {
    enum channel_kind kind;
    const char *given;
    enum err err;
    const char *reason;
} refused[] = {
    {CHANNEL_SLACK, "[]", ERR_SYNTAX, "settings: "},
    {CHANNEL_SLACK, "{}", ERR_NOT_FOUND, "url: a channel of kind slack needs it"},
    {CHANNEL_SLACK, "{\"url\":5}", ERR_SYNTAX, "url: it must be a string"},
    {CHANNEL_SLACK, "{\"url\":\"hooks.slack.com/secret\"}", ERR_SYNTAX, "url: it is no URL"},
    {CHANNEL_SLACK, "{\"url\":\"https://a.test/\\r\\nX: y\"}", ERR_SYNTAX, "control character"},
    {CHANNEL_SLACK, "{\"urls\":\"https://a.test\"}", ERR_NOT_FOUND, "did you mean url?"},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://u:p@a.test\"}", ERR_SYNTAX, "url: the URL carries"},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test\",\"secret\":\"hush\"}", ERR_SYNTAX, "secret: "},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test\",\"secret\":1}", ERR_SYNTAX, "secret: "},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test\",\"headers\":[]}", ERR_SYNTAX, "headers: "},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test\",\"headers\":{\"A\":1}}", ERR_SYNTAX,
     "headers: "},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test\",\"headers\":{\"A\":\"b\\nC: d\"}}", ERR_SYNTAX,
     "headers: "},
    {CHANNEL_WEBHOOK, "{\"url\":\"https://a.test\",\"headers\":{\"webhook-id\":\"1\"}}",
     ERR_FORBIDDEN, "headers: "},
    {CHANNEL_OPSGENIE, "{\"api_key\":\"k\",\"region\":\"mars\"}", ERR_SYNTAX,
     "region: it must be us or eu"},
    {CHANNEL_OPSGENIE, "{\"api_key\":\"k k\"}", ERR_SYNTAX, "api_key: byte 2 is a space"},
    {CHANNEL_PAGERDUTY, "{\"routing_key\":\"\"}", ERR_RANGE, "routing_key: it is empty"},
    {CHANNEL_NTFY, "{\"topic\":\"t\",\"priority\":6}", ERR_RANGE,
     "priority: it must be from 1 to 5"},
    {CHANNEL_NTFY, "{\"topic\":\"t\",\"priority\":\"5\"}", ERR_SYNTAX, "priority: "},
    {CHANNEL_NTFY, "{\"topic\":\"t\",\"tags\":[]}", ERR_LIMIT, "tags: "},
    {CHANNEL_NTFY, "{\"topic\":\"t\",\"tags\":[\"a\",\"\"]}", ERR_RANGE,
     "tags: it is empty, entry 2"},
    {CHANNEL_EMAIL, "{" MAIL ",\"username\":\"u\"}", ERR_SYNTAX, "password: "},
    {CHANNEL_EMAIL, "{" MAIL ",\"password\":\"p\"}", ERR_SYNTAX, "username: "},
    {CHANNEL_EMAIL, "{" MAIL ",\"subject_prefix\":\"a\\nBcc: x@y.z\"}", ERR_SYNTAX,
     "subject_prefix: byte 2 is a control character"},
    {CHANNEL_EMAIL, "{\"host\":\"smtp://a\"}", ERR_SYNTAX, "host: "},
    {CHANNEL_EMAIL, "{\"host\":\"a:25\"}", ERR_SYNTAX, "host: the port goes into"},
    {CHANNEL_EMAIL, "{\"to\":\"a@b.c\"}", ERR_SYNTAX, "to: it must be an array"},
};

static void wrong_settings_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        json_t *given = object_of(refused[i].given), *config = NULL, *secrets = NULL;
        struct fault f = {0};
        enum err err = channel_settings(refused[i].kind, given, &config, &secrets, &f);
        if (err != refused[i].err || !strstr(f.text, refused[i].reason))
            fail_msg("%s: %s", refused[i].given, f.text);
        assert_null(config);
        assert_null(strstr(f.text, "secret/"));
        json_decref(given);
    }
}

static const struct {
    const char *address;
    bool is_good;
} addresses[] = {
    {"ops@example.org", true},
    {"first.last+tag@mail.example.org", true},
    {"a@localhost", true},
    {"", false},
    {"ops", false},
    {"@example.org", false},
    {"ops@", false},
    {"a b@example.org", false},
    {"a@b@c", false},
    {"a@b.c>", false},
    {"<a@b.c>", false},
    {"a,b@c.d", false},
    {"a..b@c.d", false},
    {".a@c.d", false},
    {"a.@c.d", false},
    {"\"a b\"@c.d", false},
    {"a@b.c\r\nRCPT TO:<x@y.z>", false},
    {"a@[127.0.0.1]", false},
    {"a@b/c", false},
    {"\xc3\xbc@b.c", false},
};

static void addresses_of_mail_break_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        json_t *given = json_pack("{s:s,s:s,s:[s]}", "host", "mail.test", "from",
                                  addresses[i].address, "to", addresses[i].address);
        json_t *config = NULL, *secrets = NULL;
        enum err err = channel_settings(CHANNEL_EMAIL, given, &config, &secrets, NULL);
        if ((err == ERR_OK) != addresses[i].is_good)
            fail_msg("%s", addresses[i].address);
        json_decref(given);
        json_decref(config);
    }
}

// A secret that has a default would be shown to everybody in the documentation.
static void tables_are_sound(void **state)
{
    (void)state;
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        size_t count;
        const struct channel_member *m = channel_members((enum channel_kind)kind, &count);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            assert_non_null(m[i].help);
            assert_false(m[i].initial && (m[i].is_secret || m[i].is_required));
            assert_true((m[i].form == SETTING_WORD) == (m[i].words != NULL));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_split_into_shown_and_secret),
        cmocka_unit_test(wrong_settings_are_refused_by_name),
        cmocka_unit_test(addresses_of_mail_break_nothing),
        cmocka_unit_test(tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
