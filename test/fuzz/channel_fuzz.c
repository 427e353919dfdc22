// SPDX-License-Identifier: MIT
// channel_fuzz.c: any bytes as the settings of a channel, and as the answer of its provider.
//
// The first byte is the kind, the next two the status. Settings that are taken make a request whose
// lines are headers and nothing else; an answer makes a wait within its bounds, and an error in one
// line of UTF-8.

#include "alert/channel_form.h"
#include "base/header.h"
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_lines(char *lines)
{
    for (char *line = lines; *line;) {
        char *end = strchr(line, '\n');
        assert(end);
        *end = '\0';
        char *colon = strstr(line, ": ");
        assert(colon);
        *colon = '\0';
        enum err err = header_check(line, colon + 2, NULL);
        assert(!err || header_is_reserved(line));
        line = end + 1;
    }
}

static void check_mail(const struct mail_message *m)
{
    assert(!strpbrk(m->from, " \r\n<>") && !strpbrk(m->host, " \r\n/@"));
    for (size_t i = 0; i < m->to_count; i++)
        assert(!strpbrk(m->to[i], " \r\n<>"));
    for (const char *p = m->message; *p; p += strcspn(p, "\n") + 1)
        assert(strcspn(p, "\n") <= 998);
}

static void check_settings(enum channel_kind kind, const char *text)
{
    json_t *config, *secrets, *given = json_loads(text, 0, NULL);
    struct fault f = {0};
    enum err err = channel_settings(kind, given, &config, &secrets, &f);
    assert((err == ERR_OK) == (*f.text == '\0'));
    if (!err) {
        struct notice n = {.title = xstrdup("a"), .count = 1};
        struct channel_request r;
        assert(json_object_size(config) + json_object_size(secrets) == json_object_size(given));
        err = channel_form(kind, given, &n, 0, &r, NULL);
        assert(!err);
        if (r.is_mail)
            check_mail(&r.mail);
        else
            check_lines(r.headers);
        channel_request_clear(&r);
        notice_clear(&n);
        json_decref(config);
        json_decref(secrets);
    }
    json_decref(given);
}

static void check_answer(enum channel_kind kind, int status, const char *text)
{
    dur_ms wait = 0;
    char error[CHANNEL_ERROR_BYTES];
    enum channel_verdict v = channel_judge(kind, status, text, &wait, error);
    assert(0 <= wait && wait <= CHANNEL_RETRY_AFTER_MS_MAX);
    assert((v == CHANNEL_ARRIVED || status == 0) == (*error == '\0'));
    assert(utf8_span(error, strlen(error)) == strlen(error) && !strpbrk(error, "\r\n\x1b"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 3)
        return 0;
    enum channel_kind kind = (enum channel_kind)(data[0] % CHANNEL_KINDS);
    char *text = xmalloc(bytes - 2);
    memcpy(text, data + 3, bytes - 3);
    text[bytes - 3] = '\0';
    check_settings(kind, text);
    check_answer(kind, (data[1] << 8 | data[2]) % 600, text);
    free(text);
    return 0;
}
