// SPDX-License-Identifier: MIT
// errand_rules.c: what must hold of commands that are rows, whoever dies when.
//
// I10: what was answered well is there, and was carried out once. I13: a command has one reply, and
// its effects are durable with it. What was withdrawn is certainly not done, what has expired is
// not claimed, and of one Idempotency-Key one request is carried out.

#include "world.h"

#include <string.h>

void errands_see_claim(struct world *w, size_t number, int64_t epoch)
{
    struct errand *e = errand_of(w, number);
    trace_line(&w->trace, w->now.wall, "command %zu is claimed in epoch %lld", number,
               (long long)epoch);
    if (e->is_withdrawn || e->is_replied)
        trace_fail(&w->trace, "I13: command %zu is claimed after it was %s", number,
                   e->is_replied ? "answered" : "withdrawn");
    if (!e->claimed_in && e->expires_at <= w->now.wall)
        trace_fail(&w->trace, "command %zu is claimed after it has expired", number);
    w->happened.of[HAPPENING_CLAIMED_BY_THE_NEXT] += e->claimed_in && e->claimed_in < epoch;
    e->claimed_in = MAX(e->claimed_in, epoch);
}

// Only the epoch in which it was claimed carries a command out.
bool errands_see_away(struct node *n, const struct reply *r)
{
    struct world *w = n->world;
    const struct tenure *t = &n->tenures[w->asked_shard];
    bool is_its = t->loaded && t->epoch == w->errands.asked_epoch;
    bool is_left = r->err == ERR_AWAY || r->err == ERR_CLOSED;
    if (is_left && (is_its && n->life == LIFE_UP))
        trace_fail(&w->trace, "command %zu is left, and its owner is here", w->errands.asked);
    if (!is_left && !is_its)
        trace_fail(&w->trace, "I13: command %zu is carried out in another epoch", w->errands.asked);
    if (r->is_recorded == is_left)
        trace_fail(&w->trace, "I13: command %zu is %s", w->errands.asked,
                   is_left ? "answered by who has not its shard" : "not answered");
    count(w, is_left ? HAPPENING_COMMAND_LEFT : HAPPENING_COMMAND_CARRIED_OUT);
    return is_left;
}

// --- What is durable ---

void errands_keep(struct world *w, const struct promise *p)
{
    if (!p->errand)
        return;
    struct errand *e = errand_of(w, p->errand);
    e->effect_job = p->job;
    e->effect_key = p->key;
    if (++e->effects > 1 && (e->kind != COMMAND_BACKFILL || e->is_replied))
        trace_fail(&w->trace, "I10: command %zu is carried out again", p->errand);
}

// Whether the effects of the command are what its reply says.
static bool is_true(const struct world *w, const struct errand *e, const struct command_reply *r)
{
    if (r->err || e->kind == COMMAND_ACCEPT_CLOCK || e->kind == COMMAND_CANCEL ||
        e->kind == COMMAND_COMPLETE)
        return e->effects == 0;
    const struct job *j = ledger_job(&w->ledger, r->job);
    bool is_many = e->kind == COMMAND_BACKFILL && e->effects > 0;
    if ((e->effects != 1 && !is_many) || r->job != e->effect_job || (e->job && e->job != r->job))
        return false;
    if (e->kind == COMMAND_BACKFILL) // The reply names the first one.
        return ledger_find(&w->ledger, &r->execution) && r->job == e->effect_job;
    if (makes_executions(e->kind))
        return memcmp(&r->execution, &e->effect_key, sizeof r->execution) == 0 &&
               ledger_find(&w->ledger, &r->execution);
    return !j || j->version >= r->version; // A job may be deleted by now.
}

static void record(struct world *w, const struct command_reply *r)
{
    size_t number = errand_number(&r->command);
    struct errand *e = errand_of(w, number);
    const struct errand *other = e->sibling ? errand_of(w, e->sibling) : NULL;
    if (e->is_replied || e->is_withdrawn)
        trace_fail(&w->trace, "I13: command %zu is answered after it was %s", number,
                   e->is_replied ? "answered" : "withdrawn");
    e->is_replied = true;
    e->reply = *r;
    if (!is_true(w, e, r))
        trace_fail(&w->trace, "I10: the reply to command %zu (%s) comes with %u effects", number,
                   r->err ? err_name(r->err) : "done", e->effects);
    if (e->entries != !r->err)
        trace_fail(&w->trace, "command %zu (%s) has %u entries of the audit", number,
                   r->err ? err_name(r->err) : "done", e->entries);
    if (other && !r->err && other->is_replied && !other->reply.err)
        trace_fail(&w->trace, "I10: two requests with key %u are carried out", e->key);
}

static void count_entry(struct world *w, const struct audit_entry *a)
{
    if (a->by.request_id)
        errand_of(w, strtoul(a->by.request_id, NULL, 10))->entries++;
}

void errands_record(struct world *w, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->changes[i].kind == CHANGE_AUDIT)
            count_entry(w, &b->changes[i].audit);
    for (size_t i = 0; i < b->count; i++)
        if (b->changes[i].kind == CHANGE_REPLY)
            record(w, &b->changes[i].reply);
}

// --- What servers hear ---

static bool says_the_same(const struct command_reply *a, const struct command_reply *b)
{
    return a->job == b->job && memcmp(&a->execution, &b->execution, sizeof a->execution) == 0;
}

void errands_check_reply(struct world *w, size_t number, const struct command_reply *r)
{
    const struct errand *e = errand_of(w, number);
    if (!e->is_replied || r->err != e->reply.err || r->version != e->reply.version ||
        !says_the_same(r, &e->reply))
        trace_fail(&w->trace, "I10: the reply to command %zu is not the one that is durable",
                   number);
}

void errands_check_withdrawn(struct world *w, size_t number)
{
    struct errand *e = errand_of(w, number);
    if (e->claimed_in || e->is_replied)
        trace_fail(&w->trace, "command %zu is withdrawn, and was claimed", number);
    e->is_withdrawn = true;
}

// The key is taken: by a request whose reply this is (NULL: which has none yet).
void errands_check_key(struct world *w, size_t number, const struct command_reply *replay)
{
    const struct errand *e = errand_of(w, number);
    const struct errand *other = e->sibling ? errand_of(w, e->sibling) : NULL;
    bool is_done = other && other->is_replied && !other->reply.err;
    bool is_open = other && other->is_put && !other->is_replied && !other->is_withdrawn;
    if (replay ? !is_done || !says_the_same(replay, &other->reply) : !is_open)
        trace_fail(&w->trace, "key %u of command %zu does not stand for what came of it", e->key,
                   number);
}

// --- When all is healed ---

void errands_check(struct world *w)
{
    for (size_t i = 1; i <= w->errands.count && !w->trace.failed; i++) {
        const struct errand *e = errand_of(w, i);
        if (e->claimed_in && !e->is_replied)
            trace_fail(&w->trace, "I13: command %zu was claimed and has no reply", i);
        if (e->effects && !e->is_replied)
            trace_fail(&w->trace, "I13: command %zu was carried out and has no reply", i);
    }
}
