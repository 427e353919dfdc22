// SPDX-License-Identifier: MIT
// jobs.c: the changes which a client can make to jobs, as calls.

#include "service/service_priv.h"

#include <assert.h>
#include <string.h>

// --- What each kind of call asks the engine for --------------------------------------------------

// What an `H` of a new job stands for is not known before the core has given the job its id.
bool service__schedule_is_known(const struct call *c)
{
    return c->kind == COMMAND_UPDATE || !cron_is_hashed(&c->schedule.compiled);
}

static void hand_over(struct call *c, struct job *j, struct command *out)
{
    out->job = j;
    out->zone = c->schedule.zone;
    out->schedule = service__schedule_is_known(c) ? &c->schedule.compiled : NULL;
}

static enum err prepare_create(struct call *c, struct command *out, struct service_problem *p)
{
    enum err err = service__check_job(c->draft, NULL, c->service->targets, true, clock_wall_ms(),
                                      &c->schedule, p);
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
static bool edit_activates(struct call *c, const struct job *before)
{
    struct service_problem ignored;
    struct job *j = job_copy(before);
    bool activates = c->edit(c->edit_context, j, &ignored) == ERR_OK && j->is_active;
    job_free(j);
    return activates;
}

// A finished job goes on when its edit gives it something to run for, without a word about
// is_active; asked to be active and nothing else, it must be able to run.
static enum err edit_copy(struct call *c, const struct job *before, struct job *j,
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
    return service__check_job(j, before, c->service->targets, must_fire, clock_wall_ms(),
                              &c->schedule, p);
}

static enum err prepare_update(struct call *c, struct command *out, struct service_problem *p)
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
static void prepare_delete(struct call *c, struct command *out)
{
    struct service_problem ignored;
    out->version_expected = c->version_expected;
    if (!c->draft && service_get_job(c->service, c->id, &c->draft, &ignored))
        c->draft = NULL;
}

enum err service__call_prepare(struct call *c, struct command *out, struct service_problem *p)
{
    switch (c->kind) {
    case COMMAND_CREATE:
        return prepare_create(c, out, p);
    case COMMAND_UPDATE:
        return prepare_update(c, out, p);
    case COMMAND_DELETE:
        prepare_delete(c, out);
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

// --- The changes ---------------------------------------------------------------------------------

enum err service_create_job(struct service *s, struct job *draft, const struct service_key *key,
                            service_done *done, void *context, struct service_problem *p)
{
    struct call *c = service__call_new(s, COMMAND_CREATE, done, context);
    c->draft = draft;
    service__once_set(c, key);
    return service__call_start(c, p);
}

enum err service_check_job(const struct service *s, struct job *draft, struct service_problem *p)
{
    struct service_schedule ignored;
    return service__check_job(draft, NULL, s->targets, true, clock_wall_ms(), &ignored, p);
}

static struct call *update_new(struct service *s, job_id id, int64_t version_expected,
                               service_edit *edit, service_done *done, void *context)
{
    struct call *c = service__call_new(s, COMMAND_UPDATE, done, context);
    c->id = id;
    c->version_expected = version_expected;
    c->edit = edit;
    c->edit_context = context;
    return c;
}

enum err service_update_job(struct service *s, job_id id, int64_t version_expected,
                            service_edit *edit, service_done *done, void *context,
                            struct service_problem *p)
{
    return service__call_start(update_new(s, id, version_expected, edit, done, context), p);
}

// Would write the defaults of what is damaged, and nobody has said what it should be.
static enum err refuse_damaged(const struct job *j, struct service_problem *p)
{
    if (!j->damaged)
        return ERR_OK;
    return service_refuse(p, ERR_UNUSABLE, PROBLEM_UNUSABLE, NULL,
                          "the job's row in the database is damaged: change its %s first, or "
                          "delete it",
                          j->damaged);
}

static enum err edit_pause(void *context, struct job *j, struct service_problem *p)
{
    const struct call *c = context;
    j->is_active = false;
    j->paused_until = c->until;
    job_set_text(&j->paused_reason, c->text);
    return refuse_damaged(j, p);
}

enum err service_pause_job(struct service *s, job_id id, int64_t version_expected,
                           const char *reason, wall_ms until, service_done *done, void *context,
                           struct service_problem *p)
{
    struct call *c = update_new(s, id, version_expected, edit_pause, done, context);
    c->edit_context = c;
    c->text = xstrdup(reason);
    c->until = until;
    return service__call_start(c, p);
}

static enum err edit_resume(void *context, struct job *j, struct service_problem *p)
{
    (void)context;
    j->is_active = true;
    return refuse_damaged(j, p);
}

enum err service_resume_job(struct service *s, job_id id, int64_t version_expected,
                            service_done *done, void *context, struct service_problem *p)
{
    struct call *c = update_new(s, id, version_expected, edit_resume, done, context);
    c->resumes = true;
    return service__call_start(c, p);
}

enum err service_delete_job(struct service *s, job_id id, int64_t version_expected,
                            service_done *done, void *context, struct service_problem *p)
{
    struct call *c = service__call_new(s, COMMAND_DELETE, done, context);
    c->id = id;
    c->version_expected = version_expected;
    return service__call_start(c, p);
}

enum err service_trigger_job(struct service *s, job_id id, const char *body, bool is_json,
                             const struct service_key *key, service_done *done, void *context,
                             struct service_problem *p)
{
    struct call *c = service__call_new(s, COMMAND_TRIGGER, done, context);
    c->id = id;
    service__once_set(c, key);
    c->text = xstrdup(body);
    c->text_is_json = is_json;
    return service__call_start(c, p);
}

enum err service_accept_clock(struct service *s, service_done *done, void *context,
                              struct service_problem *p)
{
    return service__call_start(service__call_new(s, COMMAND_ACCEPT_CLOCK, done, context), p);
}
