// SPDX-License-Identifier: MIT
// raw_client.c: sockets, and just enough HTTP to find the end of an answer.

#include "raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

SSL_CTX *raw_tls;

bool raw_secure(struct raw_client *c, SSL_CTX *context)
{
    c->ssl = SSL_new(context);
    SSL_set_fd(c->ssl, c->fd);
    return SSL_connect(c->ssl) == 1;
}

static void open_between(struct raw_client *c, const char *source, const char *to, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, to, &address.sin_addr), 1);
    c->n = 0;
    c->bytes[0] = '\0';
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
    assert_int_equal(bind(c->fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
    c->ssl = NULL;
    if (raw_tls)
        assert_true(raw_secure(c, raw_tls));
}

void raw_open_plain(struct raw_client *c, uint16_t port)
{
    SSL_CTX *kept = raw_tls;
    raw_tls = NULL;
    open_between(c, "127.0.0.1", "127.0.0.1", port);
    raw_tls = kept;
}

void raw_open_unix(struct raw_client *c, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    c->ssl = NULL;
    c->n = 0;
    c->bytes[0] = '\0';
    c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void raw_open(struct raw_client *c, uint16_t port)
{
    open_between(c, "127.0.0.1", "127.0.0.1", port);
}

void raw_open_from(struct raw_client *c, uint16_t port, const char *source)
{
    open_between(c, source, "127.0.0.1", port);
}

void raw_open_to(struct raw_client *c, const char *address, uint16_t port)
{
    open_between(c, "127.0.0.1", address, port);
}

void raw_close(struct raw_client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
}

void raw_send(struct raw_client *c, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent =
            c->ssl ? SSL_write(c->ssl, bytes, (int)n) : send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        n -= (size_t)sent;
    }
}

void raw_say(struct raw_client *c, const char *text)
{
    raw_send(c, text, strlen(text));
}

ssize_t raw_read(struct raw_client *c, char *bytes, size_t n)
{
    return c->ssl ? SSL_read(c->ssl, bytes, (int)n) : recv(c->fd, bytes, n, 0);
}

void raw_wait(struct raw_client *c)
{
    struct pollfd p = {c->fd, POLLIN, 0};
    if (c->ssl && SSL_has_pending(c->ssl))
        return;
    if (poll(&p, 1, 30000) <= 0)
        fail_msg("nothing came for half a minute");
}

// False at the end of the connection.
static bool receive_more(struct raw_client *c)
{
    assert_true(c->n + 1 < sizeof c->bytes);
    raw_wait(c);
    ssize_t got = raw_read(c, c->bytes + c->n, sizeof c->bytes - c->n - 1);
    if (got <= 0)
        return false;
    c->n += (size_t)got;
    c->bytes[c->n] = '\0';
    return true;
}

static void take(struct raw_client *c, char *out, size_t n, size_t capacity)
{
    assert_true(n < capacity && n <= c->n);
    memcpy(out, c->bytes, n);
    out[n] = '\0';
    c->n -= n;
    memmove(c->bytes, c->bytes + n, c->n + 1);
}

bool raw_receive_head_only(struct raw_client *c, struct raw_answer *a)
{
    char *end;
    while (!(end = strstr(c->bytes, "\r\n\r\n")))
        if (!receive_more(c)) {
            assert_int_equal(c->n, 0); // Half a head is no answer.
            return false;
        }
    take(c, a->head, (size_t)(end + 4 - c->bytes), sizeof a->head);
    a->body_bytes = 0;
    a->body[0] = '\0';
    assert_int_equal(sscanf(a->head, "HTTP/1.1 %u ", &a->status), 1);
    return true;
}

bool raw_receive(struct raw_client *c, struct raw_answer *a)
{
    if (!raw_receive_head_only(c, a))
        return false;
    char length[32];
    if (!raw_header(a, "Content-Length", length, sizeof length))
        return true;
    a->body_bytes = strtoul(length, NULL, 10);
    while (c->n < a->body_bytes)
        assert_true(receive_more(c));
    take(c, a->body, a->body_bytes, sizeof a->body);
    return true;
}

bool raw_ended(struct raw_client *c)
{
    return c->n == 0 && !receive_more(c);
}

bool raw_header(const struct raw_answer *a, const char *name, char *out, size_t capacity)
{
    size_t length = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *value = line + length + 1 + strspn(line + length + 1, " ");
        size_t bytes = strcspn(value, "\r");
        assert_true(bytes < capacity);
        memcpy(out, value, bytes);
        out[bytes] = '\0';
        return true;
    }
    return false;
}
