// SPDX-License-Identifier: MIT
// test_channel_mail.c: the mail that a notice becomes.

#include "alert/channel_form.h"
#include "base/base64.h"
#include "notices.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define SETTINGS                                                                                   \
    "\"host\":\"mail.test\",\"from\":\"carillon@b.test\",\"to\":[\"c@d.test\",\"e@f.test\"]"

static void form(const char *settings, const struct notice *n, struct channel_request *out)
{
    struct fault f = {0};
    json_t *object = json_loads(settings, 0, NULL);
    assert_non_null(object);
    if (channel_form(CHANNEL_EMAIL, object, n, NOTICE_AT, out, &f))
        fail_msg("%s", f.text);
    assert_true(out->is_mail);
    json_decref(object);
}

static const char head[] = "From: Carillon <carillon@b.test>\r\n"
                           "To: c@d.test,\r\n e@f.test\r\n"
                           "Subject: [Carillon] Job backup fails\r\n"
                           "Date: Tue, 01 Jan 2030 00:00:00 +0000\r\n"
                           "Message-ID: <carillon-delivery-12@b.test>\r\n"
                           "In-Reply-To: <carillon-incident-3@b.test>\r\n"
                           "References: <carillon-incident-3@b.test>\r\n"
                           "Auto-Submitted: auto-generated\r\n"
                           "X-Auto-Response-Suppress: All\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: multipart/alternative; boundary=\"carillon-12\"\r\n"
                           "\r\n"
                           "--carillon-12\r\n"
                           "Content-Type: text/plain; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: base64\r\n"
                           "\r\n";

// The content of the nth part, decoded. The caller frees it.
static char *part_of(const char *mail, int nth)
{
    const char *p = mail;
    for (int i = 0; i <= nth; i++)
        p = strstr(p, "base64\r\n\r\n") + strlen("base64\r\n\r\n");
    size_t bytes = 0, chars = 0;
    char *base64 = xmalloc(strlen(p) + 1), *text = xmalloc(strlen(p) + 1);
    for (; strncmp(p, "--", 2) != 0; p += strcspn(p, "\n") + 1) {
        size_t line = strcspn(p, "\r");
        assert_true(line <= 76 && p[line] == '\r' && p[line + 1] == '\n');
        memcpy(base64 + chars, p, line);
        chars += line;
    }
    assert_true(base64_read(base64, chars, text, &bytes));
    text[bytes] = '\0';
    free(base64);
    return text;
}

static void a_mail_has_its_headers_and_both_parts(void **state)
{
    (void)state;
    struct notice n;
    struct channel_request r;
    notice_of_failure(&n);
    form("{" SETTINGS "}", &n, &r);
    assert_memory_equal(r.mail.message, head, strlen(head));
    char *text = part_of(r.mail.message, 0), *html = part_of(r.mail.message, 1);
    assert_string_equal(text, "Job backup fails\r\n\r\n"
                              "execution 7-1893456000000 of job 7 failed after 4 attempts: a < b & "
                              "c\r\n\r\nhttps://carillon.test/jobs/7\r\n");
    assert_string_equal(
        html, "<!DOCTYPE html>\r\n<html><body style=\"font-family: sans-serif\">\r\n"
              "<h3>Job backup fails</h3>\r\n"
              "<p>execution 7-1893456000000 of job 7 failed after 4 attempts: a &lt; b &amp; "
              "c</p>\r\n<p><a href=\"https://carillon.test/jobs/7\">Open in Carillon</a></p>\r\n"
              "</body></html>\r\n");
    const char *end = "\r\n--carillon-12--\r\n";
    assert_string_equal(r.mail.message + strlen(r.mail.message) - strlen(end), end);
    free(text);
    free(html);
    channel_request_clear(&r);
    notice_clear(&n);
}

static const struct {
    const char *settings;
    enum mail_security security;
    uint16_t port;
} envelopes[] = {
    {"{" SETTINGS "}", MAIL_STARTTLS, 587},
    {"{" SETTINGS ",\"security\":\"tls\"}", MAIL_TLS, 465},
    {"{" SETTINGS ",\"security\":\"none\"}", MAIL_CLEAR, 25},
    {"{" SETTINGS ",\"port\":2525}", MAIL_STARTTLS, 2525},
};

static void the_envelope_is_that_of_the_settings(void **state)
{
    (void)state;
    struct notice n;
    notice_of_failure(&n);
    for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
        struct channel_request r;
        form(envelopes[i].settings, &n, &r);
        assert_int_equal(r.mail.security, envelopes[i].security);
        assert_int_equal(r.mail.port, envelopes[i].port);
        assert_string_equal(r.mail.host, "mail.test");
        assert_null(r.mail.username);
        assert_int_equal(r.mail.to_count, 2);
        assert_string_equal(r.mail.to[1], "e@f.test");
        channel_request_clear(&r);
    }
    notice_clear(&n);
}

// The messages of an incident are a thread, and each is a message of its own.
static void a_recovery_belongs_to_the_thread_of_its_failure(void **state)
{
    (void)state;
    struct notice n;
    struct channel_request r;
    notice_of_recovery(&n);
    form("{" SETTINGS ",\"subject_prefix\":\"[x]\"}", &n, &r);
    assert_non_null(strstr(r.mail.message, "\r\nMessage-ID: <carillon-delivery-13@b.test>\r\n"));
    assert_non_null(strstr(r.mail.message, "\r\nReferences: <carillon-incident-3@b.test>\r\n"));
    assert_non_null(strstr(r.mail.message, "\r\nSubject: [x] Job backup is well again\r\n"));
    channel_request_clear(&r);
    free(n.dedup_key);
    n.dedup_key = NULL;
    form("{" SETTINGS "}", &n, &r);
    assert_null(strstr(r.mail.message, "References"));
    channel_request_clear(&r);
    notice_clear(&n);
}

// No text adds a header, a part or an end of the message, and no line is too long for SMTP.
static void the_nastiest_texts_stay_where_they_belong(void **state)
{
    (void)state;
    struct notice n;
    struct channel_request r;
    notice_of_evil(&n);
    form("{" SETTINGS "}", &n, &r);
    size_t headers = 0;
    for (const char *p = r.mail.message; *p; p += strcspn(p, "\n") + 1) {
        size_t line = strcspn(p, "\n");
        assert_true(line > 0 && line <= 79 && p[line] == '\n' && p[line - 1] == '\r');
        assert_int_not_equal(*p, '.');
        for (size_t i = 0; i + 1 < line; i++)
            assert_true(' ' <= p[i] && p[i] <= '~');
        headers += line > 1 && strncmp(p, "Bcc", 3) == 0;
    }
    assert_int_equal(headers, 0);
    assert_non_null(strstr(r.mail.message, "\r\nSubject: =?UTF-8?B?"));
    char *html = part_of(r.mail.message, 1);
    assert_null(strstr(html, "<script"));
    free(html);
    channel_request_clear(&r);
    notice_clear(&n);
}

static const struct {
    const char *title;
    const char *subject;
} subjects[] = {
    {"\xc3\xbc", " =?UTF-8?B?W3hdIMO8?=\r\n"},
    {"a =?x", " =?UTF-8?B?W3hdIGEgPT94?=\r\n"},
    {"", " [x] (no title)\r\n"},
    // Encoded words end between characters: the 42nd byte would be inside of the last one.
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe2\x82\xac",
     " =?UTF-8?B?W3hdIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?=\r\n"
     " =?UTF-8?B?4oKs?=\r\n"},
};

static void subjects_are_encoded_where_they_must_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {
        struct notice n = {.title = xstrdup(subjects[i].title), .count = 1};
        struct channel_request r;
        form("{" SETTINGS ",\"subject_prefix\":\"[x]\"}", &n, &r);
        const char *subject = strstr(r.mail.message, "Subject:") + strlen("Subject:");
        size_t bytes = (size_t)(strstr(subject, "Date:") - subject);
        assert_int_equal(bytes, strlen(subjects[i].subject));
        assert_memory_equal(subject, subjects[i].subject, bytes);
        channel_request_clear(&r);
        notice_clear(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_has_its_headers_and_both_parts),
        cmocka_unit_test(the_envelope_is_that_of_the_settings),
        cmocka_unit_test(a_recovery_belongs_to_the_thread_of_its_failure),
        cmocka_unit_test(the_nastiest_texts_stay_where_they_belong),
        cmocka_unit_test(subjects_are_encoded_where_they_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
