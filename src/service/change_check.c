// SPDX-License-Identifier: MIT
// change_check.c: whether a change is acceptable; what is checked becomes a command to the engine.
//
// The row of a job is judged as a whole, member by member (check.c). What its schedule and its URL
// mean is read there, and goes with the command.

#include "service/service_priv.h"

// What an `H` of a new job stands for is not known before the core has given the job its id.
static void hand_over(struct service_change *c, struct command *out)
{
    const struct service_schedule *s = &c->reading.schedule;
    c->schedule_is_known = c->kind == COMMAND_UPDATE || !cron_is_hashed(&s->compiled);
    out->job = c->row;
    out->zone = s->zone;
    out->schedule = c->schedule_is_known ? &s->compiled : NULL;
    out->url = c->row->kind == JOB_HEARTBEAT ? NULL : &c->reading.url;
    c->row = NULL;
}

// Who created the job never changes.
static void note_creation(const struct service_change *c, struct job *j)
{
    j->created_by = c->kind == COMMAND_CREATE ? c->by->token : c->before->created_by;
    j->texts_bytes = (int64_t)job_texts_bytes(j);
}

static enum err check_row(struct service_change *c, struct command *out, struct service_problem *p)
{
    struct job_check check = {.before = c->before,
                              .targets = c->service->targets,
                              .must_fire = c->must_fire || c->kind == COMMAND_CREATE,
                              .now = clock_wall_ms()};
    enum err err = service__check_job(c->row, &check, &c->reading, p);
    if (err)
        return err;
    note_creation(c, c->row);
    if (c->kind == COMMAND_UPDATE) {
        c->update = service__update_kind(c->before, c->row);
        out->version_expected = c->before->version;
        out->before = c->before;
    }
    service__audit_make(c);
    hand_over(c, out);
    return ERR_OK;
}

static bool carries_text(enum command_kind kind)
{
    return kind == COMMAND_TRIGGER || kind == COMMAND_REPLAY || kind == COMMAND_BACKFILL ||
           kind == COMMAND_COMPLETE || kind == COMMAND_NOTE || kind == COMMAND_PING;
}

// What a target or a heartbeat's task tells stands in the execution, and nowhere else.
static bool is_recorded(const struct service_change *c)
{
    return c->kind != COMMAND_NOTE && c->kind != COMMAND_PING &&
           !(c->kind == COMMAND_COMPLETE && c->attempt);
}

enum err service__change_check(struct service_change *c, struct command *out,
                               struct service_problem *p)
{
    *out = (struct command){.kind = c->kind,
                            .id = c->id,
                            .version_expected = c->version_expected,
                            .alert_job = c->alert_job,
                            .incident_id = c->incident_id,
                            .execution = c->execution,
                            .from = c->from,
                            .to = c->to,
                            .count = c->count,
                            .attempt = c->attempt,
                            .has_failed = c->has_failed,
                            .body = carries_text(c->kind) ? c->text : NULL,
                            .body_is_json = c->text_is_json,
                            .client_key = c->key.text ? &c->key : NULL,
                            .ping = c->ping,
                            .exit_status = c->exit_status,
                            .run = c->run,
                            .audit = is_recorded(c) ? &c->audit : NULL};
    if (c->kind == COMMAND_BACKFILL) // What was counted is what is carried out.
        out->version_expected = c->before->version;
    if (c->row)
        return check_row(c, out, p);
    if (is_recorded(c))
        service__audit_make(c);
    return service__check_body(out->body, p);
}
