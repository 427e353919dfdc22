// SPDX-License-Identifier: MIT
// demo_target.c: something for the demo to call: a small HTTP server on this machine.
//
//   /ok     answers 200                      /fail   answers 500
//   /slow   answers 200 after two seconds    /flaky  fails twice for each execution, then 200
//   /never  does not answer while the caller waits
//
// It runs a thread per connection, which is the simplest way to be slow. Its only client is the
// demo's own server, so it reads no more of HTTP than that one writes: a head, and a body whose
// length the head tells.

#define _GNU_SOURCE // accept4

#include "app/app_priv.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOW_MS 2000
#define NEVER_MS 60000
#define IDLE_MS 60000
#define FLAKY_SUCCEEDS_AT 3
#define HEAD_BYTES_MAX 16384

struct demo_target {
    int listen_fd;
    uint16_t port;
    int stop_pipe[2]; // Readable once the target closes, so that nobody sleeps on.
    pthread_t acceptor;
    bool accepting;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned conversations; // Threads that serve a connection.
};

// A connection, and the head of the request that it is about.
struct conversation {
    struct demo_target *target;
    int fd;
    size_t count;
    char bytes[HEAD_BYTES_MAX + 1]; // Received and not yet used, and a NUL.
};

// --- Behaviours ----------------------------------------------------------------------------------

static void pause_for(struct demo_target *t, int ms)
{
    struct pollfd p = {.fd = t->stop_pipe[0], .events = POLLIN};
    poll(&p, 1, ms);
}

// The number behind "\r\nNAME: " in the head; `otherwise` when it is not there.
static unsigned long number_in(const char *head, const char *name, unsigned long otherwise)
{
    const char *at = strstr(head, name);
    return at ? strtoul(at + strlen(name), NULL, 10) : otherwise;
}

static unsigned ok(struct conversation *c)
{
    (void)c;
    return 200;
}

static unsigned fail(struct conversation *c)
{
    (void)c;
    return 500;
}

static unsigned slow(struct conversation *c)
{
    pause_for(c->target, SLOW_MS);
    return 200;
}

static unsigned never(struct conversation *c)
{
    pause_for(c->target, NEVER_MS);
    return 200;
}

static unsigned flaky(struct conversation *c)
{
    return number_in(c->bytes, "\r\nCarillon-Attempt: ", 1) < FLAKY_SUCCEEDS_AT ? 503 : 200;
}

static const struct {
    const char *path;
    unsigned (*status)(struct conversation *c);
} behaviours[] = {
    {" /ok ", ok}, {" /fail ", fail}, {" /slow ", slow}, {" /never ", never}, {" /flaky ", flaky},
};

static unsigned status_of(struct conversation *c)
{
    const char *target = c->bytes + strcspn(c->bytes, " \r");
    for (size_t i = 0; i < COUNT_OF(behaviours); i++)
        if (strncmp(target, behaviours[i].path, strlen(behaviours[i].path)) == 0)
            return behaviours[i].status(c);
    return 404;
}

// --- One connection ------------------------------------------------------------------------------

// False at the end of the connection, of the target, or of its patience.
static bool receive(struct conversation *c)
{
    struct pollfd p[] = {{.fd = c->fd, .events = POLLIN},
                         {.fd = c->target->stop_pipe[0], .events = POLLIN}};
    if (poll(p, 2, IDLE_MS) <= 0 || p[1].revents || c->count == HEAD_BYTES_MAX)
        return false;
    ssize_t got = recv(c->fd, c->bytes + c->count, HEAD_BYTES_MAX - c->count, 0);
    if (got <= 0)
        return false;
    c->count += (size_t)got;
    c->bytes[c->count] = '\0';
    return true;
}

static void use(struct conversation *c, size_t bytes)
{
    c->count -= bytes;
    memmove(c->bytes, c->bytes + bytes, c->count + 1);
}

static bool skip_body(struct conversation *c, size_t bytes)
{
    while (bytes > c->count) {
        bytes -= c->count;
        use(c, c->count);
        if (!receive(c))
            return false;
    }
    use(c, bytes);
    return true;
}

static bool answer(struct conversation *c, unsigned status)
{
    char text[256];
    const char *body = status == 200 ? "{\"ok\":true}\n" : "{\"ok\":false}\n";
    int bytes = snprintf(text, sizeof text,
                         "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         status, status == 200 ? "OK" : "Not OK", strlen(body), body);
    return send(c->fd, text, (size_t)bytes, MSG_NOSIGNAL) == bytes;
}

static bool serve_one(struct conversation *c)
{
    char *end;
    while (!(end = strstr(c->bytes, "\r\n\r\n")))
        if (!receive(c))
            return false;
    end[2] = '\0';
    size_t body = number_in(c->bytes, "\r\nContent-Length: ", 0);
    unsigned status = status_of(c);
    use(c, (size_t)(end + 4 - c->bytes));
    return skip_body(c, body) && answer(c, status);
}

static void *converse(void *context)
{
    struct conversation *c = context;
    struct demo_target *t = c->target;
    while (serve_one(c))
        ;
    close(c->fd);
    free(c);
    pthread_mutex_lock(&t->lock);
    if (--t->conversations == 0)
        pthread_cond_signal(&t->ended);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

// --- The target ----------------------------------------------------------------------------------

static void begin_conversation(struct demo_target *t, int fd)
{
    struct conversation *c = xcalloc(1, sizeof *c);
    pthread_t thread;
    c->target = t;
    c->fd = fd;
    pthread_mutex_lock(&t->lock);
    t->conversations++;
    pthread_mutex_unlock(&t->lock);
    if (pthread_create(&thread, NULL, converse, c) == 0) {
        pthread_detach(thread);
        return;
    }
    close(fd);
    free(c);
    pthread_mutex_lock(&t->lock);
    t->conversations--;
    pthread_mutex_unlock(&t->lock);
}

static void *accept_all(void *context)
{
    struct demo_target *t = context;
    struct pollfd p[] = {{.fd = t->listen_fd, .events = POLLIN},
                         {.fd = t->stop_pipe[0], .events = POLLIN}};
    while (poll(p, 2, -1) >= 0 && !p[1].revents) {
        int fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            begin_conversation(t, fd);
    }
    return NULL;
}

static enum err listen_on(struct demo_target *t, uint16_t port, struct fault *f)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int on = 1;
    t->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(t->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (t->listen_fd < 0 || bind(t->listen_fd, (struct sockaddr *)&address, bytes) != 0 ||
        listen(t->listen_fd, SOMAXCONN) != 0 ||
        getsockname(t->listen_fd, (struct sockaddr *)&address, &bytes) != 0)
        return fault_set(f, ERR_BUSY, "the demo's target cannot listen on 127.0.0.1:%u",
                         (unsigned)port);
    t->port = ntohs(address.sin_port);
    return ERR_OK;
}

enum err demo_target_open(uint16_t port, struct demo_target **out, struct fault *f)
{
    struct demo_target *t = xcalloc(1, sizeof *t);
    t->listen_fd = -1;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->ended, NULL);
    if (pipe(t->stop_pipe) != 0) {
        free(t);
        return fault_set(f, ERR_SYSTEM, "pipe: %s", strerror(errno));
    }
    enum err err = listen_on(t, port, f);
    if (!err && pthread_create(&t->acceptor, NULL, accept_all, t) != 0)
        err = fault_set(f, ERR_SYSTEM, "cannot start a thread for the demo's target");
    if (err) {
        demo_target_close(t);
        return err;
    }
    t->accepting = true;
    *out = t;
    return ERR_OK;
}

uint16_t demo_target_port(const struct demo_target *t)
{
    return t->port;
}

void demo_target_close(struct demo_target *t)
{
    if (!t)
        return;
    close(t->stop_pipe[1]);
    if (t->accepting)
        pthread_join(t->acceptor, NULL);
    pthread_mutex_lock(&t->lock);
    while (t->conversations > 0)
        pthread_cond_wait(&t->ended, &t->lock);
    pthread_mutex_unlock(&t->lock);
    if (t->listen_fd >= 0)
        close(t->listen_fd);
    close(t->stop_pipe[0]);
    pthread_cond_destroy(&t->ended);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
