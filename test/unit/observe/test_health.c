// SPDX-License-Identifier: MIT
// test_health.c: each part of the server is judged by what it looked like, with a reason.

#include "observe/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1893456000000 // 2030-01-01T00:00:00Z
#define MONO_TIME 100000

static struct engine_status well(void)
{
    return (struct engine_status){
        .core = {.watermark = NOW + 1500, .jobs = 3, .jobs_active = 2},
        .turned_at = NOW,
        .started_at = NOW - 60000,
        .epoch = 4,
    };
}

// A node of a cluster of three, with a lease.
static struct cluster_status cluster_well(struct cluster_node nodes[static 3])
{
    static const struct cluster_node all[] = {
        {.name = "a", .role = "api", .version = "1.2.3", .beat_age_ms = 20},
        {.name = "b", .role = "worker", .works = true, .shards = 128, .is_leader = true},
        {.name = "c", .role = "all", .works = true, .shards = 128, .is_self = true}};
    memcpy(nodes, all, sizeof all);
    return (struct cluster_status){.nodes = nodes,
                                   .node_count = 3,
                                   .shards = 256,
                                   .owned = 128,
                                   .lease_until = MONO_TIME + 4000,
                                   .lease_ttl_ms = 5000,
                                   .timeline = 1,
                                   .leader_epoch = 7};
}

static void judge_in(const struct engine_status *s, const struct cluster_status *c, wall_ms now,
                     struct health *out)
{
    const struct health_facts facts = {
        .engine = *s, .cluster = *c, .mono_now = MONO_TIME, .now = now};
    health_judge(&facts, out);
}

// A server that is alone.
static void judge(const struct engine_status *s, wall_ms now, struct health *out)
{
    struct cluster_node n = {.role = "all", .works = true, .shards = 1, .is_leader = true};
    const struct cluster_status c = {
        .nodes = &n, .node_count = 1, .shards = 1, .owned = 1, .lease_until = MONO_NEVER};
    judge_in(s, &c, now, out);
}

static struct health health_of(const struct telling_state *t)
{
    const struct cluster_status c = {.lease_until = MONO_NEVER, .shards = 1, .owned = 1};
    const struct health_facts facts = {
        .cluster = c, .telling = *t, .mono_now = MONO_TIME, .now = NOW};
    struct health h;
    health_judge(&facts, &h);
    return h;
}

static void channel_that_is_down_and_alerts_that_are_stuck_show(void **state)
{
    (void)state;
    struct health h = health_of(&(struct telling_state){.waiting = 3, .oldest_at = NOW - 1});
    assert_int_equal(h.parts[HEALTH_ALERTS].level, HEALTH_OK);
    h = health_of(&(struct telling_state){.waiting = 3, .oldest_at = NOW - 61000});
    assert_int_equal(h.parts[HEALTH_ALERTS].level, HEALTH_DEGRADED);
    assert_string_equal(h.parts[HEALTH_ALERTS].reason,
                        "3 alerts wait to be told, the first for 61 s");
    h = health_of(&(struct telling_state){.down = 1, .channel = "ops", .down_since = NOW});
    assert_int_equal(h.parts[HEALTH_ALERTS].level, HEALTH_DEGRADED);
    assert_non_null(strstr(h.parts[HEALTH_ALERTS].reason, "channel ops since"));
}

static void a_server_at_work_is_ok(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct health h;
    judge(&s, NOW, &h);
    assert_int_equal(h.level, HEALTH_OK);
    for (int part = 0; part < HEALTH_PARTS; part++)
        assert_string_equal(h.parts[part].reason, "");
}

// Without anything due the engine sleeps; its watermark then stays behind the clock, but it was
// not behind when it went to sleep.
static void sleeping_is_not_lagging(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct health h;
    judge(&s, NOW + 3600000, &h);
    assert_int_equal(h.level, HEALTH_OK);
}

struct judged {
    const char *name;
    struct engine_status status;
    enum health_part part;
    enum health_level level;
};

static void each_part_of_health_is_judged(void **state)
{
    (void)state;
    struct judged cases[11];
    size_t count = 0;
    struct engine_status s = well();
    s.store_stalled = ERR_STORE_FULL;
    cases[count++] = (struct judged){"disk full", s, HEALTH_STORE, HEALTH_FAILING};
    s.store_stalled = ERR_BUSY;
    cases[count++] = (struct judged){"database held", s, HEALTH_STORE, HEALTH_FAILING};
    s.store_stalled = ERR_STORE_AWAY;
    cases[count++] = (struct judged){"database away", s, HEALTH_STORE, HEALTH_FAILING};
    s = well();
    s.core.watermark = NOW - PLANNER_LAG_MS;
    cases[count++] = (struct judged){"just in time", s, HEALTH_PLANNER, HEALTH_OK};
    s.core.watermark--;
    cases[count++] = (struct judged){"behind", s, HEALTH_PLANNER, HEALTH_DEGRADED};
    s.core.watermark = 0;
    cases[count++] = (struct judged){"without shards", s, HEALTH_PLANNER, HEALTH_OK};
    s = well();
    s.core.draining = true;
    cases[count++] = (struct judged){"draining", s, HEALTH_PLANNER, HEALTH_DEGRADED};
    s = well();
    s.core.waiting = WAITING_MAX;
    cases[count++] = (struct judged){"busy", s, HEALTH_DISPATCH, HEALTH_OK};
    s.core.waiting++;
    cases[count++] = (struct judged){"held back", s, HEALTH_DISPATCH, HEALTH_DEGRADED};
    s = well();
    s.core.hosts_down = 1;
    cases[count++] = (struct judged){"a dead host", s, HEALTH_DISPATCH, HEALTH_DEGRADED};
    s = well();
    s.core.watermark = NOW + CLOCK_HOLD_MS + 1;
    cases[count++] = (struct judged){"clock went back", s, HEALTH_CLOCK, HEALTH_DEGRADED};

    for (size_t i = 0; i < count; i++) {
        struct health h;
        judge(&cases[i].status, NOW, &h);
        if (h.parts[cases[i].part].level != cases[i].level || h.level != cases[i].level)
            fail_msg("%s: part %d, whole %d", cases[i].name, h.parts[cases[i].part].level, h.level);
        assert_int_equal(*h.parts[cases[i].part].reason != '\0', h.level != HEALTH_OK);
    }
}

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void the_worst_part_decides_and_says_why(void **state)
{
    (void)state;
    struct engine_status s = well();
    s.store_stalled = ERR_BUSY;
    s.core.watermark = NOW - 10000;
    struct health h;
    judge(&s, NOW, &h);
    json_t *json = health_json(&h, "1.2.3");
    assert_string_equal(text_of(json, "status"), "failing");
    assert_string_equal(text_of(json, "version"), "1.2.3");
    assert_int_equal(json_integer_value(json_object_get(json, "uptime_s")), 60);
    assert_string_equal(text_of(json_object_get(json, "store"), "status"), "failing");
    assert_string_equal(text_of(json_object_get(json, "store"), "reason"),
                        "another program holds the database; nothing is written or sent until it "
                        "lets go of it");
    assert_string_equal(text_of(json_object_get(json, "planner"), "status"), "degraded");
    assert_non_null(strstr(text_of(json_object_get(json, "planner"), "reason"), "10000 ms"));
    assert_string_equal(text_of(json_object_get(json, "dispatch"), "status"), "ok");
    json_decref(json);
}

static void the_cluster_is_a_part_of_health(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct cluster_node nodes[3];
    struct cluster_status c = cluster_well(nodes);
    struct health h;
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.level, HEALTH_OK);

    c.unowned = 12;
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.parts[HEALTH_CLUSTER].level, HEALTH_DEGRADED);
    assert_string_equal(h.parts[HEALTH_CLUSTER].reason, "12 of 256 shards have no owner");

    nodes[1].works = nodes[2].works = false;
    judge_in(&s, &c, NOW, &h);
    assert_string_equal(h.parts[HEALTH_CLUSTER].reason, "there is no worker: nothing is sent");

    c.lease_until = MONO_TIME;
    c.lease_age_ms = 4300;
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.level, HEALTH_FAILING);
    assert_non_null(strstr(h.parts[HEALTH_CLUSTER].reason, "no lease"));
    assert_non_null(strstr(h.parts[HEALTH_CLUSTER].reason, "4300 ms"));

    s.started_at = 0; // The planner says that the server is starting.
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.parts[HEALTH_CLUSTER].level, HEALTH_OK);
}

// A node without shards plans nothing, so that its watermark says nothing.
static void a_node_without_shards_is_neither_late_nor_early(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct cluster_node nodes[3];
    struct cluster_status c = cluster_well(nodes);
    struct health h;
    c.owned = 0;
    s.core.watermark = 0;
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.level, HEALTH_OK);
}

static void a_machine_whose_clock_is_not_the_databases_is_looked_at(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct cluster_node nodes[3];
    struct cluster_status c = cluster_well(nodes);
    struct health h;
    c.clock_offset_us = CLOCK_OFFSET_MS * 1000;
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.level, HEALTH_OK);
    c.clock_offset_us = -300000000;
    judge_in(&s, &c, NOW, &h);
    assert_int_equal(h.parts[HEALTH_CLOCK].level, HEALTH_DEGRADED);
    assert_non_null(strstr(h.parts[HEALTH_CLOCK].reason, "300000 ms behind"));
}

static void hosts_with_a_rate_that_is_waited_for_are_named(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct health h;
    s.core.hosts_paced = HOSTS_PACED_SHOWN + 1;
    s.core.waiting = WAITING_MAX + 1;
    s.core.waiting_for_rate = 12;
    s.core.paced[0] = (struct host_paced){.rate = 5, .waiting = 9, .origin = "slow.test:80"};
    judge(&s, NOW, &h);
    assert_non_null(
        strstr(h.parts[HEALTH_DISPATCH].reason, "12 of them by the rate of their host"));
    json_t *json = health_json(&h, "1.2.3"), *dispatch = json_object_get(json, "dispatch");
    assert_int_equal(json_integer_value(json_object_get(dispatch, "waiting_for_rate")), 12);
    json_t *paced = json_object_get(dispatch, "paced");
    assert_int_equal(json_array_size(paced), HOSTS_PACED_SHOWN);
    assert_string_equal(text_of(json_array_get(paced, 0), "host"), "slow.test:80");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(paced, 0), "rate")), 5);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(paced, 0), "waiting")), 9);
    json_decref(json);
}

// Eight are named; how many there are is said in any case.
static void hosts_where_nothing_answers_are_named(void **state)
{
    (void)state;
    struct engine_status s = well();
    struct health h;
    s.core.hosts_down = 1;
    s.core.down[0] = (struct host_down){.since = NOW - 5000, .open = 3, .origin = "dead.test:81"};
    judge(&s, NOW, &h);
    assert_non_null(strstr(h.parts[HEALTH_DISPATCH].reason, "nothing answers at dead.test:81"));
    s.core.hosts_down = HOSTS_DOWN_SHOWN + 4;
    judge(&s, NOW, &h);
    assert_non_null(strstr(h.parts[HEALTH_DISPATCH].reason, "at 12 hosts: dead.test:81"));
    json_t *json = health_json(&h, "1.2.3"), *dispatch = json_object_get(json, "dispatch");
    assert_int_equal(json_integer_value(json_object_get(dispatch, "hosts_down")), 12);
    json_t *down = json_object_get(dispatch, "down");
    assert_int_equal(json_array_size(down), HOSTS_DOWN_SHOWN);
    assert_string_equal(text_of(json_array_get(down, 0), "host"), "dead.test:81");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(down, 0), "open")), 3);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_at_work_is_ok),
        cmocka_unit_test(channel_that_is_down_and_alerts_that_are_stuck_show),
        cmocka_unit_test(sleeping_is_not_lagging),
        cmocka_unit_test(each_part_of_health_is_judged),
        cmocka_unit_test(the_worst_part_decides_and_says_why),
        cmocka_unit_test(the_cluster_is_a_part_of_health),
        cmocka_unit_test(a_node_without_shards_is_neither_late_nor_early),
        cmocka_unit_test(a_machine_whose_clock_is_not_the_databases_is_looked_at),
        cmocka_unit_test(hosts_where_nothing_answers_are_named),
        cmocka_unit_test(hosts_with_a_rate_that_is_waited_for_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
