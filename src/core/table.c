// SPDX-License-Identifier: MIT
// table.c: where the core keeps its jobs, target hosts and open executions.
//
// Everything is found by a number or a hash that does not depend on addresses, so that the same
// events give the same actions in every run.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

// --- Jobs by id ---

static struct core_job **job_page(struct job_table *t, job_id id, bool create)
{
    size_t page = (size_t)(id / JOB_PAGE);
    if (page >= t->page_count) {
        if (!create)
            return NULL;
        size_t count = MAX(page + 1, t->page_count * 2);
        t->pages = xrealloc(t->pages, count * sizeof *t->pages);
        t->page_used = xrealloc(t->page_used, count * sizeof *t->page_used);
        memset(t->pages + t->page_count, 0, (count - t->page_count) * sizeof *t->pages);
        memset(t->page_used + t->page_count, 0, (count - t->page_count) * sizeof *t->page_used);
        t->page_count = count;
    }
    if (!t->pages[page] && create)
        t->pages[page] = xcalloc(JOB_PAGE, sizeof **t->pages);
    return t->pages[page];
}

struct core_job *core__job_find(struct core *c, job_id id)
{
    if (id <= 0)
        return NULL;
    struct core_job **page = job_page(&c->jobs, id, false);
    struct core_job *j = page ? page[id % JOB_PAGE] : NULL;
    return j && !j->deleted ? j : NULL;
}

void core__job_insert(struct core *c, struct core_job *j)
{
    struct core_job **page = job_page(&c->jobs, j->id, true);
    assert(!page[j->id % JOB_PAGE]);
    page[j->id % JOB_PAGE] = j;
    c->jobs.page_used[j->id / JOB_PAGE]++;
    c->jobs.count++;
}

void core__job_remove(struct core *c, struct core_job *j)
{
    size_t page = (size_t)(j->id / JOB_PAGE);
    c->jobs.pages[page][j->id % JOB_PAGE] = NULL;
    c->jobs.count--;
    if (--c->jobs.page_used[page] == 0) {
        free(c->jobs.pages[page]);
        c->jobs.pages[page] = NULL;
    }
}

// --- Target hosts by origin ---

static uint32_t text_hash(const char *text)
{
    uint32_t hash = 2166136261u; // FNV-1a.
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

struct host *core__host_take(struct core *c, const char *api)
{
    char origin[ORIGIN_BYTES];
    url_origin(api, origin);
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
        memcpy(h->origin, origin, sizeof h->origin);
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
    agenda_remove(c->breakers, &h->breaker);
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
    o->job_next = j->first_open;
    if (o->job_next)
        o->job_next->job_previous = o;
    j->first_open = o;
    return o;
}

void core__open_free(struct core *c, struct open *o)
{
    struct core_job *j = o->job;
    *(o->job_previous ? &o->job_previous->job_next : &j->first_open) = o->job_next;
    if (o->job_next)
        o->job_next->job_previous = o->job_previous;
    free(o->error);
    free(o->body);
    o->record = (struct execution){0};
    o->queue_next = c->pool.free;
    c->pool.free = o;
    c->pool.used--;
}

// The low half is the place in the pool, the high half of the row's id tells a later tenant apart.
uint64_t core__ticket(const struct open *o)
{
    return (uint64_t)o->record.id << 32 | o->index;
}

struct open *core__open_by_ticket(struct core *c, uint64_t ticket)
{
    uint32_t index = (uint32_t)ticket;
    assert(index / CHUNK < c->pool.chunk_count);
    struct open *o = &c->pool.chunks[index / CHUNK][index % CHUNK];
    assert(o->record.id && core__ticket(o) == ticket && o->phase == PHASE_FLYING);
    return o;
}

static void job_free_memory(struct core *c, struct core_job *j)
{
    while (j->first_open)
        core__open_free(c, j->first_open);
    free((char *)j->api);
    free(j);
}

void core__tables_free(struct core *c)
{
    for (size_t p = 0; p < c->jobs.page_count; p++) {
        for (size_t i = 0; c->jobs.pages[p] && i < JOB_PAGE; i++)
            if (c->jobs.pages[p][i])
                job_free_memory(c, c->jobs.pages[p][i]);
        free(c->jobs.pages[p]);
    }
    free(c->jobs.pages);
    free(c->jobs.page_used);
    intern_fini(&c->timings);
    intern_fini(&c->policies);
    for (size_t i = 0; i < HOST_BUCKETS; i++) {
        while (c->hosts[i]) {
            struct host *next = c->hosts[i]->next;
            free(c->hosts[i]);
            c->hosts[i] = next;
        }
    }
    for (size_t i = 0; i < c->pool.chunk_count; i++)
        free(c->pool.chunks[i]);
    free(c->pool.chunks);
}
