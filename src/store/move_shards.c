// SPDX-License-Identifier: MIT
// move_shards.c: where the shards go on after a move: what is planned, and which ids come next.
//
// Up, from one shard to many: each has the watermark of the only one, and its counters begin above
// every id that was given. They follow from the counters and not from the rows that are there,
// since what was deleted or removed by retention had ids as well, and receivers know them.
//
// Down, from many to one: the watermark is the least, since more would leave gaps. What the other
// shards have planned beyond is settled job by job (struct job's effective_from; sqlite/move.c).

#include "store/move_priv.h"

#include <assert.h>

// The first n for which all ids of all shards lie above those that one shard has given.
static int64_t counter_up(int64_t next, uint32_t count)
{
    return MAX(next, 1) / count + 1;
}

void move_shards_up(const struct shard *one, struct shard *rows, uint32_t count)
{
    assert(one->number == 0);
    for (uint32_t n = 0; n < count; n++) {
        rows[n] = *one;
        rows[n].number = n;
        rows[n].tick = 0;
        rows[n].job_next = counter_up(one->job_next, count);
        rows[n].execution_next = counter_up(one->execution_next, count);
        rows[n].alert_next = counter_up(one->alert_next, count);
    }
}

static int64_t counter_down(int64_t before, int64_t next, uint32_t number, uint32_t count)
{
    return MAX(before, shard_id(number, MAX(next, 1), count) + 1);
}

static bool is_before(const struct shard *a, const struct shard *b)
{
    return a->watermark < b->watermark ||
           (a->watermark == b->watermark && a->watermark_job < b->watermark_job);
}

// The keys of one shard may be of another generation than those of the next one. So that all count,
// the last correction of the clock lies behind every row: see struct shard.
static void add_generation(struct shard *one, const struct shard *row, wall_ms planned_to)
{
    if (row->generation != one->generation)
        one->corrected_at = MAX(one->corrected_at, planned_to);
    one->generation = MAX(one->generation, row->generation);
    one->corrected_at = MAX(one->corrected_at, row->corrected_at);
}

void move_shards_down(const struct shard *rows, uint32_t count, wall_ms planned_to,
                      struct shard *one)
{
    assert(count > 0);
    *one = rows[0];
    one->number = 0;
    one->job_next = one->execution_next = one->alert_next = 1;
    for (uint32_t n = 0; n < count; n++) {
        const struct shard *row = &rows[n];
        assert(row->number == n);
        if (is_before(row, one)) {
            one->watermark = row->watermark;
            one->watermark_job = row->watermark_job;
        }
        one->job_next = counter_down(one->job_next, row->job_next, n, count);
        one->execution_next = counter_down(one->execution_next, row->execution_next, n, count);
        one->alert_next = counter_down(one->alert_next, row->alert_next, n, count);
        one->open_from = MIN(one->open_from, row->open_from);
        one->epoch = MAX(one->epoch, row->epoch);
        add_generation(one, row, planned_to);
    }
    one->epoch++;
    one->tick = 0;
}

wall_ms move_planned_to(const struct shard *s, job_id job)
{
    return s->watermark + (job <= s->watermark_job);
}
