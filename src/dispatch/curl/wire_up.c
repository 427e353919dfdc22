// SPDX-License-Identifier: MIT
// wire_up.c: libcurl's sockets and its one timer on our event loop.
//
// libcurl says which socket it wants to read or write and when it wants to be called next; we tell
// it what is ready. It moves its timer with every request, so the timerfd is set only when the next
// call comes nearer; when the timer fires too early for that reason it is set again.

#include "dispatch/curl/curl_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct curl_socket {
    struct loop_source source;
    struct curl_dispatch *owner;
};

// --- Sockets -------------------------------------------------------------------------------------

static void socket_ready(void *context, uint32_t events)
{
    struct curl_socket *s = context;
    struct curl_dispatch *d = s->owner;
    int what =
        (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
    if (events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR | CURL_CSELECT_IN; // What went wrong is learnt by reading.
    int running;
    curl_multi_socket_action(d->multi, s->source.fd, what, &running); // May free `s`.
    curl__harvest(d);
}

static uint32_t events_of(int what)
{
    return (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
}

// A socket callback that fails would stop every transfer, and for ever: libcurl then sets no timer
// any more. So only the one that cannot be watched is given up, in the next turn.
static void leave_unwatched(struct curl_dispatch *d, CURL *easy)
{
    struct transfer *t;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    t->unwatched = d->has_unwatched = true;
    curl__hurry(d);
}

static void socket_add(struct curl_dispatch *d, CURL *easy, curl_socket_t fd, int what)
{
    struct curl_socket *s = xcalloc(1, sizeof *s);
    s->source = (struct loop_source){.fd = fd, .ready = socket_ready, .context = s};
    s->owner = d;
    if (loop_add(d->loop, &s->source, events_of(what), NULL)) {
        free(s);
        leave_unwatched(d, easy);
        return;
    }
    curl_multi_assign(d->multi, fd, s);
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    struct curl_dispatch *d = context;
    struct curl_socket *s = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            loop_remove(d->loop, &s->source);
        free(s);
        return 0;
    }
    if (s)
        loop_modify(d->loop, &s->source, events_of(what));
    else
        socket_add(d, easy, fd, what);
    return 0;
}

// --- The timer -----------------------------------------------------------------------------------

static void timer_arm(struct curl_dispatch *d, mono_ms at)
{
    if (at >= d->timer_armed)
        return;
    struct itimerspec when = {.it_value = {at / 1000, at % 1000 * 1000000}};
    int rc = timerfd_settime(d->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
    assert(rc == 0); // The descriptor is ours and the time is valid.
    (void)rc;
    d->timer_armed = at;
}

static int timer_wanted(CURLM *multi, long delay_ms, void *context)
{
    (void)multi;
    struct curl_dispatch *d = context;
    d->timer_due = delay_ms < 0 ? MONO_NEVER : clock_mono_ms() + delay_ms;
    timer_arm(d, d->timer_due);
    return 0;
}

static void timer_ready(void *context, uint32_t events)
{
    (void)events;
    struct curl_dispatch *d = context;
    uint64_t expirations;
    if (read(d->timer.fd, &expirations, sizeof expirations) < 0)
        return;
    d->timer_armed = MONO_NEVER;
    if (clock_mono_ms() >= d->timer_due) {
        d->timer_due = MONO_NEVER;
        int running;
        curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    timer_arm(d, d->timer_due);
    curl__harvest(d);
}

void curl__hurry(struct curl_dispatch *d)
{
    timer_arm(d, clock_mono_ms());
}

// --- Both ----------------------------------------------------------------------------------------

enum err curl__wire_up(struct curl_dispatch *d, struct fault *f)
{
    d->timer_due = MONO_NEVER;
    d->timer_armed = MONO_NEVER;
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "timerfd_create: %s", strerror(errno));
    d->timer = (struct loop_source){.fd = fd, .ready = timer_ready, .context = d};
    enum err err = loop_add(d->loop, &d->timer, EPOLLIN, f);
    if (err) {
        close(fd);
        d->timer.fd = -1;
        return err;
    }
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    return ERR_OK;
}

void curl__unwire(struct curl_dispatch *d)
{
    if (d->timer.fd < 0)
        return;
    loop_remove(d->loop, &d->timer);
    close(d->timer.fd);
}
