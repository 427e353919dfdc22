// SPDX-License-Identifier: MIT
// test_server_stream.c: answers that are written piece by piece, and answers that are not copied.

#include "echo_server.h"
#include "raw_client.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define STREAM_BYTES_MAX 65536

// The owner of a stream: a test, which takes the exchange from here.
struct owner {
    struct exchange *_Atomic exchange;
    atomic_uint rooms;
    atomic_uint overs;
    struct exchange_stream_calls calls;
};

static void count_room(void *context)
{
    atomic_fetch_add(&((struct owner *)context)->rooms, 1);
}

static void count_over(void *context)
{
    atomic_fetch_add(&((struct owner *)context)->overs, 1);
}

static void begin_stream(void *context, struct exchange *x)
{
    struct owner *o = context;
    o->calls = (struct exchange_stream_calls){count_room, count_over, o};
    exchange_add_header(x, "Cache-Control", "no-store");
    exchange_stream_begin(x, 200, "text/event-stream", &o->calls);
    struct exchange *none = NULL;
    while (!atomic_compare_exchange_weak(&o->exchange, &none, x)) {
        none = NULL;
        sched_yield(); // The one before has not been taken yet.
    }
}

static struct exchange *take(struct owner *o)
{
    struct exchange *x;
    while (!(x = atomic_exchange(&o->exchange, NULL)))
        sched_yield();
    return x;
}

static struct server *open_streaming(struct owner *o)
{
    *o = (struct owner){.exchange = NULL};
    struct server_options options = {.stream_bytes_max = STREAM_BYTES_MAX, .threads = 1};
    return open_server(options, begin_stream, o);
}

static void write_text(struct exchange *x, const char *text)
{
    assert_int_equal(exchange_stream_write(x, text, strlen(text)), ERR_OK);
}

// Reads to the end of the connection; the rest of what came is in c->bytes.
static void read_rest(struct raw_client *c)
{
    ssize_t got;
    while ((got = raw_read(c, c->bytes + c->n, sizeof c->bytes - c->n - 1)) > 0)
        c->n += (size_t)got;
    c->bytes[c->n] = '\0';
}

// Waits until `text` is what has come behind the head.
static void expect_so_far(struct raw_client *c, const char *text)
{
    while (c->n < strlen(text)) {
        raw_wait(c);
        ssize_t got = raw_read(c, c->bytes + c->n, sizeof c->bytes - c->n - 1);
        assert_true(got > 0);
        c->n += (size_t)got;
    }
    c->bytes[c->n] = '\0';
    assert_string_equal(c->bytes, text);
}

// --- What the client sees ------------------------------------------------------------------------

static void pieces_are_sent_as_they_are_written(void **state)
{
    (void)state;
    struct owner o;
    struct raw_client client;
    struct raw_answer a;
    struct server *s = open_streaming(&o);
    raw_open(&client, server_port(s));
    raw_say(&client, GET);
    struct exchange *x = take(&o);
    assert_true(raw_receive_head_only(&client, &a)); // Before anything is written.
    assert_int_equal(a.status, 200);
    expect_header(&a, "Transfer-Encoding", "chunked");
    expect_header(&a, "Content-Type", "text/event-stream");
    expect_header(&a, "Cache-Control", "no-store");
    expect_header(&a, "Connection", "close");
    write_text(x, "one");
    expect_so_far(&client, "3\r\none\r\n");
    write_text(x, "thirteen more");
    expect_so_far(&client, "3\r\none\r\nd\r\nthirteen more\r\n");
    exchange_stream_end(x);
    read_rest(&client);
    assert_string_equal(client.bytes, "3\r\none\r\nd\r\nthirteen more\r\n0\r\n\r\n");
    assert_int_equal(atomic_load(&o.overs), 0);
    raw_close(&client);
    server_close(s);
}

// A client of HTTP/1.0 knows no chunks; the end of the connection is the end of the answer. The
// answer to HEAD has no body.
static void old_clients_and_head_get_no_chunks(void **state)
{
    (void)state;
    static const struct {
        const char *request, *body;
    } cases[] = {{"GET /x HTTP/1.0\r\n\r\n", "text"}, {"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", ""}};
    struct owner o;
    struct server *s = open_streaming(&o);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raw_client client;
        struct raw_answer a;
        raw_open(&client, server_port(s));
        raw_say(&client, cases[i].request);
        struct exchange *x = take(&o);
        write_text(x, "text");
        exchange_stream_end(x);
        assert_true(raw_receive_head_only(&client, &a));
        assert_int_equal(a.status, 200);
        read_rest(&client);
        assert_string_equal(client.bytes, cases[i].body);
        raw_close(&client);
    }
    server_close(s);
}

// --- What the owner sees -------------------------------------------------------------------------

// A client that does not read gets no more than the bound; when it reads on, the owner hears of it,
// and nothing that was taken is lost.
static void a_slow_client_holds_no_more_than_the_bound(void **state)
{
    (void)state;
    static char piece[1024];
    memset(piece, 'p', sizeof piece);
    struct owner o;
    struct raw_client client;
    struct raw_answer a;
    struct server *s = open_streaming(&o);
    raw_open(&client, server_port(s));
    raw_say(&client, GET);
    struct exchange *x = take(&o);
    size_t written = 0;
    enum err err;
    while (!(err = exchange_stream_write(x, piece, sizeof piece)))
        written += sizeof piece;
    assert_int_equal(err, ERR_LIMIT);
    assert_true(raw_receive_head_only(&client, &a));
    size_t received = client.n;
    ssize_t got;
    while (atomic_load(&o.rooms) == 0) {
        struct pollfd p = {client.fd, POLLIN, 0};
        if (poll(&p, 1, 1) > 0)
            received += (size_t)raw_read(&client, client.bytes, sizeof client.bytes);
    }
    write_text(x, "more");
    exchange_stream_end(x);
    while ((got = raw_read(&client, client.bytes, sizeof client.bytes)) > 0)
        received += (size_t)got;
    assert_true(received > written + strlen("more")); // With the lines of the chunks.
    raw_close(&client);
    server_close(s);
}

// The owner hears once that the client has gone; the exchange stays good until the owner ends it.
static void an_owner_hears_that_the_client_has_gone(void **state)
{
    (void)state;
    for (int written = 0; written <= 1; written++) {
        struct owner o;
        struct raw_client client;
        struct raw_answer a;
        struct server *s = open_streaming(&o);
        raw_open(&client, server_port(s));
        raw_say(&client, GET);
        struct exchange *x = take(&o);
        assert_true(raw_receive_head_only(&client, &a));
        if (written)
            write_text(x, "not read");
        raw_close(&client);
        while (atomic_load(&o.overs) == 0)
            sched_yield();
        assert_int_equal(exchange_stream_write(x, "x", 1), ERR_CLOSED);
        assert_int_equal(exchange_stream_write(x, "x", 1), ERR_CLOSED);
        exchange_stream_end(x);
        server_close(s);
        assert_int_equal(atomic_load(&o.overs), 1);
    }
}

// The owner waits for room and is then told to end, or gives up by itself: what it waited with may
// be gone when it has ended.
static void an_owner_that_has_ended_hears_no_more(void **state)
{
    (void)state;
    static char piece[1024];
    struct owner o;
    struct raw_client client;
    struct raw_answer a;
    struct server *s = open_streaming(&o);
    raw_open(&client, server_port(s));
    raw_say(&client, GET);
    struct exchange *x = take(&o);
    while (!exchange_stream_write(x, piece, sizeof piece))
        continue;
    exchange_stream_end(x);
    unsigned rooms = atomic_load(&o.rooms);
    assert_true(raw_receive_head_only(&client, &a));
    while (raw_read(&client, client.bytes, sizeof client.bytes) > 0)
        continue;
    raw_close(&client);
    server_close(s);
    assert_int_equal(atomic_load(&o.rooms), rooms);
}

// A server that drains asks the owners of streams to end them, those begun before and those after.
static void streams_end_when_the_server_drains(void **state)
{
    (void)state;
    struct owner o;
    struct raw_client client;
    struct raw_answer a;
    struct server *s = open_streaming(&o);
    raw_open(&client, server_port(s));
    raw_say(&client, GET);
    struct exchange *x = take(&o);
    write_text(x, "last");
    server_drain(s);
    while (atomic_load(&o.overs) == 0)
        sched_yield();
    write_text(x, " words");
    exchange_stream_end(x);
    server_close(s);
    assert_true(raw_receive_head_only(&client, &a));
    read_rest(&client);
    assert_non_null(strstr(client.bytes, "last"));
    assert_non_null(strstr(client.bytes, " words\r\n0\r\n\r\n"));
    raw_close(&client);
}

// Writes until the client's side has stood still for long: nearly always, all buffers are full
// then.
static void fill(struct exchange *x)
{
    static char piece[1024];
    for (int full = 0; full < 10000; full++) {
        while (!exchange_stream_write(x, piece, sizeof piece))
            full = 0;
        sched_yield();
    }
}

static void a_stop_does_not_wait_for_those_who_do_not_read(void **state)
{
    (void)state;
    struct owner o = {.exchange = NULL};
    struct raw_client client;
    struct server_options options = {.stream_bytes_max = STREAM_BYTES_MAX,
                                     .threads = 1,
                                     .answer_timeout_ms = 3600000,
                                     .pressed_timeout_ms = 20};
    struct server *s = open_server(options, begin_stream, &o);
    raw_open(&client, server_port(s));
    raw_say(&client, GET);
    struct exchange *x = take(&o);
    fill(x);
    server_drain(s);
    while (atomic_load(&o.overs) == 0)
        sched_yield();
    exchange_stream_end(x);
    server_close(s);
    raw_close(&client);
}

#define ROUNDS 500
#define PIECES 20

static void *write_all(void *context)
{
    struct owner *o = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct exchange *x = take(o);
        for (int k = 0; k < PIECES; k++)
            if (exchange_stream_write(x, "piece", 5) == ERR_CLOSED)
                break;
        exchange_stream_end(x);
    }
    return NULL;
}

// The owner writes and ends from another thread while the server sends, and clients leave early or
// late.
static void ends_may_meet_anything(void **state)
{
    (void)state;
    struct owner o;
    pthread_t thread;
    struct server *s = open_streaming(&o);
    assert_int_equal(pthread_create(&thread, NULL, write_all, &o), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct raw_client client;
        struct raw_answer a;
        raw_open(&client, server_port(s));
        raw_say(&client, GET);
        if (i % 3 > 0)
            assert_true(raw_receive_head_only(&client, &a));
        if (i % 3 > 1) {
            read_rest(&client);
            assert_true(client.n > 7);
            assert_string_equal(&client.bytes[client.n - 7], "\r\n0\r\n\r\n");
        }
        if (i % 3 == 0)
            raw_wait(&client); // Else the request may not arrive at all.
        raw_close(&client);
    }
    pthread_join(thread, NULL);
    server_close(s);
}

// --- Static answers ------------------------------------------------------------------------------

static char page[300000];

static void answer_page(void *context, struct exchange *x)
{
    (void)context;
    exchange_answer_static(x, 200, "text/html", page, sizeof page);
}

// Nothing is copied or freed: the same memory is sent again and again, also in parts.
static void a_static_answer_is_sent_from_where_it_is(void **state)
{
    (void)state;
    memset(page, 'h', sizeof page);
    struct server *s = open_server((struct server_options){0}, answer_page, NULL);
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(s));
    for (int i = 0; i < 3; i++) {
        raw_say(&client, GET);
        assert_true(raw_receive_head_only(&client, &a));
        expect_header(&a, "Content-Length", "300000");
        for (size_t left = sizeof page; left > 0;) {
            if (client.n == 0) {
                ssize_t got = raw_read(&client, client.bytes, sizeof client.bytes);
                assert_true(got > 0);
                client.n = (size_t)got;
            }
            assert_true(client.n <= left);
            assert_memory_equal(client.bytes, page, client.n);
            left -= client.n;
            client.n = 0;
            client.bytes[0] = '\0';
        }
    }
    raw_close(&client);
    server_close(s);
}

static void show_addresses(void *context, struct exchange *x)
{
    (void)context;
    char text[128];
    snprintf(text, sizeof text, "%s to %s %u", exchange_peer(x), exchange_local(x),
             (unsigned)exchange_local_port(x));
    exchange_answer(x, 200, "text/plain", strdup(text), strlen(text));
}

static void an_exchange_knows_both_addresses(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){0}, show_addresses, NULL);
    struct raw_client client;
    struct raw_answer a;
    char expected[128];
    raw_open_from(&client, server_port(s), "127.0.0.7");
    raw_say(&client, GET);
    assert_true(raw_receive(&client, &a));
    snprintf(expected, sizeof expected, "127.0.0.7 to 127.0.0.1 %u", (unsigned)server_port(s));
    expect_text(&a, 200, expected);
    raw_close(&client);
    server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_sent_as_they_are_written),
        cmocka_unit_test(old_clients_and_head_get_no_chunks),
        cmocka_unit_test(a_slow_client_holds_no_more_than_the_bound),
        cmocka_unit_test(an_owner_hears_that_the_client_has_gone),
        cmocka_unit_test(an_owner_that_has_ended_hears_no_more),
        cmocka_unit_test(streams_end_when_the_server_drains),
        cmocka_unit_test(a_stop_does_not_wait_for_those_who_do_not_read),
        cmocka_unit_test(ends_may_meet_anything),
        cmocka_unit_test(a_static_answer_is_sent_from_where_it_is),
        cmocka_unit_test(an_exchange_knows_both_addresses),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    speak_tls();
    failed += cmocka_run_group_tests_name("over TLS", tests, NULL, NULL);
    speak_plain();
    return failed;
}
