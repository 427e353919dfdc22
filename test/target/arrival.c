// SPDX-License-Identifier: MIT
// arrival.c: what is counted and logged of each request.
//
// Lateness is arrival minus Carillon-Scheduled-At. It is kept in buckets whose width is 1/32 of
// their value, exact below 64 us, so counting costs nothing and percentiles are right to 3 %.

#define _GNU_SOURCE // fwrite_unlocked

#include "target.h"

#include "base/time.h"

#include <inttypes.h>
#include <string.h>

#define STEPS 32
#define BUCKETS (STEPS * 60)

static struct {
    uint64_t requests, connections, open;
    uint64_t measured, early;
    int64_t late_us_max;
    uint64_t late[BUCKETS];
} counts;

static FILE *file;
static bool unwritten;

// --- Lateness ------------------------------------------------------------------------------------

static size_t bucket_of(uint64_t us)
{
    size_t halvings = 0;
    for (; us >= 2 * STEPS; us /= 2)
        halvings++;
    return halvings * STEPS + us;
}

static int64_t upper_us_of(size_t bucket)
{
    if (bucket < 2 * STEPS)
        return (int64_t)bucket;
    size_t halvings = bucket / STEPS - 1;
    return (int64_t)((bucket % STEPS + STEPS + 1) << halvings) - 1;
}

static void count_lateness(int64_t late_us)
{
    counts.measured++;
    counts.early += late_us < 0;
    counts.late_us_max = MAX(counts.late_us_max, late_us);
    counts.late[bucket_of((uint64_t)MAX(late_us, 0))]++;
}

static int64_t late_us_at(unsigned percent)
{
    uint64_t wanted = (counts.measured * percent + 99) / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS && wanted > 0; i++) {
        seen += counts.late[i];
        if (seen >= wanted)
            return MIN(upper_us_of(i), counts.late_us_max);
    }
    return 0;
}

// --- The log -------------------------------------------------------------------------------------

void arrivals_open(FILE *log)
{
    file = log;
    if (file)
        setvbuf(file, NULL, _IOFBF, 1 << 20);
}

bool arrivals_flush(void)
{
    bool had_some = unwritten;
    if (file && unwritten)
        fflush(file);
    unwritten = false;
    return had_some;
}

void arrivals_close(void)
{
    if (file)
        fclose(file);
    file = NULL;
}

// "<arrival in us> <method> <path> <Idempotency-Key without its quotes> <Carillon-Attempt>\n", with
// "-" for a header that is not there.
void arrival_note(const struct request *r)
{
    int64_t now_us = clock_wall_us();
    wall_ms scheduled_at;
    counts.requests++;
    if (r->scheduled_at.bytes &&
        wall_parse(r->scheduled_at.start, r->scheduled_at.bytes, &scheduled_at))
        count_lateness(now_us - scheduled_at * 1000);
    if (!file)
        return;

    const struct span parts[] = {r->method, r->path, r->key, r->attempt};
    fprintf(file, "%" PRId64, now_us);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        fputc_unlocked(' ', file);
        fwrite_unlocked(parts[i].bytes ? parts[i].start : "-", 1, MAX(parts[i].bytes, 1), file);
    }
    fputc_unlocked('\n', file);
    unwritten = true;
}

// --- The counts ----------------------------------------------------------------------------------

void arrivals_count_connection(int change)
{
    counts.connections += change > 0;
    counts.open += (uint64_t)change;
}

size_t arrivals_print(char *text, size_t bytes)
{
    int n = snprintf(text, bytes,
                     "{\"requests\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"open\":%" PRIu64
                     ",\"early\":%" PRIu64 ",\"lateness_us\":{\"count\":%" PRIu64
                     ",\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"max\":%" PRId64 "}}\n",
                     counts.requests, counts.connections, counts.open, counts.early,
                     counts.measured, late_us_at(50), late_us_at(99), counts.late_us_max);
    return (size_t)n;
}

void arrivals_reset(void)
{
    uint64_t open = counts.open;
    memset(&counts, 0, sizeof counts);
    counts.open = open;
}
