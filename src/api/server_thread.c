// SPDX-License-Identifier: MIT
// server_thread.c: one of the server's threads: its loop, its mail, its clock.
//
// Deadlines are looked at now and then, all in one walk over the connections: at most once a
// second, since none of them is so exact, and never while there are no connections.

#include "api/server_inside_priv.h"

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
    time_t now = (time_t)(clock_wall_ms() / 1000);
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
    t->closing_since = t->now;
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
    shortest = MIN(shortest, MIN(o->pressed_timeout_ms, o->handshake_timeout_ms));
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
