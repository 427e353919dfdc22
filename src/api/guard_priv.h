// SPDX-License-Identifier: MIT
// guard_priv.h: reads the bytes of a connection before the HTTP library does, and stops at the
// first one that two parsers could understand differently.
//
// The guard is a pure state machine: it is fed what arrives, in pieces of any size, and follows
// requests, bodies and chunks one after the other. It keeps no body and only one line of the head
// at a time. It knows nothing of sockets; guard_socket_priv.h puts it in front of one.

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

// Why the connection must end. Zeroed: it need not.
struct guard_refusal {
    unsigned status;    // 400, 408, 413, 414 or 431; 0 when everything is in order.
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
    GUARD_PARTS
};

// What the head of the present request has said so far.
struct guard_head {
    bool http_1_0;
    bool chunked;
    unsigned headers;
    unsigned seen;                                 // Bits of the headers that may come once.
    uint64_t content_length;                       // 0 when there is none.
    char authority[GUARD_AUTHORITY_BYTES_MAX + 1]; // Of an absolute-form target, else "".
    char host[GUARD_AUTHORITY_BYTES_MAX + 1];
};

struct guard {
    struct guard_limits limits;
    enum guard_part part;
    bool empty_line_skipped; // The one that may come before a request line.
    bool after_cr;
    char *line; // The present line, without its end, followed by NUL.
    size_t line_bytes;
    size_t line_capacity;
    size_t head_bytes;
    uint64_t body_left;  // Of the body, or of the present chunk.
    uint64_t body_bytes; // Announced by the chunks so far.
    struct guard_head head;
    uint64_t requests; // Complete ones.
};

void guard_init(struct guard *g, const struct guard_limits *limits);
void guard_fini(struct guard *g);

// Follows `n` more bytes. Returns n when they are in order. Otherwise fills in *r, and returns how
// many bytes came before the refused request began (0 if that was in an earlier piece): these
// belong to complete requests. After a refusal the guard must not be fed again.
size_t guard_scan(struct guard *g, const char *bytes, size_t n, struct guard_refusal *r);

// True from the first byte of a request until its last.
bool guard_midway(const struct guard *g);

// --- Between guard.c and guard_head.c -----------------------------------------------------------

// Each judges one complete line of `bytes` bytes, without its end. False: *r says why not.
bool guard__request_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r);
bool guard__header_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r);
bool guard__trailer_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r);

// Judges the head as a whole, when its empty line has come.
bool guard__head_end(struct guard *g, struct guard_refusal *r);

// Fills in *r and returns false.
bool guard__refuse(struct guard_refusal *r, unsigned status, const char *detail);

// The value of a hexadecimal digit; -1 if it is none.
int guard__hex_value(char c);

#endif
