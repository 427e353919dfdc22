// SPDX-License-Identifier: MIT
// quota.c: how many jobs a token has, and how many bytes in them, and whether it may have more.
//
// What a token has is read from the store, once, and kept by what becomes of this server's own
// changes from then on: a growth counts from when it is taken, a release from when it is durable.
// So nobody gets more than the quota, however many ask at once. Where other servers change jobs
// too, what was read is believed for a second.
//
// A read sees the changes that are under way or not, which nobody can tell. These are counted twice
// then, and once they are over the number is known to be too high, perhaps. Nobody is refused by
// such a number, nor by one that is older than a second, before it is read again.
//
// Who needs the number while it is read waits, and no growth is taken meanwhile.

#include "service/service_priv.h"

#include <assert.h>

#define BELIEVED_MS 1000
#define OLD_MS 5000 // What is read even though something is always under way.
#define BUCKETS 1024

// What is known of one token with a quota.
struct use {
    struct use *next; // In the bucket.
    int64_t token;
    struct job_sum known;     // As it was read, with what is over since.
    struct job_sum under_way; // Growths that are not over.
    size_t users;             // Claims that are held, and threads that look at the entry.
    uint64_t reads;           // Reads that have begun.
    mono_ms read_at;
    bool is_read;
    bool is_reading;
    bool is_doubtful; // Something is over of which the read may have seen nothing, or all.
};

struct quotas {
    pthread_mutex_t lock; // Guards all that follows; not held while the store is read.
    pthread_cond_t was_read;
    quota_read *read;
    void *context;
    bool is_shared; // Other servers change jobs of the same database.
    struct use *buckets[BUCKETS];
};

struct quotas *service__quotas_new(quota_read *read, void *context, bool is_shared)
{
    struct quotas *q = xcalloc(1, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->was_read, NULL);
    q->read = read;
    q->context = context;
    q->is_shared = is_shared;
    return q;
}

void service__quotas_free(struct quotas *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct use *u = q->buckets[i], *next; u; u = next) {
            assert(u->users == 0);
            next = u->next;
            free(u);
        }
    }
    pthread_cond_destroy(&q->was_read);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

// --- The tokens of which something is known ------------------------------------------------------

static struct use **bucket_of(struct quotas *q, int64_t token)
{
    return &q->buckets[(uint64_t)token % BUCKETS];
}

static struct use *find(struct quotas *q, int64_t token)
{
    struct use *u = *bucket_of(q, token);
    while (u && u->token != token)
        u = u->next;
    return u;
}

// A new entry takes the place of those in its bucket that nobody uses: what was known of their
// tokens is read again.
static struct use *find_or_make(struct quotas *q, int64_t token)
{
    struct use **bucket = bucket_of(q, token);
    struct use *u = find(q, token);
    if (u)
        return u;
    for (struct use **place = bucket; *place;) {
        struct use *other = *place;
        if (other->users > 0) {
            place = &other->next;
            continue;
        }
        *place = other->next;
        free(other);
    }
    u = xcalloc(1, sizeof *u);
    u->token = token;
    u->next = *bucket;
    return *bucket = u;
}

static void add(struct job_sum *to, const struct job_sum *what)
{
    to->jobs += what->jobs;
    to->bytes += what->bytes;
}

static struct job_sum growth_in(const struct job_sum *change)
{
    return (struct job_sum){MAX(change->jobs, 0), MAX(change->bytes, 0)};
}

static struct job_sum release_in(const struct job_sum *change)
{
    return (struct job_sum){MIN(change->jobs, 0), MIN(change->bytes, 0)};
}

// --- Reading -------------------------------------------------------------------------------------

static bool is_beyond(int64_t has, int64_t more, int64_t most)
{
    return most > 0 && more > 0 && has + more > most;
}

static bool has_too_many(const struct use *u, const struct actor *by, const struct job_sum *more)
{
    return is_beyond(u->known.jobs + u->under_way.jobs, more->jobs, by->max_jobs);
}

static bool has_too_much(const struct use *u, const struct actor *by, const struct job_sum *more)
{
    return is_beyond(u->known.bytes + u->under_way.bytes, more->bytes, by->max_bytes);
}

// While something is under way a read would count it twice, so it is put off.
static bool is_to_be_read(const struct quotas *q, const struct use *u, const struct actor *by,
                          const struct job_sum *more, mono_ms now)
{
    dur_ms age = now - u->read_at;
    bool is_quiet = u->under_way.jobs == 0 && u->under_way.bytes == 0;
    if (!u->is_read)
        return true;
    if (q->is_shared && age >= (is_quiet ? BELIEVED_MS : OLD_MS))
        return true;
    return (u->is_doubtful || age >= BELIEVED_MS) &&
           (has_too_many(u, by, more) || has_too_much(u, by, more));
}

// What ends meanwhile counts on top of what is found.
static enum err read_again(struct quotas *q, struct use *u, mono_ms now, struct service_problem *p)
{
    struct job_sum found = {0};
    assert(!u->is_reading);
    u->is_reading = true;
    u->is_doubtful = false;
    u->known = (struct job_sum){0};
    u->reads++;
    pthread_mutex_unlock(&q->lock);
    enum err err = q->read(q->context, u->token, &found, p);
    pthread_mutex_lock(&q->lock);
    u->is_reading = false;
    u->is_read = !err;
    u->read_at = now;
    add(&u->known, &found);
    pthread_cond_broadcast(&q->was_read);
    return err;
}

// --- Taking --------------------------------------------------------------------------------------

static enum err refuse_jobs(const struct use *u, const struct actor *by, const struct job_sum *more,
                            struct service_problem *p)
{
    long long has = u->known.jobs + u->under_way.jobs, most = by->max_jobs;
    if (more->jobs == 1)
        return service_refuse(p, ERR_LIMIT, PROBLEM_QUOTA, NULL,
                              "the token may have %lld job%s (its max_jobs) and has %lld", most,
                              most == 1 ? "" : "s", has);
    return service_refuse(p, ERR_LIMIT, PROBLEM_QUOTA, NULL,
                          "the token may have %lld job%s (its max_jobs) and has %lld; these would "
                          "be %lld more",
                          most, most == 1 ? "" : "s", has, (long long)more->jobs);
}

static enum err refuse_bytes(const struct use *u, const struct actor *by,
                             const struct job_sum *more, struct service_problem *p)
{
    return service_refuse(p, ERR_LIMIT, PROBLEM_QUOTA, NULL,
                          "the URLs, headers and bodies of the token's jobs may have %lld bytes "
                          "(its max_bytes) and have %lld; these would be %lld more",
                          (long long)by->max_bytes,
                          (long long)(u->known.bytes + u->under_way.bytes), (long long)more->bytes);
}

static enum err admit(struct quotas *q, struct use *u, const struct actor *by,
                      const struct job_sum *more, mono_ms now, struct service_problem *p)
{
    enum err err = ERR_OK;
    while (!err && (u->is_reading || is_to_be_read(q, u, by, more, now))) {
        if (u->is_reading)
            pthread_cond_wait(&q->was_read, &q->lock);
        else
            err = read_again(q, u, now, p);
    }
    if (err)
        return err;
    if (has_too_many(u, by, more))
        return refuse_jobs(u, by, more, p);
    return has_too_much(u, by, more) ? refuse_bytes(u, by, more, p) : ERR_OK;
}

// A token of which nothing is known has no quota, or has not asked yet: what it has will be read.
static void hold(struct quotas *q, struct quota_claim *claim)
{
    struct use *u = find(q, claim->token);
    assert(!claim->is_held);
    if (!u)
        return;
    const struct job_sum growth = growth_in(&claim->change);
    add(&u->under_way, &growth);
    u->users++;
    claim->is_held = true;
    claim->reads = u->is_reading ? 0 : u->reads;
}

static bool is_limited(const struct actor *by, const struct job_sum *more)
{
    return (by->max_jobs > 0 && more->jobs > 0) || (by->max_bytes > 0 && more->bytes > 0);
}

enum err service__quotas_take(struct quotas *q, const struct actor *by, struct quota_claim *claims,
                              size_t count, mono_ms now, struct service_problem *p)
{
    struct use *u = NULL;
    enum err err = ERR_OK;
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < count && !u; i++) {
        if (claims[i].token != by->token || !is_limited(by, &claims[i].change))
            continue;
        u = find_or_make(q, by->token);
        u->users++;
        err = admit(q, u, by, &claims[i].change, now, p);
    }
    for (size_t i = 0; i < count && !err; i++)
        hold(q, &claims[i]);
    if (u)
        u->users--;
    pthread_mutex_unlock(&q->lock);
    return err;
}

// --- What became of it ---------------------------------------------------------------------------

static void settle(struct quotas *q, struct quota_claim *claim, enum quota_end end)
{
    struct use *u = find(q, claim->token);
    const struct job_sum growth = growth_in(&claim->change);
    const struct job_sum release = release_in(&claim->change);
    bool is_seen_by_no_read = claim->reads > 0 && claim->reads == u->reads;
    assert(u->users > 0);
    u->users--;
    u->under_way.jobs -= growth.jobs;
    u->under_way.bytes -= growth.bytes;
    assert(u->under_way.jobs >= 0 && u->under_way.bytes >= 0);
    claim->is_held = false;
    if (end == QUOTA_NOT_MADE)
        return;
    add(&u->known, &growth);
    if (end == QUOTA_MADE && is_seen_by_no_read)
        add(&u->known, &release);
    else
        u->is_doubtful = true;
}

void service__quotas_settle(struct quotas *q, struct quota_claim *claims, size_t count,
                            enum quota_end end)
{
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < count; i++) {
        if (claims[i].is_held)
            settle(q, &claims[i], end);
    }
    pthread_mutex_unlock(&q->lock);
}
