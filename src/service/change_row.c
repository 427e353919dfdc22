// SPDX-License-Identifier: MIT
// change_row.c: the row that a change asks for. It is judged later, by change_check.c.
//
// That of a new job is its draft. That of an update is made from the job as it stands: the edit is
// applied to a copy.

#include "service/service_priv.h"

// A job that is active is not paused: what was said about a pause goes with it. One that ended by
// itself has left its reason in the row.
static void forget_pause(struct job *j)
{
    job_set_text(&j->paused_reason, NULL);
    j->paused_until = WALL_NEVER;
}

// A pause or a resumption. It would write the defaults of what is damaged, and nobody has said what
// that should be.
static enum err pause_or_resume(const struct service_change *c, struct job *j,
                                struct service_problem *p)
{
    if (j->damaged)
        return service_refuse(p, ERR_UNUSABLE, PROBLEM_UNUSABLE, NULL,
                              "the job's row in the database is damaged: change its %s first, or "
                              "delete it",
                              j->damaged);
    j->is_active = c->resumes;
    if (!c->resumes) {
        j->paused_until = c->until;
        job_set_text(&j->paused_reason, c->text);
    }
    return ERR_OK;
}

static enum err edit(const struct service_change *c, struct job *j, struct service_problem *p)
{
    return c->edit ? c->edit(c->context, j, p) : pause_or_resume(c, j, p);
}

// Whether the edit itself makes an inactive job active, rather than leave alone what it finds.
static bool edit_activates(const struct service_change *c)
{
    struct service_problem ignored;
    struct job *j = job_copy(c->before);
    bool activates = edit(c, j, &ignored) == ERR_OK && j->is_active;
    job_free(j);
    return activates;
}

// A finished job goes on when its edit gives it something to run for, without a word about
// is_active; asked to be active and nothing else, it must be able to run.
static enum err edit_row(struct service_change *c, struct service_problem *p)
{
    const struct job *before = c->before;
    struct job *j = c->row;
    c->must_fire = c->resumes || (before->finished && edit_activates(c));
    if (before->finished) {
        j->finished = false;
        j->is_active = true;
    }
    if (before->is_active)
        forget_pause(j);
    enum err err = edit(c, j, p);
    if (err)
        return err;
    if (j->finished && !before->finished)
        return service_refuse(p, ERR_FORBIDDEN, PROBLEM_FIELD, "finished",
                              "only the server sets finished; to end a job, pause it");
    j->finished = false;
    job_set_text(&j->damaged, NULL); // The edit has seen to it.
    if (j->is_active && !before->is_active)
        forget_pause(j);
    return ERR_OK;
}

static enum err read_before(struct service_change *c, struct service_problem *p)
{
    job_free(c->before);
    c->before = NULL;
    return service_get_job(c->service, c->id, &c->before, p);
}

enum err service__change_row(struct service_change *c, struct service_problem *p)
{
    bool reads = c->kind == COMMAND_UPDATE || c->kind == COMMAND_DELETE;
    enum err err = reads ? read_before(c, p) : ERR_OK;
    if (c->kind != COMMAND_UPDATE)
        return ERR_OK; // A deletion reads for the log alone: what cannot be read can be deleted.
    if (err)
        return err;
    if (c->version_expected && c->version_expected != c->before->version)
        return service__refuse_version(p);
    job_free(c->row);
    c->row = job_copy(c->before);
    return edit_row(c, p);
}
