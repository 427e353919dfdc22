// SPDX-License-Identifier: MIT
// server_accept.c: a thread that accepts the connections of one door and gives each to the thread
// that has fewest.
//
// An acceptor does nothing else, so a client is accepted however busy the others are, and a few
// connections are spread evenly, which the kernel does not do for threads that accept by
// themselves. It ends when the listening socket is shut down.

#define _GNU_SOURCE // accept4, struct ucred

#include "api/server_inside_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_MS 20 // When no descriptor is left.
#define STEP_MS 1  // When no thread keeps up.

static void rest(int ms)
{
    poll(NULL, 0, ms);
}

static bool is_any(const union socket_address *a)
{
    if (a->any.sa_family == AF_UNIX)
        return false;
    if (a->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
    return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

// Only a server that listens on all of its machine's addresses has to ask.
static void find_local(const struct listener *l, struct arrival *a)
{
    socklen_t bytes = sizeof a->local;
    a->local = l->bound;
    if (is_any(&l->bound))
        (void)!getsockname(a->fd, &a->local.any, &bytes);
}

// The user who has connected to a Unix socket, as the kernel has noted it then.
static void find_user(struct arrival *a)
{
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t bytes = sizeof who;
    (void)!getsockopt(a->fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes);
    a->peer.of_unix = (struct unix_peer){.family = AF_UNIX, .uid = who.uid};
}

// The thread with the fewest connections; NULL when none of them keeps up.
static struct server_thread *choose(struct server *s)
{
    struct server_thread *best = NULL;
    unsigned fewest = 0;
    for (size_t i = 0; i < s->threads_count; i++) {
        struct server_thread *t = s->threads[i];
        unsigned arriving = atomic_load_explicit(&t->arriving, memory_order_relaxed);
        unsigned has = atomic_load_explicit(&t->connections, memory_order_relaxed) + arriving;
        if (arriving < t->reserve_max && (!best || has < fewest)) {
            best = t;
            fewest = has;
        }
    }
    return best;
}

static void hand_over(struct listener *l, int fd, const union socket_address *peer)
{
    struct server *s = l->server;
    struct arrival *a = xcalloc(1, sizeof *a);
    a->mail.kind = MAIL_ARRIVAL;
    a->fd = fd;
    a->door = l->door;
    a->peer = *peer;
    if (l->door == DOOR_UNIX)
        find_user(a);
    find_local(l, a);
    struct server_thread *t;
    while (!(t = choose(s)))
        rest(STEP_MS);
    atomic_fetch_add_explicit(&t->arriving, 1, memory_order_relaxed);
    if (mailbox_post_always(t->mailbox, &a->mail.mail)) {
        close(fd);
        free(a);
    }
}

static void *run(void *context)
{
    struct listener *l = context;
    struct server_tls *tls = l->door == DOOR_MAIN ? l->server->tls : NULL;
    while (!atomic_load(&l->server->draining)) {
        union socket_address peer = {0};
        socklen_t bytes = sizeof peer;
        int fd = accept4(l->fd, &peer.any, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && tls)
            server_tls_look(tls, clock_mono_ms());
        if (fd >= 0)
            hand_over(l, fd, &peer);
        else if (errno != ECONNABORTED && errno != EINTR && errno != EINVAL)
            rest(REST_MS);
    }
    return NULL;
}

enum err acceptor__start(struct listener *l, struct fault *f)
{
    int problem = pthread_create(&l->acceptor, NULL, run, l);
    if (problem != 0)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(problem));
    l->accepting = true;
    return ERR_OK;
}

void acceptor__join(struct listener *l)
{
    if (l->accepting)
        pthread_join(l->acceptor, NULL);
    l->accepting = false;
}
