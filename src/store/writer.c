// SPDX-License-Identifier: MIT
// writer.c: the writing thread: adaptive group commit.
//
// It takes everything that waits, and makes it durable with one store_commit. While the disk works,
// more arrives, and goes into the next commit: the busier it is, the larger the groups, and nobody
// had to choose a size or a delay.
//
// What a commit has been asked for is frozen until the answer is known: nothing joins it, since an
// adapter that lost an answer finds out whether these very batches are durable. Only what others
// own by now leaves it.
//
// Between commits the thread tidies up: it folds in the log and removes old rows, in steps no
// longer than a commit. A step is taken when nothing waits; under constant load, one after every
// few commits, since a store that is never tidied fills up.
//
//                         AGAIN
//      WRITING ------------------------> STALLED     tries again every second
//         |    <------------------------    |
//         | LOST           DONE             | LOST
//         v                                 v
//       FAILED <----------------------------+        drops what comes, until it is stopped

#define _GNU_SOURCE // pthread_setname_np

#include "base/mailbox.h"
#include "base/metrics.h"
#include "store/chores_priv.h"
#include "store/store_priv.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define BATCHES_WAITING_MAX 1048576 // The core stops planning long before, when nothing is written.
#define RETRY_MS 1000
#define COMMITS_PER_STEP 8
#define ROOM_PAUSE_MS 250 // Between two looks at the disk.

enum mode { WRITING, STALLED, FAILED };

// A batch on its way; without one, the request to stop.
struct parcel {
    struct mail mail;
    struct batch *batch;
};

struct store_writer {
    struct store *store;
    struct store_writer_options options;
    struct store_writer_events events;
    struct mailbox *mailbox;
    pthread_t thread;
    struct chores *chores;   // NULL: this thread does them itself,
    atomic_bool does_chores; // when this is set.

    // Owned by the writing thread.
    struct batch **waiting; // Taken from the mailbox, not yet durable.
    size_t waiting_count;
    size_t waiting_capacity;
    size_t frozen;     // So many of the first of them belong to the commit under way.
    uint64_t doubtful; // Up to here an answer was lost; 0: none was.
    int64_t *ended;    // By shard: the last epoch that was fenced. NULL: none ever was.
    enum mode mode;
    bool is_stopping;
    unsigned commits_since_step;
    mono_ms retry_at;
    mono_ms retain_at;
    mono_ms room_at; // When to look at the disk again.

    pthread_mutex_t lock; // Guards the status.
    struct store_writer_status status;
};

// --- Committing ------------------------------------------------------------------------------

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void note_commit(struct store_writer *w, int64_t took_us)
{
    pthread_mutex_lock(&w->lock);
    w->status.commits++;
    w->status.batches += w->frozen;
    for (size_t i = 0; i < w->frozen; i++)
        w->status.changes += w->waiting[i]->count;
    w->status.last_commit_us = took_us;
    w->status.longest_commit_us = MAX(w->status.longest_commit_us, took_us);
    pthread_mutex_unlock(&w->lock);
    histogram_observe(HISTOGRAM_commit_duration, took_us);
}

static void free_first(struct store_writer *w, size_t count)
{
    assert(count <= w->waiting_count);
    for (size_t i = 0; i < count; i++)
        batch_free(w->waiting[i]);
    w->waiting_count -= count;
    if (w->waiting_count > 0)
        memmove(w->waiting, w->waiting + count, w->waiting_count * sizeof(struct batch *));
    w->frozen = 0;
}

static void set_stalled(struct store_writer *w, enum err cause)
{
    pthread_mutex_lock(&w->lock);
    w->status.stalled = cause;
    pthread_mutex_unlock(&w->lock);
#define STALL(error, metric, event, what, until) metric_set(METRIC_##metric, cause == ERR_##error);
#include "store/stalls.def"
#undef STALL
}

static void stall(struct store_writer *w, const struct commit_cause *cause)
{
    enum err before = w->status.stalled; // Written by this thread alone.
    bool has_doubts = cause->is_doubtful && !w->doubtful;
    if (has_doubts)
        w->doubtful = w->waiting[w->frozen - 1]->sequence;
    w->retry_at = clock_mono_ms() + RETRY_MS;
    w->mode = STALLED;
    if (before == cause->fault.code && !has_doubts)
        return;
    set_stalled(w, cause->fault.code);
    w->events.stalled(w->events.context, &cause->fault, w->doubtful);
}

static void fail(struct store_writer *w, const struct fault *f)
{
    w->mode = FAILED;
    free_first(w, w->waiting_count);
    w->events.failed(w->events.context, f);
}

static void committed(struct store_writer *w, int64_t took_us)
{
    assert(0 < w->frozen && w->frozen <= w->waiting_count);
    uint64_t sequence = w->waiting[w->frozen - 1]->sequence;
    note_commit(w, took_us);
    if (w->status.stalled)
        set_stalled(w, ERR_OK);
    w->mode = WRITING;
    w->doubtful = 0;
    w->commits_since_step++;
    free_first(w, w->frozen);
    w->events.committed(w->events.context, sequence);
}

// --- What others own by now ------------------------------------------------------------------

// The epoch in which the batch writes the shard; 0: nothing in the batch is of this shard.
static int64_t epoch_of(const struct batch *b, uint32_t shard)
{
    const struct shard *row = batch_shard(b, shard);
    return row ? row->epoch : 0;
}

static bool drop(struct batch *b, uint32_t shard, int64_t epoch)
{
    int64_t of_batch = epoch_of(b, shard);
    if (of_batch == 0 || of_batch > epoch)
        return false;
    batch_drop(b, shard);
    return true;
}

// The epoch that has ended is the first of those in the frozen batches: the shard may be this
// node's again, in a later one, and what belongs to that is kept.
static void fence_shard(struct store_writer *w, uint32_t shard)
{
    struct store_fencing x = {.shard = shard, .doubtful = w->doubtful};
    for (size_t i = 0; i < w->frozen && x.epoch == 0; i++)
        x.epoch = epoch_of(w->waiting[i], shard);
    assert(x.epoch > 0 && "the store fences what it was not asked for");
    for (size_t i = 0; i < w->waiting_count; i++)
        if (drop(w->waiting[i], shard, x.epoch))
            x.sequence = w->waiting[i]->sequence;
    if (!w->ended)
        w->ended = xcalloc(SHARDS_MAX, sizeof *w->ended);
    w->ended[shard] = x.epoch;
    w->events.fenced(w->events.context, &x);
}

static void fence(struct store_writer *w, const struct shard_set *fenced)
{
    for (uint32_t shard = 0; shard < SHARDS_MAX; shard++)
        if (shard_set_has(fenced, shard))
            fence_shard(w, shard);
}

// The engine may have put the batch before it heard that the shard is gone.
static void drop_ended(struct store_writer *w, struct batch *b)
{
    for (uint32_t shard = 0; w->ended && shard < SHARDS_MAX; shard++) {
        struct store_fencing x = {
            .shard = shard, .epoch = w->ended[shard], .sequence = b->sequence};
        if (x.epoch && drop(b, shard, x.epoch))
            w->events.fenced(w->events.context, &x);
    }
}

// --- One commit ------------------------------------------------------------------------------

// Each try is without at least one shard more.
static enum commit_outcome commit_owned(struct store_writer *w, struct commit_cause *cause)
{
    enum commit_outcome outcome;
    while ((outcome = store_commit(w->store, w->waiting, w->frozen, cause)) == COMMIT_FENCED) {
        fence(w, &cause->fenced);
        *cause = (struct commit_cause){0};
    }
    return outcome;
}

// The first batches that wait. True when they are durable.
static bool commit_frozen(struct store_writer *w)
{
    struct commit_cause cause = {0};
    int64_t began = now_us();
    enum commit_outcome outcome = commit_owned(w, &cause);
    if (outcome == COMMIT_DONE)
        committed(w, now_us() - began);
    else if (outcome == COMMIT_AGAIN)
        stall(w, &cause);
    else
        fail(w, &cause.fault);
    return outcome == COMMIT_DONE;
}

// After a stall there is more than what was frozen.
static void commit_waiting(struct store_writer *w)
{
    bool goes_on = true;
    while (goes_on && w->waiting_count > 0) {
        if (w->frozen == 0)
            w->frozen = w->waiting_count;
        goes_on = commit_frozen(w);
    }
}

// --- Keeping house ---------------------------------------------------------------------------

// What stalls commits stops house-keeping as well: it is taken up again later.
static void note_step(struct store_writer *w, enum err err, const struct fault *f)
{
    if (store_stall_find(err))
        w->retain_at = clock_mono_ms() + CHORE_PAUSE_MS;
    else if (err)
        fail(w, f);
}

static void retain(struct store_writer *w)
{
    struct fault f = {0};
    size_t removed = 0;
    enum err err =
        store_retain(w->store, &w->options.retention, clock_wall_ms(), CHORE_ROWS, &removed, &f);
    if (!err && removed < CHORE_ROWS)
        w->retain_at = clock_mono_ms() + CHORE_PAUSE_MS;
    note_step(w, err, &f);
}

static void keep_house(struct store_writer *w)
{
    struct fault f = {0};
    w->commits_since_step = 0;
    enum err err = store_tidy(w->store, &f);
    note_step(w, err, &f);
    if (!err && clock_mono_ms() >= w->retain_at) {
        if (w->does_chores)
            retain(w);
        else
            w->retain_at = clock_mono_ms() + CHORE_PAUSE_MS;
    }
}

// --- The reserve -----------------------------------------------------------------------------
//
// Clients could fill the disk, and a full disk stops executions. So what is left is looked at
// between commits: below the reserve, changes that need room are refused, long before it is full.

static int64_t reserve_of(const struct store_writer *w, const struct store_room *room)
{
    return MIN(w->options.reserve_bytes, room->total_bytes / 10);
}

// An eighth more than the reserve ends what less than the reserve began, so that it does not come
// and go with each commit.
static bool is_low(bool before, int64_t free_bytes, int64_t reserve)
{
    return free_bytes < reserve + (before ? reserve / 8 : 0);
}

static void look_at_room(struct store_writer *w)
{
    struct store_room room;
    if (clock_mono_ms() < w->room_at)
        return;
    w->room_at = clock_mono_ms() + ROOM_PAUSE_MS;
    if (!store_measure_room(w->store, &room))
        return;
    int64_t reserve = reserve_of(w, &room);
    bool before = w->status.is_low; // Written by this thread alone.
    bool low = is_low(before, room.free_bytes, reserve);
    pthread_mutex_lock(&w->lock);
    w->status.is_low = low;
    w->status.free_bytes = room.free_bytes;
    w->status.reserve_bytes = reserve;
    pthread_mutex_unlock(&w->lock);
    metric_set(METRIC_disk_free_bytes, room.free_bytes);
    if (low != before && w->events.room)
        w->events.room(w->events.context, low, &room);
}

// --- The thread ------------------------------------------------------------------------------

static void check_order(const struct store_writer *w)
{
    size_t n = w->waiting_count;
    assert(n < 2 || w->waiting[n - 2]->sequence < w->waiting[n - 1]->sequence);
}

static void take_mail(struct store_writer *w, struct mail *mail)
{
    while (mail) {
        struct parcel *p = (struct parcel *)mail;
        mail = mail->next;
        if (!p->batch) {
            w->is_stopping = true;
        } else if (w->mode == FAILED) {
            batch_free(p->batch);
        } else {
            w->waiting = grow(w->waiting, w->waiting_count, &w->waiting_capacity, sizeof(void *));
            w->waiting[w->waiting_count++] = p->batch;
            check_order(w);
            drop_ended(w, p->batch);
        }
        free(p);
    }
}

// When to look around although no mail came.
static int wait_ms(const struct store_writer *w)
{
    if (w->mode == FAILED)
        return -1;
    mono_ms at = w->mode == STALLED ? w->retry_at : w->retain_at;
    mono_ms left = at - clock_mono_ms();
    if (w->mode == WRITING && w->commits_since_step > 0)
        left = 0; // There may be a log to fold in.
    return left > 0 ? (int)left : 0;
}

static bool may_commit(const struct store_writer *w)
{
    if (w->waiting_count == 0)
        return false;
    return w->mode == WRITING || w->is_stopping || clock_mono_ms() >= w->retry_at;
}

// What could not be written when it stops was never confirmed, as after a crash.
static void *run(void *argument)
{
    struct store_writer *w = argument;
    while (!w->is_stopping) {
        struct mail *mail = mailbox_wait(w->mailbox, wait_ms(w));
        take_mail(w, mail);
        if (may_commit(w))
            commit_waiting(w);
        if (w->mode == WRITING && (!mail || w->commits_since_step >= COMMITS_PER_STEP))
            keep_house(w);
        look_at_room(w);
    }
    free_first(w, w->waiting_count);
    return NULL;
}

// Signals are for the main thread.
static int start_thread(struct store_writer *w)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        pthread_setname_np(w->thread, "store");
    return error;
}

static void free_writer(struct store_writer *w)
{
    chores_stop(w->chores);
    mailbox_close(w->mailbox);
    pthread_mutex_destroy(&w->lock);
    free(w->waiting);
    free(w->ended);
    free(w);
}

enum err store_writer_start(struct store *s, const struct store_writer_options *o,
                            const struct store_writer_events *events, struct store_writer **out,
                            struct fault *f)
{
    struct store_writer *w = xcalloc(1, sizeof *w);
    w->store = s;
    w->options = *o;
    w->events = *events;
    w->status.free_bytes = -1;
    pthread_mutex_init(&w->lock, NULL);
    enum err err = mailbox_open(BATCHES_WAITING_MAX, &w->mailbox, f);
    look_at_room(w);
    w->does_chores = store_shard_count(s) == 1 && !s->ops->chores_beside;
    if (!err && s->ops->chores_beside)
        err = chores_start(s, &o->retention, events->chore_failed, events->context, &w->chores, f);
    int error = err ? 0 : start_thread(w);
    if (error)
        err = fault_set(f, ERR_SYSTEM, "cannot start the writing thread: %s", strerror(error));
    if (err) {
        free_writer(w);
        return err;
    }
    if (w->chores)
        chores_set(w->chores, store_shard_count(s) == 1);
    *out = w;
    return ERR_OK;
}

void store_writer_set_chores(struct store_writer *w, bool is_on)
{
    if (w->chores)
        chores_set(w->chores, is_on);
    else
        w->does_chores = is_on;
}

static void post(struct store_writer *w, struct batch *b)
{
    struct parcel *p = xcalloc(1, sizeof *p);
    p->batch = b;
    enum err err = mailbox_post(w->mailbox, &p->mail);
    assert(!err && "the engine must not run away from the store");
    (void)err;
}

void store_writer_put(struct store_writer *w, struct batch *b)
{
    post(w, b);
}

void store_writer_stop(struct store_writer *w)
{
    if (!w)
        return;
    post(w, NULL);
    pthread_join(w->thread, NULL);
    free_writer(w);
}

struct store_writer_status store_writer_status(struct store_writer *w)
{
    pthread_mutex_lock(&w->lock);
    struct store_writer_status status = w->status;
    pthread_mutex_unlock(&w->lock);
    return status;
}
