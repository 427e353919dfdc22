// SPDX-License-Identifier: MIT
// test_guard.c: requests that two parsers could read differently are refused, whatever the pieces
// in which they arrive; all others pass.

#include "api/guard_priv.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1
#define GET "GET /jobs HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /jobs HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct guard_limits limits = {
    .uri_bytes_max = 64, .head_bytes_max = 256, .headers_max = 5, .body_bytes_max = 16};

static const struct guard_case {
    const char *name;
    const char *bytes;
    size_t n;
    unsigned status;   // 0: everything passes.
    unsigned requests; // Complete requests before the end or the refusal.
} cases[] = {
    // Good requests.
    {"plain", BYTES(GET "\r\n"), 0, 1},
    {"two in a row", BYTES(GET "\r\n" GET "\r\n"), 0, 2},
    {"body", BYTES(POST "Content-Length: 3\r\n\r\nabc" GET "\r\n"), 0, 2},
    {"body of control bytes", BYTES(POST "Content-Length: 3\r\n\r\n\0\r\n" GET "\r\n"), 0, 2},
    {"body of length zero", BYTES(POST "Content-Length: 0\r\n\r\n" GET "\r\n"), 0, 2},
    {"leading zeros", BYTES(POST "Content-Length: 003\r\n\r\nabc" GET "\r\n"), 0, 2},
    {"chunks", BYTES(CHUNKED "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n" GET "\r\n"), 0, 2},
    {"trailer", BYTES(CHUNKED "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n" GET "\r\n"), 0, 2},
    {"upper case chunked",
     BYTES(POST "TRANSFER-ENCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"), 0, 1},
    {"one empty line before", BYTES("\r\n" GET "\r\n\r\n" GET "\r\n"), 0, 2},
    {"HTTP/1.0 without Host", BYTES("GET / HTTP/1.0\r\n\r\n"), 0, 1},
    {"absolute target", BYTES("GET http://h:80/x HTTP/1.1\r\nHost: H:80\r\n\r\n"), 0, 1},
    {"OPTIONS *", BYTES("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), 0, 1},
    {"IPv6 host", BYTES("GET / HTTP/1.1\r\nHost: [::1]:3000\r\n\r\n"), 0, 1},
    {"empty header value", BYTES(GET "X-Empty:\r\n\r\n"), 0, 1},
    {"value in another alphabet", BYTES(GET "X-Name: \xc3\xa9\r\n\r\n"), 0, 1},
    {"repeated list header", BYTES(GET "Accept: a\r\nAccept: b\r\n\r\n"), 0, 1},
    {"unfinished", BYTES(GET "X-Y: "), 0, 0},

    // Where a line ends.
    {"bare LF after request line", BYTES("GET / HTTP/1.1\nHost: h\r\n\r\n"), 400, 0},
    {"bare LF after header", BYTES("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400, 0},
    {"bare LF for the empty line", BYTES(GET "\n"), 400, 0},
    {"bare CR in a header", BYTES(GET "X: a\rContent-Length: 5\r\n\r\n"), 400, 0},
    {"bare CRs everywhere", BYTES("GET / HTTP/1.1\rHost: h\r\r"), 400, 0},
    {"two CRs", BYTES(GET "\r\r\n"), 400, 0},
    {"obs-fold", BYTES(GET "X: a\r\n b\r\n\r\n"), 400, 0},
    {"obs-fold by tab", BYTES(GET "X: a\r\n\tb\r\n\r\n"), 400, 0},
    {"obs-fold of the first header", BYTES("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400, 0},
    {"two empty lines before", BYTES("\r\n\r\n" GET "\r\n"), 400, 0},
    {"NUL in a value", BYTES(GET "X: a\0b\r\n\r\n"), 400, 0},
    {"NUL in the target", BYTES("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"control byte in a value", BYTES(GET "X: a\x01\r\n\r\n"), 400, 0},
    {"DEL in a value", BYTES(GET "X: a\x7f\r\n\r\n"), 400, 0},
    {"TLS hello", BYTES("\x16\x03\x01\x02\x00"), 400, 0},

    // The request line.
    {"lower case method", BYTES("get / HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"method with a colon", BYTES("GE:T / HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"no method", BYTES(" / HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"two spaces", BYTES("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"tab for a space", BYTES("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"space in the target", BYTES("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"space at the end", BYTES("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"), 400, 0},
    {"HTTP/0.9", BYTES("GET /\r\n"), 400, 0},
    {"HTTP/1.2", BYTES("GET / HTTP/1.2\r\nHost: h\r\n\r\n"), 400, 0},
    {"HTTP/2.0", BYTES("PRI * HTTP/2.0\r\n\r\n"), 400, 0},
    {"HTTP/1.10", BYTES("GET / HTTP/1.10\r\nHost: h\r\n\r\n"), 400, 0},
    {"lower case version", BYTES("GET / http/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"relative target", BYTES("GET jobs HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"fragment", BYTES("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"raw UTF-8 in the target", BYTES("GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"backslash in the target", BYTES("GET /a\\b HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"asterisk for GET", BYTES("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"CONNECT", BYTES("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"), 400, 0},
    {"absolute target, other host", BYTES("GET http://g/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"absolute target with user", BYTES("GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"absolute target, no host", BYTES("GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},
    {"absolute https", BYTES("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400, 0},

    // Header lines.
    {"space before the colon", BYTES("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), 400, 0},
    {"space in a name", BYTES(GET "X Y: a\r\n\r\n"), 400, 0},
    {"no colon", BYTES(GET "Nothing\r\n\r\n"), 400, 0},
    {"no name", BYTES(GET ": a\r\n\r\n"), 400, 0},
    {"name with a parenthesis", BYTES(GET "X(: a\r\n\r\n"), 400, 0},
    {"name in another alphabet", BYTES(GET "X-\xc3\xa9: a\r\n\r\n"), 400, 0},
    {"Authorization twice", BYTES(GET "Authorization: a\r\nauthorization: b\r\n\r\n"), 400, 0},
    {"Content-Type twice", BYTES(GET "Content-Type: a\r\nContent-Type: a\r\n\r\n"), 400, 0},

    // Host.
    {"no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), 400, 0},
    {"two Hosts", BYTES(GET "Host: h\r\n\r\n"), 400, 0},
    {"two Hosts in HTTP/1.0", BYTES("GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n"), 400, 0},
    {"Host with a path", BYTES("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"), 400, 0},
    {"Host with a user", BYTES("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"), 400, 0},
    {"Host with a space", BYTES("GET / HTTP/1.1\r\nHost: h g\r\n\r\n"), 400, 0},
    {"Host with two values", BYTES("GET / HTTP/1.1\r\nHost: h, g /\r\n\r\n"), 400, 0},

    // Content-Length.
    {"two lengths", BYTES(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), 400, 0},
    {"equal lengths", BYTES(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), 400, 0},
    {"plus sign", BYTES(POST "Content-Length: +5\r\n\r\n"), 400, 0},
    {"minus sign", BYTES(POST "Content-Length: -5\r\n\r\n"), 400, 0},
    {"list of lengths", BYTES(POST "Content-Length: 5, 5\r\n\r\n"), 400, 0},
    {"hexadecimal length", BYTES(POST "Content-Length: 0x5\r\n\r\n"), 400, 0},
    {"empty length", BYTES(POST "Content-Length: \r\n\r\n"), 400, 0},
    {"length with a space", BYTES(POST "Content-Length: 1 2\r\n\r\n"), 400, 0},
    {"length before a space", BYTES(POST "Content-Length: 3 \r\n\r\nabc"), 400, 0},
    {"length before a tab", BYTES(POST "Content-Length: 3\t\r\n\r\nabc"), 400, 0},
    {"length with a point", BYTES(POST "Content-Length: 1.0\r\n\r\n"), 400, 0},
    {"overflow to 3", BYTES(POST "Content-Length: 18446744073709551619\r\n\r\n"), 400, 0},

    // Transfer-Encoding.
    {"length and chunked", BYTES(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
     400, 0},
    {"chunked and length", BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"),
     400, 0},
    {"gzip", BYTES(POST "Transfer-Encoding: gzip\r\n\r\n"), 400, 0},
    {"gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400, 0},
    {"chunked, chunked", BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 400, 0},
    {"identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), 400, 0},
    {"chunked before a space", BYTES(POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n"), 400, 0},
    {"chunked before a tab", BYTES(POST "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"), 400, 0},
    {"xchunked", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400, 0},
    {"chunked twice",
     BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, 0},
    {"chunked in HTTP/1.0",
     BYTES("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, 0},

    // Chunks.
    {"bare LF after a size", BYTES(CHUNKED "3\nabc\r\n0\r\n\r\n"), 400, 0},
    {"bare LF after a chunk", BYTES(CHUNKED "3\r\nabc\n0\r\n\r\n"), 400, 0},
    {"extension", BYTES(CHUNKED "3;a=b\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"bare LF in an extension", BYTES(CHUNKED "3;x\nabc\r\n0\r\n\r\n"), 400, 0},
    {"bare CR in an extension", BYTES(CHUNKED "3;x\rabc\r\n0\r\n\r\n"), 400, 0},
    {"longer than it says", BYTES(CHUNKED "2\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"size with a prefix", BYTES(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"size with a sign", BYTES(CHUNKED "+3\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"size after a space", BYTES(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"size before a space", BYTES(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"empty size", BYTES(CHUNKED "\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"overflowing size", BYTES(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n"), 400, 0},
    {"trailer that frames", BYTES(CHUNKED "0\r\nContent-Length: 3\r\n\r\n"), 400, 0},
    {"trailer continued", BYTES(CHUNKED "0\r\nX: a\r\n b\r\n\r\n"), 400, 0},
    {"trailer without colon", BYTES(CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n"), 400, 0},

    // Limits: 16 bytes of body, 5 headers.
    {"body at the limit", BYTES(POST "Content-Length: 16\r\n\r\n0123456789abcdef"), 0, 1},
    {"body above the limit", BYTES(POST "Content-Length: 17\r\n\r\n"), 413, 0},
    {"chunks at the limit", BYTES(CHUNKED "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n"), 0, 1},
    {"chunks above the limit", BYTES(CHUNKED "8\r\n01234567\r\n9\r\n"), 413, 0},
    {"headers at the limit", BYTES(GET "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n"), 0, 1},
    {"headers above the limit", BYTES(GET "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n"), 431, 0},

    // A good request before a bad one is complete, and stays so.
    {"second is bad", BYTES(GET "\r\nGET / HTTP/1.1\n"), 400, 1},
    {"third is bad", BYTES(GET "\r\n" POST "Content-Length: 1\r\n\r\nx\r\n\r\n\r\n"), 400, 2},
};

struct verdict {
    unsigned status;
    unsigned heads;
    unsigned requests;
    size_t body_bytes; // Body bytes of all requests.
};

// Notes what the guard says about a piece. The piece is an allocation of its own, so that a
// sanitizer sees every step beyond its end.
static void feed(struct guard *g, const char *bytes, size_t n, struct verdict *v)
{
    char *piece = malloc(n);
    memcpy(piece, bytes, n);
    const char *at = piece;
    enum guard_event event;
    do {
        event = guard_read(g, &at, piece + n);
        v->heads += event == GUARD_HEAD;
        v->requests += event == GUARD_END;
        v->body_bytes += event == GUARD_PIECE ? g->piece_bytes : 0;
    } while (event != GUARD_MORE && event != GUARD_REFUSED);
    assert_true(event == GUARD_REFUSED || at == piece + n);
    v->status = g->refusal.status;
    free(piece);
}

// Feeds the bytes in pieces of `piece` bytes, but `first` in the first one.
static struct verdict judge(const char *bytes, size_t n, size_t first, size_t piece)
{
    struct guard g;
    struct verdict v = {0};
    guard_init(&g, &limits);
    size_t at = 0;
    for (size_t take = first; at < n && v.status == 0; take = piece) {
        take = MIN(take, n - at);
        feed(&g, bytes + at, take, &v);
        at += take;
    }
    guard_fini(&g);
    return v;
}

static void every_case_gets_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct guard_case *c = &cases[i];
        struct verdict v = judge(c->bytes, c->n, c->n, 1);
        if (v.status != c->status || v.requests != c->requests)
            fail_msg("%s: status %u after %u requests, expected %u after %u", c->name, v.status,
                     v.requests, c->status, c->requests);
    }
}

// How the network cuts the bytes must not decide: one by one, and cut in two at every place.
static void pieces_make_no_difference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct guard_case *c = &cases[i];
        for (size_t first = 1; first <= c->n; first++) {
            struct verdict two = judge(c->bytes, c->n, first, c->n);
            struct verdict single = judge(c->bytes, c->n, first, 1);
            if (two.status != c->status || memcmp(&two, &single, sizeof two) != 0 ||
                two.requests != c->requests)
                fail_msg("%s: another verdict when cut after %zu bytes", c->name, first);
        }
    }
}

// What a request says, cut up: names, values without the white space around them, the target.
static void a_head_is_cut_into_its_parts(void **state)
{
    (void)state;
    static const char text[] = "PUT /a?b=c HTTP/1.1\r\nHost: h\r\nX-One:\t two \t\r\nEmpty:\r\n"
                               "Connection: x, Close\r\nContent-Length: 5\r\n\r\nabcde";
    static const struct guard_limits ample = {64, 256, 9, 16};
    struct guard g;
    guard_init(&g, &ample);
    const char *at = text;
    const char *end = text + sizeof text - 1;
    assert_int_equal(guard_read(&g, &at, end), GUARD_HEAD);
    assert_string_equal(guard_method(&g), "PUT");
    assert_string_equal(guard_target(&g), "/a?b=c");
    assert_int_equal(g.headers_count, 5);
    assert_string_equal(guard_header_name(&g, 1), "X-One");
    assert_string_equal(guard_header_value(&g, 1), "two");
    assert_string_equal(guard_header_value(&g, 2), "");
    assert_true(g.head.wants_close);
    assert_int_equal(guard_read(&g, &at, end), GUARD_PIECE);
    assert_int_equal(g.piece_bytes, 5);
    assert_memory_equal(g.piece, "abcde", 5);
    assert_int_equal(guard_read(&g, &at, end), GUARD_END);
    assert_int_equal(guard_read(&g, &at, end), GUARD_MORE);
    guard_fini(&g);
}

// The body is what the framing says, without the chunks' own lines.
static void bodies_are_handed_on_without_their_framing(void **state)
{
    (void)state;
    static const char text[] =
        CHUNKED "3\r\nabc\r\n1\r\nd\r\n0\r\nX: 1\r\n\r\n" POST "Content-Length: 2\r\n\r\nef";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct verdict v = judge(text, sizeof text - 1, piece, piece);
        assert_int_equal(v.heads, 2);
        assert_int_equal(v.requests, 2);
        assert_int_equal(v.body_bytes, 6);
    }
}

// Builds "GET /aaa... HTTP/1.1" with a target of `target` bytes, and a head of `head` bytes.
static size_t sized_head(char *out, size_t target, size_t head)
{
    static const char middle[] = " HTTP/1.1\r\nHost: h\r\nX: ";
    memcpy(out, "GET /", 5);
    memset(out + 5, 'a', target - 1);
    size_t n = strlen("GET ") + target;
    memcpy(out + n, middle, strlen(middle));
    n += strlen(middle);
    if (head > n + 4) {
        memset(out + n, 'x', head - n - 4);
        n = head - 4;
    }
    memcpy(out + n, "\r\n\r\n", 4);
    return n + 4;
}

static void target_and_head_have_exact_limits(void **state)
{
    (void)state;
    static const struct {
        size_t target, head;
        unsigned status;
    } sizes[] = {
        {64, 0, 0}, {65, 0, 414}, {200, 0, 414}, {10, 256, 0}, {10, 257, 431}, {64, 600, 431},
    };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char text[1024];
        size_t n = sized_head(text, sizes[i].target, sizes[i].head);
        if (sizes[i].head > 0)
            assert_int_equal(n, sizes[i].head);
        assert_int_equal(judge(text, n, n, 1).status, sizes[i].status);
        assert_int_equal(judge(text, n, 1, 1).status, sizes[i].status);
    }
}

// A line that never ends is cut off long before memory is.
static void endless_lines_are_refused(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"",        "GET /",      GET,
                                             GET "X: ", CHUNKED "1;", CHUNKED "0\r\nX: "};
    char text[2048];
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        memset(text, 'A', sizeof text);
        memcpy(text, beginnings[i], strlen(beginnings[i]));
        assert_int_not_equal(judge(text, sizeof text, sizeof text, 1).status, 0);
    }
}

static void midway_is_from_the_first_byte_to_the_last(void **state)
{
    (void)state;
    struct guard g;
    struct verdict v = {0};
    guard_init(&g, &limits);
    assert_false(guard_midway(&g));
    static const char text[] = POST "Content-Length: 1\r\n\r\nx";
    for (size_t i = 0; i < sizeof text - 2; i++) {
        feed(&g, text + i, 1, &v);
        assert_true(guard_midway(&g));
    }
    feed(&g, text + sizeof text - 2, 1, &v);
    assert_false(guard_midway(&g));
    feed(&g, "\r\n", 2, &v); // The empty line which may follow is no request.
    assert_false(guard_midway(&g));
    assert_int_equal(v.status, 0);
    guard_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gets_its_verdict),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(a_head_is_cut_into_its_parts),
        cmocka_unit_test(bodies_are_handed_on_without_their_framing),
        cmocka_unit_test(target_and_head_have_exact_limits),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(midway_is_from_the_first_byte_to_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
