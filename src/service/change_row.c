// SPDX-License-Identifier: MIT
// change_row.c: the row that a change asks for. It is judged later, by change_check.c.
//
// That of a new job is its draft. That of an update is made from the job as it stands: the edit is
// applied to a copy.

#include "service/service_priv.h"

#include <string.h>

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

// A key is set when the job is created, and never changes; what does not name it leaves it alone.
static enum err keep_key(const struct job *before, struct job *j, struct service_problem *p)
{
    if (before->key && !j->key)
        job_set_text(&j->key, before->key);
    if ((before->key == NULL) == (j->key == NULL) && (!j->key || !strcmp(before->key, j->key)))
        return ERR_OK;
    return service_refuse(p, ERR_FORBIDDEN, PROBLEM_FIELD, "key",
                          "the key of a job is set when the job is created, and cannot be changed");
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
    err = keep_key(before, j, p);
    if (err)
        return err;
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

enum err service__refuse_job_key(const struct service_change *c, job_id owner,
                                 struct service_problem *p)
{
    return service_refuse(p, ERR_EXISTS, PROBLEM_JOB_KEY, "key",
                          "job %lld has this key; PUT /jobs/by-key/%.64s changes it",
                          (long long)owner, c->job_key);
}

// Another job with the key of a new one. The change has the turn of all that name the key. Where
// several nodes take changes, the store finds out as it is given the command, after it has looked
// for the client's key.
static enum err refuse_taken(const struct service_change *c, struct service_problem *p)
{
    struct job *other = NULL;
    if (c->service->submit)
        return ERR_OK;
    enum err err = service_get_job_by_key(c->service, c->job_key, &other, p);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    err = service__refuse_job_key(c, other->id, p);
    job_free(other);
    return err;
}

static enum err make_new(struct service_change *c, struct service_problem *p)
{
    c->kind = COMMAND_CREATE;
    c->id = 0;
    c->row = job_new();
    enum err err =
        c->version_expected ? service__refuse_version(p) : c->edit(c->context, c->row, p);
    if (!err && c->row->key && strcmp(c->row->key, c->job_key) != 0)
        return service_refuse(p, ERR_FORBIDDEN, PROBLEM_FIELD, "key",
                              "key is not the one that the path names");
    if (!err)
        job_set_text(&c->row->key, c->job_key);
    return err;
}

// The job that has the key is updated; when there is none, it is created.
static enum err find_by_key(struct service_change *c, struct service_problem *p)
{
    job_free(c->before);
    job_free(c->row);
    c->before = c->row = NULL;
    enum err err = service_get_job_by_key(c->service, c->job_key, &c->before, p);
    if (err)
        return err == ERR_NOT_FOUND ? make_new(c, p) : err;
    c->kind = COMMAND_UPDATE;
    c->id = c->before->id;
    return ERR_OK;
}

// --- An execution --------------------------------------------------------------------------------

// The key as the row has it: the id of a manual execution does not tell when it was asked for.
static enum err note_execution(void *context, const struct execution *e)
{
    struct service_change *c = context;
    c->execution = e->key;
    c->state = (enum execution_state)e->state;
    return ERR_OK;
}

static enum err no_attempt(void *context, const struct attempt *a)
{
    (void)context;
    (void)a;
    return ERR_OK;
}

// Whether the row says what the target says, who has not heard the answer.
static enum err note_completion(void *context, const struct execution *e)
{
    struct service_change *c = context;
    enum completion said = c->has_failed ? COMPLETION_FAILED : COMPLETION_SUCCESS;
    bool is_meant = c->attempt == 0 || c->attempt == e->attempts;
    c->replayed = c->kind == COMMAND_COMPLETE && execution_state_is_terminal(e->state) &&
                  is_meant && e->completion == said;
    return note_execution(c, e);
}

static enum err find_open(struct service_change *c, struct service_problem *p)
{
    const struct execution_key key = c->execution;
    bool tells = c->kind == COMMAND_COMPLETE || c->kind == COMMAND_NOTE;
    enum err err = service_get_execution(c->service, &key, tells ? note_completion : note_execution,
                                         no_attempt, c, p);
    if (err || !execution_state_is_terminal(c->state))
        return err;
    if (c->replayed) {
        c->reply = (struct reply){.job = c->id, .key = c->execution};
        return ERR_OK;
    }
    return service_refuse(p, ERR_CONFLICT, PROBLEM_OVER, NULL, "the execution is over: it is %s",
                          execution_state_name(c->state));
}

enum err service__change_row(struct service_change *c, struct service_problem *p)
{
    if (c->kind == COMMAND_CANCEL || c->kind == COMMAND_COMPLETE || c->kind == COMMAND_NOTE)
        return find_open(c, p);
    if (c->kind == COMMAND_REPLAY)
        return service__find_origin(c, p);
    if (c->kind == COMMAND_BACKFILL)
        return service__count_backfill(c, p);
    if (c->by_key) {
        enum err err = find_by_key(c, p);
        if (err || c->kind == COMMAND_CREATE)
            return err;
    } else if (c->kind == COMMAND_CREATE && c->job_key) {
        return refuse_taken(c, p);
    }
    bool reads = c->kind == COMMAND_UPDATE || c->kind == COMMAND_DELETE;
    enum err err = reads && !c->by_key ? read_before(c, p) : ERR_OK;
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
