// SPDX-License-Identifier: MIT
// taker.c: the thread of an executor that takes attempts from the stream.
//
// It takes no more than the executor may hold, so what there is waits in the stream for whoever has
// room. What others have taken and not finished is never taken over: whether it was sent is not
// known, and its owner makes the next attempt when the time is over. It is only cleaned up.

#include "dispatch/queue/executor_priv.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TOLD_MS 60000 // The log tells of refused entries no more often than that.
#define WALL_OFF_MS_MAX 86400000

struct taker {
    struct executor *executor;
    struct redis *redis;
    struct server_clock clock;
    uint64_t connects; // The connection for which the group is known to be there.
    mono_ms next_sweep;
    mono_ms told;
};

// --- An entry --------------------------------------------------------------------------------

// The fields of an entry, as far as they are there.
struct entry {
    const char *id;
    int64_t not_after;
    int64_t wall;
    const char *run_id;
    const char *attempt;
    size_t attempt_bytes;
};

static void read_field(struct entry *e, const struct redis_reply *name,
                       const struct redis_reply *value)
{
    const char *text = redis_text(name, NULL);
    if (!text || !text[0] || text[1])
        return;
    if (*text == 'n' && !redis_number(value, &e->not_after))
        e->not_after = 0;
    if (*text == 'w' && !redis_number(value, &e->wall))
        e->wall = 0;
    if (*text == 'r')
        e->run_id = redis_text(value, NULL);
    if (*text == 'e')
        e->attempt = redis_text(value, &e->attempt_bytes);
}

static struct entry read_entry(const struct redis_reply *reply)
{
    struct entry e = {.id = redis_text(redis_at(reply, 0), NULL)};
    const struct redis_reply *fields = redis_at(reply, 1);
    for (size_t i = 0; i + 1 < redis_count(fields); i += 2)
        read_field(&e, redis_at(fields, i), redis_at(fields, i + 1));
    return e;
}

static void complain(struct taker *t, const char *id, const char *error)
{
    mono_ms now = clock_mono_ms();
    if (t->told && now - t->told < TOLD_MS)
        return;
    log_warn("queue.refused", LOG_TEXT("what", "attempt"), LOG_TEXT("entry", id),
             LOG_TEXT("error", error));
    t->told = now;
}

// Nobody sends it, and nobody is told: who added it, if anybody did, waits until the time is over.
static void discard(struct taker *t, const char *id)
{
    struct telling *d = xcalloc(1, sizeof *d);
    snprintf(d->id, sizeof d->id, "%s", id);
    executor__tell(t->executor, d);
}

// The instant here, bounded by what a node would have asked for at most.
static mono_ms not_after_here(const struct taker *t, int64_t not_after, mono_ms now)
{
    if (not_after < 0 || not_after > WALL_LAST)
        return now;
    return MAX(1, MIN(not_after - t->clock.high, now + QUEUE_WINDOW_MS));
}

// A clock that is off by a day is nobody's.
static void follow_clock(const struct taker *t, int64_t wall)
{
    int64_t offset = t->clock.low + wall;
    int64_t off = offset + clock_mono_ms() - (int64_t)time(NULL) * 1000;
    if (t->executor->follows_clock && -WALL_OFF_MS_MAX < off && off < WALL_OFF_MS_MAX)
        clock_follow(offset * 1000);
}

static enum err decode(const struct taker *t, const struct entry *e, struct taking *x,
                       struct fault *f)
{
    if (!e->run_id || strcmp(e->run_id, redis_run_id(t->redis)) != 0)
        return fault_set(f, ERR_SYNTAX, "it was added in another life of the server");
    if (!e->attempt)
        return fault_set(f, ERR_SYNTAX, "it holds no attempt");
    return queue__decode_send(e->attempt, e->attempt_bytes, &x->attempt, f);
}

// NULL: the entry is nothing that could be sent.
static struct taking *take_one(struct taker *t, const struct entry *e)
{
    struct fault f = {0};
    struct taking *x = xcalloc(1, sizeof *x);
    if (decode(t, e, x, &f)) {
        free(x);
        complain(t, e->id, f.text);
        discard(t, e->id);
        return NULL;
    }
    snprintf(x->id, sizeof x->id, "%s", e->id);
    x->server_not_after = e->not_after;
    x->wall = e->wall;
    return x;
}

static void hand_on(struct taker *t, struct taking *x)
{
    assert(x->id[0] && !x->mail.next);
    x->not_after = not_after_here(t, x->server_not_after, clock_mono_ms());
    follow_clock(t, x->wall);
    if (mailbox_post_always(t->executor->takings, &x->mail)) {
        arena_clear(&x->attempt.texts);
        free(x);
    }
}

// --- Reading ---------------------------------------------------------------------------------

static void hold_one_more(struct executor *e)
{
    pthread_mutex_lock(&e->lock);
    e->held++;
    pthread_mutex_unlock(&e->lock);
}

// The clock is read after the entries were, or it could have been turned in between.
static void take_all(struct taker *t, const struct redis_reply *entries)
{
    struct taking *list[QUEUE_BATCH_MAX];
    size_t count = MIN(redis_count(entries), QUEUE_BATCH_MAX), taken = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry e = read_entry(redis_at(entries, i));
        if (!e.id || strlen(e.id) >= QUEUE_ID_BYTES)
            continue;
        hold_one_more(t->executor);
        struct taking *x = take_one(t, &e);
        if (x)
            list[taken++] = x;
    }
    if (taken > 0 && !server_clock_ask(&t->clock, t->redis))
        atomic_store(&t->executor->is_taking, false); // The clock as it was known still counts.
    for (size_t i = 0; i < taken; i++)
        hand_on(t, list[i]);
}

static size_t wait_for_room(struct executor *e)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&e->lock);
    if (e->held >= e->held_max && !e->is_over)
        pthread_cond_timedwait(&e->changed, &e->lock, &until);
    size_t room = e->held < e->held_max ? e->held_max - e->held : 0;
    pthread_mutex_unlock(&e->lock);
    return MIN(room, QUEUE_BATCH_MAX);
}

// In a stream that is new, as at the very first or after a FLUSHALL, the group begins with what is
// there already: nobody has taken that. If the group alone is gone (XGROUP DESTROY), the stream
// still has what executors hold, and nobody knows any more which entries these are: the new group
// begins behind all of them. What no executor had taken is lost, and its owners make the next
// attempts. The group "begun", which nobody reads, tells the two cases apart: only the whole stream
// can take it along.
static const char make_group[] =
    "local known = redis.pcall('XGROUP', 'CREATE', KEYS[1], 'begun', '$', 'MKSTREAM').err "
    "return redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], known and '$' or '0')";

static bool have_group(struct taker *t)
{
    if (t->connects == redis_connects(t->redis))
        return true;
    redis_add(t->redis, "EVAL %s 1 %s %s", make_group, QUEUE_STREAM, QUEUE_GROUP);
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return false;
    const char *error = redis_error(redis_reply(t->redis, 0));
    if (error && strncmp(error, "BUSYGROUP", 9) != 0) {
        redis_cut(t->redis, error);
        return false;
    }
    if (!server_clock_ask(&t->clock, t->redis))
        return false;
    t->connects = redis_connects(t->redis);
    atomic_store(&t->executor->is_taking, true);
    return true;
}

static void read_some(struct taker *t, size_t room)
{
    struct executor *e = t->executor;
    redis_add(t->redis, "XREADGROUP GROUP %s %s COUNT %u BLOCK %d STREAMS %s >", QUEUE_GROUP,
              e->name, (unsigned)room, EXECUTOR_BLOCK_MS, QUEUE_STREAM);
    enum err err = redis_run(t->redis, EXECUTOR_BLOCK_MS + REDIS_CALL_MS, NULL);
    const struct redis_reply *reply = redis_reply(t->redis, 0);
    const char *error = redis_error(reply);
    atomic_store(&e->is_taking, !err && !error);
    if (err)
        return;
    if (!error) {
        take_all(t, redis_at(redis_at(reply, 0), 1));
        return;
    }
    t->connects = 0; // The group is gone, or the stream with it.
    if (strncmp(error, "NOGROUP", 7) != 0 && strncmp(error, "UNBLOCKED", 9) != 0)
        redis_cut(t->redis, error);
}

// --- Cleaning up -----------------------------------------------------------------------------

// An executor that is gone took these along. They may still be under way, which does not mind.
static void sweep_entries(struct taker *t)
{
    char ids[QUEUE_BATCH_MAX][QUEUE_ID_BYTES];
    size_t count = 0;
    redis_add(t->redis, "XAUTOCLAIM %s %s %s %d 0-0 COUNT %d JUSTID", QUEUE_STREAM, QUEUE_GROUP,
              t->executor->name, QUEUE_KEPT_MS, QUEUE_BATCH_MAX);
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return;
    const struct redis_reply *list = redis_at(redis_reply(t->redis, 0), 1);
    for (size_t i = 0; i < MIN(redis_count(list), QUEUE_BATCH_MAX); i++) {
        const char *id = redis_text(redis_at(list, i), NULL);
        if (id && strlen(id) < QUEUE_ID_BYTES)
            snprintf(ids[count++], QUEUE_ID_BYTES, "%s", id);
    }
    for (size_t i = 0; i < count; i++) {
        redis_add(t->redis, "XACK %s %s %s", QUEUE_STREAM, QUEUE_GROUP, ids[i]);
        redis_add(t->redis, "XDEL %s %s", QUEUE_STREAM, ids[i]);
    }
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return; // Another time.
}

// The value of a field of a list [name, value, ...].
static const struct redis_reply *find_field(const struct redis_reply *list, const char *name)
{
    for (size_t i = 0; i + 1 < redis_count(list); i += 2) {
        const char *text = redis_text(redis_at(list, i), NULL);
        if (text && strcmp(text, name) == 0)
            return redis_at(list, i + 1);
    }
    return NULL;
}

static bool is_forgotten(const struct redis_reply *consumer)
{
    int64_t idle, pending;
    return redis_number(find_field(consumer, "idle"), &idle) && idle > EXECUTOR_IDLE_MS &&
           redis_number(find_field(consumer, "pending"), &pending) && pending == 0;
}

static void sweep_executors(struct taker *t)
{
    char names[QUEUE_BATCH_MAX][QUEUE_NODE_BYTES];
    size_t count = 0;
    redis_add(t->redis, "XINFO CONSUMERS %s %s", QUEUE_STREAM, QUEUE_GROUP);
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return;
    const struct redis_reply *list = redis_reply(t->redis, 0);
    for (size_t i = 0; i < redis_count(list) && count < QUEUE_BATCH_MAX; i++) {
        size_t bytes = 0;
        const char *name = redis_text(find_field(redis_at(list, i), "name"), &bytes);
        if (name && queue__is_node(name, bytes) && is_forgotten(redis_at(list, i)))
            snprintf(names[count++], QUEUE_NODE_BYTES, "%s", name);
    }
    for (size_t i = 0; i < count; i++)
        redis_add(t->redis, "XGROUP DELCONSUMER %s %s %s", QUEUE_STREAM, QUEUE_GROUP, names[i]);
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return; // Another time.
}

static void sweep(struct taker *t)
{
    mono_ms now = clock_mono_ms();
    if (now < t->next_sweep)
        return;
    t->next_sweep = now + EXECUTOR_SWEEP_MS;
    sweep_entries(t);
    sweep_executors(t);
}

// --- The thread ------------------------------------------------------------------------------

static bool has_left(struct executor *e)
{
    mono_ms since = executor__leaving_since(e);
    return since && clock_mono_ms() >= since + EXECUTOR_NOTICE_MS;
}

static void end_taking(struct executor *e)
{
    atomic_store(&e->is_taking, false);
    pthread_mutex_lock(&e->lock);
    e->has_ended_taking = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void *executor__taker_run(void *executor)
{
    struct taker t = {.executor = executor};
    enum err err;
    t.redis = t.executor->taker;
    while (!has_left(t.executor) && (err = redis_connect(t.redis, NULL)) != ERR_CLOSED) {
        size_t room = wait_for_room(t.executor);
        if (err || !have_group(&t)) {
            atomic_store(&t.executor->is_taking, false);
            redis_rest(t.redis);
        } else if (room > 0) {
            read_some(&t, room);
            sweep(&t);
        }
    }
    end_taking(t.executor);
    return NULL;
}
