// SPDX-License-Identifier: MIT
// service.c: the service's one thread and its connections, from opening to closing.

#define _GNU_SOURCE // pthread_setname_np

#include "service/service_priv.h"

#include <assert.h>
#include <string.h>

static enum err start_thread(struct service *s, struct fault *f)
{
    int error = pthread_create(&s->thread, NULL, service__work, s);
    if (error)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
    pthread_setname_np(s->thread, "service");
    return ERR_OK;
}

enum err service_open(const struct service_options *o, struct store *store, struct engine *e,
                      struct service **out, struct fault *f)
{
    assert(o->readers > 0 && o->questions_max > 0 && o->changes_max > 0);
    struct service *s = xcalloc(1, sizeof *s);
    s->engine = e;
    s->changes_max = o->changes_max;
    s->shards = store_shard_count(store);
    s->targets = o->targets;
    s->submit = o->submit;
    s->submit_context = o->submit_context;
    s->attempt = o->attempt;
    s->attempt_context = o->attempt_context;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->left, NULL);
    service__forecasts_init(&s->forecasts);
    s->quotas = service__quotas_new(service__quota_read, s, o->submit != NULL);

    enum err err = service__readers_open(&s->readers, store, o->readers + 1,
                                         f); // The service has a reader of its own.
    if (err)
        goto fail;
    err = service__lists_open(&s->lists, o->replica, o->readers, f);
    if (err)
        goto fail_lists;
    err = service__questions_open(&s->questions, o->readers, o->questions_max, f);
    if (err)
        goto fail_questions;
    err = mailbox_open(o->changes_max + 1, &s->mailbox, f); // A place more for the order to end.
    if (err)
        goto fail_mailbox;
    err = start_thread(s, f);
    if (err)
        goto fail_thread;
    *out = s;
    return ERR_OK;

fail_thread:
    mailbox_close(s->mailbox);
fail_mailbox:
    service__questions_close(&s->questions);
fail_questions:
    service__lists_close(&s->lists);
fail_lists:
    service__readers_close(&s->readers);
fail:
    service__quotas_free(s->quotas);
    service__forecasts_fini(&s->forecasts);
    pthread_cond_destroy(&s->left);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return err;
}

void service_stop(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
}

void service_settle(struct service *s)
{
    assert(s->stopping && !s->settled);
    s->settled = true;
    pthread_mutex_lock(&s->lock);
    while (s->changes > 0) // Also those that a thread of the API or of a question still prepares.
        pthread_cond_wait(&s->left, &s->lock);
    pthread_mutex_unlock(&s->lock);
    struct service_change last = {0};
    enum err err = mailbox_post(s->mailbox, &last.mail);
    assert(!err);
    (void)err;
    pthread_join(s->thread, NULL);
}

void service_close(struct service *s)
{
    if (!s)
        return;
    if (!s->settled)
        service_settle(s);
    mailbox_close(s->mailbox);
    service__questions_close(&s->questions);
    service__lists_close(&s->lists);
    service__readers_close(&s->readers);
    service__quotas_free(s->quotas);
    service__forecasts_fini(&s->forecasts);
    pthread_cond_destroy(&s->left);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
