// SPDX-License-Identifier: MIT
// lookup.c: c-ares on our event loop: its sockets, its timeouts, its answers.
//
// c-ares says which socket it wants to read or write; we tell it what is ready, and call it when
// its next timeout is over. It reads resolv.conf only once, so when that file has changed and no
// question is under way, a new channel takes the place of the old one: a machine may move to
// another network.

#include "dispatch/wire/lookup_priv.h"

#include "base/memory.h"

#include <ares.h>
#include <assert.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#define TRY_MS 2000
#define TRIES 2
#define CONFIGURATION "/etc/resolv.conf"

struct lookup_socket {
    struct loop_source source;
    struct lookup *owner;
    TAILQ_ENTRY(lookup_socket) link;
};

struct lookup {
    ares_channel channel;
    struct loop *loop;
    struct deadlines *deadlines;
    struct deadline timeout;
    char *name_servers;
    struct timespec configured; // The time of the file that the channel has read.
    size_t under_way;
    TAILQ_HEAD(, lookup_socket) sockets;
    deadline_over *done;
    void *context;
};

struct lookup_question {
    struct lookup *owner;
    lookup_learnt *learnt;
    void *context;
};

// --- Sockets and timeouts ------------------------------------------------------------------------

static void set_timeout(struct lookup *l)
{
    struct timeval wait;
    if (!ares_timeout(l->channel, NULL, &wait)) {
        deadline__clear(l->deadlines, &l->timeout);
        return;
    }
    dur_ms wait_ms = (dur_ms)wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1;
    deadline__set(l->deadlines, &l->timeout, clock_mono_ms() + wait_ms);
}

static void timeout_over(void *context)
{
    struct lookup *l = context;
    ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timeout(l);
}

static void socket_ready(void *context, uint32_t events)
{
    struct lookup_socket *s = context;
    struct lookup *l = s->owner;
    int fd = s->source.fd;
    bool failed = events & (EPOLLERR | EPOLLHUP); // What went wrong is learnt by reading.
    ares_process_fd(l->channel, events & EPOLLIN || failed ? fd : ARES_SOCKET_BAD,
                    events & EPOLLOUT ? fd : ARES_SOCKET_BAD); // May free `s`.
    set_timeout(l);
    l->done(l->context);
}

static struct lookup_socket *socket_find(struct lookup *l, int fd)
{
    struct lookup_socket *s;
    TAILQ_FOREACH(s, &l->sockets, link)
        if (s->source.fd == fd)
            break;
    return s;
}

static void socket_remove(struct lookup *l, struct lookup_socket *s)
{
    loop_remove(l->loop, &s->source);
    TAILQ_REMOVE(&l->sockets, s, link);
    free(s);
}

static void socket_add(struct lookup *l, int fd, uint32_t events)
{
    struct lookup_socket *s = xcalloc(1, sizeof *s);
    s->owner = l;
    s->source = (struct loop_source){.fd = fd, .ready = socket_ready, .context = s};
    if (loop_add(l->loop, &s->source, events, NULL))
        free(s); // The question runs into its timeout.
    else
        TAILQ_INSERT_TAIL(&l->sockets, s, link);
}

static void socket_wanted(void *context, ares_socket_t fd, int readable, int writable)
{
    struct lookup *l = context;
    struct lookup_socket *s = socket_find(l, fd);
    uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
    if (!s && events)
        socket_add(l, fd, events);
    else if (s && events)
        loop_modify(l->loop, &s->source, events);
    else if (s)
        socket_remove(l, s);
}

// --- Answers -------------------------------------------------------------------------------------

// The next address of `family` from *from on, NULL when there is none; *from moves behind it.
static const struct ares_addrinfo_node *next_of(const struct ares_addrinfo_node **from, int family)
{
    while (*from && (*from)->ai_family != family)
        *from = (*from)->ai_next;
    const struct ares_addrinfo_node *found = *from;
    if (found)
        *from = found->ai_next;
    return found;
}

static void add_node(struct addresses *a, const struct ares_addrinfo_node *n, int64_t *ttl_s)
{
    union address *to = &a->list[a->count];
    if (a->count == ADDRESSES_MAX || n->ai_addrlen > sizeof *to)
        return;
    *to = (union address){0};
    memcpy(to, n->ai_addr, n->ai_addrlen);
    *ttl_s = MIN(*ttl_s, n->ai_ttl);
    a->count++;
}

// c-ares has sorted them as RFC 6724 wants; taken by turns, beginning with the family of the first,
// one that leads nowhere costs one try and not a whole list of them.
static void add_nodes(struct addresses *a, const struct ares_addrinfo *info, int64_t *ttl_s)
{
    if (!info->nodes)
        return;
    int family = info->nodes->ai_family;
    const struct ares_addrinfo_node *first = info->nodes;
    const struct ares_addrinfo_node *second = info->nodes;
    while (first || second) {
        const struct ares_addrinfo_node *n = next_of(&first, family);
        if (n)
            add_node(a, n, ttl_s);
        n = next_of(&second, family == AF_INET6 ? AF_INET : AF_INET6);
        if (n)
            add_node(a, n, ttl_s);
    }
}

static void answered(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct lookup_question *q = context;
    struct addresses a = {0};
    int64_t ttl_s = INT32_MAX;
    if (status == ARES_SUCCESS) {
        add_nodes(&a, info, &ttl_s);
        for (const struct ares_addrinfo_cname *c = info->cnames; c; c = c->next)
            ttl_s = MIN(ttl_s, c->ttl);
    }
    ares_freeaddrinfo(info);
    q->learnt(q->context, &a, ttl_s);
    q->owner->under_way--; // Only now: the channel that is calling us must not be replaced.
    free(q);
}

// --- The channel ---------------------------------------------------------------------------------

// Newer releases of c-ares keep answers themselves, for longer than resolve.c promises to.
#ifdef ARES_OPT_QUERY_CACHE
#define KEEPS_NOTHING ARES_OPT_QUERY_CACHE // With qcache_max_ttl = 0.
#else
#define KEEPS_NOTHING 0
#endif

static bool channel_open(struct lookup *l)
{
    struct ares_options o = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = socket_wanted, .sock_state_cb_data = l};
    if (ares_init_options(&l->channel, &o,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
                              KEEPS_NOTHING))
        return false;
    if (!l->name_servers || !ares_set_servers_ports_csv(l->channel, l->name_servers))
        return true;
    ares_destroy(l->channel);
    return false;
}

static struct timespec configuration_time(void)
{
    struct stat s = {0};
    stat(CONFIGURATION, &s);
    return s.st_mtim;
}

static void follow_configuration(struct lookup *l)
{
    struct timespec now = configuration_time();
    bool same = now.tv_sec == l->configured.tv_sec && now.tv_nsec == l->configured.tv_nsec;
    if (same || l->under_way > 0)
        return;
    ares_channel old = l->channel;
    if (channel_open(l)) {
        ares_destroy(old);
        l->configured = now;
    } else {
        l->channel = old;
    }
}

void lookup__start(struct lookup *l, const char *host, lookup_learnt *learnt, void *context)
{
    follow_configuration(l);
    struct lookup_question *q = xcalloc(1, sizeof *q);
    *q = (struct lookup_question){.owner = l, .learnt = learnt, .context = context};
    l->under_way++;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC};
    ares_getaddrinfo(l->channel, host, NULL, &hints, answered, q);
    set_timeout(l);
}

enum err lookup__open(struct loop *loop, struct deadlines *deadlines, const char *name_servers,
                      deadline_over *done, void *context, struct lookup **out, struct fault *f)
{
    if (ares_library_init(ARES_LIB_INIT_ALL))
        return fault_set(f, ERR_SYSTEM, "c-ares cannot be initialised");
    struct lookup *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->deadlines = deadlines;
    l->timeout = (struct deadline){.over = timeout_over, .context = l};
    l->name_servers = xstrdup(name_servers);
    l->done = done;
    l->context = context;
    TAILQ_INIT(&l->sockets);
    l->configured = configuration_time();
    if (!channel_open(l)) {
        free(l->name_servers);
        free(l);
        ares_library_cleanup();
        return fault_set(f, ERR_SYSTEM, "the name servers %s cannot be used",
                         name_servers ? name_servers : "of the system");
    }
    *out = l;
    return ERR_OK;
}

void lookup__close(struct lookup *l)
{
    ares_destroy(l->channel); // Answers what is under way, and gives up its sockets.
    assert(TAILQ_EMPTY(&l->sockets) && l->under_way == 0);
    deadline__clear(l->deadlines, &l->timeout);
    free(l->name_servers);
    free(l);
    ares_library_cleanup();
}
