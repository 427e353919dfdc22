// SPDX-License-Identifier: MIT
// notice_fuzz.c: any bytes as the notice in the row of a delivery.
//
// What is taken for a notice comes back from its own JSON as the same one, and every kind of
// channel can say it: in JSON, within the bounds of the providers.

#include "alert/channel_form.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const settings[CHANNEL_KINDS] = {
    [CHANNEL_WEBHOOK] = "{\"url\":\"https://a.test\"}",
    [CHANNEL_SLACK] = "{\"url\":\"https://a.test\"}",
    [CHANNEL_DISCORD] = "{\"url\":\"https://a.test\"}",
    [CHANNEL_TEAMS] = "{\"url\":\"https://a.test\"}",
    [CHANNEL_PAGERDUTY] = "{\"routing_key\":\"R0\"}",
    [CHANNEL_OPSGENIE] = "{\"api_key\":\"k\"}",
    [CHANNEL_NTFY] = "{\"topic\":\"t\"}",
    [CHANNEL_TELEGRAM] = "{\"bot_token\":\"1:x\",\"chat_id\":\"1\"}",
    [CHANNEL_EMAIL] = "{\"host\":\"a.test\",\"from\":\"a@b.test\",\"to\":[\"c@d.test\"]}",
};

static void check_mail(const char *message)
{
    for (const char *p = message; *p; p += strcspn(p, "\n") + 1) {
        size_t line = strcspn(p, "\n");
        assert(0 < line && line <= 998 && p[line] == '\n' && p[line - 1] == '\r');
    }
}

static void check_request(enum channel_kind kind, const struct channel_request *r)
{
    json_t *body = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);
    assert(json_is_object(body));
    json_decref(body);
    assert(strncmp(r->url, "https://", 8) == 0 && !strpbrk(r->url, " \r\n"));
    assert(kind != CHANNEL_TEAMS || strlen(r->body) <= 28672);
    assert(kind != CHANNEL_PAGERDUTY || strlen(r->body) <= 524288);
}

static void check_forms(const struct notice *n)
{
    for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
        struct channel_request r;
        json_t *object = json_loads(settings[kind], 0, NULL);
        enum err err = channel_form((enum channel_kind)kind, object, n, n->at, &r, NULL);
        assert(!err);
        if (r.is_mail)
            check_mail(r.mail.message);
        else
            check_request((enum channel_kind)kind, &r);
        channel_request_clear(&r);
        json_decref(object);
    }
}

static void check_notice(const struct notice *n)
{
    struct notice again;
    char *first = notice_pack(n);
    enum err err = notice_unpack(first, &again, NULL);
    assert(!err);
    char *second = notice_pack(&again);
    assert(strcmp(first, second) == 0);
    notice_clear(&again);
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct notice n;
    struct fault f = {0};
    char *text = xmalloc(bytes + 1);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    enum err err = notice_unpack(text, &n, &f);
    assert((err == ERR_OK) == (*f.text == '\0'));
    if (!err) {
        check_notice(&n);
        check_forms(&n);
        notice_clear(&n);
    }
    free(text);
    return 0;
}
