// SPDX-License-Identifier: MIT
// dice.c: a small generator of well-mixed numbers (splitmix64).

#include "dice.h"

#include <assert.h>

static uint64_t next(struct dice *d)
{
    uint64_t x = d->state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

// The seed is mixed, since the numbers of a state are also those of the states a step behind it:
// neighbours must not run through the same numbers, one shifted against the other.
void dice_seed(struct dice *d, uint64_t seed)
{
    d->state = seed;
    d->state = next(d);
}

int64_t dice_between(struct dice *d, int64_t low, int64_t high)
{
    assert(low <= high);
    return low + (int64_t)(next(d) % (uint64_t)(high - low + 1));
}

int64_t dice_skewed(struct dice *d, int64_t low, int64_t high)
{
    assert(1 <= low && low <= high);
    int64_t decades = 0;
    for (int64_t n = low; n <= high / 10; n *= 10)
        decades++;
    int64_t from = low;
    for (int64_t skip = dice_between(d, 0, decades); skip > 0; skip--)
        from *= 10;
    return dice_between(d, from, from > high / 10 ? high : from * 10);
}

bool dice_chance(struct dice *d, unsigned of_a_million)
{
    return next(d) % 1000000 < of_a_million;
}
