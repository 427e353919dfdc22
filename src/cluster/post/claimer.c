// SPDX-License-Identifier: MIT
// claimer.c: claims the commands of the shards that this node has loaded, and hands them on.
//
// The thread looks when it is woken, and from time to time. What it has handed on is a task until
// it is answered, and a little longer: a claim that asks for what is not answered may have begun
// before the answer was durable, and must not hand the command on a second time. So a task goes
// only when a claim has ended that began after the answer.

#include "cluster/post/post_priv.h"

#include "base/log.h"
#include "base/metrics.h"
#include "zones/zones.h"

#include <assert.h>
#include <string.h>

#define CLAIM_MAX 128  // Rows in one call.
#define TASKS_MAX 8192 // Under way; beyond it nothing more is claimed.
#define TIDY_MS 10000
#define TIDY_ROWS 1000

struct task {
    struct task *chain;
    struct cluster_post *post;
    struct command_id id;
    uint32_t shard;
    int64_t epoch;
    struct letter *letter; // NULL: it could not be read, or is answered.
    bool is_answered;
    uint64_t answered_in; // So many claims had begun.
};

// --- Tasks; the caller holds the lock --------------------------------------------------------

static struct task **bucket(struct claimer *c, const struct command_id *id)
{
    return &c->tasks[(id->bytes[14] << 8 | id->bytes[15]) % CLAIMER_BUCKETS];
}

static bool has_task(struct claimer *c, const struct command_row *r)
{
    const struct task *t = *bucket(c, &r->id);
    while (t && (t->epoch != r->epoch || !command_ids_equal(&t->id, &r->id)))
        t = t->chain;
    return t != NULL;
}

static void enter(struct claimer *c, struct task *t)
{
    struct task **place = bucket(c, &t->id);
    t->chain = *place;
    *place = t;
    c->task_count++;
    metric_set(METRIC_commands_claimed, (int64_t)++c->open_count);
}

static void leave(struct claimer *c, struct task **place)
{
    struct task *t = *place;
    *place = t->chain;
    c->task_count--;
    letter_free(t->letter);
    free(t);
}

static void forget_answered(struct claimer *c, uint64_t claim)
{
    for (size_t i = 0; i < CLAIMER_BUCKETS; i++)
        for (struct task **place = &c->tasks[i]; *place;) {
            if ((*place)->is_answered && (*place)->answered_in < claim)
                leave(c, place);
            else
                place = &(*place)->chain;
        }
}

static void drop_shard(struct claimer *c, uint32_t shard, int64_t epoch)
{
    for (size_t i = 0; i < c->shard_count; i++)
        if (c->shards[i].number == shard && (epoch == 0 || c->shards[i].epoch == epoch)) {
            c->shards[i] = c->shards[--c->shard_count];
            return;
        }
}

// --- Handing on ------------------------------------------------------------------------------

// On the engine's thread. A reply that is durable is worth a wake-up; without it the command is
// left to whoever has the shard next.
static void answered(void *context, const struct reply *r)
{
    struct task *t = context;
    struct cluster_post *p = t->post;
    struct claimer *c = &p->claimer;
    bool is_recorded = r->is_recorded;
    job_free(r->row);
    pthread_mutex_lock(&c->bell.lock);
    if (r->err == ERR_AWAY || r->err == ERR_FENCED)
        drop_shard(c, t->shard, t->epoch);
    letter_free(t->letter);
    t->letter = NULL;
    t->is_answered = true;
    t->answered_in = c->claims;
    metric_set(METRIC_commands_claimed, (int64_t)--c->open_count);
    pthread_mutex_unlock(&c->bell.lock);
    if (!is_recorded)
        return;
    wakeups_announce(p->wakeups, POST_REPLIES);
    if (p->asks)
        waiter_wake(p);
}

static enum err find_zone(struct command *c, struct fault *f)
{
    return c->job ? zone_find(c->job->timezone, &c->zone, f) : ERR_OK;
}

static bool is_readable(struct task *t, const struct command_row *r, uint32_t shards)
{
    struct fault f = {0};
    enum err err = letter_unpack(r->body, r->bytes, &t->letter, &f);
    const struct command *c = err ? NULL : &t->letter->command;
    if (!err && c->id && shard_of(c->id, shards) != r->shard)
        err = fault_set(&f, ERR_SYNTAX, "a command is about a job of another shard");
    for (size_t i = 0; !err && i < c->part_count; i++)
        err = find_zone(&c->parts[i], &f);
    if (!err)
        err = find_zone(&t->letter->command, &f);
    if (err)
        log_warn("command.unreadable", LOG_INT("shard", r->shard), LOG_INT("number", r->number),
                 LOG_TEXT("detail", f.text));
    return !err;
}

// A row that cannot be read is refused, by the core as any other, so that there is a reply.
static void fill(struct task *t, const struct command_row *r, uint32_t shards, struct command *out)
{
    *out = (struct command){.kind = COMMAND_ACCEPT_CLOCK, .refusal = ERR_UNSUPPORTED};
    if (is_readable(t, r, shards)) {
        *out = t->letter->command;
        t->letter->command.job = NULL; // Taken.
    }
    out->shard = r->shard;
    out->command_id = r->id;
    out->epoch = r->epoch;
}

struct walk {
    struct cluster_post *post;
    size_t count;
    int64_t last;
};

// The task is entered first, since the answer may come at once.
static void hand_on(void *context, const struct command_row *r)
{
    struct walk *w = context;
    struct cluster_post *p = w->post;
    struct claimer *c = &p->claimer;
    struct command command;
    w->count++;
    w->last = r->number;
    pthread_mutex_lock(&c->bell.lock);
    bool is_known = has_task(c, r);
    pthread_mutex_unlock(&c->bell.lock);
    if (is_known)
        return;
    struct task *t = xcalloc(1, sizeof *t);
    t->post = p;
    t->id = r->id;
    t->shard = r->shard;
    t->epoch = r->epoch;
    fill(t, r, p->shards, &command);
    pthread_mutex_lock(&c->bell.lock);
    enter(c, t);
    pthread_mutex_unlock(&c->bell.lock);
    if (p->options.hand_on(p->options.context, &command, answered, t) == ERR_OK)
        return;
    pthread_mutex_lock(&c->bell.lock);
    struct task **place = bucket(c, &r->id);
    while (*place != t)
        place = &(*place)->chain;
    metric_set(METRIC_commands_claimed, (int64_t)--c->open_count);
    leave(c, place);
    c->again = true; // The command has no reply, and comes again.
    pthread_mutex_unlock(&c->bell.lock);
}

// --- Claiming --------------------------------------------------------------------------------

// What a call of claim is for.
struct plan {
    struct command_shard shards[SHARDS_MAX];
    size_t count;
    bool again;
    uint64_t number;
};

static bool make_plan(struct claimer *c, struct plan *plan)
{
    pthread_mutex_lock(&c->bell.lock);
    bool may = c->shard_count > 0 && c->open_count < TASKS_MAX && !c->is_stopping;
    if (may) {
        memcpy(plan->shards, c->shards, c->shard_count * sizeof *c->shards);
        plan->count = c->shard_count;
        plan->again = c->again;
        plan->number = ++c->claims;
        c->again = false;
    }
    pthread_mutex_unlock(&c->bell.lock);
    return may;
}

static enum err claim_all(struct cluster_post *p, const struct plan *plan)
{
    struct command_claim o = {.shards = plan->shards,
                              .shard_count = plan->count,
                              .again = plan->again,
                              .limit = CLAIM_MAX};
    struct walk w;
    enum err err;
    do {
        struct fault f = {0};
        w = (struct walk){.post = p};
        err = store_commands_claim(p->claimer.line, &o, clock_wall_ms(), hand_on, &w, &f);
        o.after = w.last;
    } while (!err && w.count == CLAIM_MAX);
    return err;
}

static void claim(struct cluster_post *p)
{
    struct claimer *c = &p->claimer;
    struct plan plan;
    if (!make_plan(c, &plan))
        return;
    enum err err = claim_all(p, &plan);
    pthread_mutex_lock(&c->bell.lock);
    if (err)
        c->again = true; // Some may be claimed, and nobody knows.
    else
        forget_answered(c, plan.number);
    pthread_mutex_unlock(&c->bell.lock);
}

// Returns when to tidy next.
static mono_ms tidy(struct claimer *c)
{
    struct fault f = {0};
    size_t removed = 0;
    enum err err = store_commands_tidy(c->line, TIDY_ROWS, clock_wall_ms(), &removed, &f);
    bool is_all = err || removed < TIDY_ROWS;
    return clock_mono_ms() + (is_all ? TIDY_MS : 0);
}

// --- The thread ------------------------------------------------------------------------------

static mono_ms look_at(const struct cluster_post *p)
{
    const struct claimer *c = &p->claimer;
    if (c->shard_count == 0)
        return MONO_NEVER;
    bool is_seldom = wakeups_hear(p->wakeups) && !c->again && c->open_count < TASKS_MAX;
    return clock_mono_ms() + (is_seldom ? POST_POLL_SELDOM_MS : POST_POLL_MS);
}

static void *run(void *context)
{
    struct cluster_post *p = context;
    struct claimer *c = &p->claimer;
    mono_ms tidies_at = 0;
    pthread_mutex_lock(&c->bell.lock);
    while (!c->is_stopping) {
        mono_ms looks_at = look_at(p);
        if (!c->is_woken)
            bell_wait(&c->bell, bell_left(c->is_leader ? MIN(looks_at, tidies_at) : looks_at));
        bool looks = c->is_woken || clock_mono_ms() >= looks_at;
        bool tidies = c->is_leader && clock_mono_ms() >= tidies_at;
        c->is_woken = false;
        pthread_mutex_unlock(&c->bell.lock);
        if (looks)
            claim(p);
        if (tidies)
            tidies_at = tidy(c);
        pthread_mutex_lock(&c->bell.lock);
    }
    pthread_mutex_unlock(&c->bell.lock);
    return NULL;
}

void claimer_wake(struct cluster_post *p)
{
    struct claimer *c = &p->claimer;
    pthread_mutex_lock(&c->bell.lock);
    c->is_woken = true;
    pthread_mutex_unlock(&c->bell.lock);
    bell_ring(&c->bell);
}

void cluster_post_loaded(struct cluster_post *p, uint32_t shard, int64_t epoch)
{
    struct claimer *c = &p->claimer;
    assert(p->works && shard < p->shards && epoch > 0);
    pthread_mutex_lock(&c->bell.lock);
    drop_shard(c, shard, 0);
    assert(c->shard_count < SHARDS_MAX);
    c->shards[c->shard_count++] = (struct command_shard){shard, epoch};
    c->is_woken = c->again = true;
    pthread_mutex_unlock(&c->bell.lock);
    bell_ring(&c->bell);
}

void cluster_post_lost(struct cluster_post *p, uint32_t shard)
{
    struct claimer *c = &p->claimer;
    pthread_mutex_lock(&c->bell.lock);
    drop_shard(c, shard, 0);
    pthread_mutex_unlock(&c->bell.lock);
}

void cluster_post_lead(struct cluster_post *p, bool is_leader)
{
    struct claimer *c = &p->claimer;
    pthread_mutex_lock(&c->bell.lock);
    c->is_leader = is_leader;
    pthread_mutex_unlock(&c->bell.lock);
    bell_ring(&c->bell);
}

void claimer_init(struct claimer *c)
{
    bell_init(&c->bell);
}

enum err claimer_start(struct cluster_post *p, struct fault *f)
{
    struct claimer *c = &p->claimer;
    enum err err = store_commands_open(p->options.store, &c->line, f);
    if (!err)
        err = post_thread(&c->thread, "claimer", run, p, f);
    c->runs = !err;
    return err;
}

void claimer_stop(struct claimer *c)
{
    pthread_mutex_lock(&c->bell.lock);
    c->is_stopping = true;
    pthread_mutex_unlock(&c->bell.lock);
    if (!c->runs)
        return;
    bell_ring(&c->bell);
    pthread_join(c->thread, NULL);
    c->runs = false;
}

void claimer_fini(struct claimer *c)
{
    for (size_t i = 0; i < CLAIMER_BUCKETS; i++)
        while (c->tasks[i]) {
            assert(c->tasks[i]->is_answered);
            leave(c, &c->tasks[i]);
        }
    assert(c->task_count == 0);
    store_commands_close(c->line);
    bell_fini(&c->bell);
}
