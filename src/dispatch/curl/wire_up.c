// SPDX-License-Identifier: MIT
// wire_up.c: libcurl's sockets and its one timer on our event loop.
//
// libcurl says which socket it wants to read or write and when it wants to be called next; we tell
// it what is ready. It moves its timer with every request, so the timerfd is set only when the next
// call comes nearer; when the timer fires too early for that reason it is set again.
//
// libcurl does not watch the connections that it keeps, and takes one with unread bytes (libcurl 7)
// for as good as any: what nobody asked for would be the answer to the next request. So the sockets
// of kept connections wait in an epoll of their own, which is looked at before libcurl may use one,
// and what has spoken there is shut down. Then libcurl finds it closed.

#include "dispatch/curl/curl_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct curl_socket {
    struct loop_source source;
    struct curl_dispatch *owner;
};

// --- Sockets -------------------------------------------------------------------------------------

// Reads what is there, a bounded part of it: shut down, the socket answers more with RST.
static void shut_down(int fd)
{
    char bytes[4096];
    shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < 64 && recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0; i++)
        ;
}

static void shut_down_spoilt(struct curl_dispatch *d)
{
    struct epoll_event events[64];
    int count = epoll_wait(d->kept.fd, events, COUNT_OF(events), 0);
    for (int i = 0; i < count; i++) {
        epoll_ctl(d->kept.fd, EPOLL_CTL_DEL, events[i].data.fd, NULL);
        shut_down(events[i].data.fd);
    }
}

static void kept_ready(void *context, uint32_t events)
{
    (void)events;
    shut_down_spoilt(context);
}

// A transfer has let go of the socket. Closing it later takes it out by itself.
static void watch_kept(struct curl_dispatch *d, CURL *easy, curl_socket_t fd)
{
    struct transfer *t = NULL;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    if (t && t->response.head_complete)
        epoll_ctl(d->kept.fd, EPOLL_CTL_ADD, fd, &e);
}

static void socket_ready(void *context, uint32_t events)
{
    struct curl_socket *s = context;
    struct curl_dispatch *d = s->owner;
    shut_down_spoilt(d);
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
    epoll_ctl(d->kept.fd, EPOLL_CTL_DEL, fd, NULL);
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
        watch_kept(d, easy, fd);
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
    shut_down_spoilt(d);
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

static enum err open_source(struct curl_dispatch *d, struct loop_source *s, int fd,
                            loop_ready *ready, const char *what, struct fault *f)
{
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "%s: %s", what, strerror(errno));
    *s = (struct loop_source){.fd = fd, .ready = ready, .context = d};
    enum err err = loop_add(d->loop, s, EPOLLIN, f);
    if (err) {
        close(fd);
        s->fd = -1;
    }
    return err;
}

static void close_source(struct curl_dispatch *d, struct loop_source *s)
{
    if (s->fd < 0)
        return;
    loop_remove(d->loop, s);
    close(s->fd);
}

enum err curl__wire_up(struct curl_dispatch *d, struct fault *f)
{
    d->timer_due = MONO_NEVER;
    d->timer_armed = MONO_NEVER;
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    enum err err = open_source(d, &d->timer, timer, timer_ready, "timerfd_create", f);
    if (!err)
        err = open_source(d, &d->kept, epoll_create1(EPOLL_CLOEXEC), kept_ready, "epoll_create", f);
    if (err)
        return err;
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    return ERR_OK;
}

void curl__unwire(struct curl_dispatch *d)
{
    close_source(d, &d->timer);
    close_source(d, &d->kept);
}
