// SPDX-License-Identifier: MIT
// sim.c: one run: sets up a world from the seed, moves it from event to event, and judges it.

#include "sim.h"

#include "world.h"

#include <assert.h>
#include <string.h>

#define ROUNDS 3 // Rounds of faults and healing, so that what gets stuck is seen before a restart.
#define HEAL_MS 900000    // Between the end of the faults and the verdict.
#define TURNS_MAX 100000  // Events at one instant.
#define SETTLED_MS 240000 // What was due that long before the verdict must be terminal.

// --- What comes next ---

enum source {
    TICK,
    COMMIT,
    OUTCOME,
    LOAD,
    RENEWAL,
    BALANCE,
    STOP,
    COMMAND,
    POST,
    PING,
    WORD,
    SERVER,
    CLAIM,
    MOOD,
    LIFE,
    CLOCK
};

struct next {
    mono_ms at;
    enum source source;
    struct node *node; // NULL: it comes to all.
};

static void consider(struct next *next, mono_ms at, enum source source, struct node *n)
{
    if (at < next->at)
        *next = (struct next){at, source, n};
}

static void consider_node(struct next *next, struct node *n)
{
    const struct flight *f = wire_next(n);
    mono_ms goes_on_at = n->stopped_until;
    if (n->life != LIFE_DOWN)
        consider(next, MAX(node_wakes_at(n), goes_on_at), TICK, n);
    consider(next, writer_wakes_at(n), COMMIT, n);
    if (n->life == LIFE_DOWN)
        return;
    if (f)
        consider(next, MAX(f->ends_at, goes_on_at), OUTCOME, n);
    consider(next, MAX(node_loads_at(n), goes_on_at), LOAD, n);
    consider(next, MAX(n->renews_at, goes_on_at), RENEWAL, n);
    consider(next, MAX(n->balances_at, goes_on_at), BALANCE, n);
    consider(next, MAX(claims_wake_at(n), goes_on_at), CLAIM, n);
    if (n->world->faults)
        consider(next, n->stops_at, STOP, n);
}

static void consider_life(struct next *next, struct node *n)
{
    if (n->world->faults || n->life != LIFE_UP || n->disk_lost)
        consider(next, n->life_changes_at, LIFE, n);
}

static struct next what_comes_next(struct world *w)
{
    struct next next = {MONO_NEVER, TICK, NULL};
    for (size_t i = 0; i < w->node_count; i++)
        consider_node(&next, &w->nodes[i]);
    if (w->faults || w->calm)
        consider(&next, w->command_at, COMMAND, NULL);
    consider(&next, post_wakes_at(w), POST, NULL);
    consider(&next, tasks_wake_at(w), PING, NULL);
    consider(&next, words_wake_at(w), WORD, NULL);
    consider(&next, servers_wake_at(w), SERVER, NULL);
    if (w->faults || w->calm)
        consider(&next, w->mood_changes_at, MOOD, NULL);
    for (size_t i = 0; i < w->node_count; i++)
        consider_life(&next, &w->nodes[i]);
    if (w->faults && w->clock_steps)
        consider(&next, w->clock_changes_at, CLOCK, NULL);
    return next;
}

static void change_life(struct node *n)
{
    struct world *w = n->world;
    if (n->life == LIFE_DOWN)
        node_start(n);
    else if (n->life == LIFE_UP && !n->disk_lost && node_goes_on(n) &&
             dice_chance(&w->dice, 300000))
        node_drain(n);
    else
        node_die(n);
}

static void happen(struct world *w, const struct next *next)
{
    struct node *n = next->node;
    switch (next->source) {
    case TICK:
        node_tick(n);
        break;
    case COMMIT:
        writer_commit(n);
        break;
    case OUTCOME:
        wire_end(n, wire_next(n));
        break;
    case LOAD:
        node_load(n);
        break;
    case RENEWAL:
        cluster_renew(n);
        break;
    case BALANCE:
        cluster_balance(n);
        break;
    case STOP:
        cluster_stop(n);
        break;
    case COMMAND:
        client_command(w);
        break;
    case POST:
        post_deliver(w);
        break;
    case PING:
        tasks_ping(w);
        break;
    case WORD:
        words_say(w);
        break;
    case SERVER:
        servers_act(w);
        break;
    case CLAIM:
        claims_act(n);
        break;
    case MOOD:
        wire_change_moods(w);
        break;
    case LIFE:
        change_life(n);
        break;
    case CLOCK:
        clocks_change(w);
        break;
    }
}

static void flush(struct world *w)
{
    for (size_t i = 0; i < w->node_count; i++)
        if (node_goes_on(&w->nodes[i]))
            node_flush(&w->nodes[i]);
}

static void end_drains(struct world *w)
{
    for (size_t i = 0; i < w->node_count; i++)
        if (w->nodes[i].life == LIFE_DRAINING && !w->nodes[i].disk_lost &&
            node_goes_on(&w->nodes[i]))
            node_drained(&w->nodes[i]);
}

// --- Time ---

static void run_until(struct world *w, mono_ms end)
{
    int turns = 0;
    while (!w->trace.failed) {
        struct next next = what_comes_next(w);
        if (next.at > w->now.mono) {
            flush(w); // Before anybody waits, the turn ends.
            next = what_comes_next(w);
        }
        if (next.at > end)
            break;
        dur_ms d = MAX(next.at - w->now.mono, 0) + clocks_lateness(w) + w->spent_ms;
        w->spent_ms = 0;
        turns = d > 0 ? 0 : turns + 1;
        if (turns > TURNS_MAX)
            trace_fail(&w->trace, "the core asks to be woken now, again and again");
        clocks_pass(w, d);
        happen(w, &next);
        end_drains(w);
    }
    clocks_pass(w, MAX(end - w->now.mono, 0));
}

// --- A run ---

// Around the changes of the clocks in Paris, ends of months and years, or anywhere.
static wall_ms choose_start(struct world *w)
{
    static const char *const starts[] = {
        "2026-03-28T23:30:00Z", "2026-10-24T23:00:00Z", "2027-03-27T22:00:00Z",
        "2027-10-30T22:30:00Z", "2026-12-31T21:00:00Z", "2028-02-28T21:00:00Z",
        "2026-07-15T06:59:58Z", "2026-11-24T05:27:00Z",
    };
    const char *text = DICE_PICK(&w->dice, starts);
    wall_ms at;
    bool parsed = wall_parse(text, 20, &at);
    assert(parsed);
    return at + dice_between(&w->dice, 0, 3600000);
}

// Small limits, so that every one of them is met.
// Not drawn, so that worlds without a rate are those that they were before there were rates.
static uint32_t rate_of_seed(uint64_t seed)
{
    static const uint32_t rates[] = {1, 4, 30, 1000};
    return seed % 3 == 0 ? rates[seed / 3 % COUNT_OF(rates)] : 0;
}

static void choose_limits(struct world *w, uint64_t seed)
{
    static const struct ahead {
        dur_ms lookahead_ms, gather_ms;
        uint32_t gather_max;
    } aheads[] = {{300, 0, 1}, {1500, 600, 32768}, {2500, 1000, 32768}, {5000, 4000, 5}};
    static const dur_ms lates[] = {1000, 5000, 20000};
    static const uint32_t steps[] = {1, 2, 5, 512}, open[] = {16, 100, 100000, 100000};
    static const uint32_t dues[] = {1, 3, 64};
    static const uint32_t losses[] = {0, 5, 50};
    w->limits = core_limits_default;
    w->limits.shards = w->ledger.shard_count;
    w->limits.in_flight_max = FLIGHTS_MAX;
    w->limits.breaker_losses = 0; // A breaker makes late what a calm world expects on time.
    struct ahead ahead = DICE_PICK(&w->dice, aheads);
    w->limits.lookahead_ms = ahead.lookahead_ms;
    w->limits.gather_ms = ahead.gather_ms;
    w->limits.gather_max = ahead.gather_max;
    w->limits.step_max = DICE_PICK(&w->dice, steps);
    w->limits.due_max = DICE_PICK(&w->dice, dues);
    if (w->calm && w->node_count > 1) {
        w->limits.lookahead_ms = aheads[0].lookahead_ms;
        w->limits.gather_ms = aheads[0].gather_ms;
        w->limits.step_max = MIN(w->limits.step_max, CALM_STEP_MAX);
        w->limits.due_max = dues[COUNT_OF(dues) - 1]; // Or what is planned late queues up there.
    }
    if (w->calm)
        return;
    w->limits.open_max = DICE_PICK(&w->dice, open);
    if (w->node_count > 1 && w->clock_steps) // What others planned far ahead, by a clock that was
        w->limits.open_max = 100000;         // ahead, would fill a node that gains it.
    w->limits.breaker_losses = DICE_PICK(&w->dice, losses);
    w->limits.in_flight_max = (uint32_t)dice_between(&w->dice, 2, 64);
    w->limits.host_in_flight_max = (uint32_t)dice_between(&w->dice, 1, 32);
    w->limits.late_ms = DICE_PICK(&w->dice, lates);
    w->limits.host_rate_max = rate_of_seed(seed);
}

// Half of all worlds have one node with one shard, as a file has.
static unsigned choose_shards(struct world *w, unsigned owners)
{
    static const unsigned shards[] = {4, 8, 16};
    static const dur_ms leases[] = {20000, 30000, 60000};
    unsigned drawn = dice_chance(&w->dice, 500000) ? 1 : (unsigned)dice_between(&w->dice, 2, 3);
    w->node_count = owners ? owners : drawn;
    w->lease_ms = DICE_PICK(&w->dice, leases);
    return w->node_count == 1 ? 1 : DICE_PICK(&w->dice, shards);
}

static void begin(struct world *w, const struct sim_options *o)
{
    dice_seed(&w->dice, o->seed);
    trace_init(&w->trace, o->trace);
    ledger_init(&w->ledger, choose_shards(w, o->owners), &w->trace);
    enum err err = store_memory_open(w->ledger.shard_count, &w->store, NULL);
    assert(err == ERR_OK);
    w->now = (struct now){.wall = choose_start(w), .mono = dice_between(&w->dice, 0, 1000000000)};
    w->faults = !o->calm;
    w->calm = w->was_calm = o->calm;
    w->command_at = w->now.mono;
    w->has_waits = o->seed % 4 == 2; // Not drawn, as with rates.
    w->has_servers = o->commands && w->node_count > 1;
    w->has_heartbeats = o->seed % 4 == 1 && !w->has_servers; // Not drawn, as with rates.
    clocks_init(w);
    choose_limits(w, o->seed);
    servers_open(w);
    for (size_t i = 0; i < w->node_count; i++) {
        w->nodes[i].world = w;
        w->nodes[i].number = (unsigned)i + 1;
        w->nodes[i].life = LIFE_DOWN;
        node_start(&w->nodes[i]);
    }
}

// Whatever has waited for its time since the last round happens now.
static void trouble(struct world *w, bool calm)
{
    w->faults = !calm;
    w->calm = calm;
    wire_change_moods(w);
}

// The faults stop; what hangs runs into its timeout, and a dead process is started again.
static void heal(struct world *w)
{
    trace_line(&w->trace, w->now.wall, "heal");
    w->faults = w->calm = false;
    wire_change_moods(w);
    for (size_t i = 0; i < w->node_count; i++) {
        struct node *n = &w->nodes[i];
        n->cut_until = n->stopped_until = 0;
        if (n->life == LIFE_DOWN)
            n->life_changes_at = w->now.mono;
    }
    for (unsigned s = 0; s < w->ledger.shard_count; s++)
        if (!w->shards[s].owner)
            w->shards[s].free_at = 0;
}

// What became of an occurrence. Repeats are requests beyond those that a life without crashes
// makes.
static void count_row(struct world *w, const struct row *r)
{
    static const enum happening ends[] = {
        [EXECUTION_SUCCESS] = HAPPENING_SUCCESS,     [EXECUTION_FAILED] = HAPPENING_FAILED,
        [EXECUTION_MISSED] = HAPPENING_MISSED,       [EXECUTION_SKIPPED] = HAPPENING_SKIPPED,
        [EXECUTION_CANCELLED] = HAPPENING_CANCELLED,
    };
    static const enum happening rules[] = {
        HAPPENING_OUTCOME_UNKNOWN,  HAPPENING_CRASH_LOOP, HAPPENING_REPLACED,
        HAPPENING_SCHEDULE_CHANGED, HAPPENING_NO_PING,    HAPPENING_UNHEARD,
        HAPPENING_SILENT_RUN,       HAPPENING_NOTE,       HAPPENING_SILENCE};
    const char *why = r->e.reason ? r->e.reason : r->e.error ? r->e.error : "";
    unsigned made = 1u + r->e.retry_count;
    unsigned repeats = r->seen.sends > made ? r->seen.sends - made : 0;
    w->happened.of[HAPPENING_REPEAT] += repeats;
    if (repeats > 0 && w->was_calm)
        trace_fail(&w->trace, "P3: row %lld is sent again, and nothing has failed",
                   (long long)r->e.id);
    w->happened.of[HAPPENING_CAUGHT_UP] += r->e.trigger == TRIGGER_CATCH_UP && r->seen.sends > 0;
    w->happened.of[HAPPENING_RETRIED] += r->e.retry_count > 0;
    if (ledger_is_terminal(r->e.state))
        count(w, ends[r->e.state]);
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        w->happened.of[rules[i]] += strstr(why, happening_words(rules[i])) != NULL;
}

static void report(struct world *w, struct sim_report *out)
{
    for (size_t i = 0; i < w->ledger.row_count; i++)
        count_row(w, &w->ledger.rows[i]);
    out->failed = w->trace.failed;
    snprintf(out->failure, sizeof out->failure, "%s", w->trace.failure);
    out->hash = w->trace.hash;
    out->events = w->events;
    out->happened = w->happened;
}

void sim_run(const struct sim_options *o, struct sim_report *out)
{
    struct world *w = xcalloc(1, sizeof *w);
    *out = (struct sim_report){.seed = o->seed};
    begin(w, o);
    for (int round = 0; round < ROUNDS && !w->trace.failed; round++) {
        trouble(w, o->calm);
        run_until(w, w->now.mono + o->length / ROUNDS);
        heal(w);
        run_until(w, w->now.mono + HEAL_MS);
        if (!w->trace.failed)
            w->happened.of[HAPPENING_OCCURRENCE] = checker_run(w, w->now.wall - SETTLED_MS);
        errands_check(w);
    }
    report(w, out);
    for (size_t i = 0; i < w->node_count; i++)
        node_fini(&w->nodes[i]);
    servers_close(w);
    store_close(w->store);
    ledger_fini(&w->ledger);
    history_fini(&w->history);
    free(w);
}
