// SPDX-License-Identifier: MIT
// test_server_request.c: what a handler sees of a request, and what a client sees of its answer.

#include "echo_server.h"
#include "raw_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET "GET /x HTTP/1.1\r\nHost: h\r\n"

// --- What the handler sees -----------------------------------------------------------------------

static void targets_are_cut_and_decoded_once(void **state)
{
    static const struct {
        const char *target;
        const char *seen; // NULL: 400.
    } targets[] = {
        {"/", "[] {}"},
        {"/jobs", "[jobs|] {}"},
        {"/jobs/", "[jobs||] {}"},
        {"//jobs", "[|jobs|] {}"},
        {"/jobs/7/executions", "[jobs|7|executions|] {}"},
        {"/a%2Fb/c", "[a/b|c|] {}"},
        {"/%2e%2E/x", "[..|x|] {}"},
        {"/%252e", "[%2e|] {}"},
        {"/a+b", "[a+b|] {}"},
        {"/%C3%A9", "[\xc3\xa9|] {}"},
        {"/x?a=1&b=2", "[x|] {a=1|b=2|}"},
        {"/x?a=1&a=2", "[x|] {a=1|a=2|}"},
        {"/x?a&b=&=c", "[x|] {a=|b=|=c|}"},
        {"/x?&&a=b=c", "[x|] {a=b=c|}"},
        {"/x?q=a+b%2Bc%26d", "[x|] {q=a b+c&d|}"},
        {"/x?", "[x|] {}"},
        {"/x?a=/y?z", "[x|] {a=/y?z|}"},
        {"http://h", "[] {}"},
        {"http://h/a/b?c=d", "[a|b|] {c=d|}"},
        {"http://h?c=d", "[] {c=d|}"},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%4/x", NULL},
        {"/%g0", NULL},
        {"/%00", NULL},
        {"/%0a", NULL},
        {"/%7f", NULL},
        {"/%ff", NULL},
        {"/%C0%AF", NULL},
        {"/%ED%A0%80", NULL},
        {"/%F4%90%80%80", NULL},
        {"/x?a=%", NULL},
        {"/x?%zz=1", NULL},
        {"/x?a=%00", NULL},
    };
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(*state));
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", targets[i].target);
        raw_say(&client, text);
        assert_true(raw_receive(&client, &a));
        if (!targets[i].seen) {
            if (a.status != 400)
                fail_msg("%s: %u, expected 400", targets[i].target, a.status);
            continue;
        }
        snprintf(text, sizeof text, "GET %s %s #0 ", targets[i].target, targets[i].seen);
        expect_text(&a, 200, text);
    }
    raw_close(&client);
}

// As many parameters as a query may have, then one more, and as many as the target has room for.
static void a_query_has_at_most_a_hundred_parameters(void **state)
{
    static const struct {
        unsigned parameters, status;
    } queries[] = {{SERVER_PARAMETERS_MAX, 200}, {SERVER_PARAMETERS_MAX + 1, 400}, {4000, 400}};
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(*state));
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        char text[SERVER_URI_BYTES_MAX + 64];
        char *end = text + sprintf(text, "GET /x?a");
        for (unsigned k = 1; k < queries[i].parameters; k++)
            end += sprintf(end, "&a");
        sprintf(end, " HTTP/1.1\r\nHost: h\r\n\r\n");
        raw_say(&client, text);
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, queries[i].status);
    }
    raw_close(&client);
}

static void show_headers(void *context, struct exchange *x)
{
    (void)context;
    char out[512];
    const char *first;
    size_t times = exchange_parameter(x, "p", &first);
    const char *accept = exchange_header(x, "accept");
    const char *none = exchange_header(x, "X-None");
    snprintf(out, sizeof out, "%s;%s;%zu;%s;%s;%s", accept ? accept : "-", none ? none : "-", times,
             first ? first : "-", exchange_peer(x), exchange_request_id(x));
    exchange_add_header(x, "Location", "/jobs/7");
    exchange_add_header(x, "ETag", "\"3\"");
    exchange_answer(x, 201, "application/json", strdup(out), strlen(out));
}

static void headers_and_parameters_are_found(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){0}, show_headers, NULL);
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(s));
    raw_say(&client, "GET /?p=1&q=&p=2 HTTP/1.1\r\nHost: h\r\nAccept:  a/b \r\n"
                     "ACCEPT: c/d\r\nX-Request-Id: Abc-1._\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 201, "a/b, c/d;-;2;1;127.0.0.1;Abc-1._");
    expect_header(&a, "X-Request-Id", "Abc-1._");
    expect_header(&a, "Content-Type", "application/json");
    expect_header(&a, "Location", "/jobs/7");
    expect_header(&a, "ETag", "\"3\"");
    raw_close(&client);
    server_close(s);
}

static void unsafe_request_ids_are_replaced(void **state)
{
    char sixty_five[66];
    memset(sixty_five, 'i', 65);
    sixty_five[65] = '\0';
    const char *const ids[] = {"", "a b", "a/b", "\"", "\xc3\xa9", sixty_five};
    struct raw_client client;
    struct raw_answer a;
    char previous[80] = "";
    raw_open(&client, server_port(*state));
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char text[256];
        char id[80];
        snprintf(text, sizeof text, GET "X-Request-Id: %s\r\n\r\n", ids[i]);
        raw_say(&client, text);
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 200);
        assert_true(raw_header(&a, "X-Request-Id", id, sizeof id));
        assert_int_equal(strlen(id), 17);
        assert_string_not_equal(id, previous);
        strcpy(previous, id);
    }
    raw_close(&client);
}

static void head_is_get_without_the_body(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char date[80];
    raw_open(&client, server_port(*state));
    raw_say(&client, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(raw_receive_head_only(&client, &a));
    assert_int_equal(a.status, 200);
    expect_header(&a, "Content-Length", "18"); // "GET /x [x|] {} #0 "
    assert_true(raw_header(&a, "Date", date, sizeof date));
    raw_say(&client, GET "\r\n");
    assert_true(raw_receive(&client, &a)); // No stray bytes in between.
    expect_text(&a, 200, "GET /x [x|] {} #0 ");
    raw_close(&client);
}

static void no_content(void *context, struct exchange *x)
{
    (void)context;
    exchange_answer(x, 204, NULL, NULL, 0);
}

static void an_answer_may_have_no_body(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){0}, no_content, NULL);
    struct raw_client client;
    struct raw_answer a;
    char type[80];
    raw_open(&client, server_port(s));
    for (int i = 0; i < 2; i++) {
        raw_say(&client, "DELETE /jobs/7 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 204);
        assert_false(raw_header(&a, "Content-Type", type, sizeof type));
    }
    raw_close(&client);
    server_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_cut_and_decoded_once),
        cmocka_unit_test(a_query_has_at_most_a_hundred_parameters),
        cmocka_unit_test(headers_and_parameters_are_found),
        cmocka_unit_test(unsafe_request_ids_are_replaced),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(an_answer_may_have_no_body),
    };
    int failed = cmocka_run_group_tests(tests, open_echo, close_echo);
    speak_tls();
    failed += cmocka_run_group_tests_name("over TLS", tests, open_echo, close_echo);
    speak_plain();
    return failed;
}
