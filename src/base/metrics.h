// SPDX-License-Identifier: MIT
// metrics.h: what the program counts about itself, from one table (metrics.def).
//
// Any thread may count; the values are relaxed atomics, so reading them stops nobody. Histograms
// have fixed buckets from 100 microseconds to 100 seconds, three per decade (1, 2, 5).

#ifndef CARILLON_BASE_METRICS_H
#define CARILLON_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum metric {
#define COUNTER(name, help) METRIC_##name,
#define GAUGE(name, help) METRIC_##name,
#define INSTANT(name, help) METRIC_##name,
#define HISTOGRAM(name, help)
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef INSTANT
#undef HISTOGRAM
    METRICS
};

enum histogram {
#define COUNTER(name, help)
#define GAUGE(name, help)
#define INSTANT(name, help)
#define HISTOGRAM(name, help) HISTOGRAM_##name,
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef INSTANT
#undef HISTOGRAM
    HISTOGRAMS
};

void metric_add(enum metric m, int64_t n);
void metric_set(enum metric m, int64_t value);
int64_t metric_get(enum metric m);

#define HISTOGRAM_BUCKETS 20 // The last one is everything above the last bound.

void histogram_observe(enum histogram h, int64_t us);

struct histogram_values {
    uint64_t counts[HISTOGRAM_BUCKETS]; // Not cumulative.
    uint64_t count;
    uint64_t sum_us;
    int64_t max_us; // The longest that was observed; 0 without any.
};
void histogram_get(enum histogram h, struct histogram_values *out);

// Upper bound of a bucket in microseconds; INT64_MAX for the last.
int64_t histogram_bound_us(size_t bucket);

// An upper bound of the q-th part (0 to 1) of the observations: that of its bucket, or the longest
// observation where that is less; 0 without any.
int64_t histogram_quantile_us(const struct histogram_values *v, double q);

#endif
