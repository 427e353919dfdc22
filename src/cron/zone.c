// SPDX-License-Identifier: MIT
// zone.c: looking up the offset of a zone.
//
// Lookups are the inner loop of every schedule, so an index by half-years leads to the right span
// within a step or two; only instants before 1970 need a search.

#include "base/memory.h"
#include "cron/zone_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct zone utc = {
    .name = "UTC", .count = 1, .spans = {{.start_s = INT64_MIN, .offset_s = 0}}};

const struct zone *zone_utc(void)
{
    return &utc;
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

void zone_free(struct zone *z)
{
    free(z);
}

bool zone__builder_add(struct zone_builder *b, int64_t at_s, int32_t offset_s)
{
    if (b->count && b->spans[b->count - 1].start_s == at_s)
        b->count--;
    if (b->count && b->spans[b->count - 1].offset_s == offset_s)
        return true;
    if (b->count == ZONE_CHANGES_MAX)
        return false;
    assert(!b->count || b->spans[b->count - 1].start_s < at_s);
    b->spans[b->count++] = (struct zone_span){.start_s = at_s, .offset_s = offset_s};
    return true;
}

static void fill_index(struct zone *z)
{
    size_t span = 0;
    for (size_t i = 0; i < ZONE_INDEX_COUNT; i++) {
        int64_t at_s = (int64_t)i << ZONE_INDEX_SHIFT;
        while (span + 1 < z->count && z->spans[span + 1].start_s <= at_s)
            span++;
        z->index[i] = (uint16_t)span;
    }
}

struct zone *zone__build(const struct zone_builder *b, const char *name)
{
    assert(b->count && b->spans[0].start_s == INT64_MIN);
    struct zone *z = xcalloc(1, sizeof *z + b->count * sizeof *z->spans);
    snprintf(z->name, sizeof z->name, "%s", name);
    z->count = b->count;
    memcpy(z->spans, b->spans, b->count * sizeof *b->spans);
    fill_index(z);
    return z;
}

bool zone_same_rules(const struct zone *a, const struct zone *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->spans[i].start_s != b->spans[i].start_s ||
            a->spans[i].offset_s != b->spans[i].offset_s)
            return false;
    return true;
}

// The last span that begins at or before `utc_s`, among those before 1970.
static size_t search(const struct zone *z, int64_t utc_s)
{
    size_t low = 0, high = z->index[0];
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (z->spans[middle].start_s <= utc_s)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

size_t zone__span_at(const struct zone *z, int64_t utc_s)
{
    if (utc_s < 0)
        return search(z, utc_s);
    if (utc_s >= ZONE_END_S)
        return z->count - 1;
    size_t span = z->index[utc_s >> ZONE_INDEX_SHIFT];
    while (span + 1 < z->count && z->spans[span + 1].start_s <= utc_s)
        span++;
    return span;
}

int64_t zone__local_start(const struct zone *z, size_t span)
{
    return span ? z->spans[span].start_s + z->spans[span].offset_s : INT64_MIN;
}

int64_t zone__local_end(const struct zone *z, size_t span)
{
    return span + 1 < z->count ? z->spans[span + 1].start_s + z->spans[span].offset_s : INT64_MAX;
}

int32_t zone_offset_s(const struct zone *z, int64_t utc_s)
{
    return z->spans[zone__span_at(z, utc_s)].offset_s;
}
