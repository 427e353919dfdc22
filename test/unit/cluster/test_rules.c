// SPDX-License-Identifier: MIT
// test_rules.c: what a node decides by itself: until when it may send, whom it takes for dead, what
// its share is, and what the database's clock says.

#include "cluster/postgres/rules_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

// --- The lease -------------------------------------------------------------------------------

static void lease_counts_from_before_the_renewal_was_asked_for(void **state)
{
    (void)state;
    static const struct {
        dur_ms ttl, guard, every;
    } cases[] = {{2000, 300, 400}, {4000, 600, 800}, {5000, 750, 1000}, {60000, 750, 12000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(lease_guard(cases[i].ttl), cases[i].guard);
        assert_int_equal(lease_renewal_every(cases[i].ttl), cases[i].every);
        assert_int_equal(lease_deadline(1000, cases[i].ttl), 1000 + cases[i].ttl - cases[i].guard);
    }
}

// --- Whose beats stand still -----------------------------------------------------------------

// Looks at nodes "a" and "b" (TTL 5 s and 2 s) with these beats; 0: the node is not there.
static void look(struct sightings *s, mono_ms now, int64_t beat_a, int64_t beat_b)
{
    struct node nodes[2] = {0};
    struct nodes_view v = {.nodes = nodes};
    if (beat_a)
        nodes[v.count++] = (struct node){.id = "a", .beat = beat_a, .ttl_ms = 5000};
    if (beat_b)
        nodes[v.count++] = (struct node){.id = "b", .beat = beat_b, .ttl_ms = 2000};
    sightings_note(s, &v, now);
}

// The id of who is dead; "" for nobody.
static const char *dead(const struct sightings *s, const char *self, mono_ms now, mono_ms *at)
{
    const struct sighting *x = sightings_find_dead(s, self, now, at);
    return x ? x->id : "";
}

static void node_is_dead_whose_beat_stood_still_for_its_lease(void **state)
{
    (void)state;
    struct sightings s = {0};
    mono_ms at;
    assert_string_equal(dead(&s, "c", 100, &at), "");
    assert_int_equal(at, MONO_NEVER);
    for (mono_ms now = 100000; now <= 104500; now += 500)
        look(&s, now, 7, (now - 100000) / 500 + 1);
    assert_string_equal(dead(&s, "c", 104999, &at), "");
    assert_int_equal(at, 105000);
    assert_string_equal(dead(&s, "c", 105000, &at), "a");
    assert_string_equal(dead(&s, "a", 105000, &at), ""); // Nobody buries himself.
    assert_int_equal(at, 106500);                        // Node b was seen to beat at 104500.
    assert_int_equal(sightings_age(&s, "a", 105000), 5000);
    assert_int_equal(sightings_age(&s, "b", 105000), 500);
    assert_int_equal(sightings_age(&s, "z", 105000), 0);
    sightings_fini(&s);
}

static void node_that_beats_or_is_new_has_its_whole_time(void **state)
{
    (void)state;
    struct sightings s = {0};
    mono_ms at;
    look(&s, 100000, 7, 0);
    look(&s, 102000, 8, 0);
    look(&s, 104000, 8, 3);
    assert_string_equal(dead(&s, "c", 105999, &at), "");
    assert_int_equal(at, 106000);
    look(&s, 105000, 0, 3); // Node a has gone.
    assert_string_equal(dead(&s, "c", 105999, &at), "");
    assert_string_equal(dead(&s, "c", 106000, &at), "b");
    look(&s, 106100, 0, 4); // And lives.
    assert_string_equal(dead(&s, "c", 106100, &at), "");
    sightings_fini(&s);
}

// While nobody could reach the database, nobody could raise a beat either.
static void time_that_nobody_looked_counts_for_nothing(void **state)
{
    (void)state;
    struct sightings s = {0};
    mono_ms at;
    look(&s, 100000, 7, 0);
    look(&s, 102500, 7, 0); // Half a lease is no gap.
    assert_string_equal(dead(&s, "c", 105000, &at), "a");
    look(&s, 105001, 7, 0);
    assert_string_equal(dead(&s, "c", 105001, &at), "");
    assert_int_equal(at, 110001);
    sightings_fini(&s);
}

// --- Shares ----------------------------------------------------------------------------------

static void shares_cover_all_shards_and_differ_by_little(void **state)
{
    (void)state;
    static const uint32_t expected[] = {0, 256, 128, 86, 64, 52};
    for (uint32_t workers = 0; workers < COUNT_OF(expected); workers++)
        assert_int_equal(share_of(256, workers), expected[workers]);
    assert_int_equal(share_of(256, 256), 1);
    assert_int_equal(share_of(256, 300), 1);
    assert_int_equal(share_of(1, 3), 1);
}

static void workers_are_nodes_that_take_shards(void **state)
{
    (void)state;
    struct node nodes[] = {{.id = "a", .works = true},
                           {.id = "b", .works = true, .is_draining = true},
                           {.id = "c"},
                           {.id = "d", .works = true}};
    struct nodes_view v = {.nodes = nodes, .count = COUNT_OF(nodes)};
    assert_int_equal(count_workers(&v), 2);
    static const struct {
        const char *leader;
        bool is_there;
    } cases[] = {{"", false}, {"a", true}, {"b", false}, {"z", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(v.leader, sizeof v.leader, "%s", cases[i].leader);
        assert_int_equal(has_leader(&v), cases[i].is_there);
    }
}

static void surplus_is_the_highest_of_what_is_owned(void **state)
{
    (void)state;
    struct shard_set owned = {0};
    char text[64];
    const uint32_t numbers[] = {0, 1, 2, 7, 200, 254, 255};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        shard_set_add(&owned, numbers[i]);
    static const char *const expected[] = {"", "255", "254-255", "200,254-255", "7,200,254-255"};
    for (uint32_t surplus = 0; surplus < COUNT_OF(expected); surplus++) {
        struct shard_set found = choose_surplus(&owned, surplus);
        format_shards(&found, text, sizeof text);
        assert_string_equal(text, expected[surplus]);
    }
}

static void text_of_many_shards_is_cut(void **state)
{
    (void)state;
    struct shard_set s = {0};
    char text[32];
    for (uint32_t n = 100; n < SHARDS_MAX; n += 2)
        shard_set_add(&s, n);
    format_shards(&s, text, sizeof text);
    assert_string_equal(text, "100,102,104,106,108,...");
    for (uint32_t n = 0; n < SHARDS_MAX; n++)
        shard_set_add(&s, n);
    format_shards(&s, text, sizeof text);
    assert_string_equal(text, "0-255");
}

// --- The database's clock --------------------------------------------------------------------

#define S 1000000LL

// The clock was 1000 s ahead of ours, and was read somewhere in the call.
static void offset_is_never_more_than_it_was(void **state)
{
    (void)state;
    struct offset_view o = {0};
    assert_int_equal(offset_note(&o, 1010 * S, 9 * S, 12 * S), OFFSET_SMOOTH); // A slow answer.
    assert_int_equal(o.least_us, 998 * S);
    assert_int_equal(offset_note(&o, 1020 * S, 20 * S - 100, 20 * S + 300), OFFSET_SMOOTH);
    assert_int_equal(o.least_us, 1000 * S - 300);
    // A worse answer takes nothing away but what the clocks may have run apart since.
    assert_int_equal(offset_note(&o, 1021 * S, 20 * S, 24 * S + 300), OFFSET_SMOOTH);
    assert_int_equal(o.least_us, 1000 * S - 300 - 4 * 600);
    assert_int_equal(offset_note(&o, 1025 * S, 25 * S - 50, 25 * S + 50), OFFSET_SMOOTH);
    assert_int_equal(o.least_us, 1000 * S - 50);
}

static void step_of_the_clock_either_way_is_followed_at_once(void **state)
{
    (void)state;
    struct offset_view o = {0};
    assert_int_equal(offset_note(&o, 1010 * S, 10 * S, 10 * S + 100), OFFSET_SMOOTH);
    assert_int_equal(offset_note(&o, 4611 * S, 11 * S, 11 * S + 100), OFFSET_STEPPED);
    assert_int_equal(o.least_us, 4600 * S - 100);
    assert_int_equal(offset_note(&o, 12 * S, 12 * S, 12 * S + 100), OFFSET_STEPPED);
    assert_int_equal(o.least_us, -100);
    // Some milliseconds are followed without a word.
    assert_int_equal(offset_note(&o, 13 * S + 30000, 13 * S, 13 * S + 100), OFFSET_SMOOTH);
    assert_int_equal(o.least_us, 30000 - 100);
    assert_int_equal(offset_note(&o, 14 * S, 14 * S, 14 * S + 100), OFFSET_SMOOTH);
    assert_int_equal(o.least_us, -100);
}

static void commits_wait_for_as_many_replicas_as_the_names_say(void **state)
{
    (void)state;
    assert_int_equal(commit_quorum(""), 0);
    assert_int_equal(commit_quorum(" "), 0);
    assert_int_equal(commit_quorum("*"), 1);
    assert_int_equal(commit_quorum("pg2, pg3"), 1);
    assert_int_equal(commit_quorum("2 (pg2, pg3)"), 2);
    assert_int_equal(commit_quorum("FIRST 2(pg2, pg3)"), 2);
    assert_int_equal(commit_quorum("any 3 (a, b, c, d)"), 3);
    assert_int_equal(commit_quorum("7, 8"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_counts_from_before_the_renewal_was_asked_for),
        cmocka_unit_test(node_is_dead_whose_beat_stood_still_for_its_lease),
        cmocka_unit_test(node_that_beats_or_is_new_has_its_whole_time),
        cmocka_unit_test(time_that_nobody_looked_counts_for_nothing),
        cmocka_unit_test(shares_cover_all_shards_and_differ_by_little),
        cmocka_unit_test(workers_are_nodes_that_take_shards),
        cmocka_unit_test(surplus_is_the_highest_of_what_is_owned),
        cmocka_unit_test(text_of_many_shards_is_cut),
        cmocka_unit_test(commits_wait_for_as_many_replicas_as_the_names_say),
        cmocka_unit_test(offset_is_never_more_than_it_was),
        cmocka_unit_test(step_of_the_clock_either_way_is_followed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
