// SPDX-License-Identifier: MIT
// test_server.c: what the server does with bytes on the wire: which requests it answers, which it
// refuses, what is left of the connection, and what a handler sees.

#include "api/server_priv.h"
#include "raw_client.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1
#define GET "GET /x HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

// --- A server whose handler tells what it has seen -----------------------------------------------

static char *text_of(const char *text, size_t *bytes)
{
    *bytes = strlen(text);
    return strdup(text);
}

// "GET /x [segment|segment] {name=value|} #body-length first-bytes-of-body"
static void echo(void *context, struct exchange *x)
{
    (void)context;
    static const size_t capacity = 40 * 1024;
    char *out = malloc(capacity);
    size_t bytes;
    const char *body = exchange_body(x, &bytes);
    assert_int_equal(body[bytes], '\0');
    int n = snprintf(out, capacity, "%s %s [", exchange_method(x), exchange_target(x));
    for (size_t i = 0; i < exchange_segments(x); i++)
        n += snprintf(out + n, capacity - (size_t)n, "%s|", exchange_segment(x, i));
    n += snprintf(out + n, capacity - (size_t)n, "] {");
    for (size_t i = 0; i < exchange_parameters(x); i++)
        n += snprintf(out + n, capacity - (size_t)n, "%s=%s|", exchange_parameter_name(x, i),
                      exchange_parameter_value(x, i));
    n += snprintf(out + n, capacity - (size_t)n, "} #%zu %.20s", bytes, body);
    exchange_answer(x, 200, "text/plain", out, (size_t)n);
}

static char *coded_error(void *context, const struct refusal *r, size_t *bytes)
{
    (void)context;
    char text[256];
    snprintf(text, sizeof text, "{\"status\":%u,\"detail\":\"%s\",\"instance\":\"%s\"}", r->status,
             r->detail, r->request_id);
    return text_of(text, bytes);
}

static struct server *open_server(struct server_options o, server_handler *handler)
{
    struct fault f = {0};
    struct server *s = NULL;
    o.host = "127.0.0.1";
    o.error_body = coded_error;
    if (server_open(&o, handler, NULL, &s, &f) != ERR_OK)
        fail_msg("%s", f.text);
    return s;
}

static int open_echo(void **state)
{
    *state = open_server((struct server_options){0}, echo);
    return 0;
}

static int close_echo(void **state)
{
    server_close(*state);
    return 0;
}

static void expect_text(const struct raw_answer *a, unsigned status, const char *body)
{
    if (a->status != status)
        fail_msg("status %u, expected %u: %s", a->status, status, a->body);
    assert_string_equal(a->body, body);
}

static void expect_header(const struct raw_answer *a, const char *name, const char *value)
{
    char found[256];
    assert_true(raw_header(a, name, found, sizeof found));
    assert_string_equal(found, value);
}

// --- The guard in front of the library -----------------------------------------------------------

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

// Byte by byte, the library has had half a head already when the guard refuses the rest.
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
    assert_true(raw_header(&a, "Date", date, sizeof date));
    assert_int_equal(strlen(date), strlen("Tue, 24 Nov 2026 05:27:00 GMT"));
    assert_true(raw_header(&a, "X-Request-Id", id, sizeof id));
    char body[256];
    snprintf(body, sizeof body,
             "{\"status\":400,\"detail\":\"Host is missing\",\"instance\":\"%s\"}", id);
    expect_text(&a, 400, body);
    raw_close(&client);
}

// --- Limits --------------------------------------------------------------------------------------

// A request whose target, head and number of headers have exactly these sizes; 0: as it comes.
static size_t sized_request(char *out, size_t target, size_t head, unsigned headers)
{
    target = target ? target : 2;
    char *end = out + sprintf(out, "GET /");
    memset(end, 'a', target - 1);
    end += target - 1;
    end += sprintf(end, " HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 1; i + 1 < headers; i++)
        end += sprintf(end, "X-%u: 1\r\n", i);
    end += sprintf(end, "X: ");
    if (head > 0) {
        size_t padding = head - (size_t)(end - out) - 4;
        memset(end, 'x', padding);
        end += padding;
    }
    end += sprintf(end, "\r\n\r\n");
    return (size_t)(end - out);
}

static void heads_are_answered_up_to_the_limits(void **state)
{
    static const struct {
        const char *name;
        size_t target, head;
        unsigned headers, status;
    } sizes[] = {
        {"target at the limit", SERVER_URI_BYTES_MAX, 0, 0, 200},
        {"target above the limit", SERVER_URI_BYTES_MAX + 1, 0, 0, 414},
        {"target far above", SERVER_URI_BYTES_MAX + 4000, 0, 0, 414},
        {"head at the limit", 0, SERVER_HEAD_BYTES_MAX, 0, 200},
        {"head above the limit", 0, SERVER_HEAD_BYTES_MAX + 1, 0, 431},
        {"head far above", 0, 3 * SERVER_HEAD_BYTES_MAX, 0, 431},
        {"headers at the limit", 0, 0, SERVER_HEADERS_MAX, 200},
        {"headers above the limit", 0, 0, SERVER_HEADERS_MAX + 1, 431},
        {"everything at the limit", SERVER_URI_BYTES_MAX, SERVER_HEAD_BYTES_MAX, SERVER_HEADERS_MAX,
         200},
    };
    static char request[64 * 1024];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct raw_client client;
        struct raw_answer a;
        size_t n = sized_request(request, sizes[i].target, sizes[i].head, sizes[i].headers);
        raw_open(&client, server_port(*state));
        raw_send(&client, request, n);
        assert_true(raw_receive(&client, &a));
        if (a.status != sizes[i].status)
            fail_msg("%s: %u, expected %u", sizes[i].name, a.status, sizes[i].status);
        raw_close(&client);
    }
}

static char *big_body(size_t bytes)
{
    char *body = malloc(bytes);
    memset(body, 'b', bytes);
    return body;
}

static void bodies_are_taken_up_to_the_limit(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char head[256];
    char *body = big_body(SERVER_BODY_BYTES_MAX);
    raw_open(&client, server_port(*state));
    snprintf(head, sizeof head, POST "Content-Length: %d\r\n\r\n", SERVER_BODY_BYTES_MAX);
    raw_say(&client, head);
    raw_send(&client, body, SERVER_BODY_BYTES_MAX);
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 200, "POST /x [x|] {} #1048576 bbbbbbbbbbbbbbbbbbbb");

    raw_say(&client, CHUNKED "100000\r\n");
    raw_send(&client, body, SERVER_BODY_BYTES_MAX);
    raw_say(&client, "\r\n0\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 200, "POST /x [x|] {} #1048576 bbbbbbbbbbbbbbbbbbbb");
    raw_close(&client);
    free(body);
}

// A client that has sent its whole body before it reads must still get the refusal, not a reset.
static void a_body_above_the_limit_is_refused_readably(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    char head[256];
    size_t bytes = SERVER_BODY_BYTES_MAX + 1;
    char *body = big_body(bytes);
    raw_open(&client, server_port(*state));
    snprintf(head, sizeof head, POST "Content-Length: %zu\r\n\r\n", bytes);
    raw_say(&client, head);
    raw_send(&client, body, bytes);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 413);
    assert_true(raw_ended(&client));
    raw_close(&client);

    raw_open(&client, server_port(*state));
    raw_say(&client, CHUNKED "100000\r\n");
    raw_send(&client, body, SERVER_BODY_BYTES_MAX);
    raw_say(&client, "\r\n1\r\nb\r\n0\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 413);
    assert_true(raw_ended(&client));
    raw_close(&client);
    free(body);
}

static void continue_is_sent_only_for_a_body_that_is_wanted(void **state)
{
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(*state));
    raw_say(&client, POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_true(raw_receive_head_only(&client, &a));
    assert_int_equal(a.status, 100);
    raw_say(&client, "abc");
    assert_true(raw_receive(&client, &a));
    expect_text(&a, 200, "POST /x [x|] {} #3 abc");

    raw_say(&client, POST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 413);
    assert_true(raw_ended(&client));
    raw_close(&client);
}

// --- Time ----------------------------------------------------------------------------------------

static void stalled_requests_are_answered_408(void **state)
{
    static const char *const beginnings[] = {
        "G", "GET / HTTP/1.1\r\nHost", POST "Content-Length: 5\r\n\r\nabc", CHUNKED "5\r\nabc"};
    (void)state;
    struct server *s = open_server((struct server_options){.request_timeout_ms = 50}, echo);
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct raw_client client;
        struct raw_answer a;
        raw_open(&client, server_port(s));
        raw_say(&client, GET "\r\n"); // The time of a request begins with its own first byte.
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 200);
        raw_say(&client, beginnings[i]);
        assert_true(raw_receive(&client, &a));
        assert_int_equal(a.status, 408);
        assert_true(raw_ended(&client));
        raw_close(&client);
    }
    server_close(s);
}

// A byte now and then does not give a request more time: the total counts.
static void trickling_requests_are_answered_408(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){.request_timeout_ms = 100}, echo);
    struct raw_client client;
    struct raw_answer a;
    raw_open(&client, server_port(s));
    raw_say(&client, POST "Content-Length: 1000000\r\n\r\n");
    struct pollfd answer = {client.fd, POLLIN, 0};
    do
        raw_say(&client, "x");
    while (poll(&answer, 1, 1) == 0);
    assert_true(raw_receive(&client, &a));
    assert_int_equal(a.status, 408);
    raw_close(&client);
    server_close(s);
}

static void idle_connections_are_closed(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){.idle_timeout_s = 1}, echo);
    struct raw_client client;
    raw_open(&client, server_port(s));
    assert_true(raw_ended(&client));
    raw_close(&client);
    server_close(s);
}

// The next client is served when another one leaves.
static void connections_above_the_limit_wait(void **state)
{
    (void)state;
    struct server *s =
        open_server((struct server_options){.threads = 1, .connections_max = 1}, echo);
    struct raw_client first;
    struct raw_client second;
    struct raw_answer a;
    raw_open(&first, server_port(s));
    raw_say(&first, GET "\r\n");
    assert_true(raw_receive(&first, &a));
    raw_open(&second, server_port(s));
    raw_say(&second, GET "\r\n");
    struct pollfd answer = {second.fd, POLLIN, 0};
    assert_int_equal(poll(&answer, 1, 0), 0);
    raw_close(&first);
    assert_true(raw_receive(&second, &a));
    assert_int_equal(a.status, 200);
    raw_close(&second);
    server_close(s);
}

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

static void show_headers(void *context, struct exchange *x)
{
    (void)context;
    char out[512];
    const char *first;
    size_t times = exchange_parameter(x, "p", &first);
    const char *accept = exchange_header(x, "accept");
    const char *none = exchange_header(x, "X-None");
    size_t bytes;
    snprintf(out, sizeof out, "%s;%s;%zu;%s;%s;%s", accept ? accept : "-", none ? none : "-", times,
             first ? first : "-", exchange_peer(x), exchange_request_id(x));
    char *body = text_of(out, &bytes);
    exchange_add_header(x, "Location", "/jobs/7");
    exchange_add_header(x, "ETag", "\"3\"");
    exchange_answer(x, 201, "application/json", body, bytes);
}

static void headers_and_parameters_are_found(void **state)
{
    (void)state;
    struct server *s = open_server((struct server_options){0}, show_headers);
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
    struct server *s = open_server((struct server_options){0}, no_content);
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
        cmocka_unit_test(heads_are_answered_up_to_the_limits),
        cmocka_unit_test(bodies_are_taken_up_to_the_limit),
        cmocka_unit_test(a_body_above_the_limit_is_refused_readably),
        cmocka_unit_test(continue_is_sent_only_for_a_body_that_is_wanted),
        cmocka_unit_test(stalled_requests_are_answered_408),
        cmocka_unit_test(trickling_requests_are_answered_408),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(connections_above_the_limit_wait),
        cmocka_unit_test(targets_are_cut_and_decoded_once),
        cmocka_unit_test(headers_and_parameters_are_found),
        cmocka_unit_test(unsafe_request_ids_are_replaced),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(an_answer_may_have_no_body),
        cmocka_unit_test(a_start_that_fails_says_why),
    };
    return cmocka_run_group_tests(tests, open_echo, close_echo);
}
