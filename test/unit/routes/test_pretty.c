// SPDX-License-Identifier: MIT
// test_pretty.c: JSON is indented as it is, in whatever pieces it comes.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const texts[][2] = {
    {"{}", "{}\n"},
    {"{\"a\":[],\"b\":{}}", "{\n  \"a\": [],\n  \"b\": {}\n}\n"},
    {"{\"a\":[1,2.50,-1e3],\n\"b\":null}\n",
     "{\n  \"a\": [\n    1,\n    2.50,\n    -1e3\n  ],\n  \"b\": null\n}\n"},
    {"{\"signs\":\"{,:}[ ]\",\"quote\":\"\\\"}\",\"end\":\"\\\\\"}",
     "{\n  \"signs\": \"{,:}[ ]\",\n  \"quote\": \"\\\"}\",\n  \"end\": \"\\\\\"\n}\n"},
    {"[[[true]]]", "[\n  [\n    [\n      true\n    ]\n  ]\n]\n"},
};

static void numbers_and_texts_stay_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct json_indenter in = {0};
        size_t bytes;
        char *text = json_indent(&in, texts[i][0], strlen(texts[i][0]), &bytes);
        assert_string_equal(text, texts[i][1]);
        assert_int_equal(bytes, strlen(text));
        free(text);
    }
}

static void a_text_in_two_pieces_is_indented_as_in_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        size_t length = strcspn(texts[i][0], "\n"), whole = strlen(texts[i][0]);
        for (size_t cut = 1; cut < length; cut++) {
            struct json_indenter in = {0};
            size_t first_bytes, second_bytes;
            char *first = json_indent(&in, texts[i][0], cut, &first_bytes);
            char *second = json_indent(&in, texts[i][0] + cut, whole - cut, &second_bytes);
            char both[512] = "";
            strcat(strcat(both, first), second);
            assert_string_equal(both, texts[i][1]);
            free(first);
            free(second);
        }
    }
}

static struct api_request *request_for(struct exchange *x, bool pretty)
{
    struct api_request *r = xcalloc(1, sizeof *r);
    r->exchange = x;
    r->pretty = pretty;
    return r;
}

static void answers_and_refusals_are_indented_when_asked_for(void **state)
{
    (void)state;
    struct exchange x = {.method = "GET"};
    answer_json(request_for(&x, true), 200, json_pack("{s:i}", "a", 1));
    assert_string_equal(x.answer, "{\n  \"a\": 1\n}\n");
    free(x.answer);
    x = (struct exchange){.method = "GET"};
    answer_json(request_for(&x, false), 200, json_pack("{s:i}", "a", 1));
    assert_string_equal(x.answer, "{\"a\":1}");
    free(x.answer);
    x = (struct exchange){.method = "GET"};
    answer_text(request_for(&x, true), 200, "text/plain", strdup("{\"a\":1}"), 7);
    assert_string_equal(x.answer, "{\"a\":1}");
    free(x.answer);
    x = (struct exchange){.method = "GET"};
    struct problem p = {0};
    refuse(&p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL, "no");
    answer_problem(request_for(&x, true), &p);
    assert_non_null(strstr(x.answer, "\n  \"status\": 404,\n"));
    free(x.answer);
}

static const struct {
    const char *value;
    int pretty; // -1: it is refused.
} values[] = {{"", 1}, {"1", 1}, {"true", 1}, {"0", 0}, {"false", 0}, {"yes", -1}};

static void the_parameter_says_yes_by_its_name_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct exchange x = {.method = "GET", .parameters = {{"pretty", values[i].value}}};
        struct api_request r = {.exchange = &x};
        struct problem p = {0};
        enum err err = query_pretty(&r, &p);
        assert_int_equal(err ? -1 : r.pretty, values[i].pretty);
    }
    struct exchange x = {.method = "GET"};
    struct api_request r = {.exchange = &x};
    struct problem p = {0};
    assert_int_equal(query_pretty(&r, &p), ERR_OK);
    assert_false(r.pretty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_texts_stay_as_they_are),
        cmocka_unit_test(a_text_in_two_pieces_is_indented_as_in_one),
        cmocka_unit_test(answers_and_refusals_are_indented_when_asked_for),
        cmocka_unit_test(the_parameter_says_yes_by_its_name_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
