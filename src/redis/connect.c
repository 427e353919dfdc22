// SPDX-License-Identifier: MIT
// connect.c: from nothing to a connection that is ours: TCP or a socket, TLS, who we are, which
// database, and which life of the server it is.

#include "redis/redis_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

// --- The socket ------------------------------------------------------------------------------

static enum err open_context(struct redis *r, struct fault *f)
{
    const struct redis_place *p = &r->server->place;
    r->context =
        p->is_socket ? redisConnectUnixNonBlock(p->host) : redisConnectNonBlock(p->host, p->port);
    if (!r->context)
        return fault_set(f, ERR_STORE_AWAY, "no memory for a connection");
    if (r->context->err)
        return fault_set(f, ERR_STORE_AWAY, "%s", r->context->errstr);
    fcntl(r->context->fd, F_SETFD, FD_CLOEXEC);
    return ERR_OK;
}

static enum err finish_connecting(struct redis *r, mono_ms deadline, struct fault *f)
{
    int problem = 0;
    socklen_t size = sizeof problem;
    enum err err = redis__wait(r, POLLOUT, deadline, f);
    if (err)
        return err;
    getsockopt(r->context->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem)
        return fault_set(f, ERR_STORE_AWAY, "%s", strerror(problem));
    return ERR_OK;
}

// For the length of a handshake the connection blocks, each read and write for a bounded time.
static enum err secure(struct redis *r, struct fault *f)
{
    redisContext *c = r->context;
    if (!r->server->tls)
        return ERR_OK;
    int flags = fcntl(c->fd, F_GETFL);
    struct timeval bound = {.tv_sec = REDIS_CONNECT_MS / 1000};
    fcntl(c->fd, F_SETFL, flags & ~O_NONBLOCK);
    c->flags |= REDIS_BLOCK;
    redisSetTimeout(c, bound);
    enum err err = redis__tls_begin(c, r->server->tls, r->server->place.host, f);
    c->flags &= ~REDIS_BLOCK;
    fcntl(c->fd, F_SETFL, flags | O_NONBLOCK);
    return err;
}

// --- Who we are ------------------------------------------------------------------------------

// A command of one or two words.
static enum err call(struct redis *r, int count, const char **words, mono_ms deadline,
                     struct fault *f)
{
    char *text = NULL;
    int bytes = (int)redisFormatCommandArgv(&text, count, words, NULL);
    if (bytes < 0)
        return fault_set(f, ERR_STORE_AWAY, "no memory for a command");
    enum err err = redis__exchange(r, text, (size_t)bytes, 1, deadline, f);
    redisFreeCommand(text);
    return err;
}

// What the server says to a wrong password holds no part of it.
static enum err must_call(struct redis *r, int count, const char **words, mono_ms deadline,
                          struct fault *f)
{
    enum err err = call(r, count, words, deadline, f);
    const char *complaint = err ? NULL : redis_error(redis_reply(r, 0));
    if (complaint)
        err = fault_set(f, ERR_STORE_AWAY, "%s", complaint);
    return err;
}

static enum err log_in(struct redis *r, mono_ms deadline, struct fault *f)
{
    const struct redis_place *p = &r->server->place;
    char database[16];
    const char *both[] = {"AUTH", p->user, p->password};
    const char *alone[] = {"AUTH", p->password};
    const char *choose[] = {"SELECT", database};
    enum err err = ERR_OK;
    if (p->password[0])
        err = must_call(r, p->user[0] ? 3 : 2, p->user[0] ? both : alone, deadline, f);
    snprintf(database, sizeof database, "%u", p->database);
    if (!err)
        err = must_call(r, 2, choose, deadline, f);
    return err;
}

// "run_id:0123...\r\n" is a line of the answer. Who may not ask goes on without.
static enum err learn_run_id(struct redis *r, mono_ms deadline, struct fault *f)
{
    const char *ask[] = {"INFO", "server"};
    r->run_id[0] = '\0';
    enum err err = call(r, 2, ask, deadline, f);
    const char *text = err ? NULL : redis_text(redis_reply(r, 0), NULL);
    const char *line = text ? strstr(text, "run_id:") : NULL;
    if (!line)
        return err;
    const char *id = line + strlen("run_id:");
    size_t bytes = strspn(id, "0123456789abcdef");
    if (bytes < sizeof r->run_id)
        snprintf(r->run_id, sizeof r->run_id, "%.*s", (int)bytes, id);
    return ERR_OK;
}

enum err redis__connect_now(struct redis *r, struct fault *f)
{
    mono_ms deadline = clock_mono_ms() + REDIS_CONNECT_MS;
    enum err err = open_context(r, f);
    if (!err)
        err = finish_connecting(r, deadline, f);
    if (!err)
        err = secure(r, f);
    if (!err)
        err = log_in(r, deadline, f);
    if (!err)
        err = learn_run_id(r, deadline, f);
    redis__drop_replies(r);
    if (!err)
        r->connects++;
    return err;
}
