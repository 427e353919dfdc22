// SPDX-License-Identifier: MIT
// lock.c: a lock in Redis: a key with a token of ours, which goes away by itself.
//
// The key is taken with NX and PX, and extended and given up by scripts which first compare the
// token, so nobody touches the lock of another. The holder counts the time to live from before it
// asked. That is as good as such a lock can be, and no more: a Redis that restarts, or hands over
// to its replica, may forget the key.

#define _GNU_SOURCE // pthread_setname_np
#define _GNU_SOURCE // pthread_setname_np
#include "base/memory.h"
#include "redis/redis_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define TOKEN_BYTES 33
#define TRIES_IN_TTL 3 // How often the lock is extended, or tried, within its time to live.

static const char extend_script[] = "if redis.call('GET', KEYS[1]) == ARGV[1] then "
                                    "return redis.call('PEXPIRE', KEYS[1], ARGV[2]) "
                                    "end return 0";
static const char delete_script[] = "if redis.call('GET', KEYS[1]) == ARGV[1] then "
                                    "return redis.call('DEL', KEYS[1]) "
                                    "end return 0";

struct redis_lock {
    struct redis *redis; // The thread uses it alone.
    char *key;
    char token[TOKEN_BYTES];
    dur_ms ttl_ms;
    _Atomic mono_ms held_until;
    _Atomic mono_ms away_since; // 0: the server answers, or is not asked.
    _Atomic mono_ms wanted_until;
    pthread_t thread;
    pthread_mutex_t mutex; // Guards what follows.
    pthread_cond_t wake;
    bool stops;
    bool is_wanted_anew;
};

static void answered(struct redis_lock *l, bool is_ours, mono_ms asked)
{
    atomic_store(&l->held_until, is_ours ? asked + l->ttl_ms : 0);
    atomic_store(&l->away_since, 0);
}

// A server that refuses is as good as none.
static void not_answered(struct redis_lock *l)
{
    mono_ms none = 0;
    atomic_compare_exchange_strong(&l->away_since, &none, clock_mono_ms());
}

static bool extend(struct redis_lock *l, bool *is_ours)
{
    int64_t extended = 0;
    redis_add(l->redis, "EVAL %s 1 %s %s %lld", extend_script, l->key, l->token,
              (long long)l->ttl_ms);
    if (redis_run(l->redis, REDIS_CALL_MS, NULL) ||
        !redis_number(redis_reply(l->redis, 0), &extended))
        return false;
    *is_ours = extended == 1;
    return true;
}

// The reply is OK, or nil when somebody has the lock.
static bool take(struct redis_lock *l, bool *is_ours)
{
    redis_add(l->redis, "SET %s %s NX PX %lld", l->key, l->token, (long long)l->ttl_ms);
    if (redis_run(l->redis, REDIS_CALL_MS, NULL) || redis_error(redis_reply(l->redis, 0)))
        return false;
    *is_ours = redis_text(redis_reply(l->redis, 0), NULL) != NULL;
    return true;
}

static void try_once(struct redis_lock *l)
{
    mono_ms asked = clock_mono_ms();
    bool is_ours = false;
    bool is_known = extend(l, &is_ours);
    if (is_known && !is_ours) {
        asked = clock_mono_ms();
        is_known = take(l, &is_ours);
    }
    if (is_known)
        answered(l, is_ours, asked);
    else
        not_answered(l);
}

static void give_up(struct redis_lock *l)
{
    if (!redis_lock_is_held(l))
        return;
    atomic_store(&l->held_until, 0);
    redis_add(l->redis, "EVAL %s 1 %s %s", delete_script, l->key, l->token);
    if (redis_run(l->redis, REDIS_CALL_MS, NULL))
        return; // The key goes away by itself.
}

// Nobody asks the server meanwhile, so nothing is known of its absence.
static void stand_aside(struct redis_lock *l)
{
    give_up(l);
    atomic_store(&l->away_since, 0);
}

static void wait_for_turn(struct redis_lock *l)
{
    struct timespec until;
    dur_ms wait_ms = l->ttl_ms / TRIES_IN_TTL;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!l->stops && !l->is_wanted_anew &&
           pthread_cond_timedwait(&l->wake, &l->mutex, &until) != ETIMEDOUT)
        ;
    l->is_wanted_anew = false;
}

static void *run(void *lock)
{
    struct redis_lock *l = lock;
    pthread_mutex_lock(&l->mutex);
    while (!l->stops) {
        pthread_mutex_unlock(&l->mutex);
        if (clock_mono_ms() < atomic_load(&l->wanted_until))
            try_once(l);
        else
            stand_aside(l);
        pthread_mutex_lock(&l->mutex);
        if (!l->stops)
            wait_for_turn(l);
    }
    pthread_mutex_unlock(&l->mutex);
    give_up(l);
    return NULL;
}

// --- The door --------------------------------------------------------------------------------

void redis_lock_want(struct redis_lock *l, mono_ms until)
{
    mono_ms before = atomic_exchange(&l->wanted_until, until);
    if (before > clock_mono_ms())
        return;
    pthread_mutex_lock(&l->mutex);
    l->is_wanted_anew = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
}

bool redis_lock_is_held(const struct redis_lock *l)
{
    return clock_mono_ms() < atomic_load(&l->held_until);
}

bool redis_lock_lets_try(const struct redis_lock *l)
{
    mono_ms away_since = atomic_load(&l->away_since);
    return redis_lock_is_held(l) || (away_since && clock_mono_ms() >= away_since + l->ttl_ms);
}

static enum err make_token(char out[static TOKEN_BYTES], struct fault *f)
{
    uint8_t bytes[(TOKEN_BYTES - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return fault_set(f, ERR_SYSTEM, "getrandom: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return ERR_OK;
}

static void lock_free(struct redis_lock *l)
{
    redis_free(l->redis);
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->wake);
    free(l->key);
    free(l);
}

static struct redis_lock *lock_new(struct redis_server *s, const char *key, dur_ms ttl_ms)
{
    struct redis_lock *l = xcalloc(1, sizeof *l);
    pthread_condattr_t monotonic;
    l->redis = redis_new(s);
    l->key = xstrdup(key);
    l->ttl_ms = ttl_ms;
    l->wanted_until = MONO_NEVER;
    l->away_since = clock_mono_ms(); // Until the first answer.
    pthread_mutex_init(&l->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return l;
}

enum err redis_lock_open(struct redis_server *s, const char *key, dur_ms ttl_ms,
                         struct redis_lock **out, struct fault *f)
{
    assert(ttl_ms >= TRIES_IN_TTL);
    struct redis_lock *l = lock_new(s, key, ttl_ms);
    enum err err = make_token(l->token, f);
    int problem = err ? 0 : pthread_create(&l->thread, NULL, run, l);
    if (problem)
        err = fault_set(f, ERR_SYSTEM, "cannot start the thread of a lock: %s", strerror(problem));
    if (err) {
        lock_free(l);
        return err;
    }
    pthread_setname_np(l->thread, "redis-lock");
    *out = l;
    return ERR_OK;
}

// The call under way has its own bound, so that the lock can still be given up after it.
void redis_lock_close(struct redis_lock *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    l->stops = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    lock_free(l);
}
