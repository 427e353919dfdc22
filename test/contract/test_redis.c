// SPDX-License-Identifier: MIT
// test_redis.c: connections to Redis, and a lock in it, with a real server that comes and goes.

#include "base/memory.h"
#include "redis/redis.h"
#include "redis_server.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static struct redis_server *server;

static int setup(void **state)
{
    struct fault f = {0};
    (void)state;
    redis_server_stop();
    redis_server_start(NULL);
    if (redis_server_open(redis_server_url(), &server, &f))
        fail_msg("%s", f.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_server_close(server);
    return 0;
}

// Until the server is there again for this connection.
static void connect_again(struct redis *r)
{
    while (redis_connect(r, NULL))
        redis_rest(r);
}

// --- Calls -----------------------------------------------------------------------------------

static void commands_are_answered_in_order(void **state)
{
    struct redis *r = redis_new(server);
    size_t bytes;
    int64_t number;
    (void)state;
    assert_false(redis_server_is_up(server));
    redis_add(r, "SET %s %b", "key", "a b\0c", (size_t)5);
    redis_add(r, "GET %s", "key");
    redis_add(r, "STRLEN %s", "key");
    redis_add(r, "HGET %s x", "key");
    redis_add(r, "TIME");
    assert_int_equal(redis_run(r, REDIS_CALL_MS, NULL), ERR_OK);
    assert_true(redis_server_is_up(server));
    assert_string_equal(redis_text(redis_reply(r, 0), NULL), "OK");
    assert_memory_equal(redis_text(redis_reply(r, 1), &bytes), "a b\0c", 6);
    assert_int_equal(bytes, 5);
    assert_true(redis_number(redis_reply(r, 2), &number) && number == 5);
    assert_non_null(strstr(redis_error(redis_reply(r, 3)), "WRONGTYPE"));
    assert_int_equal(redis_count(redis_reply(r, 4)), 2);
    assert_true(redis_number(redis_at(redis_reply(r, 4), 0), &number) && number > 1600000000);
    assert_int_equal(strlen(redis_run_id(r)), REDIS_RUN_ID_BYTES - 1);
    redis_free(r);
}

static void a_reply_of_another_kind_reads_as_none(void **state)
{
    struct redis *r = redis_new(server);
    int64_t number;
    (void)state;
    redis_add(r, "SET word 12x");
    redis_add(r, "GET word");
    redis_add(r, "GET nothing");
    assert_int_equal(redis_run(r, REDIS_CALL_MS, NULL), ERR_OK);
    assert_false(redis_number(redis_reply(r, 1), &number));
    assert_int_equal(redis_count(redis_reply(r, 1)), 0);
    assert_null(redis_at(redis_reply(r, 1), 0));
    assert_null(redis_error(redis_reply(r, 1)));
    assert_null(redis_text(redis_reply(r, 2), NULL));
    assert_null(redis_reply(r, 3));
    assert_null(redis_text(NULL, NULL));
    assert_false(redis_number(NULL, &number));
    assert_null(redis_at(NULL, 0));
    assert_null(redis_error(NULL));
    redis_free(r);
}

static void a_large_command_and_its_reply_pass(void **state)
{
    struct redis *r = redis_new(server);
    size_t bytes = 20 << 20, count;
    char *text = xmalloc(bytes);
    (void)state;
    memset(text, 'x', bytes);
    for (int i = 0; i < 2; i++)
        redis_add(r, "SET big%d %b", i, text, bytes);
    redis_add(r, "GET big0");
    redis_add(r, "GET big1");
    assert_int_equal(redis_run(r, 60000, NULL), ERR_OK);
    assert_memory_equal(redis_text(redis_reply(r, 3), &count), text, bytes);
    assert_int_equal(count, bytes);
    free(text);
    redis_free(r);
}

// --- Losses ----------------------------------------------------------------------------------

static void a_server_that_is_away_is_an_error_and_comes_back(void **state)
{
    struct redis *r = redis_new(server);
    struct fault f = {0};
    (void)state;
    redis_server_stop();
    redis_add(r, "PING");
    assert_int_equal(redis_run(r, REDIS_CALL_MS, &f), ERR_STORE_AWAY);
    assert_true(strlen(f.text) > 0);
    assert_false(redis_server_is_up(server));
    redis_server_start(NULL);
    connect_again(r);
    redis_add(r, "ECHO again");
    assert_int_equal(redis_run(r, REDIS_CALL_MS, NULL), ERR_OK);
    assert_string_equal(redis_text(redis_reply(r, 0), NULL), "again");
    assert_null(redis_reply(r, 1)); // What was added in vain is gone.
    assert_true(redis_server_is_up(server));
    redis_free(r);
}

static void a_command_without_an_answer_is_in_doubt(void **state)
{
    struct redis *r = redis_new(server);
    (void)state;
    assert_int_equal(redis_connect(r, NULL), ERR_OK);
    redis_server_freeze();
    redis_add(r, "SET doubtful 1");
    assert_int_equal(redis_run(r, 50, NULL), ERR_DOUBT);
    assert_null(redis_reply(r, 0));
    redis_server_thaw();
    connect_again(r);
    assert_int_equal(redis_connects(r), 2);
    redis_free(r);
}

static void another_life_of_the_server_has_another_name(void **state)
{
    struct redis *r = redis_new(server);
    char before[REDIS_RUN_ID_BYTES];
    (void)state;
    assert_int_equal(redis_connect(r, NULL), ERR_OK);
    snprintf(before, sizeof before, "%s", redis_run_id(r));
    redis_server_stop();
    redis_server_start(NULL);
    redis_add(r, "PING");
    assert_int_equal(redis_run(r, REDIS_CALL_MS, NULL), ERR_DOUBT);
    connect_again(r);
    assert_string_not_equal(before, redis_run_id(r));
    redis_free(r);
}

static void a_password_opens_and_a_wrong_one_does_not(void **state)
{
    static const char *const passwords[] = {":right@", ":wrong@", ""};
    char url[128];
    (void)state;
    redis_server_stop();
    redis_server_start("right");
    for (size_t i = 0; i < COUNT_OF(passwords); i++) {
        struct redis_server *s;
        struct fault f = {0};
        snprintf(url, sizeof url, "unix://%s%s", passwords[i],
                 redis_server_url() + strlen("unix://"));
        assert_int_equal(redis_server_open(url, &s, NULL), ERR_OK);
        struct redis *r = redis_new(s);
        assert_int_equal(redis_connect(r, &f), i == 0 ? ERR_OK : ERR_STORE_AWAY);
        assert_null(strstr(f.text, "wrong@"));
        assert_null(strstr(redis_server_name(s), "right"));
        redis_free(r);
        redis_server_close(s);
    }
}

static void *interrupt(void *redis)
{
    redis_interrupt(redis);
    return NULL;
}

static void a_call_can_be_interrupted(void **state)
{
    struct redis *r = redis_new(server);
    pthread_t thread;
    (void)state;
    assert_int_equal(redis_connect(r, NULL), ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, interrupt, r), 0);
    redis_add(r, "BLPOP nothing 0");
    assert_int_equal(redis_run(r, 100000, NULL), ERR_CLOSED);
    assert_int_equal(redis_connect(r, NULL), ERR_CLOSED);
    pthread_join(thread, NULL);
    redis_free(r);
}

static void a_message_that_nobody_asked_for_is_heard(void **state)
{
    struct redis *r = redis_new(server);
    const struct redis_reply *message;
    (void)state;
    redis_add(r, "SUBSCRIBE news");
    assert_int_equal(redis_run(r, REDIS_CALL_MS, NULL), ERR_OK);
    assert_int_equal(redis_listen(r, 1, &message, NULL), ERR_TIMEOUT);
    redis_meddle(NULL, 0, "PUBLISH news hello");
    assert_int_equal(redis_listen(r, 60000, &message, NULL), ERR_OK);
    assert_string_equal(redis_text(redis_at(message, 2), NULL), "hello");
    redis_server_stop();
    assert_int_equal(redis_listen(r, 60000, &message, NULL), ERR_STORE_AWAY);
    assert_int_equal(redis_listen(r, 60000, &message, NULL), ERR_STORE_AWAY);
    redis_free(r);
}

// --- The lock --------------------------------------------------------------------------------

static struct redis_lock *open_lock(dur_ms ttl_ms)
{
    struct redis_lock *l;
    assert_int_equal(redis_lock_open(server, "leader", ttl_ms, &l, NULL), ERR_OK);
    return l;
}

static void await_held(const struct redis_lock *l, bool held)
{
    while (redis_lock_is_held(l) != held)
        sched_yield();
}

static void one_holds_the_lock_and_the_next_follows(void **state)
{
    (void)state;
    struct redis_lock *first = open_lock(600);
    await_held(first, true);
    assert_true(redis_lock_lets_try(first));
    struct redis_lock *second = open_lock(600);
    assert_false(redis_lock_is_held(second));
    redis_lock_close(first);
    await_held(second, true);
    redis_lock_close(second);
    char count[16];
    redis_meddle(count, sizeof count, "EXISTS leader");
    assert_string_equal(count, "0");
}

// A node that lost its database holds the lock of the others no longer than its lease.
static void who_wants_the_lock_no_more_gives_it_up(void **state)
{
    (void)state;
    struct redis_lock *first = open_lock(600);
    await_held(first, true);
    struct redis_lock *second = open_lock(600);
    redis_lock_want(first, clock_mono_ms() + 300);
    await_held(second, true);
    assert_false(redis_lock_is_held(first));
    assert_false(redis_lock_lets_try(first));
    redis_lock_want(first, MONO_NEVER);
    redis_lock_close(second);
    await_held(first, true);
    redis_lock_close(first);
}

static void the_lock_of_another_is_never_touched(void **state)
{
    char token[64];
    (void)state;
    struct redis_lock *l = open_lock(600);
    await_held(l, true);
    redis_meddle(NULL, 0, "SET leader other");
    await_held(l, false);
    assert_false(redis_lock_lets_try(l));
    redis_lock_close(l);
    redis_meddle(token, sizeof token, "GET leader");
    assert_string_equal(token, "other");
}

static void all_try_when_the_server_is_away_for_a_time_to_live(void **state)
{
    (void)state;
    struct redis_lock *l = open_lock(300);
    await_held(l, true);
    redis_server_stop();
    await_held(l, false);
    while (!redis_lock_lets_try(l))
        sched_yield();
    redis_server_start(NULL);
    await_held(l, true);
    redis_lock_close(l);
}

static void a_lock_without_a_server_opens_and_lets_all_try(void **state)
{
    (void)state;
    redis_server_stop();
    struct redis_lock *l = open_lock(300);
    while (!redis_lock_lets_try(l))
        sched_yield();
    assert_false(redis_lock_is_held(l));
    redis_lock_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commands_are_answered_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reply_of_another_kind_reads_as_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_command_and_its_reply_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_is_away_is_an_error_and_comes_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_command_without_an_answer_is_in_doubt, setup, teardown),
        cmocka_unit_test_setup_teardown(another_life_of_the_server_has_another_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_password_opens_and_a_wrong_one_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_can_be_interrupted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_that_nobody_asked_for_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(one_holds_the_lock_and_the_next_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(who_wants_the_lock_no_more_gives_it_up, setup, teardown),
        cmocka_unit_test_setup_teardown(the_lock_of_another_is_never_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(all_try_when_the_server_is_away_for_a_time_to_live, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lock_without_a_server_opens_and_lets_all_try, setup,
                                        teardown),
    };
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
