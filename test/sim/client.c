// SPDX-License-Identifier: MIT
// client.c: clients that create, change, pause, delete and trigger their jobs at awkward moments.

#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define JOBS_LIVE_MAX 16

// --- What they ask for ---

static const char *const schedules[] = {
    "*/10 * * * * *", "*/15 * * * * *",   "0 * * * * *",       "30 * * * * *",
    "0 */2 * * * *",  "*/5 * * * *",      "5,20,45 * * * * *", "0-3 */7 * * * *",
    "@every 90s",     "@every 7s",        "15 10-20 * * * *",  "0 */15 9-17 * * MON-FRI",
    "0 30 2 * * *",   "0 0,30 2 * * *",   "0 30 1-4 * * *",    "*/20 59 1-2 * * *",
    "0 0 0 * * *",    "0 15 2 28,29 2 *", "0 45 2 1-7 * SUN",
};

static void choose_schedule(struct world *w, struct version *v)
{
    snprintf(v->schedule, sizeof v->schedule, "%s", DICE_PICK(&w->dice, schedules));
    if (!dice_chance(&w->dice, 60000))
        return;
    char text[RFC3339_BYTES]; // One instant, soon.
    wall_format(w->now.wall / 1000 * 1000 + dice_between(&w->dice, 1, 120) * 1000, text);
    snprintf(v->schedule, sizeof v->schedule, "%.19sZ", text);
}

static void choose_policies(struct world *w, struct version *v)
{
    static const uint32_t windows_s[] = {0, 60, 600, 3600};
    v->catch_up = (uint8_t)dice_between(&w->dice, 0, CATCH_UPS - 1);
    v->catch_up_window_s = DICE_PICK(&w->dice, windows_s);
    v->max_in_flight = w->calm ? FLIGHTS_MAX : (uint32_t)dice_skewed(&w->dice, 1, 100);
}

static void choose_job(struct world *w, struct version *v)
{
    *v = (struct version){.active = true, .paused_until = WALL_NEVER};
    v->host = (char)('a' + dice_between(&w->dice, 0, HOSTS - 1));
    v->paris = dice_chance(&w->dice, 500000);
    v->type = dice_chance(&w->dice, 250000) ? JOB_ATMOST_ONCE : JOB_ATLEAST_ONCE;
    v->max_retries = (uint16_t)dice_between(&w->dice, 0, 3);
    v->timeout_ms = (uint32_t)dice_between(&w->dice, 1, 8) * 1000;
    choose_schedule(w, v);
    choose_policies(w, v);
}

// Type, host and retries stay, so that what is already under way is judged by one rule.
static void choose_change(struct world *w, struct version *v)
{
    if (dice_chance(&w->dice, 500000))
        choose_schedule(w, v);
    if (dice_chance(&w->dice, 200000))
        v->paris = !v->paris;
    if (dice_chance(&w->dice, 300000))
        choose_policies(w, v);
}

static void choose_pause(struct world *w, struct version *v)
{
    v->active = !v->active;
    v->paused_until = WALL_NEVER;
    if (!v->active && dice_chance(&w->dice, 500000))
        v->paused_until = w->now.wall + dice_skewed(&w->dice, 100, 600000);
}

// --- Asking ---

static void ask(struct world *w, struct command *c, const struct version *v, const char *what)
{
    w->commands++;
    w->asked = v ? *v : (struct version){0};
    w->asked.at = w->now.wall;
    w->asking = c->kind;
    trace_line(&w->trace, w->now.wall, "%s job %lld %s", what, (long long)c->id,
               v ? v->schedule : "");
    machine_step(w, &(struct event){.kind = EVENT_COMMAND, .command = c});
}

// What the reply promises is kept until its batch is durable. A refusal needs a good reason.
void client_hear(struct world *w, const struct reply *r)
{
    if (r->err) {
        trace_line(&w->trace, w->now.wall, "refused: %s", err_name(r->err));
        if (r->err != ERR_NOT_FOUND && r->err != ERR_LIMIT)
            trace_fail(&w->trace, "a command is refused with %s", err_name(r->err));
        return;
    }
    assert(w->promised < QUEUE_MAX);
    w->promises[w->promised++] = (struct promise){.sequence = w->out.batch->sequence,
                                                  .job = r->job,
                                                  .trigger = w->asking == COMMAND_TRIGGER,
                                                  .key = r->key,
                                                  .version = w->asked};
}

static void ask_create(struct world *w)
{
    struct version v;
    choose_job(w, &v);
    struct job *j = version_job(&v);
    struct command c = {.kind = COMMAND_CREATE, .job = j, .zone = machine_zone(j)};
    ask(w, &c, &v, "create");
}

static void ask_update(struct world *w, job_id id, bool pause)
{
    struct version v = *history_last(&w->history, id);
    if (pause)
        choose_pause(w, &v);
    else
        choose_change(w, &v);
    struct job *j = version_job(&v);
    struct command c = {.kind = COMMAND_UPDATE, .id = id, .job = j, .zone = machine_zone(j)};
    ask(w, &c, &v, !pause ? "update" : v.active ? "resume" : "pause");
}

static void ask_delete(struct world *w, job_id id)
{
    struct version v = *history_last(&w->history, id);
    v.deleted = true;
    struct command c = {.kind = COMMAND_DELETE, .id = id};
    ask(w, &c, &v, "delete");
}

static void ask_trigger(struct world *w, job_id id)
{
    const char *body = dice_chance(&w->dice, 500000) ? "by hand" : NULL;
    struct command c = {.kind = COMMAND_TRIGGER, .id = id, .body = body};
    ask(w, &c, NULL, "trigger");
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

void client_command(struct world *w)
{
    size_t live;
    job_id id = choose_live(w, &live);
    int64_t number = dice_between(&w->dice, 0, 99);
    choose_moment(w);
    if (w->life != LIFE_UP || w->stalled)
        return; // Nobody answers, or the answer is that the disk is full.
    if (live < 2 || (number < 15 && live < JOBS_LIVE_MAX))
        ask_create(w);
    else if (number < 50)
        ask_update(w, id, false);
    else if (number < 80)
        ask_update(w, id, true);
    else if (number < 88)
        ask_delete(w, id);
    else
        ask_trigger(w, id);
}

// --- What became of it ---

// I10: what was promised is on the disk.
static void check_promise(struct world *w, const struct promise *p)
{
    if (p->trigger) {
        if (!ledger_find(&w->ledger, &p->key))
            trace_fail(&w->trace, "I10: a trigger of job %lld left no row", (long long)p->job);
        return;
    }
    const struct job *j = ledger_job(&w->ledger, p->job);
    const struct version *v = history_last(&w->history, p->job); // Perhaps a later one.
    if (v->deleted ? j != NULL
                   : !j || strcmp(j->schedule, v->schedule) != 0 ||
                         (strcmp(j->timezone, "UTC") != 0) != v->paris ||
                         j->max_in_flight != v->max_in_flight)
        trace_fail(&w->trace, "I10: job %lld is not what was promised", (long long)p->job);
}

static void keep(struct world *w, const struct promise *p)
{
    if (p->trigger)
        history_add_trigger(&w->history, &p->key);
    else
        history_add(&w->history, p->job, &p->version);
}

void client_keep(struct world *w, uint64_t sequence)
{
    size_t kept = 0;
    while (kept < w->promised && w->promises[kept].sequence <= sequence)
        keep(w, &w->promises[kept++]);
    for (size_t i = 0; i < kept; i++)
        check_promise(w, &w->promises[i]);
    memmove(w->promises, w->promises + kept, (w->promised - kept) * sizeof *w->promises);
    w->promised -= kept;
}

void client_forget(struct world *w)
{
    w->promised = 0;
}
