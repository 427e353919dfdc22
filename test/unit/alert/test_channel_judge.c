// SPDX-License-Identifier: MIT
// test_channel_judge.c: what the answers of providers mean.

#include "alert/channel_form.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static const struct {
    enum channel_kind kind;
    int status;
    const char *body;
    dur_ms header_ms;
    enum channel_verdict verdict;
    dur_ms wait_ms;
    const char *error;
} cases[] = {
    // What all of them mean.
    {CHANNEL_WEBHOOK, 0, NULL, 0, CHANNEL_AGAIN, 0, ""},
    {CHANNEL_WEBHOOK, 200, NULL, 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_WEBHOOK, 204, "", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_WEBHOOK, 301, "", 0, CHANNEL_REFUSED, 0, "webhook answered 301"},
    {CHANNEL_WEBHOOK, 400, "no\nsuch\x1b room", 0, CHANNEL_REFUSED, 0,
     "webhook answered 400: no such  room"},
    {CHANNEL_WEBHOOK, 408, "", 0, CHANNEL_AGAIN, 0, "webhook answered 408"},
    {CHANNEL_WEBHOOK, 410, "", 0, CHANNEL_REFUSED, 0, "webhook answered 410"},
    {CHANNEL_WEBHOOK, 425, "", 0, CHANNEL_AGAIN, 0, "webhook answered 425"},
    {CHANNEL_WEBHOOK, 429, "", 30000, CHANNEL_AGAIN, 30000, "webhook answered 429"},
    {CHANNEL_WEBHOOK, 503, "{\"retry_after\":9}", 0, CHANNEL_AGAIN, 0, "webhook answered 503"},
    {CHANNEL_WEBHOOK, 429, "", 1LL << 60, CHANNEL_AGAIN, 3600000, "webhook answered 429"},
    // Slack, Mattermost, Rocket.Chat.
    {CHANNEL_SLACK, 200, "ok", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_SLACK, 200, "ok\n", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_SLACK, 200, "{\"success\":true}", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_SLACK, 200, "<html>please log in", 0, CHANNEL_REFUSED, 0,
     "slack answered 200: <html>please log in"},
    {CHANNEL_SLACK, 200, "{\"success\":false,\"error\":\"no room\"}", 0, CHANNEL_REFUSED, 0,
     "slack answered 200: no room"},
    {CHANNEL_SLACK, 200, "okay", 0, CHANNEL_REFUSED, 0, "slack answered 200: okay"},
    {CHANNEL_SLACK, 200, "", 0, CHANNEL_REFUSED, 0, "slack answered 200: its body is not \"ok\""},
    {CHANNEL_SLACK, 400, "invalid_payload", 0, CHANNEL_REFUSED, 0,
     "slack answered 400: invalid_payload"},
    {CHANNEL_SLACK, 404, "no_service", 0, CHANNEL_REFUSED, 0, "slack answered 404: no_service"},
    {CHANNEL_SLACK, 429, "", 2000, CHANNEL_AGAIN, 2000, "slack answered 429"},
    // Discord.
    {CHANNEL_DISCORD, 204, "", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_DISCORD, 429,
     "{\"message\":\"You are being rate limited.\",\"retry_after\":64.57,\"global\":false}", 65000,
     CHANNEL_AGAIN, 65000, "discord answered 429: You are being rate limited."},
    {CHANNEL_DISCORD, 429, "{\"retry_after\":1.5}", 1000, CHANNEL_AGAIN, 1500,
     "discord answered 429"},
    {CHANNEL_DISCORD, 429, "{\"retry_after\":-5}", 0, CHANNEL_AGAIN, 0, "discord answered 429"},
    {CHANNEL_DISCORD, 429, "{\"retry_after\":1e300}", 0, CHANNEL_AGAIN, 3600000,
     "discord answered 429"},
    {CHANNEL_DISCORD, 404, "{\"message\":\"Unknown Webhook\",\"code\":10015}", 0, CHANNEL_REFUSED,
     0, "discord answered 404: Unknown Webhook"},
    // Teams: a workflow, and the webhooks before.
    {CHANNEL_TEAMS, 202, "", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_TEAMS, 200, "1", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_TEAMS, 200,
     "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 "
     "with ContextId x",
     0, CHANNEL_AGAIN, 0,
     "teams answered 200: Webhook message delivery failed with error: Microsoft Teams endpoint "
     "returned HTTP error 429 with ContextId x"},
    {CHANNEL_TEAMS, 413, "", 0, CHANNEL_REFUSED, 0, "teams answered 413"},
    // PagerDuty and Opsgenie take an event first and look at it later.
    {CHANNEL_PAGERDUTY, 202, "{\"status\":\"success\"}", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_PAGERDUTY, 400,
     "{\"status\":\"invalid event\",\"message\":\"Event object is invalid\",\"errors\":[\"x\"]}", 0,
     CHANNEL_REFUSED, 0, "pagerduty answered 400: Event object is invalid"},
    {CHANNEL_PAGERDUTY, 429, "", 0, CHANNEL_AGAIN, 0, "pagerduty answered 429"},
    {CHANNEL_OPSGENIE, 202, "{\"result\":\"Request will be processed\"}", 0, CHANNEL_ARRIVED, 0,
     ""},
    {CHANNEL_OPSGENIE, 422, "{\"message\":\"Request body is not processable.\"}", 0,
     CHANNEL_REFUSED, 0, "opsgenie answered 422: Request body is not processable."},
    // ntfy.
    {CHANNEL_NTFY, 200, "{\"id\":\"x\",\"event\":\"message\"}", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_NTFY, 403, "{\"code\":40301,\"http\":403,\"error\":\"forbidden\"}", 0, CHANNEL_REFUSED,
     0, "ntfy answered 403: forbidden"},
    // Telegram.
    {CHANNEL_TELEGRAM, 200, "{\"ok\":true,\"result\":{}}", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_TELEGRAM, 200, "{\"ok\":true,\"result\":{\"message_", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_TELEGRAM, 200, "{\"ok\":false,\"description\":\"odd\"}", 0, CHANNEL_REFUSED, 0,
     "telegram answered 200: odd"},
    {CHANNEL_TELEGRAM, 429,
     "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after 14\","
     "\"parameters\":{\"retry_after\":14}}",
     0, CHANNEL_AGAIN, 14000, "telegram answered 429: Too Many Requests: retry after 14"},
    {CHANNEL_TELEGRAM, 400,
     "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: chat not found\"}", 0,
     CHANNEL_REFUSED, 0, "telegram answered 400: Bad Request: chat not found"},
    // Mail.
    {CHANNEL_EMAIL, 250, "OK", 0, CHANNEL_ARRIVED, 0, ""},
    {CHANNEL_EMAIL, 450, "4.2.0 greylisted", 0, CHANNEL_AGAIN, 0,
     "the mail server answered 450: 4.2.0 greylisted"},
    {CHANNEL_EMAIL, 550, "no such user", 0, CHANNEL_REFUSED, 0,
     "the mail server answered 550: no such user"},
    // What nobody sends.
    {CHANNEL_DISCORD, 429, "[[[[", 0, CHANNEL_AGAIN, 0, "discord answered 429: [[[["},
    {CHANNEL_TELEGRAM, 429, "{\"parameters\":[]}", 0, CHANNEL_AGAIN, 0, "telegram answered 429"},
    {CHANNEL_NTFY, 400, "{\"error\":[]}", 0, CHANNEL_REFUSED, 0, "ntfy answered 400"},
};

static void answers_mean_what_their_provider_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        dur_ms wait = cases[i].header_ms;
        char error[CHANNEL_ERROR_BYTES] = "before";
        enum channel_verdict v =
            channel_judge(cases[i].kind, cases[i].status, cases[i].body, &wait, error);
        if (v != cases[i].verdict || wait != cases[i].wait_ms)
            fail_msg("case %zu: verdict %d, wait %lld", i, (int)v, (long long)wait);
        assert_string_equal(error, cases[i].error);
    }
}

static void a_long_answer_is_repeated_in_part(void **state)
{
    (void)state;
    static char body[10000];
    memset(body, '\xe2', sizeof body - 1);
    dur_ms wait = 0;
    char error[CHANNEL_ERROR_BYTES];
    assert_int_equal(channel_judge(CHANNEL_NTFY, 500, body, &wait, error), CHANNEL_AGAIN);
    assert_true(strlen(error) < 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_mean_what_their_provider_documents),
        cmocka_unit_test(a_long_answer_is_repeated_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
