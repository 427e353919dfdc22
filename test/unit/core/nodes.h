// SPDX-License-Identifier: MIT
// nodes.h: nodes that own some of the shards, over one store.
//
// A node here is a core with the batch that it fills. What it holds comes from the store, as it
// would from a database, and what it writes goes there.

#ifndef CARILLON_TEST_CORE_NODES_H
#define CARILLON_TEST_CORE_NODES_H

#include "core/core.h"
#include "store/store.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define SHARDS 4
#define T0 1700000000000 // Whole seconds.
#define SECOND 1000
#define HOUR 3600000
#define SENDS_MAX 8192

static struct {
    struct store *store;
    struct now now;
} world;

struct node {
    struct core *core;
    struct actions out;
    uint64_t sequence;
    struct send sends[SENDS_MAX]; // Their requests' texts are gone.
    size_t send_count;
    uint64_t cancelled;     // Tickets so far.
    struct handoff handoff; // The last one; its texts are gone.
    size_t handoffs;        // So far.
    struct reply reply;     // The last one.
    size_t rows_of_step;    // Executions that the last step has added,
    size_t changes_of_step; // and all changes of it.
};

static inline int setup(void **state)
{
    (void)state;
    world.now = (struct now){.wall = T0, .mono = 500000};
    return store_memory_open(SHARDS, &world.store, NULL) ? 1 : 0;
}

static inline int teardown(void **state)
{
    (void)state;
    store_close(world.store);
    return 0;
}

// --- Nodes ---

static inline void gather(struct node *n, size_t before)
{
    const struct batch *b = n->out.batch;
    n->changes_of_step = b->count - before;
    n->rows_of_step = 0;
    for (size_t i = before; i < b->count; i++)
        n->rows_of_step += b->changes[i].kind == CHANGE_EXECUTION_INSERT;
    for (size_t i = 0; i < n->out.send_count; i++) {
        assert_true(n->send_count < SENDS_MAX);
        n->sends[n->send_count++] = n->out.sends[i];
    }
    n->cancelled += n->out.cancel_count;
    n->handoffs += n->out.handoff_count;
    if (n->out.handoff_count > 0)
        n->handoff = n->out.handoffs[n->out.handoff_count - 1];
    for (size_t i = 0; i < n->out.reply_count; i++) {
        n->reply = n->out.replies[i];
        job_free(n->out.replies[i].row);
        n->out.replies[i].row = n->reply.row = NULL;
    }
    actions_clear(&n->out);
}

static inline void step(struct node *n, const struct event *e)
{
    size_t before = n->out.batch->count;
    core_step(n->core, e, world.now, &n->out);
    gather(n, before);
    core_check(n->core);
}

static inline struct node *node_new(uint32_t step_max)
{
    struct node *n = xcalloc(1, sizeof *n);
    struct core_limits limits = core_limits_default;
    limits.shards = SHARDS;
    limits.step_max = step_max;
    n->core = core_new(&limits);
    n->sequence = 1;
    n->out.batch = batch_new(1);
    step(n, &(struct event){.kind = EVENT_LEASE, .until = MONO_NEVER});
    return n;
}

static inline void node_free(struct node *n)
{
    core_free(n->core);
    batch_free(n->out.batch);
    actions_free(&n->out);
    free(n);
}

// What the store says of the node's open batch. When it takes it, the node hears of it.
static inline enum commit_outcome record(struct node *n)
{
    struct commit_cause cause = {0};
    enum commit_outcome outcome = store_commit(world.store, &n->out.batch, 1, &cause);
    uint64_t sequence = n->sequence;
    batch_free(n->out.batch);
    n->out.batch = batch_new(++n->sequence);
    if (outcome == COMMIT_DONE)
        step(n, &(struct event){.kind = EVENT_RECORDED, .sequence = sequence});
    return outcome;
}

static inline void tick(struct node *n)
{
    step(n, &(struct event){.kind = EVENT_TICK});
}

static inline void run(struct node *n, dur_ms ms)
{
    for (dur_ms passed = 0; passed < ms; passed += 500) {
        world.now.wall += 500;
        world.now.mono += 500;
        do
            tick(n);
        while (n->out.wake_wall <= world.now.wall);
        while (n->out.batch->count > 0)
            assert_int_equal(record(n), COMMIT_DONE);
    }
}

static inline enum err load_job(void *context, const struct job *j)
{
    const struct node *n = context;
    assert_int_equal(core_add_job(n->core, j, zone_utc()), ERR_OK);
    return ERR_OK;
}

static inline enum err load_execution(void *context, const struct execution *e)
{
    const struct node *n = context;
    assert_int_equal(core_add_execution(n->core, e), ERR_OK);
    return ERR_OK;
}

// With an epoch of its own the node can write nothing; 0: with that of the store.
static inline void begin_to_gain_in(struct node *n, uint32_t shard, int64_t epoch)
{
    const struct store_slice all = {.shard = shard, .limit = SIZE_MAX};
    struct store_reader *r;
    struct event gained = {.kind = EVENT_SHARD_GAINED};
    assert_int_equal(store_take_shard(world.store, shard, &gained.shard, NULL), ERR_OK);
    if (epoch)
        gained.shard.epoch = epoch;
    step(n, &gained);
    assert_int_equal(store_reader_open(world.store, &r, NULL), ERR_OK);
    assert_int_equal(store_load_jobs(r, &all, load_job, n, NULL), ERR_OK);
    assert_int_equal(store_load_open(r, &all, load_execution, n, NULL), ERR_OK);
    store_reader_close(r);
}

static inline void begin_to_gain(struct node *n, uint32_t shard)
{
    begin_to_gain_in(n, shard, 0);
}

static inline void gain(struct node *n, uint32_t shard)
{
    begin_to_gain(n, shard);
    step(n, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = shard});
}

static inline void lose(struct node *n, uint32_t shard)
{
    step(n, &(struct event){.kind = EVENT_SHARD_LOST, .shard_number = shard});
}

static inline struct node *owner_of(uint32_t first, uint32_t last)
{
    struct node *n = node_new(512);
    for (uint32_t shard = first; shard <= last; shard++)
        gain(n, shard);
    run(n, 500);
    return n;
}

// --- What clients ask for ---

static inline enum err ask(struct node *n, struct command *cmd)
{
    step(n, &(struct event){.kind = EVENT_COMMAND, .command = cmd});
    return n->reply.err;
}

static inline job_id create(struct node *n, uint32_t shard, const char *schedule,
                            enum job_type type)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, schedule);
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a/");
    j->type = (uint8_t)type;
    j->catch_up = CATCH_UP_ALL;
    j->catch_up_window_s = 86400;
    struct command cmd = {.kind = COMMAND_CREATE, .shard = shard, .job = j, .zone = zone_utc()};
    assert_int_equal(ask(n, &cmd), ERR_OK);
    return n->reply.job;
}

static inline enum err trigger(struct node *n, job_id id)
{
    return ask(n, &(struct command){.kind = COMMAND_TRIGGER, .id = id});
}

static inline void answer(struct node *n, size_t send, uint16_t status)
{
    const struct send *s = &n->sends[send];
    struct outcome o = {.ticket = s->ticket,
                        .shard = s->shard,
                        .epoch = s->request.epoch,
                        .kind = OUTCOME_ANSWERED,
                        .attempt = {.http_status = status, .started_at = world.now.wall}};
    step(n, &(struct event){.kind = EVENT_OUTCOME, .outcome = &o});
}

// Everything that was sent since the last call.
static inline void answer_all(struct node *n, size_t *answered)
{
    while (*answered < n->send_count)
        answer(n, (*answered)++, 200);
}

static inline size_t sends_of(const struct node *n, job_id id)
{
    size_t count = 0;
    for (size_t i = 0; i < n->send_count; i++)
        count += n->sends[i].request.key.job == id;
    return count;
}

#define NODES_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
