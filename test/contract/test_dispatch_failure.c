// SPDX-License-Identifier: MIT
// test_dispatch_failure.c: attempts that fail, and what is said about them.
//
// Whether the request may have reached its target decides if a job that must run at most once may
// be tried again, so the line between NOT_SENT and LOST is drawn here case by case. Names
// are resolved by this program itself: the harness's name server is asked by the one adapter, and a
// function that stands in front of the C library's getaddrinfo by the other. So a name that cannot
// be resolved, and one that hangs, are the same everywhere.

#define _GNU_SOURCE // RTLD_NEXT

#include "dispatch_harness.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOO_LONG "the head of the answer from 127.0.0.1:{port} is longer than 256 KiB"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static char long_head_answer[2 * RESPONSE_HEAD_BYTES_MAX];
static char long_line_answer[2 * RESPONSE_HEAD_BYTES_MAX];
static char endless_url[10000000];

static struct script scripts[] = {
    {"/long-head", long_head_answer, 0, SCRIPT_KEEP},
    {"/long-line", long_line_answer, 0, SCRIPT_KEEP},
    {"/ok", OK_ANSWER, 0, SCRIPT_KEEP},
    {"/hang", NULL, 0, SCRIPT_KEEP},
    {"/close", NULL, 0, SCRIPT_CLOSE},
    {"/reset", NULL, 0, SCRIPT_RESET},
    {"/half-head", "HTTP/1.1 200 OK\r\nContent-Le", 0, SCRIPT_CLOSE},
    {"/half-line", "HTTP/1", 0, SCRIPT_CLOSE},
    {"/not-http", "220 mail.example ESMTP\r\n", 0, SCRIPT_CLOSE},
    {"/bad-status", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/only-interim", "HTTP/1.1 100 Continue\r\n\r\n", 0, SCRIPT_CLOSE},
    {"/endless-interim", "HTTP/1.1 100 Continue\r\n\r\n", 0, SCRIPT_DRIP},
    {"/drip-head", "HTTP/1.1 200 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", 0,
     SCRIPT_DRIP},
    {"/slow-head", "HTTP/1.1 200 OK\r\nX:", 0, SCRIPT_KEEP},
    {"/half-body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

// --- Name resolution -----------------------------------------------------------------------------

static pthread_mutex_t resolver_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resolver_moved = PTHREAD_COND_INITIALIZER;
static bool resolver_hangs;
static int resolver_waiting; // Threads that hang in it.

static void resolver_let_go(void)
{
    pthread_mutex_lock(&resolver_lock);
    resolver_hangs = false;
    pthread_cond_broadcast(&resolver_moved);
    while (resolver_waiting > 0)
        pthread_cond_wait(&resolver_moved, &resolver_lock);
    pthread_mutex_unlock(&resolver_lock);
}

static void resolver_hang(void)
{
    pthread_mutex_lock(&resolver_lock);
    resolver_waiting++;
    while (resolver_hangs)
        pthread_cond_wait(&resolver_moved, &resolver_lock);
    resolver_waiting--;
    pthread_cond_broadcast(&resolver_moved);
    pthread_mutex_unlock(&resolver_lock);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (node && strcmp(node, "hanging.invalid") == 0)
        resolver_hang();
    size_t bytes = node ? strlen(node) : 0;
    if (bytes > 8 && strcmp(node + bytes - 8, ".invalid") == 0)
        return EAI_NONAME;
    resolve *real = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, out);
}

static int setup(void **state)
{
    resolver_hangs = true;
    return harness_setup(state, scripts, NULL, NULL, NULL);
}

static int teardown(void **state)
{
    resolver_let_go();
    return harness_teardown(state);
}

// --- Not sent ------------------------------------------------------------------------------------

static const struct seen *post_to(struct harness *h, const char *url)
{
    struct send s = harness_attempt(h, "/");
    s.request.api = url;
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static uint16_t port_where_nobody_listens(void)
{
    struct loop *l;
    assert_int_equal(loop_open(&l, NULL), ERR_OK);
    struct scripted_target *t = scripted_target_open(l, scripts, NULL, NULL);
    uint16_t port = scripted_target_port(t);
    scripted_target_close(t);
    loop_close(l);
    return port;
}

static void a_refused_connection_is_not_sent(void **state)
{
    char url[64];
    char expected[64];
    uint16_t port = port_where_nobody_listens();
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    snprintf(expected, sizeof expected, "connection refused by 127.0.0.1:%u", port);
    const struct seen *s = post_to(*state, url);
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_string_equal(s->error, expected);
    assert_int_equal(s->attempt.http_status, 0);
    assert_null(s->attempt.response);
    assert_int_equal(s->attempt.first_byte_ms, -1);
    assert_true(s->attempt.started_at > 0 && s->attempt.started_at <= clock_wall_ms());
}

static void a_name_that_does_not_resolve_is_not_sent(void **state)
{
    const struct seen *s = post_to(*state, "http://no.such.host.invalid/");
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_string_equal(s->error, "cannot resolve host no.such.host.invalid");
    assert_int_equal(s->attempt.connect_ms, -1);
}

static void a_job_without_a_url_has_an_outcome_too(void **state)
{
    static const struct {
        const char *url;
        const char *error;
    } cases[] = {
        {"", "the URL is malformed"},
        {"http://", "the URL is malformed"},
        {"ftp://127.0.0.1/", "the URL is neither http nor https"},
        {"file:///etc/passwd", "the URL is neither http nor https"},
        {"http://127.0.0.1:99999/", "the URL is malformed"},
        {endless_url, "the URL is malformed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = post_to(*state, cases[i].url);
        assert_int_equal(s->kind, OUTCOME_NOT_SENT);
        assert_string_equal(s->error, cases[i].error);
    }
}

static void a_name_server_that_hangs_stops_nobody(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/");
    s.request.api = "http://hanging.invalid/";
    s.request.timeout_ms = 200;
    uint64_t ticket = s.ticket;
    harness_send(h, &s);
    assert_int_equal(harness_post(h, "/ok")->attempt.http_status, 200);
    harness_wait(h, 2);
    assert_int_equal(h->seen[1].ticket, ticket);
    assert_int_equal(h->seen[1].kind, OUTCOME_NOT_SENT);
    assert_string_equal(h->seen[1].error, "timed out after 200 ms while resolving hanging.invalid");
}

// A listener whose queue is full drops further connections without a word (and so does a firewall).
static uint16_t fill_listener(int *sockets, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    for (size_t i = 0; i < count; i++) {
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (i > 0) {
            connect(sockets[i], (struct sockaddr *)&address, bytes);
            continue;
        }
        assert_int_equal(bind(sockets[0], (struct sockaddr *)&address, bytes), 0);
        assert_int_equal(listen(sockets[0], 0), 0);
        getsockname(sockets[0], (struct sockaddr *)&address, &bytes);
    }
    return ntohs(address.sin_port);
}

static void reopen_with_lists(struct harness *h, const struct address_lists *lists)
{
    static struct address_policy targets; // Borrowed by the dispatcher.
    assert_int_equal(address_policy_parse(lists, &targets, NULL), ERR_OK);
    struct dispatch_options o = {.version = "1", .targets = &targets};
    harness_reopen(h, &o);
}

static void reopen_with(struct harness *h, const char *deny, const char *allow)
{
    reopen_with_lists(h, &(struct address_lists){.deny = deny, .allow = allow});
}

static const struct seen *post_to_localhost(struct harness *h)
{
    static char url[64];
    snprintf(url, sizeof url, "http://localhost:%u/ok", scripted_target_port(h->target));
    return post_to(h, url);
}

// --- What this machine lacks ---------------------------------------------------------------------

// The target has nothing to do with it, so it is told apart from what a target can do.
static void too_many_open_files_hold_an_attempt(void **state)
{
    struct harness *h = *state;
    struct rlimit before = harness_use_up_descriptors();
    struct seen refused = *harness_post(h, "/ok");
    struct seen unresolved = *post_to(h, "http://some.invalid/");
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(refused.kind, OUTCOME_HELD);
    assert_error(h, &refused, "cannot connect to 127.0.0.1:{port}: too many open files here");
    assert_int_equal(unresolved.kind, OUTCOME_HELD);
    assert_int_equal(scripted_target_connections(h->target), 0);
    assert_int_equal(harness_post(h, "/ok")->attempt.http_status, 200);
}

// --- Policy --------------------------------------------------------------------------------------

// The policy is asked about the address, whatever the URL calls it.
static void a_denied_address_is_never_connected_to(void **state)
{
    struct harness *h = *state;
    reopen_with(h, "127.0.0.1,::1", "");
    const struct seen *s = harness_post(h, "/ok");
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_error(h, s,
                 "forbidden target: 127.0.0.1:{port} is at 127.0.0.1, a loopback address, which "
                 "deny_targets denies");
    s = post_to_localhost(h);
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_non_null(strstr(s->error, "a loopback address, which deny_targets denies"));
    assert_int_equal(scripted_target_connections(h->target), 0);
}

static void a_denied_port_is_never_connected_to(void **state)
{
    struct harness *h = *state;
    char port[8];
    snprintf(port, sizeof port, "%u", scripted_target_port(h->target));
    reopen_with_lists(h, &(struct address_lists){.allow = "all", .deny_ports = port});
    const struct seen *s = harness_post(h, "/ok");
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_error(h, s,
                 "forbidden target: 127.0.0.1:{port} is at 127.0.0.1, behind a port of others, "
                 "which deny_ports denies");
    assert_int_equal(scripted_target_connections(h->target), 0);
}

static void another_address_of_the_name_is_taken(void **state)
{
    struct harness *h = *state;
    reopen_with(h, "loopback", "127.0.0.1");
    assert_int_equal(post_to_localhost(h)->attempt.http_status, 200);
    assert_int_equal(harness_post(h, "/ok")->attempt.http_status, 200);
}

static void a_target_that_takes_no_connection_is_not_sent(void **state)
{
    static const struct {
        dur_ms timeout_ms, connect_ms;
        const char *error;
    } bounds[] = {
        {200, 5000, "timed out after 200 ms while connecting to 127.0.0.1"},
        {60000, 150, "timed out after 150 ms while connecting to 127.0.0.1"},
    };
    struct harness *h = *state;
    int sockets[8];
    unsigned port = fill_listener(sockets, COUNT_OF(sockets));
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        struct dispatch_options o = {.version = "1", .connect_ms = bounds[i].connect_ms};
        harness_reopen(h, &o);
        struct send s = harness_attempt(h, "/");
        s.request.api = url;
        s.request.timeout_ms = bounds[i].timeout_ms;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        assert_int_equal(h->seen[i].kind, OUTCOME_NOT_SENT);
        assert_memory_equal(h->seen[i].error, bounds[i].error, strlen(bounds[i].error));
    }
    for (size_t i = 0; i < COUNT_OF(sockets); i++)
        close(sockets[i]);
}

// --- Lost ----------------------------------------------------------------------------------------

static void an_answer_that_never_comes_whole_is_lost(void **state)
{
    static const struct {
        unsigned status; // 0: its line did not come whole.
        const char *path;
        const char *error;
    } cases[] = {
        {0, "/close", "connection closed by 127.0.0.1:{port} before an answer"},
        {0, "/reset", "connection reset by 127.0.0.1:{port} before an answer"},
        {200, "/half-head", "connection closed by 127.0.0.1:{port} in the middle of its answer"},
        {0, "/half-line", "connection closed by 127.0.0.1:{port} before an answer"},
        {0, "/only-interim", "connection closed by 127.0.0.1:{port} in the middle of its answer"},
        {0, "/not-http", "127.0.0.1:{port} does not answer in HTTP/1"},
        {0, "/bad-status", "127.0.0.1:{port} does not answer in HTTP/1"},
        {200, "/long-head", TOO_LONG},
        {200, "/long-line", TOO_LONG},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = harness_post(h, cases[i].path);
        assert_error(h, s, cases[i].error);
        assert_int_equal(s->kind, OUTCOME_LOST);
        assert_int_equal(s->attempt.http_status, cases[i].status);
        assert_int_equal(s->attempt.response_truncated, cases[i].status > 0);
        assert_false(s->attempt.response_damaged);
        assert_null(s->attempt.response);
    }
    assert_int_equal(scripted_target_requests(h->target), COUNT_OF(cases));
}

// A kept connection that dies under a request looks as if the target had closed it before, but the
// request may have done its work: it must not be sent again behind the caller's back.
static void a_request_is_never_repeated_on_a_kept_connection(void **state)
{
    struct harness *h = *state;
    const char *paths[] = {"/close", "/reset"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        harness_post(h, "/ok");
        size_t connections = scripted_target_connections(h->target);
        size_t requests = scripted_target_requests(h->target);
        const struct seen *s = harness_post(h, paths[i]);
        assert_int_equal(s->kind, OUTCOME_LOST);
        assert_error(h, s, "connection closed by 127.0.0.1:{port} before an answer");
        assert_int_equal(harness_post(h, "/ok")->kind, OUTCOME_ANSWERED);
        assert_int_equal(scripted_target_requests(h->target), requests + 2);
        assert_true(scripted_target_connections(h->target) > connections);
    }
}

// --- Deadlines -----------------------------------------------------------------------------------

static void a_deadline_covers_the_whole_attempt(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *error;
    } cases[] = {
        {"/hang", 0, "timed out after 400 ms"},
        {"/drip-head", 0, "timed out after 400 ms"},
        {"/endless-interim", 0, "timed out after 400 ms"},
        {"/slow-head", 200, "timed out after 400 ms"},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = harness_attempt(h, cases[i].path);
        s.request.timeout_ms = 400;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        assert_string_equal(h->seen[i].error, cases[i].error);
        assert_int_equal(h->seen[i].kind, OUTCOME_LOST);
        assert_int_equal(h->seen[i].attempt.http_status, cases[i].status);
        assert_true(h->seen[i].attempt.duration_ms >= 399); // Two clocks, each in whole ms.
    }
}

static void a_kept_connection_has_a_deadline_too(void **state)
{
    struct harness *h = *state;
    harness_post(h, "/ok");
    struct send s = harness_attempt(h, "/hang");
    s.request.timeout_ms = 200;
    harness_send(h, &s);
    harness_wait(h, 2);
    assert_string_equal(h->seen[1].error, "timed out after 200 ms");
    assert_int_equal(h->seen[1].kind, OUTCOME_LOST);
    assert_int_equal(scripted_target_connections(h->target), 1);
}

static void whole_seconds_are_told_as_seconds(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/hang");
    s.request.timeout_ms = 1000;
    harness_send(h, &s);
    harness_wait(h, 1);
    assert_string_equal(h->seen[0].error, "timed out after 1 s");
}

static void a_target_that_hangs_does_not_hold_up_others(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 50; i++) {
        struct send s = harness_attempt(h, "/hang");
        harness_send(h, &s);
    }
    for (int i = 0; i < 50; i++) {
        struct send s = harness_attempt(h, "/ok");
        harness_send(h, &s);
    }
    harness_wait(h, 50);
    for (int i = 0; i < 50; i++)
        assert_int_equal(h->seen[i].attempt.http_status, 200);
    assert_int_equal(dispatch_in_flight(h->dispatch), 50);
}

// --- Cancelling ----------------------------------------------------------------------------------

static void a_cancelled_attempt_ends_as_far_as_it_has_come(void **state)
{
    static const struct {
        const char *url;
        enum outcome_kind kind;
    } cases[] = {
        {"http://hanging.invalid/", OUTCOME_NOT_SENT},
        {"/hang", OUTCOME_LOST},
        {"/slow-head", OUTCOME_LOST},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = harness_attempt(h, cases[i].url);
        if (cases[i].url[0] != '/')
            s.request.api = cases[i].url;
        harness_send(h, &s);
        while (cases[i].url[0] == '/' && scripted_target_requests(h->target) < i)
            loop_turn(h->loop, -1);
        dispatch_cancel(h->dispatch, s.ticket);
        assert_int_equal(h->seen_count, i); // Not from inside the call.
        harness_wait(h, i + 1);
        assert_int_equal(h->seen[i].ticket, s.ticket);
        assert_int_equal(h->seen[i].kind, cases[i].kind);
        assert_string_equal(h->seen[i].error, "cancelled");
        assert_int_equal(dispatch_in_flight(h->dispatch), 0);
    }
}

static void cancelling_what_is_not_under_way_changes_nothing(void **state)
{
    struct harness *h = *state;
    const struct seen *s = harness_post(h, "/ok");
    dispatch_cancel(h->dispatch, s->ticket);
    dispatch_cancel(h->dispatch, 4711);
    assert_int_equal(harness_post(h, "/ok")->kind, OUTCOME_ANSWERED);
    assert_int_equal(h->seen_count, 2);
}

// --- The lease -----------------------------------------------------------------------------------

static void assert_too_late(struct harness *h, size_t index)
{
    harness_wait(h, index + 1);
    assert_int_equal(h->seen[index].kind, OUTCOME_HELD);
    assert_string_equal(h->seen[index].error,
                        "this node's lease was over before the request could leave");
}

// Whether the connection is kept or new. With a new lease it goes on.
static void nothing_leaves_when_the_lease_is_over(void **state)
{
    struct harness *h = *state;
    harness_post(h, "/ok");
    dispatch_set_lease(h->dispatch, clock_mono_ms());
    struct send s = harness_attempt(h, "/ok");
    harness_send(h, &s);
    assert_too_late(h, 1);
    s = harness_attempt(h, "/ok");
    s.request.fresh_connection = true;
    harness_send(h, &s);
    assert_too_late(h, 2);
    assert_int_equal(scripted_target_requests(h->target), 1);
    dispatch_set_lease(h->dispatch, MONO_NEVER);
    assert_int_equal(harness_post(h, "/ok")->kind, OUTCOME_ANSWERED);
}

// An attempt may have a bound of its own, and others go on.
static void nothing_leaves_past_the_bound_of_its_attempt(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/ok");
    s.not_after = clock_mono_ms();
    harness_send(h, &s);
    harness_wait(h, 1);
    assert_int_equal(h->seen[0].kind, OUTCOME_HELD);
    assert_string_equal(h->seen[0].error,
                        "the attempt waited too long before a request could leave");
    assert_int_equal(scripted_target_requests(h->target), 0);
    s = harness_attempt(h, "/ok");
    s.not_after = clock_mono_ms() + 60000;
    harness_send(h, &s);
    harness_wait(h, 2);
    assert_int_equal(h->seen[1].kind, OUTCOME_ANSWERED);
}

// The lease is asked for when the request is about to leave, not when the attempt begins.
static void a_lease_that_ends_while_connecting_is_over(void **state)
{
    struct harness *h = *state;
    dispatch_set_lease(h->dispatch, MONO_NEVER);
    struct send s = harness_attempt(h, "/ok");
    harness_send(h, &s);
    dispatch_set_lease(h->dispatch, clock_mono_ms());
    assert_too_late(h, 0);
    assert_int_equal(scripted_target_requests(h->target), 0);
}

// --- Closing -------------------------------------------------------------------------------------

static void closing_ends_attempts_at_every_stage_without_an_outcome(void **state)
{
    struct harness *h = *state;
    static const char *urls[] = {"http://hanging.invalid/", "http://", "/hang", "/half-body",
                                 "/ok"};
    harness_post(h, "/ok"); // Leaves a kept connection.
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct send s = harness_attempt(h, urls[i]);
        if (urls[i][0] != '/')
            s.request.api = urls[i];
        if (strcmp(urls[i], "http://") != 0)
            harness_send(h, &s);
        // The last ones are not even started when the dispatcher is closed.
        while (i < 4 && urls[i][0] == '/' && scripted_target_requests(h->target) < i)
            loop_turn(h->loop, -1);
    }
    assert_int_equal(h->seen_count, 1);
    dispatch_close(h->dispatch);
    h->dispatch = NULL;
    assert_int_equal(h->seen_count, 1);
}

int main(void)
{
    int head = snprintf(long_head_answer, sizeof long_head_answer, "HTTP/1.1 200 OK\r\n");
    for (size_t i = (size_t)head; i + 16 < sizeof long_head_answer; i += 8)
        memcpy(long_head_answer + i, "X: yyy\r\n", 8);
    head = snprintf(long_line_answer, sizeof long_line_answer, "HTTP/1.1 200 OK\r\nX: ");
    memset(long_line_answer + head, 'y', sizeof long_line_answer - (size_t)head - 1);
    snprintf(endless_url, sizeof endless_url, "http://127.0.0.1/");
    memset(endless_url + strlen(endless_url), 'x', sizeof endless_url - strlen(endless_url) - 1);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_connection_is_not_sent),
        TEST(a_name_that_does_not_resolve_is_not_sent),
        TEST(a_job_without_a_url_has_an_outcome_too),
        TEST(a_name_server_that_hangs_stops_nobody),
        TEST(a_denied_address_is_never_connected_to),
        TEST(a_denied_port_is_never_connected_to),
        TEST(too_many_open_files_hold_an_attempt),
        TEST(another_address_of_the_name_is_taken),
        TEST(a_target_that_takes_no_connection_is_not_sent),
        TEST(an_answer_that_never_comes_whole_is_lost),
        TEST(a_request_is_never_repeated_on_a_kept_connection),
        TEST(a_deadline_covers_the_whole_attempt),
        TEST(a_kept_connection_has_a_deadline_too),
        TEST(whole_seconds_are_told_as_seconds),
        TEST(a_target_that_hangs_does_not_hold_up_others),
        TEST(cancelling_what_is_not_under_way_changes_nothing),
        TEST(nothing_leaves_when_the_lease_is_over),
        TEST(nothing_leaves_past_the_bound_of_its_attempt),
        TEST(closing_ends_attempts_at_every_stage_without_an_outcome),
    };
    const struct CMUnitTest here[] = {
        TEST(a_cancelled_attempt_ends_as_far_as_it_has_come),
        TEST(a_lease_that_ends_while_connecting_is_over),
    };
    return harness_run("dispatch failures", tests, COUNT_OF(tests)) +
           harness_run_here("dispatch failures here", here, COUNT_OF(here));
}
