// SPDX-License-Identifier: MIT
// test_cluster_json.c: what GET /cluster says of a cluster, and of a server that is alone.

#include "observe/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const json_t *at(const json_t *o, const char *a, const char *b)
{
    const json_t *found = json_object_get(o, a);
    return b ? json_object_get(found, b) : found;
}

static void a_cluster_is_shown_whole(void **state)
{
    (void)state;
    struct cluster_node nodes[] = {
        {.id = "u1", .name = "api-1", .role = "api", .version = "1.2.3", .beat_age_ms = 20},
        {.id = "u2",
         .name = "worker-1",
         .role = "worker",
         .version = "1.2.2",
         .works = true,
         .shards = 256,
         .is_leader = true,
         .is_draining = true,
         .is_self = true},
    };
    struct cluster_replica replicas[] = {
        {.name = "pg2", .sync = "quorum", .lag_bytes = 12, .lag_ms = 3},
        {.name = "pg3", .lag_bytes = -1, .lag_ms = -1},
    };
    const struct cluster_status s = {.nodes = nodes,
                                     .node_count = 2,
                                     .replicas = replicas,
                                     .replica_count = 2,
                                     .standbys = "ANY 1 (*)",
                                     .commit_quorum = 1,
                                     .shards = 256,
                                     .owned = 256,
                                     .lease_until = 5000,
                                     .lease_age_ms = 250,
                                     .lease_ttl_ms = 5000,
                                     .clock_offset_us = -1500,
                                     .timeline = 2,
                                     .leader_epoch = 9,
                                     .seen_ms_ago = 40};
    json_t *json = cluster_json(&s, 1000);
    assert_string_equal(json_string_value(at(json, "kind", NULL)), "cluster");
    assert_string_equal(json_string_value(at(json, "leader", NULL)), "worker-1");
    assert_int_equal(json_integer_value(at(json, "leader_epoch", NULL)), 9);
    assert_int_equal(json_integer_value(at(json, "shards", "own")), 256);
    assert_true(json_is_true(at(json, "lease", "held")));
    assert_int_equal(json_integer_value(at(json, "lease", "left_ms")), 4000);
    assert_true(json_real_value(at(json, "clock_offset_ms", NULL)) == -1.5);
    assert_int_equal(json_integer_value(at(json, "timeline", NULL)), 2);
    const json_t *list = at(json, "nodes", NULL);
    assert_int_equal(json_array_size(list), 2);
    const json_t *second = json_array_get(list, 1);
    assert_string_equal(json_string_value(at(second, "role", NULL)), "worker");
    assert_true(json_is_true(at(second, "draining", NULL)));
    assert_true(json_is_true(at(second, "self", NULL)));
    list = at(json, "replicas", NULL);
    assert_int_equal(json_integer_value(at(json_array_get(list, 0), "lag_bytes", NULL)), 12);
    assert_true(json_is_null(at(json_array_get(list, 1), "sync", NULL)));
    assert_true(json_is_null(at(json_array_get(list, 1), "lag_ms", NULL)));
    assert_string_equal(json_string_value(at(json, "replication", "synchronous_standby_names")),
                        "ANY 1 (*)");
    assert_string_equal(json_string_value(at(json, "replication", "warning")),
                        "commits wait for 1 of 2 replicas, so one that is promoted may lack an "
                        "answered change: promote the furthest of at least 2");
    json_decref(json);

    json = cluster_json(&s, 5000);
    assert_true(json_is_false(at(json, "lease", "held")));
    assert_int_equal(json_integer_value(at(json, "lease", "left_ms")), 0);
    json_decref(json);
}

static void quorums_that_overlap_are_no_warning(void **state)
{
    (void)state;
    struct cluster_replica replica = {.name = "pg2", .sync = "sync"};
    struct cluster_status s = {.replicas = &replica,
                               .replica_count = 1,
                               .standbys = "pg2",
                               .commit_quorum = 1,
                               .lease_ttl_ms = 5000};
    json_t *json = cluster_json(&s, 1000);
    assert_true(json_is_null(at(json, "replication", "warning")));
    json_decref(json);
    s.commit_quorum = 0;
    json = cluster_json(&s, 1000);
    assert_string_equal(json_string_value(at(json, "replication", "warning")),
                        "commits wait for no replica: a promotion may lose answered changes");
    json_decref(json);
}

static void a_server_that_is_alone_is_a_node(void **state)
{
    (void)state;
    struct cluster_node n = {.role = "all", .version = "1.2.3", .works = true, .shards = 1};
    const struct cluster_status s = {
        .nodes = &n, .node_count = 1, .shards = 1, .owned = 1, .lease_until = MONO_NEVER};
    json_t *json = cluster_json(&s, 1000);
    assert_string_equal(json_string_value(at(json, "kind", NULL)), "solo");
    assert_true(json_is_true(at(json, "lease", "held")));
    assert_true(json_is_null(at(json, "lease", "left_ms")));
    assert_true(json_is_null(at(json, "lease", "ttl_ms")));
    assert_true(json_is_null(at(json, "timeline", NULL)));
    assert_int_equal(json_array_size(at(json, "nodes", NULL)), 1);
    assert_int_equal(json_array_size(at(json, "replicas", NULL)), 0);
    assert_true(json_is_null(at(json, "replication", NULL)));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_is_shown_whole),
        cmocka_unit_test(quorums_that_overlap_are_no_warning),
        cmocka_unit_test(a_server_that_is_alone_is_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
