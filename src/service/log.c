// SPDX-License-Identifier: MIT
// log.c: what the log says of a change that is durable: which job, and what became of it.
//
// A line names the job by its id and its name, and a job that was made or changed also by when it
// runs and what it calls. An address is logged without its query, where credentials may stand. At
// the end of a line stands who asked, as far as that is known.

#include "base/log.h"
#include "service/service_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 10

struct line {
    size_t count;
    struct log_field fields[FIELDS_MAX];
    char url[256];
    char until[RFC3339_BYTES];
};

static void add(struct line *l, struct log_field field)
{
    assert(l->count < FIELDS_MAX);
    l->fields[l->count++] = field;
}

// Not every job has a name or a reason for its pause, and not every actor is known.
static void add_text(struct line *l, const char *name, const char *text)
{
    if (text && *text)
        add(l, LOG_TEXT(name, text));
}

static void add_job(struct line *l, const struct job *j)
{
    size_t bytes = strcspn(j->api, "?#");
    snprintf(l->url, sizeof l->url, "%.*s", (int)MIN(bytes, sizeof l->url - 1), j->api);
    add_text(l, "name", j->name);
    add_text(l, "schedule", j->schedule);
    add_text(l, "timezone", j->timezone);
    add_text(l, "method", job_method_name(j->method));
    add_text(l, "url", l->url);
}

static void add_pause(struct line *l, const struct job *j)
{
    add_text(l, "name", j->name);
    add_text(l, "reason", j->paused_reason);
    if (j->paused_until == WALL_NEVER)
        return;
    wall_format(j->paused_until, l->until);
    add_text(l, "until", l->until);
}

static void add_actor(struct line *l, const struct actor *by)
{
    add_text(l, "token", by->token_name);
    add_text(l, "client", by->address);
    add_text(l, "request_id", by->request_id);
}

static void write_line(struct line *l, const char *event, const struct actor *by)
{
    add_actor(l, by);
    log_write(LOG_LEVEL_INFO, event, l->fields, l->count);
}

enum update_kind service__update_kind(const struct job *before, const struct job *after)
{
    const char *was = before->paused_reason, *is = after->paused_reason;
    bool said = strcmp(was ? was : "", is ? is : "") != 0;
    if (after->is_active)
        return before->is_active ? UPDATE_EDIT : UPDATE_RESUME;
    if (before->is_active || said || before->paused_until != after->paused_until)
        return UPDATE_PAUSE;
    return UPDATE_EDIT;
}

static void log_execution(const struct service_change *c, const char *event)
{
    char id[EXECUTION_ID_BYTES];
    execution_id_format(&c->reply.key, id);
    struct line l = {.count = 0};
    add(&l, LOG_INT("job_id", c->reply.job));
    add_text(&l, "execution_id", id);
    write_line(&l, event, c->by);
}

static void log_ack(const struct service_change *c)
{
    struct line l = {.count = 0};
    add(&l, LOG_INT("alert_id", c->id));
    write_line(&l, "alert.acknowledged", c->by);
}

static void log_bulk(const struct service_change *c)
{
    size_t counts[SERVICE_OPERATIONS] = {0};
    struct line l = {.count = 0};
    service__bulk_count(c, counts);
    add(&l, LOG_INT("created", (int64_t)counts[OPERATION_CREATE]));
    add(&l, LOG_INT("updated", (int64_t)counts[OPERATION_UPDATE]));
    add(&l, LOG_INT("paused", (int64_t)counts[OPERATION_PAUSE]));
    add(&l, LOG_INT("resumed", (int64_t)counts[OPERATION_RESUME]));
    add(&l, LOG_INT("deleted", (int64_t)counts[OPERATION_DELETE]));
    write_line(&l, "jobs.changed", c->by);
}

static void log_backfill(const struct service_change *c)
{
    char from[RFC3339_BYTES], to[RFC3339_BYTES];
    struct line l = {.count = 0};
    wall_format(c->from, from);
    wall_format(c->to, to);
    add(&l, LOG_INT("job_id", c->reply.job));
    add_text(&l, "from", from);
    add_text(&l, "to", to);
    add(&l, LOG_INT("count", c->count));
    write_line(&l, "job.backfilled", c->by);
}

static void log_job(const struct service_change *c, const char *event, const struct job *j,
                    void (*describe)(struct line *l, const struct job *j))
{
    struct line l = {.count = 0};
    add(&l, LOG_INT("job_id", c->reply.job));
    add(&l, LOG_INT("version", c->reply.version));
    if (j)
        describe(&l, j);
    write_line(&l, event, c->by);
}

static void log_update(const struct service_change *c)
{
    static const char *const names[] = {"job.updated", "job.paused", "job.resumed"};
    log_job(c, names[c->update], c->reply.row, c->update == UPDATE_PAUSE ? add_pause : add_job);
}

void service__log_success(const struct service_change *c)
{
    switch (c->kind) {
    case COMMAND_CREATE:
        log_job(c, "job.created", c->reply.row, add_job);
        break;
    case COMMAND_UPDATE:
        log_update(c);
        break;
    case COMMAND_DELETE:
        log_job(c, "job.deleted", c->before, add_job);
        break;
    case COMMAND_TRIGGER:
        log_execution(c, "job.triggered");
        break;
    case COMMAND_BULK:
        log_bulk(c);
        break;
    case COMMAND_REPLAY:
        log_execution(c, "execution.replayed");
        break;
    case COMMAND_BACKFILL:
        log_backfill(c);
        break;
    case COMMAND_CANCEL:
        log_execution(c, "execution.cancelled");
        break;
    case COMMAND_COMPLETE:
        log_execution(c, "execution.completed");
        break;
    case COMMAND_NOTE:        // The execution's row tells.
    case COMMAND_RAISE_ALERT: // No client asked for these.
    case COMMAND_OUTCOME:
    case COMMAND_PING: // The ledger tells of each.
        break;
    case COMMAND_ACCEPT_CLOCK:
        write_line(&(struct line){.count = 0}, "clock.accepted", c->by);
        break;
    case COMMAND_ACK_ALERT:
        log_ack(c);
        break;
    }
}
