// SPDX-License-Identifier: MIT
// test_channel_form.c: what each provider is sent, to the byte.

#include "alert/channel_form.h"
#include "notices.h"
#include "secrets/signing.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#define NOW (NOTICE_AT + 5000)
#define KEY "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static const char *const settings_of[CHANNEL_KINDS] = {
    [CHANNEL_WEBHOOK] =
        "{\"url\":\"https://a.test/hook\",\"secret\":\"" KEY "\",\"headers\":{\"X-Room\":\"5\"}}",
    [CHANNEL_SLACK] = "{\"url\":\"https://slack.test/x\"}",
    [CHANNEL_DISCORD] = "{\"url\":\"https://discord.test/x\"}",
    [CHANNEL_TEAMS] = "{\"url\":\"https://teams.test/x\"}",
    [CHANNEL_PAGERDUTY] = "{\"routing_key\":\"R0\"}",
    [CHANNEL_OPSGENIE] = "{\"api_key\":\"k0\",\"region\":\"eu\"}",
    [CHANNEL_NTFY] = "{\"topic\":\"ops\",\"token\":\"tk_1\",\"tags\":[\"bell\"]}",
    [CHANNEL_TELEGRAM] = "{\"bot_token\":\"1:a/b\",\"chat_id\":\"-1001\",\"message_thread_id\":4}",
    [CHANNEL_EMAIL] = "{\"host\":\"mail.test\",\"from\":\"a@b.test\",\"to\":[\"c@d.test\"]}",
};

static void form(enum channel_kind kind, const char *settings, const struct notice *n,
                 struct channel_request *out)
{
    struct fault f = {0};
    json_t *object = json_loads(settings, 0, NULL);
    if (channel_form(kind, object, n, NOW, out, &f))
        fail_msg("%s", f.text);
    json_decref(object);
}

#define FAILURE 0
#define RECOVERY 1
#define HERD 2

static void (*const notices[])(struct notice *out) = {notice_of_failure, notice_of_recovery,
                                                      notice_of_herd};

static const struct {
    enum channel_kind kind;
    int notice;
    const char *url;
    const char *headers;
    const char *body;
} cases[] = {
    {CHANNEL_WEBHOOK, FAILURE, "https://a.test/hook",
     "webhook-id: msg_12\n"
     "webhook-timestamp: 1893456005\n"
     "webhook-signature: v1,cqGh0aG2oChbzaUQ5zNfFP/2Nr9gv403n0Yaeg4AA14=\n"
     "X-Room: 5\n"
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"version\":1,\"delivery_id\":12,\"at\":\"2030-01-01T00:00:00.000Z\",\"event\":\"ope"
     "ned\",\"severity\":\"critical\",\"title\":\"Job backup fails\",\"text\":\"execution "
     "7-1893456000000 of job 7 failed after 4 attempts: a < b & c\",\"dedup_key\":\"carillo"
     "n-incident-3\",\"link\":\"https://carillon.test/jobs/7\",\"count\":1,\"counts\":{"
     "\"failure\":1},\"alerts\":[{\"id\":5,\"kind\":\"failure\",\"job_id\":7,\"incident_id\""
     ":3,\"at\":\"2030-01-01T00:00:00.000Z\",\"job_name\":\"backup\",\"message\":\"executio"
     "n 7-1893456000000 of job 7 failed after 4 attempts: a < b & c\",\"execution_id\":\"7-"
     "1893456000000\",\"link\":null}]}"},
    {CHANNEL_SLACK, FAILURE, "https://slack.test/x",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"text\":\"Job backup fails\",\"mrkdwn\":false,\"attachments\":[{\"color\":\"#d32f2f"
     "\",\"fallback\":\"Job backup fails\",\"text\":\"execution 7-1893456000000 "
     "of job 7 failed after 4 attempts: a &lt; b &amp; c\",\"mrkdwn_in\":[],\"footer\":\"Ca"
     "rillon\",\"ts\":1893456000,\"title\":\"Open in Carillon\",\"title_link\":\"https://ca"
     "rillon.test/jobs/7\"}]}"},
    {CHANNEL_SLACK, HERD, "https://slack.test/x",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-14\"\n",
     "{\"text\":\"10,000 alerts of 9,999 jobs\",\"mrkdwn\":false,\"attachments\":[{"
     "\"color\":\"#d32f2f\",\"fallback\":\"10,000 alerts of 9,999 jobs\",\"text\":\"\xe2\x80\xa2 "
     "first: it failed\\n\xe2\x80\xa2 it failed,"
     " too\",\"mrkdwn_in\":[],\"footer\":\"Carillon\",\"ts\":1893456000,"
     "\"title\":\"Open in Carillon\",\"title_link\":\"https://carillon.test/alerts\"}]}"},
    {CHANNEL_DISCORD, FAILURE, "https://discord.test/x",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"embeds\":[{\"title\":\"Job backup fails\",\"color\":13840175,\"timestamp\":\"2030-"
     "01-01T00:00:00.000Z\",\"footer\":{\"text\":\"Carillon\"},\"description\":\"execution "
     "7-1893456000000 of job 7 failed after 4 attempts: a \\\\< b & c\",\"url\":\"https://c"
     "arillon.test/jobs/7\"}],\"allowed_mentions\":{\"parse\":[]}}"},
    {CHANNEL_TEAMS, FAILURE, "https://teams.test/x",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.c"
     "ard.adaptive\",\"contentUrl\":null,\"content\":{\"$schema\":\"http://adaptivecards.io"
     "/schemas/adaptive-card.json\",\"type\":\"AdaptiveCard\",\"version\":\"1.4\","
     "\"body\":[{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\","
     "\"text\":\"Job backup fails\",\"weight\":\"Bolder\",\"color\":\"Attention\"}]},"
     "{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\",\"text\":\"execution "
     "7-1893456000000 of job 7 failed after 4 attempts: a < b & c\",\"weight\":\"Default\","
     "\"color\":\"Default\"}]}],\"msteams\":{\"width\":\"Full\"},\"actions\":[{"
     "\"type\":\"Action.OpenUrl\",\"title\":\"Open in Carillon\",\"url\":\"https://carillon"
     ".test/jobs/7\"}]}}]}"},
    {CHANNEL_TEAMS, HERD, "https://teams.test/x",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-14\"\n",
     "{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/"
     "vnd.microsoft.card.adaptive\","
     "\"contentUrl\":null,\"content\":{\"$schema\":\"http://adaptivecards.io/schemas/"
     "adaptive-card.json\","
     "\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"body\":[{\"type\":\"RichTextBlock\","
     "\"inlines\":[{\"type\":\"TextRun\",\"text\":\"10,000 alerts of 9,999 "
     "jobs\",\"weight\":\"Bolder\","
     "\"color\":\"Attention\"}]},{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\","
     "\"text\":\"\xe2\x80\xa2 first: it failed\",\"weight\":\"Default\",\"color\":\"Default\"}"
     "]},{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\",\"text\":\"\xe2\x80\xa2 "
     "it failed, "
     "too\",\"weight\":\"Default\",\"color\":\"Default\"}]}],\"msteams\":{\"width\":\"Full\"}"
     ",\"actions\":[{\"type\":\"Action.OpenUrl\",\"title\":\"Open in "
     "Carillon\",\"url\":\"https://carillon.test/alerts\"}"
     "]}}]}"},
    {CHANNEL_PAGERDUTY, FAILURE, "https://events.pagerduty.com/v2/enqueue",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"routing_key\":\"R0\",\"event_action\":\"trigger\",\"dedup_key\":\"carillon-inciden"
     "t-3\",\"client\":\"Carillon\",\"payload\":{\"summary\":\"Job backup fails\","
     "\"source\":\"backup\",\"severity\":\"critical\",\"timestamp\":\"2030-01-01T00:00:00.0"
     "00Z\",\"custom_details\":{\"count\":1,\"counts\":{\"failure\":1},\"alerts\":[\"execut"
     "ion 7-1893456000000 of job 7 failed after 4 attempts: a < b & c\"],\"message\":\"exec"
     "ution 7-1893456000000 of job 7 failed after 4 attempts: a < b & c\"}},\"client_url\":"
     "\"https://carillon.test/jobs/7\",\"links\":[{\"href\":\"https://carillon.test/jobs/7\""
     ",\"text\":\"Open in Carillon\"}]}"},
    {CHANNEL_PAGERDUTY, RECOVERY, "https://events.pagerduty.com/v2/enqueue",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-13\"\n",
     "{\"routing_key\":\"R0\",\"event_action\":\"resolve\",\"dedup_key\":\"carillon-inciden"
     "t-3\"}"},
    {CHANNEL_OPSGENIE, FAILURE, "https://api.eu.opsgenie.com/v2/alerts",
     "Authorization: GenieKey k0\n"
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"message\":\"Job backup fails\",\"alias\":\"carillon-incident-3\",\"description\":\""
     "execution 7-1893456000000 of job 7 failed after 4 attempts: a < b & c\",\"priority\":"
     "\"P1\",\"source\":\"Carillon\",\"details\":{\"link\":\"https://carillon.test/jobs/7\""
     "}}"},
    {CHANNEL_OPSGENIE, RECOVERY,
     "https://api.eu.opsgenie.com/v2/alerts/carillon-incident-3/close?identifierType=alias",
     "Authorization: GenieKey k0\n"
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-13\"\n",
     "{\"source\":\"Carillon\",\"note\":\"Job backup is well again\"}"},
    {CHANNEL_NTFY, FAILURE, "https://ntfy.sh",
     "Authorization: Bearer tk_1\n"
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"topic\":\"ops\",\"title\":\"Job backup fails\",\"message\":\"execution "
     "7-1893456000000 of job 7 failed after 4 attempts: a < b & c\",\"priority\":4,"
     "\"tags\":[\"rotating_light\",\"bell\"],\"click\":\"https://carillon.test/jobs/7\"}"},
    {CHANNEL_NTFY, HERD, "https://ntfy.sh",
     "Authorization: Bearer tk_1\n"
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-14\"\n",
     "{\"topic\":\"ops\",\"title\":\"10,000 alerts of 9,999 jobs\",\"message\":\"\xe2\x80\xa2 "
     "first: it failed\\n\xe2\x80\xa2 it failed,"
     " too\",\"priority\":4,\"tags\":[\"rotating_light\",\"bell\"],"
     "\"click\":\"https://carillon.test/alerts\"}"},
    {CHANNEL_TELEGRAM, FAILURE, "https://api.telegram.org/bot1:a%2Fb/sendMessage",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-12\"\n",
     "{\"chat_id\":\"-1001\",\"text\":\"<b>Job backup fails</b>\\n\\nexecution "
     "7-1893456000000 of job 7 failed after 4 attempts: a &lt; b &amp; c\\n<a href=\\\"http"
     "s://carillon.test/jobs/7\\\">Open in Carillon</a>\",\"parse_mode\":\"HTML\","
     "\"link_preview_options\":{\"is_disabled\":true},\"message_thread_id\":4}"},
    {CHANNEL_TELEGRAM, HERD, "https://api.telegram.org/bot1:a%2Fb/sendMessage",
     "Content-Type: application/json\n"
     "Idempotency-Key: \"carillon-delivery-14\"\n",
     "{\"chat_id\":\"-1001\",\"text\":\"<b>10,000 alerts of 9,999 jobs</b>\\n\\n\xe2\x80\xa2 "
     "first: it failed\\n\xe2\x80\xa2 it failed,"
     " too\\n<a href=\\\"https://carillon.test/alerts\\\">Open "
     "in Carillon</a>\",\"parse_mode\":\"HTML\",\"link_preview_options\":{\"is_disabled\":t"
     "rue},\"message_thread_id\":4}"},
};

static void requests_are_as_the_providers_document_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct notice n;
        struct channel_request r;
        notices[cases[i].notice](&n);
        form(cases[i].kind, settings_of[cases[i].kind], &n, &r);
        assert_string_equal(r.url, cases[i].url);
        assert_string_equal(r.headers, cases[i].headers);
        assert_string_equal(r.body, cases[i].body);
        assert_int_equal(r.method, METHOD_POST);
        assert_false(r.is_mail);
        channel_request_clear(&r);
        notice_clear(&n);
    }
}

// An incident that somebody has closed there by hand is open again: it goes on.
static void a_reminder_opens_its_incident_again(void **state)
{
    static const struct {
        enum channel_kind kind;
        const char *part;
    } parts[] = {
        {CHANNEL_PAGERDUTY, "\"event_action\":\"trigger\",\"dedup_key\":\"carillon-incident-3\""},
        {CHANNEL_OPSGENIE, "\"alias\":\"carillon-incident-3\""},
        {CHANNEL_SLACK, "\"color\":\"#f9a825\""},
    };
    (void)state;
    struct notice n;
    notice_of_failure(&n);
    n.event = NOTICE_REMIND;
    n.severity = SEVERITY_WARNING;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct channel_request r;
        form(parts[i].kind, settings_of[parts[i].kind], &n, &r);
        assert_non_null(strstr(r.body, parts[i].part));
        channel_request_clear(&r);
    }
    notice_clear(&n);
}

// --- What holds for every notice ---------------------------------------------------------------

static size_t characters(const char *text)
{
    size_t sum = 0;
    for (; *text; text++)
        sum += (*text & 0xf8) == 0xf0 ? 2 : (*text & 0xc0) != 0x80; // In UTF-16.
    return sum;
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static bool mentions(const char *text)
{
    return strstr(text, "@everyone") || strstr(text, "@channel") || strstr(text, "<!") ||
           strstr(text, "<@") || strstr(text, "<script");
}

static void check_slack(const json_t *body, size_t bytes)
{
    (void)bytes;
    const json_t *attachment = json_array_get(json_object_get(body, "attachments"), 0);
    assert_true(characters(text_at(body, "text")) <= 4000);
    assert_true(characters(text_at(attachment, "text")) <= 4000);
    assert_false(mentions(text_at(body, "text")) || mentions(text_at(attachment, "text")));
}

static void check_discord(const json_t *body, size_t bytes)
{
    (void)bytes;
    const json_t *embed = json_array_get(json_object_get(body, "embeds"), 0);
    assert_true(characters(text_at(embed, "title")) <= 256);
    assert_true(characters(text_at(embed, "description")) <= 4096);
    const char *text = text_at(embed, "description");
    assert_null(strstr(text, "@everyone"));
    for (const char *p = text; (p = strpbrk(p, "<>*_`#[]")); p++)
        assert_true(p > text && p[-1] == '\\');
}

static void check_teams(const json_t *body, size_t bytes)
{
    (void)body;
    assert_true(bytes <= 28 * 1024);
}

static void check_pagerduty(const json_t *body, size_t bytes)
{
    const json_t *payload = json_object_get(body, "payload");
    assert_true(bytes <= 512 * 1024);
    assert_true(strlen(text_at(body, "dedup_key")) <= 255);
    assert_true(characters(text_at(payload, "summary")) <= 1024);
    assert_true(characters(text_at(payload, "source")) <= 255);
}

static void check_opsgenie(const json_t *body, size_t bytes)
{
    (void)bytes;
    assert_true(characters(text_at(body, "message")) <= 130);
    assert_true(characters(text_at(body, "description")) <= 15000);
}

static void check_ntfy(const json_t *body, size_t bytes)
{
    (void)bytes;
    assert_true(strlen(text_at(body, "message")) <= 4096);
    assert_null(strchr(text_at(body, "title"), '\n'));
}

// The tags are ours and balanced; what else looks like one is a character.
static void check_telegram(const json_t *body, size_t bytes)
{
    static const char *const tags[] = {"<b>", "</b>", "<a href=\"https://carillon.test/", "</a>"};
    size_t found = 0;
    (void)bytes;
    for (const char *p = text_at(body, "text"); (p = strchr(p, '<')); p++) {
        assert_true(found < COUNT_OF(tags));
        assert_memory_equal(p, tags[found], strlen(tags[found]));
        found++;
    }
    assert_int_equal(found, COUNT_OF(tags));
}

static void (*const checks[CHANNEL_KINDS])(const json_t *body, size_t bytes) = {
    [CHANNEL_SLACK] = check_slack,       [CHANNEL_DISCORD] = check_discord,
    [CHANNEL_TEAMS] = check_teams,       [CHANNEL_PAGERDUTY] = check_pagerduty,
    [CHANNEL_OPSGENIE] = check_opsgenie, [CHANNEL_NTFY] = check_ntfy,
    [CHANNEL_TELEGRAM] = check_telegram,
};

static void the_nastiest_texts_break_no_format_and_no_limit(void **state)
{
    (void)state;
    struct notice n;
    notice_of_evil(&n);
    for (int kind = 0; kind < CHANNEL_EMAIL; kind++) {
        struct channel_request r;
        form((enum channel_kind)kind, settings_of[kind], &n, &r);
        json_t *body = json_loads(r.body, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(body);
        if (checks[kind])
            checks[kind](body, strlen(r.body));
        json_decref(body);
        channel_request_clear(&r);
    }
    notice_clear(&n);
}

// A text longer than the limit is cut right there: with "a" for every character, at the last one.
static void texts_are_cut_at_the_limit_and_not_before(void **state)
{
    static const struct {
        enum channel_kind kind;
        const char *member;
        size_t characters;
    } limits[] = {{CHANNEL_OPSGENIE, "description", 15000}, {CHANNEL_NTFY, "message", 4094}};
    (void)state;
    static char text[20001];
    memset(text, 'a', sizeof text - 1);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct notice n = {.title = xstrdup("t"), .text = xstrdup(text), .count = 1};
        struct channel_request r;
        form(limits[i].kind, settings_of[limits[i].kind], &n, &r);
        json_t *body = json_loads(r.body, 0, NULL);
        assert_int_equal(characters(text_at(body, limits[i].member)), limits[i].characters);
        json_decref(body);
        channel_request_clear(&r);
        notice_clear(&n);
    }
}

// --- Details -------------------------------------------------------------------------------------

static void settings_change_what_is_sent(void **state)
{
    (void)state;
    struct notice n;
    struct channel_request r;
    notice_of_failure(&n);
    form(CHANNEL_NTFY, "{\"topic\":\"t\",\"url\":\"https://n.test/\",\"priority\":1}", &n, &r);
    assert_string_equal(r.url, "https://n.test/");
    assert_null(strstr(r.headers, "Authorization"));
    assert_non_null(strstr(r.body, "\"priority\":1"));
    channel_request_clear(&r);
    form(CHANNEL_OPSGENIE, "{\"api_key\":\"k\",\"url\":\"https://o.test/\"}", &n, &r);
    assert_string_equal(r.url, "https://o.test/v2/alerts");
    channel_request_clear(&r);
    form(CHANNEL_OPSGENIE, "{\"api_key\":\"k\"}", &n, &r);
    assert_string_equal(r.url, "https://api.opsgenie.com/v2/alerts");
    channel_request_clear(&r);
    form(CHANNEL_WEBHOOK,
         "{\"url\":\"http://a.test\",\"headers\":{\"content-type\":\"application/x\"}}", &n, &r);
    assert_null(strstr(r.headers, "application/json"));
    assert_null(strstr(r.headers, "webhook-signature"));
    channel_request_clear(&r);
    notice_clear(&n);
}

static void an_acknowledgement_reaches_those_who_know_incidents(void **state)
{
    (void)state;
    struct notice n;
    struct channel_request r;
    notice_of_failure(&n);
    n.event = NOTICE_ACK;
    form(CHANNEL_PAGERDUTY, settings_of[CHANNEL_PAGERDUTY], &n, &r);
    assert_string_equal(r.body, "{\"routing_key\":\"R0\",\"event_action\":\"acknowledge\","
                                "\"dedup_key\":\"carillon-incident-3\"}");
    channel_request_clear(&r);
    form(CHANNEL_OPSGENIE, settings_of[CHANNEL_OPSGENIE], &n, &r);
    assert_string_equal(r.url, "https://api.eu.opsgenie.com/v2/alerts/carillon-incident-3/"
                               "acknowledge?identifierType=alias");
    channel_request_clear(&r);
    notice_clear(&n);
}

// A row that was edited by hand must not end the server.
static void settings_that_lack_something_are_refused(void **state)
{
    (void)state;
    struct notice n;
    notice_of_failure(&n);
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        struct channel_request r = {.url = NULL};
        struct fault f = {0};
        json_t *empty = json_object();
        assert_int_equal(channel_form((enum channel_kind)kind, empty, &n, NOW, &r, &f),
                         ERR_UNUSABLE);
        assert_true(f.text[0] != '\0');
        assert_null(r.url);
        json_decref(empty);
    }
    notice_clear(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_as_the_providers_document_them),
        cmocka_unit_test(a_reminder_opens_its_incident_again),
        cmocka_unit_test(the_nastiest_texts_break_no_format_and_no_limit),
        cmocka_unit_test(texts_are_cut_at_the_limit_and_not_before),
        cmocka_unit_test(settings_change_what_is_sent),
        cmocka_unit_test(an_acknowledgement_reaches_those_who_know_incidents),
        cmocka_unit_test(settings_that_lack_something_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
