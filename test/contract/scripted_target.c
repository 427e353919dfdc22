// SPDX-License-Identifier: MIT
// scripted_target.c: read a request, find its script, write what it says.

#define _GNU_SOURCE // accept4

#include "scripted_target.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DRIP_NS 10000000
#define DRIP_BYTES_MAX 500 // Then it ends, lest one who waits for the end wait for ever.
#define REQUEST_BYTES_MAX 262144

struct connection {
    struct connection *next;
    struct scripted_target *target;
    struct loop_source source;
    SSL *ssl; // NULL: plain text.
    char *request;
    size_t request_bytes;
    size_t request_capacity;
    const struct script *script; // Being answered; NULL while a request is read.
    size_t answered;
    size_t dripped;
};

struct scripted_target {
    struct loop *loop;
    struct loop_source listener;
    struct loop_source drip; // A timer that lets dripping connections write their next byte.
    SSL_CTX *tls;
    const struct script *scripts;
    struct connection *connections;
    size_t accepted;
    size_t answered;
    struct scripted_handshake handshake;
    char **requests;
    size_t request_count;
    size_t request_capacity;
};

// --- Connections ---------------------------------------------------------------------------------

static void connection_close(struct connection *c, bool reset)
{
    struct connection **link = &c->target->connections;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;

    struct linger abort = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(c->source.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    SSL_free(c->ssl);
    loop_remove(c->target->loop, &c->source);
    close(c->source.fd);
    free(c->request);
    free(c);
}

// Bytes moved; 0 at the end of the stream or on an error; -1: not now.
static ssize_t connection_read(struct connection *c, char *bytes, size_t count)
{
    if (!c->ssl) {
        ssize_t n = read(c->source.fd, bytes, count);
        return n >= 0 ? n : errno == EAGAIN ? -1 : 0;
    }
    int n = SSL_read(c->ssl, bytes, (int)count); // Does the handshake too.
    if (n > 0)
        return n;
    return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static ssize_t connection_write(struct connection *c, const char *bytes, size_t count)
{
    if (!c->ssl) {
        ssize_t n = send(c->source.fd, bytes, count, MSG_NOSIGNAL);
        return n >= 0 ? n : errno == EAGAIN ? -1 : 0;
    }
    int n = SSL_write(c->ssl, bytes, (int)count);
    if (n > 0)
        return n;
    return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

// --- Answering -----------------------------------------------------------------------------------

static size_t answer_bytes(const struct script *s)
{
    return s->answer_bytes ? s->answer_bytes : s->answer ? strlen(s->answer) : 0;
}

static void answer_ended(struct connection *c)
{
    enum script_end end = c->script->end;
    c->script = NULL;
    c->answered = 0;
    c->target->answered++;
    if (end == SCRIPT_KEEP)
        loop_modify(c->target->loop, &c->source, EPOLLIN);
    else
        connection_close(c, end == SCRIPT_RESET);
}

static void answer_more(struct connection *c)
{
    const struct script *s = c->script;
    size_t left = answer_bytes(s) - c->answered;
    ssize_t n = left ? connection_write(c, s->answer + c->answered, left) : 0;
    if (left && n == 0)
        connection_close(c, false);
    else if (n > 0)
        c->answered += (size_t)n;
    if (left == 0 || (n > 0 && (size_t)n == left))
        answer_ended(c);
}

static void drip_ready(void *context, uint32_t events)
{
    (void)events;
    struct scripted_target *t = context;
    uint64_t expirations;
    if (read(t->drip.fd, &expirations, sizeof expirations) < 0)
        return;
    struct connection *next;
    for (struct connection *c = t->connections; c; c = next) {
        next = c->next;
        if (!c->script || c->script->end != SCRIPT_DRIP)
            continue;
        bool ends = ++c->dripped > DRIP_BYTES_MAX;
        if (ends || connection_write(c, c->script->answer + c->answered, 1) == 0)
            connection_close(c, false);
        else
            c->answered = (c->answered + 1) % answer_bytes(c->script);
    }
}

// --- Reading requests ----------------------------------------------------------------------------

static const struct script *script_of(const struct connection *c)
{
    const char *path = strchr(c->request, ' ');
    assert(path);
    size_t n = strcspn(++path, " ?\r\n");
    for (const struct script *s = c->target->scripts; s->path; s++)
        if (strlen(s->path) == n && memcmp(s->path, path, n) == 0)
            return s;
    fprintf(stderr, "no script for %.*s\n", (int)n, path);
    abort();
}

// Whether the head and the body that it announces are there.
static bool request_is_whole(const struct connection *c)
{
    const char *end = strstr(c->request, "\r\n\r\n");
    if (!end)
        return false;
    size_t body_bytes = 0;
    for (const char *line = c->request; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            body_bytes = (size_t)strtoul(line + 15, NULL, 10);
    return c->request_bytes >= (size_t)(end + 4 - c->request) + body_bytes;
}

static void request_arrived(struct connection *c)
{
    struct scripted_target *t = c->target;
    t->requests = grow(t->requests, t->request_count, &t->request_capacity, sizeof *t->requests);
    t->requests[t->request_count++] = xstrdup(c->request);
    c->script = script_of(c);
    t->handshake.resumed = c->ssl && SSL_session_reused(c->ssl);
    c->request_bytes = 0;
    if (!c->script->answer && c->script->end == SCRIPT_KEEP)
        return; // Hangs.
    if (c->script->end != SCRIPT_DRIP)
        loop_modify(t->loop, &c->source, EPOLLOUT);
}

static void connection_readable(struct connection *c)
{
    char bytes[16384];
    ssize_t n = connection_read(c, bytes, sizeof bytes);
    if (n == 0)
        connection_close(c, false);
    if (n <= 0)
        return;
    size_t needed = c->request_bytes + (size_t)n + 1;
    assert(needed <= REQUEST_BYTES_MAX);
    if (needed > c->request_capacity) {
        c->request_capacity = 2 * needed;
        c->request = xrealloc(c->request, c->request_capacity);
    }
    memcpy(c->request + c->request_bytes, bytes, (size_t)n);
    c->request_bytes += (size_t)n;
    c->request[c->request_bytes] = '\0';
    if (request_is_whole(c))
        request_arrived(c);
}

static void connection_ready(void *context, uint32_t events)
{
    struct connection *c = context;
    bool answering = c->script && c->script->answer;
    if (events & EPOLLOUT)
        answer_more(c);
    else if (events & (EPOLLHUP | EPOLLERR) || answering)
        connection_close(c, false); // The client went away.
    else
        connection_readable(c);
}

// --- The server ----------------------------------------------------------------------------------

static void listener_ready(void *context, uint32_t events)
{
    (void)events;
    struct scripted_target *t = context;
    int fd = accept4(t->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int at_once = 1; // Else the second half of a handshake waits for an acknowledgement.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    struct connection *c = xcalloc(1, sizeof *c);
    c->target = t;
    c->source = (struct loop_source){.fd = fd, .ready = connection_ready, .context = c};
    if (t->tls) {
        c->ssl = SSL_new(t->tls);
        SSL_set_fd(c->ssl, fd);
        SSL_set_accept_state(c->ssl);
    }
    c->next = t->connections;
    t->connections = c;
    t->accepted++;
    enum err err = loop_add(t->loop, &c->source, EPOLLIN, NULL);
    assert(!err);
}

static int listener_open(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
    assert(rc == 0);
    rc = listen(fd, 4096);
    assert(rc == 0);
    return fd;
}

// Called while the client's hello is read; takes the first protocol it offers.
static int protocol_offered(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                            const unsigned char *in, unsigned in_bytes, void *context)
{
    struct scripted_target *t = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct scripted_handshake *h = &t->handshake;
    snprintf(h->server_name, sizeof h->server_name, "%s", name ? name : "");
    snprintf(h->protocols, sizeof h->protocols, "%.*s", (int)in_bytes, (const char *)in);
    *out = in + 1;
    *out_bytes = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *tls_open(struct scripted_target *t, const char *certificate_file,
                         const char *key_file)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    int good = SSL_CTX_use_certificate_file(tls, certificate_file, SSL_FILETYPE_PEM) &&
               SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM);
    assert(good == 1);
    SSL_CTX_set_alpn_select_cb(tls, protocol_offered, t);
    return tls;
}

struct scripted_target *scripted_target_open(struct loop *l, const struct script *scripts,
                                             const char *certificate_file, const char *key_file)
{
    struct scripted_target *t = xcalloc(1, sizeof *t);
    t->loop = l;
    t->scripts = scripts;
    if (certificate_file)
        t->tls = tls_open(t, certificate_file, key_file);
    t->listener = (struct loop_source){listener_open(), listener_ready, t};
    t->drip = (struct loop_source){timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), drip_ready, t};
    struct itimerspec every = {{0, DRIP_NS}, {0, DRIP_NS}};
    timerfd_settime(t->drip.fd, 0, &every, NULL);
    enum err err = loop_add(l, &t->listener, EPOLLIN, NULL);
    assert(!err);
    err = loop_add(l, &t->drip, EPOLLIN, NULL);
    assert(!err);
    return t;
}

void scripted_target_speak(struct scripted_target *t, const char *text)
{
    for (struct connection *c = t->connections; c; c = c->next)
        connection_write(c, text, strlen(text));
}

void scripted_target_hang_up(struct scripted_target *t)
{
    while (t->connections)
        connection_close(t->connections, false);
}

void scripted_target_close(struct scripted_target *t)
{
    scripted_target_hang_up(t);
    loop_remove(t->loop, &t->listener);
    loop_remove(t->loop, &t->drip);
    close(t->listener.fd);
    close(t->drip.fd);
    SSL_CTX_free(t->tls);
    for (size_t i = 0; i < t->request_count; i++)
        free(t->requests[i]);
    free(t->requests);
    free(t);
}

uint16_t scripted_target_port(const struct scripted_target *t)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    getsockname(t->listener.fd, (struct sockaddr *)&address, &bytes);
    return ntohs(address.sin_port);
}

size_t scripted_target_connections(const struct scripted_target *t)
{
    return t->accepted;
}

size_t scripted_target_open_connections(const struct scripted_target *t)
{
    size_t count = 0;
    for (const struct connection *c = t->connections; c; c = c->next)
        count++;
    return count;
}

const struct scripted_handshake *scripted_target_handshake(const struct scripted_target *t)
{
    return &t->handshake;
}

size_t scripted_target_requests(const struct scripted_target *t)
{
    return t->request_count;
}

size_t scripted_target_answers(const struct scripted_target *t)
{
    return t->answered;
}

const char *scripted_target_request(const struct scripted_target *t, size_t index)
{
    assert(index < t->request_count);
    return t->requests[index];
}
