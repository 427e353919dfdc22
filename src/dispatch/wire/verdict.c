// SPDX-License-Identifier: MIT
// verdict.c: what became of a call, for the core and in words for people.
//
// The line that matters runs between NOT_SENT and LOST: an attempt that was not sent may be made
// again even for a job that must run at most once. A request counts as sent from the moment the
// kernel has taken its first byte.

#include "dispatch/excerpt_priv.h"
#include "dispatch/retry_after_priv.h"
#include "dispatch/shortage_priv.h"
#include "dispatch/wire/wire_priv.h"

#include <stdio.h>

static void explain(char out[static ERROR_TEXT_MAX], const struct call *c)
{
    const char *origin = c->target ? c->target->key + TARGET_ORIGIN : "";
    switch (c->ending) {
    case END_ANSWERED:
        break;
    case END_TROUBLE:
        words_trouble(out, c->trouble, origin);
        if (c->trouble == TROUBLE_SECRET)
            snprintf(out, ERROR_TEXT_MAX, "%.*s", ERROR_TEXT_MAX - 1, c->why);
        break;
    case END_UNREADABLE:
        words_unreadable(out, &c->response, origin);
        break;
    case END_CONNECT:
        words_connect(out, c->error, origin);
        break;
    case END_FORBIDDEN:
        words_forbidden(out, c->owner->targets, &c->dial.forbidden->any, c->target->port, origin);
        break;
    case END_TLS:
        words_tls(out, c->reason, origin);
        break;
    case END_TIMEOUT:
        words_timeout(out, c->bound_ms, c->stage, origin);
        break;
    }
}

static int32_t phase_ms(mono_ms from, mono_ms to)
{
    return from > 0 && to >= from ? (int32_t)(to - from) : -1;
}

static void measure(const struct call *c, struct attempt *a)
{
    a->dns_ms = phase_ms(c->dialed_at, c->resolved_at);
    a->connect_ms = phase_ms(c->resolved_at, c->connected_at);
    a->tls_ms = phase_ms(c->connected_at, c->secured_at);
    a->first_byte_ms = phase_ms(c->begun_at, c->first_byte_at);
}

void call__verdict(const struct call *c, mono_ms now, struct verdict *out)
{
    struct attempt *a = &out->outcome.attempt;
    const struct hops *h = c->hops;
    bool hopped = h && h->taken > 0;
    bool held =
        (c->ending == END_CONNECT && shortage_is(c->error)) ||
        (c->ending == END_TROUBLE && (c->trouble == TROUBLE_LEASE || c->trouble == TROUBLE_LATE));
    enum outcome_kind failed = c->sent || hopped ? OUTCOME_LOST
                               : held            ? OUTCOME_HELD
                                                 : OUTCOME_NOT_SENT;
    out->outcome =
        (struct outcome){.ticket = c->ticket,
                         .shard = c->shard,
                         .epoch = c->epoch,
                         .kind = c->ending == END_ANSWERED ? OUTCOME_ANSWERED : failed,
                         .is_unheard = c->ending == END_TROUBLE && c->trouble == TROUBLE_SECRET};
    a->started_at = c->started_wall;
    a->duration_ms = now - c->started;
    a->http_status = c->turned_back ? (uint16_t)h->status : c->response.status;
    a->redirects = hopped ? h->record.bytes : NULL;
    a->response_damaged = a->http_status && c->damaged;
    a->response_truncated = a->http_status && !c->whole && !c->damaged && !c->turned_back;
    measure(c, a);
    if (c->response.head_complete && *c->response.retry_after)
        out->outcome.retry_after_ms = retry_after_read(c->response.retry_after, clock_wall_ms());
    out->outcome.asks_to_wait = c->ending == END_ANSWERED && a->http_status == 202 &&
                                c->has_callback && c->response.asks_to_wait;
    if (c->ending == END_ANSWERED)
        out->outcome.location = hops_location(h, &c->location, out->location);
    if (c->ending == END_ANSWERED && rules_are_taken(&c->rules)) {
        const char *body = c->excerpt ? c->excerpt->bytes : NULL;
        size_t count = body ? MIN(c->body_bytes, c->kept_bytes) : 0;
        out->outcome.body_is_judged = true;
        out->outcome.body_error = rules_judge(&c->rules, body, count, out->body_error);
    }
    if (c->ending != END_ANSWERED) {
        explain(out->error, c);
        a->error = out->error;
    }
    if (c->body_bytes > 0 && c->excerpt_bytes > 0) {
        excerpt_format(c->excerpt->bytes, MIN(c->body_bytes, c->excerpt_bytes), c->excerpt_bytes,
                       out->response);
        a->response = *out->response ? out->response : NULL;
    }
}
