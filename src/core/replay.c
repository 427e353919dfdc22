// SPDX-License-Identifier: MIT
// replay.c: what has been is carried out again: one execution, or all occurrences of a range.
//
// A replay is a manual execution that names its origin, the occurrence whose request it sends. Many
// may come at once, so replays go in the lane of catch-up, which leaves fresh occurrences their
// places. All rows of a range are in the batch of the command, so that a crash leaves all of them
// or none, and those that are not over go on after a crash like any others.

#include "core/core_priv.h"

static struct open *plan(struct core *c, struct core_job *j, const struct execution_key *origin,
                         const struct command *cmd)
{
    char id[EXECUTION_ID_BYTES];
    execution_id_format(origin, id);
    struct execution row = {
        .key = {.job = j->id, .scheduled_at = c->now.wall, .series = -1},
        .trigger = TRIGGER_REPLAY,
        .origin = id,
        .request_body = cmd->body,
        .request_body_is_json = cmd->body_is_json,
    };
    struct open *o = core__open_plan(c, j, &row);
    o->lane = LANE_CATCH_UP;
    return o;
}

bool core__is_replay(const struct open *o)
{
    return o->record.trigger == TRIGGER_REPLAY;
}

void core__replay(struct core *c, struct core_job *j, const struct command *cmd, struct reply *r)
{
    struct open *o = plan(c, j, &cmd->execution, cmd);
    r->job = j->id;
    r->version = j->version;
    r->key = o->record.key;
    core__advance(c, o);
}

// The key of an occurrence in the past, as far as it is known which clock it belonged to.
static struct execution_key occurrence(const struct core *c, const struct core_job *j, wall_ms at)
{
    const struct shard *row = &core__shard_of(c, j->id)->row;
    return (struct execution_key){
        .job = j->id, .scheduled_at = at, .series = at > row->corrected_at ? row->generation : 0};
}

// The occurrences are those of the job's present schedule, whether it ran then or not. ERR_RANGE:
// there is none.
void core__backfill(struct core *c, struct core_job *j, const struct command *cmd, struct reply *r)
{
    wall_ms to = MIN(cmd->to, c->now.wall);
    wall_ms at = core__timing_next(j->timing, 0, cmd->from - 1);
    r->err = at <= to ? ERR_OK : ERR_RANGE;
    for (uint32_t n = 0; n < cmd->count && at <= to; n++) {
        struct execution_key origin = occurrence(c, j, at);
        struct open *o = plan(c, j, &origin, cmd);
        if (n == 0)
            r->key = o->record.key;
        core__advance(c, o);
        at = core__timing_next(j->timing, 0, at);
    }
    r->job = j->id;
    r->version = j->version;
}
