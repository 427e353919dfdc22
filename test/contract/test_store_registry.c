// SPDX-License-Identifier: MIT
// test_store_registry.c: what every store promises about its small tables.

#include "store/registry.h"
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400000

static const struct store_adapter *adapter;

struct box {
    struct store_fixture *x;
    struct store_registry *registry;
};

static int setup(void **state)
{
    struct box *b = xcalloc(1, sizeof *b);
    b->x = store_fixture_new(adapter);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;
    store_registry_close(b->registry);
    store_fixture_free(b->x);
    free(b);
    return 0;
}

// --- Short ways ------------------------------------------------------------------------------

static struct access_token token_of(const char *name, uint8_t digest)
{
    struct access_token t = {
        .name = name, .scope = SCOPE_WRITE, .created_at = STORE_T0, .expires_at = WALL_NEVER};
    memset(t.digest, digest, sizeof t.digest);
    return t;
}

static int64_t put(struct box *b, const struct access_token *t)
{
    int64_t id = 0;
    store_assert_ok(store_token_insert(b->registry, NULL, t, &id, f));
    return id;
}

static enum err try_put(struct box *b, const struct access_token *t)
{
    struct fault f = {0};
    int64_t id = 77;
    enum err err = store_token_insert(b->registry, NULL, t, &id, &f);
    assert_true(!err || (id == 77 && f.text[0]));
    return err;
}

struct copy {
    struct access_token token;
    char texts[3][128]; // Name, tag, address; "": none.
    int64_t ids[8];
    size_t count;
};

static enum err keep(void *context, const struct access_token *t)
{
    struct copy *c = context;
    c->token = *t;
    snprintf(c->texts[0], sizeof c->texts[0], "%s", t->name);
    snprintf(c->texts[1], sizeof c->texts[1], "%s", t->tag ? t->tag : "");
    snprintf(c->texts[2], sizeof c->texts[2], "%s", t->last_address ? t->last_address : "");
    c->ids[c->count++] = t->id;
    return ERR_OK;
}

static struct copy find(struct box *b, uint8_t digest)
{
    uint8_t bytes[TOKEN_DIGEST_BYTES];
    struct copy c = {0};
    memset(bytes, digest, sizeof bytes);
    store_assert_ok(store_token_find(b->registry, bytes, keep, &c, f));
    assert_int_equal(c.count, 1);
    return c;
}

static struct token_counts count(struct box *b, wall_ms now)
{
    struct token_counts counts;
    store_assert_ok(store_token_count(b->registry, now, &counts, f));
    return counts;
}

// --- Tests -----------------------------------------------------------------------------------

static void token_is_found_by_its_digest_as_it_was_put(void **state)
{
    struct box *b = *state;
    struct access_token t = token_of("deploy — äöü", 1);
    t.tag = "team-a";
    t.executions_per_second = 7;
    t.max_jobs = TOKEN_JOBS_MAX;
    t.max_bytes = TOKEN_JOBS_BYTES_MAX;
    t.expires_at = STORE_T0 + 90 * (wall_ms)DAY;
    int64_t id = put(b, &t);
    struct access_token plain = token_of("ops", 2);
    plain.scope = SCOPE_ADMIN;
    assert_int_equal(put(b, &plain), id + 1);

    struct copy c = find(b, 1);
    assert_int_equal(c.token.id, id);
    assert_string_equal(c.texts[0], "deploy — äöü");
    assert_string_equal(c.texts[1], "team-a");
    assert_string_equal(c.texts[2], "");
    assert_int_equal(c.token.executions_per_second, 7);
    assert_int_equal(c.token.max_jobs, TOKEN_JOBS_MAX);
    assert_int_equal(c.token.max_bytes, TOKEN_JOBS_BYTES_MAX);
    assert_int_equal(c.token.scope, SCOPE_WRITE);
    assert_memory_equal(c.token.digest, t.digest, sizeof t.digest);
    assert_int_equal(c.token.created_at, STORE_T0);
    assert_int_equal(c.token.expires_at, t.expires_at);
    assert_int_equal(c.token.revoked_at, 0);
    assert_int_equal(c.token.last_used_at, 0);
    c = find(b, 2);
    assert_int_equal(c.token.expires_at, WALL_NEVER);
    assert_int_equal(c.token.executions_per_second, 0);
    assert_int_equal(c.token.max_jobs, 0);
    assert_int_equal(c.token.max_bytes, 0);
    assert_int_equal(c.token.scope, SCOPE_ADMIN);

    struct copy none = {0};
    uint8_t other[TOKEN_DIGEST_BYTES] = {3};
    struct fault f = {0};
    assert_int_equal(store_token_find(b->registry, other, keep, &none, &f), ERR_NOT_FOUND);
    assert_int_equal(none.count, 0);
}

static void tokens_survive_a_restart(void **state)
{
    struct box *b = *state;
    struct access_token t = token_of("ops", 1);
    put(b, &t);
    store_registry_close(b->registry);
    b->registry = NULL;
    store_reopen(b->x);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
    assert_string_equal(find(b, 1).texts[0], "ops");
}

static void name_of_a_live_token_is_taken_and_that_of_a_dead_one_is_free(void **state)
{
    struct box *b = *state;
    struct access_token t = token_of("ops", 1);
    t.expires_at = STORE_T0 + DAY;
    int64_t first = put(b, &t);
    t = token_of("ops", 2);
    assert_int_equal(try_put(b, &t), ERR_EXISTS);
    t.created_at = STORE_T0 + DAY; // The first has expired.
    int64_t second = put(b, &t);
    store_assert_ok(store_token_revoke(b->registry, NULL, second, STORE_T0 + 2 * DAY, f));
    t = token_of("ops", 3);
    t.created_at = STORE_T0 + 2 * DAY;
    put(b, &t);

    struct copy all = {0};
    store_assert_ok(store_token_list(b->registry, keep, &all, f));
    assert_int_equal(all.count, 3); // What is over is still listed.
    assert_int_equal(all.ids[0], first);
    assert_true(all.ids[1] == first + 1 && all.ids[2] == first + 2);
    t = token_of("other", 3);
    assert_int_equal(try_put(b, &t), ERR_CONFLICT); // The very same secret.
}

static void token_is_revoked_once(void **state)
{
    struct box *b = *state;
    struct access_token t = token_of("ops", 1);
    struct fault f = {0};
    int64_t id = put(b, &t);
    assert_int_equal(store_token_revoke(b->registry, NULL, id + 1, STORE_T0, &f), ERR_NOT_FOUND);
    assert_int_equal(store_token_revoke(b->registry, NULL, id, STORE_T0 + 5, &f), ERR_OK);
    assert_int_equal(find(b, 1).token.revoked_at, STORE_T0 + 5);
    assert_int_equal(store_token_revoke(b->registry, NULL, id, STORE_T0 + 9, &f), ERR_NOT_FOUND);
    assert_int_equal(find(b, 1).token.revoked_at, STORE_T0 + 5);
}

// Another connection sees what is revoked at once: nodes trust in it.
static void revocation_is_seen_by_other_connections(void **state)
{
    struct box *b = *state;
    struct store_registry *other;
    struct access_token t = token_of("ops", 1);
    int64_t id = put(b, &t);
    store_assert_ok(store_registry_open(b->x->store, &other, f));
    struct copy c = {0};
    store_assert_ok(store_token_find(other, t.digest, keep, &c, f));
    assert_int_equal(c.token.revoked_at, 0);
    store_assert_ok(store_token_revoke(b->registry, NULL, id, STORE_T0 + 5, f));
    store_assert_ok(store_token_find(other, t.digest, keep, &c, f));
    assert_int_equal(c.token.revoked_at, STORE_T0 + 5);
    store_registry_close(other);
}

static void use_is_noted_and_never_goes_back(void **state)
{
    struct box *b = *state;
    struct access_token t = token_of("ops", 1);
    int64_t id = put(b, &t);
    store_assert_ok(store_token_touch(b->registry, id, STORE_T0 + 60000, "192.0.2.7", f));
    store_assert_ok(store_token_touch(b->registry, id, STORE_T0 + 30000, "::1", f));
    struct copy c = find(b, 1);
    assert_int_equal(c.token.last_used_at, STORE_T0 + 60000);
    assert_string_equal(c.texts[2], "192.0.2.7");
    store_assert_ok(store_token_touch(b->registry, id + 1, STORE_T0, "::1", f)); // Nobody's.
}

static void live_tokens_and_admins_are_counted(void **state)
{
    struct box *b = *state;
    assert_int_equal(count(b, STORE_T0).all, 0);
    struct access_token t = token_of("writer", 1);
    put(b, &t);
    t = token_of("admin", 2);
    t.scope = SCOPE_ADMIN;
    int64_t admin = put(b, &t);
    t = token_of("visitor", 3);
    t.scope = SCOPE_ADMIN;
    t.expires_at = STORE_T0 + DAY;
    put(b, &t);

    struct token_counts c = count(b, STORE_T0);
    assert_true(c.all == 3 && c.live == 3 && c.admins == 2);
    c = count(b, STORE_T0 + DAY);
    assert_true(c.all == 3 && c.live == 2 && c.admins == 1);
    store_assert_ok(store_token_revoke(b->registry, NULL, admin, STORE_T0 + DAY, f));
    c = count(b, STORE_T0 + DAY);
    assert_true(c.all == 3 && c.live == 1 && c.admins == 0);
}

// The ids go on, so that a name in the audit means one token for ever.
static void tokens_that_were_over_long_ago_go_when_another_comes(void **state)
{
    struct box *b = *state;
    struct access_token t = token_of("old", 1);
    int64_t first = put(b, &t);
    store_assert_ok(store_token_revoke(b->registry, NULL, first, STORE_T0 + 1, f));
    t = token_of("brief", 2);
    t.expires_at = STORE_T0 + DAY;
    put(b, &t);
    t = token_of("new", 3);
    t.created_at = STORE_T0 + TOKEN_KEPT_MS + 2;
    assert_int_equal(put(b, &t), first + 2);
    struct copy all = {0};
    store_assert_ok(store_token_list(b->registry, keep, &all, f));
    assert_int_equal(all.count, 2); // "brief" was over later.
    assert_int_equal(all.ids[0], first + 1);
}

// --- The audit -------------------------------------------------------------------------------

struct told {
    char words[3][200]; // "action subject by address before after", newest first.
    size_t count;
};

static enum err tell(void *context, const struct audit_entry *e)
{
    struct told *t = context;
    assert_true(t->count < COUNT_OF(t->words));
    snprintf(t->words[t->count++], sizeof t->words[0], "%s %s %s/%lld %s %s %s",
             audit_action_name(e->action), e->subject, e->by.token_name ? e->by.token_name : "-",
             (long long)e->by.token, e->by.address ? e->by.address : "(null)",
             e->before ? e->before : "-", e->after ? e->after : "-");
    return ERR_OK;
}

static void changes_of_tokens_are_in_the_audit_and_refused_ones_are_not(void **state)
{
    struct box *b = *state;
    struct fault fault = {0};
    struct told told = {0};
    const struct audit_query all = {
        .action = -1, .to = WALL_NEVER, .before = {WALL_NEVER, INT64_MAX}, .limit = 10};
    const struct actor by = {
        .token_name = "ops", .token = 7, .address = "192.0.2.7", .request_id = "request-1"};
    struct access_token t = token_of("deploy", 1);
    t.tag = "web";
    store_assert_ok(store_token_insert(b->registry, &by, &t, &t.id, f));
    struct access_token again = token_of("deploy", 2);
    assert_int_equal(store_token_insert(b->registry, &by, &again, &again.id, &fault), ERR_EXISTS);
    store_assert_ok(store_token_revoke(b->registry, NULL, t.id, STORE_T0 + 5, f));
    assert_int_equal(store_token_revoke(b->registry, &by, t.id, STORE_T0 + 9, &fault),
                     ERR_NOT_FOUND);
    store_assert_ok(store_list_audit(b->x->reader, &all, tell, &told, f));
    assert_int_equal(told.count, 2);
    assert_string_equal(told.words[0], "token.revoke deploy -/0 (null) "
                                       "{\"scope\":\"write\",\"tag\":\"web\"} -");
    assert_string_equal(told.words[1], "token.create deploy ops/7 192.0.2.7 - "
                                       "{\"scope\":\"write\",\"tag\":\"web\"}");
}

// The first who asks has drawn it, and all get the same.
static void all_get_the_same_key_of_callbacks(void **state)
{
    struct box *b = *state;
    char drawn[CALLBACK_KEY_BYTES], other[CALLBACK_KEY_BYTES], got[CALLBACK_KEY_BYTES] = "";
    store_assert_ok(callback_key_draw(drawn, f));
    store_assert_ok(callback_key_draw(other, f));
    store_assert_ok(store_callback_key(b->registry, drawn, got, f));
    assert_string_equal(got, drawn);
    store_registry_close(b->registry);
    store_reopen(b->x);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
    store_assert_ok(store_callback_key(b->registry, other, got, f));
    assert_string_equal(got, drawn);
}

// A registry and the writing side take turns, whoever comes first.
static void registry_and_commits_do_not_get_in_each_others_way(void **state)
{
    struct box *b = *state;
    store_fill(b->x, 1, 3);
    for (uint8_t i = 1; i <= 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "token %d", i);
        struct access_token t = token_of(name, i);
        put(b, &t);
        struct batch *batch = store_batch(b->x);
        store_add_insert(batch, store_execution(100 + i, 1, STORE_T0 + 100000 + i * 1000));
        store_must(b->x, batch);
        store_assert_ok(store_tidy(b->x->store, f));
    }
    assert_int_equal(count(b, STORE_T0).live, 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(token_is_found_by_its_digest_as_it_was_put),
        TEST(tokens_survive_a_restart),
        TEST(name_of_a_live_token_is_taken_and_that_of_a_dead_one_is_free),
        TEST(token_is_revoked_once),
        TEST(revocation_is_seen_by_other_connections),
        TEST(use_is_noted_and_never_goes_back),
        TEST(live_tokens_and_admins_are_counted),
        TEST(tokens_that_were_over_long_ago_go_when_another_comes),
        TEST(changes_of_tokens_are_in_the_audit_and_refused_ones_are_not),
        TEST(all_get_the_same_key_of_callbacks),
        TEST(registry_and_commits_do_not_get_in_each_others_way),
    };
    int failures = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failures += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failures;
}
