// SPDX-License-Identifier: MIT
// metrics_text.c: the metrics in Prometheus' text format.
//
// Counters end in _total; a histogram is in seconds, its buckets are cumulative.

#include "base/metrics.h"
#include "base/stream.h"
#include "observe/observe.h"

#include <inttypes.h>

static void write_value(FILE *out, const char *type, const char *name, const char *suffix,
                        const char *help, int64_t value)
{
    fprintf(out,
            "# HELP carillon_%s%s %s\n"
            "# TYPE carillon_%s%s %s\n"
            "carillon_%s%s %" PRId64 "\n",
            name, suffix, help, name, suffix, type, name, suffix, value);
}

static void write_instant(FILE *out, const char *name, const char *help, int64_t at_ms)
{
    fprintf(out,
            "# HELP carillon_%s_timestamp_seconds %s\n"
            "# TYPE carillon_%s_timestamp_seconds gauge\n"
            "carillon_%s_timestamp_seconds %" PRId64 ".%03" PRId64 "\n",
            name, help, name, name, at_ms / 1000, at_ms % 1000);
}

static void write_histogram(FILE *out, const char *name, const char *help, enum histogram h)
{
    struct histogram_values v;
    histogram_get(h, &v);
    fprintf(out,
            "# HELP carillon_%s_seconds %s\n"
            "# TYPE carillon_%s_seconds histogram\n",
            name, help, name);
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += v.counts[i];
        int64_t bound_us = histogram_bound_us(i);
        if (bound_us == INT64_MAX)
            fprintf(out, "carillon_%s_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
        else
            fprintf(out, "carillon_%s_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                    (double)bound_us / 1e6, count);
    }
    fprintf(out,
            "carillon_%s_seconds_sum %" PRIu64 ".%06" PRIu64 "\n"
            "carillon_%s_seconds_count %" PRIu64 "\n",
            name, v.sum_us / 1000000, v.sum_us % 1000000, name, v.count);
}

static void write_process(FILE *out, const char *version, wall_ms started_at)
{
    fprintf(out,
            "# HELP carillon_build_info The version that is running\n"
            "# TYPE carillon_build_info gauge\n"
            "carillon_build_info{version=\"%s\"} 1\n"
            "# HELP carillon_start_time_seconds When it was started, since the epoch\n"
            "# TYPE carillon_start_time_seconds gauge\n"
            "carillon_start_time_seconds %" PRId64 ".%03" PRId64 "\n",
            version, started_at / 1000, started_at % 1000);
}

char *observe_metrics_text(const char *version, wall_ms started_at, size_t *bytes)
{
    char *text = NULL;
    FILE *out = stream_open(&text, bytes);
    write_process(out, version, started_at);
#define COUNTER(name, help)                                                                        \
    write_value(out, "counter", #name, "_total", help, metric_get(METRIC_##name));
#define GAUGE(name, help) write_value(out, "gauge", #name, "", help, metric_get(METRIC_##name));
#define INSTANT(name, help) write_instant(out, #name, help, metric_get(METRIC_##name));
#define HISTOGRAM(name, help) write_histogram(out, #name, help, HISTOGRAM_##name);
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef INSTANT
#undef HISTOGRAM
    stream_close(out);
    return text;
}
