// SPDX-License-Identifier: MIT
// test_dispatch_oauth.c: attempts of OAuth clients, over every adapter: what the token server and
// the target are told, and what ends before there is a token.

#include "dispatch/oauth/oauth_priv.h"
#include "dispatch_harness.h"
#include "secrets/oauth.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define GOOD "{\"access_token\":\"token\",\"token_type\":\"Bearer\"}"

static struct script scripts[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/401", "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno", 0, SCRIPT_KEEP},
    {"/token", "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n" GOOD, 0, SCRIPT_KEEP},
    {"/broken", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" GOOD, 0, SCRIPT_CLOSE},
    {"/silent", NULL, 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static struct secret_ring *ring;

static int setup(void **state)
{
    char path[] = "/tmp/carillon-keys-XXXXXX";
    int rc = harness_setup(state, scripts, NULL, NULL, NULL);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, KEY, strlen(KEY)), strlen(KEY));
    close(fd);
    assert_int_equal(secret_ring_open(path, &ring, NULL), ERR_OK);
    unlink(path);
    harness_reopen(*state, &(struct dispatch_options){.version = "1.2.3", .secrets = ring});
    return rc;
}

static int teardown(void **state)
{
    int rc = harness_teardown(state);
    secret_ring_close(ring);
    ring = NULL;
    return rc;
}

// An attempt at `path` whose tokens come from `token_path`; until the next call of this.
static struct send attempt(struct harness *h, const char *path, const char *token_path)
{
    static char url[128], id[] = "me", body[] = "body", *text;
    struct send s = harness_attempt(h, path);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", scripted_target_port(h->target), token_path);
    struct oauth_client c = {.token_url = url, .client_id = id, .auth = body};
    c.client_secret = oauth_seal(ring, "hush");
    free(text);
    s.request.oauth = text = oauth_write(&c);
    free(c.client_secret);
    return s;
}

static const struct seen *run(struct harness *h, const struct send *s)
{
    harness_send(h, s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static void expect_bearer(const struct harness *h, size_t index)
{
    const char *request = scripted_target_request(h->target, index);
    assert_non_null(strstr(request, "\r\nAuthorization: Bearer token\r\n"));
    assert_null(strstr(request, "hush"));
}

static void token_server_is_told_of_no_execution(void **state)
{
    struct harness *h = *state;
    struct send s = attempt(h, "/ok", "/token");
    const struct seen *seen = run(h, &s);
    assert_int_equal(seen->kind, OUTCOME_ANSWERED);
    assert_int_equal(seen->attempt.http_status, 200);
    const char *asked = scripted_target_request(h->target, 0);
    assert_memory_equal(asked, "POST /token ", 12);
    assert_non_null(strstr(asked, "\r\n\r\ngrant_type=client_credentials&client_id=me&"
                                  "client_secret=hush"));
    assert_null(strstr(asked, "Idempotency-Key"));
    assert_null(strstr(asked, "Carillon-"));
    assert_null(strstr(asked, "traceparent"));
    expect_bearer(h, 1);
}

static void token_is_kept_for_the_next_attempts(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 3; i++) {
        struct send s = attempt(h, "/ok", "/token");
        assert_int_equal(run(h, &s)->kind, OUTCOME_ANSWERED);
    }
    assert_int_equal(scripted_target_requests(h->target), 4);
    for (size_t i = 1; i < 4; i++)
        expect_bearer(h, i);
}

static void attempts_that_wait_share_a_fetch(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 20; i++) {
        struct send s = attempt(h, "/ok", "/token");
        harness_send(h, &s);
    }
    assert_int_equal(dispatch_in_flight(h->dispatch), 20);
    harness_wait(h, 20);
    assert_int_equal(scripted_target_requests(h->target), 21);
    assert_int_equal(dispatch_in_flight(h->dispatch), 0);
}

static void token_that_was_refused_is_asked_for_again(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 2; i++) {
        struct send s = attempt(h, "/401", "/token");
        assert_int_equal(run(h, &s)->attempt.http_status, 401);
    }
    assert_int_equal(scripted_target_requests(h->target), 4);
    assert_memory_equal(scripted_target_request(h->target, 2), "POST /token ", 12);
}

static void answer_that_breaks_off_is_no_token(void **state)
{
    struct harness *h = *state;
    struct send s = attempt(h, "/ok", "/broken");
    const struct seen *seen = run(h, &s);
    assert_int_equal(seen->kind, OUTCOME_NOT_SENT);
    assert_memory_equal(seen->error, "oauth: ", 7);
    assert_int_equal(scripted_target_requests(h->target), 1);
}

static void edited_client_fails_the_attempt(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/ok");
    s.request.oauth = "token_url x\n";
    const struct seen *seen = run(h, &s);
    assert_int_equal(seen->kind, OUTCOME_NOT_SENT);
    assert_string_equal(seen->error, "oauth: the oauth member of the job is malformed");
}

static void wait_ends_with_the_attempts_own_time(void **state)
{
    struct harness *h = *state;
    struct send s = attempt(h, "/ok", "/silent");
    s.request.timeout_ms = 100;
    const struct seen *seen = run(h, &s);
    assert_int_equal(seen->kind, OUTCOME_NOT_SENT);
    assert_string_equal(seen->error, "oauth: there was no access token within 100 ms");
    assert_true(seen->attempt.duration_ms >= 100);
    assert_int_equal(dispatch_in_flight(h->dispatch), 0);
}

static void attempt_that_waits_can_be_cancelled(void **state)
{
    struct harness *h = *state;
    struct send s = attempt(h, "/ok", "/silent");
    harness_send(h, &s);
    dispatch_cancel(h->dispatch, s.ticket);
    harness_wait(h, 1);
    assert_int_equal(h->seen[0].ticket, s.ticket);
    assert_string_equal(h->seen[0].error, "cancelled");
    s = attempt(h, "/ok", "/silent");
    harness_send(h, &s); // Leaves with the attempt still waiting.
}

static void lease_that_is_over_holds_the_attempt(void **state)
{
    struct harness *h = *state;
    struct send s = attempt(h, "/ok", "/token");
    dispatch_set_lease(h->dispatch, 1);
    assert_int_equal(run(h, &s)->kind, OUTCOME_HELD);
    assert_int_equal(scripted_target_requests(h->target), 0);
    dispatch_set_lease(h->dispatch, MONO_NEVER);
    s = attempt(h, "/ok", "/token");
    assert_int_equal(run(h, &s)->kind, OUTCOME_ANSWERED);
}

static void tickets_of_owners_are_never_the_layers(void **state)
{
    (void)state;
    assert_false(oauth__is_own_ticket(1));
    assert_false(oauth__is_own_ticket((uint64_t)UINT32_MAX << 32 | INT32_MAX)); // The core's last.
    assert_false(oauth__is_own_ticket((UINT64_C(1) << 48) - 1)); // An executor's last.
    assert_true(oauth__is_own_ticket(UINT64_MAX));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest everywhere[] = {
        TEST(token_server_is_told_of_no_execution),
        TEST(token_is_kept_for_the_next_attempts),
        TEST(attempts_that_wait_share_a_fetch),
        TEST(token_that_was_refused_is_asked_for_again),
        TEST(answer_that_breaks_off_is_no_token),
        TEST(edited_client_fails_the_attempt),
        cmocka_unit_test(tickets_of_owners_are_never_the_layers),
    };
    const struct CMUnitTest here[] = {
        TEST(wait_ends_with_the_attempts_own_time),
        TEST(attempt_that_waits_can_be_cancelled),
        TEST(lease_that_is_over_holds_the_attempt),
    };
    return harness_run("oauth", everywhere, COUNT_OF(everywhere)) +
           harness_run_here("oauth here", here, COUNT_OF(here));
}
