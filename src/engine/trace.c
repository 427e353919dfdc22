// SPDX-License-Identifier: MIT
// trace.c: what the log says of executions, of jobs that the core itself has moved, and of a start.
//
// Executions are of level debug: a busy server has thousands of them in a second. What fails for
// good is an alert besides. A line about a job waits until its change is durable (held.c).

#include "base/metrics.h"
#include "engine/engine_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// --- Executions ---

void engine__trace_send(const struct send *s)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    char id[EXECUTION_ID_BYTES], url[256];
    const struct request *r = &s->request;
    execution_id_format(&r->key, id);
    // Without its query, in which credentials may stand.
    snprintf(url, sizeof url, "%.*s", (int)MIN(strcspn(r->api, "?#"), sizeof url - 1), r->api);
    const char *id_text = id, *url_text = url;
    log_debug("attempt.started", LOG_INT("job_id", r->key.job), LOG_TEXT("execution_id", id_text),
              LOG_INT("attempt", r->attempt), LOG_TEXT("method", job_method_name(r->method)),
              LOG_TEXT("url", url_text));
}

void engine__trace_outcome(const struct core *c, const struct outcome *o)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    struct execution_key key;
    unsigned attempt;
    char id[EXECUTION_ID_BYTES];
    if (!core_flight(c, o, &key, &attempt))
        return;
    execution_id_format(&key, id);
    const char *text = id;
    log_debug("attempt.ended", LOG_INT("job_id", key.job), LOG_TEXT("execution_id", text),
              LOG_INT("attempt", attempt), LOG_INT("http_status", o->attempt.http_status),
              LOG_INT("ms", o->attempt.duration_ms), LOG_TEXT("error", o->attempt.error));
}

void engine__trace_execution(const struct execution *e)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    char id[EXECUTION_ID_BYTES];
    execution_id_format(&e->key, id);
    const char *text = id;
    dur_ms ms = e->started_at && e->completed_at ? e->completed_at - e->started_at : 0;
    log_debug("execution.ended", LOG_INT("job_id", e->key.job), LOG_TEXT("execution_id", text),
              LOG_TEXT("status", execution_state_name(e->state)), LOG_INT("ms", ms),
              LOG_INT("attempts", e->attempts), LOG_TEXT("error", e->error ? e->error : e->reason));
}

// --- Jobs ---

void engine__log_move(const struct job_state *s)
{
    static const char *const names[] = {[JOB_MOVE_FINISHED] = "job.finished",
                                        [JOB_MOVE_PAUSED] = "job.paused",
                                        [JOB_MOVE_RESUMED] = "job.resumed"};
    static const char *const reasons[] = {[JOB_MOVE_FINISHED] = "its schedule can fire no more",
                                          [JOB_MOVE_RESUMED] = "the end of its pause has come"};
    assert(s->move != JOB_MOVE_NONE && (size_t)s->move < COUNT_OF(names));
    const char *reason = s->move == JOB_MOVE_PAUSED ? s->paused_reason : reasons[s->move];
    log_info(names[s->move], LOG_INT("job_id", s->id), LOG_INT("version", s->version),
             LOG_TEXT("reason", reason));
}

// --- Shards ---

void engine__note_gain(struct tenures *t, uint32_t number, const struct shard_load *s)
{
    if (t->shards++ == 0) {
        t->number = number;
        t->epoch = s->epoch;
        t->began = s->began;
    }
    t->began = MIN(t->began, s->began);
    t->jobs += s->jobs;
    t->executions += s->executions;
}

void engine__note_loss(struct tenures *t, uint32_t number, int64_t epoch)
{
    if (t->shards++ == 0) {
        t->number = number;
        t->epoch = epoch;
    }
}

void engine__log_gains(struct engine *e)
{
    const struct tenures t = e->gains;
    e->gains = (struct tenures){0};
    if (t.shards == 1)
        log_info("shard.gained", LOG_INT("shard", t.number), LOG_INT("epoch", t.epoch),
                 LOG_INT("jobs", t.jobs), LOG_INT("unfinished", t.executions),
                 LOG_INT("ms", engine__now(e).mono - t.began));
    else if (t.shards > 1)
        log_info("shards.gained", LOG_INT("shards", t.shards), LOG_INT("jobs", t.jobs),
                 LOG_INT("unfinished", t.executions), LOG_INT("ms", engine__now(e).mono - t.began));
}

void engine__log_losses(struct engine *e)
{
    const struct tenures t = e->losses;
    e->losses = (struct tenures){0};
    if (t.shards == 1)
        log_info("shard.lost", LOG_INT("shard", t.number), LOG_INT("epoch", t.epoch));
    else if (t.shards > 1)
        log_info("shards.lost", LOG_INT("shards", t.shards));
}

// --- A start ---

// The shards that were gained, and the one among them that is furthest behind; new ones are behind
// nothing. A node without any has 0 of them.
static struct shard oldest_of(const struct engine *e, uint32_t *count)
{
    struct shard oldest = {0};
    *count = 0;
    for (uint32_t i = 0; i < store_shard_count(e->store); i++) {
        if (e->loads[i].phase != LOAD_READ)
            continue;
        struct shard row = core_shard(e->core, i);
        bool is_older = row.watermark && row.watermark < oldest.watermark;
        if ((*count)++ == 0 || oldest.watermark == 0 || is_older)
            oldest = row;
    }
    return oldest;
}

void engine__log_start(struct engine *e)
{
    uint32_t shards;
    const struct shard p = oldest_of(e, &shards);
    struct core_status s = core_status(e->core);
    struct now now = engine__now(e);
    char at[RFC3339_BYTES] = "none";
    const char *text = at;
    if (p.watermark)
        wall_format(p.watermark, at);
    bool behind = p.watermark && p.watermark < now.wall;
    e->begun = behind ? now : (struct now){0};
    log_info("engine.started", LOG_INT("jobs", s.jobs), LOG_INT("active", s.jobs_active),
             LOG_INT("unfinished", s.open), LOG_TEXT("watermark", text),
             LOG_INT("behind_ms", behind ? now.wall - p.watermark : 0), LOG_INT("epoch", p.epoch),
             LOG_INT("shards", shards));
    pthread_mutex_lock(&e->lock);
    e->status.started_at = now.wall;
    e->status.epoch = p.epoch;
    pthread_mutex_unlock(&e->lock);
}

void engine__log_caught_up(struct engine *e, wall_ms watermark)
{
    if (watermark < e->begun.wall)
        return;
    log_info("engine.caught_up", LOG_INT("planned", metric_get(METRIC_executions_caught_up)),
             LOG_INT("missed", metric_get(METRIC_executions_missed)),
             LOG_INT("ms", e->now.mono - e->begun.mono));
    e->begun = (struct now){0};
}
