// SPDX-License-Identifier: MIT
// call.c: one attempt, from its start to its end, and what bounds it.
//
// In between, call_connect.c brings it a connection, and call_exchange.c sends the request and
// reads the answer.

#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static void deadline_passed(void *context);

struct call *call__new(struct wire *w)
{
    struct call *c = xcalloc(1, sizeof *c);
    c->owner = w;
    c->deadline = (struct deadline){.over = deadline_passed, .context = c};
    dial__init(c);
    return c;
}

void call__free(struct call *c)
{
    free(c->request.bytes);
    free(c->location.bytes);
    free(c->why);
    free(c);
}

// --- The end -------------------------------------------------------------------------------------

// The connection goes back to the pool if it can carry another request, else it is closed.
void call__let_go(struct call *c, bool reusable)
{
    struct connection *n = c->connection;
    if (!n)
        return;
    c->connection = NULL;
    if (reusable && !c->fresh)
        pool__put(n);
    else
        connection__close(n);
}

void call__end(struct call *c, enum ending ending)
{
    struct wire *w = c->owner;
    line__leave(c);
    dial__stop(c);
    call__let_go(c, ending == END_ANSWERED && c->response.reusable);
    deadline__clear(&w->deadlines, &c->deadline);
    assert(!c->connection && !c->in_line && TAILQ_EMPTY(&c->dial.racers));
    c->ending = ending;
    if (c->has_secrets)
        request_text_wipe(&c->request);
    request_text_trim(&c->request);
    TAILQ_REMOVE(&w->under_way, c, link);
    TAILQ_INSERT_TAIL(&w->ended, c, link);
}

void call__trouble(struct call *c, enum trouble t)
{
    c->trouble = t;
    call__end(c, END_TROUBLE);
}

// The head has told how the target judged the request; a body that is cut does not change that.
void call__cut(struct call *c)
{
    c->response.reusable = false;
    if (!call__follow(c))
        call__end(c, END_ANSWERED);
}

// Whether the attempt has its answer, or else no more time for it.
static bool is_answered(const struct call *c)
{
    return c->response.head_complete && !call__leads_on(c);
}

void call__cancel(struct call *c)
{
    if (is_answered(c))
        call__cut(c);
    else
        call__trouble(c, TROUBLE_CANCELLED);
}

// --- Deadlines -----------------------------------------------------------------------------------

static void deadline_passed(void *context)
{
    struct call *c = context;
    if (is_answered(c))
        call__cut(c);
    else
        call__end(c, END_TIMEOUT);
}

// The clock is read in whole milliseconds, rounded down; nobody is stopped too early for that.
static mono_ms end_of(mono_ms start, dur_ms bound_ms)
{
    return start + bound_ms + 1;
}

// The stage may take `stage_ms` from `now` on, but no longer than the whole.
void call__bound_stage(struct call *c, mono_ms now, dur_ms stage_ms)
{
    mono_ms whole_end = end_of(c->started, c->timeout_ms);
    mono_ms stage_end = end_of(now, stage_ms);
    c->bound_ms = stage_end < whole_end ? stage_ms : c->timeout_ms;
    deadline__set(&c->owner->deadlines, &c->deadline, MIN(stage_end, whole_end));
}

void call__bound_whole(struct call *c)
{
    c->bound_ms = c->timeout_ms;
    deadline__set(&c->owner->deadlines, &c->deadline, end_of(c->started, c->timeout_ms));
}

// --- The start -----------------------------------------------------------------------------------

static void forget_last_request(struct call *c)
{
    c->target = NULL;
    c->body_bytes = c->written = c->location.count = 0;
    c->kept = c->sent = c->write_failed = c->whole = c->damaged = false;
    c->stage = STAGE_RESOLVE;
    c->resolved_at = c->dialed_at = c->connected_at = c->secured_at = 0;
    c->begun_at = c->first_byte_at = 0;
    response__init(&c->response, c->to_head);
}

// What the request shows, which one that was redirected elsewhere does not. False: there is only
// one of the two.
static bool take_pair(struct call *c, const struct request *r)
{
    pair__release(c->owner, c->pair);
    c->pair = NULL;
    if (!r->tls_client_cert != !r->tls_client_key)
        return false;
    if (r->tls_client_cert)
        c->pair = pair__take(c->owner, r);
    return true;
}

static bool is_http(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

// The trouble with a URL that url_read refuses.
static enum trouble trouble_of_url(const char *url)
{
    return *url && strstr(url, "://") && !is_http(url) ? TROUBLE_SCHEME : TROUBLE_URL;
}

void call__set_out(struct call *c, const struct request *r)
{
    struct url url;
    char origin[ORIGIN_BYTES];
    c->to_head = r->method == METHOD_HEAD;
    c->has_callback = r->callback != NULL;
    forget_last_request(c);
    if (url_read(r->api, &url, NULL)) {
        call__trouble(c, trouble_of_url(r->api));
        return;
    }
    if (!take_pair(c, r)) {
        call__trouble(c, TROUBLE_TLS_PAIR);
        return;
    }
    url_origin_of(&url, origin);
    c->target = pool__target(c, &url, origin);
    if (!call__compose(c, r, &url)) {
        call__trouble(c, TROUBLE_SECRET);
        return;
    }
    if (line__ask(c)) {
        call__connect(c);
        return;
    }
    c->stage = STAGE_CONNECT;
    call__bound_whole(c);
}

void call__start(struct call *c, const struct send *s)
{
    struct now now = clock_now();
    assert(!c->connection && !c->in_line && !c->hops); // As new, also when used again.
    c->ticket = s->ticket;
    c->shard = s->shard;
    c->epoch = s->request.epoch;
    c->hops = hops_new(&s->request);
    c->excerpt = NULL;
    free(c->why);
    c->why = NULL;
    c->turned_back = c->has_secrets = false;
    c->timeout_ms = s->request.timeout_ms;
    c->not_after = s->not_after;
    c->repeatable = s->request.repeatable;
    c->tls_verify = s->request.tls_verify;
    c->fresh = s->request.fresh_connection;
    c->excerpt_bytes = MIN(s->request.response_excerpt_bytes, EXCERPT_BYTES_MAX);
    c->rules = judge_take(&c->owner->judge, &s->request);
    c->kept_bytes = rules_are_taken(&c->rules) ? RESPONSE_BYTES_MAX : c->excerpt_bytes;
    c->started = now.mono;
    c->started_wall = now.wall;
    c->trust = NULL;
    c->pair = NULL;
    forget_last_request(c);
    if (s->request.tls_ca && !(c->trust = trust__take(c->owner, s->request.tls_ca)))
        call__trouble(c, TROUBLE_TLS_CA);
    else
        call__set_out(c, &s->request);
}
