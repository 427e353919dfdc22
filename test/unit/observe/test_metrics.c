// SPDX-License-Identifier: MIT
// test_metrics.c: what is counted can be read, as JSON and in Prometheus' text format.

#include "base/metrics.h"
#include "observe/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int count_some(void **state)
{
    (void)state;
    metric_add(METRIC_triggers, 3);
    metric_set(METRIC_jobs, 7);
    metric_set(METRIC_watermark, 1893456000123);
    histogram_observe(HISTOGRAM_lateness, 150);     // Up to 0.0002 s.
    histogram_observe(HISTOGRAM_lateness, 150);     //
    histogram_observe(HISTOGRAM_lateness, 1500000); // Up to 2 s.
    histogram_observe(HISTOGRAM_lateness, 1000000000);
    return 0;
}

static void assert_has_line(const char *text, const char *line)
{
    const char *found = text;
    size_t bytes = strlen(line);
    while ((found = strstr(found, line))) {
        if ((found == text || found[-1] == '\n') && found[bytes] == '\n')
            return;
        found++;
    }
    fail_msg("there is no line '%s'", line);
}

static void the_text_has_help_type_and_value(void **state)
{
    (void)state;
    size_t bytes;
    char *text = observe_metrics_text("1.2.3", 1893456000123, &bytes);
    assert_int_equal(bytes, strlen(text));
    assert_has_line(text, "# HELP carillon_triggers_total Manual executions asked for");
    assert_has_line(text, "# TYPE carillon_triggers_total counter");
    assert_has_line(text, "carillon_triggers_total 3");
    assert_has_line(text, "# TYPE carillon_jobs gauge");
    assert_has_line(text, "carillon_jobs 7");
    assert_has_line(text, "# TYPE carillon_watermark_timestamp_seconds gauge");
    assert_has_line(text, "carillon_watermark_timestamp_seconds 1893456000.123");
    assert_has_line(text, "carillon_build_info{version=\"1.2.3\"} 1");
    assert_has_line(text, "carillon_start_time_seconds 1893456000.123");
    free(text);
}

static void a_histogram_is_cumulative_and_in_seconds(void **state)
{
    (void)state;
    size_t bytes;
    char *text = observe_metrics_text("1", 0, &bytes);
    assert_has_line(text, "# TYPE carillon_lateness_seconds histogram");
    assert_has_line(text, "carillon_lateness_seconds_bucket{le=\"0.0001\"} 0");
    assert_has_line(text, "carillon_lateness_seconds_bucket{le=\"0.0002\"} 2");
    assert_has_line(text, "carillon_lateness_seconds_bucket{le=\"1\"} 2");
    assert_has_line(text, "carillon_lateness_seconds_bucket{le=\"2\"} 3");
    assert_has_line(text, "carillon_lateness_seconds_bucket{le=\"100\"} 3");
    assert_has_line(text, "carillon_lateness_seconds_bucket{le=\"+Inf\"} 4");
    assert_has_line(text, "carillon_lateness_seconds_count 4");
    assert_has_line(text, "carillon_lateness_seconds_sum 1001.500300");
    free(text);
}

// Every line is a comment or a sample: a name, perhaps labels, a blank, a number.
static void every_line_has_the_form_of_the_format(void **state)
{
    (void)state;
    size_t bytes;
    char *text = observe_metrics_text("1", 0, &bytes);
    size_t lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        if (strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0)
            continue;
        char *end;
        const char *value = strrchr(line, ' ');
        assert_memory_equal(line, "carillon_", 9);
        assert_non_null(value);
        strtod(value + 1, &end);
        assert_true(end > value + 1 && *end == '\0');
    }
    assert_true(lines > 3 * ((int)METRICS + (int)HISTOGRAMS));
    free(text);
}

static void json_has_a_member_for_each_metric(void **state)
{
    (void)state;
    json_t *json = observe_metrics_json();
    assert_int_equal(json_object_size(json), (int)METRICS + (int)HISTOGRAMS);
    assert_int_equal(json_integer_value(json_object_get(json, "triggers")), 3);
    json_t *lateness = json_object_get(json, "lateness");
    assert_int_equal(json_integer_value(json_object_get(lateness, "count")), 4);
    assert_int_equal(json_integer_value(json_object_get(lateness, "p50_us")), 200);
    assert_int_equal(json_integer_value(json_object_get(lateness, "max_us")), 1000000000);
    assert_int_equal(json_integer_value(json_object_get(json, "watermark_ms")), 1893456000123);
    json_decref(json);
}

// A bucket reaches further than what is in it; nothing lasted longer than the longest.
static void the_maximum_is_what_was_measured_and_bounds_the_rest(void **state)
{
    (void)state;
    histogram_observe(HISTOGRAM_commit_duration, 3000001); // Falls into the bucket up to 5 s.
    histogram_observe(HISTOGRAM_commit_duration, 2900000);
    struct histogram_values v;
    histogram_get(HISTOGRAM_commit_duration, &v);
    assert_int_equal(v.max_us, 3000001);
    assert_int_equal(histogram_quantile_us(&v, 0.99), 3000001);
    assert_int_equal(histogram_quantile_us(&v, 0.1), 3000001);
}

// What `promtool check metrics` demands of names.
static void no_name_has_an_abbreviated_unit(void **state)
{
    (void)state;
    static const char *const units[] = {"_s", "_ms", "_us", "_ns", "_sec", "_b", "_kb", "_mb"};
    size_t bytes;
    char *text = observe_metrics_text("1", 0, &bytes);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t length = strcspn(line, "{ ");
        for (size_t i = 0; i < COUNT_OF(units); i++) {
            size_t unit = strlen(units[i]);
            if (length > unit && memcmp(line + length - unit, units[i], unit) == 0)
                fail_msg("%.*s", (int)length, line);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_has_help_type_and_value),
        cmocka_unit_test(a_histogram_is_cumulative_and_in_seconds),
        cmocka_unit_test(every_line_has_the_form_of_the_format),
        cmocka_unit_test(json_has_a_member_for_each_metric),
        cmocka_unit_test(the_maximum_is_what_was_measured_and_bounds_the_rest),
        cmocka_unit_test(no_name_has_an_abbreviated_unit),
    };
    return cmocka_run_group_tests(tests, count_some, NULL);
}
