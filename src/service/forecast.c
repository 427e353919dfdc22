// SPDX-License-Identifier: MIT
// forecast.c: the occurrences of many jobs in one order, without computing those of every job.
//
// Nothing stores a "next run". But of a million jobs most share what decides their occurrences:
// schedule, zone and bounds. A forecast has each of these once, with the ids of its jobs, so that a
// page costs as much as there are different schedules, and not as there are jobs. Jobs whose
// schedule has an `H` share it with those for which it stands for the same. A job with `max_runs`
// stands alone, since its runs are counted.

#include "service/forecast_priv.h"

#include <assert.h>
#include <string.h>

#define SLOTS_FIRST 256
#define COUNTED_MAX 1000000 // Runs that are counted for one list.

// What decides occurrences; without padding, so that equal values are equal in memory.
struct rule {
    struct cron_schedule schedule;
    const struct zone *zone;
    struct job_bounds bounds;
    int64_t runs;  // Used up of max_runs.
    job_id single; // The only job of the rule; 0: any number of jobs may share it.
};

struct group {
    struct rule rule;
    job_id *jobs; // Ascending.
    size_t count;
    size_t capacity;
};

struct forecast {
    wall_ms made_at;
    struct group *groups;
    size_t count;
    size_t capacity;
    size_t groups_max;
    uint32_t *slots; // Positions in `groups` and 1, by the hash of the rule; 0: free.
    size_t slot_count;
};

// --- Making --------------------------------------------------------------------------------------

static uint64_t hash_rule(const struct rule *r)
{
    const uint64_t *words = (const uint64_t *)r;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *r / sizeof *words; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}
_Static_assert(sizeof(struct rule) % sizeof(uint64_t) == 0, "a rule is hashed by words");

static uint32_t *find_slot(const struct forecast *f, const struct rule *r)
{
    size_t at = hash_rule(r) & (f->slot_count - 1);
    while (f->slots[at] && memcmp(&f->groups[f->slots[at] - 1].rule, r, sizeof *r) != 0)
        at = (at + 1) & (f->slot_count - 1);
    return &f->slots[at];
}

// Half of the slots are free at least.
static void make_slots(struct forecast *f)
{
    if (2 * f->count < f->slot_count)
        return;
    free(f->slots);
    f->slot_count = MAX(2 * f->slot_count, SLOTS_FIRST);
    f->slots = xcalloc(f->slot_count, sizeof *f->slots);
    for (size_t i = 0; i < f->count; i++)
        *find_slot(f, &f->groups[i].rule) = (uint32_t)i + 1;
}

struct forecast *forecast_new(wall_ms now, size_t groups_max)
{
    struct forecast *f = xcalloc(1, sizeof *f);
    assert(groups_max < UINT32_MAX);
    f->made_at = now;
    f->groups_max = groups_max;
    make_slots(f);
    return f;
}

void forecast_free(struct forecast *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        free(f->groups[i].jobs);
    free(f->groups);
    free(f->slots);
    free(f);
}

wall_ms forecast_made_at(const struct forecast *f)
{
    return f->made_at;
}

static struct group *group_of(struct forecast *f, const struct rule *r)
{
    uint32_t *slot = find_slot(f, r);
    if (*slot)
        return &f->groups[*slot - 1];
    if (f->count == f->groups_max)
        return NULL;
    f->groups = grow(f->groups, f->count, &f->capacity, sizeof *f->groups);
    f->groups[f->count] = (struct group){.rule = *r};
    *slot = (uint32_t)++f->count;
    make_slots(f);
    return &f->groups[f->count - 1];
}

static bool read_rule(const struct job *j, struct rule *r)
{
    const struct cron_options o = {.hash_seed = j->id, .gap = j->dst_gap, .fold = j->dst_fold};
    memset(r, 0, sizeof *r);
    if (cron_parse(j->schedule, strlen(j->schedule), &o, &r->schedule, NULL) ||
        zone_find(j->timezone, &r->zone, NULL))
        return false;
    r->bounds = job_bounds_of(j);
    if (j->max_runs) {
        r->runs = j->runs;
        r->single = j->id;
    }
    return true;
}

enum err forecast_add(struct forecast *f, const struct job *j)
{
    struct rule rule;
    if (!j->is_active || !read_rule(j, &rule))
        return ERR_OK;
    struct group *g = group_of(f, &rule);
    if (!g)
        return ERR_LIMIT;
    assert(g->count == 0 || g->jobs[g->count - 1] < j->id);
    g->jobs = grow(g->jobs, g->count, &g->capacity, sizeof *g->jobs);
    g->jobs[g->count++] = j->id;
    return ERR_OK;
}

// --- Listing -------------------------------------------------------------------------------------

// Where the list is in a group: its job `place` is due at `at`.
struct head {
    wall_ms at;
    const struct group *group;
    size_t place;
    uint32_t runs;
};

static job_id job_at(const struct head *h)
{
    return h->group->jobs[h->place];
}

static bool is_before(const struct head *a, const struct head *b)
{
    return a->at != b->at ? a->at < b->at : job_at(a) < job_at(b);
}

static wall_ms next_of(const struct group *g, uint32_t runs, wall_ms after)
{
    return job_bounds_next(&g->rule.bounds, runs, &g->rule.schedule, g->rule.zone, after);
}

// The first job of the group behind `id`.
static size_t place_after(const struct group *g, job_id id)
{
    size_t low = 0, high = g->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->jobs[middle] <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Runs of a job that are counted are counted from when the forecast was made; *counts are left.
static struct head head_behind(const struct forecast *f, const struct group *g,
                               const struct forecast_place *after, size_t *counts)
{
    struct head h = {.group = g, .runs = (uint32_t)g->rule.runs};
    h.at = next_of(g, h.runs, g->rule.single ? f->made_at : after->at - 1);
    for (; g->rule.single && h.at<after->at && * counts> 0; --*counts)
        h.at = next_of(g, ++h.runs, h.at);
    if (h.at == after->at)
        h.place = place_after(g, after->job);
    if (h.place == g->count) {
        h.place = 0;
        h.at = next_of(g, ++h.runs, h.at);
    }
    return h;
}

static void sink(struct head *heads, size_t count, size_t at)
{
    for (;;) {
        size_t least = at, child = 2 * at + 1;
        if (child < count && is_before(&heads[child], &heads[least]))
            least = child;
        if (child + 1 < count && is_before(&heads[child + 1], &heads[least]))
            least = child + 1;
        if (least == at)
            return;
        struct head other = heads[at];
        heads[at] = heads[least];
        heads[least] = other;
        at = least;
    }
}

static enum err gather(const struct forecast *f, const struct forecast_place *after, wall_ms until,
                       struct head *heads, size_t *count)
{
    size_t counts = COUNTED_MAX;
    for (size_t i = 0; i < f->count; i++) {
        heads[*count] = head_behind(f, &f->groups[i], after, &counts);
        *count += heads[*count].at <= until && heads[*count].at != WALL_NEVER;
    }
    for (size_t i = *count / 2; i-- > 0;)
        sink(heads, *count, i);
    return counts > 0 ? ERR_OK : ERR_RANGE;
}

// The next occurrence of the group. False: there is none until `until`.
static bool advance(struct head *h, wall_ms until)
{
    if (++h->place < h->group->count)
        return true;
    h->place = 0;
    h->runs += h->group->rule.single != 0;
    h->at = next_of(h->group, h->runs, h->at);
    return h->at <= until && h->at != WALL_NEVER;
}

enum err forecast_list(const struct forecast *f, const struct forecast_place *after, wall_ms until,
                       forecast_each *each, void *context)
{
    size_t count = 0;
    struct head *heads = xcalloc(f->count + 1, sizeof *heads);
    enum err err = gather(f, after, until, heads, &count);
    assert(after->at >= 0);
    while (count > 0 && !err) {
        err = each(context, &(struct forecast_place){heads[0].at, job_at(&heads[0])});
        if (!advance(&heads[0], until))
            heads[0] = heads[--count];
        sink(heads, count, 0);
    }
    free(heads);
    return err;
}
