// SPDX-License-Identifier: MIT
// test_store_agree.c: the adapters of databases, with their merged and reordered writes, do what
// the memory adapter does, which applies change by change. Random commits, many of them refused, go
// to one of them and to memory; their answers and all that can be read must be the same after each.

#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 200
#define JOBS 5

struct plan {
    uint64_t random;
    int64_t next_id;
    int64_t next_alert;
    int64_t ids[12 * ROUNDS]; // Executions that were committed; retention may have taken them.
    size_t id_count;
    int64_t new_ids[64]; // What the commit at hand inserts.
    size_t new_count;
};

static uint64_t draw(struct plan *p, uint64_t below)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random % below;
}

static bool once_in(struct plan *p, uint64_t n)
{
    return draw(p, n) == 0;
}

// An id that was committed, or is in this commit; 0 when there is none yet.
static int64_t draw_id(struct plan *p)
{
    size_t count = p->id_count + p->new_count;
    if (count == 0)
        return 0;
    size_t i = count - 1 - draw(p, MIN(count, 30));
    return i < p->id_count ? p->ids[i] : p->new_ids[i - p->id_count];
}

// Every change of an execution knows its instant, which some share with the one before.
static wall_ms time_of(int64_t id)
{
    return STORE_T0 + (id - (id % 7 == 0)) * 500;
}

// Some are manual; a number may come twice.
static int64_t series_of(int64_t id)
{
    return id % 11 == 0 ? -(id * 7919 % 400) - 1 : 0;
}

static struct execution draw_execution(struct plan *p, int64_t id)
{
    struct execution e = store_execution(id, (job_id)draw(p, JOBS) + 1, time_of(id));
    e.key.series = series_of(id);
    if (once_in(p, 100))
        e.key.job = JOBS + 1; // Not there.
    if (once_in(p, 2))
        e = store_finished(e, EXECUTION_SUCCESS + (enum execution_state)draw(p, 4));
    else
        e.state = once_in(p, 2) ? EXECUTION_PENDING : EXECUTION_RUNNING;
    e.trigger = e.key.series < 0 ? TRIGGER_MANUAL : TRIGGER_SCHEDULE;
    e.error = once_in(p, 3) ? "answered 500" : NULL;
    e.retry_count = (uint16_t)draw(p, 4);
    return e;
}

static void add_insert(struct plan *p, struct batch *b)
{
    bool is_again = p->id_count > 0 && once_in(p, 60);
    int64_t id = is_again ? p->ids[draw(p, p->id_count)] : p->next_id++;
    store_add_insert(b, draw_execution(p, id));
    if (!is_again)
        p->new_ids[p->new_count++] = id;
}

static void add_job_change(struct plan *p, struct batch *b)
{
    job_id id = (job_id)draw(p, JOBS) + 1;
    enum job_phase phase = JOB_ACTIVE;
    struct change *c;
    if (once_in(p, 12)) {
        phase = JOB_DELETED;
        c = store_add(b, CHANGE_JOB_DELETE);
        c->deleted.id = id;
        c->deleted.at = STORE_T0;
    } else if (once_in(p, 2)) {
        store_add_job(b, id);
    } else {
        c = store_add(b, CHANGE_JOB_STATE);
        c->state = (struct job_state){.id = id,
                                      .version = (int64_t)draw(p, 99),
                                      .effective_from = STORE_T0 + (wall_ms)draw(p, 99),
                                      .paused_until = once_in(p, 3) ? STORE_T0 : WALL_NEVER,
                                      .is_active = once_in(p, 2),
                                      .finished = once_in(p, 5),
                                      .paused_reason = once_in(p, 3) ? "so it is" : NULL};
        phase = c->state.is_active ? JOB_ACTIVE : c->state.finished ? JOB_FINISHED : JOB_PAUSED;
    }
    store_add_version(b, id, STORE_T0 + (wall_ms)draw(p, 99), phase);
}

static void add_change(struct plan *p, struct batch *b)
{
    int64_t id = draw_id(p);
    uint64_t kind = draw(p, 16);
    if (kind < 6 || id == 0) {
        add_insert(p, b);
    } else if (kind < 11) {
        store_add_update(b, draw_execution(p, id));
    } else if (kind < 14) {
        store_add_attempt(b, id, (uint16_t)(draw(p, 4) + 1));
        b->changes[b->count - 1].attempt.scheduled_at = time_of(id);
    } else if (kind == 14) {
        struct execution e = store_execution(id, (job_id)draw(p, JOBS) + 1, time_of(id));
        e.key.series = series_of(id);
        store_add_alert(b, p->next_alert++, &e);
    } else {
        add_job_change(p, b);
    }
}

static struct batch *draw_batch(struct plan *p, uint64_t sequence)
{
    struct batch *b = batch_new(sequence);
    struct shard *row = shard_row(b, 0);
    row->watermark = (int64_t)sequence;
    row->generation = (int64_t)sequence / 100;
    row->corrected_at = STORE_T0 + (int64_t)sequence % 40;
    for (uint64_t n = draw(p, 4) + 1; n > 0; n--)
        add_change(p, b);
    return b;
}

// Commits one to three batches at once, to both stores.
static bool commit_round(struct plan *p, struct store_fixture *a, struct store_fixture *b,
                         uint64_t round)
{
    struct batch *batches[3];
    size_t count = 1 + draw(p, 3);
    p->new_count = 0;
    for (size_t i = 0; i < count; i++)
        batches[i] = draw_batch(p, 3 * round + i + 2);
    struct fault fault = {0};
    enum err first = shard_rows_commit(a->store, batches, count, &fault);
    enum err second = shard_rows_commit(b->store, batches, count, &fault);
    assert_int_equal(first, second);
    for (size_t i = 0; i < count; i++)
        batch_free(batches[i]);
    for (size_t i = 0; !first && i < p->new_count; i++)
        p->ids[p->id_count++] = p->new_ids[i];
    return first == ERR_OK;
}

static void retain_round(struct plan *p, struct store_fixture *a, struct store_fixture *b)
{
    struct store_retention r = {.executions_max = 20 + (int64_t)draw(p, 20)};
    size_t first;
    size_t second;
    store_assert_ok(store_retain(a->store, &r, STORE_T0, 50, &first, f));
    store_assert_ok(store_retain(b->store, &r, STORE_T0, 50, &second, f));
    assert_int_equal(first, second);
}

static void check_same(struct store_fixture *a, struct store_fixture *b)
{
    char *first = store_dump(a);
    char *second = store_dump(b);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void run_seed(uint64_t seed, const struct store_adapter *adapter, size_t *accepted,
                     size_t *refused)
{
    struct plan *p = xcalloc(1, sizeof *p);
    *p = (struct plan){.random = seed, .next_id = 1, .next_alert = 1};
    struct store_fixture *a = store_fixture_new(&store_adapters[STORE_MEMORY]);
    struct store_fixture *b = store_fixture_new(adapter);
    struct batch *jobs = batch_new(1);
    shard_row(jobs, 0);
    for (job_id id = 1; id <= JOBS; id++) {
        store_add_job(jobs, id);
        store_add_version(jobs, id, STORE_T0, JOB_ACTIVE);
    }
    store_assert_ok(shard_rows_commit(a->store, &jobs, 1, f));
    store_assert_ok(shard_rows_commit(b->store, &jobs, 1, f));
    batch_free(jobs);

    for (uint64_t round = 0; round < ROUNDS; round++) {
        ++*(commit_round(p, a, b, round) ? accepted : refused);
        if (once_in(p, 25))
            retain_round(p, a, b);
        if (once_in(p, 50))
            store_reopen(once_in(p, 2) ? a : b);
        check_same(a, b);
    }
    store_fixture_free(a);
    store_fixture_free(b);
    free(p);
}

static void check_agreement(const struct store_adapter *adapter, uint64_t seeds)
{
    size_t accepted = 0;
    size_t refused = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        run_seed(seed * 0x9e3779b97f4a7c15u, adapter, &accepted, &refused);
    // Accepted and refused commits must both come often, or this shows nothing.
    assert_true(accepted > 25 * seeds);
    assert_true(refused > 25 * seeds);
}

static void sqlite_answers_as_memory_does(void **state)
{
    (void)state;
    check_agreement(&store_adapters[STORE_SQLITE], 8);
}

static void postgres_answers_as_memory_does(void **state)
{
    (void)state;
    check_agreement(&store_adapters[STORE_POSTGRES], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_answers_as_memory_does),
        cmocka_unit_test(postgres_answers_as_memory_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
