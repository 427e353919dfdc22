// SPDX-License-Identifier: MIT
// server_handshake.c: a connection through TLS before its first request.
//
// The handshake has a time of its own, since nothing is known yet of who is there. A client that
// speaks plain HTTP is told so in plain HTTP. Every other failure is counted, and logged once a
// minute with how many there were: strangers must not be able to fill the log.

#include "api/server_inside_priv.h"
#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define LOG_EVERY_MS 60000

// --- Failures ------------------------------------------------------------------------------------

// The first of a minute is logged by whichever thread saw it.
static void note_failure(struct client *c, const char *reason)
{
    struct server *s = c->thread->server;
    metric_add(METRIC_tls_handshakes_failed, 1);
    atomic_fetch_add_explicit(&s->handshakes_failed, 1, memory_order_relaxed);
    mono_ms logged_at = atomic_load(&s->handshakes_logged_at);
    mono_ms now = c->thread->now;
    if ((logged_at != 0 && now - logged_at < LOG_EVERY_MS) ||
        !atomic_compare_exchange_strong(&s->handshakes_logged_at, &logged_at, now))
        return;
    log_warn("tls.handshake_failed", LOG_TEXT("peer", c->peer), LOG_TEXT("reason", reason),
             LOG_INT("failed_since", atomic_exchange(&s->handshakes_failed, 0)));
}

// The client may still be sending: a reset would take the alert away that says what was wrong.
static void fail(struct client *c, const char *reason)
{
    note_failure(c, reason);
    transport_strip(&c->transport);
    transport_end(&c->transport);
    client__move(c, CLIENT_LINGERING);
    client__want(c, EPOLLIN);
}

void handshake__expire(struct client *c)
{
    note_failure(c, "the client took too long");
    client__close(c);
}

// --- Success -------------------------------------------------------------------------------------

static void finish(struct client *c)
{
    SSL *ssl = c->transport.ssl;
    char name[TLS_IDENTITY_BYTES];
    metric_add(METRIC_tls_handshakes, 1);
    if (SSL_session_reused(ssl))
        metric_add(METRIC_tls_handshakes_resumed, 1);
    server_tls_identity(ssl, name);
    if (name[0]) {
        size_t bytes = strlen(c->peer) + strlen(name) + 2;
        c->caller = xmalloc(bytes);
        snprintf(c->caller, bytes, "%s %s", c->peer, name);
    }
    client__move(c, CLIENT_IDLE);
    client__want(c, EPOLLIN);
}

// --- The way there -------------------------------------------------------------------------------

static bool is_letter(char b)
{
    return ('A' <= b && b <= 'Z') || ('a' <= b && b <= 'z');
}

// Looks at the first byte, which stays in the socket. False: the handshake does not begin, or not
// yet. Somebody who only tries whether the port is open is no failure.
static bool greet(struct client *c)
{
    char first;
    ssize_t got = recv(c->transport.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0) {
        client__close(c);
        return false;
    }
    if (is_letter(first)) { // The record of a greeting begins with 22.
        note_failure(c, "the client speaks plain HTTP");
        transport_strip(&c->transport);
        request__refuse(c, 400, "this port speaks TLS; ask by https");
        return false;
    }
    c->greeted = true;
    return true;
}

void handshake__go_on(struct client *c)
{
    const char *reason;
    assert(c->state == CLIENT_SHAKING && c->transport.ssl);
    if (!c->greeted && !greet(c))
        return;
    switch (transport_shake(&c->transport, &reason)) {
    case TLS_SHAKEN:
        finish(c);
        break;
    case TLS_SHAKE_READS:
        client__want(c, EPOLLIN);
        break;
    case TLS_SHAKE_WRITES:
        client__want(c, EPOLLOUT);
        break;
    case TLS_SHAKE_FAILED:
        fail(c, reason);
        break;
    }
}
