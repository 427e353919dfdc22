// SPDX-License-Identifier: MIT
// server.c: libmicrohttpd behind the server's interface: its start, its callbacks, its end.
//
// The library runs a pool of threads, each with its own epoll. Of every request it calls
// on_request_line, then on_request once with the head, once per piece of the body and once at the
// end; if the answer comes later the connection is suspended, and on_request is called again when
// it is resumed. on_completed ends the exchange, however it ended. All calls for one connection
// come from one thread.

#include "api/server_exchange_priv.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// The library keeps a connection's head and its answer's head in one pool of this size, and would
// answer by itself if that were too small: twice our own limit leaves it no occasion.
#define POOL_SPARE_BYTES (32 * 1024)

// --- One request ---------------------------------------------------------------------------------

static void *on_request_line(void *cls, const char *target, struct MHD_Connection *connection)
{
    return exchange_new(cls, connection, target);
}

// Unless the server drains, the exchange counts as under way from now on.
static bool begin(struct server *s, struct exchange *x)
{
    pthread_mutex_lock(&s->lock);
    bool accepted = !s->draining;
    if (accepted) {
        s->under_way++;
        x->claimed = true;
    }
    pthread_mutex_unlock(&s->lock);
    return accepted;
}

static void end(struct server *s, struct exchange *x)
{
    if (!x->claimed)
        return;
    pthread_mutex_lock(&s->lock);
    if (--s->under_way == 0)
        pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

static struct guard_socket *socket_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void handle(struct server *s, struct exchange *x, const char *method)
{
    const char *detail;
    atomic_store(&x->state, EXCHANGE_HANDLED);
    bool complete = exchange_complete(x, method, &detail);
    if (!guard_socket_claim(x->socket)) {
        exchange_refuse(x, 500, "the request came past the guard");
    } else if (!complete) {
        exchange_refuse(x, 400, detail);
    } else if (!begin(s, x)) {
        exchange_add_header(x, "Retry-After", "1");
        exchange_refuse(x, 503, "the server is shutting down");
    } else {
        s->handler(s->context, x);
    }
}

static enum MHD_Result send_answer(struct server *s, struct exchange *x)
{
    if (s->draining)
        MHD_add_response_header(x->response, "Connection", "close");
    return MHD_queue_response(x->connection, x->status, x->response);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **request)
{
    struct server *s = cls;
    struct exchange *x = *request;
    (void)url;
    (void)version;

    if (!x->head_read) { // The library may still send "100 Continue" after this call.
        x->head_read = true;
        x->socket = socket_of(connection);
        return MHD_YES;
    }
    if (*upload_bytes > 0) {
        exchange_append_body(x, upload, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (atomic_load(&x->state) == EXCHANGE_READING)
        handle(s, x, method);
    if (atomic_load(&x->state) == EXCHANGE_ANSWERED)
        return send_answer(s, x);

    // It is suspended first: whoever then finds it WAITING may resume it at once.
    MHD_suspend_connection(connection);
    enum exchange_state handled = EXCHANGE_HANDLED;
    if (!atomic_compare_exchange_strong(&x->state, &handled, EXCHANGE_WAITING))
        MHD_resume_connection(connection); // Answered in between.
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode how)
{
    struct exchange *x = *request;
    (void)connection;
    if (!x)
        return;
    if (x->response && how == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->socket)
        guard_socket_answered(x->socket);
    end(cls, x);
    exchange_free(x);
    *request = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = guard_socket_open(s->front, info->connect_fd);
    } else {
        guard_socket_close(*socket_context);
        *socket_context = NULL;
    }
}

// The target's own decoder works on the raw text, so the library must leave it as it is.
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

// --- Start ---------------------------------------------------------------------------------------

static struct server_options with_defaults(const struct server_options *given)
{
    struct server_options o = *given;
    o.host = NULL;
    o.threads = o.threads ? o.threads : 2;
    o.connections_max = MAX(o.connections_max ? o.connections_max : 1024, o.threads);
    o.body_bytes_max = o.body_bytes_max ? o.body_bytes_max : SERVER_BODY_BYTES_MAX;
    o.uri_bytes_max = o.uri_bytes_max ? o.uri_bytes_max : SERVER_URI_BYTES_MAX;
    o.head_bytes_max = o.head_bytes_max ? o.head_bytes_max : SERVER_HEAD_BYTES_MAX;
    o.headers_max = o.headers_max ? o.headers_max : SERVER_HEADERS_MAX;
    o.idle_timeout_s = o.idle_timeout_s ? o.idle_timeout_s : 30;
    o.request_timeout_ms = o.request_timeout_ms ? o.request_timeout_ms : 20000;
    o.error_type = o.error_type ? o.error_type : "application/problem+json";
    return o;
}

static enum err open_front(struct server *s, struct fault *f)
{
    const struct server_options *o = &s->options;
    struct guard_front_options front = {
        .limits = {o->uri_bytes_max, o->head_bytes_max, o->headers_max, o->body_bytes_max},
        .request_timeout_ms = o->request_timeout_ms,
        .answer = server__refusal_answer,
        .context = s,
    };
    return guard_front_open(&front, &s->front, f);
}

static struct MHD_Daemon *start_daemon(struct server *s)
{
    const struct server_options *o = &s->options;
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
        MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_THREAD_POOL_SIZE, o->threads,
        MHD_OPTION_CONNECTION_LIMIT, o->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        o->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        2 * o->head_bytes_max + POOL_SPARE_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        s, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_END);
}

// Signals are for the threads which wait for them: the library's inherit a mask that blocks all.
static enum err start(struct server *s, struct fault *f)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum err err = open_front(s, f);
    if (!err) {
        s->daemon = start_daemon(s);
        if (!s->daemon)
            err = fault_set(f, ERR_SYSTEM, "cannot start the HTTP server on port %u",
                            (unsigned)s->port);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

// Frees a server whose threads have ended, or never started.
static void server_free(struct server *s)
{
    guard_front_close(s->front);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

enum err server_open(const struct server_options *o, server_handler *handler, void *context,
                     struct server **out, struct fault *f)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->options = with_defaults(o);
    s->handler = handler;
    s->context = context;
    s->listen_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    if (getrandom(&s->id_prefix, sizeof s->id_prefix, 0) < 0)
        s->id_prefix = (uint32_t)getpid();

    enum err err = server__listen(o->host, o->port, &s->listen_fd, &s->port, f);
    if (!err)
        err = start(s, f);
    if (err) {
        server_free(s);
        return err;
    }
    *out = s;
    return ERR_OK;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

// --- End -----------------------------------------------------------------------------------------

// The library's threads give the listening socket up before it is shut down; its number stays
// taken until they have ended.
void server_drain(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    bool first = !s->draining;
    s->draining = true;
    pthread_mutex_unlock(&s->lock);
    if (!first)
        return;
    MHD_quiesce_daemon(s->daemon);
    shutdown(s->listen_fd, SHUT_RDWR);
}

void server_close(struct server *s)
{
    if (!s)
        return;
    server_drain(s);
    pthread_mutex_lock(&s->lock);
    while (s->under_way > 0)
        pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
    MHD_stop_daemon(s->daemon);
    server_free(s);
}
