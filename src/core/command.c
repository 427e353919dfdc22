// SPDX-License-Identifier: MIT
// command.c: what clients ask for: create, update, delete, trigger. Bulks, replays
// and cancellations have files of their own.
//
// A change takes effect at the instant of the step (`effective_from`): occurrences up to it belong
// to the old version, later ones to the new. A change that alters which occurrences there are first
// settles what the old version still owes, then plans the new one up to the watermark, all in the
// batch that also holds the change itself. What else befalls a job is in lifecycle.c.

#include "core/core_priv.h"

#include <string.h>

static void put_job(struct core *c, struct job *row)
{
    core__change(c, core__shard_of(c, row->id), CHANGE_JOB_PUT)->job = row;
}

// What the client will read: the row it asked for, and what the core has made of it since, such as
// the runs that are planned already.
static struct job *row_as_it_stands(struct core *c, const struct core_job *j, const struct job *row)
{
    struct job *copy = job_copy(row);
    struct job_state state = core__job_state(c, j, NULL);
    job_apply_state(copy, &state);
    return copy;
}

// A refused job. The client is told why the job would never run, which depends on its id when its
// schedule has an `H`.
static void give_back(struct job *row, struct reply *r)
{
    if (r->err == ERR_RANGE) {
        r->job = row->id;
        r->row = row;
    } else {
        job_free(row);
    }
}

// What the row of a new job becomes, `before` others being created before it.
static void stamp_new(const struct core *c, const struct command *cmd, uint32_t before)
{
    struct job *row = cmd->job;
    const struct core_shard *s = &c->shards[cmd->shard];
    row->id = shard_id(cmd->shard, s->row.job_next + before, c->limits.shards);
    row->version = 1;
    row->created_at = row->updated_at = row->effective_from = c->now.wall;
    row->finished = false;
    row->runs = 0;
    row->failures = 0;
    job_set_text(&row->trouble, NULL);
}

static enum err check_new(const struct core *c, const struct command *cmd, struct timing *timing)
{
    const struct job *row = cmd->job;
    enum err err = core__timing_read(row, core__zone_now(c, cmd->zone), cmd->schedule, timing);
    if (!err && core__timing_next(timing, 0, c->now.wall) == WALL_NEVER)
        err = ERR_RANGE;
    if (!err && !core__texts_fit(c, NULL, row))
        err = ERR_SPACE;
    return err;
}

static void create(struct core *c, struct command *cmd, struct reply *r)
{
    struct job *row = cmd->job;
    struct core_job *j;
    struct timing timing;
    stamp_new(c, cmd, 0);
    r->err = check_new(c, cmd, &timing);
    if (!r->err)
        r->err = core__job_add(c, row, &timing, cmd->url, &j);
    if (r->err) {
        give_back(row, r);
        return;
    }
    c->shards[cmd->shard].row.job_next++;
    r->job = j->id;
    r->version = 1;
    put_job(c, row);
    core__record_version(c, j);
    core__incident_settle(c, j);
    core__job_begin(c, j);
    r->row = row_as_it_stands(c, j, row);
}

// How many of the job's runs the next version can use anew, since they are only planned.
static uint32_t returnable_runs(const struct core_job *j, wall_ms effective_from)
{
    uint32_t runs = 0;
    for (const struct open *o = j->first_open; o; o = o->job_next)
        runs += o->counted && !core__is_begun(o) && o->record.key.scheduled_at > effective_from;
    return runs;
}

// Whether the change asks for occurrences and there will be none.
static bool ends_at_once(const struct core *c, const struct core_job *j, const struct job *row,
                         const struct timing *timing)
{
    bool asks = row->is_active && (!j->active || memcmp(timing, j->timing, sizeof *timing) != 0);
    wall_ms from = core__job_change_begins(c, j);
    return asks &&
           core__timing_next(timing, j->runs - returnable_runs(j, from), from) == WALL_NEVER;
}

// Whether the change decides other occurrences than the row that it replaces. Which row that is is
// not known when the job has moved since it was read, or what was read was damaged.
static bool begins_version(const struct job *before, const struct job *row)
{
    bool is_known = before && !before->damaged && before->version == row->version - 1;
    return !is_known || job_version_begins(before, row);
}

// Before anything is settled: a refusal changes nothing.
static enum err check_update(struct core *c, const struct command *cmd, const struct core_job *j,
                             struct timing *timing)
{
    struct job *row = cmd->job;
    row->id = j->id;
    row->runs = j->runs;
    enum err err = core__timing_read(row, core__zone_now(c, cmd->zone), cmd->schedule, timing);
    if (!err && j->unusable && row->is_active && c->jobs.count > c->limits.jobs_max)
        err = ERR_LIMIT;
    if (!err && !core__texts_fit(c, j, row))
        err = ERR_SPACE;
    if (!err && ends_at_once(c, j, row, timing))
        err = ERR_RANGE;
    return err;
}

static void update(struct core *c, struct command *cmd, struct core_job *j, struct reply *r)
{
    struct job *row = cmd->job;
    struct timing timing;
    r->err = check_update(c, cmd, j, &timing);
    if (r->err) {
        give_back(row, r);
        return;
    }
    core__job_settle(c, j);
    bool was_at_most_once = j->policy->type == JOB_ATMOST_ONCE;
    row->version = j->version + 1;
    row->updated_at = c->now.wall;
    row->effective_from = core__job_change_begins(c, j);
    row->finished = row->is_active ? false : j->finished;
    row->runs = j->runs;
    row->failures = j->failures;
    job_set_text(&row->trouble, core__incidents_text(c, j));
    bool replans = core__job_configure(c, j, row, &timing, cmd->url);
    r->job = j->id;
    r->version = j->version;
    put_job(c, row);
    if (begins_version(cmd->before, row))
        core__record_version(c, j);
    if (replans)
        core__job_begin(c, j);
    core__job_watch_pause(c, j);
    core__incident_settle(c, j);
    if (j->policy->type == JOB_ATMOST_ONCE && !was_at_most_once)
        core__claim_flights(c, j);
    if (!j->active)
        core__job_stop(c, j, "the job was paused");
    core__heartbeats_regrace(c, j);
    core__gates_change_host(c, j);
    core__gate_resize(c, j); // Last, since it lets in who waited.
    r->row = row_as_it_stands(c, j, row);
}

static void delete_job(struct core *c, struct core_job *j, struct reply *r)
{
    core__job_settle(c, j);
    r->job = j->id;
    r->version = j->version;
    struct core_shard *s = core__shard_of(c, j->id);
    struct change *change = core__change(c, s, CHANGE_JOB_DELETE);
    change->deleted.id = j->id;
    change->deleted.at = c->now.wall;
    agenda_remove(s->front->plan, &j->plan);
    agenda_remove(c->resumes, &j->resume);
    c->jobs_active -= j->active;
    j->active = false;
    j->deleted = true;
    core__incident_forget(c, j);
    core__record_version(c, j);
    bool idle = !j->first_open;
    core__job_stop(c, j, "the job was deleted"); // The last one to go takes the job with it.
    if (idle)
        core__job_settle_open(c, j);
}

static void trigger(struct core *c, struct command *cmd, struct core_job *j, struct reply *r)
{
    struct execution row = {
        .key = {.job = j->id, .scheduled_at = c->now.wall, .series = -1},
        .trigger = TRIGGER_MANUAL,
        .request_body = cmd->body,
        .request_body_is_json = cmd->body_is_json,
    };
    struct open *o = core__open_plan(c, j, &row);
    r->job = j->id;
    r->version = j->version;
    r->key = o->record.key;
    core__advance(c, o);
}

static void cancel(struct core *c, const struct command *cmd, struct reply *r)
{
    r->job = cmd->id;
    r->key = cmd->execution;
    r->err = core__cancel_on_request(c, &cmd->execution);
}

// A clock that holds nothing is right already: nothing changes.
static void accept_clock(struct core *c, uint32_t shard)
{
    struct front *f = c->shards[shard].front;
    if (f->watermark > c->now.wall + c->limits.lookahead_ms)
        core__clock_correct(c, f);
}

static void ack_alert(struct core *c, const struct command *cmd)
{
    struct core_shard *s = &c->shards[shard_of(cmd->id, c->limits.shards)];
    struct change *change = core__change(c, s, CHANGE_ALERT_ACK);
    change->ack.id = cmd->id;
    change->ack.at = c->now.wall;
    struct core_job *j = core__job_find(c, cmd->alert_job);
    if (j && cmd->incident_id)
        core__incident_acknowledge(c, j, cmd->incident_id);
}

static void hear_target(struct core *c, const struct command *cmd, struct reply *r)
{
    r->job = cmd->id;
    r->key = cmd->execution;
    r->err = cmd->kind == COMMAND_NOTE ? core__note(c, cmd) : core__complete(c, cmd);
}

static void act(struct core *c, struct command *cmd, struct core_job *j, struct reply *r)
{
    switch (cmd->kind) {
    case COMMAND_CREATE:
        create(c, cmd, r);
        break;
    case COMMAND_UPDATE:
        update(c, cmd, j, r);
        break;
    case COMMAND_DELETE:
        delete_job(c, j, r);
        break;
    case COMMAND_TRIGGER:
        trigger(c, cmd, j, r);
        break;
    case COMMAND_ACCEPT_CLOCK:
        accept_clock(c, cmd->shard);
        break;
    case COMMAND_BULK:
        core__bulk(c, cmd, r);
        break;
    case COMMAND_REPLAY:
        core__replay(c, j, cmd, r);
        break;
    case COMMAND_BACKFILL:
        core__backfill(c, j, cmd, r);
        break;
    case COMMAND_CANCEL:
        cancel(c, cmd, r);
        break;
    case COMMAND_ACK_ALERT:
        ack_alert(c, cmd);
        break;
    case COMMAND_COMPLETE:
    case COMMAND_NOTE:
        hear_target(c, cmd, r);
        break;
    case COMMAND_PING:
        core__ping(c, j, cmd, r);
        break;
    case COMMAND_RAISE_ALERT:
        core__record_server_alert(c, &c->shards[cmd->shard], cmd->alert);
        break;
    case COMMAND_OUTCOME:
        r->err = core__outcome_elsewhere(c, cmd);
        break;
    }
}

static uint32_t shard_meant(const struct core *c, const struct command *cmd)
{
    bool names_it =
        cmd->kind == COMMAND_CREATE || cmd->kind == COMMAND_ACCEPT_CLOCK || cmd->id == 0;
    return names_it ? cmd->shard : shard_of(MAX(cmd->id, 0), c->limits.shards);
}

// Claimed before the shard went to and fro: whoever has it now claims the command again.
static bool is_of_another_epoch(const struct core *c, const struct command *cmd)
{
    return command_id_is_set(&cmd->command_id) && cmd->epoch != core_epoch(c, shard_meant(c, cmd));
}

// Who does not have the command's shard, or is about to give it back, leaves the row to the next
// owner. What came of the command counts for all others, also a refusal.
static void record_reply(struct core *c, const struct command *cmd, struct reply *r)
{
    if (!command_id_is_set(&cmd->command_id) || r->err == ERR_AWAY || r->err == ERR_CLOSED)
        return;
    core__record_reply(c, &c->shards[shard_meant(c, cmd)], cmd, r);
    r->is_recorded = true;
}

static bool makes_executions(const struct command *cmd)
{
    return cmd->kind == COMMAND_TRIGGER || cmd->kind == COMMAND_REPLAY ||
           cmd->kind == COMMAND_BACKFILL;
}

static bool finds_room(const struct core *c, const struct command *cmd, const struct core_job *j)
{
    if (cmd->kind == COMMAND_TRIGGER)
        return core__has_room(c, j->host, LANE_FRESH);
    return core__has_room_behind(c, j->host, cmd->kind == COMMAND_BACKFILL ? cmd->count : 1);
}

static enum err refusal(const struct core *c, const struct command *cmd, const struct core_job *j)
{
    if (c->draining)
        return ERR_CLOSED;
    if (!core_has_shard(c, shard_meant(c, cmd)) || is_of_another_epoch(c, cmd))
        return ERR_AWAY;
    if (cmd->refusal)
        return cmd->refusal;
    bool names_no_job = cmd->kind == COMMAND_CREATE || cmd->kind == COMMAND_ACCEPT_CLOCK ||
                        cmd->kind == COMMAND_ACK_ALERT || cmd->kind == COMMAND_RAISE_ALERT;
    // The job of an attempt that is under way may be deleted.
    bool names_attempt = cmd->kind == COMMAND_OUTCOME || cmd->kind == COMMAND_CANCEL ||
                         cmd->kind == COMMAND_COMPLETE || cmd->kind == COMMAND_NOTE;
    if (names_no_job || names_attempt || cmd->kind == COMMAND_BULK)
        return ERR_OK;
    if (!j)
        return ERR_NOT_FOUND;
    if (cmd->kind == COMMAND_PING && !core__is_heartbeat(j))
        return ERR_NOT_FOUND;
    if ((makes_executions(cmd) || cmd->kind == COMMAND_PING) && j->unusable)
        return ERR_UNUSABLE;
    if (makes_executions(cmd) && core__is_heartbeat(j))
        return ERR_FORBIDDEN;
    if (makes_executions(cmd) && !finds_room(c, cmd, j))
        return ERR_LIMIT;
    if (cmd->version_expected && cmd->version_expected != j->version)
        return ERR_CONFLICT;
    return ERR_OK;
}

// --- Parts of a bulk -----------------------------------------------------------------------------

enum err core__part_check(struct core *c, struct command *part, uint32_t new_before)
{
    struct timing timing;
    struct core_job *j = core__job_find(c, part->id);
    enum err err = refusal(c, part, j);
    if (err || part->kind == COMMAND_DELETE)
        return err;
    if (part->kind == COMMAND_UPDATE)
        return check_update(c, part, j, &timing);
    stamp_new(c, part, new_before);
    return c->jobs.count + new_before < c->limits.jobs_max ? check_new(c, part, &timing)
                                                           : ERR_LIMIT;
}

void core__part_act(struct core *c, struct command *part, struct reply *r)
{
    act(c, part, core__job_find(c, part->id), r);
    core__record_audit(c, &c->shards[part->shard], part, r);
    part->job = NULL;
    job_free(r->row);
    r->row = NULL;
}

static void free_jobs(struct command *cmd)
{
    job_free(cmd->job);
    cmd->job = NULL;
    for (size_t i = 0; i < cmd->part_count; i++)
        free_jobs(&cmd->parts[i]);
}

void core__command(struct core *c, struct command *cmd)
{
    bool is_of_job = cmd->kind != COMMAND_ACK_ALERT;
    struct core_job *j = is_of_job ? core__job_find(c, cmd->id) : NULL; // NULL: names none.
    struct reply r = {.token = cmd->token, .err = refusal(c, cmd, j)};
    if (r.err)
        free_jobs(cmd);
    else
        act(c, cmd, j, &r);
    if (!r.err) {
        core__record_audit(c, &c->shards[shard_meant(c, cmd)], cmd, &r);
        core__record_client_key(c, cmd, &r);
        c->out->batch->awaited = true;
    }
    record_reply(c, cmd, &r);
    cmd->job = NULL; // Taken, or freed.
    *core__reply(c->out) = r;
}
