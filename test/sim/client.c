// SPDX-License-Identifier: MIT
// client.c: clients that create, change, pause, delete and trigger their jobs at awkward moments.

#include "slow_cron.h"
#include "world.h"

#include <string.h>

#define JOBS_LIVE_MAX 16

// --- Asking ---

static void ask_owner(struct node *n, struct command *c, const struct version *v)
{
    struct world *w = n->world;
    w->asked = v ? *v : (struct version){0};
    w->is_asking = true;
    w->asking = c->kind;
    w->asked_job = c->id;
    w->asked_shard = c->id ? ledger_shard_number(&w->ledger, c->id) : c->shard;
    node_step(n, &(struct event){.kind = EVENT_COMMAND, .command = c});
    w->is_asking = false;
}

// Who asks, and what is recorded if it is carried out.
static struct audit_entry entry_of(const struct command *c)
{
    static const enum audit_action actions[] = {
        [COMMAND_CREATE] = AUDIT_JOB_CREATE,       [COMMAND_UPDATE] = AUDIT_JOB_UPDATE,
        [COMMAND_DELETE] = AUDIT_JOB_DELETE,       [COMMAND_TRIGGER] = AUDIT_JOB_TRIGGER,
        [COMMAND_REPLAY] = AUDIT_EXECUTION_REPLAY, [COMMAND_BACKFILL] = AUDIT_JOB_BACKFILL,
        [COMMAND_CANCEL] = AUDIT_EXECUTION_CANCEL, [COMMAND_ACCEPT_CLOCK] = AUDIT_CLOCK_ACCEPT};
    return (struct audit_entry){.by = {.address = "192.0.2.7"}, .action = actions[c->kind]};
}

// Asks an owner, or (NULL) a server, for whoever owns the shard.
static void ask(struct world *w, struct node *n, struct command *c, const struct version *v,
                enum happening what)
{
    struct audit_entry entry = entry_of(c);
    c->audit = &entry;
    count(w, what);
    trace_line(&w->trace, w->now.wall, "%s job %lld %s", happening_words(what), (long long)c->id,
               v ? v->schedule : "");
    if (n)
        ask_owner(n, c, v);
    else
        servers_take(w, c, v);
}

// The job in the reply is what its row will be.
static void check_row(struct node *n, const struct reply *r)
{
    struct world *w = n->world;
    const struct batch *b = n->out.batch;
    struct job *j = NULL;
    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind == CHANGE_JOB_PUT && c->job->id == r->job) {
            job_free(j);
            j = job_copy(c->job);
        }
        if (j && c->kind == CHANGE_JOB_STATE && c->state.id == r->job)
            job_apply_state(j, &c->state);
    }
    // A new job that could not run even once would have been refused.
    if (!j || !r->row || (w->asking == COMMAND_CREATE && r->row->finished) ||
        j->version != r->row->version || j->runs != r->row->runs ||
        j->is_active != r->row->is_active || j->finished != r->row->finished ||
        j->effective_from != r->row->effective_from || strcmp(j->schedule, r->row->schedule) != 0)
        trace_fail(&w->trace, "the reply about job %lld carries another job", (long long)r->job);
    job_free(j);
}

bool makes_executions(enum command_kind kind)
{
    return kind == COMMAND_TRIGGER || kind == COMMAND_REPLAY || kind == COMMAND_BACKFILL;
}

// The reply names what was written: the job in its new version, the key of the trigger.
static void check_reply(struct node *n, const struct reply *r)
{
    struct world *w = n->world;
    const struct batch *b = n->out.batch;
    bool puts = w->asking == COMMAND_CREATE || w->asking == COMMAND_UPDATE;
    bool found = !puts && !makes_executions(w->asking);
    for (size_t i = b->count; i-- > 0 && !found;) {
        const struct change *c = &b->changes[i];
        const struct execution_key *k = &c->execution.key;
        if (c->kind == CHANGE_JOB_PUT)
            found = puts && c->job->id == r->job && c->job->version == r->version;
        if (c->kind == CHANGE_EXECUTION_INSERT)
            found = !puts && memcmp(k, &r->key, sizeof *k) == 0;
    }
    if (!found)
        trace_fail(&w->trace, "the reply about job %lld names what was not written",
                   (long long)r->job);
    if (puts)
        check_row(n, r);
}

static uint32_t rows_of(const struct batch *b, job_id job)
{
    uint32_t rows = 0;
    for (size_t i = 0; b && i < b->count; i++)
        rows +=
            b->changes[i].kind == CHANGE_EXECUTION_INSERT && b->changes[i].execution.key.job == job;
    return rows;
}

// Whether the job may have had all its runs. Rows that are on their way to the disk count, and
// those of the very step that refuses.
static bool may_be_used_up(const struct node *n)
{
    const struct world *w = n->world;
    uint32_t runs = rows_of(n->out.batch, w->asked_job);
    const struct row *r = w->asked_job ? ledger_first_of(&w->ledger, w->asked_job) : NULL;
    for (; r; r = ledger_next_of(&w->ledger, r))
        runs += r->was_planned && r->e.key.series >= 0;
    for (size_t i = 0; i < n->queued; i++)
        runs += rows_of(n->queue[i], w->asked_job);
    return w->asked.max_runs && runs >= w->asked.max_runs;
}

// Whether the job that was asked for has no occurrence to come. Only one with a bound can be so.
static bool can_never_run(const struct node *n)
{
    const struct world *w = n->world;
    const struct version *v = &w->asked, *last = promise_last(n, w->asked_job);
    int64_t one_s = slow_cron_instant(v->schedule);
    wall_ms from =
        MAX(w->now.wall, MAX(MAX(n->seen, n->tenures[w->asked_shard].seen), last ? last->at : 0));
    wall_ms until = one_s >= 0 ? MIN(v->end_at, one_s * 1000) : v->end_at;
    return until != WALL_NEVER && version_next(v, from, until) == WALL_NEVER;
}

// A refusal needs a good reason.
void client_hear(struct node *n, const struct reply *r)
{
    struct world *w = n->world;
    if ((w->errands.asked && errands_see_away(n, r)) || w->asking == COMMAND_COMPLETE)
        return;
    if (!r->err) {
        check_reply(n, r);
        return;
    }
    if (node_is_stale(n, w->asked_shard))
        return; // What it says will not reach anybody.
    trace_line(&w->trace, w->now.wall, "refused: %s", err_name(r->err));
    const struct version *v = promise_last(n, w->asked_job);
    bool is_gone = r->err == ERR_NOT_FOUND && v && v->deleted;
    bool is_empty = r->err == ERR_RANGE && w->asking == COMMAND_BACKFILL;
    w->happened.of[HAPPENING_BACKFILL_IN_VAIN] += is_empty;
    bool is_over = r->err == ERR_NOT_FOUND && w->asking == COMMAND_CANCEL;
    // A quarter of what is free for replays.
    bool is_full = r->err == ERR_LIMIT && makes_executions(w->asking) &&
                   (w->asking == COMMAND_TRIGGER ? 2 : 8) * (n->open + BACKFILL_PLAYED_MAX) >=
                       w->limits.open_max; // A single host may have half of the room.
    bool is_vain = r->err == ERR_RANGE && (can_never_run(n) || may_be_used_up(n));
    w->happened.of[HAPPENING_VAIN] += is_vain;
    w->happened.of[HAPPENING_CANCEL_IN_VAIN] += is_over;
    if (!is_gone && !is_full && !is_vain && !is_over && !is_empty)
        trace_fail(&w->trace, "a command is refused with %s", err_name(r->err));
}

static void ask_create(struct world *w, struct node *n, unsigned shard)
{
    struct version v;
    wish_job(w, &v);
    struct job *j = version_job(&v);
    struct command c = {.kind = COMMAND_CREATE, .shard = shard, .job = j, .zone = node_zone(j)};
    ask(w, n, &c, &v, HAPPENING_CREATE);
}

// As a service reads it: what is not durable yet is not in it.
static struct job *read_job(struct world *w, job_id id)
{
    struct store_reader *r;
    struct job *j = NULL;
    if (store_reader_open(w->store, &r, NULL))
        return NULL;
    if (store_get_job(r, id, &j, NULL))
        j = NULL;
    store_reader_close(r);
    return j;
}

static void ask_update(struct world *w, struct node *n, job_id id, bool pause)
{
    struct version v = *history_last(&w->history, id);
    if (pause)
        wish_pause(w, &v);
    else
        wish_change(w, &v);
    struct job *j = version_job(&v);
    struct job *before = read_job(w, id);
    struct command c = {
        .kind = COMMAND_UPDATE, .id = id, .before = before, .job = j, .zone = node_zone(j)};
    ask(w, n, &c, &v, !pause ? HAPPENING_UPDATE : v.active ? HAPPENING_RESUME : HAPPENING_PAUSE);
    job_free(before);
}

static void ask_delete(struct world *w, struct node *n, job_id id)
{
    struct command c = {.kind = COMMAND_DELETE, .id = id};
    ask(w, n, &c, NULL, HAPPENING_DELETE);
}

static void ask_trigger(struct world *w, struct node *n, job_id id)
{
    const char *body = dice_chance(&w->dice, 500000) ? "by hand" : NULL;
    struct command c = {.kind = COMMAND_TRIGGER, .id = id, .body = body};
    ask(w, n, &c, NULL, HAPPENING_TRIGGER);
}

// An execution of the job that is over, carried out again; when there is none the client triggers
// the job instead.
static bool ask_replay(struct world *w, struct node *n, job_id id)
{
    const struct row *chosen = NULL;
    int64_t over = 0;
    for (struct row *r = ledger_first_of(&w->ledger, id); r; r = ledger_next_of(&w->ledger, r))
        if (ledger_is_terminal(r->e.state) && dice_between(&w->dice, 0, over++) == 0)
            chosen = r;
    if (!chosen)
        return false;
    struct command c = {.kind = COMMAND_REPLAY, .id = id, .execution = chosen->e.key};
    ask(w, n, &c, NULL, HAPPENING_REPLAY);
    return true;
}

static void ask_backfill(struct world *w, struct node *n, job_id id)
{
    wall_ms to = w->now.wall - dice_between(&w->dice, 0, 60000);
    struct command c = {.kind = COMMAND_BACKFILL,
                        .id = id,
                        .from = to - dice_skewed(&w->dice, 1, 600000),
                        .to = to,
                        .count = BACKFILL_PLAYED_MAX};
    ask(w, n, &c, NULL, HAPPENING_BACKFILL);
}

// An execution of the job that is open, as far as the ledger tells; NULL: none is.
static struct row *choose_open(struct world *w, job_id id)
{
    struct row *chosen = NULL;
    int64_t open = 0;
    for (struct row *r = ledger_first_of(&w->ledger, id); r; r = ledger_next_of(&w->ledger, r))
        if (!ledger_is_terminal(r->e.state) && dice_between(&w->dice, 0, open++) == 0)
            chosen = r;
    return chosen;
}

// When nothing of the job is open the client triggers it instead.
static bool ask_cancel(struct world *w, struct node *n, job_id id)
{
    struct row *r = choose_open(w, id);
    if (!r)
        return false;
    r->is_unwanted = true;
    struct command c = {.kind = COMMAND_CANCEL, .id = id, .execution = r->e.key};
    ask(w, n, &c, NULL, HAPPENING_CANCEL);
    return true;
}

static void ask_clock(struct world *w, struct node *n, unsigned shard)
{
    struct command c = {.kind = COMMAND_ACCEPT_CLOCK, .shard = shard};
    ask(w, n, &c, NULL, HAPPENING_ACCEPT_CLOCK);
}

// A job that is not deleted, as far as the clients know; 0 if there is none.
static job_id choose_live(struct world *w, size_t *live)
{
    job_id chosen = 0;
    *live = 0;
    for (job_id id = 1; id <= (job_id)w->history.job_count; id++)
        if (history_is_live(&w->history, id) && dice_between(&w->dice, 0, (int64_t)(*live)++) == 0)
            chosen = id;
    return chosen;
}

// Half of all commands come within milliseconds of a round instant, or inside the lookahead of one:
// that is where edits and firings meet.
static void choose_moment(struct world *w)
{
    dur_ms gap = dice_skewed(&w->dice, 100, 30000);
    if (dice_chance(&w->dice, 500000)) {
        wall_ms round = (w->now.wall + gap) / 5000 * 5000 + 5000;
        bool close = dice_chance(&w->dice, 500000);
        gap = round - w->now.wall + dice_between(&w->dice, close ? -3 : -2000, close ? 3 : 100);
    }
    w->command_at = w->now.mono + MAX(gap, 0);
}

struct node *client_find_owner(struct world *w, unsigned shard)
{
    struct node *found = NULL;
    for (size_t i = 0; i < w->node_count; i++) {
        struct node *n = &w->nodes[i];
        bool answers = n->life == LIFE_UP && node_goes_on(n) && !n->stalled && !n->disk_lost;
        if (answers && n->tenures[shard].loaded && (!found || dice_chance(&w->dice, 500000)))
            found = n;
    }
    return found;
}

void client_command(struct world *w)
{
    size_t live;
    job_id id = choose_live(w, &live);
    int64_t number = dice_between(&w->dice, 0, 99);
    if (id && number >= 88 && number < 99 && history_last(&w->history, id)->kind == JOB_HEARTBEAT)
        number = 98; // Nothing of it can be carried out.
    bool creates = live < 2 || (number < 15 && live < JOBS_LIVE_MAX);
    unsigned shards = w->ledger.shard_count;
    unsigned drawn = shards == 1 ? 0 : (unsigned)dice_between(&w->dice, 0, shards - 1);
    bool asks_of_clock = number >= 99 && w->clock_steps;
    unsigned shard = creates || asks_of_clock ? drawn : ledger_shard_number(&w->ledger, id);
    struct node *n = w->has_servers ? NULL : client_find_owner(w, shard);
    choose_moment(w);
    if (!n && !w->has_servers)
        return; // Nobody answers, or the answer is that the disk is full.
    if (creates)
        ask_create(w, n, shard);
    else if (number < 50)
        ask_update(w, n, id, false);
    else if (number < 80)
        ask_update(w, n, id, true);
    else if (number < 88)
        ask_delete(w, n, id);
    else if (asks_of_clock)
        ask_clock(w, n, shard);
    else if (number < 91)
        ask_trigger(w, n, id);
    else if (number < 93)
        ask_backfill(w, n, id);
    else if (!(number < 96 ? ask_replay(w, n, id) : ask_cancel(w, n, id)) &&
             history_last(&w->history, id)->kind == JOB_HTTP)
        ask_trigger(w, n, id);
}
