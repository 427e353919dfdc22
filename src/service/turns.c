// SPDX-License-Identifier: MIT
// turns.c: which changes are under way, by the job that they update and by the key of their client.
//
// The updates of one job take turns: each is made from the job as the one before has left it, so
// none is lost and none has to be made anew, however many clients change the job at once. A change
// that waits for its turn is begun by the service's thread. So do those that name a job by its key,
// and creations of a job with one: the second of them finds the job that the first has made. Of two
// changes with one key, only the first is under way; change_key.c knows those of before.
//
// Everything here happens under the service's lock.

#include "service/service_priv.h"

#include <assert.h>
#include <string.h>

// --- By job --------------------------------------------------------------------------------------

static size_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; // FNV-1a.
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash % CHANGE_BUCKETS;
}

static struct service_change **job_bucket(const struct service_change *c)
{
    size_t bucket = c->job_key ? hash_text(c->job_key) : (uint64_t)c->id % CHANGE_BUCKETS;
    return &c->service->turns[bucket];
}

static bool is_about_same(const struct service_change *a, const struct service_change *b)
{
    if (a->job_key || b->job_key)
        return a->job_key && b->job_key && strcmp(a->job_key, b->job_key) == 0;
    return a->id == b->id;
}

static struct service_change *whose_turn(const struct service_change *c)
{
    struct service_change *first = *job_bucket(c);
    while (first && !is_about_same(first, c))
        first = first->turn_next;
    return first;
}

bool service__turn_take(struct service_change *c)
{
    assert(!c->has_turn);
    if (c->kind != COMMAND_UPDATE && !c->job_key)
        return true;
    struct service_change *first = whose_turn(c);
    if (first) {
        *(first->last_behind ? &first->last_behind->behind : &first->behind) = c;
        first->last_behind = c;
        return false;
    }
    struct service_change **bucket = job_bucket(c);
    c->has_turn = true;
    c->turn_next = *bucket;
    *bucket = c;
    return true;
}

// The next one takes the place of the one that leaves, with those that wait behind it.
struct service_change *service__turn_pass(struct service_change *c)
{
    if (!c->has_turn)
        return NULL;
    struct service_change **place = job_bucket(c);
    while (*place != c)
        place = &(*place)->turn_next;
    struct service_change *next = c->behind;
    *place = next ? next : c->turn_next;
    c->has_turn = false;
    if (!next)
        return NULL;
    next->has_turn = true;
    next->turn_next = c->turn_next;
    next->last_behind = c->last_behind == next ? NULL : c->last_behind;
    return next;
}

// --- By key --------------------------------------------------------------------------------------

static struct service_change **key_bucket(struct service *s, const char *text)
{
    return &s->keyed[hash_text(text)];
}

bool service__key_take(struct service_change *c)
{
    assert(!c->has_key);
    if (!c->key.text)
        return true;
    struct service_change **bucket = key_bucket(c->service, c->key.text);
    for (const struct service_change *other = *bucket; other; other = other->keyed_next)
        if (strcmp(other->key.text, c->key.text) == 0)
            return false;
    c->has_key = true;
    c->keyed_next = *bucket;
    *bucket = c;
    return true;
}

void service__key_leave(struct service_change *c)
{
    if (!c->has_key)
        return;
    struct service_change **place = key_bucket(c->service, c->key.text);
    while (*place != c)
        place = &(*place)->keyed_next;
    *place = c->keyed_next;
    c->has_key = false;
}
