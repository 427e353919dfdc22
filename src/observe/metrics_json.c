// SPDX-License-Identifier: MIT
// metrics_json.c: the metrics as JSON, for people and scripts without Prometheus.
//
// A quantile is an upper bound: that of the bucket in which it lies, or the maximum, which is
// exact.

#include "base/metrics.h"
#include "observe/observe.h"

static json_t *quantile_json(const struct histogram_values *v, double q)
{
    return json_integer(histogram_quantile_us(v, q));
}

static json_t *histogram_json(enum histogram h)
{
    struct histogram_values v;
    histogram_get(h, &v);
    json_t *o = json_object();
    json_object_set_new(o, "count", json_integer((json_int_t)v.count));
    json_object_set_new(o, "sum_us", json_integer((json_int_t)v.sum_us));
    json_object_set_new(o, "p50_us", quantile_json(&v, 0.5));
    json_object_set_new(o, "p95_us", quantile_json(&v, 0.95));
    json_object_set_new(o, "p99_us", quantile_json(&v, 0.99));
    json_object_set_new(o, "max_us", json_integer(v.max_us));
    return o;
}

json_t *observe_metrics_json(void)
{
    json_t *o = json_object();
#define COUNTER(name, help) json_object_set_new(o, #name, json_integer(metric_get(METRIC_##name)));
#define GAUGE(name, help) COUNTER(name, help)
#define INSTANT(name, help)                                                                        \
    json_object_set_new(o, #name "_ms", json_integer(metric_get(METRIC_##name)));
#define HISTOGRAM(name, help) json_object_set_new(o, #name, histogram_json(HISTOGRAM_##name));
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef INSTANT
#undef HISTOGRAM
    return o;
}
