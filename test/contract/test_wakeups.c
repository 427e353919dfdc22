// SPDX-License-Identifier: MIT
// test_wakeups.c: wake-ups between nodes, by Redis, with a real server that comes and goes.

#include "base/memory.h"
#include "cluster/wakeups_redis_priv.h"
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

// A node that counts what it hears.
struct node {
    struct redis_server *server;
    struct wakeups *wakeups;
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned commands, replies, beginnings;
};

static void heard(void *context, const char *channel)
{
    struct node *n = context;
    pthread_mutex_lock(&n->lock);
    n->beginnings += !channel;
    n->commands += channel && strcmp(channel, "commands") == 0;
    n->replies += channel && strcmp(channel, "replies") == 0;
    pthread_cond_signal(&n->change);
    pthread_mutex_unlock(&n->lock);
}

static void await(struct node *n, const unsigned *count, unsigned least)
{
    pthread_mutex_lock(&n->lock);
    while (*count < least)
        pthread_cond_wait(&n->change, &n->lock);
    pthread_mutex_unlock(&n->lock);
}

static unsigned read_count(struct node *n, const unsigned *count)
{
    pthread_mutex_lock(&n->lock);
    unsigned value = *count;
    pthread_mutex_unlock(&n->lock);
    return value;
}

static void open_node(struct node *n, const char *url, const char *first, const char *second)
{
    *n = (struct node){.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    struct wakeups_options o = {.channels = {first, second}, .heard = heard, .context = n};
    assert_int_equal(redis_server_open(url, &n->server, NULL), ERR_OK);
    assert_int_equal(wakeups_redis_open(n->server, &o, &n->wakeups, NULL), ERR_OK);
}

static void close_node(struct node *n)
{
    wakeups_close(n->wakeups);
    redis_server_close(n->server);
}

static int setup(void **state)
{
    (void)state;
    redis_server_stop();
    redis_server_start(NULL);
    return 0;
}

static void a_node_hears_its_channels_alone(void **state)
{
    struct node a, b;
    (void)state;
    open_node(&a, redis_server_url(), "commands", NULL);
    open_node(&b, redis_server_url(), "replies", NULL);
    await(&a, &a.beginnings, 1);
    await(&b, &b.beginnings, 1);
    assert_true(wakeups_hear(a.wakeups));
    wakeups_announce(b.wakeups, "commands");
    await(&a, &a.commands, 1);
    wakeups_announce(a.wakeups, "replies");
    await(&b, &b.replies, 1);
    assert_int_equal(read_count(&a, &a.replies), 0);
    assert_int_equal(read_count(&b, &b.commands), 0);
    close_node(&a);
    close_node(&b);
}

// A thousand in one go are heard as some few; the last of them is not lost.
static void announcements_in_one_go_are_joined(void **state)
{
    struct node a;
    (void)state;
    open_node(&a, redis_server_url(), "commands", "replies");
    await(&a, &a.beginnings, 1);
    for (int i = 0; i < 1000; i++)
        wakeups_announce(a.wakeups, "commands");
    wakeups_announce(a.wakeups, "replies");
    await(&a, &a.replies, 1);
    assert_in_range(read_count(&a, &a.commands), 1, 999);
    close_node(&a);
}

// The other database of the same server is another cluster.
static void clusters_of_one_server_do_not_wake_each_other(void **state)
{
    struct node a, b;
    char url[128];
    (void)state;
    open_node(&a, redis_server_url(), "commands", "replies");
    snprintf(url, sizeof url, "%.*s?db=4", (int)strcspn(redis_server_url(), "?"),
             redis_server_url());
    open_node(&b, url, "commands", "replies");
    await(&a, &a.beginnings, 1);
    await(&b, &b.beginnings, 1);
    wakeups_announce(b.wakeups, "commands");
    await(&b, &b.commands, 1);
    wakeups_announce(a.wakeups, "replies");
    await(&a, &a.replies, 1); // Published later than the other's, over the same server.
    assert_int_equal(read_count(&a, &a.commands), 0);
    close_node(&a);
    close_node(&b);
}

static void a_server_that_is_away_is_waited_for(void **state)
{
    struct node a;
    (void)state;
    redis_server_stop();
    open_node(&a, redis_server_url(), "commands", NULL);
    wakeups_announce(a.wakeups, "commands"); // Lost.
    assert_false(wakeups_hear(a.wakeups));
    redis_server_start(NULL);
    await(&a, &a.beginnings, 1);
    redis_server_stop();
    redis_server_start(NULL);
    await(&a, &a.beginnings, 2);
    while (read_count(&a, &a.commands) ==
           0) { // The announcer's connection may still be the old one.
        wakeups_announce(a.wakeups, "commands");
        sched_yield();
    }
    close_node(&a);
}

// Anybody may publish there.
static void strange_messages_wake_nobody(void **state)
{
    struct node a;
    (void)state;
    open_node(&a, redis_server_url(), "commands", "replies");
    await(&a, &a.beginnings, 1);
    redis_meddle(NULL, 0, "PUBLISH carillon:3:other 1");
    redis_meddle(NULL, 0, "PUBLISH %b %b", "carillon:3:\0x", (size_t)13, "\0\xff", (size_t)2);
    redis_meddle(NULL, 0, "PUBLISH carillon:3:replies %b", "\0\xff\r\n", (size_t)4);
    await(&a, &a.replies, 1);
    assert_int_equal(read_count(&a, &a.commands), 0);
    close_node(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_node_hears_its_channels_alone, setup),
        cmocka_unit_test_setup(announcements_in_one_go_are_joined, setup),
        cmocka_unit_test_setup(clusters_of_one_server_do_not_wake_each_other, setup),
        cmocka_unit_test_setup(a_server_that_is_away_is_waited_for, setup),
        cmocka_unit_test_setup(strange_messages_wake_nobody, setup),
    };
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
