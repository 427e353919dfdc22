// SPDX-License-Identifier: MIT
// guard_priv.h: the parser of requests, which stops at the first byte that two parsers could
// understand differently.
//
// The guard is a pure state machine: it is fed what arrives, in pieces of any size, and follows
// requests, bodies and chunks one after the other. It keeps the head of the present request and no
// body. It knows nothing of sockets. Nothing else in the server reads HTTP, so there is no second
// opinion about where a request ends.

#ifndef CARILLON_API_GUARD_PRIV_H
#define CARILLON_API_GUARD_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_METHOD_BYTES_MAX 32
#define GUARD_CHUNK_LINE_BYTES_MAX 128
#define GUARD_AUTHORITY_BYTES_MAX 261 // A name of 255 bytes, a colon and five digits.

struct guard_limits {
    size_t uri_bytes_max;
    size_t head_bytes_max; // Request line, headers and empty line; trailers count as well.
    unsigned headers_max;
    size_t body_bytes_max;
};

// Why the connection must end. Zeroed: everything is in order so far.
struct guard_refusal {
    unsigned status;    // 400, 413, 414 or 431.
    const char *detail; // A literal: one sentence without a full stop.
};

enum guard_part {
    GUARD_BETWEEN, // Before the first byte of a request.
    GUARD_REQUEST_LINE,
    GUARD_HEADERS,
    GUARD_BODY,
    GUARD_CHUNK_SIZE,
    GUARD_CHUNK_DATA,
    GUARD_CHUNK_END,
    GUARD_TRAILERS,
    GUARD_COMPLETE, // The last byte of the request has come; GUARD_END is still to be told.
    GUARD_PARTS
};

// Where a name and its value stand in the text of the head; each ends in NUL.
struct guard_header {
    uint32_t name;
    uint32_t value;
};

// What the head of the present request says. Places are offsets into the text of the head.
struct guard_head {
    uint32_t method;
    uint32_t target;
    uint32_t authority; // The authority of an absolute-form target.
    uint32_t authority_bytes;
    uint32_t host;
    bool http_1_0;
    bool chunked;
    bool wants_close;
    bool wants_continue;     // Expect: 100-continue.
    unsigned headers;        // With trailers.
    unsigned seen;           // Bits of the headers that may come once.
    uint64_t content_length; // 0 when there is none.
};

struct guard {
    struct guard_limits limits;
    struct guard_refusal refusal;
    enum guard_part part;
    bool empty_line_skipped; // The one that may come before a request line.
    bool after_cr;
    char *text; // The lines of the head, each followed by NUL, then the present line.
    size_t text_bytes;
    size_t text_capacity;
    size_t line; // Where the present line begins.
    struct guard_header *headers;
    size_t headers_count;
    size_t headers_capacity;
    size_t head_bytes;
    uint64_t body_left;  // What is left of the body, or of the present chunk.
    uint64_t body_bytes; // Announced by the chunks so far.
    struct guard_head head;
    const char *piece; // GUARD_PIECE: inside the bytes that were handed in.
    size_t piece_bytes;
};

enum guard_event {
    GUARD_MORE,    // All bytes are taken; the guard waits for more.
    GUARD_HEAD,    // The head is complete.
    GUARD_PIECE,   // The next bytes of the body are at g->piece.
    GUARD_END,     // The request is complete.
    GUARD_REFUSED, // g->refusal says why. The guard must not be fed again.
};

void guard_init(struct guard *g, const struct guard_limits *limits);
void guard_fini(struct guard *g);

// Takes bytes from *at on, up to `end`, until there is something to tell, and moves *at behind
// them. To be called until it says GUARD_MORE, since an event may need no further byte. What
// guard_method and its like return is good until the first call after GUARD_END.
enum guard_event guard_read(struct guard *g, const char **at, const char *end);

// True from the first byte of a request until GUARD_END is told.
bool guard_midway(const struct guard *g);

// Gives back memory that a long head took. Only between requests.
void guard_rest(struct guard *g);

const char *guard_method(const struct guard *g);
const char *guard_target(const struct guard *g);
const char *guard_header_name(const struct guard *g, size_t index); // index < g->headers_count
const char *guard_header_value(const struct guard *g, size_t index);

// --- Between guard.c and guard_head.c -----------------------------------------------------------

// Each judges the present line, of `bytes` bytes and without its end. False: g->refusal says why.
bool guard__request_line(struct guard *g, size_t bytes);
bool guard__header_line(struct guard *g, size_t bytes);
bool guard__trailer_line(struct guard *g, size_t bytes);

// Judges the head as a whole, when its empty line has come.
bool guard__head_end(struct guard *g);

// Fills in g->refusal and returns false.
bool guard__refuse(struct guard *g, unsigned status, const char *detail);

// The value of a hexadecimal digit; -1 if it is none.
int guard__hex_value(char c);

#endif
