// SPDX-License-Identifier: MIT
// test_jobs.c: jobs are found by id and go in its order, however far apart their ids are.

#include "core_test.h"
#include "zones/zones.h"

#include "base/memory.h"

#include <string.h>

static const job_id ids[] = {1, 31, 32, 33, 32767, 32768, 32769, 65536, 1000000007};
static const char *const zones[COUNT_OF(ids)] = {"Europe/Paris", "Asia/Tokyo",   "UTC",
                                                 "UTC",          "Asia/Kolkata", "Africa/Lagos",
                                                 "UTC",          "Asia/Dubai",   "Asia/Seoul"};

static void add(struct rig *r, job_id id, const char *timezone)
{
    struct job *j = job_of("@yearly");
    const struct zone *zone;
    j->id = id;
    j->version = 1;
    job_set_text(&j->timezone, timezone);
    assert_int_equal(zone_find(timezone, &zone, NULL), ERR_OK);
    assert_int_equal(core_add_job(r->core, j, zone), ERR_OK);
    job_free(j);
}

// In an order of its own: what is loaded first has no place of its own.
static struct rig *rig_with_all(void)
{
    struct rig *r = rig_new();
    r->core = core_new(&r->limits);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = {.job_next = 2000000000}});
    for (size_t i = COUNT_OF(ids); i-- > 0;)
        add(r, ids[i], zones[i]);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_LOADED});
    rig_record(r);
    return r;
}

static void each_job_is_found_and_its_neighbours_are_not(void **state)
{
    (void)state;
    struct rig *r = rig_with_all();
    assert_int_equal(core_status(r->core).jobs, COUNT_OF(ids));
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(rig_trigger(r, ids[i], NULL), ERR_OK);
        assert_int_equal(r->reply.key.job, ids[i]);
    }
    static const job_id strangers[] = {-1, 0, 2, 30, 34, 1024, 32766, 65537, 1000000006, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        assert_int_equal(rig_trigger(r, strangers[i], NULL), ERR_NOT_FOUND);
    rig_free(r);
}

// The last one of a page or of a folder takes it with it; the others stay.
static void each_job_can_go_and_leaves_the_others(void **state)
{
    (void)state;
    struct rig *r = rig_with_all();
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(rig_delete(r, ids[i]), ERR_OK);
        for (size_t k = 0; k < COUNT_OF(ids); k++)
            assert_int_equal(rig_trigger(r, ids[k], NULL), k > i ? ERR_OK : ERR_NOT_FOUND);
        assert_int_equal(core_status(r->core).jobs, COUNT_OF(ids) - i - 1);
    }
    rig_free(r);
}

struct names {
    const char *seen[COUNT_OF(ids)];
    size_t count;
};

static void note_zone(void *context, const struct zone *z)
{
    struct names *n = context;
    n->seen[n->count++] = zone_name(z);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void each_zone_of_a_job_is_named_once(void **state)
{
    (void)state;
    static const char *const expected[] = {"Africa/Lagos", "Asia/Dubai", "Asia/Kolkata",
                                           "Asia/Seoul",   "Asia/Tokyo", "Europe/Paris",
                                           "UTC"};
    struct rig *r = rig_with_all();
    struct names n = {0};
    core_zones(r->core, note_zone, &n);
    assert_int_equal(n.count, COUNT_OF(expected));
    qsort(n.seen, n.count, sizeof *n.seen, compare_names);
    for (size_t i = 0; i < n.count; i++)
        assert_string_equal(n.seen[i], expected[i]);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_job_is_found_and_its_neighbours_are_not),
        cmocka_unit_test(each_job_can_go_and_leaves_the_others),
        cmocka_unit_test(each_zone_of_a_job_is_named_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
