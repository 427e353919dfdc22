// SPDX-License-Identifier: MIT
// test_server_crowd.c: more connections, longer bodies and slower readers than the server has room
// for.
//
// Clients come from 127.0.0.1 and its neighbours, which are addresses of their own.

#include "echo_server.h"
#include "raw_client.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define VITAL "GET /vital HTTP/1.1\r\nHost: h\r\n\r\n"
#define WANTS_TO_SEND                                                                              \
    "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
#define CROWD 8

static const char *const reserved[] = {"/vital", NULL};

// A single thread, so that it is known which connections share it.
static struct server *open_small(struct server_options o, server_handler *handler)
{
    o.threads = 1;
    o.reserved_paths = reserved;
    return open_server(o, handler, NULL);
}

static void expect_answer(struct raw_client *c, const char *request, unsigned status)
{
    struct raw_answer a;
    raw_say(c, request);
    assert_true(raw_receive(c, &a));
    if (a.status != status)
        fail_msg("status %u, expected %u: %s", a.status, status, a.body);
}

// Connections in the middle of a request: the server has read the head and waits for the body.
static void hold(struct raw_client *clients, size_t count, const struct server *s,
                 const char *source)
{
    for (size_t i = 0; i < count; i++) {
        raw_open_from(&clients[i], server_port(s), source);
        raw_say(&clients[i], WANTS_TO_SEND);
        struct raw_answer a;
        assert_true(raw_receive_head_only(&clients[i], &a));
        assert_int_equal(a.status, 100);
    }
}

static void leave(struct raw_client *clients, size_t count)
{
    for (size_t i = 0; i < count; i++)
        raw_close(&clients[i]);
}

// --- Seats ---------------------------------------------------------------------------------------

// All seats are taken by requests that do not end. What is reserved is answered, on a connection
// that then ends; everything else is refused.
static void reserved_paths_are_answered_when_all_seats_are_taken(void **state)
{
    (void)state;
    static struct raw_client crowd[CROWD];
    struct raw_client client;
    struct raw_answer a;
    struct server *s = open_small((struct server_options){.connections_max = CROWD,
                                                          .connections_per_address_max = CROWD,
                                                          .connections_reserved = 2},
                                  echo);
    hold(crowd, CROWD, s, "127.0.0.1");
    for (int i = 0; i < 5; i++) {
        raw_open(&client, server_port(s));
        expect_answer(&client, VITAL, 200);
        assert_true(raw_ended(&client));
        raw_close(&client);
    }
    raw_open(&client, server_port(s));
    raw_say(&client, GET);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 503);
    expect_header(&a, "Retry-After", "1");
    expect_header(&a, "Connection", "close");
    assert_true(raw_ended(&client));
    raw_close(&client);
    leave(crowd, CROWD);
    server_close(s);
}

// The reserve itself is full of silent connections: the oldest makes room for each new one.
static void the_reserve_goes_round(void **state)
{
    (void)state;
    static struct raw_client crowd[CROWD];
    static struct raw_client silent[6];
    struct raw_client client;
    struct server *s = open_small((struct server_options){.connections_max = CROWD,
                                                          .connections_per_address_max = CROWD,
                                                          .connections_reserved = 2},
                                  echo);
    hold(crowd, CROWD, s, "127.0.0.1");
    for (int i = 0; i < 6; i++) {
        raw_open(&silent[i], server_port(s));
        raw_say(&silent[i], "GET /vital");
    }
    raw_open(&client, server_port(s));
    expect_answer(&client, VITAL, 200);
    for (int i = 0; i < 5; i++)
        assert_true(raw_ended(&silent[i]));
    raw_close(&client);
    leave(silent, 6);
    leave(crowd, CROWD);
    server_close(s);
}

// An address has taken all that it may have; others are served as ever.
static void one_address_does_not_take_the_seats_of_others(void **state)
{
    (void)state;
    static struct raw_client crowd[CROWD];
    struct raw_client client;
    struct server *s = open_small(
        (struct server_options){.connections_max = 2 * CROWD, .connections_per_address_max = CROWD},
        echo);
    hold(crowd, CROWD, s, "127.0.0.2");
    raw_open_from(&client, server_port(s), "127.0.0.2");
    expect_answer(&client, GET, 503);
    raw_close(&client);
    raw_open_from(&client, server_port(s), "127.0.0.3");
    expect_answer(&client, GET, 200);
    expect_answer(&client, GET, 200);
    raw_close(&client);

    // A seat that is given back can be taken again.
    raw_close(&crowd[0]);
    do {
        raw_open_from(&client, server_port(s), "127.0.0.2");
        raw_say(&client, GET);
        struct raw_answer a;
        assert_true(raw_receive(&client, &a));
        raw_close(&client);
        if (a.status == 200)
            break;
    } while (true);
    leave(crowd + 1, CROWD - 1);
    server_close(s);
}

// An address at its limit loses its own idle connection, and nobody else loses one.
static void an_address_at_its_limit_makes_room_for_itself(void **state)
{
    (void)state;
    static struct raw_client own[CROWD];
    struct raw_client other;
    struct raw_client client;
    struct server *s = open_small(
        (struct server_options){.connections_max = 2 * CROWD, .connections_per_address_max = CROWD},
        echo);
    raw_open_from(&other, server_port(s), "127.0.0.3"); // The oldest of all.
    expect_answer(&other, GET, 200);
    for (int i = 0; i < CROWD; i++) {
        raw_open_from(&own[i], server_port(s), "127.0.0.2");
        expect_answer(&own[i], GET, 200);
    }
    raw_open_from(&client, server_port(s), "127.0.0.2");
    expect_answer(&client, GET, 200);
    assert_true(raw_ended(&own[0]));
    expect_answer(&other, GET, 200);
    expect_answer(&own[1], GET, 200);
    raw_close(&client);
    raw_close(&other);
    leave(own, CROWD);
    server_close(s);
}

// --- Time ----------------------------------------------------------------------------------------

// With time enough in general, a head is in a hurry when three quarters of the seats are taken, and
// so is every connection of the reserve.
static void heads_are_hurried_in_a_crowd(void **state)
{
    (void)state;
    static struct raw_client crowd[CROWD];
    struct raw_answer a;
    struct server *s = open_small((struct server_options){.connections_max = CROWD,
                                                          .connections_per_address_max = CROWD,
                                                          .request_timeout_ms = 600000,
                                                          .pressed_timeout_ms = 100},
                                  echo);
    for (int i = 0; i < CROWD; i++) {
        raw_open(&crowd[i], server_port(s));
        raw_say(&crowd[i], "GET /x HTTP/1.1\r\nHost:");
    }
    for (int i = 0; i < CROWD; i++) {
        assert_true(raw_receive(&crowd[i], &a));
        assert_int_equal(a.status, 408);
    }
    leave(crowd, CROWD);
    server_close(s);
}

// --- Memory --------------------------------------------------------------------------------------

#define LONG_BYTES (32 * 1024 * 1024)

static void long_answer(void *context, struct exchange *x)
{
    (void)context;
    if (strcmp(exchange_target(x), "/vital") == 0) {
        exchange_answer_static(x, 200, "text/plain", "well", 4);
        return;
    }
    char *body = malloc(LONG_BYTES);
    memset(body, 'b', LONG_BYTES);
    exchange_answer(x, 200, "text/plain", body, LONG_BYTES);
}

// A client that takes little and slowly.
static void open_slow_reader(struct raw_client *c, const struct server *s, const char *request)
{
    int bytes = 4096;
    raw_open(c, server_port(s));
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    raw_say(c, request);
    raw_wait(c); // The beginning of the answer is there.
}

// Takes what there is until the connection ends; returns how much that was.
static size_t read_to_the_end(struct raw_client *c)
{
    static char waste[65536];
    size_t all = 0;
    ssize_t got;
    while ((got = raw_read(c, waste, sizeof waste)) > 0)
        all += (size_t)got;
    return all;
}

static void a_client_that_does_not_read_is_ended(void **state)
{
    (void)state;
    struct raw_client client;
    struct server *s = open_small((struct server_options){.answer_timeout_ms = 50}, long_answer);
    open_slow_reader(&client, s, GET);
    while (server_connections(s) > 0)
        sched_yield(); // Until the server has closed.
    raw_close(&client);
    server_close(s);
}

// A client that takes a little now and then makes progress, but has not for ever.
static void a_client_that_drips_is_ended(void **state)
{
    (void)state;
    struct raw_client client;
    struct server *s = open_small(
        (struct server_options){.answer_timeout_ms = 100, .answer_bytes_per_s = 256 * 1024 * 1024},
        long_answer);
    open_slow_reader(&client, s, GET);
    size_t all = 0;
    char byte;
    while (server_connections(s) > 0)
        all += recv(client.fd, &byte, 1, MSG_DONTWAIT) > 0;
    assert_true(all < LONG_BYTES);
    raw_close(&client);
    server_close(s);
}

// The memory for answers is used up by a client that does not read: what could be asked again is
// refused, and what is reserved is not.
static void answers_beyond_the_memory_are_refused(void **state)
{
    (void)state;
    struct raw_client slow;
    struct raw_client client;
    struct server *s =
        open_small((struct server_options){.answers_bytes_max = LONG_BYTES}, long_answer);
    open_slow_reader(&slow, s, GET);
    raw_open(&client, server_port(s));
    expect_answer(&client, GET, 503);
    expect_answer(&client, VITAL, 200); // The connection goes on.
    raw_close(&slow);
    struct raw_answer a;
    do { // Until the server has noticed that the slow one is gone.
        raw_say(&client, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(raw_receive_head_only(&client, &a));
    } while (a.status == 503);
    assert_int_equal(a.status, 200);
    raw_close(&client);
    server_close(s);
}

// A client that does not read has no more than half of the memory, so others get their answers.
static void one_address_has_at_most_half_of_the_memory(void **state)
{
    (void)state;
    struct raw_client slow;
    struct raw_client client;
    struct raw_answer a;
    struct server *s =
        open_small((struct server_options){.answers_bytes_max = 2 * LONG_BYTES}, long_answer);
    open_slow_reader(&slow, s, GET);
    raw_open(&client, server_port(s));
    expect_answer(&client, GET, 503);
    raw_close(&client);
    raw_open_from(&client, server_port(s), "127.0.0.2");
    raw_say(&client, GET);
    assert_true(raw_receive_head_only(&client, &a));
    assert_int_equal(a.status, 200);
    raw_close(&client);
    raw_close(&slow);
    server_close(s);
}

// The answer to a change says what has happened; it is never replaced.
static void answers_to_changes_are_sent_all_the_same(void **state)
{
    (void)state;
    struct raw_client client;
    struct raw_answer a;
    struct server *s =
        open_small((struct server_options){.answers_bytes_max = LONG_BYTES / 2}, long_answer);
    for (int i = 0; i < 2; i++) {
        raw_open(&client, server_port(s));
        raw_say(&client, "POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_true(raw_receive_head_only(&client, &a));
        assert_int_equal(a.status, 200);
        assert_int_equal(client.n + read_to_the_end(&client), LONG_BYTES);
        raw_close(&client);
    }
    server_close(s);
}

#define POST_LONG "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"

// Half of a long body takes memory until it has come; another long body finds none, a short one
// needs none.
static void bodies_beyond_the_memory_are_refused(void **state)
{
    (void)state;
    static char half[50000];
    struct raw_client slow;
    struct raw_client client;
    struct raw_answer a;
    struct server *s = open_small((struct server_options){.bodies_bytes_max = 180000}, echo);
    raw_open(&slow, server_port(s));
    raw_say(&slow, "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                   "Content-Length: 100000\r\n\r\n");
    assert_true(raw_receive_head_only(&slow, &a));
    assert_int_equal(a.status, 100);
    raw_send(&slow, half, sizeof half);
    do { // Until the server has read that.
        raw_open(&client, server_port(s));
        raw_say(&client, POST_LONG);
        raw_send(&client, half, sizeof half);
        raw_send(&client, half, sizeof half);
        assert_true(raw_receive(&client, &a));
        raw_close(&client);
    } while (a.status == 200);
    assert_int_equal(a.status, 503);
    raw_open(&client, server_port(s));
    expect_answer(&client, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 200);
    raw_close(&client);

    raw_send(&slow, half, sizeof half);
    assert_true(raw_receive(&slow, &a));
    assert_int_equal(a.status, 200);
    raw_open(&client, server_port(s)); // The memory has come back.
    raw_say(&client, POST_LONG);
    raw_send(&client, half, sizeof half);
    raw_send(&client, half, sizeof half);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 200);
    raw_close(&client);
    raw_close(&slow);
    server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_paths_are_answered_when_all_seats_are_taken),
        cmocka_unit_test(the_reserve_goes_round),
        cmocka_unit_test(one_address_does_not_take_the_seats_of_others),
        cmocka_unit_test(an_address_at_its_limit_makes_room_for_itself),
        cmocka_unit_test(heads_are_hurried_in_a_crowd),
        cmocka_unit_test(a_client_that_does_not_read_is_ended),
        cmocka_unit_test(a_client_that_drips_is_ended),
        cmocka_unit_test(answers_beyond_the_memory_are_refused),
        cmocka_unit_test(one_address_has_at_most_half_of_the_memory),
        cmocka_unit_test(answers_to_changes_are_sent_all_the_same),
        cmocka_unit_test(bodies_beyond_the_memory_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    speak_tls();
    failed += cmocka_run_group_tests_name("over TLS", tests, NULL, NULL);
    speak_plain();
    return failed;
}
