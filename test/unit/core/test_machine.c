// SPDX-License-Identifier: MIT
// test_machine.c: what people are told of the store and the disk.

#include "core_test.h"

#include <string.h>

static void set_store(struct rig *r, enum err cause)
{
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = cause});
}

static void set_disk(struct rig *r, bool is_low, int64_t free_bytes)
{
    rig_step(r, &(struct event){.kind = EVENT_DISK,
                                .disk = {.is_low = is_low, .free_bytes = free_bytes}});
}

static void a_stall_that_lasted_is_told_when_it_is_over(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    wall_ms from = r->now.wall;
    set_store(r, ERR_STORE_FULL);
    rig_pass(r, MINUTE);
    set_store(r, ERR_STORE_AWAY); // The first reason is told.
    rig_pass(r, MINUTE);
    assert_int_equal(rig_alerts(r, 0, ALERT_STORE_STALLED), 0);
    set_store(r, ERR_OK);
    struct alert a = rig_alert(r, 0, ALERT_STORE_STALLED);
    assert_int_equal(a.from, from);
    assert_int_equal(a.to, from + 2 * MINUTE);
    assert_string_equal(a.last_error, err_text(ERR_STORE_FULL));
    assert_int_equal(a.telling, TELLING_WAITING);
    set_store(r, ERR_BUSY);
    rig_pass(r, MINUTE);
    set_store(r, ERR_OK);
    assert_int_equal(rig_alerts(r, 0, ALERT_STORE_STALLED), 2);
    rig_free(r);
}

static void nobody_hears_of_a_short_stall(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    set_store(r, ERR_BUSY);
    rig_pass(r, 4 * SECOND);
    set_store(r, ERR_OK);
    assert_int_equal(rig_alerts(r, 0, ALERT_STORE_STALLED), 0);
    rig_free(r);
}

static void a_node_without_a_shard_tells_when_it_has_one(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct shard row = rig_shard(r);
    set_store(r, ERR_STORE_AWAY);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_LOST});
    rig_pass(r, MINUTE);
    set_store(r, ERR_OK);
    assert_int_equal(rig_alerts(r, 0, ALERT_STORE_STALLED), 0);
    row.epoch++;
    row.tick = 0;
    rig_step(r, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = row});
    rig_step(r, &(struct event){.kind = EVENT_SHARD_LOADED});
    rig_tick(r);
    assert_int_equal(rig_alerts(r, 0, ALERT_STORE_STALLED), 1);
    rig_free(r);
}

static void a_disk_is_low_once_until_it_has_room(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    wall_ms from = r->now.wall;
    set_disk(r, false, 300);
    set_disk(r, true, 100);
    set_disk(r, true, 90);
    assert_int_equal(rig_alerts(r, 0, ALERT_DISK_LOW), 1);
    assert_int_equal(rig_alert(r, 0, ALERT_DISK_LOW).count, 100);
    rig_pass(r, MINUTE);
    set_disk(r, false, 200);
    set_disk(r, false, 210);
    assert_int_equal(rig_alerts(r, 0, ALERT_DISK_OK), 1);
    struct alert a = rig_alert(r, 0, ALERT_DISK_OK);
    assert_int_equal(a.from, from);
    assert_int_equal(a.to, from + MINUTE);
    assert_int_equal(a.count, 200);
    assert_string_equal(a.subject, "disk");
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stall_that_lasted_is_told_when_it_is_over),
        cmocka_unit_test(nobody_hears_of_a_short_stall),
        cmocka_unit_test(a_node_without_a_shard_tells_when_it_has_one),
        cmocka_unit_test(a_disk_is_low_once_until_it_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
