// SPDX-License-Identifier: MIT
// wire.c: requests on their way, and targets with moods.

#include "world.h"

#include <assert.h>

// --- What a target does with a request ---

struct fate {
    enum outcome_kind kind;
    unsigned status;
    bool reaches;
    dur_ms delay; // 0: until the timeout.
    dur_ms retry_after_ms;
    bool deadly;
    enum happening as;
};

static struct fate answer(struct world *w, unsigned status, dur_ms slowest)
{
    return (struct fate){.kind = OUTCOME_ANSWERED,
                         .status = status,
                         .reaches = true,
                         .delay = dice_skewed(&w->dice, 1, slowest),
                         .as = HAPPENING_ANSWER};
}

static struct fate busy(struct world *w)
{
    static const unsigned later[] = {429, 503, 408, 425};
    struct fate f = answer(w, DICE_PICK(&w->dice, later), 100);
    f.as = HAPPENING_BUSY;
    f.retry_after_ms = dice_skewed(&w->dice, 1, 200) * 1000;
    return f;
}

static struct fate fate_in(struct world *w, enum mood mood)
{
    static const unsigned bad[] = {500, 503, 404, 302}, good[] = {200, 200, 202};
    switch (mood) {
    case MOOD_WELL: // When all is to be healed, as every job likes it.
        return answer(w, w->faults || w->calm ? DICE_PICK(&w->dice, good) : 202, 50);
    case MOOD_SLOW:
        return answer(w, 200, 5000);
    case MOOD_FAILING:
        return answer(w, DICE_PICK(&w->dice, bad), 100);
    case MOOD_REFUSING:
        return (struct fate){.kind = OUTCOME_NOT_SENT, .delay = 1, .as = HAPPENING_REFUSAL};
    case MOOD_HANGING:
        return (struct fate){.kind = OUTCOME_LOST,
                             .reaches = dice_chance(&w->dice, 500000),
                             .as = HAPPENING_TIMEOUT};
    case MOOD_RESETTING:
        return (struct fate){.kind = OUTCOME_LOST,
                             .reaches = true,
                             .delay = dice_skewed(&w->dice, 1, 1000),
                             .as = HAPPENING_RESET};
    case MOOD_DEADLY:
        return (struct fate){.kind = OUTCOME_LOST,
                             .reaches = true,
                             .delay = dice_skewed(&w->dice, 1, 1000),
                             .deadly = true,
                             .as = HAPPENING_DEADLY_REQUEST};
    case MOOD_BUSY:
        return busy(w);
    case MOOD_GONE:
        return answer(w, 410, 100);
    default:
        return fate_in(w, (enum mood)dice_between(&w->dice, MOOD_WELL, MOOD_GONE));
    }
}

void wire_change_moods(struct world *w)
{
    enum mood last = w->calm ? MOOD_MIXED : MOOD_DEADLY;
    static const enum mood common[] = {MOOD_WELL, MOOD_WELL, MOOD_WELL, MOOD_SLOW, MOOD_MIXED};
    for (int i = 0; i < HOSTS; i++) {
        bool common_one = dice_chance(&w->dice, 600000);
        w->moods[i] = !w->faults && !w->calm ? MOOD_WELL
                      : common_one           ? DICE_PICK(&w->dice, common)
                                             : (enum mood)dice_between(&w->dice, 0, last);
    }
    w->mood_changes_at = w->now.mono + dice_skewed(&w->dice, 5000, 600000);
}

// --- Requests ---

static struct flight *free_flight(struct node *n)
{
    size_t i = 0;
    while (n->flights[i].used)
        i++;
    assert(i < FLIGHTS_MAX);
    n->flight_end = MAX(n->flight_end, i + 1);
    return &n->flights[i];
}

// Counted as unsafe from the start: only an outcome that was heard proves that no byte left.
static void count_send(struct node *n, struct row *r, const struct request *q)
{
    struct world *w = n->world;
    struct deliveries *d = &r->seen;
    unsigned tenure = node_tenure(n, q->key.job)->number;
    count(w, HAPPENING_REQUEST);
    d->sends++;
    d->unsafe++;
    d->attempt_last = q->attempt;
    d->epoch_last = q->epoch;
    if (d->tenure_last != tenure)
        d->failures = d->refused = 0;
    d->tenure_last = tenure;
    d->again_from = 0;
    wait_forget(d);
    if (d->sends > 1)
        return;
    d->tenure_first = tenure;
    d->first_at = w->now.wall;
    w->ledger.jobs[r->e.key.job - 1].begun += r->e.key.series >= 0;
}

static struct flight *find_ticket(struct node *n, uint64_t ticket)
{
    for (size_t i = 0; i < n->flight_end; i++)
        if (n->flights[i].used && n->flights[i].ticket == ticket)
            return &n->flights[i];
    return NULL;
}

bool is_in_catch_up(const struct request *q)
{
    return q->trigger == TRIGGER_CATCH_UP || q->trigger == TRIGGER_REPLAY;
}

static void take_off(struct node *n, const struct send *s, char host)
{
    struct world *w = n->world;
    const struct request *q = &s->request;
    struct fate fate = fate_in(w, w->moods[host - 'a']);
    if (fate.delay == 0 || fate.delay > q->timeout_ms)
        fate = (struct fate){.kind = OUTCOME_LOST,
                             .reaches = fate.reaches,
                             .delay = q->timeout_ms,
                             .as = HAPPENING_TIMEOUT};
    if (find_ticket(n, s->ticket))
        trace_fail(&w->trace, "ticket %llu is on the wire twice", (unsigned long long)s->ticket);
    struct flight *f = free_flight(n);
    *f = (struct flight){.used = true,
                         .ticket = s->ticket,
                         .shard = s->shard,
                         .epoch = q->epoch,
                         .key = q->key,
                         .attempt = q->attempt,
                         .host = host,
                         .started_at = w->now.wall,
                         .ends_at = w->now.mono + fate.delay,
                         .kind = fate.kind,
                         .status = fate.status,
                         .retry_after_ms = fate.retry_after_ms,
                         .reaches = fate.reaches,
                         .deadly = fate.deadly,
                         .catch_up = is_in_catch_up(q),
                         .as = fate.as};
    if (q->wants_callback && fate.reaches)
        words_take(w, f);
}

void wire_send(struct node *n, const struct send *s)
{
    struct world *w = n->world;
    const struct request *q = &s->request;
    struct row *r = ledger_find(&w->ledger, &q->key);
    heart_check_send(n, q->key.job);
    if (w->trace.failed)
        return;
    char id[EXECUTION_ID_BYTES], host = q->api[7]; // "http://a.test/"
    execution_id_format(&q->key, id);
    trace_line(&w->trace, w->now.wall, "send %s attempt %u to %c", id, q->attempt, host);
    if (!r) {
        trace_fail(&w->trace, "%s is sent before its row is durable", id);
        return;
    }
    send_check(n, s, r, host);
    if (w->trace.failed)
        return;
    count_send(n, r, q);
    take_off(n, s, host);
}

// The core gives it up; that, or what became of it just then, is its outcome. Of a shard that is
// lost it may also come in its time.
void wire_cancel(struct node *n, uint64_t ticket)
{
    struct world *w = n->world;
    struct flight *f = find_ticket(n, ticket);
    if (!f) {
        trace_fail(&w->trace, "ticket %llu is given up, and is not on the wire",
                   (unsigned long long)ticket);
        return;
    }
    f->cancelled = true;
    if (f->ends_at <= w->now.mono + COMMIT_MS_MAX || (f->lost && dice_chance(&w->dice, 500000)))
        return;
    f->ends_at = w->now.mono + dice_between(&w->dice, 0, COMMIT_MS_MAX);
    f->kind = OUTCOME_LOST;
    f->status = 0;
    f->deadly = false;
    f->as = HAPPENING_GIVEN_UP;
}

struct flight *wire_find(struct node *n, const struct execution_key *key)
{
    for (size_t i = 0; i < n->flight_end; i++) {
        struct flight *f = &n->flights[i];
        if (f->used && f->key.job == key->job && f->key.scheduled_at == key->scheduled_at &&
            f->key.series == key->series)
            return f;
    }
    return NULL;
}

struct flight *wire_next(struct node *n)
{
    struct flight *first = NULL;
    for (size_t i = 0; i < n->flight_end; i++) {
        struct flight *f = &n->flights[i];
        if (f->used && (!first || f->ends_at < first->ends_at))
            first = f;
    }
    return first;
}

static bool is_of_shard(const struct node *n, const struct flight *f, unsigned shard)
{
    return f->used && ledger_shard_number(&n->world->ledger, f->key.job) == shard;
}

bool wire_has(const struct node *n, unsigned shard)
{
    for (size_t i = 0; i < n->flight_end; i++)
        if (is_of_shard(n, &n->flights[i], shard))
            return true;
    return false;
}

// Nobody waits for what comes of these any more. The target may be told so at once, or never.
void wire_lose(struct node *n, unsigned shard)
{
    for (size_t i = 0; i < n->flight_end; i++)
        n->flights[i].lost |= is_of_shard(n, &n->flights[i], shard);
}

void wire_part(struct node *n, unsigned shard, dur_ms flights_ms)
{
    const struct world *w = n->world;
    for (size_t i = 0; i < n->flight_end; i++) {
        struct flight *f = &n->flights[i];
        if (!is_of_shard(n, f, shard) || f->lost || f->parted)
            continue;
        f->parted = true;
        f->parted_until = w->now.mono + flights_ms;
        f->parted_ahead = w->now.wall - w->now.mono;
        count(n->world, HAPPENING_HELD);
    }
}

bool wire_is_elsewhere(struct world *w, const struct row *r)
{
    for (size_t i = 0; i < w->node_count; i++) {
        const struct flight *f = wire_find(&w->nodes[i], &r->e.key);
        if (!f || !f->parted || f->lost || f->cancelled)
            continue;
        dur_ms moved = w->now.wall - w->now.mono - f->parted_ahead;
        // The new owner waits by the wall clock, which may have been slewed since.
        bool goes_on = w->now.mono + MAX(moved, 0) < MIN(f->ends_at, f->parted_until);
        if (goes_on && -100 <= moved && moved <= 100)
            return true;
    }
    return false;
}

void wire_check_lost(struct node *n)
{
    for (size_t i = 0; i < n->flight_end; i++)
        if (n->flights[i].used && n->flights[i].lost && !n->flights[i].cancelled)
            trace_fail(&n->world->trace, "a request of shard %u goes on, which node %u has lost",
                       n->flights[i].shard, n->number);
}

static void land(struct node *n, struct flight *f)
{
    f->used = false;
    while (n->flight_end > 0 && !n->flights[n->flight_end - 1].used)
        n->flight_end--;
}

// Whether the job takes this answer for a final no.
static bool is_final(const struct version *v, const struct flight *f)
{
    static const unsigned later[] = {408, 425, 429};
    if (f->status >= 300 && f->status <= 399)
        return true;
    for (size_t i = 0; i < COUNT_OF(later); i++)
        if (f->status == later[i])
            return false;
    return v->permanent_4xx && f->status >= 400 && f->status <= 499;
}

// When the job may try again at the earliest, were this its n-th failure in this life. The spread
// of the exponential strategy may leave nothing of the wait.
static dur_ms wait_after(const struct version *v, dur_ms retry_after_ms, unsigned failures)
{
    dur_ms wait = v->retry_strategy == RETRY_LINEAR  ? (dur_ms)v->retry_base_ms * failures
                  : v->retry_strategy == RETRY_FIXED ? v->retry_base_ms
                                                     : 0;
    return MIN(MAX(wait, retry_after_ms), (dur_ms)v->retry_cap_ms);
}

// The longest wait before the n-th retry.
static dur_ms longest_wait(const struct world *w, const struct version *v, unsigned n)
{
    dur_ms wait = v->retry_base_ms;
    if (v->retry_strategy == RETRY_LINEAR)
        wait *= n;
    if (v->retry_strategy == RETRY_EXPONENTIAL)
        wait <<= n - 1; // There are no more than a few.
    return MIN(MAX(wait, w->asked_wait_ms), (dur_ms)v->retry_cap_ms);
}

void wire_check_wait(struct node *n, const struct execution *e)
{
    struct world *w = n->world;
    dur_ms longest = longest_wait(w, promise_last(n, e->key.job), e->retry_count + 1u);
    if (e->next_attempt_at - w->now.wall > longest)
        trace_fail(&w->trace, "P2: row %lld waits for %lld ms, and may for %lld ms",
                   (long long)e->id, (long long)(e->next_attempt_at - w->now.wall),
                   (long long)longest);
}

static void learn_failure(struct node *n, struct row *r, dur_ms retry_after_ms)
{
    struct deliveries *d = &r->seen;
    d->failures++;
    d->again_from =
        n->world->now.mono + wait_after(promise_last(n, r->e.key.job), retry_after_ms, d->failures);
}

void wire_learn_said(struct node *n, struct row *r)
{
    n->world->asked_wait_ms = 0;
    learn_failure(n, r, 0);
}

// Also of a target that says how its work ended.
static void learn_refusal(struct world *w, const struct version *v, const struct flight *f)
{
    if (f->status == 302)
        count(w, HAPPENING_REDIRECT);
    if (f->status == 410 && v->active && !v->finished && !v->deleted) {
        count(w, HAPPENING_GONE);
        w->gone = f->key.job;
    }
}

static void learn_answer(struct node *n, struct row *r, const struct flight *f, bool is_good)
{
    const struct version *v = promise_last(n, f->key.job);
    bool is_refused = !is_good && is_final(v, f);
    bool asks = is_good && f->asks_to_wait && v->completion_timeout_s > 0;
    enum completion said = wait_word(n, r);
    if (is_refused)
        learn_refusal(n->world, v, f);
    if (said == COMPLETION_FAILED) {
        wire_learn_said(n, r);
    } else if (said == COMPLETION_NONE && asks) {
        wait_ask(n, r, (dur_ms)v->completion_timeout_s * 1000);
    } else if (said == COMPLETION_NONE) {
        r->seen.good += is_good;
        r->seen.refused += is_refused;
        if (!is_good)
            learn_failure(n, r, f->retry_after_ms);
    }
}

// What is to be expected of the core when it hears of this.
static void learn(struct node *n, const struct flight *f)
{
    struct world *w = n->world;
    struct row *r = ledger_find(&w->ledger, &f->key);
    w->asked_wait_ms = f->retry_after_ms;
    r->seen.reached += f->reaches;
    if (node_is_stale(n, ledger_shard_number(&w->ledger, f->key.job))) {
        breaker_learn(n, f);
        return;
    }
    r->seen.unsafe -= f->kind == OUTCOME_NOT_SENT;
    learn_answer(n, r, f, version_accepts(promise_last(n, f->key.job), f->status));
    breaker_learn(n, f);
}

void wire_learn(struct node *n, const struct flight *f)
{
    struct world *w = n->world;
    struct row *r = ledger_find(&w->ledger, &f->key);
    const struct version *v = promise_last(n, f->key.job);
    bool is_good = f->status >= 200 && f->status <= 299 && v->deleted;
    n->hosts[f->host - 'a'].uncertain = true;
    w->asked_wait_ms = f->retry_after_ms;
    r->seen.unsafe -= f->kind == OUTCOME_NOT_SENT;
    r->seen.tenure_last = node_tenure(n, f->key.job)->number;
    is_good |= version_accepts(v, f->status);
    learn_answer(n, r, f, is_good);
    if (!v->deleted || !f->asks_to_wait)
        return;
    r->seen.is_unsure = true;
    r->seen.good++;
}

// An outcome for a shard that the node has lost, or has got again, must not alter anything.
static void hear_late(struct world *w, const struct flight *f)
{
    count(w, HAPPENING_LATE_OUTCOME);
    ledger_find(&w->ledger, &f->key)->seen.reached += f->reaches;
}

void wire_end(struct node *n, struct flight *f)
{
    struct world *w = n->world;
    struct flight was = *f;
    count(w, was.as);
    trace_line(&w->trace, w->now.wall, "outcome %lld-%lld attempt %u: %s %u",
               (long long)was.key.job, (long long)was.key.scheduled_at, was.attempt,
               happening_words(was.as), was.status);
    if (was.deadly && w->faults) {
        node_die(n); // While the target reads, so nobody hears the rest.
        return;
    }
    land(n, f);
    if (was.lost)
        hear_late(w, &was);
    else if (was.parted)
        ledger_find(&w->ledger, &was.key)->seen.reached += was.reaches;
    else
        learn(n, &was);
    w->ending = &was;
    const char *error = was.kind == OUTCOME_ANSWERED ? NULL : happening_words(was.as);
    struct outcome o = {.ticket = was.ticket,
                        .shard = was.shard,
                        .epoch = was.epoch,
                        .kind = was.kind,
                        .retry_after_ms = was.retry_after_ms,
                        .asks_to_wait = was.asks_to_wait,
                        .attempt = {.http_status = (uint16_t)was.status,
                                    .started_at = was.started_at,
                                    .error = error}};
    node_step(n, &(struct event){.kind = EVENT_OUTCOME, .outcome = &o});
    w->ending = NULL;
}

// What was on its way may still arrive, or not.
void wire_cut(struct node *n)
{
    struct world *w = n->world;
    for (size_t i = 0; i < n->flight_end; i++) {
        struct flight *f = &n->flights[i];
        if (!f->used)
            continue;
        struct row *r = ledger_find(&w->ledger, &f->key);
        r->seen.reached += f->reaches && dice_chance(&w->dice, 500000);
        land(n, f);
    }
}
