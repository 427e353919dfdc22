// SPDX-License-Identifier: MIT
// test_store_audit.c: what every store promises about the audit: an entry is written with the
// change that it tells of, is listed newest first by whatever is asked for, and goes by its age.

#include "store_fixture.h"

#include <string.h>

static const struct store_adapter *adapter;

static int setup(void **state)
{
    *state = store_fixture_new(adapter);
    return 0;
}

static int teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

#define HOUR 3600000

static void add_entry(struct batch *b, wall_ms at, enum audit_action action, job_id job,
                      const char *token)
{
    store_add(b, CHANGE_AUDIT)->audit =
        (struct audit_entry){.at = at, .action = action, .job = job, .by = {.token_name = token}};
}

// An entry for each second: of job 1 and 2 in turn, by `deploy` or by nobody who is known.
static void fill(struct store_fixture *x, int count)
{
    for (int i = 0; i < count; i++) {
        struct batch *b = store_batch(x);
        add_entry(b, STORE_T0 + i * 1000, i % 3 ? AUDIT_JOB_UPDATE : AUDIT_JOB_TRIGGER, 1 + i % 2,
                  i % 4 ? "deploy" : NULL);
        store_must(x, b);
    }
}

static const struct audit_query every = {
    .action = -1, .to = WALL_NEVER, .before = {WALL_NEVER, INT64_MAX}, .limit = 1000};

struct found {
    size_t count;
    wall_ms at[100];
    int64_t ids[100];
};

static enum err note(void *context, const struct audit_entry *e)
{
    struct found *found = context;
    assert_true(found->count < COUNT_OF(found->at));
    found->at[found->count] = e->at;
    found->ids[found->count++] = e->id;
    return ERR_OK;
}

static void list(struct store_fixture *x, const struct audit_query *q, struct found *out)
{
    out->count = 0;
    store_assert_ok(store_list_audit(x->reader, q, note, out, f));
}

// The seconds of the entries, newest first.
static void check_seconds(struct store_fixture *x, const struct audit_query *q, const int *expected,
                          size_t count)
{
    struct found found;
    list(x, q, &found);
    assert_int_equal(found.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(found.at[i], STORE_T0 + expected[i] * 1000);
}
#define CHECK(x, q, ...)                                                                           \
    check_seconds((x), (q), (const int[]){__VA_ARGS__},                                            \
                  sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static const struct audit_entry full = {
    .at = STORE_T0,
    .by = {.token_name = "deploy", .token = 12, .address = "192.0.2.7", .request_id = "r-1"},
    .action = AUDIT_JOB_UPDATE,
    .job = 77,
    .subject = "something",
    .before = "{\"name\":\"a\"}",
    .after = "{\"name\":\"b\\u0001\\n\"}",
};
static const struct audit_entry bare = {.at = STORE_T0 + 1, .action = AUDIT_CLOCK_ACCEPT};

static enum err compare(void *context, const struct audit_entry *e)
{
    int *seen = context;
    const struct audit_entry *expected = *seen == 0 ? &bare : &full;
    assert_true(e->id > 0);
    assert_int_equal(e->at, expected->at);
    assert_int_equal(e->action, expected->action);
    assert_int_equal(e->job, expected->job);
    assert_int_equal(e->by.token, expected->by.token);
    store_assert_same_text(e->by.token_name, expected->by.token_name);
    store_assert_same_text(e->by.address, expected->by.address);
    store_assert_same_text(e->by.request_id, expected->by.request_id);
    store_assert_same_text(e->subject, expected->subject);
    store_assert_same_text(e->before, expected->before);
    store_assert_same_text(e->after, expected->after);
    ++*seen;
    return ERR_OK;
}

// An entry is about a job that may be gone, so no job need be there.
static void entry_is_read_as_it_was_written(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add(b, CHANGE_AUDIT)->audit = full;
    store_add(b, CHANGE_AUDIT)->audit = bare;
    store_must(x, b);
    store_reopen(x);
    int seen = 0;
    store_assert_ok(store_list_audit(x->reader, &every, compare, &seen, f));
    assert_int_equal(seen, 2);
}

static void entries_are_listed_by_whatever_is_asked_for(void **state)
{
    struct store_fixture *x = *state;
    fill(x, 12);
    struct audit_query q = every;
    CHECK(x, &q, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    q.action = AUDIT_JOB_TRIGGER;
    CHECK(x, &q, 9, 6, 3, 0);
    q.job = 2;
    CHECK(x, &q, 9, 3);
    q.action = -1;
    CHECK(x, &q, 11, 9, 7, 5, 3, 1);
    q.job = 1;
    q.token = "deploy";
    CHECK(x, &q, 10, 6, 2);
    q.job = 0;
    q.from = STORE_T0 + 2000;
    q.to = STORE_T0 + 6000;
    CHECK(x, &q, 6, 5, 3, 2);
    q.action = AUDIT_JOB_TRIGGER;
    CHECK(x, &q, 6, 3);
    q.token = "deplo";
    struct found none;
    list(x, &q, &none);
    assert_int_equal(none.count, 0);
}

// Several entries share an instant: the id decides.
static void pages_of_the_audit_neither_repeat_nor_skip(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    for (int i = 0; i < 9; i++)
        add_entry(b, STORE_T0 + i / 4, AUDIT_JOB_TRIGGER, 1, "deploy");
    store_must(x, b);
    const struct audit_query filters[] = {{.action = -1},
                                          {.action = AUDIT_JOB_TRIGGER},
                                          {.action = -1, .job = 1},
                                          {.action = -1, .token = "deploy"}};
    for (size_t k = 0; k < COUNT_OF(filters); k++) {
        struct audit_query q = filters[k];
        struct found all, page;
        q.to = WALL_NEVER;
        q.before = every.before;
        q.limit = 100;
        list(x, &q, &all);
        assert_int_equal(all.count, 9);
        q.limit = 2;
        for (size_t i = 0; i < all.count; i += page.count) {
            list(x, &q, &page);
            assert_true(page.count > 0);
            for (size_t n = 0; n < page.count; n++)
                assert_int_equal(page.ids[n], all.ids[i + n]);
            q.before = (struct audit_cursor){page.at[page.count - 1], page.ids[page.count - 1]};
        }
        list(x, &q, &page);
        assert_int_equal(page.count, 0);
    }
}

// What a change alters and the entry about it are written together or not at all.
static void entry_goes_with_its_change_or_not_at_all(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    add_entry(b, STORE_T0, AUDIT_JOB_DELETE, 5, NULL);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = 5; // There is no such job.
    c->deleted.at = STORE_T0;
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    struct found found;
    list(x, &every, &found);
    assert_int_equal(found.count, 0);
}

// A commit whose answer was lost is made again.
static void commit_that_is_made_again_writes_its_entries_once(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    add_entry(b, STORE_T0, AUDIT_JOB_TRIGGER, 1, NULL);
    struct found found;
    store_assert_ok(shard_rows_commit(x->store, &b, 1, f));
    struct commit_cause cause = {0};
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_DONE);
    batch_free(b);
    list(x, &every, &found);
    assert_int_equal(found.count, 1);
}

static size_t retain(struct store_fixture *x, dur_ms age, wall_ms now, size_t rows_max)
{
    struct store_retention r = {.audit_age_ms = age};
    size_t removed = 99999;
    store_assert_ok(store_retain(x->store, &r, now, rows_max, &removed, f));
    return removed;
}

static void entries_go_by_an_age_of_their_own(void **state)
{
    struct store_fixture *x = *state;
    fill(x, 10);
    wall_ms now = STORE_T0 + HOUR + 4000;
    assert_int_equal(retain(x, 0, now, 100), 0);  // Entries are kept for ever.
    assert_int_equal(retain(x, HOUR, now, 3), 3); // There is more to do.
    assert_int_equal(retain(x, HOUR, now, 3), 1);
    CHECK(x, &every, 9, 8, 7, 6, 5, 4);
    assert_int_equal(retain(x, HOUR, now, 3), 0);
    struct store_retention r = {.age_ms = 1, .executions_max = 1}; // The rules for executions.
    size_t removed;
    store_assert_ok(store_retain(x->store, &r, WALL_LAST, 100, &removed, f));
    CHECK(x, &every, 9, 8, 7, 6, 5, 4);
}

static void id_of_an_entry_is_never_given_twice(void **state)
{
    struct store_fixture *x = *state;
    struct found before, after;
    fill(x, 3);
    list(x, &every, &before);
    assert_int_equal(retain(x, 1, STORE_T0 + HOUR, 100), 3);
    store_reopen(x);
    fill(x, 1);
    list(x, &every, &after);
    assert_int_equal(after.count, 1);
    assert_true(after.ids[0] > before.ids[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_is_read_as_it_was_written),
        TEST(entries_are_listed_by_whatever_is_asked_for),
        TEST(pages_of_the_audit_neither_repeat_nor_skip),
        TEST(entry_goes_with_its_change_or_not_at_all),
        TEST(commit_that_is_made_again_writes_its_entries_once),
        TEST(entries_go_by_an_age_of_their_own),
        TEST(id_of_an_entry_is_never_given_twice),
    };
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
