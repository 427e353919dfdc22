// SPDX-License-Identifier: MIT
// deadline.c: an agenda, and a timerfd that is set as seldom as possible.
//
// Nearly every deadline is taken back before it is over, and most are later than the one for which
// the timer is set. So the timer is moved only when an earlier deadline comes; when it wakes us for
// one that is no longer there, it is set for what is. Steady traffic costs one call in a while.

#include "dispatch/wire/deadline_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void arm(struct deadlines *all, mono_ms at)
{
    if (at >= all->armed)
        return;
    mono_ms soon = MAX(at, 1); // All zero would disarm it.
    struct itimerspec when = {.it_value = {soon / 1000, soon % 1000 * 1000000}};
    int rc = timerfd_settime(all->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
    assert(rc == 0); // The descriptor is ours and the time is valid.
    (void)rc;
    all->armed = at;
}

static void timer_ready(void *context, uint32_t events)
{
    (void)events;
    struct deadlines *all = context;
    uint64_t expirations;
    if (read(all->timer.fd, &expirations, sizeof expirations) < 0)
        return;
    all->armed = MONO_NEVER;
    mono_ms now = clock_mono_ms();
    for (struct agenda_node *n; (n = agenda_pop(all->agenda, now));) {
        struct deadline *d = (struct deadline *)n;
        d->over(d->context);
    }
    arm(all, agenda_next(all->agenda));
    all->done(all->context);
}

enum err deadlines__open(struct deadlines *all, struct loop *l, deadline_over *done, void *context,
                         struct fault *f)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "timerfd_create: %s", strerror(errno));
    struct loop_source timer = {.fd = fd, .ready = timer_ready, .context = all};
    *all = (struct deadlines){
        .loop = l, .timer = timer, .armed = MONO_NEVER, .done = done, .context = context};
    enum err err = loop_add(l, &all->timer, EPOLLIN, f);
    if (err) {
        close(fd);
        return err;
    }
    all->agenda = agenda_new();
    return ERR_OK;
}

void deadlines__close(struct deadlines *all)
{
    if (!all->agenda)
        return;
    loop_remove(all->loop, &all->timer);
    close(all->timer.fd);
    agenda_free(all->agenda);
    all->agenda = NULL;
}

void deadline__set(struct deadlines *all, struct deadline *d, mono_ms at)
{
    assert(d->over);
    agenda_put(all->agenda, &d->node, at, 0);
    arm(all, at);
}

bool deadline__is_set(const struct deadline *d)
{
    return d->node.position > 0;
}

void deadline__clear(struct deadlines *all, struct deadline *d)
{
    agenda_remove(all->agenda, &d->node);
}
