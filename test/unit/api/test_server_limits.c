// SPDX-License-Identifier: MIT
// test_server_limits.c: how much a client may send, and how long it may take.

#include "echo_server.h"
#include "raw_client.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

// --- Limits --------------------------------------------------------------------------------------

// A request whose target, head and number of headers have exactly these sizes; 0: as it comes.
static size_t sized_request(char *out, size_t target, size_t head, unsigned headers)
{
    target = target ? target : 2;
    char *end = out + sprintf(out, "GET /");
    memset(end, 'a', target - 1);
    end += target - 1;
    end += sprintf(end, " HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 1; i + 1 < headers; i++)
        end += sprintf(end, "X-%u: 1\r\n", i);
    end += sprintf(end, "X: ");
    if (head > 0) {
        size_t padding = head - (size_t)(end - out) - 4;
        memset(end, 'x', padding);
        end += padding;
    }
    end += sprintf(end, "\r\n\r\n");
    return (size_t)(end - out);
}

static void heads_are_answered_up_to_the_limits(void **state)
{
    static const struct {
        const char *name;
        size_t target, head;
        unsigned headers, status;
    } sizes[] = {
        {"target at the limit", SERVER_URI_BYTES_MAX, 0, 0, 200},
        {"target above the limit", SERVER_URI_BYTES_MAX + 1, 0, 0, 414},
        {"target far above", SERVER_URI_BYTES_MAX + 4000, 0, 0, 414},
        {"head at the limit", 0, SERVER_HEAD_BYTES_MAX, 0, 200},
        {"head above the limit", 0, SERVER_HEAD_BYTES_MAX + 1, 0, 431},
        {"head far above", 0, 3 * SERVER_HEAD_BYTES_MAX, 0, 431},
        {"headers at the limit", 0, 0, SERVER_HEADERS_MAX, 200},
        {"headers above the limit", 0, 0, SERVER_HEADERS_MAX + 1, 431},
        {"everything at the limit", SERVER_URI_BYTES_MAX, SERVER_HEAD_BYTES_MAX, SERVER_HEADERS_MAX,
         200},
    };
    static char request[64 * 1024];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct raw_client client;
        struct raw_answer a;
        size_t n = sized_request(request, sizes[i].target, sizes[i].head, sizes[i].headers);
        raw_open(&client, server_port(*state));
        raw_send(&client, request, n);
        assert_true(raw_receive(&client, &a));
        if (a.status != sizes[i].status)
            fail_msg("%s: %u, expected %u", sizes[i].name, a.status, sizes[i].status);
        raw_close(&client);
    }
}

static char *big_body(size_t bytes)
{
    char *body = malloc(bytes);
    memset(body, 'b', bytes);
    return body;
}

static void bodies_are_taken_up_to_the_limit(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char head[256];
    char *body = big_body(SERVER_BODY_BYTES_MAX);
    raw_open(&client, server_port(*state));
    snprintf(head, sizeof head, POST "Content-Length: %d\r\n\r\n", SERVER_BODY_BYTES_MAX);
    raw_say(&client, head);
    raw_send(&client, body, SERVER_BODY_BYTES_MAX);
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 200, "POST /x [x|] {} #1048576 bbbbbbbbbbbbbbbbbbbb");

    raw_say(&client, CHUNKED "100000\r\n");
    raw_send(&client, body, SERVER_BODY_BYTES_MAX);
    raw_say(&client, "\r\n0\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 200, "POST /x [x|] {} #1048576 bbbbbbbbbbbbbbbbbbbb");
    raw_close(&client);
    free(body);
}

// A client that has sent its whole body before it reads must still get the refusal, not a reset.
static void a_body_above_the_limit_is_refused_readably(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char head[256];
    size_t bytes = SERVER_BODY_BYTES_MAX + 1;
    char *body = big_body(bytes);
    raw_open(&client, server_port(*state));
    snprintf(head, sizeof head, POST "Content-Length: %zu\r\n\r\n", bytes);
    raw_say(&client, head);
    raw_send(&client, body, bytes);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 413);
    assert_true(raw_ended(&client));
    raw_close(&client);

    raw_open(&client, server_port(*state));
    raw_say(&client, CHUNKED "100000\r\n");
    raw_send(&client, body, SERVER_BODY_BYTES_MAX);
    raw_say(&client, "\r\n1\r\nb\r\n0\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 413);
    assert_true(raw_ended(&client));
    raw_close(&client);
    free(body);
}

// What comes behind a refusal is thrown away, but not for ever.
static void a_refused_client_is_not_listened_to_for_ever(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char waste[4096] = "";
    raw_open(&client, server_port(*state));
    raw_say(&client, "GET / HTTP/1.1\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 400);
    while (send(client.fd, waste, sizeof waste, MSG_NOSIGNAL) > 0)
        ; // Until the server has closed.
    raw_close(&client);
}

static void continue_is_sent_only_for_a_body_that_is_wanted(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(*state));
    raw_say(&client, POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_true(raw_receive_head_only(&client, &a));
    assert_int_equal(a.status, 100);
    raw_say(&client, "abc");
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 200, "POST /x [x|] {} #3 abc");

    raw_say(&client, POST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 413);
    assert_true(raw_ended(&client));
    raw_close(&client);
}

// --- Time ----------------------------------------------------------------------------------------

static void stalled_requests_are_answered_408(void **state)
{
    static const char *const beginnings[] = {
        "G", "GET / HTTP/1.1\r\nHost", POST "Content-Length: 5\r\n\r\nabc", CHUNKED "5\r\nabc"};
    (void)state;
    struct server *s = open_server((struct server_options){.request_timeout_ms = 50}, echo, NULL);
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct raw_client client;
        struct raw_answer a;
        raw_open(&client, server_port(s));
        raw_say(&client, GET "\r\n"); // The time of a request begins with its own first byte.
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 200);
        raw_say(&client, beginnings[i]);
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 408);
        assert_true(raw_ended(&client));
        raw_close(&client);
    }
    server_close(s);
}

// A byte now and then does not give a request more time: the total counts.
static void trickling_requests_are_answered_408(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){.request_timeout_ms = 100}, echo, NULL);
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(s));
    raw_say(&client, POST "Content-Length: 1000000\r\n\r\n");
    struct pollfd answer = {client.fd, POLLIN, 0};
    do
        raw_say(&client, "x");
    while (poll(&answer, 1, 1) == 0);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 408);
    raw_close(&client);
    server_close(s);
}

static void idle_connections_are_closed(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){.idle_timeout_ms = 20}, echo, NULL);
    struct raw_client client;
    raw_open(&client, server_port(s));
    assert_true(raw_ended(&client));
    raw_close(&client);
    server_close(s);
}

// When all seats are taken, the connection that has been idle longest makes room.
static void the_oldest_idle_connection_makes_room(void **state)
{
    (void)state;
    struct server *s =
        open_server((struct server_options){.threads = 1, .connections_max = 2}, echo, NULL);
    struct raw_client clients[3];
    struct raw_answer a;
    for (int i = 0; i < 3; i++) {
        raw_open(&clients[i], server_port(s));
        raw_say(&clients[i], GET "\r\n");
        assert_true(raw_receive(&clients[i], &a));
        assert_int_equal(a.status, 200);
    }
    assert_true(raw_ended(&clients[0]));
    for (int i = 1; i < 3; i++) {
        raw_say(&clients[i], GET "\r\n");
        assert_true(raw_receive(&clients[i], &a));
        assert_int_equal(a.status, 200);
    }
    for (int i = 0; i < 3; i++)
        raw_close(&clients[i]);
    server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_answered_up_to_the_limits),
        cmocka_unit_test(bodies_are_taken_up_to_the_limit),
        cmocka_unit_test(a_body_above_the_limit_is_refused_readably),
        cmocka_unit_test(a_refused_client_is_not_listened_to_for_ever),
        cmocka_unit_test(continue_is_sent_only_for_a_body_that_is_wanted),
        cmocka_unit_test(stalled_requests_are_answered_408),
        cmocka_unit_test(trickling_requests_are_answered_408),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(the_oldest_idle_connection_makes_room),
    };
    int failed = cmocka_run_group_tests(tests, open_echo, close_echo);
    speak_tls();
    failed += cmocka_run_group_tests_name("over TLS", tests, open_echo, close_echo);
    speak_plain();
    return failed;
}
