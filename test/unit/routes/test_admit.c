// SPDX-License-Identifier: MIT
// test_admit.c: for each row of the table of routes: without a token that may do it, nobody gets to
// its handler.

#include "api/api_priv.h"
#include "store/registry.h"

#include "fake_exchange.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define must(call)                                                                                 \
    do {                                                                                           \
        struct fault fault_ = {0};                                                                 \
        struct fault *f = &fault_;                                                                 \
        enum err err_ = (call);                                                                    \
        if (err_)                                                                                  \
            fail_msg("%s: %s (%s)", #call, err_name(err_), fault_.text);                           \
    } while (0)

// What the token of a request is like.
enum kind {
    NONE,
    OTHER_SCHEME,
    NONSENSE,
    UNKNOWN,
    EXPIRED,
    REVOKED,
    READ,
    TRIGGER,
    WRITE,
    ADMIN,
    KINDS
};

static struct store *store;
static struct api api;
static char secrets[KINDS][TOKEN_TEXT_BYTES + 8];
static unsigned handled; // Requests that got as far as their handler.

// In the place of api.c's, which would call the handler.
enum err request_proceed(struct api_request *r, struct problem *p)
{
    (void)p;
    handled++;
    answer_nothing(r, 204);
    return ERR_OK;
}

// --- Tokens of every kind ------------------------------------------------------------------------

static enum token_scope scope_of(enum kind k)
{
    switch (k) {
    case READ:
        return SCOPE_READ;
    case TRIGGER:
        return SCOPE_TRIGGER;
    case WRITE:
        return SCOPE_WRITE;
    default:
        return SCOPE_ADMIN;
    }
}

static void make(struct store_registry *registry, enum kind k)
{
    char name[16];
    wall_ms now = clock_wall_ms();
    snprintf(name, sizeof name, "kind %d", k);
    struct access_token t = {
        .name = name, .scope = scope_of(k), .created_at = now - 10, .expires_at = WALL_NEVER};
    if (k == EXPIRED)
        t.expires_at = now - 5;
    must(token_draw(secrets[k], f));
    must(token_digest(secrets[k], t.digest, f));
    if (k != UNKNOWN)
        must(store_token_insert(registry, NULL, &t, &t.id, f));
    if (k == REVOKED)
        must(store_token_revoke(registry, NULL, t.id, now, f));
}

static int setup(void **state)
{
    (void)state;
    struct store_registry *registry;
    struct access_options o = {.waiting_max = 16};
    must(store_memory_open(1, &store, f));
    must(store_registry_open(store, &registry, f));
    for (enum kind k = UNKNOWN; k < KINDS; k++)
        make(registry, k);
    store_registry_close(registry);
    strcpy(secrets[NONSENSE], "car_nonsense");
    strcpy(secrets[OTHER_SCHEME], secrets[ADMIN]);
    o.store = store;
    must(access_open(&o, &api.access, f));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    access_close(api.access);
    store_close(store);
    return 0;
}

// --- A request -----------------------------------------------------------------------------------

// Each comes from another address, so that none has to wait for the failures of others.
static const char *next_address(void)
{
    static char address[32];
    static unsigned count;
    count++;
    snprintf(address, sizeof address, "10.1.%u.%u", count / 250, count % 250 + 1);
    return address;
}

// A request that is answered later is answered by another thread.
static void wait_for(const struct exchange *x)
{
    while (__atomic_load_n(&x->status, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
}

static struct exchange *ask(const struct route *route, enum kind k)
{
    static char header[128];
    struct exchange *x = calloc(1, sizeof *x);
    struct api_request *r = xcalloc(1, sizeof *r);
    struct problem problem = {0};
    snprintf(header, sizeof header, "%s %s", k == OTHER_SCHEME ? "Basic" : "Bearer", secrets[k]);
    x->method = route->method;
    x->target = "/";
    x->peer = next_address();
    if (k != NONE)
        x->headers[0] = (struct fake_pair){"Authorization", header};
    *r = (struct api_request){.api = &api, .exchange = x, .route = route};
    handled = 0;
    if (request_admit(r, &problem))
        answer_problem(r, &problem);
    wait_for(x);
    return x;
}

static void free_exchange(struct exchange *x)
{
    free(x->answer);
    free(x);
}

static void check(const struct route *route, enum kind k, unsigned status, const char *challenge)
{
    struct exchange *x = ask(route, k);
    if (x->status != status || handled != 0)
        fail_msg("%s %s, token of kind %d: %u instead of %u, and its handler was called %u times",
                 route->method, route->pattern, k, x->status, status, handled);
    assert_non_null(strstr(x->answer_headers, challenge));
    free_exchange(x);
}

static bool is_admitted(const struct route *route, enum kind k)
{
    struct exchange *x = ask(route, k);
    bool is_fine = x->status == 204 && handled == 1;
    free_exchange(x);
    return is_fine;
}

// --- Tests ---------------------------------------------------------------------------------------

static void without_a_valid_token_no_handler_is_reached(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].scope == SCOPE_NONE)
            continue;
        check(&routes[i], NONE, 401, "WWW-Authenticate: Bearer realm=\"carillon\"\n");
        check(&routes[i], OTHER_SCHEME, 401, "WWW-Authenticate: Bearer realm=\"carillon\"\n");
        for (enum kind k = NONSENSE; k <= REVOKED; k++)
            check(&routes[i], k, 401, "error=\"invalid_token\"");
    }
}

static void token_of_too_weak_a_scope_reaches_no_handler(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++)
        for (enum kind k = READ; k <= ADMIN; k++)
            if (scope_of(k) < routes[i].scope)
                check(&routes[i], k, 403, "error=\"insufficient_scope\"");
            else if (routes[i].scope != SCOPE_NONE && !is_admitted(&routes[i], k))
                fail_msg("%s %s refuses scope %s", routes[i].method, routes[i].pattern,
                         token_scope_name(scope_of(k)));
}

// Everything else needs a token, but for pings, whose address is as good as one. A row that is
// added without thought shows here.
static void only_these_routes_need_no_token(void **state)
{
    static const char *const open[] = {"/",       "/openapi.json", "/livez",
                                       "/readyz", "/ping/:ping",   "/ping/:ping/:word"};
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        bool is_open = false;
        for (size_t k = 0; k < COUNT_OF(open); k++)
            is_open |= strcmp(routes[i].pattern, open[k]) == 0;
        if ((routes[i].scope == SCOPE_NONE) != is_open)
            fail_msg("%s %s", routes[i].method, routes[i].pattern);
        if (routes[i].changes && routes[i].handle != handle_ping)
            assert_true(routes[i].scope >= SCOPE_TRIGGER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_these_routes_need_no_token),
        cmocka_unit_test(without_a_valid_token_no_handler_is_reached),
        cmocka_unit_test(token_of_too_weak_a_scope_reaches_no_handler),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
