// SPDX-License-Identifier: MIT
// test_response.c: what the parser of answers makes of bytes, however they are cut.
//
// Every case is read whole, byte by byte, and cut in two at each place: the result must be the
// same.

#include "dispatch/response_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define BODY_BYTES_MAX 65536

struct result {
    enum response_event event;
    unsigned status;
    bool head_complete;
    bool line_read;
    bool reusable;
    const char *reason;
    size_t head_bytes;
    size_t body_bytes;
    size_t left; // Bytes that were not used.
    char location[256];
    char body[BODY_BYTES_MAX];
};

struct text {
    const char *bytes;
    size_t count;
};

// --- Reading in pieces ---------------------------------------------------------------------------

static enum response_event feed(struct response *r, const char **p, const char *end,
                                struct result *out)
{
    enum response_event e;
    while ((e = response__read(r, p, end)) == RESPONSE_PART || e == RESPONSE_LOCATION) {
        if (e == RESPONSE_LOCATION) {
            assert_true(strlen(out->location) + r->part.count < sizeof out->location);
            strncat(out->location, r->part.bytes, r->part.count);
            continue;
        }
        assert_true(out->body_bytes + r->part.count <= BODY_BYTES_MAX);
        assert_true(r->part.bytes + r->part.count == *p);
        memcpy(out->body + out->body_bytes, r->part.bytes, r->part.count);
        out->body_bytes += r->part.count;
    }
    return e;
}

// Pieces end at `first`, and then after every `step` bytes.
static void read_in_pieces(struct text t, bool to_head, size_t first, size_t step,
                           struct result *out)
{
    struct response r;
    memset(out, 0, sizeof *out);
    response__init(&r, to_head);
    const char *p = t.bytes;
    const char *end = t.bytes + t.count;
    for (size_t piece = first; p < end || piece == first; piece += step) {
        const char *stop = t.bytes + MIN(piece, t.count);
        out->event = feed(&r, &p, stop, out);
        if (out->event != RESPONSE_MORE)
            break;
        assert_ptr_equal(p, stop);
        if (stop == end)
            break;
    }
    assert_int_equal(response__read(&r, &p, end), out->event); // The reader says the same again.
    out->status = r.status;
    out->head_complete = r.head_complete;
    out->line_read = r.line_read;
    out->reusable = out->event == RESPONSE_DONE && r.reusable;
    out->reason = r.reason;
    out->head_bytes = r.head_bytes;
    out->left = (size_t)(end - p);
}

static void assert_same(const struct result *a, const struct result *b)
{
    assert_int_equal(a->event, b->event);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->head_complete, b->head_complete);
    assert_int_equal(a->line_read, b->line_read);
    assert_int_equal(a->reusable, b->reusable);
    assert_ptr_equal(a->reason, b->reason);
    assert_int_equal(a->head_bytes, b->head_bytes);
    assert_string_equal(a->location, b->location);
    assert_int_equal(a->left, b->left);
    assert_int_equal(a->body_bytes, b->body_bytes);
    assert_memory_equal(a->body, b->body, a->body_bytes);
}

static const struct result *read_every_way(struct text t, bool to_head)
{
    static struct result whole;
    static struct result cut;
    read_in_pieces(t, to_head, t.count, 1, &whole);
    read_in_pieces(t, to_head, 0, 1, &cut);
    assert_same(&whole, &cut);
    for (size_t i = 1; i < t.count; i++) {
        read_in_pieces(t, to_head, i, t.count, &cut);
        assert_same(&whole, &cut);
    }
    return &whole;
}

// --- Answers -------------------------------------------------------------------------------------

static const struct {
    const char *text;
    enum response_event event;
    unsigned status;
    const char *body;
    bool reusable;
} answers[] = {
    {OK "Content-Length: 5\r\n\r\nhello", RESPONSE_DONE, 200, "hello", true},
    {OK "content-LENGTH:5\r\n\r\nhello", RESPONSE_DONE, 200, "hello", true},
    {OK "Content-Length: \t 005 \t\r\n\r\nhello", RESPONSE_DONE, 200, "hello", true},
    {OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", RESPONSE_DONE, 200, "ab", true},
    {OK "Content-Length: 0\r\n\r\n", RESPONSE_DONE, 200, "", true},
    {OK "X-Content-Length: 9\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 200, "", true},
    {OK "Content-Length: 6\r\n\r\nhello", RESPONSE_MORE, 200, "hello", false},
    {OK "\r\nto the end", RESPONSE_MORE, 200, "to the end", false},
    {"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 599, "", true},
    {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 200, "", true},
    {"HTTP/1.1 404 Nicht da \xe4\r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 404, "", true},
    // A line may end with LF alone.
    {"HTTP/1.1 200 OK\nContent-Length: 2\nX:\n\nab", RESPONSE_DONE, 200, "ab", true},
    // A folded line goes on with the one before.
    {OK "X: a\r\n b\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", true},
    {OK "X:\n\t \n b\nContent-Length:\n 1\n \n\na", RESPONSE_DONE, 200, "a", true},
    {OK "Connection: x,\r\n close\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", false},
    {OK "Connection: x-\r\n close-y\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", true},
    {OK "Transfer-Encoding:\r\n\tchunked\r\n \r\n\r\n1\r\na\r\n0\r\nX: y\r\n z\r\n\r\n",
     RESPONSE_DONE, 200, "a", true},
    // Chunks count more than a length, and nothing follows on the connection.
    {OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", RESPONSE_DONE,
     200, "a", false},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n1\r\na\r\n0\r\n\r\n", RESPONSE_DONE,
     200, "a", false},
    // No body, whatever the head says.
    {"HTTP/1.1 204 No Content\r\n\r\n", RESPONSE_DONE, 204, "", true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", RESPONSE_DONE, 304, "", true},
    // Interim answers.
    {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a",
     true},
    {"HTTP/1.1 103 Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 102 P\r\n\r\n" OK
     "Content-Length: 1\r\n\r\na",
     RESPONSE_DONE, 200, "a", true},
    {"HTTP/1.1 100 Continue\r\n\r\n", RESPONSE_MORE, 0, "", false},
    // Whether another request may follow.
    {OK "Connection: close\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", false},
    {OK "Connection: x, Close ,y\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", false},
    {OK "Connection: closed\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", true},
    {OK "Connection: a-list-that-is-much-too-long-to-be-kept-in-the-sixty-four-bytes-of-a-word"
        "\r\nContent-Length: 1\r\n\r\na",
     RESPONSE_DONE, 200, "a", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200, "a", false},
    {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", RESPONSE_DONE, 200,
     "a", true},
    {"HTTP/1.0 200 OK\r\n\r\nold", RESPONSE_MORE, 200, "old", false},
    // Chunks.
    {CHUNKED "3\r\nabc\r\n0\r\n\r\n", RESPONSE_DONE, 200, "abc", true},
    {CHUNKED "3;x=y\r\nabc\r\n04\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n", RESPONSE_DONE, 200, "abcdefg",
     true},
    {CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", RESPONSE_DONE, 200,
     "01234567890123456789", true},
    {CHUNKED "0\r\nContent-Length: 9\r\nConnection: close\r\n\r\n", RESPONSE_DONE, 200, "", true},
    {CHUNKED "0\r\n", RESPONSE_MORE, 200, "", false},
    {OK "transfer-encoding:CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", RESPONSE_DONE, 200, "a", true},
    // Not whole.
    {"", RESPONSE_MORE, 0, "", false},
    {"HTTP/1", RESPONSE_MORE, 0, "", false},
    {OK "Content-Le", RESPONSE_MORE, 200, "", false},
};

static void answers_are_read_as_the_standard_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct text t = {answers[i].text, strlen(answers[i].text)};
        const struct result *r = read_every_way(t, false);
        assert_int_equal(r->event, answers[i].event);
        assert_int_equal(r->status, answers[i].status);
        assert_int_equal(r->body_bytes, strlen(answers[i].body));
        assert_memory_equal(r->body, answers[i].body, r->body_bytes);
        assert_int_equal(r->reusable, answers[i].reusable);
        assert_int_equal(r->left, 0);
    }
}

// Only where it leads on. Blanks in front of it are no part of it, and those behind it are left to
// the caller.
static void the_first_location_of_a_redirect_is_told(void **state)
{
    static const struct {
        const char *text;
        const char *location;
    } cases[] = {
        {"HTTP/1.1 302 Found\r\nLocation: /a?b\r\n\r\n", "/a?b"},
        {"HTTP/1.1 308 Moved\r\nLOCATION:http://a:1/ \t\r\n\r\n", "http://a:1/ \t"},
        {"HTTP/1.1 302 Found\r\nLocation: \t \r\n \t /a\r\n\r\n", "/a"},
        {"HTTP/1.1 302 Found\r\nLocation: /a\r\n\t/b\r\n\r\n", "/a /b"},
        {"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n\r\n", "/a"},
        {"HTTP/1.1 302 Found\r\nLocation:\r\nLocation: /b\r\n\r\n", ""},
        {"HTTP/1.1 302 Found\r\nContent-Location: /a\r\n\r\n", ""},
        {"HTTP/1.1 201 Created\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n", ""},
        {"HTTP/1.1 103 Hints\r\nLocation: /a\r\n\r\nHTTP/1.1 301 X\r\nLocation: /b\r\n\r\n", "/b"},
        {"HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nLocation: /a\r\n\r\n", ""},
        {"HTTP/1.1 302 Found\r\nLocation: /a\r/b\r\n\r\n", "/a"}, // Malformed.
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text t = {cases[i].text, strlen(cases[i].text)};
        assert_string_equal(read_every_way(t, false)->location, cases[i].location);
    }
}

static void the_answer_to_head_has_no_body(void **state)
{
    (void)state;
    struct text t = {OK "Content-Length: 5\r\n\r\n", strlen(OK "Content-Length: 5\r\n\r\n")};
    const struct result *r = read_every_way(t, true);
    assert_int_equal(r->event, RESPONSE_DONE);
    assert_true(r->reusable);
}

static void bytes_behind_an_answer_are_left_alone(void **state)
{
    static const char *const cases[] = {
        OK "Content-Length: 2\r\n\r\nabcde",
        CHUNKED "2\r\nab\r\n0\r\n\r\ncde",
        "HTTP/1.1 204 No Content\r\n\r\ncde",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text t = {cases[i], strlen(cases[i])};
        const struct result *r = read_every_way(t, false);
        assert_int_equal(r->event, RESPONSE_DONE);
        assert_int_equal(r->left, 3);
    }
}

// --- What is refused -----------------------------------------------------------------------------

#define BYTES(text) text, sizeof text - 1

static void an_answer_that_is_no_http_1_is_told_from_the_rest(void **state)
{
    static const char *const cases[] = {
        "220 mail.example ESMTP\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 abc OK\r\n",
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\x16\x03\x01",
        "HTTP/1.1\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nno",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text t = {cases[i], strlen(cases[i])};
        const struct result *r = read_every_way(t, false);
        assert_int_equal(r->event, RESPONSE_NOT_HTTP);
        assert_false(r->head_complete);
    }
}

static void an_answer_that_can_be_read_in_two_ways_is_refused(void **state)
{
    static const struct text cases[] = {
        {BYTES(OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\na")},
        {BYTES(OK "Content-Length: 1, 1\r\n\r\na")},
        {BYTES(OK "Content-Length: +1\r\n\r\na")},
        {BYTES(OK "Content-Length: -1\r\n\r\na")},
        {BYTES(OK "Content-Length: 1 1\r\n\r\na")},
        {BYTES(OK "Content-Length: 0x1\r\n\r\na")},
        {BYTES(OK "Content-Length:\r\n\r\n")},
        {BYTES(OK "Content-Length: 1000000000000000000\r\n\r\n")}, // 19 digits.
        {BYTES(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")},
        {BYTES(OK "Transfer-Encoding: identity\r\n\r\n")},
        {BYTES(OK "Transfer-Encoding: xchunked\r\n\r\n")},
        {BYTES(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {BYTES("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
        {BYTES(OK " X: a\r\n\r\n")},
        {BYTES(OK "\tX: a\r\n\r\n")},
        {BYTES(OK "X: a\r\n b\0c\r\n\r\n")},
        {BYTES(OK "Content-Length: 1\r\n 2\r\n\r\nabc")},
        {BYTES(OK "Transfer-Encoding: chunked,\r\n gzip\r\n\r\n0\r\n\r\n")},
        {BYTES(OK "X : a\r\n\r\n")},
        {BYTES(OK ": a\r\n\r\n")},
        {BYTES(OK "X\r\n\r\n")},
        {BYTES(OK "X(: a\r\n\r\n")},
        {BYTES(OK "X: a\0b\r\n\r\n")},
        {BYTES(OK "X\0: a\r\n\r\n")},
        {BYTES(OK "X: a\rb\r\n\r\n")},
        {BYTES(OK "X: a\r\r\n\r\n")},
        {BYTES(OK "X: a\r\n\rb")},
        {BYTES("HTTP/1.1 200 O\0K\r\n\r\n")},
        {BYTES("HTTP/1.1 200 O\rK\r\n\r\n")},
        {BYTES("HTTP/1.1 200\rContent-Length: 0\r\n\r\n")},
        {BYTES("HTTP/1.1 101 Switching Protocols\r\n\r\n")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct result *r = read_every_way(cases[i], false);
        assert_int_equal(r->event, RESPONSE_MALFORMED);
        assert_non_null(r->reason);
        assert_false(r->head_complete);
        assert_int_equal(r->body_bytes, 0);
    }
}

// The status was read, and tells more than that something is wrong with the lines behind it.
static void the_status_is_known_whatever_comes_after_its_line(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        {OK, 200},
        {OK "X", 200},
        {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\na", 200},
        {"HTTP/1.1 404 Not Found\r\n(\r\n", 404},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\n(", 503},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101},
        {"HTTP/1.1 200 OK\r", 0}, // The line is not over.
        {"HTTP/1.1 200 O\rK\r\n", 0},
        {"HTTP/1.1 100 Continue\r\nX: y", 0}, // This is not the answer.
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct text t = {cases[i].text, strlen(cases[i].text)};
        assert_int_equal(read_every_way(t, false)->status, cases[i].status);
    }
}

// The head was read; what came before the fault is kept.
static void faults_of_a_chunked_body_are_found(void **state)
{
    static const struct text cases[] = {
        {BYTES(CHUNKED "2\r\nab\r\n\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\ng\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n-1\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n+1\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n 1\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n1 \r\nc")},
        {BYTES(CHUNKED "2\r\nab\r\n0x1\r\nc")},
        {BYTES(CHUNKED "2\r\nab\r\n1\nc")},
        {BYTES(CHUNKED "2\r\nab\r\n1\rc")},
        {BYTES(CHUNKED "2\r\nab\r\n;x\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n1;\0\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n1;x\nc")},
        {BYTES(CHUNKED "2\r\nab\n")},
        {BYTES(CHUNKED "2\r\nab\rx")},
        {BYTES(CHUNKED "2\r\nabc")},
        {BYTES(CHUNKED "2\r\nab\r\n0\r\n x\r\n")},
        {BYTES(CHUNKED "2\r\nab\r\n0\r\nx\r")},
        {BYTES(CHUNKED "2\r\nab\r\n1000000000000000\r\n")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct result *r = read_every_way(cases[i], false);
        assert_int_equal(r->event, RESPONSE_MALFORMED);
        assert_true(r->head_complete);
        assert_int_equal(r->status, 200);
        assert_int_equal(r->body_bytes, 2);
    }
}

static void the_first_chunk_is_read_like_the_others(void **state)
{
    static const char *const cases[] = {CHUNKED "\r\n", CHUNKED ";x\r\n", CHUNKED "x\r\n"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(read_every_way((struct text){cases[i], strlen(cases[i])}, false)->event,
                         RESPONSE_MALFORMED);
}

static void a_chunk_size_has_a_bound(void **state)
{
    (void)state;
    struct text most = {BYTES(CHUNKED "fffffffffffffff\r\nab")};
    assert_int_equal(read_every_way(most, false)->event, RESPONSE_MORE);
    struct text more = {BYTES(CHUNKED "0000000000000001\r\nab")};
    assert_int_equal(read_every_way(more, false)->event, RESPONSE_MALFORMED);
}

static void the_extension_of_a_chunk_has_a_bound(void **state)
{
    (void)state;
    static char text[sizeof CHUNKED + RESPONSE_CHUNK_LINE_BYTES_MAX + 16];
    for (int more = 0; more < 2; more++) {
        int n = snprintf(text, sizeof text, "%s1;%0*d\r\na", CHUNKED,
                         RESPONSE_CHUNK_LINE_BYTES_MAX + more, 0);
        const struct result *r = read_every_way((struct text){text, (size_t)n}, false);
        assert_int_equal(r->event, more ? RESPONSE_MALFORMED : RESPONSE_MORE);
        assert_int_equal(r->body_bytes, more ? 0 : 1);
    }
}

// --- Bounds of the head --------------------------------------------------------------------------

// An answer whose head, with everything in `before` it, is `bytes` long.
static struct text head_of(const char *before, size_t bytes)
{
    static char text[2 * RESPONSE_HEAD_BYTES_MAX];
    static const char end[] = "\r\nContent-Length: 1\r\n\r\n";
    int n = snprintf(text, sizeof text, "%s%sX: ", before, OK);
    size_t fill = bytes - (size_t)n - strlen(end);
    memset(text + n, 'x', fill);
    memcpy(text + (size_t)n + fill, end, sizeof end);
    strcpy(text + bytes, "a");
    return (struct text){text, bytes + 1};
}

static void assert_head(struct text t, enum response_event event)
{
    static struct result whole;
    static struct result cut;
    read_in_pieces(t, false, t.count, 1, &whole);
    assert_int_equal(whole.event, event);
    assert_int_equal(whole.head_complete, event == RESPONSE_DONE);
    for (size_t step = 1; step < 5000; step = step * 3 + 1) {
        read_in_pieces(t, false, 0, step, &cut);
        assert_same(&whole, &cut);
    }
}

static void a_head_has_a_bound(void **state)
{
    (void)state;
    assert_head(head_of("", RESPONSE_HEAD_BYTES_MAX), RESPONSE_DONE);
    assert_head(head_of("", RESPONSE_HEAD_BYTES_MAX + 1), RESPONSE_HEAD_TOO_LONG);
    assert_head(head_of("", RESPONSE_HEAD_BYTES_MAX + 5000), RESPONSE_HEAD_TOO_LONG);
}

static void interim_answers_count_towards_it(void **state)
{
    (void)state;
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nX: y\r\n\r\n";
    assert_head(head_of(interim, RESPONSE_HEAD_BYTES_MAX), RESPONSE_DONE);
    assert_head(head_of(interim, RESPONSE_HEAD_BYTES_MAX + 1), RESPONSE_HEAD_TOO_LONG);
}

static void trailers_count_towards_it(void **state)
{
    (void)state;
    static char text[2 * RESPONSE_HEAD_BYTES_MAX];
    static struct result r;
    int n = snprintf(text, sizeof text, "%s0\r\nX: ", CHUNKED);
    memset(text + n, 'x', RESPONSE_HEAD_BYTES_MAX);
    struct text t = {text, (size_t)n + RESPONSE_HEAD_BYTES_MAX};
    read_in_pieces(t, false, t.count, 1, &r);
    assert_int_equal(r.event, RESPONSE_HEAD_TOO_LONG);
    assert_true(r.head_complete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_as_the_standard_says),
        cmocka_unit_test(the_first_location_of_a_redirect_is_told),
        cmocka_unit_test(the_answer_to_head_has_no_body),
        cmocka_unit_test(bytes_behind_an_answer_are_left_alone),
        cmocka_unit_test(an_answer_that_is_no_http_1_is_told_from_the_rest),
        cmocka_unit_test(an_answer_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(the_status_is_known_whatever_comes_after_its_line),
        cmocka_unit_test(faults_of_a_chunked_body_are_found),
        cmocka_unit_test(the_first_chunk_is_read_like_the_others),
        cmocka_unit_test(a_chunk_size_has_a_bound),
        cmocka_unit_test(the_extension_of_a_chunk_has_a_bound),
        cmocka_unit_test(a_head_has_a_bound),
        cmocka_unit_test(interim_answers_count_towards_it),
        cmocka_unit_test(trailers_count_towards_it),
    };
    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
