// SPDX-License-Identifier: MIT
// claims.c: a node claims the commands of the shards that it has loaded, and its core carries them
// out.
//
// The answer to a claim may be lost: then the node claims again what it may have claimed. What was
// claimed waits for its turn, so that the shard may be lost before, and even gained again. The node
// may die in between. Whatever has no reply is claimed by the next owner.

#include "world.h"

#include "store/commands.h"

#include <assert.h>
#include <string.h>

#define CLAIM_MAX 4 // Rows in one call.
#define POLL_MS 250
#define LOOK_AGAIN_MS 500

void claims_start(struct node *n)
{
    n->claims_at = MONO_NEVER;
    n->claims_again = false;
    assert(n->claimed_count == 0);
}

void claims_drop(struct node *n)
{
    for (size_t i = 0; i < n->claimed_count; i++)
        free(n->claimed[i].body);
    n->claimed_count = 0;
    n->claims_at = MONO_NEVER;
}

// A wake-up comes at once, or it is lost, and the node looks by itself after a while.
void claims_wake(struct node *n)
{
    struct world *w = n->world;
    bool is_lost = w->faults && dice_chance(&w->dice, 100000);
    dur_ms delay = is_lost ? POLL_MS : dice_between(&w->dice, 0, 3);
    n->claims_at = MIN(n->claims_at, w->now.mono + delay);
}

void claims_load(struct node *n)
{
    if (!n->world->has_servers)
        return;
    n->claims_again = true;
    claims_wake(n);
}

// --- Claiming ---

struct walk {
    struct node *node;
    bool is_heard;
    size_t count;
    int64_t last;
};

// How long a claimed command waits for the core.
static dur_ms choose_delay(struct world *w)
{
    if (w->faults && dice_chance(&w->dice, 20000))
        return dice_skewed(&w->dice, 10, 4 * w->lease_ms);
    return dice_between(&w->dice, 0, 2);
}

static void take_in(struct node *n, size_t number, const struct command_row *r)
{
    struct world *w = n->world;
    assert(n->claimed_count < CLAIMED_MAX);
    mono_ms last = n->claimed_count ? n->claimed[n->claimed_count - 1].at : 0;
    struct claimed *c = &n->claimed[n->claimed_count++];
    *c = (struct claimed){.errand = number, .epoch = r->epoch, .bytes = r->bytes};
    c->at = MAX(last, w->now.mono + choose_delay(w));
    c->body = memcpy(xmalloc(r->bytes + 1), r->body, r->bytes);
}

static void hand_on(void *context, const struct command_row *r)
{
    struct walk *walk = context;
    struct node *n = walk->node;
    size_t number = errand_number(&r->id);
    struct errand *e = errand_of(n->world, number);
    walk->count++;
    walk->last = r->number;
    errands_see_claim(n->world, number, r->epoch);
    if (!walk->is_heard || e->handed_in == r->epoch)
        return; // The command is handed on already, and not answered yet.
    e->handed_in = r->epoch;
    take_in(n, number, r);
}

static size_t choose_shards(const struct node *n, struct command_shard *out)
{
    size_t count = 0;
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        if (n->tenures[s].loaded)
            out[count++] = (struct command_shard){s, n->tenures[s].epoch};
    return count;
}

// Returns how many came.
static size_t claim(struct node *n, bool is_heard)
{
    struct world *w = n->world;
    struct command_shard shards[SHARDS_PLAYED];
    struct walk walk = {.node = n, .is_heard = is_heard};
    struct command_claim o = {.shards = shards,
                              .shard_count = choose_shards(n, shards),
                              .again = n->claims_again,
                              .limit = CLAIM_MAX};
    size_t all = 0;
    n->claims_again = !is_heard;
    do {
        walk.count = 0;
        enum err err = store_commands_claim(w->errands.line, &o, w->now.wall, hand_on, &walk, NULL);
        assert(err == ERR_OK);
        o.after = walk.last;
        all += walk.count;
    } while (walk.count == CLAIM_MAX && n->claimed_count + CLAIM_MAX <= CLAIMED_MAX);
    if (walk.count == CLAIM_MAX) { // There are more.
        n->claims_again = true;
        n->claims_at = w->now.mono + LOOK_AGAIN_MS;
    }
    return all;
}

static void look(struct node *n)
{
    struct world *w = n->world;
    bool is_full = n->claimed_count + CLAIM_MAX > CLAIMED_MAX;
    bool waits = n->stalled || n->disk_lost || is_full || w->now.mono < n->cut_until;
    n->claims_at = waits ? MAX(n->cut_until, w->now.mono + LOOK_AGAIN_MS) : MONO_NEVER;
    if (waits || n->life != LIFE_UP)
        return;
    bool is_heard = !w->faults || !dice_chance(&w->dice, 50000);
    size_t came = claim(n, is_heard);
    if (!is_heard) {
        w->happened.of[HAPPENING_CLAIM_UNHEARD] += came > 0;
        n->claims_at = w->now.mono + dice_skewed(&w->dice, 1, 5000);
    }
    if (came == 0 || !w->faults || !dice_chance(&w->dice, 10000))
        return;
    count(w, HAPPENING_CLAIM_OF_THE_DEAD);
    node_die(n);
}

// --- Carrying out ---

static void step(struct node *n, const struct claimed *c, struct command *command)
{
    struct world *w = n->world;
    const struct errand *e = errand_of(w, c->errand);
    w->asked = e->version;
    w->is_asking = e->kind != COMMAND_COMPLETE;
    w->asking = e->kind;
    w->asked_job = e->job;
    w->asked_shard = e->shard;
    w->errands.asked = c->errand;
    w->errands.asked_epoch = c->epoch;
    trace_line(&w->trace, w->now.wall, "node %u carries out command %zu about job %lld %s",
               n->number, c->errand, (long long)e->job, e->version.schedule);
    node_step(n, &(struct event){.kind = EVENT_COMMAND, .command = command});
    w->is_asking = false;
    w->errands.asked = 0;
}

static void carry_out(struct node *n)
{
    struct world *w = n->world;
    struct claimed c = n->claimed[0];
    struct fault f = {0};
    struct letter *l;
    memmove(n->claimed, n->claimed + 1, --n->claimed_count * sizeof *n->claimed);
    if (letter_unpack(c.body, c.bytes, &l, &f)) {
        trace_fail(&w->trace, "command %zu cannot be read: %s", c.errand, f.text);
    } else {
        struct command command = l->command;
        l->command.job = NULL; // Taken.
        command.zone = command.job ? node_zone(command.job) : NULL;
        command.shard = errand_of(w, c.errand)->shard;
        command.command_id = errand_id(c.errand);
        command.epoch = c.epoch;
        step(n, &c, &command);
        letter_free(l);
    }
    free(c.body);
}

mono_ms claims_wake_at(const struct node *n)
{
    return n->claimed_count ? MIN(n->claims_at, n->claimed[0].at) : n->claims_at;
}

void claims_act(struct node *n)
{
    if (n->claimed_count && n->claimed[0].at <= n->claims_at)
        carry_out(n);
    else
        look(n);
}
