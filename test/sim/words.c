// SPDX-License-Identifier: MIT
// words.c: targets that ask to wait, and say later how their work ended.
//
// A target says so early, late, twice, or never, and sometimes without having asked. What it says
// goes to whoever owns the shard by then, or believes to, or through an API server, and is said
// again until somebody has answered: nothing is answered before the word is durable.

#include "world.h"

#include <assert.h>

#define LOOK_AGAIN_MS 500
#define SAID_MS_MAX 150000 // Later than many a deadline.

static struct word *free_place(struct world *w)
{
    for (size_t i = 0; i < WORDS_MAX; i++)
        if (!w->words[i].used)
            return &w->words[i];
    return NULL;
}

static void plan(struct world *w, const struct flight *f, mono_ms at, bool has_failed)
{
    struct word *p = free_place(w);
    // A person says it of what is waited for, and knows no attempt.
    bool is_of_person = w->faults && f->asks_to_wait && dice_chance(&w->dice, 50000);
    if (p)
        *p = (struct word){.used = true,
                           .at = at,
                           .key = f->key,
                           .attempt = is_of_person ? 0 : f->attempt,
                           .has_failed = has_failed};
}

static mono_ms choose_time(struct world *w, const struct flight *f)
{
    if (dice_chance(&w->dice, 250000))
        return dice_between(&w->dice, w->now.mono, f->ends_at); // Before the answer.
    return f->ends_at + dice_skewed(&w->dice, 1, SAID_MS_MAX);
}

static void plan_words(struct world *w, const struct flight *f)
{
    bool is_silent = !dice_chance(&w->dice, f->asks_to_wait ? 850000 : 150000);
    bool has_failed = dice_chance(&w->dice, 250000);
    if (is_silent)
        return;
    mono_ms at = choose_time(w, f);
    plan(w, f, at, has_failed);
    if (dice_chance(&w->dice, 200000)) // Once more, and perhaps the opposite.
        plan(w, f, at + dice_skewed(&w->dice, 1, 5000),
             has_failed != dice_chance(&w->dice, 300000));
}

void words_take(struct world *w, struct flight *f)
{
    bool is_well = f->kind == OUTCOME_ANSWERED && (f->status == 200 || f->status == 202);
    f->asks_to_wait = is_well && dice_chance(&w->dice, 600000);
    if (f->asks_to_wait)
        f->status = 202;
    if (w->faults || w->calm)
        plan_words(w, f);
    else if (f->asks_to_wait) // All is healed.
        plan(w, f, w->now.mono + dice_between(&w->dice, 1, 100), false);
}

static struct word *first_of(struct world *w)
{
    struct word *first = NULL;
    for (size_t i = 0; i < WORDS_MAX; i++)
        if (w->words[i].used && (!first || w->words[i].at < first->at))
            first = &w->words[i];
    return first;
}

mono_ms words_wake_at(struct world *w)
{
    const struct word *p = w->has_waits ? first_of(w) : NULL;
    return p ? p->at : MONO_NEVER;
}

static void tell_server(struct world *w, struct word *p, struct command *c)
{
    p->used = ++p->tries < 3 && dice_chance(&w->dice, 300000); // No answer came in time.
    p->at = w->now.mono + dice_skewed(&w->dice, 100, 20000);
    servers_take(w, c, NULL);
}

static void tell_owner(struct world *w, struct word *p, struct command *c)
{
    struct node *n = client_find_owner(w, ledger_shard_number(&w->ledger, p->key.job));
    p->at = w->now.mono + (n ? dice_skewed(&w->dice, 100, 20000) : LOOK_AGAIN_MS);
    if (!n)
        return;
    w->happened.of[HAPPENING_WORD_AGAIN] += p->tries > 0;
    p->tries++;
    w->is_delivering = true;
    node_step(n, &(struct event){.kind = EVENT_COMMAND, .command = c});
    w->is_delivering = false;
}

void words_say(struct world *w)
{
    struct word *p = first_of(w);
    char id[EXECUTION_ID_BYTES];
    execution_id_format(&p->key, id);
    trace_line(&w->trace, w->now.wall, "attempt %u of %s: the target says %s", p->attempt, id,
               p->has_failed ? "failed" : "success");
    struct audit_entry entry = {.by = {.address = "192.0.2.8"}, .action = AUDIT_EXECUTION_COMPLETE};
    struct command c = {.kind = COMMAND_COMPLETE,
                        .id = p->key.job,
                        .execution = p->key,
                        .attempt = (uint16_t)p->attempt,
                        .has_failed = p->has_failed,
                        .body = p->has_failed ? "no paper" : NULL,
                        .audit = &entry};
    if (w->has_servers)
        tell_server(w, p, &c);
    else
        tell_owner(w, p, &c);
}

void words_answer(struct world *w, const struct execution_key *key, bool has_failed)
{
    for (size_t i = 0; i < WORDS_MAX; i++) {
        struct word *p = &w->words[i];
        if (p->used && p->tries > 0 && p->has_failed == has_failed && p->key.job == key->job &&
            p->key.scheduled_at == key->scheduled_at && p->key.series == key->series)
            p->used = w->has_servers;
    }
}
