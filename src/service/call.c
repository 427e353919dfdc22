// SPDX-License-Identifier: MIT
// call.c: one change on its way from the client to the engine and back.
//
//   client's thread        engine's thread          service's thread
//   start: check, submit ->  durable or refused  ->  conflict? make it anew, submit again
//                                                    else call done, begin who waits behind
//
// Updates of one job take turns (turns.c), so a conflict is rare: the job has changed by itself.
// The engine says so only when that is durable, so that the job is then read as it has become.
//
// A change that is durable is answered from what the engine says of it. Nothing is read back, so
// nothing can make a failure of its answer.
//
// The engine's thread only drops the call into a mailbox. There is room in it for every call under
// way, so that this cannot fail.

#include "base/log.h"
#include "service/service_priv.h"

#include <assert.h>

struct call *service__call_new(struct service *s, enum command_kind kind, service_done *done,
                               void *context)
{
    struct call *c = xcalloc(1, sizeof *c);
    c->service = s;
    c->kind = kind;
    c->done = done;
    c->context = context;
    return c;
}

void service__call_free(struct call *c)
{
    if (!c)
        return;
    job_free(c->draft);
    job_free(c->reply.row);
    free(c->text);
    free((char *)c->key.text);
    free(c);
}

// --- Towards the engine --------------------------------------------------------------------------

static void to_thread(struct call *c)
{
    enum err err = mailbox_post(c->service->mailbox, &c->mail);
    assert(!err);
    (void)err;
}

static void reply_came(void *context, const struct reply *r)
{
    struct call *c = context;
    c->reply = *r; // With its row.
    c->replied = true;
    to_thread(c);
}

// The lock makes sure that no command is on its way once service_stop has returned.
static enum err submit(struct call *c, struct service_problem *p)
{
    struct command command = {
        .kind = c->kind, .id = c->id, .client_key = c->key.text ? &c->key : NULL};
    enum err err = service__call_prepare(c, &command, p);
    if (err)
        return err;

    struct service *s = c->service;
    pthread_mutex_lock(&s->lock);
    if (s->stopping) {
        job_free(command.job);
        err = ERR_CLOSED;
    } else {
        err = engine_submit(s->engine, &command, reply_came, c);
    }
    pthread_mutex_unlock(&s->lock);
    return err ? service__refuse_err(p, err, NULL) : ERR_OK;
}

static enum err enter(struct service *s, struct service_problem *p)
{
    enum err err = ERR_OK;
    pthread_mutex_lock(&s->lock);
    if (s->stopping)
        err = ERR_CLOSED;
    else if (s->calls == s->calls_max)
        err = ERR_LIMIT;
    else
        s->calls++;
    pthread_mutex_unlock(&s->lock);
    return err ? service__refuse_err(p, err, NULL) : ERR_OK;
}

// Whoever waits behind the call is begun on the service's thread.
static void leave(struct call *c)
{
    struct service *s = c->service;
    pthread_mutex_lock(&s->lock);
    service__key_leave(c);
    struct call *next = service__turn_pass(c);
    if (next)
        to_thread(next);
    if (--s->calls == 0)
        pthread_cond_broadcast(&s->left);
    pthread_mutex_unlock(&s->lock);
    service__call_free(c);
}

// False: it waits for its turn, and must not be touched any more.
static bool take_turn(struct call *c)
{
    struct service *s = c->service;
    pthread_mutex_lock(&s->lock);
    bool now = c->kind != COMMAND_UPDATE || service__turn_take(c);
    pthread_mutex_unlock(&s->lock);
    return now;
}

static enum err begin(struct call *c, struct service_problem *p)
{
    bool answered;
    enum err err = service__once_enter(c, &answered, p);
    if (err)
        return err;
    if (!answered)
        return submit(c, p);
    reply_came(c, &c->reply);
    return ERR_OK;
}

enum err service__call_start(struct call *c, struct service_problem *p)
{
    enum err err = enter(c->service, p);
    if (err) {
        service__call_free(c);
        return err;
    }
    err = take_turn(c) ? begin(c, p) : ERR_OK;
    if (err)
        leave(c);
    return err;
}

// --- Back from it --------------------------------------------------------------------------------

// The key is let go first: a client that has its answer may use the key again at once, and what it
// stood for is durable.
static void tell(struct call *c, const struct service_result *result)
{
    pthread_mutex_lock(&c->service->lock);
    service__key_leave(c);
    pthread_mutex_unlock(&c->service->lock);
    c->done(c->context, result);
    leave(c);
}

static void answer_problem(struct call *c, const struct service_problem *p)
{
    tell(c, &(struct service_result){.problem = p});
}

static void answer_success(struct call *c)
{
    if (!c->replayed)
        service__log_success(c);
    struct service_result result = {
        .job = c->reply.row, .execution = c->reply.key, .replayed = c->replayed};
    if (!c->replayed && service__schedule_is_known(c))
        result.schedule = &c->schedule;
    tell(c, &result);
}

// What was done before, for the same key. The job is shown as it stands now, which may be that it
// is gone.
static void answer_replay(struct call *c)
{
    struct service_problem problem;
    if (c->kind == COMMAND_CREATE &&
        service_get_job(c->service, c->reply.job, &c->reply.row, &problem))
        answer_problem(c, &problem);
    else
        answer_success(c);
}

// The job has changed since it was read. A client who named a version has to know; for others the
// change is made anew, from the job as it stands now.
static void resolve_conflict(struct call *c)
{
    struct service_problem problem;
    if (c->version_expected) {
        service__refuse_version(&problem);
        answer_problem(c, &problem);
    } else if (++c->tries == CALL_TRIES_MAX) {
        service_refuse(&problem, ERR_CONFLICT, PROBLEM_CONTENDED, NULL,
                       "the job keeps changing; try again");
        answer_problem(c, &problem);
    } else if (submit(c, &problem)) {
        answer_problem(c, &problem);
    }
}

static void refuse(struct call *c)
{
    struct service_problem problem;
    bool adds_job = c->kind == COMMAND_CREATE || c->kind == COMMAND_UPDATE;
    if (c->reply.err == ERR_LIMIT && adds_job)
        service_refuse(&problem, ERR_LIMIT, PROBLEM_LIMIT, NULL,
                       "the server has as many jobs as it may have");
    else if (c->reply.err == ERR_SPACE)
        service_refuse(&problem, ERR_SPACE, PROBLEM_LIMIT, NULL,
                       "the URLs, headers and bodies of all jobs are as long as the server allows");
    else if (c->reply.row)
        service__refuse_vain(c->reply.row, clock_wall_ms(), &problem);
    else
        service__refuse_err(&problem, c->reply.err, NULL);
    answer_problem(c, &problem);
}

static void take_up(struct call *c)
{
    struct service_problem problem;
    if (begin(c, &problem))
        answer_problem(c, &problem);
}

static void finish(struct call *c)
{
    if (!c->replied)
        take_up(c);
    else if (c->replayed)
        answer_replay(c);
    else if (!c->reply.err)
        answer_success(c);
    else if (c->reply.err == ERR_CONFLICT)
        resolve_conflict(c);
    else
        refuse(c);
}

// The changes that one commit made durable come together, and are logged together. A call without
// `done` is the order to end; it is the last one. False when it came.
static bool finish_all(struct mail *mail)
{
    bool goes_on = true;
    log_hold();
    while (mail) {
        struct call *c = (struct call *)mail;
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
