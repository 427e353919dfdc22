// SPDX-License-Identifier: MIT
// turns.c: which changes are under way, by the job that they update and by the key of their client.
//
// The updates of one job take turns: each is made from the job as the one before has left it, so
// none is lost and none has to be made anew, however many clients change the job at once. A change
// that waits for its turn is begun by the service's thread. Of two changes with one key, only the
// first is under way; change_key.c knows those of before.
//
// Everything here happens under the service's lock.

#include "service/service_priv.h"

#include <assert.h>
#include <string.h>

// --- By job --------------------------------------------------------------------------------------

static struct service_change **job_bucket(struct service *s, job_id id)
{
    return &s->turns[(uint64_t)id % CHANGE_BUCKETS];
}

static struct service_change *whose_turn(struct service *s, job_id id)
{
    struct service_change *c = *job_bucket(s, id);
    while (c && c->id != id)
        c = c->turn_next;
    return c;
}

bool service__turn_take(struct service_change *c)
{
    assert(!c->has_turn);
    if (c->kind != COMMAND_UPDATE)
        return true;
    struct service_change *first = whose_turn(c->service, c->id);
    if (first) {
        *(first->last_behind ? &first->last_behind->behind : &first->behind) = c;
        first->last_behind = c;
        return false;
    }
    struct service_change **bucket = job_bucket(c->service, c->id);
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
    struct service_change **place = job_bucket(c->service, c->id);
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
    uint32_t hash = 2166136261u; // FNV-1a.
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return &s->keyed[hash % CHANGE_BUCKETS];
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
