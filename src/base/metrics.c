// SPDX-License-Identifier: MIT
// metrics.c: counters and histograms as arrays of relaxed atomics.

#include "base/metrics.h"

#include "base/err.h"

#include <assert.h>
#include <stdatomic.h>

static _Atomic int64_t values[METRICS];

static struct {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_us;
    _Atomic int64_t max_us;
} histograms[HISTOGRAMS];

static const int64_t bounds_us[HISTOGRAM_BUCKETS] = {
    100,    200,    500,     1000,    2000,    5000,     10000,    20000,    50000,     100000,
    200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000, INT64_MAX,
};

void metric_add(enum metric m, int64_t n)
{
    atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

void metric_set(enum metric m, int64_t value)
{
    atomic_store_explicit(&values[m], value, memory_order_relaxed);
}

int64_t metric_get(enum metric m)
{
    return atomic_load_explicit(&values[m], memory_order_relaxed);
}

static void raise(_Atomic int64_t *max, int64_t value)
{
    int64_t seen = atomic_load_explicit(max, memory_order_relaxed);
    while (value > seen && !atomic_compare_exchange_weak_explicit(
                               max, &seen, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

void histogram_observe(enum histogram h, int64_t us)
{
    size_t bucket = 0;
    while (us > bounds_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histograms[h].counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histograms[h].sum_us, us > 0 ? (uint64_t)us : 0,
                              memory_order_relaxed);
    raise(&histograms[h].max_us, us);
}

void histogram_get(enum histogram h, struct histogram_values *out)
{
    *out = (struct histogram_values){0};
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        out->counts[i] = atomic_load_explicit(&histograms[h].counts[i], memory_order_relaxed);
        out->count += out->counts[i];
    }
    out->sum_us = atomic_load_explicit(&histograms[h].sum_us, memory_order_relaxed);
    out->max_us = atomic_load_explicit(&histograms[h].max_us, memory_order_relaxed);
}

int64_t histogram_bound_us(size_t bucket)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    return bounds_us[bucket];
}

int64_t histogram_quantile_us(const struct histogram_values *v, double q)
{
    assert(q >= 0 && q <= 1);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += v->counts[i];
        if (v->count > 0 && (double)seen >= q * (double)v->count && seen > 0)
            return MIN(bounds_us[i], v->max_us);
    }
    return 0;
}
