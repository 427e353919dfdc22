// SPDX-License-Identifier: MIT
// send_rules.c: what must hold whenever a request leaves for a target.

#include "world.h"

#include <string.h>

#define CAUGHT_UP_MS 60000 // A shard that was just gained may be behind time for so long.

// --- Limits ---

// The highest limit that ever held, or is just asked for: what passed a limit before it was lowered
// may still leave.
static uint32_t limit_of_job(const struct node *n, job_id id)
{
    const struct world *w = n->world;
    uint32_t limit = version_limit(promise_last(n, id));
    for (size_t i = 0; i < w->history.jobs[id - 1].count; i++)
        limit = MAX(limit, version_limit(&w->history.jobs[id - 1].versions[i]));
    for (size_t i = 0; i < n->promised; i++)
        if (n->promises[i].job == id && n->promises[i].kind == PROMISE_VERSION)
            limit = MAX(limit, version_limit(&n->promises[i].version));
    return limit;
}

struct load {
    uint32_t of_job;
    uint32_t in_all;
    uint32_t of_host;
    uint32_t catch_up_of_host;
    uint32_t catch_up;
};

static struct load count_flights(const struct node *n, job_id job, char host)
{
    struct load l = {0};
    for (size_t i = 0; i < n->flight_end; i++) {
        const struct flight *f = &n->flights[i];
        if (!f->used || f->lost)
            continue;
        l.in_all++;
        if (f->parted)
            continue; // The job is another node's.
        l.of_job += f->key.job == job;
        l.of_host += f->host == host;
        l.catch_up += f->catch_up;
        l.catch_up_of_host += f->catch_up && f->host == host;
    }
    return l;
}

// What other nodes have under way of the job, as its rows tell.
static uint32_t count_elsewhere(struct world *w, job_id job)
{
    uint32_t flights = 0;
    for (const struct row *r = ledger_first_of(&w->ledger, job); r;
         r = ledger_next_of(&w->ledger, r))
        for (size_t i = 0; i < w->node_count && wire_is_elsewhere(w, r); i++) {
            const struct flight *f = wire_find(&w->nodes[i], &r->e.key);
            flights += f && f->parted;
        }
    return flights;
}

static void check_catch_up(struct world *w, const struct load *l)
{
    uint32_t of_host = MAX(w->limits.host_in_flight_max / 4, 1u);
    uint32_t in_all = MAX(w->limits.in_flight_max / 4, 1u);
    if (l->catch_up_of_host >= of_host || l->catch_up >= in_all)
        trace_fail(&w->trace, "P10: catch-up takes more than a quarter");
}

static void check_limits(struct node *n, const struct send *s, char host)
{
    struct world *w = n->world;
    struct load l = count_flights(n, s->request.key.job, host);
    uint32_t limit = limit_of_job(n, s->request.key.job);
    uint32_t others = count_elsewhere(w, s->request.key.job) + wait_count(n, s->request.key.job);
    if (l.of_job + others >= limit)
        trace_fail(&w->trace, "I9: job %lld has more than %u attempts in flight",
                   (long long)s->request.key.job, limit);
    if (l.of_host >= w->limits.host_in_flight_max)
        trace_fail(&w->trace, "I9: too many attempts in flight to host %c", host);
    if (l.in_all >= w->limits.in_flight_max)
        trace_fail(&w->trace, "I9: too many attempts in flight");
    if (is_in_catch_up(&s->request))
        check_catch_up(w, &l);
}

// A bucket of the checker's own: what is in it, in thousandths, and since when.
static void check_rate(struct node *n, char host)
{
    struct world *w = n->world;
    struct host *h = &n->hosts[host - 'a'];
    int64_t rate = w->limits.host_rate_max;
    if (rate == 0)
        return;
    dur_ms passed = h->rate_at ? MIN(w->now.mono - h->rate_at, 1000) : 1000;
    h->rate_level = MIN(h->rate_level + passed * rate, 1000 * rate) - 1000;
    h->rate_at = w->now.mono;
    if (h->rate_level < 0)
        trace_fail(&w->trace, "I9: more than %lld requests a second to host %c", (long long)rate,
                   host);
}

void rate_start(struct node *n)
{
    for (size_t i = 0; i < HOSTS; i++)
        n->hosts[i].rate_at = n->hosts[i].rate_level = 0;
}

// --- The sender ---

// I8. Who sends owns the shard, and has been promised that nobody takes it meanwhile.
static void check_owner(struct node *n, const struct row *r)
{
    struct world *w = n->world;
    unsigned shard = ledger_shard_number(&w->ledger, r->e.key.job);
    if (!n->tenures[shard].held || node_is_stale(n, shard))
        trace_fail(&w->trace, "I8: row %lld is sent by node %u, which has lost shard %u",
                   (long long)r->e.id, n->number, shard);
    if (w->now.mono >= n->lease_until)
        trace_fail(&w->trace, "I8: row %lld is sent %lld ms after the lease of node %u",
                   (long long)r->e.id, (long long)(w->now.mono - n->lease_until), n->number);
}

// --- The attempt ---

// A row whose request left before the clock went back, and then the process died, may be due again:
// the same attempt, but under a higher epoch.
static bool is_later(const struct world *w, const struct request *q, const struct deliveries *d)
{
    if (q->attempt > d->attempt_last)
        return true;
    return w->went_back && q->attempt == d->attempt_last && q->epoch > d->epoch_last;
}

static void check_attempt(struct node *n, const struct request *q, const struct row *r)
{
    struct world *w = n->world;
    long long id = (long long)r->e.id;
    const struct deliveries *d = &r->seen;
    const struct tenure *t = node_tenure(n, q->key.job);
    const char *body = r->e.request_body; // Jobs of the simulator have none of their own.
    if (!body != !q->body || (body && strcmp(body, q->body) != 0))
        trace_fail(&w->trace, "row %lld is sent with another body", id);
    if (!r->e.origin != !q->origin || (q->origin && strcmp(r->e.origin, q->origin) != 0))
        trace_fail(&w->trace, "row %lld is sent under another origin", id);
    bool at_least_once = w->history.jobs[r->e.key.job - 1].versions[0].type == JOB_ATLEAST_ONCE;
    if (q->repeatable != at_least_once)
        trace_fail(&w->trace, "P4: row %lld may be repeated on the wire", id);
    bool claimed = r->e.attempts >= q->attempt; // Then it had begun before.
    if (n->life == LIFE_DRAINING && !claimed)
        trace_fail(&w->trace, "row %lld is sent by a process that is to stop", id);
    if (n->stalled)
        trace_fail(&w->trace, "row %lld is sent while the disk is full", id);
    if (r->e.reason)
        trace_fail(&w->trace, "row %lld is sent, and was cancelled on request", id);
    if (ledger_is_terminal(r->e.state))
        trace_fail(&w->trace, "row %lld is sent although it is durably %s", id,
                   execution_state_name(r->e.state));
    if (d->sends > 0 && !is_later(w, q, d))
        trace_fail(&w->trace, "P3: row %lld is sent as attempt %u of %lld after attempt %u of %lld",
                   id, q->attempt, (long long)q->epoch, d->attempt_last, (long long)d->epoch_last);
    if (q->epoch != ledger_shard(&w->ledger, q->key.job)->row.epoch)
        trace_fail(&w->trace, "row %lld is sent in epoch %lld", id, (long long)q->epoch);
    if (d->tenure_last == t->number && d->refused > 0)
        trace_fail(&w->trace, "P2: row %lld is sent again, though refused for good", id);
    if (d->tenure_last == t->number && w->now.mono < d->again_from)
        trace_fail(&w->trace, "P2: row %lld is tried again %lld ms too early", id,
                   (long long)(d->again_from - w->now.mono));
}

// I7. Once the wall clock has shown an instant, it stays due, also when the clock then goes back.
static void check_early(struct node *n, const struct row *r)
{
    struct world *w = n->world;
    unsigned shard = ledger_shard_number(&w->ledger, r->e.key.job);
    bool same_series = r->e.key.series == n->tenures[shard].series;
    wall_ms latest = same_series ? w->shards[shard].latest : WALL_NEVER;
    wall_ms early = row_due_at(r) - MAX(w->now.wall, latest);
    if (r->e.key.series >= 0 && early > 0)
        trace_fail(&w->trace, "I7: row %lld is sent %lld ms early", (long long)r->e.id,
                   (long long)early);
}

// P7 and P5: what leaves is owed by the job as it stands, and nobody stopped it. In the step that
// stops it, what was due may still leave.
static void check_owed(struct node *n, const struct row *r)
{
    struct world *w = n->world;
    job_id job = r->e.key.job;
    long long id = (long long)r->e.id;
    const struct version *v = w->is_asking ? history_last(&w->history, job) : promise_last(n, job);
    if (!v || v->deleted)
        trace_fail(&w->trace, "P7: row %lld is sent for a job that is deleted", id);
    if (r->e.key.series < 0)
        return;
    if (v && !v->active && (!w->is_asking || v->paused_until >= w->now.wall))
        trace_fail(&w->trace, "P7: row %lld is sent for a job that is paused", id);
    if (!history_owes(&w->history, &r->e.key))
        trace_fail(&w->trace, "row %lld is sent, but it is not owed", id);
}

// Executions that must not overlap wait for a replay of their job.
static bool has_replay(const struct world *w, const struct row *of)
{
    const struct row *r = ledger_first_of(&w->ledger, of->e.key.job);
    while (r && r->e.trigger != TRIGGER_REPLAY)
        r = ledger_next_of(&w->ledger, r);
    return r != NULL;
}

// P6: where nothing is late, nothing leaves late: what was planned ahead goes at its instant, and a
// retry when its wait is over. Only a queue makes wait, perhaps one that the job had until now.
static void check_punctual(struct node *n, const struct row *r)
{
    struct world *w = n->world;
    wall_ms due = r->seen.sends == 0 ? row_due_at(r) : r->e.next_attempt_at;
    bool known = due > 0; // The claim for a retry takes the time of it out of the row.
    const struct version *v = promise_last(n, r->e.key.job);
    bool waits = v && (v->overlap == OVERLAP_QUEUE || v->overlap_since >= due || has_replay(w, r));
    if (!w->calm || !known || waits)
        return;
    if (due - w->now.wall + w->now.mono < node_tenure(n, r->e.key.job)->gained_at + CAUGHT_UP_MS)
        return;
    dur_ms planning =
        w->node_count > 1 ? 3 * CALM_STEP_MAX * CALM_ROW_MS * (dur_ms)w->node_count : 0;
    if (w->now.wall > due + 4 * COMMIT_MS_MAX + planning) // Row and claim, each in turn.
        trace_fail(&w->trace, "P6: row %lld is sent %lld ms late", (long long)r->e.id,
                   (long long)(w->now.wall - due));
}

static void check_at_most_once(struct world *w, const struct send *s, const struct row *r)
{
    if (w->ledger.jobs[r->e.key.job - 1].job->type != JOB_ATMOST_ONCE)
        return;
    long long id = (long long)r->e.id;
    if (r->e.state != EXECUTION_RUNNING || r->e.attempts != s->request.attempt)
        trace_fail(&w->trace, "I6: row %lld is sent without a durable claim", id);
    if (r->seen.unsafe > 0)
        trace_fail(&w->trace, "P4: row %lld is sent again", id);
}

static void check_runs(struct world *w, const struct row *r)
{
    const struct durable_job *d = &w->ledger.jobs[r->e.key.job - 1];
    bool counts = r->e.key.series >= 0 && r->seen.sends == 0 && d->job->max_runs > 0;
    if (counts && d->begun >= d->job->max_runs)
        trace_fail(&w->trace, "row %lld is sent, and its job had its %u runs", (long long)r->e.id,
                   d->job->max_runs);
}

void send_check(struct node *n, const struct send *s, const struct row *r, char host)
{
    struct world *w = n->world;
    if (wire_is_elsewhere(w, r))
        trace_fail(&w->trace, "P3: row %lld is sent while its attempt goes on elsewhere",
                   (long long)r->e.id);
    check_owner(n, r);
    check_attempt(n, &s->request, r);
    check_early(n, r);
    check_owed(n, r);
    check_runs(w, r);
    check_punctual(n, r);
    check_at_most_once(w, s, r);
    wait_check_send(n, r);
    check_limits(n, s, host);
    check_rate(n, host);
    if (r->e.attempts < s->request.attempt)
        breaker_check(n, host); // What is claimed had its place before the breaker opened again.
    overlap_check(n, r);
}
