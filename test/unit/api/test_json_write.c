// SPDX-License-Identifier: MIT
// test_json_write.c: executions, attempts and alerts as clients see them.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DUE 1893456000000 // 2030-01-01T00:00:00Z

static void assert_json(json_t *got, const char *expected)
{
    json_t *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(got, wanted))
        fail_msg("got %s", json_dumps(got, JSON_COMPACT));
    json_decref(wanted);
    json_decref(got);
}

// The same members are always there; what is not known yet is null.
static void a_planned_execution_has_everything_but_values(void **state)
{
    (void)state;
    struct execution e = {.id = 9, .key = {.job = 7, .scheduled_at = DUE}};
    assert_json(json_execution(&e),
                "{\"id\":\"7-1893456000000\",\"job_id\":7,\"status\":\"PENDING\","
                "\"trigger\":\"schedule\","
                "\"origin\":null,\"scheduled_at\":\"2030-01-01T00:00:00.000Z\","
                "\"due_at\":\"2030-01-01T00:00:00.000Z\","
                "\"started_at\":null,\"completed_at\":null,\"duration\":null,\"lateness_ms\":null,"
                "\"next_attempt_at\":null,\"http_status\":null,\"error\":null,\"reason\":null,"
                "\"retry_count\":0,\"attempts_made\":0,"
                "\"completion_deadline\":null,\"completion\":null}");
}

static void a_failed_execution_says_how_it_went(void **state)
{
    (void)state;
    struct execution e = {
        .key = {.job = 7, .scheduled_at = DUE, .series = -3},
        .started_at = DUE + 2,
        .completed_at = DUE + 6002,
        .error = "the target answered 500",
        .attempts = 4,
        .retry_count = 3,
        .http_status = 500,
        .state = EXECUTION_FAILED,
        .trigger = TRIGGER_MANUAL,
    };
    assert_json(json_execution(&e),
                "{\"id\":\"7-m3\",\"job_id\":7,\"status\":\"FAILED\",\"trigger\":\"manual\","
                "\"origin\":null,"
                "\"scheduled_at\":\"2030-01-01T00:00:00.000Z\","
                "\"due_at\":\"2030-01-01T00:00:00.000Z\","
                "\"started_at\":\"2030-01-01T00:00:00.002Z\","
                "\"completed_at\":\"2030-01-01T00:00:06.002Z\",\"duration\":6000,"
                "\"lateness_ms\":2,\"next_attempt_at\":null,\"http_status\":500,"
                "\"error\":\"the target answered 500\",\"reason\":null,\"retry_count\":3,"
                "\"attempts_made\":4,\"completion_deadline\":null,\"completion\":null}");
}

static void a_missed_range_says_how_far_it_goes(void **state)
{
    (void)state;
    struct execution e = {
        .key = {.job = 7, .scheduled_at = DUE},
        .completed_at = DUE + 9000000,
        .missed_to = DUE + 3600000,
        .missed_count = 61,
        .reason = "older than the catch-up window",
        .state = EXECUTION_MISSED,
    };
    json_t *json = json_execution(&e);
    assert_string_equal(json_string_value(json_object_get(json, "missed_to")),
                        "2030-01-01T01:00:00.000Z");
    assert_int_equal(json_integer_value(json_object_get(json, "missed_count")), 61);
    assert_true(json_is_null(json_object_get(json, "duration"))); // The execution never ran.
    json_decref(json);
}

static void an_attempt_leaves_out_phases_that_did_not_happen(void **state)
{
    (void)state;
    struct attempt a = {
        .number = 2,
        .http_status = 200,
        .started_at = DUE,
        .duration_ms = 12,
        .dns_ms = -1,
        .connect_ms = 0,
        .tls_ms = -1,
        .first_byte_ms = 11,
        .response = "fine\xc3", // Cut in the middle of a character.
        .response_truncated = true,
        .redirects = "302 http://b/c\n307 http://d/\n",
    };
    assert_json(json_attempt(&a),
                "{\"number\":2,\"started_at\":\"2030-01-01T00:00:00.000Z\",\"duration_ms\":12,"
                "\"dns_ms\":null,\"connect_ms\":0,\"tls_ms\":null,\"first_byte_ms\":11,"
                "\"redirects\":[{\"http_status\":302,\"location\":\"http://b/c\"},"
                "{\"http_status\":307,\"location\":\"http://d/\"}],"
                "\"http_status\":200,\"error\":null,\"response_excerpt\":\"fine\","
                "\"response_truncated\":true,\"response_damaged\":false}");
}

static void an_alert_names_its_execution(void **state)
{
    (void)state;
    struct alert a = {
        .id = 3,
        .job = 7,
        .execution_id = 41,
        .key = {.job = 7, .scheduled_at = DUE},
        .kind = ALERT_FAILURE,
        .created_at = DUE + 1,
        .acknowledged_at = DUE + 5000,
        .attempts = 2,
        .incident_id = 2,
        .telling = TELLING_SILENCED,
        .last_error = "timeout",
        .message = "",
    };
    assert_json(json_alert(&a),
                "{\"id\":3,\"job_id\":7,\"execution_id\":\"7-1893456000000\",\"kind\":\"failure\","
                "\"message\":\"execution 7-1893456000000 of job 7 failed after 2 attempts: "
                "timeout\",\"created_at\":\"2030-01-01T00:00:00.001Z\","
                "\"acknowledged_at\":\"2030-01-01T00:00:05.000Z\",\"incident_id\":2,"
                "\"telling\":\"silenced\",\"silence_id\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planned_execution_has_everything_but_values),
        cmocka_unit_test(a_failed_execution_says_how_it_went),
        cmocka_unit_test(a_missed_range_says_how_far_it_goes),
        cmocka_unit_test(an_attempt_leaves_out_phases_that_did_not_happen),
        cmocka_unit_test(an_alert_names_its_execution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
