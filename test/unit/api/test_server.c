// SPDX-License-Identifier: MIT
// test_server.c: which requests the server answers, which it refuses, and what is left of the
// connection.

#include "echo_server.h"
#include "raw_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1
#define GET "GET /x HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

// --- Framing -------------------------------------------------------------------------------------

#define KEPT 0

static const struct wire_case {
    const char *name;
    const char *bytes;
    size_t n;
    unsigned status[4]; // In order; KEPT after the last means that the connection stays open.
    bool closed;
} wire_cases[] = {
    {"plain", BYTES(GET "\r\n"), {200, KEPT}, false},
    {"pipelined",
     BYTES(GET "\r\n" POST "Content-Length: 3\r\n\r\nabc" GET "\r\n"),
     {200, 200, 200},
     false},
    {"chunks, then another", BYTES(CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET "\r\n"), {200, 200}, false},
    {"trailer", BYTES(CHUNKED "3\r\nabc\r\n0\r\nX: 1\r\n\r\n" GET "\r\n"), {200, 200}, false},
    {"an empty line before", BYTES("\r\n" GET "\r\n\r\n" GET "\r\n"), {200, 200}, false},
    {"absolute target", BYTES("GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n"), {200}, false},
    {"OPTIONS *", BYTES("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), {200}, false},
    {"HTTP/1.0", BYTES("GET /x HTTP/1.0\r\n\r\n"), {200}, true},
    {"wants to close", BYTES(GET "Connection: close\r\n\r\n"), {200}, true},
    {"unknown method", BYTES("FROB /x HTTP/1.1\r\nHost: h\r\n\r\n"), {200}, false},
    {"bad percent sign", BYTES("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"), {400}, false},

    {"two lengths", BYTES(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), {400}, true},
    {"equal lengths", BYTES(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), {400}, true},
    {"length and chunked",
     BYTES(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
     {400},
     true},
    {"gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), {400}, true},
    {"chunked before a space",
     BYTES(POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n" GET "\r\n"),
     {400},
     true},
    {"chunked before a tab",
     BYTES(POST "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n" GET "\r\n"),
     {400},
     true},
    {"length before a space", BYTES(POST "Content-Length: 3 \r\n\r\nabc" GET "\r\n"), {400}, true},
    {"a cookie of many parts",
     BYTES(GET "Cookie: a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b\r\n\r\n"),
     {200, KEPT},
     false},
    {"plus sign", BYTES(POST "Content-Length: +5\r\n\r\n"), {400}, true},
    {"list of lengths", BYTES(POST "Content-Length: 5, 5\r\n\r\n"), {400}, true},
    {"hexadecimal length", BYTES(POST "Content-Length: 0x5\r\n\r\n"), {400}, true},
    {"overflowing length", BYTES(POST "Content-Length: 18446744073709551619\r\n\r\n"), {400}, true},
    {"no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), {400}, true},
    {"two Hosts", BYTES(GET "Host: h\r\n\r\n"), {400}, true},
    {"space before the colon", BYTES(GET "X : a\r\n\r\n"), {400}, true},
    {"obs-fold", BYTES(GET "X: a\r\n b\r\n\r\n"), {400}, true},
    {"bare CR", BYTES("GET / HTTP/1.1\rHost: h\r\r"), {400}, true},
    {"bare LF", BYTES("GET / HTTP/1.1\nHost: h\n\n"), {400}, true},
    {"bare LF at the end", BYTES(GET "\n"), {400}, true},
    {"NUL", BYTES(GET "X: a\0b\r\n\r\n"), {400}, true},
    {"control byte", BYTES(GET "X: a\x01\r\n\r\n"), {400}, true},
    {"HTTP/1.2", BYTES("GET / HTTP/1.2\r\nHost: h\r\n\r\n"), {400}, true},
    {"HTTP/2 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), {400}, true},
    {"HTTP/0.9", BYTES("GET /\r\n"), {400}, true},
    {"lower case method", BYTES("get / HTTP/1.1\r\nHost: h\r\n\r\n"), {400}, true},
    {"no method", BYTES("/ HTTP/1.1\r\nHost: h\r\n\r\n"), {400}, true},
    {"absolute target, other host",
     BYTES("GET http://g/ HTTP/1.1\r\nHost: h\r\n\r\n"),
     {400},
     true},
    {"CONNECT", BYTES("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"), {400}, true},
    {"TLS hello", BYTES("\x16\x03\x01\x02\x00\x01"), {400}, true},
    {"bare LF in a chunk", BYTES(CHUNKED "3\nabc\r\n0\r\n\r\n"), {400}, true},
    {"chunk longer than it says", BYTES(CHUNKED "2\r\nabc\r\n0\r\n\r\n"), {400}, true},
    {"chunk extension", BYTES(CHUNKED "3;a=b\r\nabc\r\n0\r\n\r\n"), {400}, true},
    {"overflowing chunk", BYTES(CHUNKED "FFFFFFFFFFFFFFFE\r\nabc"), {400}, true},
    {"chunk above the limit", BYTES(CHUNKED "100001\r\nabc"), {413}, true},
    {"announced above the limit", BYTES(POST "Content-Length: 1048577\r\n\r\nabc"), {413}, true},

    {"quoted chunked", BYTES(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), {400}, true},
    {"chunked twice",
     BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     {400},
     true},
    {"chunked on the next line", BYTES(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), {400}, true},
    {"chunked behind a control byte",
     BYTES(POST "Transfer-Encoding: \x0b"
                "chunked\r\n\r\n"),
     {400},
     true},
    {"chunked behind a blank and a colon",
     BYTES(POST "Transfer-Encoding : chunked\r\n\r\n"),
     {400},
     true},
    {"chunked in HTTP/1.0",
     BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     {400},
     true},
    {"identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), {400}, true},
    {"minus sign", BYTES(POST "Content-Length: -5\r\n\r\n"), {400}, true},
    {"empty length", BYTES(POST "Content-Length:\r\n\r\n"), {400}, true},
    {"Host with a path", BYTES("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"), {400}, true},
    {"two CRs", BYTES(GET "\r\r\n"), {400}, true},
    {"no colon", BYTES(GET "Nothing\r\n\r\n"), {400}, true},
    {"absolute target with user",
     BYTES("GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
     {400},
     true},
    {"absolute https", BYTES("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n"), {400}, true},
    {"TRACE", BYTES("TRACE /x HTTP/1.1\r\nHost: h\r\n\r\n"), {200, KEPT}, false},
    {"two empty lines before", BYTES("\r\n\r\n" GET "\r\n"), {400}, true},
    {"two blanks", BYTES("GET  /x HTTP/1.1\r\nHost: h\r\n\r\n"), {400}, true},
    {"a method of 32 bytes",
     BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF /x HTTP/1.1\r\nHost: h\r\n\r\n"),
     {200, KEPT},
     false},
    {"a method of 33 bytes",
     BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG /x HTTP/1.1\r\nHost: h\r\n\r\n"),
     {400},
     true},
    {"chunk size of 9 digits", BYTES(CHUNKED "000000003\r\nabc\r\n0\r\n\r\n"), {400}, true},
    {"chunk of 4 GiB", BYTES(CHUNKED "FFFFFFFF\r\nabc"), {413}, true},
    {"chunk size with a prefix", BYTES(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), {400}, true},
    {"chunk size with a sign", BYTES(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"), {400}, true},
    {"chunk size before a blank", BYTES(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), {400}, true},
    {"trailer that frames", BYTES(CHUNKED "0\r\nContent-Length: 3\r\n\r\n"), {400}, true},
    {"upgrade to HTTP/2",
     BYTES(GET
           "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n"),
     {200, KEPT},
     false},
    {"GET with a body", BYTES(GET "Content-Length: 3\r\n\r\nabc" GET "\r\n"), {200, 200}, false},
    {"DELETE with a body",
     BYTES("DELETE /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" GET "\r\n"),
     {200, 200},
     false},
    {"OPTIONS with chunks",
     BYTES("OPTIONS /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
           "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" GET "\r\n"),
     {200, 200},
     false},

    {"bad after good", BYTES(GET "\r\n" GET "Host: h\r\n\r\n"), {200, 400}, true},
    {"bad after two good", BYTES(GET "\r\n" GET "\r\nGET\r\n"), {200, 200, 400}, true},
    {"good after bad", BYTES("GET / HTTP/1.1\r\n\r\n" GET "\r\n"), {400}, true},
    {"smuggled in a body",
     BYTES(POST "Content-Length: 1\r\n\r\nxGET / HTTP/1.1\r\n\r\n"),
     {200, 400},
     true},
};

static void check_wire_case(const struct wire_case *c, struct server *s, size_t piece)
{
    struct raw_client client;
    struct raw_answer a;
    char connection[32] = "";
    raw_open(&client, server_port(s));
    for (size_t at = 0; at < c->n; at += piece)
        raw_send(&client, c->bytes + at, c->n - at < piece ? c->n - at : piece);

    for (size_t i = 0; i < 4 && c->status[i] != KEPT; i++) {
        if (!raw_receive(&client, &a))
            fail_msg("%s: no answer %zu", c->name, i + 1);
        if (a.status != c->status[i])
            fail_msg("%s: answer %zu is %u, expected %u: %s", c->name, i + 1, a.status,
                     c->status[i], a.body);
    }
    bool announced = raw_header(&a, "Connection", connection, sizeof connection) &&
                     strcasecmp(connection, "close") == 0;
    if (announced != c->closed)
        fail_msg("%s: Connection is \"%s\"", c->name, connection);
    if (c->closed) {
        assert_true(raw_ended(&client));
    } else {
        raw_say(&client, GET "\r\n");
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 200);
    }
    raw_close(&client);
}

static void every_case_is_answered_and_kept_or_closed(void **state)
{
    for (size_t i = 0; i < sizeof wire_cases / sizeof *wire_cases; i++)
        check_wire_case(&wire_cases[i], *state, wire_cases[i].n);
}

// How the network cuts the bytes must not decide: a request may come in pieces of any size.
static void every_case_is_the_same_byte_by_byte(void **state)
{
    for (size_t i = 0; i < sizeof wire_cases / sizeof *wire_cases; i++)
        check_wire_case(&wire_cases[i], *state, 1);
}

static void a_refusal_is_a_whole_answer(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char id[80];
    char date[80];
    raw_open(&client, server_port(*state));
    raw_say(&client, "GET / HTTP/1.1\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    expect_header(&a, "Content-Type", "application/problem+json");
    expect_header(&a, "Connection", "close");
    expect_header(&a, "X-Every", "answer");
    assert_true(raw_header(&a, "Date", date, sizeof date));
    assert_int_equal(strlen(date), strlen("Tue, 24 Nov 2026 05:27:00 GMT"));
    assert_true(raw_header(&a, "X-Request-Id", id, sizeof id));
    char body[256];
    snprintf(body, sizeof body,
             "{\"status\":400,\"detail\":\"Host is missing\",\"instance\":\"%s\"}", id);
    expect_text(&a, 400, body);
    raw_close(&client);
}

// --- Start ---------------------------------------------------------------------------------------

static void a_start_that_fails_says_why(void **state)
{
    struct server_options o = {.host = "127.0.0.1", .port = server_port(*state)};
    struct fault f = {0};
    struct server *s = NULL;
    char expected[80];
    assert_int_equal(server_open(&o, echo, NULL, &s, &f), ERR_BUSY);
    snprintf(expected, sizeof expected, "127.0.0.1:%u is already in use", (unsigned)o.port);
    assert_string_equal(f.text, expected);

    o = (struct server_options){.host = "example.com"};
    assert_int_equal(server_open(&o, echo, NULL, &s, &f), ERR_SYNTAX);
    assert_string_equal(f.text, "\"example.com\" is not an IP address");

    o.host = "192.0.2.1"; // Reserved for documentation: no machine has it.
    assert_int_equal(server_open(&o, echo, NULL, &s, &f), ERR_SYSTEM);
    assert_string_equal(f.text, "cannot listen on 192.0.2.1:0: this machine has no such address");
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_answered_and_kept_or_closed),
        cmocka_unit_test(every_case_is_the_same_byte_by_byte),
        cmocka_unit_test(a_refusal_is_a_whole_answer),
        cmocka_unit_test(a_start_that_fails_says_why),
    };
    int failed = cmocka_run_group_tests(tests, open_echo, close_echo);
    speak_tls();
    failed += cmocka_run_group_tests_name("over TLS", tests, open_echo, close_echo);
    speak_plain();
    return failed;
}
