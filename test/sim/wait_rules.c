// SPDX-License-Identifier: MIT
// wait_rules.c: what must hold of executions whose targets ask to wait, and of what these say.
//
// Known of each row is which attempt asked to wait, when an owner heard that and for how long, and
// the first word about the last attempt. What an owner heard holds in its tenure, and after that if
// it is durable. An execution that waits is sent to nobody, keeps the place at its job, and ends by
// the word of its target, or FAILED at its deadline and not before. A word that was answered
// counts.

#include "world.h"

#include <string.h>

#define GRACE_MS 10000 // After a start a target may still say what nobody was there to hear.
#define DRIFT_MS 1000

static unsigned tenure_of(const struct node *n, const struct row *r)
{
    return node_tenure(n, r->e.key.job)->number;
}

enum completion wait_word(const struct node *n, const struct row *r)
{
    const struct deliveries *d = &r->seen;
    return d->heard && d->heard_tenure == tenure_of(n, r) ? d->heard : d->kept;
}

// Whether its last attempt did, whatever was said since.
static bool has_asked(const struct node *n, const struct row *r)
{
    const struct deliveries *d = &r->seen;
    return d->asked_tenure && (d->asked_tenure == tenure_of(n, r) || r->e.completion_deadline > 0);
}

bool wait_is_on(const struct node *n, const struct row *r)
{
    return !ledger_is_terminal(r->e.state) && has_asked(n, r) && !wait_word(n, r) &&
           !observe_is_over(n, r->e.id);
}

uint32_t wait_count(struct node *n, job_id job)
{
    struct world *w = n->world;
    uint32_t count = 0;
    for (size_t i = ledger_open_from(&w->ledger); w->has_waits && i < w->ledger.row_count; i++)
        count += w->ledger.rows[i].e.key.job == job && wait_is_on(n, &w->ledger.rows[i]);
    return count;
}

// --- The answer --------------------------------------------------------------------------------

void wait_ask(struct node *n, struct row *r, dur_ms wait)
{
    struct world *w = n->world;
    struct deliveries *d = &r->seen;
    count(w, HAPPENING_WAIT);
    d->asked_tenure = tenure_of(n, r);
    d->asked_at = w->now.mono;
    d->wait_ms = wait;
    d->deadline = w->now.wall + wait;
}

void wait_forget(struct deliveries *d)
{
    d->asked_tenure = d->heard_tenure = 0;
    d->heard = d->kept = COMPLETION_NONE;
}

// --- The word ----------------------------------------------------------------------------------

static bool is_on_the_wire(struct node *n, const struct row *r)
{
    const struct flight *f = wire_find(n, &r->e.key);
    const struct attempt last = {.execution_id = r->e.id, .number = (uint16_t)r->seen.attempt_last};
    return (f && !f->parted && !f->lost) || core_awaits(n->core, r->e.key.job, &last);
}

static void note_word(struct node *n, struct row *r, enum completion said)
{
    struct world *w = n->world;
    struct deliveries *d = &r->seen;
    bool is_waiting = has_asked(n, r), is_early = !is_waiting && is_on_the_wire(n, r);
    count(w, is_waiting ? HAPPENING_WORD : is_early ? HAPPENING_WORD_EARLY : HAPPENING_WORD_LATE);
    if (said == COMPLETION_FAILED && !is_waiting && !is_early)
        return; // A failure that is known already is not remembered.
    d->heard = (uint8_t)said;
    d->heard_tenure = tenure_of(n, r);
    if (said == COMPLETION_FAILED && is_waiting)
        wire_learn_said(n, r);
}

static void hear_refusal(struct node *n, const struct command *c, const struct row *r, enum err err)
{
    struct world *w = n->world;
    enum completion said = c->has_failed ? COMPLETION_FAILED : COMPLETION_SUCCESS;
    bool is_known = err == ERR_CONFLICT || err == ERR_EXISTS;
    bool is_last = c->attempt == r->seen.attempt_last;
    bool is_wanted = (c->attempt == 0 || is_last) && wait_is_on(n, r);
    is_wanted |= is_last && has_asked(n, r) && wait_word(n, r) == said;
    count(w, HAPPENING_WORD_IN_VAIN);
    if (!is_known || (err == ERR_CONFLICT && !observe_is_over(n, r->e.id)))
        trace_fail(&w->trace, "the target of row %lld is refused with %s", (long long)r->e.id,
                   err_name(err));
    if (is_wanted && !observe_is_over(n, r->e.id))
        trace_fail(&w->trace, "row %lld waits, and its target is refused", (long long)r->e.id);
    words_answer(w, &c->execution, c->has_failed);
}

void wait_hear(struct node *n, const struct command *c, enum err err)
{
    struct world *w = n->world;
    struct row *r = ledger_find(&w->ledger, &c->execution);
    enum completion said = c->has_failed ? COMPLETION_FAILED : COMPLETION_SUCCESS;
    if (err == ERR_AWAY || err == ERR_CLOSED ||
        node_is_stale(n, ledger_shard_number(&w->ledger, c->id)))
        return; // What it says will not reach anybody.
    if (err) {
        hear_refusal(n, c, r, err);
        return;
    }
    if (c->attempt != r->seen.attempt_last && (c->attempt || !has_asked(n, r)))
        trace_fail(&w->trace, "row %lld hears of attempt %u after attempt %u was sent",
                   (long long)r->e.id, c->attempt, r->seen.attempt_last);
    if (wait_word(n, r) && wait_word(n, r) != said)
        trace_fail(&w->trace, "the target of row %lld said the opposite before",
                   (long long)r->e.id);
    if (!wait_word(n, r))
        note_word(n, r, said);
    struct promise *p = promise_add(n, PROMISE_WORD, c->id);
    p->key = c->execution;
    p->attempt = wait_word(n, r) ? r->seen.attempt_last : 0;
    p->has_failed = c->has_failed;
}

// The word is durable, and so its answer leaves.
void wait_keep(struct world *w, const struct promise *p)
{
    struct row *r = ledger_find(&w->ledger, &p->key);
    if (p->attempt == r->seen.attempt_last)
        r->seen.kept = p->has_failed ? COMPLETION_FAILED : COMPLETION_SUCCESS;
    words_answer(w, &p->key, p->has_failed);
}

// --- What becomes of the row ---------------------------------------------------------------------

static bool has_waited(const struct node *n, const struct row *r)
{
    const struct world *w = n->world;
    const struct deliveries *d = &r->seen;
    if (d->asked_tenure == tenure_of(n, r))
        return w->now.mono - d->asked_at >= d->wait_ms;
    bool is_due = w->went_back || w->now.wall + DRIFT_MS >= d->deadline;
    return is_due && w->now.mono >= node_tenure(n, r->e.key.job)->gained_at + GRACE_MS;
}

static void check_silence(struct node *n, const struct row *r, const struct execution *e)
{
    struct world *w = n->world;
    bool is_silence = e->error && strstr(e->error, happening_words(HAPPENING_SILENCE));
    if (e->state == EXECUTION_FAILED && is_silence && has_waited(n, r)) {
        w->happened.of[HAPPENING_WAIT_GOES_ON] += r->seen.asked_tenure != tenure_of(n, r);
        return;
    }
    bool waits = e->state == EXECUTION_RUNNING && e->next_attempt_at == 0 &&
                 e->completion_deadline == r->seen.deadline;
    if (!waits && e->state != EXECUTION_CANCELLED)
        trace_fail(&w->trace, "row %lld becomes %s (%s) %lld ms before its deadline, unasked",
                   (long long)e->id, execution_state_name(e->state), e->error ? e->error : "",
                   (long long)(r->seen.deadline - w->now.wall));
}

static void check_success(struct node *n, const struct execution *e)
{
    bool goes_on = e->state == EXECUTION_RUNNING && e->next_attempt_at == 0;
    if (e->state != EXECUTION_SUCCESS && !goes_on)
        trace_fail(&n->world->trace, "row %lld becomes %s (%s), and its target said success",
                   (long long)e->id, execution_state_name(e->state), e->reason ? e->reason : "");
}

void wait_check(struct node *n, const struct execution *e)
{
    struct world *w = n->world;
    struct row *r = w->has_waits ? ledger_row(&w->ledger, e->id) : NULL;
    if (!r || r->seen.sends == 0)
        return;
    r->seen.ended_tenure = tenure_of(n, r);
    if (r->seen.is_unsure)
        return;
    enum completion said = wait_word(n, r);
    if (said == COMPLETION_SUCCESS)
        check_success(n, e);
    else if (!said && has_asked(n, r))
        check_silence(n, r, e);
    else if (e->completion_deadline > 0)
        trace_fail(&w->trace, "row %lld waits, and nobody has asked for that", (long long)e->id);
    if (e->state == EXECUTION_SUCCESS && (said ? said == COMPLETION_FAILED : r->seen.good == 0))
        trace_fail(&w->trace, "row %lld is SUCCESS, which its target did not say",
                   (long long)e->id);
}

void wait_check_send(struct node *n, const struct row *r)
{
    struct world *w = n->world;
    enum completion said = wait_word(n, r);
    if (said == COMPLETION_SUCCESS && !r->seen.is_unsure)
        trace_fail(&w->trace, "P3: row %lld is sent again, and its target said success",
                   (long long)r->e.id);
    if (!said && has_asked(n, r))
        trace_fail(&w->trace, "P3: row %lld is sent again while its target is at work",
                   (long long)r->e.id);
}
