// SPDX-License-Identifier: MIT
// almanac.c: a cache of hours, each a bit for every second.
//
// Direct-mapped: an hour that comes to the place of another one takes it.

#include "almanac.h"

#include "slow_cron.h"

#include <stddef.h>
#include <string.h>

#define HOUR_S 3600
#define WORDS ((HOUR_S + 63) / 64)
#define PAGES 4096
#define TEXT_BYTES 40

struct page {
    bool used;
    bool paris;
    char schedule[TEXT_BYTES];
    int64_t hour;
    uint64_t bits[WORDS];
};

static struct page pages[PAGES];

static struct page *place_of(const char *schedule, bool paris, int64_t hour)
{
    uint64_t x = 14695981039346656037u + (uint64_t)hour * 2 + paris;
    for (; *schedule; schedule++)
        x = (x ^ (unsigned char)*schedule) * 1099511628211u;
    return &pages[(x ^ x >> 32) % PAGES];
}

static void fill(struct page *p, const char *schedule, bool paris, int64_t hour)
{
    struct slow_cron s;
    *p = (struct page){.used = true, .paris = paris, .hour = hour};
    strncpy(p->schedule, schedule, TEXT_BYTES - 1);
    slow_cron_read(&s, schedule, paris);
    for (int64_t i = 0; i < HOUR_S; i++)
        p->bits[i / 64] |= (uint64_t)slow_cron_fires(&s, hour * HOUR_S + i) << i % 64;
}

static const struct page *page_of(const char *schedule, bool paris, int64_t hour)
{
    struct page *p = place_of(schedule, paris, hour);
    bool here = p->used && p->hour == hour && p->paris == paris &&
                strncmp(p->schedule, schedule, TEXT_BYTES) == 0;
    if (!here)
        fill(p, schedule, paris, hour);
    return p;
}

// The first bit set from `from` on, or HOUR_S.
static int64_t scan(const struct page *p, int64_t from)
{
    for (int64_t i = from / 64; i < WORDS; i++) {
        uint64_t word = p->bits[i];
        if (i == from / 64)
            word &= ~(uint64_t)0 << from % 64;
        if (word)
            return i * 64 + __builtin_ctzll(word);
    }
    return HOUR_S;
}

// A single instant needs no pages.
static int64_t next_of_one(int64_t at_s, int64_t after_s, int64_t until_s)
{
    return after_s < at_s && at_s <= until_s ? at_s : -1;
}

int64_t almanac_next(const char *schedule, bool paris, int64_t after_s, int64_t until_s)
{
    int64_t one = slow_cron_instant(schedule);
    if (one >= 0)
        return next_of_one(one, after_s, until_s);
    for (int64_t from = after_s + 1; from <= until_s;) {
        int64_t hour = from / HOUR_S, i = scan(page_of(schedule, paris, hour), from % HOUR_S);
        if (i < HOUR_S)
            return hour * HOUR_S + i <= until_s ? hour * HOUR_S + i : -1;
        from = (hour + 1) * HOUR_S;
    }
    return -1;
}
