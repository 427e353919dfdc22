// SPDX-License-Identifier: MIT
// test_raise.c: alerts that others than the core raise. The engine is played here.

#include "app/app_priv.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define RAISED_MAX 128

static struct {
    enum err refuses; // At once.
    enum err replies;
    size_t count;                 // Alerts that were asked for,
    char subjects[RAISED_MAX][8]; // and what they are about.
} engine;

enum err engine_submit(struct engine *e, const struct command *c, engine_reply *done, void *context)
{
    (void)e;
    assert_int_equal(c->kind, COMMAND_RAISE_ALERT);
    assert_true(engine.count < RAISED_MAX);
    snprintf(engine.subjects[engine.count++], 8, "%s", c->alert->subject);
    if (!engine.refuses)
        done(context, &(struct reply){.err = engine.replies});
    return engine.refuses;
}

enum err cluster_post_submit(struct cluster_post *p, const struct command *c, cluster_reply *done,
                             void *context)
{
    (void)p, (void)c, (void)done, (void)context;
    return ERR_CLOSED;
}

static void raise_alert(struct carillon *c, const char *subject)
{
    app__raise_alert(c, &(struct alert){.kind = ALERT_CHANNEL_DOWN, .subject = subject});
}

static int reset(void **state)
{
    (void)state;
    memset(&engine, 0, sizeof engine);
    return 0;
}

static void refused_alerts_are_raised_later_once_and_in_order(void **state)
{
    struct carillon c = {0};
    (void)state;
    engine.refuses = ERR_STORE_AWAY;
    raise_alert(&c, "a");
    engine.refuses = ERR_OK;
    engine.replies = ERR_FENCED;
    raise_alert(&c, "b");
    app__raise_again(&c);
    engine.replies = ERR_OK;
    app__raise_again(&c);
    app__raise_again(&c);
    assert_int_equal(engine.count, 6);
    assert_string_equal(engine.subjects[4], "a");
    assert_string_equal(engine.subjects[5], "b");
}

static void alert_that_may_have_been_raised_is_not_raised_again(void **state)
{
    struct carillon c = {0};
    (void)state;
    engine.replies = ERR_DOUBT;
    raise_alert(&c, "a");
    app__raise_again(&c);
    assert_int_equal(engine.count, 1);
}

static void number_of_refused_alerts_that_are_kept_is_bounded(void **state)
{
    struct carillon c = {0};
    (void)state;
    engine.refuses = ERR_CLOSED;
    for (int i = 0; i < 100; i++)
        raise_alert(&c, "a");
    engine.count = 0;
    engine.refuses = ERR_OK;
    app__raise_again(&c);
    assert_int_equal(engine.count, 64);
    engine.refuses = ERR_CLOSED;
    raise_alert(&c, "a");
    app__raise_forget(&c);
    app__raise_again(&c);
    assert_int_equal(engine.count, 65);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(refused_alerts_are_raised_later_once_and_in_order, reset),
        cmocka_unit_test_setup(alert_that_may_have_been_raised_is_not_raised_again, reset),
        cmocka_unit_test_setup(number_of_refused_alerts_that_are_kept_is_bounded, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
