// SPDX-License-Identifier: MIT
// call_connect.c: a connection for a call: one that was kept, or a fresh one.
//
// A fresh one is dialed (dial.c) and, for https, secured (tls.c).

#include "dispatch/shortage_priv.h"
#include "dispatch/wire/wire_priv.h"

#include <assert.h>

void call__dial(struct call *c, mono_ms now)
{
    assert(!c->connection && !c->in_line);
    c->kept = false;
    c->written = 0;
    c->dialed_at = now;
    c->stage = STAGE_RESOLVE;
    call__bound_stage(c, now, c->owner->connect_ms);
    dial__start(c);
}

void call__connect(struct call *c)
{
    struct connection *n;
    while (!c->fresh && (n = pool__take(c->target))) {
        c->kept = true;
        call__bound_whole(c);
        if (call__use(c, n))
            return;
        call__let_go(c, false); // Nothing was sent: the next one.
    }
    call__dial(c, clock_mono_ms());
}

void call__resolved(struct call *c)
{
    c->resolved_at = clock_mono_ms();
    c->stage = STAGE_CONNECT;
}

void call__unconnected(struct call *c, int error)
{
    c->error = error;
    if (c->stage == STAGE_RESOLVE) // c-ares does not tell why; a name server has a socket too.
        c->error = shortage_now();
    if (c->stage == STAGE_RESOLVE && !c->error)
        call__trouble(c, TROUBLE_RESOLVE);
    else
        call__end(c, END_CONNECT);
}

static void shake(struct call *c)
{
    switch (tls__shake(c->connection, &c->reason)) {
    case TLS_WAITS:
        break;
    case TLS_FAILED:
        call__end(c, END_TLS);
        break;
    case TLS_SECURED:
        c->secured_at = clock_mono_ms();
        call__begin(c, c->connection);
        break;
    }
}

static void handshake_ready(void *context, uint32_t events)
{
    (void)events;
    struct connection *n = context;
    struct wire *w = n->owner;
    assert(n->call && n->call->connection == n && n->call->stage == STAGE_TLS);
    shake(n->call);
    wire__report(w);
}

void call__connected(struct call *c, struct connection *n)
{
    struct fault f = {0};
    assert(!c->connection && n->call == c && n->target == c->target);
    c->connected_at = clock_mono_ms();
    c->connection = n;
    if (!c->target->https) {
        call__begin(c, n);
        return;
    }
    c->stage = STAGE_TLS;
    call__bound_stage(c, c->connected_at, c->owner->tls_ms);
    n->source.ready = handshake_ready;
    if (tls__begin(n, &f)) {
        c->why = xstrdup(f.text);
        call__trouble(c, TROUBLE_SECRET);
        return;
    }
    shake(c);
}
