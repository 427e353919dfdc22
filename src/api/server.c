// SPDX-License-Identifier: MIT
// server.c: the server's start and its end.
//
// The order of an end: the listening sockets are shut down, which ends the acceptors; each thread
// goes on until no exchange of its connections is lent and every answer is sent; then it closes its
// connections.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// --- Start ---------------------------------------------------------------------------------------

#define DEFAULT(member, value)                                                                     \
    do {                                                                                           \
        if (!o.member)                                                                             \
            o.member = (value);                                                                    \
    } while (0)

static struct server_options with_defaults(const struct server_options *given)
{
    struct server_options o = *given;
    o.host = o.unix_path = o.observe_host = NULL;
    o.tls_certificate = o.tls_key = o.tls_client_ca = NULL;
    DEFAULT(unix_mode, SERVER_UNIX_MODE);
    DEFAULT(threads, 2);
    DEFAULT(connections_max, 2048);
    DEFAULT(connections_per_address_max, 256);
    DEFAULT(connections_reserved, 64);
    DEFAULT(body_bytes_max, SERVER_BODY_BYTES_MAX);
    DEFAULT(uri_bytes_max, SERVER_URI_BYTES_MAX);
    DEFAULT(head_bytes_max, SERVER_HEAD_BYTES_MAX);
    DEFAULT(headers_max, SERVER_HEADERS_MAX);
    DEFAULT(bodies_bytes_max, (size_t)32 << 20);
    DEFAULT(answers_bytes_max, (size_t)64 << 20);
    DEFAULT(stream_bytes_max, (size_t)64 << 10);
    DEFAULT(handshake_timeout_ms, 5000);
    DEFAULT(idle_timeout_ms, 30000);
    DEFAULT(request_timeout_ms, 20000);
    DEFAULT(answer_timeout_ms, 30000);
    DEFAULT(answer_bytes_per_s, (size_t)64 << 10);
    DEFAULT(pressed_timeout_ms, 5000);
    DEFAULT(linger_timeout_ms, 5000);
    DEFAULT(headers, "");
    DEFAULT(error_type, "application/problem+json");
    return o;
}

struct server *server__new(const struct server_options *o, server_handler *handler, void *context)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->options = with_defaults(o);
    s->handler = handler;
    s->context = context;
    for (int door = 0; door < SERVER_DOORS; door++)
        s->listeners[door] =
            (struct listener){.server = s, .door = (enum server_door)door, .fd = -1};
    s->bodies.max = s->options.bodies_bytes_max;
    s->answers.max = s->options.answers_bytes_max;
    if (getrandom(&s->id_prefix, sizeof s->id_prefix, 0) < 0)
        s->id_prefix = (uint32_t)getpid();
    census__init(&s->census, &s->options, s->id_prefix);
    s->threads = xcalloc(s->options.threads, sizeof(struct server_thread *));
    return s;
}

// All its threads have ended, or were never started.
void server__free(struct server *s)
{
    for (size_t i = 0; i < s->threads_count; i++)
        server_thread__close(s->threads[i]);
    assert(atomic_load(&s->bodies.used) == 0 && atomic_load(&s->answers.used) == 0);
    census__fini(&s->census);
    for (int door = 0; door < SERVER_DOORS; door++)
        if (s->listeners[door].fd >= 0)
            close(s->listeners[door].fd);
    server_tls_close(s->tls);
    free(s->threads);
    free(s);
}

static enum err start_threads(struct server *s, struct fault *f)
{
    enum err err = ERR_OK;
    while (!err && s->threads_count < s->options.threads) {
        err = server_thread__open(s, &s->threads[s->threads_count], f);
        if (!err)
            err = server_thread__start(s->threads[s->threads_count++], f);
    }
    for (int door = 0; door < SERVER_DOORS && !err; door++)
        if (s->listeners[door].fd >= 0)
            err = acceptor__start(&s->listeners[door], f);
    return err;
}

// Signals are for the threads which wait for them: the server's inherit a mask that blocks all.
static enum err start(struct server *s, struct fault *f)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum err err = start_threads(s, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static enum err open_doors(struct server *s, const struct server_options *o, struct fault *f)
{
    struct listener *l = s->listeners;
    const struct server_tls_files files = {o->tls_certificate, o->tls_key, o->tls_client_ca};
    assert(o->host || o->unix_path);
    enum err err = ERR_OK;
    if (files.certificate)
        err = server_tls_open(&files, &s->tls, f);
    if (!err && o->host)
        err = listener__open(&l[DOOR_MAIN], o->host, o->port, f);
    if (!err && o->unix_path)
        err = listener__open_unix(&l[DOOR_UNIX], o->unix_path, s->options.unix_mode, f);
    if (!err && o->observe_host)
        err = listener__open(&l[DOOR_OBSERVE], o->observe_host, o->observe_port, f);
    return err;
}

enum err server_listen(const struct server_options *o, server_handler *handler, void *context,
                       struct server **out, struct fault *f)
{
    struct server *s = server__new(o, handler, context);
    enum err err = open_doors(s, o, f);
    if (err) {
        server_close(s);
        return err;
    }
    *out = s;
    return ERR_OK;
}

enum err server_serve(struct server *s, struct fault *f)
{
    return start(s, f);
}

enum err server_open(const struct server_options *o, server_handler *handler, void *context,
                     struct server **out, struct fault *f)
{
    struct server *s;
    enum err err = server_listen(o, handler, context, &s, f);
    if (err)
        return err;
    err = server_serve(s, f);
    if (err) {
        server_close(s);
        return err;
    }
    *out = s;
    return ERR_OK;
}

static uint16_t port_of(const union socket_address *a)
{
    if (a->any.sa_family != AF_INET && a->any.sa_family != AF_INET6)
        return 0;
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

uint16_t server_port(const struct server *s)
{
    return port_of(&s->listeners[DOOR_MAIN].bound);
}

uint16_t server_observe_port(const struct server *s)
{
    return port_of(&s->listeners[DOOR_OBSERVE].bound);
}

unsigned server_connections(const struct server *s)
{
    unsigned count = 0;
    for (size_t i = 0; i < s->threads_count; i++)
        count += atomic_load_explicit(&s->threads[i]->connections, memory_order_relaxed);
    return count;
}

enum err server_reload(struct server *s, struct fault *f)
{
    return s->tls ? server_tls_reload(s->tls, f) : ERR_OK;
}

// --- End -----------------------------------------------------------------------------------------

static void post_to_all(struct server *s, enum server_mail_kind kind)
{
    for (size_t i = 0; i < s->threads_count; i++) {
        struct server_thread *t = s->threads[i];
        struct server_mail *mail = kind == MAIL_DRAIN ? &t->drain_mail : &t->close_mail;
        enum err err = mailbox_post_always(t->mailbox, &mail->mail);
        assert(!err);
        (void)err;
    }
}

// A listening socket's number stays taken until its acceptor has ended.
void server_drain(struct server *s)
{
    if (atomic_exchange(&s->draining, true))
        return;
    for (int door = 0; door < SERVER_DOORS; door++) {
        struct listener *l = &s->listeners[door];
        if (l->fd >= 0)
            shutdown(l->fd, SHUT_RDWR);
        listener__remove_file(l);
    }
    post_to_all(s, MAIL_DRAIN);
}

void server_close(struct server *s)
{
    if (!s)
        return;
    server_drain(s);
    for (int door = 0; door < SERVER_DOORS; door++)
        acceptor__join(&s->listeners[door]);
    post_to_all(s, MAIL_CLOSE);
    for (size_t i = 0; i < s->threads_count; i++)
        if (s->threads[i]->started)
            pthread_join(s->threads[i]->thread, NULL);
    server__free(s);
}
