// SPDX-License-Identifier: MIT
// test_dispatch_secrets.c: what a job holds sealed, over every adapter: opened for its target, and
// for nobody else.

#include "dispatch_harness.h"
#include "secrets/signing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_A "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "b:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\n"

static char elsewhere[256]; // A Location that needs the target's port; filled in by setup().

static struct script scripts[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/elsewhere", elsewhere, 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static struct secret_ring *ring;

static struct secret_ring *ring_of(const char *text)
{
    char path[] = "/tmp/carillon-keys-XXXXXX";
    int fd = mkstemp(path);
    struct secret_ring *r = NULL;
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(secret_ring_open(path, &r, NULL), ERR_OK);
    unlink(path);
    return r;
}

static int setup(void **state)
{
    int rc = harness_setup(state, scripts, NULL, NULL, NULL);
    struct harness *h = *state;
    ring = ring_of(KEY_A);
    snprintf(elsewhere, sizeof elsewhere,
             "HTTP/1.1 307 Moved\r\nLocation: http://localhost:%u/ok\r\nContent-Length: 0\r\n\r\n",
             scripted_target_port(h->target));
    harness_reopen(h, &(struct dispatch_options){.version = "1.2.3",
                                                 .secrets = ring,
                                                 .name_servers = scripted_names_server(h->names)});
    return rc;
}

static int teardown(void **state)
{
    int rc = harness_teardown(state);
    secret_ring_close(ring);
    ring = NULL;
    return rc;
}

// "X-Odd: (sealed)\nX-Plain: y\n" for a text, sealed by the keys.
static const char *headers_with(const char *keys, const char *text)
{
    static char headers[1024];
    struct secret_ring *r = ring_of(keys);
    char *sealed = secret_seal(r, text, SECRET_JOB_HEADER);
    snprintf(headers, sizeof headers, "X-Odd: %s\nX-Plain: y\n", sealed);
    free(sealed);
    secret_ring_close(r);
    return headers;
}

static const struct seen *send_with(struct harness *h, const char *path, const char *headers)
{
    struct send s = harness_attempt(h, path);
    s.request.headers = headers;
    s.request.redirects = 1;
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static void a_sealed_header_reaches_the_target_in_clear(void **state)
{
    struct harness *h = *state;
    const struct seen *s = send_with(h, "/ok", headers_with(KEY_A, "hush hush"));
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    const char *request = scripted_target_request(h->target, 0);
    assert_non_null(strstr(request, "X-Odd: hush hush\r\n"));
    assert_non_null(strstr(request, "X-Plain: y\r\n"));
    assert_null(strstr(request, "sealed:"));
}

// The buffers of one attempt are used again by the next.
static void a_secret_is_not_left_for_the_next_attempt(void **state)
{
    struct harness *h = *state;
    send_with(h, "/ok", headers_with(KEY_A, "hush"));
    send_with(h, "/ok", "X-Plain: y\n");
    assert_null(strstr(scripted_target_request(h->target, 1), "hush"));
}

static void without_its_key_an_attempt_fails_and_sends_nothing(void **state)
{
    struct harness *h = *state;
    const struct seen *s = send_with(h, "/ok", headers_with(KEY_B, "hush"));
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_string_equal(s->error, "the secret header X-Odd cannot be opened: the key b that it was "
                                  "sealed with is missing here");
    assert_int_equal(scripted_target_requests(h->target), 0);
    assert_int_equal(scripted_target_connections(h->target), 0);
}

static void what_was_altered_is_not_sent(void **state)
{
    struct harness *h = *state;
    const struct seen *s = send_with(h, "/ok", "X-Odd: sealed:v1:a:AAAA\n");
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_string_equal(s->error,
                        "the secret header X-Odd cannot be opened: the sealed text is malformed");
    assert_int_equal(scripted_target_requests(h->target), 0);
}

// Whatever its name is.
static void a_sealed_header_stays_with_its_origin(void **state)
{
    struct harness *h = *state;
    const struct seen *s = send_with(h, "/elsewhere", headers_with(KEY_A, "hush"));
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
    assert_non_null(strstr(scripted_target_request(h->target, 0), "X-Odd: hush\r\n"));
    assert_null(strstr(scripted_target_request(h->target, 1), "X-Odd"));
    assert_non_null(strstr(scripted_target_request(h->target, 1), "X-Plain: y\r\n"));
}

// --- Signatures ----------------------------------------------------------------------------------

#define SYMMETRIC "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ASYMMETRIC "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="

static const char *keys_sealed_by(const char *keys)
{
    static char lines[1024];
    struct secret_ring *r = ring_of(keys);
    char *first = signing_line(r, SYMMETRIC), *second = signing_line(r, ASYMMETRIC);
    snprintf(lines, sizeof lines, "%s%s", first, second);
    free(first);
    free(second);
    secret_ring_close(r);
    return lines;
}

static const struct seen *send_signed(struct harness *h, const char *path, const char *signing)
{
    struct send s = harness_attempt(h, path);
    s.request.signing = signing;
    s.request.body = "a body\xe2\x82\xac";
    s.request.redirects = 1;
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

// The value of a header of the request.
static void value_of(const char *request, const char *name, char out[static 512])
{
    const char *line = strstr(request, name);
    assert_non_null(line);
    line += strlen(name);
    snprintf(out, 512, "%.*s", (int)strcspn(line, "\r"), line);
}

// What a receiver computes of what it has got.
static void expect_signatures(const char *request)
{
    char id[512], at[512], content[2048], expected[512], got[512];
    char first[SIGNING_SIGNATURE_CHARS], second[SIGNING_SIGNATURE_CHARS];
    value_of(request, "webhook-id: ", id);
    value_of(request, "webhook-timestamp: ", at);
    value_of(request, "webhook-signature: ", got);
    const char *body = strstr(request, "\r\n\r\n") + 4;
    int n = snprintf(content, sizeof content, "%s.%s.%s", id, at, body);
    signing_sign(SYMMETRIC, content, (size_t)n, first);
    signing_sign(ASYMMETRIC, content, (size_t)n, second);
    snprintf(expected, sizeof expected, "%s %s", first, second);
    assert_string_equal(got, expected);
}

static void each_key_signs_what_is_sent(void **state)
{
    struct harness *h = *state;
    const struct seen *s = send_signed(h, "/ok", keys_sealed_by(KEY_A));
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    expect_signatures(scripted_target_request(h->target, 0));
}

static void without_its_key_nothing_is_signed_and_sent(void **state)
{
    struct harness *h = *state;
    const struct seen *s = send_signed(h, "/ok", keys_sealed_by(KEY_B));
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_non_null(strstr(s->error, "the signing key "));
    assert_non_null(strstr(s->error, "the key b that it was sealed with is missing here"));
    assert_int_equal(scripted_target_requests(h->target), 0);
}

static void another_origin_gets_no_signature(void **state)
{
    struct harness *h = *state;
    send_signed(h, "/elsewhere", keys_sealed_by(KEY_A));
    expect_signatures(scripted_target_request(h->target, 0));
    assert_null(strstr(scripted_target_request(h->target, 1), "webhook-signature"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sealed_header_reaches_the_target_in_clear, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_secret_is_not_left_for_the_next_attempt, setup, teardown),
        cmocka_unit_test_setup_teardown(without_its_key_an_attempt_fails_and_sends_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_altered_is_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sealed_header_stays_with_its_origin, setup, teardown),
        cmocka_unit_test_setup_teardown(each_key_signs_what_is_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(without_its_key_nothing_is_signed_and_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_origin_gets_no_signature, setup, teardown),
    };
    return harness_run("secrets", tests, COUNT_OF(tests));
}
