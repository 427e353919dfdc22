// SPDX-License-Identifier: MIT
// test_sentence.c: what people read of an alert's facts.

#include "alert/alert.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define AT 1893456000000 // 2030-01-01T00:00:00Z
#define EXECUTION .job = 7, .execution_id = 41, .key = {.job = 7, .scheduled_at = AT}

static const struct {
    struct alert alert;
    const char *sentence;
} cases[] = {
    {{EXECUTION, .kind = ALERT_FAILURE, .attempts = 1, .last_error = "connection refused"},
     "execution 7-1893456000000 of job 7 failed after 1 attempt: connection refused"},
    {{EXECUTION, .kind = ALERT_FAILURE, .attempts = 4, .last_error = "timeout"},
     "execution 7-1893456000000 of job 7 failed after 4 attempts: timeout"},
    {{EXECUTION, .kind = ALERT_FAILURE},
     "execution 7-1893456000000 of job 7 failed after 0 attempts: unknown error"},
    {{.job = 7, .kind = ALERT_FAILURE, .attempts = 2, .last_error = "timeout"},
     "an execution of job 7 failed after 2 attempts: timeout"},
    {{EXECUTION, .kind = ALERT_MISSED, .from = AT, .count = 1, .last_error = "no room"},
     "1 occurrence missed at 2030-01-01T00:00:00.000Z: no room"},
    {{EXECUTION, .kind = ALERT_MISSED, .from = AT, .to = AT, .count = 1, .last_error = "too old"},
     "1 occurrence missed from 2030-01-01T00:00:00.000Z to 2030-01-01T00:00:00.000Z: too old"},
    {{EXECUTION, .kind = ALERT_MISSED, .from = AT, .to = AT + 1000, .count = 2, .last_error = "x"},
     "2 occurrences missed from 2030-01-01T00:00:00.000Z to 2030-01-01T00:00:01.000Z: x"},
    {{.kind = ALERT_CLOCK, .subject = "clock", .to = AT},
     "clock stepped: it was ahead before, so schedules hold until 2030-01-01T00:00:00.000Z, when "
     "it gets there"},
    {{.kind = ALERT_CLOCK, .subject = "clock", .from = AT, .count = 2},
     "clock corrected: schedules go on from 2030-01-01T00:00:00.000Z; their executions are marked "
     "-g2"},
    {{.kind = ALERT_TARGET_DOWN,
      .subject = "a.test:80",
      .from = AT,
      .attempts = 50,
      .count = 61,
      .last_error = "connection refused by a.test:80"},
     "nothing answers at a.test:80: 50 attempts in a row got no answer, the last one: connection "
     "refused by a.test:80; its 61 open executions wait until one is answered"},
    {{.kind = ALERT_TARGET_UP, .subject = "a.test:80", .from = AT, .to = AT + 1},
     "there are answers again from a.test:80: nothing had answered there since "
     "2030-01-01T00:00:00.000Z"},
    {{.kind = ALERT_TARGET_UP, .subject = "a.test:80", .from = AT},
     "no job is left that calls a.test:80: nothing had answered there since "
     "2030-01-01T00:00:00.000Z"},
    {{.kind = ALERT_TARGET_UP, .from = AT}, // A row that was edited.
     "no job is left that calls a target: nothing had answered there since "
     "2030-01-01T00:00:00.000Z"},
    {{.job = 7, .kind = ALERT_REMINDER, .from = AT, .created_at = AT + 90061000, .count = 1},
     "job 7 still fails since 2030-01-01T00:00:00.000Z, for 1 d 1 h; 1 execution failed or was "
     "missed"},
    {{.job = 7, .kind = ALERT_RECOVERED, .from = AT, .to = AT + 7500000, .count = 12},
     "job 7 works again: it had failed since 2030-01-01T00:00:00.000Z, for 2 h 5 min; 12 "
     "executions failed or were missed"},
    {{.job = 7, .kind = ALERT_RECOVERED, .from = AT, .to = AT + 1900, .count = 2},
     "job 7 works again: it had failed since 2030-01-01T00:00:00.000Z, for 1 s; 2 executions "
     "failed or were missed"},
    {{.job = 7,
      .kind = ALERT_RECOVERED,
      .subject = "late",
      .from = AT,
      .to = AT + 60000,
      .count = 1},
     "job 7 starts in time again: it had started late since 2030-01-01T00:00:00.000Z, for 1 min; 1 "
     "execution was late"},
    {{.job = 7, .kind = ALERT_REMINDER, .subject = "silent", .from = AT, .created_at = AT + 60000},
     "job 7 still has no success since 2030-01-01T00:00:00.000Z, for 1 min"},
    {{.job = 7, .kind = ALERT_REMINDER, .subject = "x", .from = AT, .created_at = AT, .count = 2},
     "job 7 still fails since 2030-01-01T00:00:00.000Z, for 0 ms; 2 executions failed or were "
     "missed"}, // A row that was edited.
    {{.job = 7, .kind = ALERT_FLAPPING, .from = AT, .count = 4},
     "job 7 fails and recovers again and again, for the 4. time since 2030-01-01T00:00:00.000Z; "
     "when it has been quiet for half an hour, there is a message"},
    {{EXECUTION, .kind = ALERT_FAILURE_RATE, .count = 3, .attempts = 10, .last_error = "timeout"},
     "3 of the last 10 executions of job 7 failed, the last one: timeout"},
    {{EXECUTION, .kind = ALERT_LATE, .from = AT, .to = AT + 5250},
     "execution 7-1893456000000 of job 7 started 5 s after it was due"},
    {{EXECUTION, .kind = ALERT_SLOW, .from = AT, .to = AT + 95000},
     "execution 7-1893456000000 of job 7 took 1 min 35 s"},
    {{.job = 7, .kind = ALERT_SILENT, .from = AT, .created_at = AT + 86400000},
     "job 7 has had no success since 2030-01-01T00:00:00.000Z, for 1 d"},
    {{.kind = ALERT_STORE_STALLED,
      .from = AT,
      .to = AT + 7500000,
      .last_error = "the disk is full"},
     "the database is written again: nothing could be written since 2030-01-01T00:00:00.000Z, for "
     "2 h 5 min: the disk is full"},
    {{.kind = ALERT_DISK_LOW, .subject = "disk", .from = AT, .count = 104853504},
     "99 MiB of the disk are left, which are kept for executions: changes that need room are "
     "refused until there is more"},
    {{.kind = ALERT_DISK_OK, .subject = "disk", .from = AT, .to = AT + 60000, .count = 118489088},
     "113 MiB of the disk are free again: changes were refused since 2030-01-01T00:00:00.000Z, for "
     "1 min"},
    {{.kind = ALERT_LEASE_LOST, .subject = "worker-1", .from = AT},
     "node worker-1 has lost its lease: it is not heard of since 2030-01-01T00:00:00.000Z, and its "
     "jobs go to the nodes that are left"},
    {{.job = 7, .kind = ALERT_JOB_UNUSABLE, .last_error = "its time zone is not known"},
     "job 7 was made inactive: its time zone is not known"},
    {{.kind = ALERT_JOB_UNUSABLE, .count = 1, .last_error = "the server allows only 9 (jobs_max)"},
     "1 job was made inactive: the server allows only 9 (jobs_max)"},
    {{.kind = ALERT_JOB_UNUSABLE, .count = 2, .last_error = "the server allows only 9 (jobs_max)"},
     "2 jobs were made inactive: the server allows only 9 (jobs_max)"},
    {{.job = 7, .kind = ALERT_JOB_PAUSED, .count = 5, .last_error = "HTTP status 500"},
     "job 7 was paused, as 5 executions failed in a row, the last one: HTTP status 500"},
    {{.job = 7, .kind = ALERT_JOB_PAUSED, .count = 1, .last_error = "HTTP status 500"},
     "job 7 was paused, as 1 execution failed in a row, the last one: HTTP status 500"},
    {{.kind = ALERT_CHANNEL_DOWN,
      .subject = "ops",
      .attempts = 3,
      .from = AT,
      .last_error = "HTTP status 404"},
     "messages do not get through to channel ops since 2030-01-01T00:00:00.000Z: 3 attempts failed "
     "in a row, the last one: HTTP status 404"},
    {{.kind = ALERT_CHANNEL_UP, .subject = "ops", .from = AT, .to = AT + 1000},
     "messages get through to channel ops again: they had not since 2030-01-01T00:00:00.000Z"},
};

static void an_alert_reads_as_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *sentence = alert_sentence(&cases[i].alert);
        assert_string_equal(sentence, cases[i].sentence);
        free(sentence);
    }
}

static void every_kind_of_alert_has_a_sentence(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        seen |= 1u << cases[i].alert.kind;
    assert_int_equal(seen, (1u << ALERT_KINDS) - 1);
}

// A row of an older version has its sentence, and no facts.
static void an_old_alert_keeps_its_sentence(void **state)
{
    (void)state;
    struct alert a = {.kind = ALERT_TARGET_DOWN, .message = "nothing answers at b.test:80"};
    char *sentence = alert_sentence(&a);
    assert_string_equal(sentence, a.message);
    free(sentence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_reads_as_a_sentence),
        cmocka_unit_test(every_kind_of_alert_has_a_sentence),
        cmocka_unit_test(an_old_alert_keeps_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
