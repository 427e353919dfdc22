// SPDX-License-Identifier: MIT
// load.c: a shard is gained and lost: what the engine does of it on its own thread.
//
// What the shard holds is read by the loader, and comes by mail, a part at a time, between all
// other events. Commands for a shard that is being loaded are held back until it is loaded or lost.
// A job that cannot be used is told to the core as such, with the reason, and all others go on.
//
// A start is the same, but for two things: whatever is gained is only begun when all of it is
// there, since a start that fails must have done nothing; and until then every command is held
// back.
//
//        gained            all parts came                    the core has settled what came
//   NONE -----> READING ------------------> READ -----> SETTLING -----> NONE, and the core's
//    ^             |                         |              |
//    +-------------+-------------------------+--------------+
//                 lost, or another's by the end

#include "base/metrics.h"
#include "engine/engine_priv.h"
#include "zones/zones.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// --- Commands that are held back -----------------------------------------------------------------

static uint32_t shard_asked(const struct engine *e, const struct command *c)
{
    return c->id ? shard_of(c->id, store_shard_count(e->store)) : c->shard;
}

static bool is_held_back(const struct engine *e, const struct command *c)
{
    uint32_t shard = shard_asked(e, c);
    assert(shard < store_shard_count(e->store));
    if (e->stopping || e->draining)
        return false;
    return !e->has_started || e->loads[shard].phase != LOAD_NONE;
}

static void carry_out(struct engine *e, struct engine_mail *m)
{
    engine__step(e, &(struct event){.kind = EVENT_COMMAND, .command = &m->command});
}

// engine_submit sees to it that these are not many more than may wait in the mailbox.
void engine__command(struct engine *e, struct engine_mail *m)
{
    if (!is_held_back(e, &m->command)) {
        carry_out(e, m);
        return;
    }
    m->mail.next = NULL;
    *(e->held_back_last ? &e->held_back_last->mail.next : &e->held_back) = &m->mail;
    e->held_back_last = m;
    atomic_fetch_add(&e->held_back_count, 1);
}

void engine__release_commands(struct engine *e)
{
    struct mail *all = e->held_back;
    e->held_back = NULL;
    e->held_back_last = NULL;
    atomic_store(&e->held_back_count, 0);
    while (all) {
        struct engine_mail *m = (struct engine_mail *)all;
        all = all->next;
        engine__command(e, m);
    }
}

// --- A part comes --------------------------------------------------------------------------------

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

// The zone is looked for again: its rules may have been replaced since the loader did.
static void add_job(struct engine *e, const struct loaded_job *l)
{
    char reason[JOB_REASON_BYTES];
    const struct zone *zone = l->zone;
    if (l->reason) {
        core_add_unusable(e->core, l->job, l->reason);
        return;
    }
    if (zone_find(l->job->timezone, &zone, NULL))
        zone = l->zone;
    if (core_add_job(e->core, l->job, zone) == ERR_OK)
        return;
    bool has_reason = explain_schedule(l->job, reason, sizeof reason);
    core_add_unusable(e->core, l->job, has_reason ? reason : NULL); // Else there are too many.
}

static void add_executions(struct engine *e, const struct load_part *p)
{
    for (size_t i = 0; i < p->execution_count; i++) {
        enum err err = core_add_execution(e->core, &p->executions[i]);
        assert(err == ERR_OK); // An execution is always taken.
        (void)err;
    }
    metric_add(METRIC_executions_recovered, (int64_t)p->execution_count);
}

static void note_ready(struct engine *e, const struct fault *f)
{
    pthread_mutex_lock(&e->lock);
    e->start_is_ready = true;
    if (f && !e->start_fault.code)
        e->start_fault = *f;
    pthread_cond_broadcast(&e->turned);
    pthread_mutex_unlock(&e->lock);
}

static void enter(struct engine *e, struct shard_load *s, enum load_phase to)
{
    assert(to == LOAD_NONE || to == s->phase + 1);
    e->loading += (to != LOAD_NONE);
    e->loading -= (s->phase != LOAD_NONE);
    e->reading += (to == LOAD_READING);
    e->reading -= (s->phase == LOAD_READING);
    s->phase = to;
}

// The shard is the core's alone, or nobody's.
static void leave(struct engine *e, uint32_t number)
{
    struct shard_load *s = &e->loads[number];
    engine__loader_forget(e->loader, number);
    enter(e, s, LOAD_NONE);
    *s = (struct shard_load){0};
    if (!e->has_started)
        return;
    if (e->loading == 0)
        engine__log_gains(e);
    engine__release_commands(e);
}

static void settle(struct engine *e, uint32_t number)
{
    if (e->loads[number].phase != LOAD_SETTLING || !core_has_shard(e->core, number))
        return;
    if (!e->loads[number].is_of_start)
        engine__note_gain(&e->gains, number, &e->loads[number]);
    leave(e, number);
    if (e->shard_loaded)
        e->shard_loaded(e->context, number, core_epoch(e->core, number));
}

void engine__look_at_settling(struct engine *e)
{
    if (!e->has_started || e->loading == e->reading)
        return;
    for (uint32_t i = 0; i < store_shard_count(e->store); i++)
        settle(e, i);
}

static void begin_shard(struct engine *e, uint32_t number)
{
    struct shard_load *s = &e->loads[number];
    assert(core_epoch(e->core, number) == s->epoch);
    enter(e, s, LOAD_SETTLING);
    engine__step(e, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = number});
}

static void look_whether_ready(struct engine *e)
{
    if (e->start_was_asked && e->reading == 0)
        note_ready(e, NULL);
}

// What others have taken while it was read is told to the cluster, since the store has said so.
static void end_of_shard(struct engine *e, struct shard_load *s, const struct load_part *p)
{
    uint32_t number = p->row.number;
    if (!p->is_ours) {
        engine__shard_lost(e, number);
        engine__tell_fenced(e, number, p->row.epoch);
        return;
    }
    enter(e, s, LOAD_READ);
    if (e->has_started)
        begin_shard(e, number);
    look_whether_ready(e);
}

// The failure was meant for the start, which had succeeded without this shard meanwhile.
static void load_again(struct engine *e, struct shard_load *s, const struct shard *row)
{
    if (core_epoch(e->core, row->number))
        engine__step(e, &(struct event){.kind = EVENT_SHARD_LOST, .shard_number = row->number});
    s->jobs = s->executions = 0;
    engine__loader_forget(e->loader, row->number);
    engine__loader_add(e->loader, row);
}

static void take(struct engine *e, struct shard_load *s, const struct load_part *p)
{
    switch (p->kind) {
    case PART_ROW:
        engine__step(e, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = p->row});
        break;
    case PART_JOBS:
        for (size_t i = 0; i < p->job_count; i++)
            add_job(e, &p->jobs[i]);
        break;
    case PART_OPEN:
        add_executions(e, p);
        break;
    case PART_END:
        end_of_shard(e, s, p);
        return; // The shard may be lost.
    case PART_FAILED:
        if (e->has_started)
            load_again(e, s, &p->row);
        else
            note_ready(e, &p->fault);
        return;
    }
    s->jobs += p->job_count;
    s->executions += p->execution_count;
}

// A part of a shard that was lost since is dropped.
void engine__part(struct engine *e, struct load_part *p)
{
    struct shard_load *s = &e->loads[p->row.number];
    if (!e->stopping && s->epoch == p->row.epoch) {
        assert(s->phase == LOAD_READING);
        take(e, s, p);
    }
    if (p->ends_slice)
        engine__loader_took(e->loader);
    engine__part_free(p);
}

// --- A shard comes and goes ----------------------------------------------------------------------

void engine__shard_gained(struct engine *e, const struct shard *row)
{
    assert(row->number < store_shard_count(e->store) && row->epoch > 0 && row->tick == 0);
    struct shard_load *s = &e->loads[row->number];
    if (e->stopping)
        return;
    assert(s->epoch < row->epoch && core_epoch(e->core, row->number) < row->epoch);
    engine__shard_lost(e, row->number); // If the node had it before.
    *s = (struct shard_load){.epoch = row->epoch, .began = engine__now(e).mono};
    enter(e, s, LOAD_READING);
    engine__loader_add(e->loader, row);
}

void engine__shard_lost(struct engine *e, uint32_t number)
{
    assert(number < store_shard_count(e->store));
    struct shard_load *s = &e->loads[number];
    int64_t epoch = MAX(s->epoch, core_epoch(e->core, number));
    engine__give_fenced(e, number, e->givings[number].epoch); // Another may have it by now.
    if (epoch == 0)
        return;
    engine__note_loss(&e->losses, number, epoch);
    if (core_epoch(e->core, number))
        engine__step(e, &(struct event){.kind = EVENT_SHARD_LOST, .shard_number = number});
    if (s->phase != LOAD_NONE)
        leave(e, number); // What was asked of it meanwhile is refused.
    look_whether_ready(e);
}

void engine__forget_load(struct engine *e, uint32_t number)
{
    if (e->loads[number].phase != LOAD_NONE)
        leave(e, number);
}

// --- A start -------------------------------------------------------------------------------------

void engine__start_asked(struct engine *e)
{
    if (e->stopping)
        return;
    e->start_was_asked = true;
    look_whether_ready(e);
}

void engine__begin(struct engine *e)
{
    if (e->stopping)
        return;
    assert(e->start_was_asked && !e->has_started && e->writer);
    engine__log_start(e);
    e->has_started = true;
    engine__loader_end_start(e->loader);
    for (uint32_t i = 0; i < store_shard_count(e->store); i++) {
        if (e->loads[i].phase != LOAD_READ)
            continue;
        e->loads[i].is_of_start = true;
        begin_shard(e, i);
    }
}
