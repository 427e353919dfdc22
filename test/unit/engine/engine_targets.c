// SPDX-License-Identifier: MIT
// engine_targets.c: targets that take every attempt, and answer when the test says so.
//
// What the test says goes through a mailbox to the engine's loop, as the outcome of a real request
// comes from there.

#include "engine_test.h"

#include "base/mailbox.h"
#include "base/memory.h"

#include <sys/epoll.h>

#define SENDS_MAX 64

struct ending {
    struct mail mail;
    struct outcome outcome;
};

static struct targets {
    struct dispatch dispatch;
    struct loop *loop;
    struct loop_source source;
    struct mailbox *endings;
    dispatch_done *done;
    void *context;
    size_t in_flight;
    struct send sends[SENDS_MAX]; // The attempts, in order. Guarded by the rig's lock.
} targets;

static void targets_send(struct dispatch *d, const struct send *s)
{
    (void)d;
    pthread_mutex_lock(&rig.lock);
    if (rig.sends < SENDS_MAX)
        targets.sends[rig.sends] = *s;
    pthread_mutex_unlock(&rig.lock);
    targets.in_flight++;
    rig_note(&rig.sends);
}

static void targets_cancel(struct dispatch *d, uint64_t ticket)
{
    (void)d, (void)ticket;
    rig_note(&rig.cancels);
}

static size_t targets_in_flight(const struct dispatch *d)
{
    (void)d;
    return targets.in_flight;
}

static void targets_close(struct dispatch *d)
{
    (void)d;
    loop_remove(targets.loop, &targets.source);
    for (struct mail *m = mailbox_take(targets.endings), *next; m; m = next) {
        next = m->next;
        free(m);
    }
    mailbox_close(targets.endings);
}

static void endings_came(void *context, uint32_t events)
{
    (void)context, (void)events;
    for (struct mail *m = mailbox_take(targets.endings), *next; m; m = next) {
        next = m->next;
        targets.in_flight--;
        targets.done(targets.context, &((struct ending *)m)->outcome);
        free(m);
    }
}

enum err rig_targets_open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                          void *context, struct dispatch **out, struct fault *f)
{
    static const struct dispatch_adapter adapter = {
        .close = targets_close,
        .send = targets_send,
        .cancel = targets_cancel,
        .in_flight = targets_in_flight,
    };
    (void)o;
    targets =
        (struct targets){.dispatch.adapter = &adapter, .loop = l, .done = done, .context = context};
    enum err err = mailbox_open(SENDS_MAX, &targets.endings, f);
    if (err)
        return err;
    targets.source = (struct loop_source){.fd = mailbox_fd(targets.endings), .ready = endings_came};
    *out = &targets.dispatch;
    return loop_add(l, &targets.source, EPOLLIN, f);
}

void rig_wait_for_sends(unsigned count)
{
    pthread_mutex_lock(&rig.lock);
    while (rig.sends < count)
        pthread_cond_wait(&rig.changed, &rig.lock);
    pthread_mutex_unlock(&rig.lock);
}

void rig_end_attempt(unsigned number, enum outcome_kind kind, int status, const char *error)
{
    rig_wait_for_sends(number);
    struct ending *e = xcalloc(1, sizeof *e);
    pthread_mutex_lock(&rig.lock);
    const struct send *s = &targets.sends[number - 1];
    e->outcome = (struct outcome){.ticket = s->ticket,
                                  .shard = s->shard,
                                  .epoch = s->request.epoch,
                                  .kind = kind,
                                  .attempt = {.started_at = clock_wall_ms(),
                                              .duration_ms = 17,
                                              .http_status = (uint16_t)status,
                                              .error = error}};
    pthread_mutex_unlock(&rig.lock);
    assert_int_equal(mailbox_post(targets.endings, &e->mail), ERR_OK);
}

void rig_answer(unsigned number, int status)
{
    rig_end_attempt(number, OUTCOME_ANSWERED, status, NULL);
}
