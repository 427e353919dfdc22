// SPDX-License-Identifier: MIT
// guard.c: which bytes are the head, the body, a chunk; where a request ends.
//
// Everything but a body is made of lines that end in CR LF, so the guard gathers a line, checking
// each byte, and then hands it to the rule of the part it is in:
//
//     BETWEEN -> REQUEST_LINE -> HEADERS -+-> COMPLETE (no body)
//                                         +-> BODY -> COMPLETE
//                                         +-> CHUNK_SIZE -> CHUNK_DATA -> CHUNK_END -> CHUNK_SIZE
//                                               +-> TRAILERS -> COMPLETE
//     COMPLETE -> BETWEEN
//
// The lines of the head stay in one text, where the rules cut them up by writing NULs; lines of
// chunks and trailers are dropped once they are judged.

#include "api/guard_priv.h"

#include "base/err.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define TEXT_KEPT_BYTES 2048 // A head that is no longer than this costs no allocation.

void guard_init(struct guard *g, const struct guard_limits *limits)
{
    *g = (struct guard){.limits = *limits};
}

void guard_fini(struct guard *g)
{
    free(g->text);
    free(g->headers);
    g->text = NULL;
    g->headers = NULL;
}

void guard_rest(struct guard *g)
{
    assert(!guard_midway(g));
    if (g->text_capacity <= TEXT_KEPT_BYTES)
        return;
    guard_fini(g);
    g->text_capacity = 0;
    g->headers_capacity = 0;
}

bool guard_midway(const struct guard *g)
{
    return g->part != GUARD_BETWEEN;
}

bool guard__refuse(struct guard *g, unsigned status, const char *detail)
{
    g->refusal = (struct guard_refusal){status, detail};
    return false;
}

int guard__hex_value(char c)
{
    if ('0' <= c && c <= '9')
        return c - '0';
    if ('a' <= c && c <= 'f')
        return c - 'a' + 10;
    if ('A' <= c && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

const char *guard_method(const struct guard *g)
{
    return g->text + g->head.method;
}

const char *guard_target(const struct guard *g)
{
    return g->text + g->head.target;
}

const char *guard_header_name(const struct guard *g, size_t index)
{
    assert(index < g->headers_count);
    return g->text + g->headers[index].name;
}

const char *guard_header_value(const struct guard *g, size_t index)
{
    assert(index < g->headers_count);
    return g->text + g->headers[index].value;
}

// --- The rules for one line ----------------------------------------------------------------------

static void request_begin(struct guard *g)
{
    g->part = GUARD_REQUEST_LINE;
    g->text_bytes = 0;
    g->line = 0;
    g->headers_count = 0;
    g->head_bytes = 0;
    g->body_bytes = 0;
    g->head = (struct guard_head){0};
}

static void request_end(struct guard *g)
{
    g->part = GUARD_BETWEEN;
    g->empty_line_skipped = false;
}

// HTTP asks servers to overlook one empty line before a request: old clients add it to a body.
static bool request_line(struct guard *g, size_t bytes)
{
    if (bytes == 0 && !g->empty_line_skipped) {
        g->empty_line_skipped = true;
        g->part = GUARD_BETWEEN;
        return true;
    }
    g->part = GUARD_HEADERS;
    return guard__request_line(g, bytes);
}

static bool header_line(struct guard *g, size_t bytes)
{
    if (bytes > 0)
        return guard__header_line(g, bytes);
    if (!guard__head_end(g))
        return false;

    g->body_left = g->head.content_length;
    if (g->head.chunked)
        g->part = GUARD_CHUNK_SIZE;
    else
        g->part = g->body_left > 0 ? GUARD_BODY : GUARD_COMPLETE;
    return true;
}

// Hexadecimal digits and nothing else. An extension (";name=value") means nothing to anybody, but
// servers disagree about where it ends, and about whether to take it at all.
static bool chunk_size_line(struct guard *g, size_t bytes)
{
    const char *line = g->text + g->line;
    uint64_t size = 0;
    for (size_t i = 0; i < bytes; i++) {
        int digit = guard__hex_value(line[i]);
        if (digit < 0 || i == 8)
            return guard__refuse(g, 400, "a chunk size must be 1 to 8 hexadecimal digits alone");
        size = size * 16 + (uint64_t)digit;
    }
    if (bytes == 0)
        return guard__refuse(g, 400, "a chunk has no size");

    assert(g->body_bytes <= g->limits.body_bytes_max);
    if (size > g->limits.body_bytes_max - g->body_bytes)
        return guard__refuse(g, 413, "the body is too long");
    g->body_bytes += size;
    g->body_left = size;
    g->part = size > 0 ? GUARD_CHUNK_DATA : GUARD_TRAILERS;
    return true;
}

static bool chunk_end_line(struct guard *g, size_t bytes)
{
    if (bytes > 0)
        return guard__refuse(g, 400, "a chunk is longer than it says");
    g->part = GUARD_CHUNK_SIZE;
    return true;
}

static bool trailer_line(struct guard *g, size_t bytes)
{
    if (bytes > 0)
        return guard__trailer_line(g, bytes);
    g->part = GUARD_COMPLETE;
    return true;
}

typedef bool line_rule(struct guard *g, size_t bytes);

static line_rule *const line_rules[GUARD_PARTS] = {
    [GUARD_REQUEST_LINE] = request_line,  [GUARD_HEADERS] = header_line,
    [GUARD_CHUNK_SIZE] = chunk_size_line, [GUARD_CHUNK_END] = chunk_end_line,
    [GUARD_TRAILERS] = trailer_line,
};

// --- Gathering a line ----------------------------------------------------------------------------

static bool is_head(enum guard_part part)
{
    return part == GUARD_REQUEST_LINE || part == GUARD_HEADERS || part == GUARD_TRAILERS;
}

static size_t line_bytes(const struct guard *g)
{
    return g->text_bytes - g->line;
}

// The request line is measured exactly when it is complete; here it is only kept from growing for
// ever.
static size_t line_bytes_max(const struct guard *g)
{
    if (g->part == GUARD_REQUEST_LINE)
        return GUARD_METHOD_BYTES_MAX + g->limits.uri_bytes_max + 16;
    return is_head(g->part) ? g->limits.head_bytes_max : GUARD_CHUNK_LINE_BYTES_MAX;
}

// How many more bytes the present line may have. 0: g->refusal is filled in.
static size_t line_room(struct guard *g)
{
    size_t line_max = line_bytes_max(g);
    size_t room = line_max >= line_bytes(g) ? line_max - line_bytes(g) + 1 : 0;
    if (room == 0 && g->part == GUARD_REQUEST_LINE)
        guard__refuse(g, 414, "the request target is too long");
    else if (room == 0 && !is_head(g->part))
        guard__refuse(g, 400, "the line of a chunk size is too long");
    else if (is_head(g->part) && g->head_bytes >= g->limits.head_bytes_max)
        guard__refuse(g, 431, "the head of the request is too long");
    if (g->refusal.status != 0)
        return 0;
    return is_head(g->part) ? MIN(room, g->limits.head_bytes_max - g->head_bytes) : room;
}

static bool is_plain(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static void append(struct guard *g, const char *bytes, size_t n)
{
    size_t needed = g->text_bytes + n + 1; // A byte more for a NUL.
    if (needed > g->text_capacity) {
        g->text_capacity = MAX(needed, MAX(2 * g->text_capacity, 512));
        g->text = xrealloc(g->text, g->text_capacity);
    }
    memcpy(g->text + g->text_bytes, bytes, n);
    g->text_bytes += n;
    g->text[g->text_bytes] = '\0';
}

// Lines of the head stay in the text, with their NUL.
static enum guard_event line_end(struct guard *g)
{
    enum guard_part part = g->part;
    bool kept = part == GUARD_REQUEST_LINE || part == GUARD_HEADERS;
    append(g, "", 0); // An empty line has a NUL as well.
    g->after_cr = false;
    if (!line_rules[part](g, line_bytes(g)))
        return GUARD_REFUSED;
    if (kept && g->part != GUARD_BETWEEN)
        g->line = ++g->text_bytes;
    else
        g->text_bytes = g->line;
    return part == GUARD_HEADERS && g->part != GUARD_HEADERS ? GUARD_HEAD : GUARD_MORE;
}

// A byte that no line of text contains: the end of the line, or a refusal.
static enum guard_event special_byte(struct guard *g, char c)
{
    if (g->after_cr && c == '\n')
        return line_end(g);
    if (g->after_cr)
        guard__refuse(g, 400, "a carriage return stands without a line feed");
    else if (c == '\n')
        guard__refuse(g, 400, "a line ends without a carriage return");
    else if (c != '\r')
        guard__refuse(g, 400, "the head contains a control character");
    g->after_cr = true;
    return g->refusal.status != 0 ? GUARD_REFUSED : GUARD_MORE;
}

// Takes bytes up to the end of a line, and judges the line if it is complete.
static enum guard_event read_line(struct guard *g, const char **at, const char *end)
{
    size_t room = line_room(g);
    if (room == 0)
        return GUARD_REFUSED;
    const char *p = *at;
    const char *stop = (size_t)(end - p) > room ? p + room : end;
    while (!g->after_cr && p < stop && is_plain((unsigned char)*p))
        p++;
    append(g, *at, (size_t)(p - *at));
    if (is_head(g->part))
        g->head_bytes += (size_t)(p - *at) + (p < stop);
    *at = p < stop ? p + 1 : p;
    return p < stop ? special_byte(g, *p) : GUARD_MORE;
}

// --- Everything together -------------------------------------------------------------------------

static enum guard_event read_body(struct guard *g, const char **at, const char *end)
{
    g->piece = *at;
    g->piece_bytes = MIN((size_t)(end - *at), g->body_left);
    g->body_left -= g->piece_bytes;
    *at += g->piece_bytes;
    if (g->body_left == 0)
        g->part = g->part == GUARD_BODY ? GUARD_COMPLETE : GUARD_CHUNK_END;
    return GUARD_PIECE;
}

enum guard_event guard_read(struct guard *g, const char **at, const char *end)
{
    assert(g->refusal.status == 0);
    if (g->part == GUARD_COMPLETE) {
        request_end(g);
        return GUARD_END;
    }
    enum guard_event event = GUARD_MORE;
    while (event == GUARD_MORE && *at < end && g->part != GUARD_COMPLETE) {
        if (g->part == GUARD_BETWEEN)
            request_begin(g);
        if (g->part == GUARD_BODY || g->part == GUARD_CHUNK_DATA)
            event = read_body(g, at, end);
        else
            event = read_line(g, at, end);
    }
    if (event == GUARD_MORE && g->part == GUARD_COMPLETE) { // Behind the trailers.
        request_end(g);
        event = GUARD_END;
    }
    return event;
}
