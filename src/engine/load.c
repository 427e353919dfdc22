// SPDX-License-Identifier: MIT
// load.c: from the rows of the store to the core, when a shard was gained.
//
// A job that cannot be used is told to the core as such, with the reason, and all others go on.
// Only what is no fault of the job ends the start: the store cannot be read, or this machine's time
// zones.

#include "base/metrics.h"
#include "engine/engine_priv.h"
#include "zones/zones.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SLICE_ROWS 65536

struct load {
    struct engine *engine;
    struct store_reader *reader;
    struct store_slice slice;
    size_t count; // Rows of the slice at hand.
    struct fault *fault;
};

// Why the schedule cannot be used, in words; false when it can.
static bool explain_schedule(const struct job *j, char *out, size_t bytes)
{
    struct cron_options o = {.hash_seed = j->id, .gap = j->dst_gap, .fold = j->dst_fold};
    struct cron_schedule ignored;
    struct cron_error e = {0};
    char text[CRON_ERROR_BYTES];
    if (!cron_parse(j->schedule, strlen(j->schedule), &o, &ignored, &e))
        return false;
    cron_error_text(&e, text, sizeof text);
    snprintf(out, bytes, "its schedule cannot be used: %s", text);
    return true;
}

static void add_unusable(struct load *l, const struct job *j, const char *reason)
{
    core_add_unusable(l->engine->core, j, reason);
}

static enum err add_sound_job(struct load *l, const struct job *j, const struct zone *zone)
{
    char reason[JOB_REASON_BYTES];
    if (core_add_job(l->engine->core, j, zone) == ERR_OK)
        return ERR_OK;
    bool has_reason = explain_schedule(j, reason, sizeof reason);
    add_unusable(l, j, has_reason ? reason : NULL); // Else there are too many.
    return ERR_OK;
}

static enum err add_job(void *context, const struct job *j)
{
    struct load *l = context;
    l->slice.after = j->id;
    l->count++;
    char reason[JOB_REASON_BYTES];
    if (j->damaged) {
        snprintf(reason, sizeof reason, "its row holds what no version writes: %s", j->damaged);
        add_unusable(l, j, reason);
        return ERR_OK;
    }
    const struct zone *zone;
    struct fault f = {0};
    enum err err = zone_find(j->timezone, &zone, &f);
    if (!err)
        return add_sound_job(l, j, zone);
    if (err == ERR_SYSTEM)
        return fault_set(l->fault, err, "%s", f.text);
    snprintf(reason, sizeof reason, "its time zone cannot be used: %s", f.text);
    add_unusable(l, j, reason);
    return ERR_OK;
}

static enum err add_execution(void *context, const struct execution *x)
{
    struct load *l = context;
    l->slice.after = x->id;
    l->count++;
    metric_add(METRIC_executions_recovered, 1);
    return core_add_execution(l->engine->core, x);
}

// An id that is given twice would end the program at its commit. A row whose id nobody can have
// given counts for nothing.
static void raise(int64_t *next, int64_t last, int64_t max)
{
    if (last <= max)
        *next = MAX(*next, last + 1);
}

enum err engine__raise_ids(struct engine *e, struct shard *row, struct fault *f)
{
    struct last_ids last;
    enum err err = store_get_last_ids(e->store, row->number, &last, f);
    if (err)
        return err;
    assert(row->epoch > 0 && row->tick == 0); // Nobody has written in this epoch.
    raise(&row->job_next, last.job, JOB_ID_MAX - 1);
    raise(&row->execution_next, last.execution, INT64_MAX / 4);
    raise(&row->alert_next, last.alert, INT64_MAX / 4);
    return ERR_OK;
}

static enum err load_jobs(struct load *l)
{
    enum err err = ERR_OK;
    l->slice.after = 0;
    do {
        l->count = 0;
        err = store_load_jobs(l->reader, &l->slice, add_job, l, l->fault);
    } while (!err && l->count == l->slice.limit);
    return err;
}

static enum err load_open(struct load *l)
{
    enum err err = ERR_OK;
    l->slice.after = 0;
    do {
        l->count = 0;
        err = store_load_open(l->reader, &l->slice, add_execution, l, l->fault);
    } while (!err && l->count == l->slice.limit);
    return err;
}

enum err engine__load(struct engine *e, uint32_t shard, struct fault *f)
{
    struct load l = {.engine = e, .slice = {.shard = shard, .limit = SLICE_ROWS}, .fault = f};
    enum err err = store_reader_open(e->store, &l.reader, f);
    if (err)
        return err;
    err = load_jobs(&l);
    if (!err)
        err = load_open(&l);
    store_reader_close(l.reader);
    return err;
}
