// SPDX-License-Identifier: MIT
// change_command.c: hands a checked change over to the engine, or to the node that owns the job,
// and takes the reply.
//
// The thread that brings the reply only drops the change into the service's mailbox. There is room
// in it for every change under way, so that this cannot fail.

#include "service/service_priv.h"

#include <assert.h>

void service__change_to_thread(struct service_change *c)
{
    enum err err = mailbox_post(c->service->mailbox, &c->mail);
    assert(!err);
    (void)err;
}

// On the engine's thread, or one of the cluster's.
static void reply_came(void *context, const struct reply *r)
{
    struct service_change *c = context;
    c->reply = *r; // With its row.
    c->replied = true;
    service__change_to_thread(c);
}

static enum err submit(struct service *s, const struct command *command, struct service_change *c)
{
    return s->submit ? s->submit(s->submit_context, command, reply_came, c)
                     : engine_submit(s->engine, command, reply_came, c);
}

// The lock makes sure that no command is on its way once service_stop has returned.
enum err service__change_command(struct service_change *c, const struct command *command,
                                 struct service_problem *p)
{
    struct service *s = c->service;
    enum err err = ERR_CLOSED;
    pthread_mutex_lock(&s->lock);
    if (s->stopping)
        job_free(command->job);
    else
        err = submit(s, command, c);
    pthread_mutex_unlock(&s->lock);
    return err ? service__refuse_err(p, err, NULL) : ERR_OK;
}
