// SPDX-License-Identifier: MIT
// test_questions.c: questions run on threads of their own, in order, and only so many may wait.
//
// The store is played by this file and is never asked anything.

#include "service/service.h"
#include "store/store_priv.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WAITING_MAX 3

static void reader_close(struct store_reader *r)
{
    (void)r;
}

static const struct store_reader_ops reader_ops = {.close = reader_close};
static struct store_reader reader = {&reader_ops};

static enum err reader_open(struct store *s, struct store_reader **out, struct fault *f)
{
    (void)s;
    (void)f;
    *out = &reader;
    return ERR_OK;
}

static const struct store_ops store_ops = {.reader_open = reader_open};
static struct store played_store = {.ops = &store_ops};

// What the questions of a test do: they say that they have begun, and wait until they may end.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char order[16]; // The names of those which have begun.
    bool may_end;
} stage = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void question(void *name)
{
    pthread_mutex_lock(&stage.lock);
    strcat(stage.order, name);
    pthread_cond_broadcast(&stage.changed);
    while (!stage.may_end)
        pthread_cond_wait(&stage.changed, &stage.lock);
    pthread_mutex_unlock(&stage.lock);
}

static enum err ask(struct service *s, const char *name)
{
    return service_ask(s, question, (char *)name);
}

static void wait_until_begun(size_t count)
{
    pthread_mutex_lock(&stage.lock);
    while (strlen(stage.order) < count)
        pthread_cond_wait(&stage.changed, &stage.lock);
    pthread_mutex_unlock(&stage.lock);
}

static void let_end(void)
{
    pthread_mutex_lock(&stage.lock);
    stage.may_end = true;
    pthread_cond_broadcast(&stage.changed);
    pthread_mutex_unlock(&stage.lock);
}

static struct service *open_service(size_t threads)
{
    struct service *s = NULL;
    struct service_options o = {.readers = threads, .questions_max = WAITING_MAX, .changes_max = 1};
    stage.order[0] = '\0';
    stage.may_end = false;
    assert_int_equal(service_open(&o, &played_store, NULL, &s, NULL), ERR_OK);
    return s;
}

static void close_service(struct service *s)
{
    service_stop(s);
    service_close(s);
}

static void a_question_beyond_those_that_may_wait_is_refused_and_never_called(void **state)
{
    (void)state;
    struct service *s = open_service(1);
    assert_int_equal(ask(s, "a"), ERR_OK);
    wait_until_begun(1);
    assert_int_equal(ask(s, "b"), ERR_OK);
    assert_int_equal(ask(s, "c"), ERR_OK);
    assert_int_equal(ask(s, "d"), ERR_OK);
    assert_int_equal(ask(s, "e"), ERR_LIMIT);
    let_end();
    close_service(s);
    assert_string_equal(stage.order, "abcd");
}

static void a_slow_question_holds_back_no_other_while_a_thread_is_free(void **state)
{
    (void)state;
    struct service *s = open_service(2);
    assert_int_equal(ask(s, "a"), ERR_OK);
    wait_until_begun(1);
    assert_int_equal(ask(s, "b"), ERR_OK);
    wait_until_begun(2); // Though the first one has not ended.
    let_end();
    close_service(s);
}

static void a_close_waits_for_every_question_that_was_accepted(void **state)
{
    (void)state;
    struct service *s = open_service(1);
    let_end();
    for (size_t i = 0; i < WAITING_MAX; i++)
        assert_int_equal(ask(s, "q"), ERR_OK);
    close_service(s);
    assert_string_equal(stage.order, "qqq");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_beyond_those_that_may_wait_is_refused_and_never_called),
        cmocka_unit_test(a_slow_question_holds_back_no_other_while_a_thread_is_free),
        cmocka_unit_test(a_close_waits_for_every_question_that_was_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
