// SPDX-License-Identifier: MIT
// change_reply.c: the service's thread: what the engine replied becomes the client's answer.
//
// Updates of one job take turns, so a conflict is rare: the job has changed by itself. The engine
// says so only when that is durable, so that the job is then read as it has become, and the change
// is checked anew.
//
// A change that is durable is answered from what the engine says of it. Nothing is read back, so
// nothing can make a failure of its answer.

#include "base/log.h"
#include "service/service_priv.h"

#include <assert.h>

// The key is let go first: a client that has its answer may use the key again at once, and what it
// stood for is durable. So is what the change has freed of a quota.
static void tell(struct service_change *c, const struct service_result *result)
{
    service__quota_settle(c);
    pthread_mutex_lock(&c->service->lock);
    service__key_leave(c);
    pthread_mutex_unlock(&c->service->lock);
    c->done(c->context, result);
    service__change_end(c);
}

static void answer_problem(struct service_change *c, const struct service_problem *p)
{
    tell(c, &(struct service_result){.problem = p});
}

// The schedule of the check, unless the core alone could know what its `H` stands for, or the
// change was done before.
static const struct service_schedule *schedule_of(struct service_change *c)
{
    struct service_schedule *s = &c->reading.schedule;
    bool is_known =
        c->schedule_is_known || (c->reply.row && service_read_schedule(c->reply.row, s));
    return is_known ? s : NULL;
}

// The change was made by another node, which does not send the row, or before, for the same key.
// Then the job is shown as it stands now, which may be that it is gone.
static bool has_to_read(const struct service_change *c)
{
    bool has_job = c->kind == COMMAND_CREATE || c->kind == COMMAND_UPDATE;
    return has_job && !c->reply.row;
}

// The change is made, whatever keeps its job from being read now.
static void answer_unread(struct service_change *c, enum err err, struct service_problem *p)
{
    if (err == ERR_STORE_AWAY || err == ERR_BUSY || err == ERR_TIMEOUT)
        service__refuse_err(p, ERR_DOUBT, NULL);
    answer_problem(c, p);
}

static void answer_success(struct service_change *c)
{
    struct service_problem problem;
    enum err err = has_to_read(c)
                       ? service_get_job(c->service, c->reply.job, &c->reply.row, &problem)
                       : ERR_OK;
    if (err) {
        answer_unread(c, err, &problem);
        return;
    }
    if (c->bulk)
        service__bulk_succeed(c);
    if (!c->replayed)
        service__log_success(c);
    struct service_result result = {.job = c->reply.row,
                                    .schedule = schedule_of(c),
                                    .execution = c->reply.key,
                                    .count = c->replayed ? 0 : c->count,
                                    .created = c->kind == COMMAND_CREATE,
                                    .replayed = c->replayed};
    tell(c, &result);
}

// The job has changed since it was read, or the execution has ended, perhaps as its target says. A
// client who named a version has to know; for others the change is made anew, from the job as it
// stands now.
static void resolve_conflict(struct service_change *c)
{
    struct service_problem problem;
    if (c->version_expected) {
        service__refuse_version(&problem);
        answer_problem(c, &problem);
    } else if (++c->tries == CHANGE_TRIES_MAX) {
        service_refuse(&problem, ERR_CONFLICT, PROBLEM_CONTENDED, NULL,
                       "the job keeps changing; try again");
        answer_problem(c, &problem);
    } else if (service__change_make(c, &problem)) {
        answer_problem(c, &problem);
    }
}

static void refuse(struct service_change *c)
{
    struct service_problem problem;
    bool adds_job = c->kind == COMMAND_CREATE || c->kind == COMMAND_UPDATE;
    if (c->reply.source == REPLY_KEY_BUSY || c->reply.source == REPLY_KEY_OTHER)
        service__refuse_key(&problem, c->reply.source == REPLY_KEY_BUSY);
    else if (c->reply.source == REPLY_JOB_KEY)
        service__refuse_job_key(c, c->reply.job, &problem);
    else if (c->reply.err == ERR_LIMIT && adds_job)
        service_refuse(&problem, ERR_LIMIT, PROBLEM_LIMIT, NULL,
                       "the server has as many jobs as it may have");
    else if (c->bulk)
        service__bulk_refuse(c, &problem);
    else if (c->reply.err == ERR_NOT_FOUND && c->kind == COMMAND_CANCEL)
        service_refuse(&problem, ERR_CONFLICT, PROBLEM_OVER, NULL, "the execution is over");
    else if (c->reply.err == ERR_EXISTS && c->reply.source == REPLY_OF_CORE)
        service_refuse(&problem, ERR_CONFLICT, PROBLEM_COMPLETION, NULL,
                       "the execution does not wait for this: another attempt was begun since, or "
                       "the opposite was said before");
    else if (c->reply.err == ERR_FORBIDDEN)
        service_refuse(&problem, ERR_CONFLICT, PROBLEM_HEARTBEAT, NULL,
                       "the job is a heartbeat: it calls nobody, so nothing of it can be carried "
                       "out");
    else if (c->reply.err == ERR_SPACE)
        service_refuse(&problem, ERR_SPACE, PROBLEM_LIMIT, NULL,
                       "the URLs, headers and bodies of all jobs are as long as the server allows");
    else if (c->reply.row)
        service__refuse_vain(c->reply.row, clock_wall_ms(), &problem);
    else
        service__refuse_err(&problem, c->reply.err, NULL);
    answer_problem(c, &problem);
}

static void take_up(struct service_change *c)
{
    struct service_problem problem;
    if (service__change_begin(c, &problem))
        answer_problem(c, &problem);
}

// What was found by its key is not there any more, or another node was the first to create it.
static bool is_overtaken(const struct service_change *c)
{
    return c->by_key && (c->reply.err == ERR_NOT_FOUND || c->reply.source == REPLY_JOB_KEY);
}

static void finish(struct service_change *c)
{
    c->replayed |= c->reply.source == REPLY_OF_BEFORE;
    if (!c->replayed && !c->replied)
        take_up(c);
    else if (!c->reply.err)
        answer_success(c);
    else if (c->reply.err == ERR_CONFLICT || is_overtaken(c))
        resolve_conflict(c);
    else
        refuse(c);
}

// The changes that one commit made durable come together, and are logged together. A change
// without `done` is the order to end; it is the last one. False when it came.
static bool finish_all(struct mail *mail)
{
    bool goes_on = true;
    log_hold();
    while (mail) {
        struct service_change *c = (struct service_change *)mail;
        mail = mail->next;
        goes_on = c->done != NULL;
        assert(goes_on || !mail);
        if (goes_on)
            finish(c);
    }
    log_release();
    return goes_on;
}

void *service__work(void *service)
{
    struct service *s = service;
    while (finish_all(mailbox_wait(s->mailbox, -1)))
        continue;
    return NULL;
}
