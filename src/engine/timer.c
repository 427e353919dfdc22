// SPDX-License-Identifier: MIT
// timer.c: two timers wake the engine: one on the wall clock, one on the monotonic clock.
//
// The wall timer is absolute and is cancelled by a clock that steps (TFD_TIMER_CANCEL_ON_SET), so a
// step wakes the engine at once; either way the engine only looks at the time again. Where the
// clock of a database is followed, the monotonic timer serves both.

#include "engine/engine_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void rang(void *context, uint32_t events)
{
    (void)events;
    struct timer *t = context;
    uint64_t expirations;
    ssize_t n = read(t->source.fd, &expirations, sizeof expirations);
    (void)n; // ECANCELED after a step of the clock; both mean: look at the time.
    t->at = INT64_MAX;
}

enum err engine__timer_open(struct timer *t, struct loop *l, int clock, struct fault *f)
{
    int fd = timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "timerfd_create: %s", strerror(errno));
    *t = (struct timer){.source = {.fd = fd, .ready = rang, .context = t}, .at = INT64_MAX};
    enum err err = loop_add(l, &t->source, EPOLLIN, f);
    if (err) {
        close(fd);
        t->source.fd = 0;
    }
    return err;
}

void engine__timer_close(struct timer *t, struct loop *l)
{
    if (t->source.fd <= 0)
        return;
    loop_remove(l, &t->source);
    close(t->source.fd);
    t->source.fd = 0;
}

void engine__timer_set(struct timer *t, int64_t at_ms)
{
    assert(t->source.fd > 0);
    if (t->at == at_ms)
        return;
    t->at = at_ms;
    struct itimerspec spec = {0};
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET; // The latter needs CLOCK_REALTIME.
    if (at_ms != INT64_MAX) {
        at_ms = MAX(at_ms, 1); // All zero would switch it off.
        spec.it_value.tv_sec = at_ms / 1000;
        spec.it_value.tv_nsec = at_ms % 1000 * 1000000;
    }
    int rc = timerfd_settime(t->source.fd, flags, &spec, NULL);
    if (rc != 0 && errno == ECANCELED)
        rc = 0; // A step was pending; the timer is set all the same and rings.
    assert(rc == 0);
    (void)rc;
}
