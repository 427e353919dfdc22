// SPDX-License-Identifier: MIT
// change_check.c: from what a client asked for to what the engine is to do, checked.
//
// An update is made from the job as it stands: its edit is applied to a copy, which is judged as a
// whole. The members of a job are judged by check.c.

#include "service/service_priv.h"

#include <assert.h>
#include <string.h>

// What an `H` of a new job stands for is not known before the core has given the job its id.
static void hand_over(struct service_change *c, struct job *j, struct command *out)
{
    c->schedule_is_known =
        c->kind == COMMAND_UPDATE || !cron_is_hashed(&c->reading.schedule.compiled);
    out->job = j;
    out->zone = c->reading.schedule.zone;
    out->schedule = c->schedule_is_known ? &c->reading.schedule.compiled : NULL;
    out->url = &c->reading.url;
}

static enum err check_create(struct service_change *c, struct command *out,
                             struct service_problem *p)
{
    struct job_check check = {
        .targets = c->service->targets, .must_fire = true, .now = clock_wall_ms()};
    enum err err = service__check_job(c->draft, &check, &c->reading, p);
    if (err)
        return err;
    hand_over(c, c->draft, out);
    c->draft = NULL;
    return ERR_OK;
}

// A job that is active is not paused: what was said about a pause goes with it. One that ended by
// itself has left its reason in the row.
static void forget_pause(struct job *j)
{
    job_set_text(&j->paused_reason, NULL);
    j->paused_until = WALL_NEVER;
}

// Whether the edit itself makes an inactive job active, rather than leave alone what it finds.
static bool edit_activates(struct service_change *c, const struct job *before)
{
    struct service_problem ignored;
    struct job *j = job_copy(before);
    bool activates = c->edit(c->edit_context, j, &ignored) == ERR_OK && j->is_active;
    job_free(j);
    return activates;
}

// A finished job goes on when its edit gives it something to run for, without a word about
// is_active; asked to be active and nothing else, it must be able to run.
static enum err edit_copy(struct service_change *c, const struct job *before, struct job *j,
                          struct service_problem *p)
{
    bool must_fire = c->resumes || (before->finished && edit_activates(c, before));
    if (before->finished) {
        j->finished = false;
        j->is_active = true;
    }
    if (before->is_active)
        forget_pause(j);
    enum err err = c->edit(c->edit_context, j, p);
    if (err)
        return err;
    if (j->finished && !before->finished)
        return service_refuse(p, ERR_FORBIDDEN, PROBLEM_FIELD, "finished",
                              "only the server sets finished; to end a job, pause it");
    j->finished = false;
    job_set_text(&j->damaged, NULL); // The edit has seen to it.
    if (j->is_active && !before->is_active)
        forget_pause(j);
    struct job_check check = {.before = before,
                              .targets = c->service->targets,
                              .must_fire = must_fire,
                              .now = clock_wall_ms()};
    return service__check_job(j, &check, &c->reading, p);
}

static enum err check_update(struct service_change *c, struct command *out,
                             struct service_problem *p)
{
    struct job *before;
    enum err err = service_get_job(c->service, c->id, &before, p);
    if (err)
        return err;
    if (c->version_expected && c->version_expected != before->version) {
        err = service__refuse_version(p);
        goto done;
    }

    struct job *j = job_copy(before);
    err = edit_copy(c, before, j, p);
    if (err) {
        job_free(j);
        goto done;
    }
    c->update = service__update_kind(before, j);
    hand_over(c, j, out);
    out->version_expected = before->version;
done:
    job_free(before);
    return err;
}

// The job is read for the log alone: one that cannot be read can be deleted all the same.
static void check_delete(struct service_change *c, struct command *out)
{
    struct service_problem ignored;
    out->version_expected = c->version_expected;
    if (!c->draft && service_get_job(c->service, c->id, &c->draft, &ignored))
        c->draft = NULL;
}

enum err service__change_check(struct service_change *c, struct command *out,
                               struct service_problem *p)
{
    switch (c->kind) {
    case COMMAND_CREATE:
        return check_create(c, out, p);
    case COMMAND_UPDATE:
        return check_update(c, out, p);
    case COMMAND_DELETE:
        check_delete(c, out);
        return ERR_OK;
    case COMMAND_TRIGGER:
        out->body = c->text;
        out->body_is_json = c->text_is_json;
        return service__check_body(c->text, p);
    case COMMAND_ACCEPT_CLOCK:
        return ERR_OK;
    }
    assert(false);
    return ERR_UNSUPPORTED;
}
