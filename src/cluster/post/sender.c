// SPDX-License-Identifier: MIT
// sender.c: puts the commands that this node's clients ask for.
//
// What comes while a call is under way goes with the next one, so that many clients at once cost
// few transactions. A call whose answer was lost is made again once: by their ids the commands are
// there once. What is not known then, the waiter finds out.
//
// A job whose key another command is about to give to a job of its own waits behind that command:
// it is put again a little later, until it is known what came of the other one.

#include "cluster/post/post_priv.h"

#include <assert.h>

#define WAITING_MAX 65536
#define BYTES_MAX (4 << 20) // Bodies in one call.
#define AGAIN_MS 20         // What waits behind another command is put again so often.

enum err sender_add(struct cluster_post *p, struct errand *list)
{
    struct sender *s = &p->sender;
    enum err err = ERR_OK;
    pthread_mutex_lock(&s->bell.lock);
    if (s->is_stopping)
        err = ERR_CLOSED;
    else if (s->count >= WAITING_MAX)
        err = ERR_LIMIT;
    for (; !err && list; list = list->next) {
        *s->last = list;
        s->last = &list->next;
        s->count++;
    }
    pthread_mutex_unlock(&s->bell.lock);
    bell_ring(&s->bell);
    return err;
}

// Puts those in the row whose time to be put again has come. The caller holds the lock.
static void bring_back(struct sender *s)
{
    if (!s->behind || (!s->is_stopping && bell_left(s->again_at) > 0))
        return;
    *s->last = s->behind;
    s->behind = NULL;
    for (; *s->last; s->last = &(*s->last)->next)
        s->count++;
}

// The first of those that wait, as many as fit into a call. NULL: there are none, and the order to
// end has come.
static struct errand *take(struct sender *s, size_t *count)
{
    size_t bytes = 0;
    pthread_mutex_lock(&s->bell.lock);
    bring_back(s);
    while (!s->first && !s->is_stopping) {
        bell_wait(&s->bell, bell_left(s->behind ? s->again_at : MONO_NEVER));
        bring_back(s);
    }
    struct errand *first = s->first, **end = &s->first;
    for (*count = 0; *end && *count < COMMANDS_PUT_MAX && bytes < BYTES_MAX; ++*count) {
        bytes += (*end)->bytes;
        end = &(*end)->next;
    }
    struct errand *rest = *end;
    *end = NULL;
    s->first = rest;
    if (!rest)
        s->last = &s->first;
    s->count -= *count;
    pthread_mutex_unlock(&s->bell.lock);
    return first;
}

static void fill(struct command_put *puts, const struct errand *list)
{
    for (; list; list = list->next)
        *puts++ = (struct command_put){.id = list->id,
                                       .shard = list->shard,
                                       .expires_at = list->expires_at,
                                       .body = list->body,
                                       .bytes = list->bytes,
                                       .key = list->key.text ? &list->key : NULL,
                                       .job_key = list->job_key};
}

static enum err put(struct cluster_post *p, struct command_put *puts, size_t count)
{
    struct sender *s = &p->sender;
    struct fault f = {0};
    enum err err = store_commands_put(s->line, puts, count, clock_wall_ms(), &f);
    if (err != ERR_DOUBT)
        return err;
    err = store_commands_put(s->line, puts, count, clock_wall_ms(), &f);
    return err ? ERR_DOUBT : ERR_OK;
}

// What the key stood for, instead of a command.
static void answer_put(struct errand *e, const struct command_put *p)
{
    static const enum reply_source sources[] = {[PUT_REPLAY] = REPLY_OF_BEFORE,
                                                [PUT_BUSY] = REPLY_KEY_BUSY,
                                                [PUT_OTHER] = REPLY_KEY_OTHER,
                                                [PUT_TAKEN] = REPLY_JOB_KEY};
    struct reply r = {.job = p->reply.job, .key = p->reply.execution};
    if (p->outcome == PUT_LATE)
        r.err = ERR_UNCLAIMED;
    else
        r.source = sources[p->outcome];
    if (r.source != REPLY_OF_CORE && r.source != REPLY_OF_BEFORE)
        r.err = ERR_EXISTS;
    errand_answer(e, &r);
}

// Until the errand is late, or the sender ends: it was certainly not put.
static void wait_behind(struct sender *s, struct errand *e)
{
    pthread_mutex_lock(&s->bell.lock);
    bool is_stopping = s->is_stopping;
    pthread_mutex_unlock(&s->bell.lock);
    if (is_stopping) {
        errand_refuse(e, ERR_UNCLAIMED);
        return;
    }
    if (!s->behind)
        s->again_at = clock_mono_ms() + AGAIN_MS;
    e->next = s->behind;
    s->behind = e;
}

static void settle(struct cluster_post *p, struct errand *list, const struct command_put *puts,
                   enum err err)
{
    struct errand *waiting = NULL;
    for (struct errand *next; list; list = next, puts++) {
        next = list->next;
        if ((!err && puts->outcome == PUT_NEW) || err == ERR_DOUBT) {
            list->next = waiting;
            waiting = list;
        } else if (err) {
            errand_refuse(list, err);
        } else if (puts->outcome == PUT_TAKEN && puts->reply.job == 0) {
            wait_behind(&p->sender, list);
        } else {
            answer_put(list, puts);
        }
    }
    if (!waiting)
        return;
    waiter_add(p, waiting);
    wakeups_announce(p->wakeups, POST_COMMANDS);
    if (p->works)
        claimer_wake(p);
}

static void *run(void *context)
{
    struct cluster_post *p = context;
    struct command_put *puts = xcalloc(COMMANDS_PUT_MAX, sizeof *puts);
    struct errand *list;
    size_t count;
    while ((list = take(&p->sender, &count))) {
        fill(puts, list);
        settle(p, list, puts, put(p, puts, count));
    }
    free(puts);
    return NULL;
}

void sender_init(struct sender *s)
{
    bell_init(&s->bell);
    s->last = &s->first;
}

enum err sender_start(struct cluster_post *p, struct fault *f)
{
    struct sender *s = &p->sender;
    enum err err = store_commands_open(p->options.store, &s->line, f);
    if (!err)
        err = post_thread(&s->thread, "sender", run, p, f);
    s->runs = !err;
    return err;
}

// What waits is still put: a server that ends in order leaves no doubt.
void sender_stop(struct sender *s)
{
    pthread_mutex_lock(&s->bell.lock);
    s->is_stopping = true;
    pthread_mutex_unlock(&s->bell.lock);
    if (!s->runs)
        return;
    bell_ring(&s->bell);
    pthread_join(s->thread, NULL);
    s->runs = false;
}

void sender_fini(struct sender *s)
{
    assert(!s->first && !s->behind);
    store_commands_close(s->line);
    bell_fini(&s->bell);
}
