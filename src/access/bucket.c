// SPDX-License-Identifier: MIT
// bucket.c: a bucket that fills at a steady rate, as one number: when it will be full again.

#include "access/access_priv.h"

#include <assert.h>

static int64_t missing_us(const struct bucket *b, int64_t now_us)
{
    return MAX(b->full_at_us - now_us, 0);
}

bool bucket_take(struct bucket *b, const struct bucket_rule *r, int64_t now_us)
{
    assert(r->interval_us > 0 && r->size > 0);
    if (bucket_left(b, r, now_us) < 1)
        return false;
    b->full_at_us = now_us + missing_us(b, now_us) + r->interval_us;
    return true;
}

void bucket_charge(struct bucket *b, const struct bucket_rule *r, int64_t now_us, int64_t count)
{
    assert(r->interval_us > 0 && count >= 0);
    b->full_at_us = now_us + missing_us(b, now_us) + count * r->interval_us;
}

int64_t bucket_left(const struct bucket *b, const struct bucket_rule *r, int64_t now_us)
{
    int64_t missing = (missing_us(b, now_us) + r->interval_us - 1) / r->interval_us;
    return MAX(r->size - missing, 0);
}

int64_t bucket_wait_us(const struct bucket *b, const struct bucket_rule *r, int64_t now_us)
{
    return MAX(missing_us(b, now_us) - (r->size - 1) * r->interval_us, 0);
}

int64_t bucket_fill_us(const struct bucket *b, int64_t now_us)
{
    return missing_us(b, now_us);
}
