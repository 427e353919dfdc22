// SPDX-License-Identifier: MIT
// test_bulk.c: changes of several jobs in one command are made all, or none of them is.

#include "core_test.h"

#include <string.h>

#define EVERY_MINUTE "0 * * * * *"

static struct command creation(const char *schedule)
{
    return (struct command){.kind = COMMAND_CREATE, .job = job_of(schedule), .zone = zone_utc()};
}

static struct command change(job_id id, const char *schedule)
{
    return (struct command){
        .kind = COMMAND_UPDATE, .id = id, .job = job_of(schedule), .zone = zone_utc()};
}

static struct command deletion(job_id id)
{
    return (struct command){.kind = COMMAND_DELETE, .id = id};
}

static enum err ask(struct rig *r, struct command *parts, size_t count)
{
    struct command c = {.kind = COMMAND_BULK, .parts = parts, .part_count = count};
    for (size_t i = 0; i < count && c.id == 0; i++)
        c.id = parts[i].id;
    enum err err = rig_ask(r, &c);
    for (size_t i = 0; i < count; i++)
        assert_null(parts[i].job); // Taken, or freed.
    return err;
}

static void all_parts_are_in_one_batch(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id a = rig_create(r, job_of(EVERY_MINUTE)), b = rig_create(r, job_of(EVERY_MINUTE));
    job_id c = rig_create(r, job_of(EVERY_MINUTE));
    rig_record(r);
    struct command parts[] = {creation("0 0 1 * * *"), change(a, "0 0 2 * * *"), deletion(b),
                              change(c, "0 0 4 * * *"), creation("0 0 3 * * *")};
    assert_int_equal(ask(r, parts, COUNT_OF(parts)), ERR_OK);
    assert_int_equal(r->reply.job, 4); // The first new one; the other follows it.
    size_t batches = r->durable_count;
    rig_record(r);
    assert_int_equal(r->durable_count, batches + 1);
    static const char *const schedules[] = {"0 0 2 * * *", NULL, "0 0 4 * * *", "0 0 1 * * *",
                                            "0 0 3 * * *"};
    for (job_id id = 1; id <= 5; id++) {
        struct job *j = rig_job(r, id);
        assert_int_equal(j != NULL, schedules[id - 1] != NULL);
        if (j)
            assert_string_equal(j->schedule, schedules[id - 1]);
        job_free(j);
    }
    rig_free(r);
}

// Whatever is wrong with one part, and wherever it stands, nothing is written.
static void one_part_that_is_refused_refuses_all(void **state)
{
    (void)state;
    static const enum err errors[] = {ERR_NOT_FOUND,   ERR_RANGE, ERR_NOT_FOUND,
                                      ERR_UNSUPPORTED, ERR_LIMIT, ERR_CONFLICT};
    for (size_t wrong = 0; wrong < COUNT_OF(errors); wrong++) {
        struct rig *r = rig_new();
        r->limits.jobs_max = wrong == 4 ? 3 : 9;
        rig_start(r);
        job_id a = rig_create(r, job_of(EVERY_MINUTE)), b = rig_create(r, job_of(EVERY_MINUTE));
        rig_record(r);
        struct command bad = wrong == 0   ? change(9, EVERY_MINUTE)
                             : wrong == 1 ? creation("2020-01-01T00:00:00")
                             : wrong == 2 ? deletion(9)
                             : wrong == 3 ? deletion(a) // Twice in one bulk.
                             : wrong == 4 ? creation(EVERY_MINUTE)
                                          : deletion(b);
        bad.version_expected = wrong == 5 ? 7 : 0;
        struct command parts[] = {change(a, "0 0 2 * * *"), creation("0 0 1 * * *"), bad};
        size_t changes = rig_changes(r, CHANGE_JOB_PUT), versions = rig_changes(r, CHANGE_VERSION);
        assert_int_equal(ask(r, parts, COUNT_OF(parts)), errors[wrong]);
        assert_int_equal(r->reply.version, 2); // The place of the part.
        assert_int_equal(rig_changes(r, CHANGE_JOB_PUT), changes);
        assert_int_equal(rig_changes(r, CHANGE_VERSION), versions);
        assert_int_equal(rig_changes(r, CHANGE_JOB_DELETE), 0);
        assert_int_equal(core_status(r->core).jobs, 2);
        assert_true(rig_create(r, job_of(EVERY_MINUTE)) == 3); // No id is used up.
        rig_free(r);
    }
}

// What several parts add is summed up before the first of them is made.
static void texts_of_all_parts_must_fit(void **state)
{
    (void)state;
    for (int fits = 0; fits < 2; fits++) {
        struct rig *r = rig_new();
        r->limits.texts_bytes_max = fits ? 30 : 29; // "http://a.test/" has 15 bytes.
        rig_start(r);
        struct command parts[] = {creation(EVERY_MINUTE), creation(EVERY_MINUTE)};
        assert_int_equal(ask(r, parts, COUNT_OF(parts)), fits ? ERR_OK : ERR_SPACE);
        assert_int_equal(core_status(r->core).jobs, fits ? 2 : 0);
        rig_free(r);
    }
}

static void the_last_place_for_a_job_is_not_given_twice(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.jobs_max = 1;
    rig_start(r);
    struct command parts[] = {creation(EVERY_MINUTE), creation(EVERY_MINUTE)};
    assert_int_equal(ask(r, parts, COUNT_OF(parts)), ERR_LIMIT);
    assert_int_equal(core_status(r->core).jobs, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_parts_are_in_one_batch),
        cmocka_unit_test(one_part_that_is_refused_refuses_all),
        cmocka_unit_test(texts_of_all_parts_must_fit),
        cmocka_unit_test(the_last_place_for_a_job_is_not_given_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
