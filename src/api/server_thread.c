// SPDX-License-Identifier: MIT
// server_thread.c: one of the server's threads: its loop, its mail, its clock.
//
// Deadlines are looked at now and then, all in one walk over the connections: at most once a
// second, since none of them is so exact, and never while there are no connections.

#include "api/server_inside_priv.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define HANDLING_MS 2 // Handlers are called so long without a look at the sockets.

static _Thread_local struct server_thread *current;

bool server_thread__is_current(const struct server_thread *t)
{
    return current == t;
}

// "Tue, 24 Nov 2026 05:27:00 GMT". The names are fixed, not the locale's.
const char *server_thread__date(struct server_thread *t)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    if (now == t->date_at)
        return t->date;
    struct tm utc;
    gmtime_r(&now, &utc);
    snprintf(t->date, sizeof t->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[utc.tm_wday],
             utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
             utc.tm_sec);
    t->date_at = now;
    return t->date;
}

// --- Arrivals ------------------------------------------------------------------------------------

static bool close_first(struct server_thread *t, enum client_state state,
                        const struct host_key *key)
{
    struct client *c;
    TAILQ_FOREACH(c, &t->places[state], link) {
        if (c->host && (!key || memcmp(&c->host->key, key, sizeof *key) == 0)) {
            client__close(c);
            return true;
        }
    }
    return false;
}

// Closes the connection that has had nothing to do for the longest time; with a key, of that host.
static bool make_room(struct server_thread *t, const struct host_key *key)
{
    return close_first(t, CLIENT_LINGERING, key) || close_first(t, CLIENT_IDLE, key);
}

static enum seat find_seat(struct server_thread *t, const union socket_address *peer,
                           struct host **host)
{
    struct census *census = &t->server->census;
    struct host_key key = host_key(peer);
    enum seat seat = census__enter(census, peer, host);
    if (seat == SEAT_GIVEN)
        return seat;
    metric_add(METRIC_api_connections_crowded, 1);
    if (make_room(t, seat == SEAT_NONE_FREE ? NULL : &key))
        seat = census__enter(census, peer, host);
    return seat;
}

static bool close_first_reserved(struct server_thread *t, enum client_state state)
{
    struct client *c;
    TAILQ_FOREACH(c, &t->reserve, reserve_link) {
        if (c->state == state) {
            client__close(c);
            return true;
        }
    }
    return false;
}

// Reads what has come since the loop was last asked.
static void hear_reserve(struct server_thread *t)
{
    struct client *next;
    for (struct client *c = TAILQ_FIRST(&t->reserve); c; c = next) {
        next = TAILQ_NEXT(c, reserve_link);
        if (c->state == CLIENT_IDLE)
            client__hear(c);
    }
}

// A connection of the reserve makes room for the next: one that has its answer, else the oldest
// that has said something, but not all. A probe says all at once, so one that has said nothing yet
// may be a probe, and goes last.
static bool reserve_has_room(struct server_thread *t)
{
    if (t->reserve_count < t->reserve_max)
        return true;
    hear_reserve(t);
    return t->reserve_count < t->reserve_max || close_first_reserved(t, CLIENT_LINGERING) ||
           close_first_reserved(t, CLIENT_HEAD) || close_first_reserved(t, CLIENT_BODY) ||
           close_first_reserved(t, CLIENT_IDLE);
}

void server_thread__arrive(struct server_thread *t, const struct arrival *a)
{
    struct host *host = NULL;
    t->now = clock_mono_ms();
    if (find_seat(t, &a->peer, &host) != SEAT_GIVEN && !reserve_has_room(t)) {
        close(a->fd);
        return;
    }
    client__open(t, a, host);
    if (t->look_at == MONO_NEVER)
        t->look_at = t->now;
}

// --- Mail ----------------------------------------------------------------------------------------

static void arrival_came(struct server_thread *t, struct server_mail *m)
{
    struct arrival *a = (struct arrival *)m;
    atomic_fetch_sub_explicit(&t->arriving, 1, memory_order_relaxed);
    server_thread__arrive(t, a);
    free(a);
}

static void exchange_came(struct server_thread *t, struct server_mail *m)
{
    (void)t;
    struct exchange *x = (struct exchange *)m;
    struct client *c = x->client;
    if (x->stream)
        stream__mail(c);
    else
        answer__send(c);
    client__go_on(c);
}

static void drain_came(struct server_thread *t, struct server_mail *m)
{
    struct client *c;
    (void)m;
    TAILQ_FOREACH(c, &t->places[CLIENT_STREAMING], link) {
        stream__drain(c);
    }
}

static void close_came(struct server_thread *t, struct server_mail *m)
{
    (void)m;
    t->closing = true;
}

typedef void mail_came(struct server_thread *t, struct server_mail *m);

static mail_came *const mails[SERVER_MAIL_KINDS] = {
    [MAIL_ARRIVAL] = arrival_came,
    [MAIL_EXCHANGE] = exchange_came,
    [MAIL_DRAIN] = drain_came,
    [MAIL_CLOSE] = close_came,
};

static void mail_ready(void *context, uint32_t events)
{
    (void)events;
    struct server_thread *t = context;
    t->now = clock_mono_ms();
    struct mail *next;
    for (struct mail *m = mailbox_take(t->mailbox); m; m = next) {
        next = m->next;
        struct server_mail *mail = (struct server_mail *)m;
        mails[mail->kind](t, mail);
    }
}

// --- Time ----------------------------------------------------------------------------------------

static bool has_connections(const struct server_thread *t)
{
    return atomic_load_explicit(&t->connections, memory_order_relaxed) > 0;
}

// Often enough for the shortest of the times.
static dur_ms look_every(const struct server_thread *t)
{
    const struct server_options *o = &t->server->options;
    dur_ms shortest = MIN(MIN(o->idle_timeout_ms, o->request_timeout_ms),
                          MIN(o->answer_timeout_ms, o->linger_timeout_ms));
    shortest = MIN(shortest, o->pressed_timeout_ms);
    return MAX(1, MIN(shortest / 5, 1000));
}

static void look(struct server_thread *t)
{
    mono_ms now = clock_mono_ms();
    if (now < t->look_at)
        return;
    for (int state = 0; state < CLIENT_CLOSED; state++) {
        struct client *next;
        for (struct client *c = TAILQ_FIRST(&t->places[state]); c; c = next) {
            next = TAILQ_NEXT(c, link);
            client__check_time(c, now);
        }
    }
    t->look_at = has_connections(t) ? now + look_every(t) : MONO_NEVER;
}

// Handlers may take long. After some of them the sockets are looked at again, so that reserved
// paths are answered meanwhile.
static void handle_ready(struct server_thread *t)
{
    struct client_list *ready = &t->places[CLIENT_READY];
    mono_ms until = 0;
    for (struct client *c; (c = TAILQ_FIRST(ready));) {
        t->now = clock_mono_ms();
        if (until == 0)
            until = t->now + HANDLING_MS;
        else if (t->now >= until)
            break;
        request__handle(c);
        client__go_on(c);
    }
}

static void free_closed(struct server_thread *t)
{
    struct client_list *closed = &t->places[CLIENT_CLOSED];
    for (struct client *c; (c = TAILQ_FIRST(closed));) {
        TAILQ_REMOVE(closed, c, link);
        free(c);
    }
}

// --- Its life ------------------------------------------------------------------------------------

static int wait_ms(const struct server_thread *t)
{
    if (!TAILQ_EMPTY(&t->places[CLIENT_READY]))
        return 0;
    if (t->look_at == MONO_NEVER)
        return -1;
    return (int)MAX(0, t->look_at - clock_mono_ms());
}

void server_thread__turn(struct server_thread *t, int timeout_ms)
{
    current = t;
    int wait = wait_ms(t);
    loop_turn(t->loop, timeout_ms >= 0 && (wait < 0 || timeout_ms < wait) ? timeout_ms : wait);
    handle_ready(t);
    look(t);
    free_closed(t);
}

void server_thread__close_connections(struct server_thread *t)
{
    assert(t->lent == 0);
    for (int state = 0; state < CLIENT_CLOSED; state++) {
        for (struct client *c; (c = TAILQ_FIRST(&t->places[state]));)
            client__close(c);
    }
    free_closed(t);
}

static void *run(void *context)
{
    struct server_thread *t = context;
    while (!t->closing || t->lent > 0 || !TAILQ_EMPTY(&t->places[CLIENT_READY]))
        server_thread__turn(t, -1);
    server_thread__close_connections(t);
    return NULL;
}

enum err server_thread__open(struct server *s, struct server_thread **out, struct fault *f)
{
    struct server_thread *t = xcalloc(1, sizeof *t);
    t->server = s;
    t->look_at = MONO_NEVER;
    t->drain_mail.kind = MAIL_DRAIN;
    t->close_mail.kind = MAIL_CLOSE;
    t->reserve_max = MAX(1, s->options.connections_reserved / s->options.threads);
    TAILQ_INIT(&t->reserve);
    for (int state = 0; state < CLIENT_STATES; state++)
        TAILQ_INIT(&t->places[state]);
    enum err err = loop_open(&t->loop, f);
    if (!err)
        err = mailbox_open(SIZE_MAX, &t->mailbox, f);
    if (!err) {
        t->mail =
            (struct loop_source){.fd = mailbox_fd(t->mailbox), .ready = mail_ready, .context = t};
        err = loop_add(t->loop, &t->mail, EPOLLIN, f);
    }
    if (err) {
        server_thread__close(t);
        return err;
    }
    *out = t;
    return ERR_OK;
}

enum err server_thread__start(struct server_thread *t, struct fault *f)
{
    int problem = pthread_create(&t->thread, NULL, run, t);
    if (problem != 0)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(problem));
    t->started = true;
    return ERR_OK;
}

// Connections that were given to the thread after it had ended.
static void drop_arrivals(struct server_thread *t)
{
    struct mail *next;
    for (struct mail *m = mailbox_take(t->mailbox); m; m = next) {
        next = m->next;
        if (((struct server_mail *)m)->kind == MAIL_ARRIVAL) {
            close(((struct arrival *)m)->fd);
            free(m);
        }
    }
}

void server_thread__close(struct server_thread *t)
{
    if (!t)
        return;
    if (t->mailbox)
        drop_arrivals(t);
    mailbox_close(t->mailbox);
    loop_close(t->loop);
    free(t);
}
