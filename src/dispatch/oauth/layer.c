// SPDX-License-Identifier: MIT
// layer.c: attempts that need an access token, on their way to the adapter that sends them.
//
// A flight is such an attempt, from dispatch_send to its outcome:
//
//   WAITING -> SENT -> (outcome)      the token came
//   WAITING -> ENDED -> (outcome)     it did not come, or not in time, or the caller gave up
//
// What ends before it is sent is reported by the flight's own deadline, in a later turn of the
// loop. Flights and fetches are known to the adapter by tickets of their own, which are places in
// memory; an owner's ticket is never such a one.

#include "dispatch/adapter_priv.h"
#include "dispatch/oauth/oauth_priv.h"
#include "dispatch/wire/deadline_priv.h"
#include "dispatch/words_priv.h"

#include "base/origin.h"
#include "base/url.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum place { FLIGHT_WAITING, FLIGHT_SENT, FLIGHT_ENDED };

// What a ticket of our own leads to.
struct sent {
    bool is_fetch;
};

struct oauth_flight {
    struct sent sent; // First: a ticket leads there.
    struct oauth_layer *owner;
    TAILQ_ENTRY(oauth_flight) link;    // In `flights`.
    TAILQ_ENTRY(oauth_flight) waiting; // WAITING: in the token's list.
    enum place place;
    struct send send; // As it came. Its texts are the flight's own once it has waited.
    bool has_texts;
    mono_ms started;
    dur_ms waited_ms;
    struct deadline deadline;  // WAITING: the end of its time; ENDED: now.
    struct oauth_token *token; // WAITING: it stays there, since it is being fetched.
    char key[OAUTH_KEY_BYTES]; // SENT: which token it has.
    uint64_t serial;
    enum outcome_kind kind; // ENDED: what to report.
    char error[ERROR_TEXT_MAX];
};

struct fetch {
    struct sent sent; // First: a ticket leads there.
    TAILQ_ENTRY(fetch) link;
    struct oauth_token *token;
    char origin[ORIGIN_BYTES];
};
TAILQ_HEAD(fetches, fetch);

struct oauth_layer {
    struct dispatch dispatch; // First: the port hands out this.
    struct dispatch *inner;
    dispatch_done *done;
    void *context;
    const struct secret_ring *secrets;
    struct deadlines deadlines;
    struct oauth_tokens tokens;
    struct oauth_flights flights;
    size_t waiting_count; // Flights that the adapter does not have.
    struct fetches fetches;
    size_t fetch_count;
};

// --- Tickets -------------------------------------------------------------------------------------

// The core's tickets have a place in its pool in their low half, which is below 2^31, and those of
// executors are places in memory, below 2^48: a ticket with bit 31 and all of the highest 15 is
// neither. Between these bits a place in memory has room, without its four lowest bits.
#define OWN_HIGH UINT64_C(0xfffe000000000000)
#define OWN_LOW UINT64_C(0x80000000)
#define LOW_BITS 31

bool oauth__is_own_ticket(uint64_t ticket)
{
    return (ticket & OWN_HIGH) == OWN_HIGH && (ticket & OWN_LOW);
}

static uint64_t ticket_of(const struct sent *s)
{
    uint64_t place = (uint64_t)(uintptr_t)s >> 4;
    uint64_t ticket = OWN_HIGH | place >> LOW_BITS << 32 | OWN_LOW | (place & (OWN_LOW - 1));
    assert(((uintptr_t)s & 15) == 0 && place >> 44 == 0);
    return ticket;
}

static struct sent *sent_of(uint64_t ticket)
{
    uint64_t place = (ticket & ~OWN_HIGH) >> 32 << LOW_BITS | (ticket & (OWN_LOW - 1));
    return (struct sent *)(uintptr_t)(place << 4);
}

// --- The end of a flight -------------------------------------------------------------------------

static void flight_free(struct oauth_flight *f)
{
    struct oauth_layer *l = f->owner;
    deadline__clear(&l->deadlines, &f->deadline);
    TAILQ_REMOVE(&l->flights, f, link);
    l->waiting_count -= f->place != FLIGHT_SENT;
    if (f->has_texts)
        request_copy_fini(&f->send.request);
    free(f);
}

static void report_ended(struct oauth_flight *f)
{
    struct oauth_layer *l = f->owner;
    mono_ms now = clock_mono_ms();
    char error[ERROR_TEXT_MAX];
    struct outcome o = {
        .ticket = f->send.ticket,
        .shard = f->send.shard,
        .epoch = f->send.request.epoch,
        .kind = f->kind,
        .is_unheard = f->kind == OUTCOME_NOT_SENT,
        .attempt = {.started_at = clock_wall_ms() - (now - f->started),
                    .duration_ms = now - f->started,
                    .dns_ms = -1,
                    .connect_ms = -1,
                    .tls_ms = -1,
                    .first_byte_ms = -1,
                    .error = error},
    };
    snprintf(error, sizeof error, "%s", f->error);
    flight_free(f); // Before the call: it may send.
    l->done(l->context, &o);
}

// The flight is in no token's list any more.
static void end_flight(struct oauth_flight *f, enum outcome_kind kind)
{
    assert(f->place == FLIGHT_WAITING);
    f->place = FLIGHT_ENDED;
    f->kind = kind;
    f->token = NULL;
    deadline__set(&f->owner->deadlines, &f->deadline, clock_mono_ms());
}

static void leave_token(struct oauth_flight *f)
{
    assert(f->place == FLIGHT_WAITING && f->token);
    TAILQ_REMOVE(&f->token->waiting, f, waiting);
}

static void flight_over(void *context)
{
    struct oauth_flight *f = context;
    assert(f->place != FLIGHT_SENT);
    if (f->place == FLIGHT_WAITING) {
        leave_token(f);
        end_flight(f, OUTCOME_NOT_SENT);
        snprintf(f->error, sizeof f->error, "oauth: there was no access token within %lld ms",
                 (long long)f->send.request.timeout_ms);
    }
    report_ended(f);
}

// --- On with a token -----------------------------------------------------------------------------

static void send_with(struct oauth_flight *f, const struct oauth_token *k)
{
    struct oauth_layer *l = f->owner;
    struct send s = f->send;
    assert(f->place == FLIGHT_WAITING && k->text);
    f->place = FLIGHT_SENT;
    l->waiting_count--;
    f->token = NULL;
    memcpy(f->key, k->key, sizeof f->key);
    f->serial = k->serial;
    f->waited_ms = clock_mono_ms() - f->started;
    deadline__clear(&l->deadlines, &f->deadline);
    s.ticket = ticket_of(&f->sent);
    s.request.bearer = k->text;
    s.request.timeout_ms = MAX(s.request.timeout_ms - f->waited_ms, 1);
    l->inner->adapter->send(l->inner, &s);
}

// The attempt has begun when it began to wait.
static void report_sent(struct oauth_flight *f, const struct outcome *o)
{
    struct oauth_layer *l = f->owner;
    struct outcome told = *o;
    told.ticket = f->send.ticket;
    told.attempt.started_at -= f->waited_ms;
    told.attempt.duration_ms += f->waited_ms;
    if (o->kind == OUTCOME_ANSWERED && o->attempt.http_status == 401)
        tokens__drop(&l->tokens, f->key, f->serial);
    flight_free(f); // Before the call: it may send.
    l->done(l->context, &told);
}

// --- Fetching ------------------------------------------------------------------------------------

static void fetch_token(struct oauth_layer *l, struct oauth_token *k, const struct oauth_asking *a)
{
    struct fetch *x = xcalloc(1, sizeof *x);
    struct request_text headers = {0}, body = {0};
    asking__write(a, &headers, &body);
    x->sent.is_fetch = true;
    x->token = k;
    url_origin(a->client.token_url, x->origin);
    k->is_fetched = true;
    k->asked_at = clock_mono_ms();
    TAILQ_INSERT_TAIL(&l->fetches, x, link);
    l->fetch_count++;
    struct send s = {.ticket = ticket_of(&x->sent),
                     .request = {.api = a->client.token_url,
                                 .headers = headers.bytes,
                                 .body = body.bytes,
                                 .tls_ca = a->request->tls_ca,
                                 .method = METHOD_POST,
                                 .timeout_ms = OAUTH_FETCH_MS,
                                 .is_plain = true,
                                 .repeatable = true,
                                 .tls_verify = a->request->tls_verify,
                                 .response_excerpt_bytes = EXCERPT_BYTES_MAX}};
    l->inner->adapter->send(l->inner, &s);
    request_text_wipe(&headers);
    request_text_wipe(&body);
    free(headers.bytes);
    free(body.bytes);
}

// Why there is no token.
static void explain(char out[static ERROR_TEXT_MAX], const struct outcome *o,
                    const struct fault *answer, const char *origin)
{
    const struct attempt *a = &o->attempt;
    const char *word =
        o->kind == OUTCOME_ANSWERED && a->response ? oauth__error_word(a->response) : NULL;
    if (o->kind != OUTCOME_ANSWERED)
        snprintf(out, ERROR_TEXT_MAX, "oauth: %.*s", ERROR_TEXT_MAX - 8, a->error);
    else if (a->http_status != 200)
        snprintf(out, ERROR_TEXT_MAX, "oauth: %.160s answered with HTTP status %u%s%s", origin,
                 (unsigned)a->http_status, word ? ", " : "", word ? word : "");
    else
        snprintf(out, ERROR_TEXT_MAX, "oauth: the answer of %.120s cannot be used: %.90s", origin,
                 answer->text);
}

static enum err read_outcome(const struct outcome *o, struct oauth_answer *out, struct fault *f)
{
    if (o->kind != OUTCOME_ANSWERED || o->attempt.http_status != 200)
        return ERR_UNSUPPORTED; // See explain().
    if (o->attempt.response_truncated)
        return fault_set(f, ERR_LIMIT, "it is longer than %d bytes, or breaks off",
                         RESPONSE_BYTES_MAX);
    return oauth__read_answer(o->attempt.response ? o->attempt.response : "", out, f);
}

static void fetched(struct oauth_layer *l, struct fetch *x, const struct outcome *o)
{
    struct oauth_token *k = x->token;
    struct oauth_flights waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct oauth_answer answer;
    struct fault f = {0};
    char error[ERROR_TEXT_MAX] = "";
    enum err err = read_outcome(o, &answer, &f);
    assert(k->is_fetched && l->fetch_count > 0);
    k->is_fetched = false;
    if (err)
        explain(error, o, &f, x->origin);
    else
        token__accept(&l->tokens, k, &answer);
    TAILQ_CONCAT(&waiting, &k->waiting, waiting);
    TAILQ_REMOVE(&l->fetches, x, link);
    l->fetch_count--;
    free(x);
    for (struct oauth_flight *w; (w = TAILQ_FIRST(&waiting));) {
        TAILQ_REMOVE(&waiting, w, waiting);
        memcpy(w->error, error, sizeof error);
        if (err)
            end_flight(w, o->kind == OUTCOME_HELD ? OUTCOME_HELD : OUTCOME_NOT_SENT);
        else
            send_with(w, k); // Nothing is called back before a later turn of the loop.
    }
}

// --- The start of a flight -----------------------------------------------------------------------

static struct oauth_flight *flight_new(struct oauth_layer *l, const struct send *s)
{
    struct oauth_flight *f = xcalloc(1, sizeof *f);
    f->owner = l;
    f->send = *s;
    f->started = clock_mono_ms();
    f->deadline = (struct deadline){.over = flight_over, .context = f};
    TAILQ_INSERT_TAIL(&l->flights, f, link);
    l->waiting_count++;
    return f;
}

static void wait_for(struct oauth_flight *f, struct oauth_token *k)
{
    request_copy(&f->send.request, &f->send.request);
    f->has_texts = true;
    f->token = k;
    TAILQ_INSERT_TAIL(&k->waiting, f, waiting);
    deadline__set(&f->owner->deadlines, &f->deadline, f->started + f->send.request.timeout_ms + 1);
}

static void start(struct oauth_flight *f, const struct oauth_asking *a)
{
    struct oauth_layer *l = f->owner;
    char key[OAUTH_KEY_BYTES];
    asking__key(a, key);
    struct oauth_token *k = tokens__get(&l->tokens, key);
    if (!k) {
        snprintf(f->error, sizeof f->error, "oauth: too many access tokens are being fetched");
        end_flight(f, OUTCOME_HELD);
        return;
    }
    if (token__usable(k, f->started)) {
        send_with(f, k);
        return;
    }
    wait_for(f, k);
    if (!k->is_fetched)
        fetch_token(l, k, a);
}

static void send_with_token(struct oauth_layer *l, const struct send *s)
{
    struct oauth_flight *f = flight_new(l, s);
    struct oauth_asking a;
    struct fault why = {0};
    if (asking__read(&a, &s->request, l->secrets, &why)) {
        snprintf(f->error, sizeof f->error, "oauth: %.240s", why.text);
        end_flight(f, OUTCOME_NOT_SENT);
    } else {
        start(f, &a);
    }
    asking__fini(&a);
}

// --- The port ------------------------------------------------------------------------------------

static void layer_send(struct dispatch *dispatch, const struct send *s)
{
    struct oauth_layer *l = (struct oauth_layer *)dispatch;
    if (s->request.oauth)
        send_with_token(l, s);
    else
        l->inner->adapter->send(l->inner, s);
}

static void outcome_came(void *context, const struct outcome *o)
{
    struct oauth_layer *l = context;
    if (!oauth__is_own_ticket(o->ticket)) {
        l->done(l->context, o);
        return;
    }
    struct sent *s = sent_of(o->ticket);
    if (s->is_fetch)
        fetched(l, (struct fetch *)s, o);
    else
        report_sent((struct oauth_flight *)s, o);
}

static void cancel_flight(struct oauth_flight *f)
{
    struct oauth_layer *l = f->owner;
    if (f->place == FLIGHT_SENT)
        l->inner->adapter->cancel(l->inner, ticket_of(&f->sent));
    if (f->place != FLIGHT_WAITING)
        return;
    leave_token(f);
    words_trouble(f->error, TROUBLE_CANCELLED, "");
    end_flight(f, OUTCOME_NOT_SENT);
}

static void layer_cancel(struct dispatch *dispatch, uint64_t ticket)
{
    struct oauth_layer *l = (struct oauth_layer *)dispatch;
    struct oauth_flight *f;
    TAILQ_FOREACH(f, &l->flights, link)
        if (f->send.ticket == ticket)
            break;
    if (f)
        cancel_flight(f);
    else
        l->inner->adapter->cancel(l->inner, ticket);
}

static size_t layer_in_flight(const struct dispatch *dispatch)
{
    const struct oauth_layer *l = (const struct oauth_layer *)dispatch;
    return dispatch_in_flight(l->inner) - l->fetch_count + l->waiting_count;
}

static void layer_set_lease(struct dispatch *dispatch, mono_ms until)
{
    dispatch_set_lease(((struct oauth_layer *)dispatch)->inner, until);
}

static void layer_close(struct dispatch *dispatch)
{
    struct oauth_layer *l = (struct oauth_layer *)dispatch;
    dispatch_close(l->inner);
    for (struct oauth_flight *f; (f = TAILQ_FIRST(&l->flights));)
        flight_free(f);
    for (struct fetch *x; (x = TAILQ_FIRST(&l->fetches));) {
        TAILQ_REMOVE(&l->fetches, x, link);
        free(x);
    }
    tokens__fini(&l->tokens);
    deadlines__close(&l->deadlines);
    free(l);
}

static const struct dispatch_adapter layer_adapter = {
    .close = layer_close,
    .send = layer_send,
    .cancel = layer_cancel,
    .in_flight = layer_in_flight,
    .set_lease = layer_set_lease,
};

static void all_over(void *context)
{
    (void)context;
}

enum err oauth__open(dispatch_opener *inner, struct loop *loop, const struct dispatch_options *o,
                     dispatch_done *done, void *context, struct dispatch **out, struct fault *f)
{
    struct oauth_layer *l = xcalloc(1, sizeof *l);
    l->dispatch.adapter = &layer_adapter;
    l->done = done;
    l->context = context;
    l->secrets = o->secrets;
    TAILQ_INIT(&l->flights);
    TAILQ_INIT(&l->fetches);
    tokens__init(&l->tokens, OAUTH_TOKENS_MAX);
    enum err err = deadlines__open(&l->deadlines, loop, all_over, l, f);
    if (!err)
        err = inner(loop, o, outcome_came, l, &l->inner, f);
    if (err)
        layer_close(&l->dispatch);
    else
        *out = &l->dispatch;
    return err;
}
