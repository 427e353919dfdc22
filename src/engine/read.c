// SPDX-License-Identifier: MIT
// read.c: the loader reads a slice of what shards hold, as parts that are mailed to the engine.

#include "engine/loader_priv.h"
#include "zones/zones.h"

#include <assert.h>
#include <stdio.h>

void engine__part_free(struct load_part *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->job_count; i++) {
        job_free(p->jobs[i].job);
        free(p->jobs[i].reason);
    }
    free(p->jobs);
    free(p->executions);
    arena_clear(&p->texts);
    free(p);
}

// An id that is given twice would end the program at its commit. A row whose id nobody can have
// given counts for nothing.
static void raise_above(int64_t *next, int64_t last, int64_t max)
{
    if (last <= max)
        *next = MAX(*next, last + 1);
}

static const struct shard *row_of(const struct group *g, uint32_t number)
{
    size_t i = 0;
    while (i < g->count && g->rows[i].number != number)
        i++;
    assert(i < g->count); // What was asked for.
    return &g->rows[i];
}

struct load_part *engine__add_part(struct group *g, enum part_kind kind, const struct shard *row)
{
    struct load_part *p = xcalloc(1, sizeof *p);
    p->kind = kind;
    p->row = *row;
    *(g->last ? &g->last->next : &g->first) = p;
    g->last = p;
    return p;
}

// The part of the shard that the next row of the slice goes into; the shards come one by one.
static struct load_part *part_of(struct group *g, enum part_kind kind, uint32_t number)
{
    g->slice_count++;
    if (g->last && g->last->row.number == number)
        return g->last;
    return engine__add_part(g, kind, row_of(g, number));
}

static uint32_t shard_count(const struct group *g)
{
    return store_shard_count(g->loader->engine->store);
}

static struct shard_set set_of(const struct group *g, size_t count)
{
    struct shard_set s = {0};
    for (size_t i = 0; i < count; i++)
        shard_set_add(&s, g->rows[i].number);
    return s;
}

enum err engine__read_rows(struct group *g, size_t count)
{
    struct last_ids last[SHARDS_MAX];
    const struct shard_set of = set_of(g, count);
    enum err err = store_read_last_ids_of(g->loader->reader, &of, last, g->fault);
    for (size_t i = 0; i < count && !err; i++) {
        struct shard *row = &g->rows[i];
        assert(row->epoch > 0 && row->tick == 0); // Nobody has written in this epoch.
        raise_above(&row->job_next, last[row->number].job, JOB_ID_MAX - 1);
        raise_above(&row->execution_next, last[row->number].execution, INT64_MAX / 4);
        raise_above(&row->alert_next, last[row->number].alert, INT64_MAX / 4);
        engine__add_part(g, PART_ROW, row);
    }
    return err;
}

// Only what is no fault of the job ends the list: the machine's time zones cannot be read.
static enum err judge_job(struct group *g, struct loaded_job *out)
{
    char reason[JOB_REASON_BYTES];
    struct fault f = {0};
    const struct job *j = out->job;
    enum err err = j->damaged ? ERR_OK : zone_find(j->timezone, &out->zone, &f);
    if (err == ERR_SYSTEM)
        return fault_set(g->fault, err, "%s", f.text);
    if (j->damaged)
        snprintf(reason, sizeof reason, "its row holds what no version writes: %s", j->damaged);
    else
        snprintf(reason, sizeof reason, "its time zone cannot be used: %s", f.text);
    if (j->damaged || err)
        out->reason = xstrdup(reason);
    return ERR_OK;
}

static enum err note_job(void *context, const struct job *j)
{
    struct group *g = context;
    g->slice.shard = shard_of(j->id, shard_count(g));
    g->slice.after = j->id;
    struct load_part *p = part_of(g, PART_JOBS, g->slice.shard);
    p->jobs = grow(p->jobs, p->job_count, &p->job_capacity, sizeof *p->jobs);
    struct loaded_job *out = &p->jobs[p->job_count++];
    *out = (struct loaded_job){.job = job_copy(j)};
    return judge_job(g, out);
}

static enum err note_execution(void *context, const struct execution *x)
{
    struct group *g = context;
    g->slice.shard = shard_of(MAX(x->key.job, 0), shard_count(g)); // The row may be edited.
    g->slice.after = x->id;
    struct load_part *p = part_of(g, PART_OPEN, g->slice.shard);
    p->executions =
        grow(p->executions, p->execution_count, &p->execution_capacity, sizeof *p->executions);
    struct execution *out = &p->executions[p->execution_count++];
    *out = *x;
    out->error = arena_text(&p->texts, x->error);
    out->request_body = arena_text(&p->texts, x->request_body);
    out->held_by = arena_text(&p->texts, x->held_by);
    out->origin = arena_text(&p->texts, x->origin);
    out->notes = arena_text(&p->texts, x->notes);
    out->reason = arena_text(&p->texts, x->reason);
    return ERR_OK;
}

enum err engine__read_jobs(struct group *g, size_t count)
{
    (void)count; // As the slice says.
    return store_load_jobs(g->loader->reader, &g->slice, note_job, g, g->fault);
}

enum err engine__read_open(struct group *g, size_t count)
{
    (void)count; // As the slice says.
    return store_load_open(g->loader->reader, &g->slice, note_execution, g, g->fault);
}

// Only an epoch that stands after the last row was read tells that all rows were ours.
enum err engine__read_ends(struct group *g, size_t count)
{
    struct shard now[SHARDS_MAX];
    const struct shard_set of = set_of(g, count);
    enum err err = store_read_shards(g->loader->reader, &of, now, g->fault);
    for (size_t i = 0; i < count && !err; i++) {
        const struct shard *row = &g->rows[i];
        engine__add_part(g, PART_END, row)->is_ours = now[row->number].epoch == row->epoch;
    }
    return err;
}
