// SPDX-License-Identifier: MIT
// changes.c: what clients can ask to be changed: each wish becomes a struct service_change, and
// sets out.
//
// A pause and a resumption are updates whose edit is known.

#include "service/service_priv.h"

#include <string.h>

static void set_key(struct service_change *c, const struct service_key *key)
{
    if (!key || !key->text)
        return;
    c->key.text = key->text;
    memcpy(c->key.digest, key->digest, sizeof c->key.digest);
}

enum err service_create_job(struct service *s, struct job *draft, const struct service_key *key,
                            service_done *done, void *context, struct service_problem *p)
{
    struct service_change *c = service__change_new(s, COMMAND_CREATE, done, context);
    c->draft = draft;
    set_key(c, key);
    return service__change_start(c, p);
}

static struct service_change *update_new(struct service *s, job_id id, int64_t version_expected,
                                         service_edit *edit, service_done *done, void *context)
{
    struct service_change *c = service__change_new(s, COMMAND_UPDATE, done, context);
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
    return service__change_start(update_new(s, id, version_expected, edit, done, context), p);
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
    const struct service_change *c = context;
    j->is_active = false;
    j->paused_until = c->until;
    job_set_text(&j->paused_reason, c->text);
    return refuse_damaged(j, p);
}

enum err service_pause_job(struct service *s, job_id id, int64_t version_expected,
                           const char *reason, wall_ms until, service_done *done, void *context,
                           struct service_problem *p)
{
    struct service_change *c = update_new(s, id, version_expected, edit_pause, done, context);
    c->edit_context = c;
    c->text = xstrdup(reason);
    c->until = until;
    return service__change_start(c, p);
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
    struct service_change *c = update_new(s, id, version_expected, edit_resume, done, context);
    c->resumes = true;
    return service__change_start(c, p);
}

enum err service_delete_job(struct service *s, job_id id, int64_t version_expected,
                            service_done *done, void *context, struct service_problem *p)
{
    struct service_change *c = service__change_new(s, COMMAND_DELETE, done, context);
    c->id = id;
    c->version_expected = version_expected;
    return service__change_start(c, p);
}

enum err service_trigger_job(struct service *s, job_id id, char *body, bool is_json,
                             const struct service_key *key, service_done *done, void *context,
                             struct service_problem *p)
{
    struct service_change *c = service__change_new(s, COMMAND_TRIGGER, done, context);
    c->id = id;
    set_key(c, key);
    c->text = body;
    c->text_is_json = is_json;
    return service__change_start(c, p);
}

enum err service_accept_clock(struct service *s, service_done *done, void *context,
                              struct service_problem *p)
{
    return service__change_start(service__change_new(s, COMMAND_ACCEPT_CLOCK, done, context), p);
}
