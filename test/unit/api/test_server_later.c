// SPDX-License-Identifier: MIT
// test_server_later.c: answers that come later and from other threads, and the server's end.
//
// The handler of these tests puts every exchange on a shelf; a test takes them from there and
// answers them when it likes.

#include "echo_server.h"
#include "raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define CLIENTS 64

struct shelf {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct exchange *exchanges[CLIENTS];
    size_t count;
};

static void shelf_init(struct shelf *shelf)
{
    pthread_mutex_init(&shelf->lock, NULL);
    pthread_cond_init(&shelf->changed, NULL);
    shelf->count = 0;
}

static void put_on_shelf(void *context, struct exchange *x)
{
    struct shelf *shelf = context;
    pthread_mutex_lock(&shelf->lock);
    shelf->exchanges[shelf->count++] = x;
    pthread_cond_signal(&shelf->changed);
    pthread_mutex_unlock(&shelf->lock);
}

// Waits until there are `count`, and takes the last one.
static struct exchange *take_last(struct shelf *shelf, size_t count)
{
    pthread_mutex_lock(&shelf->lock);
    while (shelf->count < count)
        pthread_cond_wait(&shelf->changed, &shelf->lock);
    struct exchange *x = shelf->exchanges[--shelf->count];
    pthread_mutex_unlock(&shelf->lock);
    return x;
}

static void answer_with_target(struct exchange *x)
{
    char *body = strdup(exchange_target(x));
    exchange_answer(x, 200, "text/plain", body, strlen(body));
}

// --- Later answers -------------------------------------------------------------------------------

// All requests wait at the same time; the last is answered first. Every client gets its own answer,
// and its connection goes on.
static void answers_may_come_in_another_order(void **state)
{
    (void)state;
    static struct raw_client clients[CLIENTS];
    struct shelf shelf;
    struct raw_answer a;
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    for (int i = 0; i < CLIENTS; i++)
        raw_open(&clients[i], server_port(s));
    for (int round = 0; round < 3; round++) {
        char text[64];
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(text, sizeof text, "GET /%d/%d HTTP/1.1\r\nHost: h\r\n\r\n", round, i);
            raw_say(&clients[i], text);
        }
        for (size_t left = CLIENTS; left > 0; left--)
            answer_with_target(take_last(&shelf, left));
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(text, sizeof text, "/%d/%d", round, i);
            assert_true(raw_receive(&clients[i], &a));
            assert_int_equal(a.status, 200);
            assert_string_equal(a.body, text);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        raw_close(&clients[i]);
    server_close(s);
}

// Requests that came in one piece with the first wait for its answer, and keep their order.
static void pipelined_requests_wait_for_their_turn(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client client;
    struct raw_answer a;
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    raw_open(&client, server_port(s));
    raw_say(&client, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
                     "GET /3 HTTP/1.1\r\n\r\n");
    for (int i = 1; i <= 2; i++) {
        char text[8];
        snprintf(text, sizeof text, "/%d", i);
        answer_with_target(take_last(&shelf, 1));
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, text);
    }
    assert_true(raw_receive(&client, &a)); // The third lacks a Host.
    assert_int_equal(a.status, 400);
    assert_true(raw_ended(&client));
    raw_close(&client);
    server_close(s);
}

// A client that says that it will send nothing more still gets its answers.
static void a_client_may_close_its_half(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client client;
    struct raw_answer a;
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    raw_open(&client, server_port(s));
    raw_say(&client, GET GET);
    shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < 2; i++) {
        answer_with_target(take_last(&shelf, 1));
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 200);
    }
    assert_true(raw_ended(&client));
    raw_close(&client);
    server_close(s);
}

#define PIPELINED 400 // More bytes than the server reads at once.

static void many_pipelined_requests_keep_their_order(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client client;
    struct raw_answer a;
    char text[128];
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    raw_open(&client, server_port(s));
    for (int i = 0; i < PIPELINED; i++) {
        snprintf(text, sizeof text, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                 i);
        raw_say(&client, text);
    }
    raw_say(&client, "GET / HTTP/1.1\r\n\r\n"); // A request without Host.
    for (int i = 0; i < PIPELINED; i++) {
        answer_with_target(take_last(&shelf, 1));
        assert_true(raw_receive(&client, &a));
        snprintf(text, sizeof text, "/%d", i);
        assert_string_equal(a.body, text);
    }
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 400);
    assert_true(raw_ended(&client));
    raw_close(&client);
    server_close(s);
}

// The time limit is for requests that arrive. One that waits for its answer, and one that waits
// behind it, are not late.
static void waiting_is_not_being_late(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client client;
    struct raw_client late;
    struct raw_answer a;
    shelf_init(&shelf);
    struct server *s =
        open_server((struct server_options){.request_timeout_ms = 20}, put_on_shelf, &shelf);
    raw_open(&client, server_port(s));
    raw_open(&late, server_port(s));
    raw_say(&client, GET "GET /y HTTP/1.1\r\n");
    struct exchange *x = take_last(&shelf, 1);
    raw_say(&late, "GET /");
    assert_true(raw_receive(&late, &a)); // The time of a request has passed since.
    assert_int_equal(a.status, 408);

    answer_with_target(x);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 200);
    raw_say(&client, "Host: h\r\n\r\n");
    answer_with_target(take_last(&shelf, 1));
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "/y");
    raw_close(&client);
    raw_close(&late);
    server_close(s);
}

static void reset_on_close(const struct raw_client *client)
{
    struct linger now = {1, 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// Half of the clients leave in order, half by a reset; the answers come when they are gone.
static void clients_may_leave_while_they_wait(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client client;
    struct raw_answer a;
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    for (size_t i = 0; i < CLIENTS; i++) {
        raw_open(&client, server_port(s));
        raw_say(&client, GET);
        answer_with_target(take_last(&shelf, 1));
        assert_true(raw_receive(&client, &a));
        raw_say(&client, GET);
        struct exchange *x = take_last(&shelf, 1);
        if (i % 2 == 0)
            reset_on_close(&client);
        raw_close(&client);
        answer_with_target(x);
    }
    raw_open(&client, server_port(s)); // The server still serves.
    raw_say(&client, GET);
    answer_with_target(take_last(&shelf, 1));
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 200);
    raw_close(&client);
    server_close(s);
}

// --- The race between the handler's return and an answer from elsewhere --------------------------

#define RACES 2000

static void *answer_races(void *argument)
{
    for (int i = 0; i < RACES; i++)
        answer_with_target(take_last(argument, 1));
    return NULL;
}

// Another thread answers at once, sometimes before the connection sleeps and sometimes after.
static void an_answer_may_overtake_the_handler(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client clients[2];
    struct raw_answer a;
    pthread_t thread;
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    assert_int_equal(pthread_create(&thread, NULL, answer_races, &shelf), 0);
    for (int i = 0; i < 2; i++)
        raw_open(&clients[i], server_port(s));
    for (int i = 0; i < RACES / 2; i++) {
        for (int k = 0; k < 2; k++)
            raw_say(&clients[k], GET);
        for (int k = 0; k < 2; k++) {
            assert_true(raw_receive(&clients[k], &a));
            assert_int_equal(a.status, 200);
        }
    }
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++)
        raw_close(&clients[i]);
    server_close(s);
}

// --- The end -------------------------------------------------------------------------------------

static bool connection_refused(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool refused =
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static void a_draining_server_takes_nothing_new(void **state)
{
    (void)state;
    struct shelf shelf;
    struct raw_client waiting;
    struct raw_client open;
    struct raw_answer a;
    char retry[8];
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    raw_open(&open, server_port(s));
    raw_say(&open, GET);
    answer_with_target(take_last(&shelf, 1));
    assert_true(raw_receive(&open, &a));
    raw_open(&waiting, server_port(s));
    raw_say(&waiting, GET);
    struct exchange *x = take_last(&shelf, 1);

    server_drain(s);
    server_drain(s);
    assert_true(connection_refused(server_port(s)));
    raw_say(&open, GET);
    assert_true(raw_receive(&open, &a));
    assert_int_equal(a.status, 503);
    assert_true(raw_header(&a, "Retry-After", retry, sizeof retry));
    assert_string_equal(a.body, "the server is shutting down\n"); // Plain without error_body.
    assert_true(raw_ended(&open));

    answer_with_target(x);
    assert_true(raw_receive(&waiting, &a));
    assert_int_equal(a.status, 200);
    assert_true(raw_ended(&waiting));
    raw_close(&open);
    raw_close(&waiting);
    server_close(s);
}

struct closing {
    struct server *server;
    atomic_bool closed;
};

static void *close_server(void *argument)
{
    struct closing *c = argument;
    server_close(c->server);
    atomic_store(&c->closed, true);
    return NULL;
}

// server_close returns when every exchange is answered, not before; what was answered arrives
// whole, also when it is more than a socket holds.
static void close_waits_for_exchanges_under_way(void **state)
{
    (void)state;
    static struct raw_client clients[CLIENTS];
    struct shelf shelf;
    struct raw_answer a;
    pthread_t thread;
    shelf_init(&shelf);
    struct closing closing = {.server =
                                  open_server((struct server_options){0}, put_on_shelf, &shelf)};
    uint16_t port = server_port(closing.server);
    for (int i = 0; i < CLIENTS; i++) {
        raw_open(&clients[i], port);
        raw_say(&clients[i], GET);
    }
    struct exchange *last = take_last(&shelf, CLIENTS);
    assert_int_equal(pthread_create(&thread, NULL, close_server, &closing), 0);
    while (!connection_refused(port))
        ; // Until the other thread is inside server_close.
    for (size_t left = CLIENTS - 1; left > 0; left--)
        answer_with_target(take_last(&shelf, left));
    assert_false(atomic_load(&closing.closed));
    size_t bytes = 40 * 1024;
    char *body = malloc(bytes);
    memset(body, 'b', bytes);
    exchange_answer(last, 200, "text/plain", body, bytes);
    pthread_join(thread, NULL);

    size_t received = 0;
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(raw_receive(&clients[i], &a));
        assert_int_equal(a.status, 200);
        received += a.body_bytes;
        assert_true(raw_ended(&clients[i]));
        raw_close(&clients[i]);
    }
    assert_int_equal(received, (CLIENTS - 1) * strlen("/x") + bytes);
}

// Connections that are idle, in the middle of a head, in the middle of a body, or refused and not
// yet closed by their client hold nothing up.
static void close_does_not_wait_for_silent_clients(void **state)
{
    (void)state;
    static const char *const sent[] = {"", "GET", "POST /x HTTP/1.1\r\nHost: h\r\n",
                                       "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na",
                                       "\r\n\r\n"};
    struct raw_client clients[5];
    struct raw_client other;
    struct raw_answer a;
    struct shelf shelf;
    shelf_init(&shelf);
    struct server *s = open_server((struct server_options){0}, put_on_shelf, &shelf);
    for (size_t i = 0; i < 5; i++) {
        raw_open(&clients[i], server_port(s));
        raw_say(&clients[i], sent[i]);
    }
    assert_true(raw_receive(&clients[4], &a));
    assert_int_equal(a.status, 400);
    raw_open(&other, server_port(s));
    raw_say(&other, GET);
    answer_with_target(take_last(&shelf, 1));
    assert_true(raw_receive(&other, &a));
    server_close(s);
    for (size_t i = 0; i < 5; i++) {
        assert_true(raw_ended(&clients[i]));
        raw_close(&clients[i]);
    }
    assert_true(raw_ended(&other));
    raw_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_may_come_in_another_order),
        cmocka_unit_test(pipelined_requests_wait_for_their_turn),
        cmocka_unit_test(a_client_may_close_its_half),
        cmocka_unit_test(many_pipelined_requests_keep_their_order),
        cmocka_unit_test(waiting_is_not_being_late),
        cmocka_unit_test(clients_may_leave_while_they_wait),
        cmocka_unit_test(an_answer_may_overtake_the_handler),
        cmocka_unit_test(a_draining_server_takes_nothing_new),
        cmocka_unit_test(close_waits_for_exchanges_under_way),
        cmocka_unit_test(close_does_not_wait_for_silent_clients),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    speak_tls();
    failed += cmocka_run_group_tests_name("over TLS", tests, NULL, NULL);
    speak_plain();
    return failed;
}
