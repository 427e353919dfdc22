// SPDX-License-Identifier: MIT
// rules.c: what a node decides by itself (rules_priv.h).

#include "cluster/postgres/rules_priv.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// --- The lease -------------------------------------------------------------------------------

#define GUARD_MS 750

dur_ms lease_guard(dur_ms ttl_ms)
{
    assert(ttl_ms > 0);
    return MIN(GUARD_MS, ttl_ms * 15 / 100);
}

dur_ms lease_renewal_every(dur_ms ttl_ms)
{
    return ttl_ms / 5;
}

mono_ms lease_deadline(mono_ms asked_at, dur_ms ttl_ms)
{
    return asked_at + ttl_ms - lease_guard(ttl_ms);
}

// --- Whose beats stand still -----------------------------------------------------------------

static const struct sighting *find(const struct sightings *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->of[i].id, id) == 0)
            return &s->of[i];
    return NULL;
}

static struct sighting see(const struct node *n, const struct sighting *before, mono_ms now)
{
    struct sighting x = {.beat = n->beat, .since = now, .ttl_ms = n->ttl_ms};
    memcpy(x.id, n->id, sizeof x.id);
    if (before && before->beat == n->beat)
        x.since = before->since;
    return x;
}

void sightings_note(struct sightings *s, const struct nodes_view *v, mono_ms now)
{
    struct sighting *next = xcalloc(v->count + 1, sizeof *next);
    assert(now >= s->looked_at);
    for (size_t i = 0; i < v->count; i++) {
        const struct sighting *before = find(s, v->nodes[i].id);
        if (now - s->looked_at > v->nodes[i].ttl_ms / 2)
            before = NULL;
        next[i] = see(&v->nodes[i], before, now);
    }
    free(s->of);
    *s = (struct sightings){.of = next, .count = v->count, .looked_at = now};
}

void sightings_fini(struct sightings *s)
{
    free(s->of);
    *s = (struct sightings){0};
}

const struct sighting *sightings_find_dead(const struct sightings *s, const char *self, mono_ms now,
                                           mono_ms *at)
{
    *at = MONO_NEVER;
    for (size_t i = 0; i < s->count; i++) {
        const struct sighting *x = &s->of[i];
        if (strcmp(x->id, self) == 0)
            continue;
        if (now - x->since >= x->ttl_ms)
            return x;
        *at = MIN(*at, x->since + x->ttl_ms);
    }
    return NULL;
}

dur_ms sightings_age(const struct sightings *s, const char *id, mono_ms now)
{
    const struct sighting *x = find(s, id);
    return x ? now - x->since : 0;
}

// --- Shares ----------------------------------------------------------------------------------

uint32_t share_of(uint32_t shards, uint32_t workers)
{
    return workers ? (shards + workers - 1) / workers : 0;
}

static bool takes_shards(const struct node *n)
{
    return n->works && !n->is_draining;
}

uint32_t count_workers(const struct nodes_view *v)
{
    uint32_t count = 0;
    for (size_t i = 0; i < v->count; i++)
        count += takes_shards(&v->nodes[i]);
    return count;
}

bool has_leader(const struct nodes_view *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->nodes[i].id, v->leader) == 0)
            return !v->nodes[i].is_draining;
    return false;
}

struct shard_set choose_surplus(const struct shard_set *owned, uint32_t surplus)
{
    struct shard_set out = {0};
    for (uint32_t n = SHARDS_MAX; n-- > 0 && surplus > 0;) {
        if (!shard_set_has(owned, n))
            continue;
        shard_set_add(&out, n);
        surplus--;
    }
    assert(surplus == 0); // So many are owned.
    return out;
}

void format_shards(const struct shard_set *s, char *out, size_t bytes)
{
    size_t used = 0;
    assert(bytes > 16);
    *out = '\0';
    for (uint32_t n = 0; n < SHARDS_MAX; n++) {
        if (!shard_set_has(s, n))
            continue;
        uint32_t last = n;
        while (last + 1 < SHARDS_MAX && shard_set_has(s, last + 1))
            last++;
        if (used + 16 > bytes) { // The longest span and a comma, or the dots.
            snprintf(out + used, bytes - used, ",...");
            return;
        }
        const char *comma = used ? "," : "";
        used += (size_t)(last > n ? snprintf(out + used, bytes - used, "%s%u-%u", comma, n, last)
                                  : snprintf(out + used, bytes - used, "%s%u", comma, n));
        n = last;
    }
}

// --- Replicas --------------------------------------------------------------------------------

// A number counts only before a list in parentheses: a replica may have a number as its name.
uint32_t commit_quorum(const char *standbys)
{
    const char *at = standbys + strspn(standbys, " \t\n");
    if (!*at)
        return 0;
    if (strncasecmp(at, "ANY ", 4) == 0)
        at += 4;
    else if (strncasecmp(at, "FIRST ", 6) == 0)
        at += 6;
    char *end;
    unsigned long count = strtoul(at, &end, 10);
    bool is_count = end > at && end[strspn(end, " \t\n")] == '(';
    return is_count ? (uint32_t)MIN(count, UINT32_MAX) : 1;
}

// --- The database's clock --------------------------------------------------------------------

#define DRIFT_PER_MILLION 600 // Two clocks run apart no faster, also while one is slewed.
#define STEP_US 50000         // What is less is not worth a word.

// The answers of before and this one meet, or the clock was set.
enum offset_change offset_note(struct offset_view *o, int64_t clock_us, int64_t sent_us,
                               int64_t received_us)
{
    assert(sent_us <= received_us);
    const struct offset_view now = {.is_known = true,
                                    .least_us = clock_us - received_us,
                                    .most_us = clock_us - sent_us,
                                    .at_us = received_us};
    int64_t drift = llabs(received_us - o->at_us) * DRIFT_PER_MILLION / 1000000;
    int64_t least = MAX(now.least_us, o->least_us - drift);
    int64_t most = MIN(now.most_us, o->most_us + drift);
    bool was_known = o->is_known;
    *o = now;
    if (!was_known)
        return OFFSET_SMOOTH;
    if (least <= most) {
        o->least_us = least;
        o->most_us = most;
    }
    return least - most > STEP_US ? OFFSET_STEPPED : OFFSET_SMOOTH;
}
