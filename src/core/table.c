// SPDX-License-Identifier: MIT
// table.c: where the core keeps target hosts and open executions.
//
// Everything is found by a number or a hash that does not depend on addresses, so that the same
// events give the same actions in every run.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

// --- Target hosts by origin ---

static uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261u; // FNV-1a.
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

struct host *core__host_take(struct core *c, const char *origin)
{
    uint32_t hash = text_hash(origin);
    struct host **bucket = &c->hosts[hash % HOST_BUCKETS];
    struct host *h = *bucket;
    while (h && strcmp(h->origin, origin) != 0)
        h = h->next;
    if (!h) {
        h = xcalloc(1, sizeof *h);
        h->hash = hash;
        h->gate.limit = c->limits.host_in_flight_max;
        h->gate.is_host = true;
        memcpy(h->origin, origin, strlen(origin) + 1);
        h->next = *bucket;
        *bucket = h;
    }
    h->users++;
    return h;
}

void core__host_release(struct core *c, struct host *h)
{
    if (!h || --h->users > 0)
        return;
    assert(h->gate.in_flight == 0);
    core__breaker_forget(c, h);
    if (core__paces_linger(c, h))
        return; // The last of their timers comes here again.
    struct host **link = &c->hosts[h->hash % HOST_BUCKETS];
    while (*link != h)
        link = &(*link)->next;
    *link = h->next;
    free(h);
}

// --- Open executions ---

#define CHUNK 1024

static struct open *pool_take(struct pool *p)
{
    if (!p->free) {
        p->chunks = xrealloc(p->chunks, (p->chunk_count + 1) * sizeof *p->chunks);
        struct open *chunk = xcalloc(CHUNK, sizeof *chunk);
        for (size_t i = CHUNK; i-- > 0;) {
            chunk[i].index = (uint32_t)(p->chunk_count * CHUNK + i);
            chunk[i].queue_next = p->free;
            p->free = &chunk[i];
        }
        p->chunks[p->chunk_count++] = chunk;
    }
    struct open *o = p->free;
    p->free = o->queue_next;
    p->used++;
    uint32_t index = o->index;
    *o = (struct open){.index = index};
    return o;
}

struct open *core__open_new(struct core *c, struct core_job *j)
{
    struct open *o = pool_take(&c->pool);
    o->job = j;
    o->plan_version = j->plan_version;
    if (j->host) // An execution without a job has none.
        j->host->open++;
    o->job_next = j->first_open;
    if (o->job_next)
        o->job_next->job_previous = o;
    j->first_open = o;
    return o;
}

void core__open_free(struct core *c, struct open *o)
{
    struct core_job *j = o->job;
    core__linger_end(c, o);
    if (j->host)
        j->host->open--;
    *(o->job_previous ? &o->job_previous->job_next : &j->first_open) = o->job_next;
    if (o->job_next)
        o->job_next->job_previous = o->job_previous;
    free(o->error);
    free(o->body);
    free(o->held_by);
    free(o->notes);
    free(o->run);
    free((char *)(uintptr_t)o->record.origin);
    o->record = (struct execution){0};
    o->queue_next = c->pool.free;
    c->pool.free = o;
    c->pool.used--;
}

static struct open *find_among(const struct core_job *j, const struct execution_key *key)
{
    for (struct open *o = j->first_open; o; o = o->job_next) {
        const struct execution_key *k = &o->record.key;
        if (k->job == key->job && k->series == key->series && k->scheduled_at == key->scheduled_at)
            return o;
    }
    return NULL;
}

// Also one of a job that is deleted, whose last attempt is under way.
struct open *core__open_of_key(const struct core *c, const struct execution_key *key)
{
    const struct core_job *j = core__job_from(c, key->job);
    struct open *o = j && j->id == key->job ? find_among(j, key) : NULL;
    return o ? o : find_among(&c->nobody, key);
}

// The low half is the place in the pool, the high half tells the attempt from all others that were
// made from there. The row's id would not do: when its shard was lost and has come back, it may be
// in the same place while its last request is still being given up.
uint64_t core__ticket(const struct open *o)
{
    return (uint64_t)o->flight << 32 | o->index;
}

struct open *core__open_of(struct agenda_node *n)
{
    return (struct open *)((char *)n - offsetof(struct open, due));
}

struct open *core__open_of_outcome(const struct core *c, const struct outcome *out)
{
    const struct core_shard *s = &c->shards[out->shard];
    if (s->state <= SHARD_LOADING || s->row.epoch != out->epoch)
        return NULL;
    uint64_t ticket = out->ticket;
    uint32_t index = (uint32_t)ticket;
    assert(index / CHUNK < c->pool.chunk_count);
    struct open *o = &c->pool.chunks[index / CHUNK][index % CHUNK];
    assert(o->record.id && core__ticket(o) == ticket && core__is_flying(o));
    return o;
}

void core__tables_free(struct core *c)
{
    intern_fini(&c->timings);
    intern_fini(&c->policies);
    for (size_t i = 0; i < HOST_BUCKETS; i++) {
        while (c->hosts[i]) {
            struct host *next = c->hosts[i]->next;
            core__paces_free(c->hosts[i]);
            free(c->hosts[i]);
            c->hosts[i] = next;
        }
    }
    for (size_t i = 0; i < c->pool.chunk_count; i++)
        free(c->pool.chunks[i]);
    free(c->pool.chunks);
}
