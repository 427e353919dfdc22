// SPDX-License-Identifier: MIT
// test_notice.c: a notice comes back from its JSON as it was, and nothing else does.

#include "alert/notice.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define TEXT(text)                                                                                 \
    (char[])                                                                                       \
    {                                                                                              \
        text                                                                                       \
    }                    // A notice owns its texts.
#define AT 1893456000000 // 2030-01-01T00:00:00Z

static struct notice_item items[2] = {
    {.alert = 5,
     .kind = ALERT_FAILURE,
     .job = 7,
     .job_name = TEXT("backup"),
     .sentence = TEXT("execution 7-1893456000000 of job 7 failed"),
     .execution = TEXT("7-1893456000000"),
     .at = AT,
     .incident = 3,
     .link = TEXT("https://carillon.test/executions/7-1893456000000")},
    {.alert = 6, .kind = ALERT_CLOCK, .sentence = TEXT("clock stepped"), .at = AT + 1},
};

static const struct notice example = {
    .delivery = 12,
    .at = AT,
    .event = NOTICE_TRIGGER,
    .severity = SEVERITY_CRITICAL,
    .title = TEXT("10,000 alerts"),
    .text = TEXT("Two kinds of them.\n\"quoted\""),
    .dedup_key = TEXT("carillon-digest-12"),
    .link = TEXT("https://carillon.test/alerts"),
    .count = 10000,
    .counts = {{ALERT_FAILURE, 9999}, {ALERT_CLOCK, 1}},
    .count_count = 2,
    .items = items,
    .item_count = 2,
};

static const char example_json[] =
    "{\"version\":1,\"delivery_id\":12,\"at\":\"2030-01-01T00:00:00.000Z\",\"event\":\"opened\","
    "\"severity\":\"critical\",\"title\":\"10,000 alerts\","
    "\"text\":\"Two kinds of them.\\n\\\"quoted\\\"\",\"dedup_key\":\"carillon-digest-12\","
    "\"link\":\"https://carillon.test/alerts\",\"count\":10000,"
    "\"counts\":{\"failure\":9999,\"clock\":1},\"alerts\":["
    "{\"id\":5,\"kind\":\"failure\",\"job_id\":7,\"incident_id\":3,"
    "\"at\":\"2030-01-01T00:00:00.000Z\",\"job_name\":\"backup\","
    "\"message\":\"execution 7-1893456000000 of job 7 failed\","
    "\"execution_id\":\"7-1893456000000\","
    "\"link\":\"https://carillon.test/executions/7-1893456000000\"},"
    "{\"id\":6,\"kind\":\"clock\",\"job_id\":null,\"incident_id\":null,"
    "\"at\":\"2030-01-01T00:00:00.001Z\",\"job_name\":null,\"message\":\"clock stepped\","
    "\"execution_id\":null,\"link\":null}]}";

static void the_json_of_a_notice_is_as_documented(void **state)
{
    (void)state;
    char *json = notice_pack(&example);
    assert_string_equal(json, example_json);
    free(json);
}

static void a_notice_comes_back_from_its_json(void **state)
{
    (void)state;
    struct notice n;
    struct fault f = {0};
    assert_int_equal(notice_unpack(example_json, &n, &f), ERR_OK);
    assert_int_equal(n.delivery, 12);
    assert_int_equal(n.counts[0].count, 9999);
    assert_int_equal(n.items[0].job, 7);
    assert_string_equal(n.items[0].execution, "7-1893456000000");
    assert_null(n.items[1].job_name);
    assert_int_equal(n.items[1].at, AT + 1);
    char *again = notice_pack(&n);
    assert_string_equal(again, example_json);
    free(again);
    notice_clear(&n);
    assert_null(n.title);
}

// Whatever is in the texts, what was packed can be read.
static void any_texts_can_be_packed_and_read(void **state)
{
    (void)state;
    static char long_text[3 * NOTICE_TEXT_BYTES_MAX];
    memset(long_text, '\xc3', sizeof long_text - 1);
    struct notice_item item = {.sentence = NULL, .job_name = long_text, .at = -1};
    struct notice n = {
        .title = TEXT("a\nb\x01"), .text = long_text, .items = &item, .item_count = 1};
    char *json = notice_pack(&n);
    struct notice back;
    assert_int_equal(notice_unpack(json, &back, NULL), ERR_OK);
    assert_string_equal(back.title, "a b ");
    assert_true(strlen(back.text) <= NOTICE_TEXT_BYTES_MAX);
    assert_true(strlen(back.items[0].job_name) <= NOTICE_NAME_BYTES_MAX);
    assert_string_equal(back.items[0].sentence, "");
    assert_int_equal(back.items[0].at, 0);
    char key[NOTICE_KEY_BYTES_MAX + 1];
    notice_key(&back, key);
    assert_string_equal(key, "carillon-delivery-0");
    notice_clear(&back);
    free(json);
}

#define HEAD                                                                                       \
    "\"version\":1,\"at\":\"2030-01-01T00:00:00Z\",\"event\":\"info\",\"severity\":\"info\","
#define TAIL ",\"counts\":{},\"alerts\":[]}"

static const struct {
    const char *json;
    enum err err;
    const char *reason;
} refused[] = {
    {"", ERR_SYNTAX, "no JSON object"},
    {"[]", ERR_SYNTAX, "no JSON object"},
    {"{}", ERR_SYNTAX, "version"},
    {"{\"version\":2}", ERR_UNSUPPORTED, "newer"},
    {"{\"version\":\"1\"}", ERR_SYNTAX, "version"},
    {"{" HEAD "\"title\":null" TAIL, ERR_SYNTAX, "title"},
    {"{" HEAD "\"title\":5" TAIL, ERR_SYNTAX, "title"},
    {"{" HEAD "\"title\":\"a\\u0000b\"" TAIL, ERR_SYNTAX, "no JSON object"},
    {"{" HEAD "\"title\":\"a\",\"title\":\"b\"" TAIL, ERR_SYNTAX, "no JSON object"},
    {"{" HEAD "\"title\":\"a\",\"link\":[]" TAIL, ERR_SYNTAX, "link"},
    {"{" HEAD "\"title\":\"a\",\"count\":-1" TAIL, ERR_SYNTAX, "count"},
    {"{" HEAD "\"title\":\"a\",\"delivery_id\":1.5" TAIL, ERR_SYNTAX, "delivery_id"},
    {"{" HEAD "\"title\":\"a\"}", ERR_SYNTAX, "counts"},
    {"{" HEAD "\"title\":\"a\",\"counts\":{\"failure\":\"1\"},\"alerts\":[]}", ERR_SYNTAX,
     "counts"},
    {"{" HEAD "\"title\":\"a\",\"counts\":{},\"alerts\":{}}", ERR_SYNTAX, "alerts"},
    {"{" HEAD "\"title\":\"a\",\"counts\":{},\"alerts\":[1]}", ERR_SYNTAX, "kind"},
    {"{" HEAD "\"title\":\"a\",\"counts\":{},\"alerts\":[1,1,1,1,1,1,1,1,1,1,1]}", ERR_SYNTAX,
     "alerts"},
    {"{" HEAD "\"title\":\"a\",\"counts\":{},\"alerts\":[{\"kind\":\"failure\"}]}", ERR_SYNTAX,
     "at"},
    {"{" HEAD "\"title\":\"a\",\"counts\":{},\"alerts\":[{\"kind\":\"clock\",\"message\":\"x\","
     "\"at\":\"2030-01-01T00:00:00Z\"},{\"kind\":\"failure\"}]}",
     ERR_SYNTAX, "at"},
};

static void what_is_no_notice_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct notice n = {.delivery = 77};
        struct fault f = {0};
        assert_int_equal(notice_unpack(refused[i].json, &n, &f), refused[i].err);
        assert_non_null(strstr(f.text, refused[i].reason));
        assert_int_equal(n.delivery, 77); // Outputs change only on success.
    }
}

// A node of a newer version may have written the row.
static void kinds_that_are_not_known_are_left_out(void **state)
{
    (void)state;
    struct notice n;
    assert_int_equal(notice_unpack("{" HEAD "\"title\":\"a\",\"counts\":{\"meteor\":3,\"clock\":1},"
                                   "\"alerts\":[{\"kind\":\"meteor\"}]}",
                                   &n, NULL),
                     ERR_OK);
    assert_int_equal(n.count_count, 1);
    assert_int_equal(n.counts[0].kind, ALERT_CLOCK);
    assert_int_equal(n.item_count, 0);
    notice_clear(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_of_a_notice_is_as_documented),
        cmocka_unit_test(a_notice_comes_back_from_its_json),
        cmocka_unit_test(any_texts_can_be_packed_and_read),
        cmocka_unit_test(what_is_no_notice_is_refused),
        cmocka_unit_test(kinds_that_are_not_known_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
