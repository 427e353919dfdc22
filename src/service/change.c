// SPDX-License-Identifier: MIT
// change.c: the way of a change, from the client to the engine and back.
//
//   client's thread                        engine's thread       service's thread
//   changes.c         the client's wish
//   change.c          room, turn
//   change_key.c      done before? ------------------------->    change_reply.c
//   change_row.c      the row it asks for
//   change_check.c    acceptable?
//   change_quota.c    more than the token may have?
//   change_command.c  ---------------->    durable or refused -> change_reply.c  conflict? check
//   anew
//                                                                                else call `done`
//
// A change is checked once, and what was read of its texts (the compiled schedule, its zone) goes
// with it: to the core in the command, and to the client in the answer.
//
// Updates of one job take turns (change_turn.c): each is made from the job as the one before has
// left it, and is begun by the service's thread when that one is answered.

#include "service/service_priv.h"

#include <assert.h>

static void change_free(struct service_change *c)
{
    job_free(c->row);
    job_free(c->before);
    job_free(c->reply.row);
    service__bulk_free(c->bulk);
    free(c->text);
    free(c->run);
    free(c->job_key);
    free(c->by);
    service__audit_drop(c);
    free(c);
}

// Room among all changes, the only place of the client's key, and a turn among the updates of the
// job. *begins: false when the change waits for its turn; it must then not be touched any more.
static enum err enter(struct service_change *c, bool *begins, struct service_problem *p)
{
    struct service *s = c->service;
    enum err err = ERR_OK;
    pthread_mutex_lock(&s->lock);
    if (s->stopping)
        err = ERR_CLOSED;
    else if (s->changes == s->changes_max)
        err = ERR_LIMIT;
    else if (!service__key_take(c))
        err = ERR_EXISTS;
    if (!err) {
        s->changes++;
        *begins = service__turn_take(c);
    }
    pthread_mutex_unlock(&s->lock);
    if (err == ERR_EXISTS)
        return service__refuse_key(p, true);
    return err ? service__refuse_err(p, err, NULL) : ERR_OK;
}

// A change that waits behind this one is begun on the service's thread.
void service__change_end(struct service_change *c)
{
    struct service *s = c->service;
    service__quota_settle(c);
    pthread_mutex_lock(&s->lock);
    service__key_leave(c);
    struct service_change *next = service__turn_pass(c);
    if (next)
        service__change_to_thread(next);
    if (--s->changes == 0)
        pthread_cond_broadcast(&s->left);
    pthread_mutex_unlock(&s->lock);
    change_free(c);
}

static enum err check_single(struct service_change *c, struct command *command,
                             struct service_problem *p)
{
    enum err err = service__change_check(c, command, p);
    if (!err)
        service__quota_note(c, c, command->job);
    return err;
}

enum err service__change_make(struct service_change *c, struct service_problem *p)
{
    struct command command = {0};
    service__quota_settle(c);
    c->replied = false;
    enum err err = c->bulk ? service__bulk_check(c, &command, p) : service__change_row(c, p);
    if (!err && c->replayed) {
        service__change_to_thread(c);
        return ERR_OK;
    }
    if (!err && !c->bulk)
        err = check_single(c, &command, p);
    if (err)
        return err;
    err = service__quota_take(c, p);
    if (!err)
        return service__change_command(c, &command, p);
    job_free(command.job);
    return err;
}

enum err service__change_begin(struct service_change *c, struct service_problem *p)
{
    enum err err = service__key_look_up(c, p);
    if (err)
        return err;
    if (!c->replayed)
        return service__change_make(c, p);
    service__change_to_thread(c);
    return ERR_OK;
}

// A creation whose job has a key asks the database whether the key is taken, which the client's
// thread does not wait for.
enum err service__change_start(const struct service_change *wish, struct service_problem *p)
{
    struct service_change *c = xmalloc(sizeof *c);
    *c = *wish;
    bool begins = false;
    enum err err = enter(c, &begins, p);
    if (err) {
        change_free(c);
        return err;
    }
    bool asks = c->kind == COMMAND_CREATE && c->job_key;
    if (begins && asks)
        service__change_to_thread(c);
    else if (begins)
        err = service__change_begin(c, p);
    if (err)
        service__change_end(c);
    return err;
}
