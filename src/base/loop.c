// SPDX-License-Identifier: MIT
// loop.c: epoll with one rule added: a source removed in a turn is not called in that turn.

#include "base/loop.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256

struct loop {
    int epoll_fd;
    int pending;
    struct epoll_event events[EVENTS_PER_TURN];
};

enum err loop_open(struct loop **out, struct fault *f)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "epoll_create1: %s", strerror(errno));
    struct loop *l = xcalloc(1, sizeof *l);
    l->epoll_fd = fd;
    *out = l;
    return ERR_OK;
}

void loop_close(struct loop *l)
{
    if (!l)
        return;
    close(l->epoll_fd);
    free(l);
}

enum err loop_add(struct loop *l, struct loop_source *s, uint32_t events, struct fault *f)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) != 0)
        return fault_set(f, ERR_SYSTEM, "epoll_ctl add: %s", strerror(errno));
    return ERR_OK;
}

void loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s->fd, &e);
    assert(rc == 0); // The source is ours and added; nothing else can fail here.
    (void)rc;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
    // The descriptor may be closed already by a library; the kernel has then forgotten it.
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    for (int i = 0; i < l->pending; i++)
        if (l->events[i].data.ptr == s)
            l->events[i].data.ptr = NULL;
}

int loop_turn(struct loop *l, int timeout_ms)
{
    int n = epoll_wait(l->epoll_fd, l->events, EVENTS_PER_TURN, timeout_ms);
    if (n < 0)
        return 0;
    l->pending = n;
    for (int i = 0; i < n; i++) {
        struct loop_source *s = l->events[i].data.ptr;
        if (s)
            s->ready(s->context, l->events[i].events);
    }
    l->pending = 0;
    return n;
}
