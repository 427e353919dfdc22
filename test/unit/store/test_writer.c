// SPDX-License-Identifier: MIT
// test_writer.c: what the writing thread promises: order, groups, patience with a full disk, and an
// end that loses nothing that could be written. The store is a scripted one.

#include "base/metrics.h"
#include "store/store_priv.h"

#include <pthread.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define COMMITS_MAX 64

// A store that writes down what it is asked. A commit waits at the gate while that is shut, unless
// it has a pass, so that a test decides what comes together. `answers` are given one after the
// other, then ERR_OK.
struct script {
    struct store store;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_gate_shut;
    bool is_at_gate;
    unsigned passes;
    enum err answers[8];
    bool doubts[8];     // The answer of this commit is lost.
    uint32_t fenced[8]; // The shard of an answer ERR_FENCED.
    size_t answer_count;
    size_t asked;
    uint64_t first[COMMITS_MAX]; // For each commit that was asked for, its first and
    uint64_t last[COMMITS_MAX];  // its last sequence,
    size_t changes[COMMITS_MAX]; // and how many changes there were.
    size_t rows_to_retain;
    enum err retain_answer;
    bool retains_after_commit; // A step of retention waits until a batch is committed.
    size_t retained;           // Steps of retention.
    size_t days_to_make;
    size_t checkpoints;
    enum err tidy_answer;
    int64_t free_bytes; // Free bytes on a disk of 8000.
    // What the writer said.
    uint64_t committed;
    unsigned stalls;
    enum err causes[2];   // Why the first stalls came,
    uint64_t doubtful[2]; // and up to which batch each left doubts.
    struct store_fencing fencings[4];
    size_t fencing_count;
    unsigned failures;
    unsigned chore_failures;
    unsigned low;   // Times that there was too little room,
    unsigned roomy; // and enough again.
};

static enum err answer(const struct script *x, struct commit_cause *cause)
{
    enum err err = x->asked < x->answer_count ? x->answers[x->asked] : ERR_OK;
    if (!err)
        return ERR_OK;
    cause->is_doubtful = x->doubts[x->asked];
    if (err == ERR_FENCED)
        shard_set_add(&cause->fenced, x->fenced[x->asked]);
    return fault_set(&cause->fault, err, "as scripted");
}

static enum commit_outcome scripted_commit(struct store *s, struct batch *const *batches,
                                           size_t count, struct commit_cause *cause)
{
    struct script *x = (struct script *)s;
    pthread_mutex_lock(&x->lock);
    x->is_at_gate = true;
    pthread_cond_broadcast(&x->changed);
    while (x->is_gate_shut && x->passes == 0)
        pthread_cond_wait(&x->changed, &x->lock);
    x->passes -= x->is_gate_shut;
    x->is_at_gate = false;
    for (size_t i = 1; i < count; i++)
        assert_int_equal(batches[i]->sequence, batches[i - 1]->sequence + 1);
    x->first[x->asked] = batches[0]->sequence;
    x->last[x->asked] = batches[count - 1]->sequence;
    for (size_t i = 0; i < count; i++)
        x->changes[x->asked] += batches[i]->count;
    enum err err = answer(x, cause);
    x->asked++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return commit_outcome_of(err);
}

static enum err scripted_retain(struct store *s, const struct store_retention *r, wall_ms now,
                                size_t rows_max, size_t *removed, struct fault *f)
{
    (void)now;
    struct script *x = (struct script *)s;
    assert_int_equal(r->executions_max, 77);
    pthread_mutex_lock(&x->lock);
    while (x->retains_after_commit && x->committed == 0)
        pthread_cond_wait(&x->changed, &x->lock);
    assert_int_equal(x->days_to_make, 0);
    *removed = MIN(rows_max, x->rows_to_retain);
    x->rows_to_retain -= *removed;
    x->retained++;
    enum err err = x->retain_answer;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return err ? fault_set(f, err, "as scripted") : ERR_OK;
}

static enum err scripted_make_days(struct store *s, wall_ms now, bool *more, struct fault *f)
{
    (void)now;
    (void)f;
    struct script *x = (struct script *)s;
    pthread_mutex_lock(&x->lock);
    *more = x->days_to_make > 0;
    x->days_to_make -= *more;
    pthread_mutex_unlock(&x->lock);
    return ERR_OK;
}

static enum err scripted_tidy(struct store *s, struct fault *f)
{
    struct script *x = (struct script *)s;
    pthread_mutex_lock(&x->lock);
    x->checkpoints++;
    enum err err = x->tidy_answer;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return err ? fault_set(f, err, "as scripted") : ERR_OK;
}

static bool scripted_room(struct store *s, struct store_room *out)
{
    struct script *x = (struct script *)s;
    pthread_mutex_lock(&x->lock);
    *out = (struct store_room){.free_bytes = x->free_bytes, .total_bytes = 8000};
    pthread_mutex_unlock(&x->lock);
    return true;
}

static const struct store_ops scripted_ops = {
    .commit = scripted_commit,
    .retain = scripted_retain,
    .tidy = scripted_tidy,
    .measure_room = scripted_room,
};

static const struct store_ops ops_with_chores_beside = {
    .chores_beside = true,
    .commit = scripted_commit,
    .retain = scripted_retain,
    .make_days = scripted_make_days,
    .tidy = scripted_tidy,
    .measure_room = scripted_room,
};

static void on_committed(void *context, uint64_t sequence)
{
    struct script *x = context;
    pthread_mutex_lock(&x->lock);
    assert_true(sequence > x->committed);
    x->committed = sequence;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_stalled(void *context, const struct fault *f, uint64_t doubtful)
{
    struct script *x = context;
    assert_string_equal(f->text, "as scripted");
    pthread_mutex_lock(&x->lock);
    if (x->stalls < COUNT_OF(x->causes)) {
        x->causes[x->stalls] = f->code;
        x->doubtful[x->stalls] = doubtful;
    }
    x->stalls++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_fenced(void *context, const struct store_fencing *f)
{
    struct script *x = context;
    pthread_mutex_lock(&x->lock);
    assert_true(x->fencing_count < COUNT_OF(x->fencings));
    x->fencings[x->fencing_count++] = *f;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_failed(void *context, const struct fault *f)
{
    struct script *x = context;
    assert_string_equal(f->text, "as scripted");
    pthread_mutex_lock(&x->lock);
    x->failures++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_room(void *context, bool is_low, const struct store_room *room)
{
    struct script *x = context;
    assert_int_equal(room->total_bytes, 8000);
    pthread_mutex_lock(&x->lock);
    ++*(is_low ? &x->low : &x->roomy);
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void on_chore_failed(void *context, const struct fault *f)
{
    struct script *x = context;
    assert_string_equal(f->text, "as scripted");
    pthread_mutex_lock(&x->lock);
    x->chore_failures++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static struct script *script_new(void)
{
    struct script *x = xcalloc(1, sizeof *x);
    x->free_bytes = 5000;
    x->store.ops = &scripted_ops;
    x->store.shards = 2;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    return x;
}

static void script_free(struct script *x)
{
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

static struct store_writer *start(struct script *x)
{
    const struct store_writer_options options = {.retention = {.executions_max = 77},
                                                 .reserve_bytes = 1000};
    const struct store_writer_events events = {on_committed, on_stalled,      on_fenced, on_failed,
                                               on_room,      on_chore_failed, x};
    struct store_writer *w = NULL;
    struct fault f = {0};
    assert_int_equal(store_writer_start(&x->store, &options, &events, &w, &f), ERR_OK);
    return w;
}

static void put(struct store_writer *w, uint64_t first, uint64_t last)
{
    for (uint64_t sequence = first; sequence <= last; sequence++)
        store_writer_put(w, batch_new(sequence));
}

// Waits until `condition` holds, which other threads make true under the lock.
#define AWAIT(x, condition)                                                                        \
    do {                                                                                           \
        pthread_mutex_lock(&(x)->lock);                                                            \
        while (!(condition))                                                                       \
            pthread_cond_wait(&(x)->changed, &(x)->lock);                                          \
        pthread_mutex_unlock(&(x)->lock);                                                          \
    } while (0)

static void set_gate(struct script *x, bool is_shut)
{
    pthread_mutex_lock(&x->lock);
    x->is_gate_shut = is_shut;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static void give_pass(struct script *x)
{
    pthread_mutex_lock(&x->lock);
    x->passes++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

// While the disk works on the first batch, nine more arrive: they are one commit.
static void batches_that_come_during_a_commit_join_the_next(void **state)
{
    (void)state;
    struct script *x = script_new();
    struct store_writer *w = start(x);
    set_gate(x, true);
    put(w, 1, 1);
    AWAIT(x, x->is_at_gate);
    put(w, 2, 10);
    set_gate(x, false);
    AWAIT(x, x->committed == 10);
    assert_int_equal(x->asked, 2);
    assert_int_equal(x->first[0], 1);
    assert_int_equal(x->last[0], 1);
    assert_int_equal(x->first[1], 2);
    assert_int_equal(x->last[1], 10);

    store_writer_stop(w);
    script_free(x);
}

static uint64_t commits_in_metrics(void)
{
    struct histogram_values v;
    histogram_get(HISTOGRAM_commit_duration, &v);
    return v.count;
}

static void the_status_counts_commits_and_batches(void **state)
{
    (void)state;
    uint64_t before = commits_in_metrics();
    struct script *x = script_new();
    struct store_writer *w = start(x);
    set_gate(x, true);
    put(w, 1, 1);
    AWAIT(x, x->is_at_gate);
    put(w, 2, 10);
    set_gate(x, false);
    AWAIT(x, x->committed == 10);
    struct store_writer_status s = store_writer_status(w);
    assert_int_equal(s.commits, 2);
    assert_int_equal(commits_in_metrics(), before + 2);
    assert_int_equal(s.batches, 10);
    assert_int_equal(s.changes, 0);
    assert_false(s.stalled);
    assert_true(s.last_commit_us <= s.longest_commit_us);
    store_writer_stop(w);
    script_free(x);
}

// A full disk, then another program that holds the database, twice: each is told once, nothing is
// lost and nothing skipped. What came meanwhile does not join, but goes next.
static void a_stalled_store_is_tried_again_until_it_goes_through(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->answers[0] = ERR_STORE_FULL;
    x->answers[1] = x->answers[2] = ERR_BUSY;
    x->answer_count = 3;
    struct store_writer *w = start(x);
    put(w, 1, 1);
    AWAIT(x, x->stalls == 1);
    assert_int_equal(store_writer_status(w).stalled, ERR_STORE_FULL);
    put(w, 2, 2);
    AWAIT(x, x->committed == 2);
    assert_int_equal(x->asked, 5);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(x->last[i], 1);
    assert_int_equal(x->first[4], 2);
    assert_int_equal(x->stalls, 2);
    assert_int_equal(x->causes[0], ERR_STORE_FULL);
    assert_int_equal(x->causes[1], ERR_BUSY);
    assert_int_equal(x->failures, 0);
    assert_int_equal(store_writer_status(w).stalled, ERR_OK);
    store_writer_stop(w);
    script_free(x);
}

// The connection breaks while the answer is on its way. Until it is known nobody may say that these
// batches failed; a full disk that comes after it tells nothing about them.
static void a_lost_answer_keeps_its_batches_in_doubt_until_they_are_durable(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->answers[0] = ERR_STORE_AWAY;
    x->doubts[0] = true;
    x->answers[1] = ERR_STORE_FULL;
    x->answer_count = 2;
    set_gate(x, true);
    struct store_writer *w = start(x);
    put(w, 1, 1);
    AWAIT(x, x->is_at_gate);
    put(w, 2, 3);
    set_gate(x, false);
    AWAIT(x, x->committed == 3);
    assert_int_equal(x->asked, 4);
    assert_int_equal(x->causes[0], ERR_STORE_AWAY);
    assert_int_equal(x->doubtful[0], 1);
    assert_int_equal(x->causes[1], ERR_STORE_FULL);
    assert_int_equal(x->doubtful[1], 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(x->last[i], 1);
    assert_int_equal(x->first[3], 2);
    store_writer_stop(w);
    script_free(x);
}

// --- Shards of others ------------------------------------------------------------------------

// A change of each of two shards, with its row: four changes. Shard 0 is written in this epoch.
static struct batch *batch_of_two(uint64_t sequence, int64_t epoch)
{
    struct batch *b = batch_new(sequence);
    for (uint32_t shard = 0; shard < 2; shard++) {
        struct change *c = batch_add(b, CHANGE_JOB_DELETE);
        c->shard = shard;
        c->deleted.id = shard + 2;
        c = batch_add(b, CHANGE_SHARD);
        c->shard = c->row.number = shard;
        c->row.epoch = shard == 0 ? epoch : 1;
    }
    return b;
}

static void assert_fencing(const struct store_fencing *f, int64_t epoch, uint64_t sequence,
                           uint64_t doubtful)
{
    assert_int_equal(f->shard, 0);
    assert_int_equal(f->epoch, epoch);
    assert_int_equal(f->sequence, sequence);
    assert_int_equal(f->doubtful, doubtful);
}

// Shard 0 has been taken by another node: its changes leave what was frozen and what waits, at
// once, and all others are written.
static void a_fenced_shard_leaves_the_batches_and_the_others_go_on(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->answers[0] = ERR_FENCED;
    x->answer_count = 1;
    set_gate(x, true);
    struct store_writer *w = start(x);
    store_writer_put(w, batch_of_two(1, 5));
    AWAIT(x, x->is_at_gate);
    store_writer_put(w, batch_of_two(2, 5));
    set_gate(x, false);
    AWAIT(x, x->committed == 2);
    assert_int_equal(x->changes[0], 4);
    assert_int_equal(x->changes[1], 2); // Batch 1 again, without the shard.
    assert_int_equal(x->changes[2], 2); // Batch 2.
    assert_int_equal(x->fencing_count, 2);
    assert_fencing(&x->fencings[0], 5, 1, 0);
    assert_fencing(&x->fencings[1], 5, 2, 0);
    assert_int_equal(x->stalls + x->failures, 0);
    store_writer_stop(w);
    script_free(x);
}

// The engine puts batches of the old epoch before it hears of the loss, and of a new one when it
// has the shard again: those count.
static void only_the_epoch_that_ended_is_dropped(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->answers[0] = ERR_STORE_FULL;
    x->answers[1] = ERR_FENCED;
    x->answer_count = 2;
    struct store_writer *w = start(x);
    store_writer_put(w, batch_of_two(1, 5));
    AWAIT(x, x->stalls == 1);
    store_writer_put(w, batch_of_two(2, 5)); // The two batches wait when the shard is fenced.
    store_writer_put(w, batch_of_two(3, 7));
    AWAIT(x, x->committed == 3);
    store_writer_put(w, batch_of_two(4, 5));
    store_writer_put(w, batch_of_two(5, 8));
    AWAIT(x, x->committed == 5);
    size_t changes = 0;
    for (size_t i = 2; i < x->asked; i++)
        changes += x->changes[i];
    assert_int_equal(changes, 2 + 2 + 4 + 2 + 4);
    assert_int_equal(x->fencing_count, 2);
    assert_fencing(&x->fencings[0], 5, 2, 0);
    assert_fencing(&x->fencings[1], 5, 4, 0);
    store_writer_stop(w);
    script_free(x);
}

// The commit whose answer was lost may have been the last one of the old owner.
static void what_is_fenced_while_in_doubt_stays_in_doubt(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->answers[0] = ERR_STORE_AWAY;
    x->doubts[0] = true;
    x->answers[1] = ERR_FENCED;
    x->answer_count = 2;
    struct store_writer *w = start(x);
    store_writer_put(w, batch_of_two(1, 5));
    AWAIT(x, x->stalls == 1);
    store_writer_put(w, batch_of_two(2, 5));
    AWAIT(x, x->committed == 2);
    assert_int_equal(x->fencing_count, 1);
    assert_fencing(&x->fencings[0], 5, 2, 1);
    store_writer_stop(w);
    script_free(x);
}

static void a_lost_store_is_told_and_nothing_more_is_written(void **state)
{
    (void)state;
    static const enum err losses[] = {ERR_STORE_IO, ERR_STORE_CORRUPT, ERR_CONFLICT};
    for (size_t i = 0; i < COUNT_OF(losses); i++) {
        struct script *x = script_new();
        x->answers[0] = losses[i];
        x->answer_count = 1;
        struct store_writer *w = start(x);
        put(w, 1, 3);
        AWAIT(x, x->failures == 1);
        put(w, 4, 6);
        store_writer_stop(w);
        assert_int_equal(x->asked, 1);
        assert_int_equal(x->committed, 0);
        script_free(x);
    }
}

static void stopping_commits_what_waits(void **state)
{
    (void)state;
    struct script *x = script_new();
    struct store_writer *w = start(x);
    put(w, 1, 500);
    store_writer_stop(w);
    assert_int_equal(x->committed, 500);
    script_free(x);
}

// The last try of a stop does not wait for the next second, and a disk that stays full does not
// keep the program from ending.
static void stopping_tries_a_full_disk_once_more(void **state)
{
    (void)state;
    struct script *x = script_new();
    for (size_t i = 0; i < COUNT_OF(x->answers); i++)
        x->answers[i] = ERR_STORE_FULL;
    x->answer_count = COUNT_OF(x->answers);
    struct store_writer *w = start(x);
    put(w, 1, 1);
    AWAIT(x, x->stalls == 1);
    put(w, 2, 2);
    store_writer_stop(w);
    assert_int_equal(x->last[x->asked - 1], 1);
    assert_int_equal(x->committed, 0);
    assert_int_equal(x->failures, 0);
    script_free(x);
}

static void an_idle_writer_keeps_house_until_nothing_is_left_to_do(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->store.shards = 1; // A single node has them all.
    x->rows_to_retain = 1700;
    struct store_writer *w = start(x);
    AWAIT(x, x->rows_to_retain == 0 && x->checkpoints > 0);
    store_writer_stop(w);
    script_free(x);
}

// A node of several is told to do the chores. Its commits go on meanwhile: here, the chore waits
// for one.
static void chores_are_done_by_the_node_that_is_told_to_and_hold_up_no_commit(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->store.ops = &ops_with_chores_beside;
    x->days_to_make = 8;
    x->rows_to_retain = 1700;
    x->retains_after_commit = true;
    struct store_writer *w = start(x);
    AWAIT(x, x->checkpoints > 0);
    assert_int_equal(x->rows_to_retain, 1700);
    store_writer_set_chores(w, true);
    put(w, 1, 1);
    AWAIT(x, x->rows_to_retain == 0);
    assert_int_equal(x->committed, 1);
    store_writer_set_chores(w, false);
    store_writer_stop(w);
    script_free(x);
}

// Executions go on when old rows cannot be removed, say for want of a right.
static void chore_that_fails_is_told_and_loses_nothing(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->store.ops = &ops_with_chores_beside;
    x->retain_answer = ERR_STORE_IO;
    struct store_writer *w = start(x);
    store_writer_set_chores(w, true);
    AWAIT(x, x->chore_failures == 1);
    put(w, 1, 1);
    AWAIT(x, x->committed == 1);
    store_writer_stop(w);
    assert_int_equal(x->failures, 0);
    script_free(x);
}

// A full disk is no loss: the commits tell of it, and house-keeping is taken up again later.
static void house_keeping_that_fails_loses_the_store_but_not_for_want_of_room(void **state)
{
    (void)state;
    static const struct {
        enum err answer;
        bool is_lost;
    } cases[] = {
        {ERR_STORE_FULL, false},
        {ERR_BUSY, false},
        {ERR_STORE_IO, true},
        {ERR_STORE_CORRUPT, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct script *x = script_new();
        x->tidy_answer = cases[i].answer;
        struct store_writer *w = start(x);
        AWAIT(x, x->checkpoints > 0 && (x->failures > 0 || !cases[i].is_lost));
        put(w, 1, 1);
        store_writer_stop(w);
        assert_int_equal(x->failures, cases[i].is_lost);
        assert_int_equal(x->committed, cases[i].is_lost ? 0 : 1);
        script_free(x);
    }
}

// Mail waits at every moment, and still the log is folded in now and then.
static void constant_load_does_not_keep_it_from_keeping_house(void **state)
{
    (void)state;
    struct script *x = script_new();
    struct store_writer *w = start(x);
    AWAIT(x, x->checkpoints > 0); // The first step, at its start.
    set_gate(x, true);
    put(w, 1, 1);
    size_t before = x->checkpoints;
    for (uint64_t sequence = 2; sequence <= 20; sequence++) {
        AWAIT(x, x->is_at_gate && x->asked == sequence - 2);
        put(w, sequence, sequence);
        give_pass(x);
    }
    AWAIT(x, x->checkpoints > before);
    set_gate(x, false);
    store_writer_stop(w);
    assert_int_equal(x->committed, 20);
    script_free(x);
}

// --- The reserve -----------------------------------------------------------------------------

static void set_free(struct script *x, int64_t bytes)
{
    pthread_mutex_lock(&x->lock);
    x->free_bytes = bytes;
    pthread_mutex_unlock(&x->lock);
}

// Commits until the writer has seen so many bytes: it looks only now and then.
static void commit_until_seen(struct script *x, struct store_writer *w, int64_t free_bytes)
{
    uint64_t next = x->committed + 1;
    for (; store_writer_status(w).free_bytes != free_bytes; next++) {
        put(w, next, next);
        AWAIT(x, x->committed == next);
        pthread_mutex_lock(&x->lock);
        x->asked = 0; // There is no room for the sequences of all.
        pthread_mutex_unlock(&x->lock);
    }
}

static void assert_told(struct script *x, unsigned low, unsigned roomy)
{
    pthread_mutex_lock(&x->lock);
    assert_int_equal(x->low, low);
    assert_int_equal(x->roomy, roomy);
    pthread_mutex_unlock(&x->lock);
}

// The reserve of 1000 is more than a tenth of the disk, so it is 800. An eighth more has to be free
// again for the writer to say so. Commits go on all the time.
static void a_disk_below_its_reserve_is_told_once_and_so_is_its_end(void **state)
{
    static const struct {
        int64_t free_bytes;
        unsigned low;
        unsigned roomy;
    } steps[] = {{800, 0, 0}, {799, 1, 0}, {5, 1, 0}, {899, 1, 0}, {900, 1, 1}, {799, 2, 1}};
    (void)state;
    struct script *x = script_new();
    struct store_writer *w = start(x);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        set_free(x, steps[i].free_bytes);
        commit_until_seen(x, w, steps[i].free_bytes);
        AWAIT(x, x->low == steps[i].low && x->roomy == steps[i].roomy);
        struct store_writer_status s = store_writer_status(w);
        assert_int_equal(s.is_low, steps[i].low > steps[i].roomy);
        assert_int_equal(s.reserve_bytes, 800);
    }
    store_writer_stop(w);
    assert_told(x, 2, 1);
    script_free(x);
}

// Before the first change can be asked for.
static void a_writer_that_starts_on_a_full_disk_says_so_at_once(void **state)
{
    (void)state;
    struct script *x = script_new();
    x->free_bytes = 0;
    struct store_writer *w = start(x);
    assert_told(x, 1, 0);
    assert_true(store_writer_status(w).is_low);
    store_writer_stop(w);
    script_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_that_come_during_a_commit_join_the_next),
        cmocka_unit_test(the_status_counts_commits_and_batches),
        cmocka_unit_test(a_stalled_store_is_tried_again_until_it_goes_through),
        cmocka_unit_test(a_lost_answer_keeps_its_batches_in_doubt_until_they_are_durable),
        cmocka_unit_test(a_fenced_shard_leaves_the_batches_and_the_others_go_on),
        cmocka_unit_test(only_the_epoch_that_ended_is_dropped),
        cmocka_unit_test(what_is_fenced_while_in_doubt_stays_in_doubt),
        cmocka_unit_test(a_lost_store_is_told_and_nothing_more_is_written),
        cmocka_unit_test(stopping_commits_what_waits),
        cmocka_unit_test(stopping_tries_a_full_disk_once_more),
        cmocka_unit_test(an_idle_writer_keeps_house_until_nothing_is_left_to_do),
        cmocka_unit_test(chores_are_done_by_the_node_that_is_told_to_and_hold_up_no_commit),
        cmocka_unit_test(chore_that_fails_is_told_and_loses_nothing),
        cmocka_unit_test(house_keeping_that_fails_loses_the_store_but_not_for_want_of_room),
        cmocka_unit_test(constant_load_does_not_keep_it_from_keeping_house),
        cmocka_unit_test(a_disk_below_its_reserve_is_told_once_and_so_is_its_end),
        cmocka_unit_test(a_writer_that_starts_on_a_full_disk_says_so_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
