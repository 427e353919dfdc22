// SPDX-License-Identifier: MIT
// response_body.c: the body of an answer: of a known length, in chunks, or up to the end.

#include "dispatch/response_states_priv.h"

#define NO_END_OF_CHUNK "a chunk is longer than its size says"
#define SIZE_DIGITS_MAX 15 // Hexadecimal; below 2^60.

const char *response__length(struct response *r, const char *p, const char *end)
{
    size_t count = (size_t)MIN((uint64_t)(end - p), r->left);
    r->left -= count;
    if (r->left == 0)
        r->state = STATE_DONE;
    return response__take_part(r, p, count);
}

const char *response__until_close(struct response *r, const char *p, const char *end)
{
    return response__take_part(r, p, (size_t)(end - p));
}

static int hex_value(char c)
{
    if ('0' <= c && c <= '9')
        return c - '0';
    if ('a' <= c && c <= 'f')
        return c - 'a' + 10;
    return 'A' <= c && c <= 'F' ? c - 'A' + 10 : -1;
}

const char *response__size(struct response *r, const char *p, const char *end)
{
    for (; p < end && hex_value(*p) >= 0; p++) {
        if (++r->count > SIZE_DIGITS_MAX) {
            response__malformed(r, "the size of a chunk is too long");
            return p + 1;
        }
        r->left = r->left * 16 + (uint64_t)hex_value(*p);
    }
    if (p == end)
        return p;
    if (r->count > 0 && *p == '\r')
        r->state = STATE_SIZE_LF;
    else if (r->count > 0 && *p == ';')
        r->state = STATE_EXTENSION;
    else
        response__malformed(r, "the size of a chunk is no number");
    r->count = 0;
    r->line_bytes = 0;
    return p + 1;
}

const char *response__extension(struct response *r, const char *p, const char *end)
{
    for (; p < end && r->state == STATE_EXTENSION; p++) {
        if (*p == '\r')
            r->state = STATE_SIZE_LF;
        else if (*p == '\n' || *p == '\0' || ++r->line_bytes > RESPONSE_CHUNK_LINE_BYTES_MAX)
            response__malformed(r, "the extension of a chunk is malformed or too long");
    }
    return p;
}

const char *response__size_lf(struct response *r, const char *p, const char *end)
{
    (void)end;
    if (*p != '\n')
        response__malformed(r, NO_LF);
    else
        r->state = r->left > 0 ? STATE_CHUNK : STATE_LINE; // The last chunk: trailers follow.
    return p + 1;
}

const char *response__chunk(struct response *r, const char *p, const char *end)
{
    size_t count = (size_t)MIN((uint64_t)(end - p), r->left);
    r->left -= count;
    if (r->left == 0)
        r->state = STATE_CHUNK_CR;
    return response__take_part(r, p, count);
}

const char *response__chunk_cr(struct response *r, const char *p, const char *end)
{
    (void)end;
    if (*p == '\r')
        r->state = STATE_CHUNK_LF;
    else
        response__malformed(r, NO_END_OF_CHUNK);
    return p + 1;
}

const char *response__chunk_lf(struct response *r, const char *p, const char *end)
{
    (void)end;
    if (*p == '\n')
        r->state = STATE_SIZE;
    else
        response__malformed(r, NO_END_OF_CHUNK);
    return p + 1;
}
