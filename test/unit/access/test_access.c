// SPDX-License-Identifier: MIT
// test_access.c: who is let in, on what was read and on what is known, and how often.

#include "access/access.h"
#include "store/registry.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define must(call)                                                                                 \
    do {                                                                                           \
        struct fault fault_ = {0};                                                                 \
        struct fault *f = &fault_;                                                                 \
        enum err err_ = (call);                                                                    \
        if (err_)                                                                                  \
            fail_msg("%s: %s (%s)", #call, err_name(err_), fault_.text);                           \
    } while (0)

struct box {
    struct store *store;
    struct store_registry *registry;
    struct access *access;
};

static struct access_options options_of(const struct box *b)
{
    return (struct access_options){.store = b->store, .waiting_max = 16};
}

static int setup(void **state)
{
    struct box *b = xcalloc(1, sizeof *b);
    must(store_memory_open(1, &b->store, f));
    must(store_registry_open(b->store, &b->registry, f));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;
    access_close(b->access);
    store_registry_close(b->registry);
    store_close(b->store);
    free(b);
    return 0;
}

static void open_with(struct box *b, struct access_options o)
{
    must(access_open(&o, &b->access, f));
}

// --- Short ways ------------------------------------------------------------------------------

// A question that waits for its answer.
struct asked {
    struct access_question q;
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool is_answered;
};

static void answered(void *context)
{
    struct asked *a = context;
    pthread_mutex_lock(&a->lock);
    a->is_answered = true;
    pthread_cond_signal(&a->came);
    pthread_mutex_unlock(&a->lock);
}

static struct access_question ask_from(struct box *b, const char *address, const char *secret,
                                       bool is_away)
{
    struct asked a = {.q = {.secret = secret,
                            .address = address,
                            .database_is_away = is_away,
                            .is_health = is_away,
                            .answered = answered}};
    a.q.context = &a;
    pthread_mutex_init(&a.lock, NULL);
    pthread_cond_init(&a.came, NULL);
    if (access_ask(b->access, &a.q) == ACCESS_LATER) {
        assert_false(is_away);
        pthread_mutex_lock(&a.lock);
        while (!a.is_answered)
            pthread_cond_wait(&a.came, &a.lock);
        pthread_mutex_unlock(&a.lock);
    }
    pthread_cond_destroy(&a.came);
    pthread_mutex_destroy(&a.lock);
    assert_int_not_equal(a.q.verdict, ACCESS_LATER);
    return a.q;
}

static struct access_question ask(struct box *b, const char *secret)
{
    return ask_from(b, "192.0.2.1", secret, false);
}

// Makes a token and its secret.
static int64_t make(struct box *b, const char *name, enum token_scope scope, dur_ms lasts,
                    char secret[static TOKEN_TEXT_BYTES])
{
    struct access_token t = {
        .name = name, .scope = scope, .created_at = clock_wall_ms(), .expires_at = WALL_NEVER};
    if (lasts)
        t.expires_at = t.created_at + lasts;
    must(token_draw(secret, f));
    must(token_digest(secret, t.digest, f));
    must(store_token_insert(b->registry, NULL, &t, &t.id, f));
    return t.id;
}

// --- Who is let in ---------------------------------------------------------------------------

static void server_without_tokens_is_open_until_the_first_one(void **state)
{
    struct box *b = *state;
    char secret[TOKEN_TEXT_BYTES];
    open_with(b, options_of(b));
    struct access_question q = ask(b, NULL);
    assert_int_equal(q.verdict, ACCESS_GRANTED);
    assert_int_equal(q.caller.scope, SCOPE_ADMIN);
    assert_int_equal(q.caller.token, 0);
    assert_int_equal(ask(b, "car_anything").verdict, ACCESS_GRANTED);

    make(b, "first", SCOPE_READ, 0, secret);
    access_close(b->access); // What was read is believed for a while; nobody waits for that here.
    open_with(b, options_of(b));
    assert_int_equal(ask(b, NULL).verdict, ACCESS_MISSING);
    q = ask(b, secret);
    assert_int_equal(q.verdict, ACCESS_GRANTED);
    assert_int_equal(q.caller.scope, SCOPE_READ);
    assert_string_equal(q.caller.name, "first");
}

// Not open again, however the last token ended.
static void server_whose_tokens_are_over_lets_nobody_in(void **state)
{
    struct box *b = *state;
    char secret[TOKEN_TEXT_BYTES];
    int64_t id = make(b, "only", SCOPE_ADMIN, 0, secret);
    must(store_token_revoke(b->registry, NULL, id, clock_wall_ms(), f));
    open_with(b, options_of(b));
    assert_int_equal(ask(b, NULL).verdict, ACCESS_MISSING);
    assert_int_equal(ask(b, secret).verdict, ACCESS_INVALID);
}

static void wrong_and_dead_tokens_are_refused(void **state)
{
    struct box *b = *state;
    char live[TOKEN_TEXT_BYTES], expired[TOKEN_TEXT_BYTES], unknown[TOKEN_TEXT_BYTES];
    make(b, "live", SCOPE_WRITE, 0, live);
    make(b, "expired", SCOPE_WRITE, 1, expired);
    must(token_draw(unknown, f));
    open_with(b, options_of(b));
    wall_ms made = clock_wall_ms();
    while (clock_wall_ms() <= made + 1)
        continue; // The millisecond of the second token.
    assert_int_equal(ask(b, live).verdict, ACCESS_GRANTED);
    assert_int_equal(ask(b, live).verdict, ACCESS_GRANTED);
    assert_int_equal(ask(b, expired).verdict, ACCESS_INVALID);
    assert_int_equal(ask(b, expired).verdict, ACCESS_INVALID);
    assert_int_equal(ask(b, unknown).verdict, ACCESS_INVALID);
    assert_int_equal(ask(b, "").verdict, ACCESS_INVALID);
    assert_int_equal(ask(b, "car_").verdict, ACCESS_INVALID);
    live[TOKEN_TEXT_LENGTH - 1] ^= 1;
    assert_int_equal(ask(b, live).verdict, ACCESS_INVALID);
}

// A server that others can reach is never open.
static void reachable_server_needs_an_admin_at_its_start(void **state)
{
    struct box *b = *state;
    char secret[TOKEN_TEXT_BYTES];
    struct access_options o = options_of(b);
    struct fault f = {0};
    o.is_reachable = true;
    make(b, "writer", SCOPE_WRITE, 0, secret);
    assert_int_equal(access_open(&o, &b->access, &f), ERR_FORBIDDEN);
    assert_non_null(strstr(f.text, "carillon tokens create"));
    make(b, "ops", SCOPE_ADMIN, 0, secret);
    open_with(b, o);
    assert_int_equal(ask(b, NULL).verdict, ACCESS_MISSING);
    assert_int_equal(ask(b, secret).verdict, ACCESS_GRANTED);
}

static void insecure_server_asks_nobody(void **state)
{
    struct box *b = *state;
    char secret[TOKEN_TEXT_BYTES];
    struct access_options o = options_of(b);
    o.is_reachable = o.is_insecure = true;
    make(b, "reader", SCOPE_READ, 0, secret);
    open_with(b, o);
    assert_int_equal(ask(b, NULL).caller.scope, SCOPE_ADMIN);
}

static void node_without_a_database_trusts_its_own_machine_alone(void **state)
{
    struct box *b = *state;
    struct access_options o = {.waiting_max = 1};
    open_with(b, o);
    assert_int_equal(ask(b, NULL).verdict, ACCESS_GRANTED);
    access_close(b->access);
    o.is_reachable = true;
    open_with(b, o);
    assert_int_equal(ask(b, NULL).verdict, ACCESS_NO_TABLE);
}

// --- Without the database --------------------------------------------------------------------

static void questions_of_health_are_answered_from_what_was_known(void **state)
{
    struct box *b = *state;
    char known[TOKEN_TEXT_BYTES], new[TOKEN_TEXT_BYTES];
    make(b, "known", SCOPE_READ, 0, known);
    make(b, "new", SCOPE_READ, 0, new);
    open_with(b, options_of(b));
    assert_int_equal(ask(b, known).verdict, ACCESS_GRANTED);
    assert_int_equal(ask_from(b, "::1", known, true).verdict, ACCESS_GRANTED);
    assert_int_equal(ask_from(b, "::1", new, true).verdict, ACCESS_AWAY);
    assert_int_equal(ask_from(b, "::1", NULL, true).verdict, ACCESS_MISSING);
}

// --- How often -------------------------------------------------------------------------------

static void address_that_fails_too_often_waits_and_known_tokens_do_not(void **state)
{
    struct box *b = *state;
    char live[TOKEN_TEXT_BYTES], late[TOKEN_TEXT_BYTES], unknown[TOKEN_TEXT_BYTES];
    make(b, "live", SCOPE_WRITE, 0, live);
    make(b, "late", SCOPE_WRITE, 0, late);
    open_with(b, options_of(b));
    assert_int_equal(ask(b, live).verdict, ACCESS_GRANTED);
    unsigned invalid = 0;
    struct access_question q = {0};
    for (int i = 0; i < 40 && q.verdict != ACCESS_FAILING; i++) {
        must(token_draw(unknown, f));
        q = ask(b, i % 2 ? unknown : "nonsense");
        invalid += q.verdict == ACCESS_INVALID;
    }
    assert_int_equal(q.verdict, ACCESS_FAILING);
    assert_in_range(q.retry_after_s, 1, 4);
    assert_in_range(invalid, 20, 39);
    assert_int_equal(ask(b, live).verdict,
                     ACCESS_GRANTED); // Clients with this token were here before.
    assert_int_equal(ask_from(b, "192.0.2.2", late, false).verdict, ACCESS_GRANTED);
    // An IPv6 client owns a network.
    for (int i = 0; i < 40; i++) {
        char address[40];
        snprintf(address, sizeof address, "2001:db8::%x", i + 1);
        q = ask_from(b, address, "nonsense", false);
    }
    assert_int_equal(q.verdict, ACCESS_FAILING);
}

static void requests_of_a_token_and_of_an_address_are_limited(void **state)
{
    struct box *b = *state;
    char secret[TOKEN_TEXT_BYTES];
    struct access_rate left;
    unsigned wait = 0, granted = 0;
    struct access_options o = options_of(b);
    o.rate_per_token = 1;
    o.rate_per_address = 1000;
    make(b, "busy", SCOPE_WRITE, 0, secret);
    open_with(b, o);
    struct access_question q = ask(b, secret);
    for (int i = 0; i < 50; i++)
        granted += access_count(b->access, &q.caller, "192.0.2.1", &left, &wait);
    assert_in_range(granted, 2, 49); // Two at once, and one a second.
    assert_false(access_count(b->access, &q.caller, "192.0.2.9", &left, &wait));
    assert_string_equal(left.name, "token");
    assert_true(left.quota == 2 && left.window_s == 2 && left.remaining == 0);
    assert_in_range(wait, 1, 2);

    struct access_caller other = {.scope = SCOPE_READ};
    assert_true(access_count(b->access, &other, "192.0.2.1", &left, &wait));
    assert_string_equal(left.name, "address");
    assert_int_equal(left.quota, 2000);
}

static void executions_of_a_token_are_limited_by_its_own_number(void **state)
{
    struct box *b = *state;
    unsigned wait = 0, granted = 0;
    struct access_token t = {.name = "busy",
                             .scope = SCOPE_TRIGGER,
                             .created_at = clock_wall_ms(),
                             .expires_at = WALL_NEVER,
                             .executions_per_second = 1,
                             .max_jobs = 3,
                             .max_bytes = 4};
    char secret[TOKEN_TEXT_BYTES], free_secret[TOKEN_TEXT_BYTES];
    must(token_draw(secret, f));
    must(token_digest(secret, t.digest, f));
    must(store_token_insert(b->registry, NULL, &t, &t.id, f));
    make(b, "free", SCOPE_TRIGGER, 0, free_secret);
    open_with(b, options_of(b));
    struct access_question q = ask(b, secret);
    struct access_question free_q = ask(b, free_secret);
    assert_int_equal(q.caller.executions_per_second, 1);
    assert_int_equal(q.caller.max_jobs, 3);
    assert_int_equal(q.caller.max_bytes, 4);
    for (int i = 0; i < 50; i++)
        granted += access_count_execution(b->access, &q.caller, &wait);
    assert_in_range(granted, 2, 49); // Two at once, and one a second.
    assert_in_range(wait, 1, 2);
    access_charge_executions(b->access, &q.caller, 100);
    assert_false(access_count_execution(b->access, &q.caller, &wait));
    assert_in_range(wait, 80, 102);
    access_charge_executions(b->access, &free_q.caller, 100);
    assert_true(access_count_execution(b->access, &free_q.caller, &wait));
}

static void loopback_may_be_spared(void **state)
{
    struct box *b = *state;
    struct access_options o = options_of(b);
    struct access_caller c = {.scope = SCOPE_READ};
    struct access_rate left;
    unsigned wait, granted = 0;
    o.rate_per_address = 1;
    o.spares_loopback = true;
    open_with(b, o);
    for (int i = 0; i < 20; i++)
        assert_true(access_count(b->access, &c, i % 2 ? "127.0.0.1" : "::1", &left, &wait));
    assert_null(left.name);
    for (int i = 0; i < 20; i++)
        granted += access_count(b->access, &c, "198.51.100.7", &left, &wait);
    assert_in_range(granted, 2, 19);
}

// --- Its use ---------------------------------------------------------------------------------

struct use {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool is_done;
    wall_ms last_used_at;
    char address[64];
};

static enum err read_use(void *context, const struct access_token *t)
{
    struct use *u = context;
    u->last_used_at = t->last_used_at;
    snprintf(u->address, sizeof u->address, "%s", t->last_address ? t->last_address : "");
    return ERR_OK;
}

static void look(void *context, struct store_registry *r)
{
    struct use *u = context;
    must(store_token_list(r, read_use, u, f));
    pthread_mutex_lock(&u->lock);
    u->is_done = true;
    pthread_cond_signal(&u->came);
    pthread_mutex_unlock(&u->lock);
}

// The thread's next errand comes after the note.
static void use_of_a_token_is_noted(void **state)
{
    struct box *b = *state;
    char secret[TOKEN_TEXT_BYTES];
    struct use u = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    make(b, "used", SCOPE_READ, 0, secret);
    open_with(b, options_of(b));
    wall_ms before = clock_wall_ms();
    assert_int_equal(ask_from(b, "192.0.2.7", secret, false).verdict, ACCESS_GRANTED);
    assert_int_equal(access_run(b->access, look, &u), ERR_OK);
    pthread_mutex_lock(&u.lock);
    while (!u.is_done)
        pthread_cond_wait(&u.came, &u.lock);
    pthread_mutex_unlock(&u.lock);
    assert_true(u.last_used_at >= before);
    assert_string_equal(u.address, "192.0.2.7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(server_without_tokens_is_open_until_the_first_one),
        TEST(server_whose_tokens_are_over_lets_nobody_in),
        TEST(wrong_and_dead_tokens_are_refused),
        TEST(reachable_server_needs_an_admin_at_its_start),
        TEST(insecure_server_asks_nobody),
        TEST(node_without_a_database_trusts_its_own_machine_alone),
        TEST(questions_of_health_are_answered_from_what_was_known),
        TEST(address_that_fails_too_often_waits_and_known_tokens_do_not),
        TEST(requests_of_a_token_and_of_an_address_are_limited),
        TEST(executions_of_a_token_are_limited_by_its_own_number),
        TEST(loopback_may_be_spared),
        TEST(use_of_a_token_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
