// SPDX-License-Identifier: MIT
// test_digest.c: the notice of a delivery, made of the alerts that it gathered.

#include "alert/digest.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define T0 1700000000000

static void add(struct digest *d, int64_t id, int64_t incident, enum alert_kind kind)
{
    struct alert a = {.id = id,
                      .incident_id = incident,
                      .kind = kind,
                      .created_at = T0 + id,
                      .from = T0,
                      .subject = "http://shop.example:80",
                      .last_error = "refused",
                      .message = ""};
    digest_add(d, &a, NULL);
}

static struct notice write_and_free(struct digest *d)
{
    struct notice n = {0};
    digest_write(d, 9, T0, &n);
    digest_free(d);
    return n;
}

static void single_alert_is_told_in_a_headline_and_a_sentence_under_its_incident(void **state)
{
    struct digest *d = digest_new("https://cron.example/");
    const struct alert a = {
        .id = 4, .incident_id = 4, .job = 7, .kind = ALERT_FAILURE, .message = ""};
    (void)state;
    digest_add(d, &a, "backup");
    struct notice n = write_and_free(d);
    assert_int_equal(n.event, NOTICE_TRIGGER);
    assert_int_equal(n.severity, SEVERITY_CRITICAL);
    assert_int_equal(n.count, 1);
    assert_string_equal(n.title, "backup fails");
    assert_string_equal(n.text, n.items[0].sentence);
    assert_string_equal(n.dedup_key, "carillon-incident-4");
    assert_string_equal(n.link, "https://cron.example/alerts/4");
    notice_clear(&n);
}

static void target_that_is_back_has_the_key_of_its_outage(void **state)
{
    (void)state;
    struct digest *d = digest_new("");
    add(d, 4, 0, ALERT_TARGET_DOWN);
    struct notice down = write_and_free(d);
    d = digest_new("");
    add(d, 5, 0, ALERT_TARGET_UP);
    struct notice up = write_and_free(d);
    assert_int_equal(down.event, NOTICE_TRIGGER);
    assert_int_equal(up.event, NOTICE_RESOLVE);
    assert_string_equal(down.title, down.items[0].sentence);
    assert_null(down.text);
    assert_string_equal(down.dedup_key, "carillon-of-http://shop.example:80");
    assert_string_equal(up.dedup_key, down.dedup_key);
    notice_clear(&down);
    notice_clear(&up);
}

static void incident_that_goes_on_is_a_reminder(void **state)
{
    struct digest *d = digest_new("");
    (void)state;
    add(d, 5, 4, ALERT_REMINDER);
    struct notice n = write_and_free(d);
    assert_int_equal(n.event, NOTICE_REMIND);
    assert_int_equal(n.severity, SEVERITY_WARNING);
    assert_string_equal(n.dedup_key, "carillon-incident-4");
    notice_clear(&n);
}

static void end_of_an_incident_has_the_key_of_its_beginning(void **state)
{
    struct digest *d = digest_new("");
    (void)state;
    add(d, 5, 4, ALERT_RECOVERED);
    struct notice n = write_and_free(d);
    assert_int_equal(n.event, NOTICE_RESOLVE);
    assert_int_equal(n.severity, SEVERITY_INFO);
    assert_string_equal(n.dedup_key, "carillon-incident-4");
    assert_null(n.link);
    notice_clear(&n);
}

static void incident_that_goes_on_matters_more_than_one_that_is_over(void **state)
{
    struct digest *d = digest_new("");
    (void)state;
    add(d, 6, 4, ALERT_REMINDER);
    add(d, 7, 5, ALERT_RECOVERED);
    add(d, 8, 3, ALERT_REMINDER);
    add(d, 9, 3, ALERT_RECOVERED);
    struct notice n = write_and_free(d);
    assert_int_equal(n.event, NOTICE_REMIND);
    assert_string_equal(n.text, "1 incident goes on.\n2 incidents are over.\n");
    notice_clear(&n);
}

static void incident_that_began_and_ended_is_one_line(void **state)
{
    struct digest *d = digest_new("");
    (void)state;
    add(d, 4, 4, ALERT_FAILURE);
    add(d, 5, 4, ALERT_RECOVERED);
    struct notice n = write_and_free(d);
    assert_int_equal(n.event, NOTICE_INFO);
    assert_int_equal(n.item_count, 1);
    assert_int_equal(n.items[0].kind, ALERT_RECOVERED);
    assert_int_equal(n.count, 2);
    notice_clear(&n);
}

static void herd_is_counted_and_its_worst_few_are_shown(void **state)
{
    struct digest *d = digest_new("");
    (void)state;
    for (int64_t id = 1; id <= 3000; id++)
        add(d, id, id, ALERT_MISSED);
    for (int64_t id = 3001; id <= 3004; id++)
        add(d, id, id, ALERT_TARGET_DOWN);
    assert_int_equal(digest_count(d), 3004);
    struct notice n = write_and_free(d);
    assert_int_equal(n.count, 3004);
    assert_int_equal(n.item_count, NOTICE_ITEMS_MAX);
    for (size_t i = 0; i < n.item_count; i++)
        assert_int_equal(n.items[i].alert, i < 4 ? 3001 + (int64_t)i : (int64_t)i - 3);
    assert_int_equal(n.count_count, 2);
    assert_string_equal(n.title, "3004 alerts: 3000 missed, 4 target_down");
    assert_string_equal(n.dedup_key, "carillon-digest-9");
    assert_non_null(strstr(n.text, "3004 incidents have begun."));
    assert_non_null(strstr(n.text, "2994 more alerts are not shown here."));
    notice_clear(&n);
}

static void acknowledgement_has_the_key_that_was_opened(void **state)
{
    struct digest *d = digest_new("");
    struct notice n;
    (void)state;
    add(d, 4, 4, ALERT_FAILURE);
    digest_write_ack(d, "carillon-incident-4", T0, &n);
    digest_free(d);
    assert_int_equal(n.event, NOTICE_ACK);
    assert_int_equal(n.severity, SEVERITY_INFO);
    assert_string_equal(n.dedup_key, "carillon-incident-4");
    assert_non_null(strstr(n.title, n.items[0].sentence));
    assert_int_equal(n.delivery, 0);
    notice_clear(&n);
}

static struct notice write_end(struct digest *d, int64_t told)
{
    struct notice n;
    digest_write_end(d, "carillon-digest-9", 9, told, T0, &n);
    digest_free(d);
    assert_int_equal(n.event, NOTICE_RESOLVE);
    assert_int_equal(n.severity, SEVERITY_INFO);
    assert_string_equal(n.dedup_key, "carillon-digest-9");
    return n;
}

static void end_of_a_digest_has_its_key_and_says_how_much_is_over(void **state)
{
    struct digest *d = digest_new("https://cron.example");
    (void)state;
    add(d, 5, 3, ALERT_RECOVERED);
    add(d, 6, 4, ALERT_RECOVERED);
    struct notice n = write_end(d, 1204);
    assert_string_equal(n.title, "All is over that a message about 1204 alerts told of");
    assert_string_equal(n.text, "2 incidents are over.\n");
    assert_string_equal(n.link, "https://cron.example/deliveries/9");
    assert_int_equal(n.count, 2);
    notice_clear(&n);
}

static void end_without_a_recovery_is_told_as_well(void **state)
{
    (void)state;
    struct notice n = write_end(digest_new(""), 1);
    char *json = notice_pack(&n);
    struct notice read;
    struct fault f = {0};
    assert_int_equal(notice_unpack(json, &read, &f), ERR_OK);
    assert_int_equal(read.count, 0);
    assert_string_equal(read.title, "The incident ended with its job, or with the job's rule");
    free(json);
    notice_clear(&read);
    notice_clear(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_alert_is_told_in_a_headline_and_a_sentence_under_its_incident),
        cmocka_unit_test(target_that_is_back_has_the_key_of_its_outage),
        cmocka_unit_test(incident_that_goes_on_is_a_reminder),
        cmocka_unit_test(end_of_an_incident_has_the_key_of_its_beginning),
        cmocka_unit_test(incident_that_goes_on_matters_more_than_one_that_is_over),
        cmocka_unit_test(incident_that_began_and_ended_is_one_line),
        cmocka_unit_test(herd_is_counted_and_its_worst_few_are_shown),
        cmocka_unit_test(acknowledgement_has_the_key_that_was_opened),
        cmocka_unit_test(end_of_a_digest_has_its_key_and_says_how_much_is_over),
        cmocka_unit_test(end_without_a_recovery_is_told_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
