// SPDX-License-Identifier: MIT
// test_dispatch_wire.c: what our own client promises beyond the port: when a request is sent again,
// which connections are kept, how names are resolved, and what is said in a TLS handshake.

#include "certificate.h"
#include "dispatch_harness.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct script scripts[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, SCRIPT_KEEP},
    {"/close", NULL, 0, SCRIPT_CLOSE},
    {"/reset", NULL, 0, SCRIPT_RESET},
    {"/silent", NULL, 0, SCRIPT_KEEP},
    {"/half-line", "HTTP/1", 0, SCRIPT_CLOSE},
    {"/surplus", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", 0, SCRIPT_KEEP},
    {"/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", 0,
     SCRIPT_KEEP},
    {"/no-colon", "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nx\r\n", 0,
     SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static const struct name_script names[] = {
    {.name = "one.test", .addresses = {"127.0.0.1"}, .ttl_s = 60},
    {.name = "short.test", .addresses = {"127.0.0.1"}, .ttl_s = 0},
    {.name = "second.test", .addresses = {"127.0.0.2", "127.0.0.1"}, .ttl_s = 60},
    {.name = "both.test", .addresses = {"127.0.0.1", "::1"}, .ttl_s = 60},
    {.name = "silent.test", .addresses = {"127.0.0.3", "127.0.0.1"}, .ttl_s = 60},
    {.name = NULL},
};

// --- Around a test -------------------------------------------------------------------------------

static struct certificate certificate;
static struct scripted_names *server; // With the table above, instead of the harness's.

static int setup_with(void **state, bool tls)
{
    const struct certificate *c = &certificate;
    int rc = harness_setup(state, scripts, tls ? c->certificate_file : NULL,
                           tls ? c->key_file : NULL, NULL);
    struct harness *h = *state;
    server = scripted_names_open(h->loop, names);
    struct dispatch_options o = {.version = "1",
                                 .ca_file = tls ? c->certificate_file : NULL,
                                 .name_servers = scripted_names_server(server)};
    harness_reopen(h, &o);
    return rc;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_tls(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    scripted_names_close(server);
    return harness_teardown(state);
}

static const struct seen *post_path_to(struct harness *h, const char *scheme, const char *host,
                                       const char *path, bool repeatable)
{
    char url[128];
    struct send s = harness_attempt(h, path);
    snprintf(url, sizeof url, "%s://%s:%u%s", scheme, host, scripted_target_port(h->target), path);
    s.request.api = url;
    s.request.repeatable = repeatable;
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static const struct seen *post_to(struct harness *h, const char *scheme, const char *host)
{
    return post_path_to(h, scheme, host, "/ok", false);
}

static void assert_answered(const struct seen *s)
{
    assert_string_equal(s->error, "");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
}

static const struct seen *post_repeatable(struct harness *h, const char *path)
{
    return post_path_to(h, "http", "127.0.0.1", path, true);
}

// --- Sending again -------------------------------------------------------------------------------

// The target closes the kept connection before the client's loop has a chance to see it.
static void a_repeatable_request_survives_a_stale_connection(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 20; i++) {
        assert_answered(post_repeatable(h, "/ok"));
        scripted_target_hang_up(h->target);
    }
    assert_int_equal(scripted_target_connections(h->target), 20);
    assert_int_equal(scripted_target_requests(h->target), 20);
}

// A close behind the request, on a kept connection or a fresh one, looks much the same. But the
// target has the request, and may have done its work.
static void a_request_that_has_arrived_is_not_sent_again(void **state)
{
    static const char *const paths[] = {"/close", "/reset", "/half-line"};
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        for (int kept = 0; kept < 2; kept++) {
            if (kept)
                assert_answered(post_repeatable(h, "/ok"));
            size_t requests = scripted_target_requests(h->target);
            size_t connections = scripted_target_connections(h->target);
            assert_int_equal(post_repeatable(h, paths[i])->kind, OUTCOME_LOST);
            assert_int_equal(scripted_target_requests(h->target), requests + 1);
            assert_int_equal(scripted_target_connections(h->target), connections + !kept);
        }
    }
}

// --- Answers that are not what they should be ----------------------------------------------------

static void a_malformed_answer_is_said_to_be_so(void **state)
{
    static const struct {
        const char *path;
        const char *error;
    } cases[] = {
        {"/two-lengths", "malformed answer from 127.0.0.1:{port}: it has two lengths"},
        {"/no-colon",
         "malformed answer from 127.0.0.1:{port}: a header without a name and a colon"},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = harness_post(h, cases[i].path);
        assert_error(h, s, cases[i].error);
        assert_int_equal(s->kind, OUTCOME_LOST);
        assert_int_equal(s->attempt.http_status, 200);
        assert_true(s->attempt.response_damaged);
        assert_false(s->attempt.response_truncated);
    }
}

static void a_connection_is_not_kept_after_bytes_that_should_not_be_there(void **state)
{
    static const char *const paths[] = {"/surplus", "/bad-chunk"};
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const struct seen *s = harness_post(h, paths[i]);
        assert_answered(s);
        assert_string_equal(s->response, "ok");
        assert_int_equal(scripted_target_connections(h->target), i + 1);
    }
}

// --- Kept connections ----------------------------------------------------------------------------

static void send_many(struct harness *h, const char *path, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct send s = harness_attempt(h, path);
        harness_send(h, &s);
    }
}

static void post_at_once(struct harness *h, size_t count)
{
    send_many(h, "/ok", count);
    harness_wait(h, h->seen_count + count);
}

static void no_more_connections_are_kept_than_allowed(void **state)
{
    struct harness *h = *state;
    struct dispatch_options o = {.version = "1", .connections_max = 2};
    harness_reopen(h, &o);
    post_at_once(h, 5);
    assert_int_equal(scripted_target_connections(h->target), 5);
    post_at_once(h, 5);
    assert_int_equal(scripted_target_connections(h->target), 8); // Two of them were kept.
}

static void an_idle_connection_is_closed_in_the_end(void **state)
{
    struct harness *h = *state;
    post_at_once(h, 3);
    assert_int_equal(scripted_target_open_connections(h->target), 3);
    while (scripted_target_open_connections(h->target) > 0)
        loop_turn(h->loop, -1);
    assert_answered(harness_post(h, "/ok"));
}

// --- Many at once --------------------------------------------------------------------------------

static void the_first_of_a_herd_does_not_wait_for_the_connection_of_the_last(void **state)
{
    struct harness *h = *state;
    send_many(h, "/ok", 500);
    while (scripted_target_requests(h->target) == 0)
        loop_turn(h->loop, -1);
    assert_true(harness_open_files(h) < 100);
    harness_wait(h, 500);
    assert_int_equal(scripted_target_requests(h->target), 500);
}

static void a_herd_opens_no_more_connections_than_a_quick_target_needs(void **state)
{
    struct harness *h = *state;
    post_at_once(h, 500);
    for (size_t i = 0; i < h->seen_count; i++)
        assert_answered(&h->seen[i]);
    assert_in_range(scripted_target_connections(h->target), 1, 250);
}

// The target answers nothing before all requests are there.
static void a_slow_target_gets_a_connection_for_each_of_a_herd(void **state)
{
    struct harness *h = *state;
    send_many(h, "/silent", 100);
    while (scripted_target_requests(h->target) < 100)
        loop_turn(h->loop, -1);
    assert_int_equal(scripted_target_connections(h->target), 100);
    assert_int_equal(dispatch_in_flight(h->dispatch), 100);
}

static void who_waits_for_a_connection_can_be_cancelled(void **state)
{
    struct harness *h = *state;
    send_many(h, "/ok", 20);
    uint64_t last = h->tickets;
    dispatch_cancel(h->dispatch, last);
    harness_wait(h, 20);
    for (size_t i = 0; i < h->seen_count; i++) {
        const struct seen *s = &h->seen[i];
        assert_int_equal(s->kind, s->ticket == last ? OUTCOME_NOT_SENT : OUTCOME_ANSWERED);
        assert_error(h, s, s->ticket == last ? "cancelled" : "");
    }
    assert_int_equal(scripted_target_requests(h->target), 19);
}

// Attempts of one host stand in line; none of them waits for a connection to another host.
static void a_herd_for_one_host_does_not_hold_up_another(void **state)
{
    struct harness *h = *state;
    assert_answered(post_to(h, "http", "one.test"));
    send_many(h, "/silent", 200);
    assert_answered(post_to(h, "http", "one.test"));
    assert_true(harness_open_files(h) < 200);
}

// --- Names ---------------------------------------------------------------------------------------

static void a_name_is_asked_for_once_for_all_that_wait(void **state)
{
    struct harness *h = *state;
    char url[64];
    snprintf(url, sizeof url, "http://one.test:%u/ok", scripted_target_port(h->target));
    for (int i = 0; i < 10; i++) {
        struct send s = harness_attempt(h, "/ok");
        s.request.api = url;
        harness_send(h, &s);
    }
    harness_wait(h, 10);
    for (int i = 0; i < 10; i++) {
        assert_answered(&h->seen[i]);
        assert_true(h->seen[i].attempt.dns_ms >= 0);
    }
    assert_int_equal(scripted_names_questions(server, "one.test"), 1);
}

// The first answer is good for a minute, the other, which says 0, for the second that is the least.
static void a_name_is_asked_for_again_when_its_time_is_over(void **state)
{
    struct harness *h = *state;
    while (scripted_names_questions(server, "short.test") < 2) {
        assert_answered(post_to(h, "http", "one.test"));
        assert_answered(post_to(h, "http", "short.test"));
        scripted_target_hang_up(h->target); // The next ones need addresses again.
    }
    assert_answered(post_to(h, "http", "one.test"));
    assert_int_equal(scripted_names_questions(server, "one.test"), 1);
}

static void a_name_that_does_not_exist_is_remembered_too(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 2; i++) {
        const struct seen *s = post_to(h, "http", "none.test");
        assert_int_equal(s->kind, OUTCOME_NOT_SENT);
        assert_string_equal(s->error, "cannot resolve host none.test");
    }
    assert_int_equal(scripted_names_questions(server, "none.test"), 1);
}

static void localhost_needs_no_name_server(void **state)
{
    struct harness *h = *state;
    assert_answered(post_to(h, "http", "localhost"));
    assert_answered(post_to(h, "http", "a.localhost"));
    assert_int_equal(scripted_names_questions(server, "localhost"), 0);
    assert_int_equal(scripted_names_questions(server, "a.localhost"), 0);
}

// --- Addresses -----------------------------------------------------------------------------------

static void an_address_that_refuses_gives_way_to_the_next(void **state)
{
    struct harness *h = *state;
    assert_answered(post_to(h, "http", "second.test"));
    assert_answered(post_to(h, "http", "both.test"));
}

static void when_all_refuse_that_is_the_error(void **state)
{
    struct harness *h = *state;
    const struct seen *s = post_to(h, "http", "[::1]");
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_true(s->attempt.dns_ms >= 0);
    assert_int_equal(s->attempt.connect_ms, -1);
}

// A listener on the other address of the name, at the same port, whose queue is full.
static void an_address_that_is_silent_does_not_hold_up_the_next(void **state)
{
    struct harness *h = *state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(scripted_target_port(h->target))};
    int sockets[8];
    inet_pton(AF_INET, "127.0.0.3", &address.sin_addr);
    for (size_t i = 0; i < COUNT_OF(sockets); i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (i > 0) {
            connect(sockets[i], (struct sockaddr *)&address, sizeof address);
            continue;
        }
        assert_int_equal(bind(sockets[0], (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(sockets[0], 0), 0);
    }
    assert_answered(post_to(h, "http", "silent.test"));
    assert_int_equal(scripted_target_requests(h->target), 1);
    for (size_t i = 0; i < COUNT_OF(sockets); i++)
        close(sockets[i]);
}

// --- Descriptors ---------------------------------------------------------------------------------

static void an_idle_connection_gives_its_descriptor_to_a_request(void **state)
{
    struct harness *h = *state;
    assert_answered(post_to(h, "http", "one.test"));
    struct rlimit before = harness_use_up_descriptors();
    const struct seen *s = harness_post(h, "/ok");
    setrlimit(RLIMIT_NOFILE, &before);
    assert_answered(s);
}

// A name without an address is remembered for a while, but not when nobody could be asked.
static void a_name_that_could_not_be_asked_for_is_asked_for_again(void **state)
{
    struct harness *h = *state;
    struct rlimit before = harness_use_up_descriptors();
    enum outcome_kind kind = post_to(h, "http", "one.test")->kind;
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(kind, OUTCOME_HELD);
    assert_answered(post_to(h, "http", "one.test"));
}

// --- TLS -----------------------------------------------------------------------------------------

static void a_session_is_resumed_on_the_next_connection(void **state)
{
    struct harness *h = *state;
    const struct scripted_handshake *shaken = scripted_target_handshake(h->target);
    assert_answered(post_to(h, "https", "localhost"));
    assert_false(shaken->resumed);
    for (int i = 0; i < 3; i++) {
        scripted_target_hang_up(h->target);
        struct attempt a = post_to(h, "https", "localhost")->attempt;
        assert_int_equal(a.http_status, 200);
        assert_true(a.tls_ms >= 0);
        assert_true(shaken->resumed);
    }
    assert_int_equal(scripted_target_connections(h->target), 4);
}

static void a_name_is_told_and_an_address_is_not(void **state)
{
    struct harness *h = *state;
    const struct scripted_handshake *shaken = scripted_target_handshake(h->target);
    assert_answered(post_to(h, "https", "localhost"));
    assert_string_equal(shaken->server_name, "localhost");
    assert_string_equal(shaken->protocols, "\x08http/1.1");
    assert_answered(post_to(h, "https", "127.0.0.1"));
    assert_string_equal(shaken->server_name, "");
}

static void a_stale_connection_is_replaced_under_tls_as_well(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            scripted_target_hang_up(h->target);
        assert_answered(post_path_to(h, "https", "127.0.0.1", "/ok", i % 2));
    }
    assert_int_equal(scripted_target_requests(h->target), 4);
    assert_int_equal(post_path_to(h, "https", "127.0.0.1", "/close", true)->kind, OUTCOME_LOST);
    assert_int_equal(scripted_target_requests(h->target), 5);
}

// The target answers nothing to what is no request, and the handshake has a bound of its own.
static void a_handshake_has_a_bound_of_its_own(void **state)
{
    struct harness *h = *state;
    struct dispatch_options o = {.version = "1", .tls_ms = 150};
    harness_reopen(h, &o);
    const struct seen *s = post_to(h, "https", "127.0.0.1");
    assert_string_equal(s->error, "timed out after 150 ms in the TLS handshake with 127.0.0.1");
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_true(s->attempt.connect_ms >= 0);
    assert_int_equal(s->attempt.tls_ms, -1);
}

// OpenSSL lets the environment say which file of certificates is the system's.
static void certificates_of_a_file_are_added_to_the_systems_or_alone(void **state)
{
    struct harness *h = *state;
    struct certificate other;
    certificate_make(&other, "DNS:other.example", false);
    setenv("SSL_CERT_FILE", certificate.certificate_file, 1);
    struct dispatch_options o = {.version = "1", .ca_file = other.certificate_file};
    harness_reopen(h, &o);
    assert_answered(post_to(h, "https", "127.0.0.1"));
    o.ca_only = true;
    harness_reopen(h, &o);
    assert_int_equal(post_to(h, "https", "127.0.0.1")->kind, OUTCOME_NOT_SENT);
    unsetenv("SSL_CERT_FILE");
    certificate_remove(&other);
}

int main(void)
{
    certificate_make(&certificate, "DNS:localhost,IP:127.0.0.1", false);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_TLS(name) cmocka_unit_test_setup_teardown(name, setup_tls, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_repeatable_request_survives_a_stale_connection),
        TEST(a_request_that_has_arrived_is_not_sent_again),
        TEST(a_malformed_answer_is_said_to_be_so),
        TEST(a_connection_is_not_kept_after_bytes_that_should_not_be_there),
        TEST(no_more_connections_are_kept_than_allowed),
        TEST(an_idle_connection_is_closed_in_the_end),
        TEST(the_first_of_a_herd_does_not_wait_for_the_connection_of_the_last),
        TEST(a_herd_opens_no_more_connections_than_a_quick_target_needs),
        TEST(a_slow_target_gets_a_connection_for_each_of_a_herd),
        TEST(who_waits_for_a_connection_can_be_cancelled),
        TEST(a_herd_for_one_host_does_not_hold_up_another),
        TEST(a_name_is_asked_for_once_for_all_that_wait),
        TEST(a_name_is_asked_for_again_when_its_time_is_over),
        TEST(a_name_that_does_not_exist_is_remembered_too),
        TEST(localhost_needs_no_name_server),
        TEST(an_address_that_refuses_gives_way_to_the_next),
        TEST(when_all_refuse_that_is_the_error),
        TEST(an_address_that_is_silent_does_not_hold_up_the_next),
        TEST(an_idle_connection_gives_its_descriptor_to_a_request),
        TEST(a_name_that_could_not_be_asked_for_is_asked_for_again),
        TEST(a_handshake_has_a_bound_of_its_own),
        TEST_TLS(a_session_is_resumed_on_the_next_connection),
        TEST_TLS(a_name_is_told_and_an_address_is_not),
        TEST_TLS(certificates_of_a_file_are_added_to_the_systems_or_alone),
        TEST_TLS(a_stale_connection_is_replaced_under_tls_as_well),
    };
    int failed = harness_run_only("wire", "dispatch wire", tests, COUNT_OF(tests));
    certificate_remove(&certificate);
    return failed;
}
