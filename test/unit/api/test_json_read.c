// SPDX-License-Identifier: MIT
// test_json_read.c: bodies are read strictly, and what is wrong is named with its place.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *name;
    const char *text;
    size_t bytes;
    const char *type; // The problem's type; NULL: the text is read.
} cases[] = {
    {"object", BYTES("{\"a\":[1,2.5,\"x\",null,true]}"), NULL},
    {"white space around", BYTES(" \t\r\n{} \n"), NULL},
    {"scalar", BYTES("7"), NULL},
    {"brackets in a string", BYTES("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""), NULL},
    {"escaped quote before brackets", BYTES("\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""),
     NULL},
    {"largest integer", BYTES("[9223372036854775807,-9223372036854775808]"), NULL},
    {"nothing", BYTES(""), "invalid-json"},
    {"two values", BYTES("{}{}"), "invalid-json"},
    {"trailing byte", BYTES("{} x"), "invalid-json"},
    {"trailing NUL", BYTES("{}\0"), "invalid-json"},
    {"trailing comma", BYTES("{\"a\":1,}"), "invalid-json"},
    {"comment", BYTES("{}//x"), "invalid-json"},
    {"single quotes", BYTES("{'a':1}"), "invalid-json"},
    {"NaN", BYTES("[NaN]"), "invalid-json"},
    {"leading zero", BYTES("[01]"), "invalid-json"},
    {"duplicate key", BYTES("{\"a\":1,\"a\":2}"), "invalid-json"},
    {"duplicate key inside", BYTES("{\"x\":{\"a\":1,\"a\":2}}"), "invalid-json"},
    {"bad UTF-8", BYTES("[\"\xff\"]"), "invalid-json"},
    {"overlong UTF-8", BYTES("[\"\xc0\xaf\"]"), "invalid-json"},
    {"lone surrogate", BYTES("[\"\\ud800\"]"), "invalid-json"},
    {"byte order mark", BYTES("\xef\xbb\xbf{}"), "invalid-json"},
    {"control character", BYTES("[\"a\nb\"]"), "invalid-json"},
    {"number beyond doubles", BYTES("[1e999]"), "invalid-json"},
    {"NUL in a text", BYTES("{\"a\":\"x\\u0000y\"}"), "invalid-field"},
    {"NUL deep in a text", BYTES("{\"a\":[{\"b\":\"\\u0000\"}]}"), "invalid-field"},
    {"too large a number", BYTES("{\"a\":9223372036854775808}"), "invalid-field"},
};

static const char *type_of(const struct problem *p)
{
    json_t *json = problem_json(p, "id");
    static char type[64];
    strcpy(type, json_string_value(json_object_get(json, "type")) + strlen("/problems/"));
    json_decref(json);
    return type;
}

static void only_what_every_parser_reads_alike_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct problem p = {0};
        json_t *value = NULL;
        enum err err = json_read(cases[i].text, cases[i].bytes, &value, &p);
        bool as_expected = cases[i].type ? err && strcmp(type_of(&p), cases[i].type) == 0 : !err;
        if (!as_expected)
            fail_msg("%s: error %d, %s", cases[i].name, err, p.what.detail);
        json_decref(value);
    }
}

// Each object or array takes far more memory than its two bytes.
static void a_body_has_a_bounded_number_of_objects_and_arrays(void **state)
{
    (void)state;
    size_t bytes = 3 * JSON_BRACKETS_MAX + 1;
    char *text = xmalloc(bytes);
    for (size_t i = 0; i < JSON_BRACKETS_MAX; i++)
        memcpy(text + 1 + 3 * i, "{},", 3);
    text[0] = '[';
    text[bytes - 1] = ']';
    struct problem p = {0};
    json_t *value = NULL;
    assert_int_equal(json_read(text, bytes, &value, &p), ERR_SYNTAX);
    assert_string_equal(type_of(&p), "invalid-json");
    assert_int_equal(p.what.position, bytes - 3); // The array itself is one of them.

    memset(text + bytes - 4, ' ', 3); // Without the last pair and the comma before it.
    assert_int_equal(json_read(text, bytes, &value, &p), ERR_OK);
    json_decref(value);
    free(text);
}

static const struct {
    const char *text;
    size_t position;
} places[] = {
    {"{\"a\": }", 6}, {"not json", 0},          {"{} x", 3}, {"[1, 2,, 3]", 6},
    {"{\"a\": 1", 7}, {"{\"a\":1,\"a\":2}", 7}, {"", 0},
};

static void the_place_of_an_error_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct problem p = {0};
        json_t *value;
        assert_int_equal(json_read(places[i].text, strlen(places[i].text), &value, &p), ERR_SYNTAX);
        assert_true(p.what.has_position);
        if (p.what.position != places[i].position)
            fail_msg("'%s': %zu, %s", places[i].text, p.what.position, p.what.detail);
        assert_non_null(strstr(p.what.detail, "at byte"));
    }
}

static void nesting_ends_at_32(void **state)
{
    (void)state;
    char text[2 * (JSON_DEPTH_MAX + 1)];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct problem p = {0};
        json_t *value = NULL;
        enum err err = json_read(text, 2 * depth, &value, &p);
        assert_int_equal(err, depth > JSON_DEPTH_MAX ? ERR_SYNTAX : ERR_OK);
        if (err)
            assert_int_equal(p.what.position, JSON_DEPTH_MAX);
        json_decref(value);
    }
}

static void a_number_that_is_too_large_is_named(void **state)
{
    (void)state;
    struct problem p = {0};
    json_t *value;
    assert_int_not_equal(
        json_read(BYTES("{\"max_retries\":3,\"timeout_ms\":10000000000000000000}"), &value, &p),
        ERR_OK);
    assert_string_equal(p.what.pointer, "/timeout_ms");
}

// --- Members -------------------------------------------------------------------------------------

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void members_are_read_by_their_kind(void **state)
{
    (void)state;
    json_t *o = parse("{\"t\":\"x\",\"n\":5,\"w\":\"2030-01-01T00:00:00Z\",\"z\":null}");
    struct problem p = {0};
    const char *text = NULL;
    int64_t number = -1;
    wall_ms at = 0;
    assert_int_equal(member_text(o, "t", &text, &p), ERR_OK);
    assert_string_equal(text, "x");
    assert_int_equal(member_integer(o, "n", 1, 5, &number, &p), ERR_OK);
    assert_int_equal(number, 5);
    assert_int_equal(member_time(o, "w", &at, &p), ERR_OK);
    assert_int_equal(at, 1893456000000);
    assert_int_equal(member_integer(o, "n", 1, 4, &number, &p), ERR_RANGE);
    assert_int_equal(member_time(o, "t", &at, &p), ERR_SYNTAX);
    assert_int_equal(member_text(o, "n", &text, &p), ERR_SYNTAX);
    assert_string_equal(p.what.pointer, "/n");
    json_decref(o);
}

static void absent_and_null_change_nothing(void **state)
{
    (void)state;
    json_t *o = parse("{\"z\":null}");
    struct problem p = {0};
    static const char *const names[] = {"z", "absent"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text = "kept";
        int64_t number = 9;
        wall_ms at = 8;
        assert_int_equal(member_text(o, names[i], &text, &p), ERR_OK);
        assert_int_equal(member_integer(o, names[i], 1, 2, &number, &p), ERR_OK);
        assert_int_equal(member_time(o, names[i], &at, &p), ERR_OK);
        assert_string_equal(text, "kept");
        assert_int_equal(number, 9);
        assert_int_equal(at, 8);
    }
    json_decref(o);
}

static void a_payload_is_a_text_or_the_json_of_a_value(void **state)
{
    (void)state;
    static const char *const payloads[][2] = {
        {"\"as it is\"", "as it is"},
        {"{\"a\": [1, 2]}", "{\"a\":[1,2]}"},
        {"7", "7"},
        {"false", "false"},
        {"null", NULL},
        {"\"\"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        json_t *value = parse(payloads[i][0]);
        bool is_json;
        char *payload = member_payload(value, &is_json);
        assert_int_equal(is_json,
                         json_is_object(value) || json_is_integer(value) || json_is_false(value));
        if (payloads[i][1])
            assert_string_equal(payload, payloads[i][1]);
        else
            assert_null(payload);
        free(payload);
        json_decref(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_every_parser_reads_alike_is_read),
        cmocka_unit_test(a_body_has_a_bounded_number_of_objects_and_arrays),
        cmocka_unit_test(the_place_of_an_error_is_told),
        cmocka_unit_test(nesting_ends_at_32),
        cmocka_unit_test(a_number_that_is_too_large_is_named),
        cmocka_unit_test(members_are_read_by_their_kind),
        cmocka_unit_test(absent_and_null_change_nothing),
        cmocka_unit_test(a_payload_is_a_text_or_the_json_of_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
