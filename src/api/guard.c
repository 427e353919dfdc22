// SPDX-License-Identifier: MIT
// guard.c: which bytes are the head, the body, a chunk; where a request ends.
//
// Everything but a body is made of lines that end in CR LF, so the guard gathers a line, checking
// each byte, and then hands it to the rule of the part it is in:
//
//     BETWEEN -> REQUEST_LINE -> HEADERS -+-> BETWEEN (no body)
//                                         +-> BODY -> BETWEEN
//                                         +-> CHUNK_SIZE -> CHUNK_DATA -> CHUNK_END -> CHUNK_SIZE
//                                               +-> TRAILERS -> BETWEEN
//
// A byte is refused the moment it comes: a library that takes a lone LF for the end of a line would
// otherwise act on a head before the guard has seen its end.

#include "api/guard_priv.h"

#include "base/err.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

void guard_init(struct guard *g, const struct guard_limits *limits)
{
    *g = (struct guard){.limits = *limits};
}

void guard_fini(struct guard *g)
{
    free(g->line);
    g->line = NULL;
}

bool guard_midway(const struct guard *g)
{
    return g->part != GUARD_BETWEEN;
}

bool guard__refuse(struct guard_refusal *r, unsigned status, const char *detail)
{
    *r = (struct guard_refusal){status, detail};
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

// --- The rules for one line ----------------------------------------------------------------------

static void request_begin(struct guard *g)
{
    g->part = GUARD_REQUEST_LINE;
    g->head_bytes = 0;
    g->body_bytes = 0;
    g->head = (struct guard_head){0};
}

static void request_end(struct guard *g)
{
    g->requests++;
    g->part = GUARD_BETWEEN;
    g->empty_line_skipped = false;
}

// HTTP asks servers to overlook one empty line before a request: old clients add it to a body.
static bool request_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    if (bytes == 0 && !g->empty_line_skipped) {
        g->empty_line_skipped = true;
        g->part = GUARD_BETWEEN;
        return true;
    }
    g->part = GUARD_HEADERS;
    return guard__request_line(g, line, bytes, r);
}

static bool header_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    if (bytes > 0)
        return guard__header_line(g, line, bytes, r);
    if (!guard__head_end(g, r))
        return false;

    g->body_left = g->head.content_length;
    if (g->head.chunked)
        g->part = GUARD_CHUNK_SIZE;
    else if (g->body_left > 0)
        g->part = GUARD_BODY;
    else
        request_end(g);
    return true;
}

// Hexadecimal digits and nothing else. An extension (";name=value") means nothing to anybody, but
// servers disagree about where it ends, and about whether to take it at all.
static bool chunk_size_line(struct guard *g, const char *line, size_t bytes,
                            struct guard_refusal *r)
{
    uint64_t size = 0;
    for (size_t i = 0; i < bytes; i++) {
        int digit = guard__hex_value(line[i]);
        if (digit < 0 || i == 8)
            return guard__refuse(r, 400, "a chunk size must be 1 to 8 hexadecimal digits alone");
        size = size * 16 + (uint64_t)digit;
    }
    if (bytes == 0)
        return guard__refuse(r, 400, "a chunk has no size");

    if (size > g->limits.body_bytes_max - g->body_bytes)
        return guard__refuse(r, 413, "the body is too long");
    g->body_bytes += size;
    g->body_left = size;
    g->part = size > 0 ? GUARD_CHUNK_DATA : GUARD_TRAILERS;
    return true;
}

static bool chunk_end_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    (void)line;
    if (bytes > 0)
        return guard__refuse(r, 400, "a chunk is longer than it says");
    g->part = GUARD_CHUNK_SIZE;
    return true;
}

static bool trailer_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    if (bytes > 0)
        return guard__trailer_line(g, line, bytes, r);
    request_end(g);
    return true;
}

typedef bool line_rule(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r);

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

// Counts one more byte of the present line. The request line is measured exactly when it is
// complete; here it is only kept from growing for ever.
static bool within_limits(struct guard *g, struct guard_refusal *r)
{
    size_t request_line_max = GUARD_METHOD_BYTES_MAX + g->limits.uri_bytes_max + 16;
    if (g->part == GUARD_REQUEST_LINE && g->line_bytes > request_line_max)
        return guard__refuse(r, 414, "the request target is too long");
    if (is_head(g->part) && ++g->head_bytes > g->limits.head_bytes_max)
        return guard__refuse(r, 431, "the head of the request is too long");
    if (!is_head(g->part) && g->line_bytes > GUARD_CHUNK_LINE_BYTES_MAX)
        return guard__refuse(r, 400, "the line of a chunk size is too long");
    return true;
}

static bool byte_allowed(const struct guard *g, unsigned char c, struct guard_refusal *r)
{
    if (g->after_cr && c != '\n')
        return guard__refuse(r, 400, "a carriage return stands without a line feed");
    if (!g->after_cr && c == '\n')
        return guard__refuse(r, 400, "a line ends without a carriage return");
    if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
        return guard__refuse(r, 400, "the head contains a control character");
    return true;
}

static void line_append(struct guard *g, char c)
{
    g->line = grow(g->line, g->line_bytes + 1, &g->line_capacity, 1); // One more for the NUL.
    g->line[g->line_bytes++] = c;
    g->line[g->line_bytes] = '\0';
}

// Takes bytes up to the end of a line, and judges the line if it is complete. Returns how many
// bytes it took.
static size_t scan_line(struct guard *g, const char *bytes, size_t n, struct guard_refusal *r)
{
    for (size_t i = 0; i < n; i++) {
        if (!within_limits(g, r) || !byte_allowed(g, (unsigned char)bytes[i], r))
            return i;
        if (bytes[i] == '\n') {
            size_t length = g->line_bytes;
            g->after_cr = false;
            g->line_bytes = 0;
            line_rules[g->part](g, length > 0 ? g->line : "", length, r);
            return i + 1;
        }
        if (bytes[i] == '\r')
            g->after_cr = true;
        else
            line_append(g, bytes[i]);
    }
    return n;
}

// --- Everything together -------------------------------------------------------------------------

static size_t scan_body(struct guard *g, size_t n)
{
    size_t taken = MIN(n, g->body_left);
    g->body_left -= taken;
    if (g->body_left == 0 && g->part == GUARD_BODY)
        request_end(g);
    else if (g->body_left == 0)
        g->part = GUARD_CHUNK_END;
    return taken;
}

size_t guard_scan(struct guard *g, const char *bytes, size_t n, struct guard_refusal *r)
{
    size_t begun_at = 0;
    size_t i = 0;
    while (i < n) {
        if (g->part == GUARD_BETWEEN) {
            begun_at = i;
            request_begin(g);
        }
        if (g->part == GUARD_BODY || g->part == GUARD_CHUNK_DATA)
            i += scan_body(g, n - i);
        else
            i += scan_line(g, bytes + i, n - i, r);
        if (r->status != 0)
            return begun_at;
    }
    return n;
}
