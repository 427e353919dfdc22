// SPDX-License-Identifier: MIT
// response_priv.h: bytes -> one HTTP/1 answer, in whatever pieces they come.
//
// Pure: no I/O, no allocation, no clock. The parser keeps no bytes but a name and a short value, so
// an answer needs no buffer of its own; pieces of the body point into what the caller gave. What
// comes out does not depend on where the bytes were cut.
//
// Strict where two programs could read an answer in two ways and the standard does not say which
// is right: differing Content-Lengths, a coding other than chunked, NUL, CR without LF, names that
// are no token, chunk sizes with anything around them. Where it says so, that is done: a line of
// the head may end with LF alone, a folded line is joined to the one before by a space, and chunks
// count more than a Content-Length, but such a connection carries no further request.

#ifndef CARILLON_DISPATCH_WIRE_RESPONSE_PRIV_H
#define CARILLON_DISPATCH_WIRE_RESPONSE_PRIV_H

#include "dispatch/dispatch.h"
#include "dispatch/retry_after_priv.h"

#define RESPONSE_WORD_BYTES 64
#define RESPONSE_CHUNK_LINE_BYTES_MAX 1024

enum response_event {
    RESPONSE_MORE,     // Every byte was used, and there are more to come.
    RESPONSE_PART,     // response.part is the next piece of the body.
    RESPONSE_LOCATION, // The same of Location's value, in the head of a 3xx; blanks may follow it.
    RESPONSE_DONE,     // The answer is complete. Bytes left over belong to no request.
    RESPONSE_NOT_HTTP,
    RESPONSE_MALFORMED,
    RESPONSE_HEAD_TOO_LONG, // RESPONSE_HEAD_BYTES_MAX, interim answers (1xx) counted with it.
};

struct response {
    uint16_t status;    // The answer's status, from the end of its status line on; 0 before that.
    bool line_read;     // At least one whole line has come, of an interim answer perhaps.
    bool head_complete; // The head of the final answer is read. What goes wrong later does not
                        // change that.
    bool reusable;      // Valid at RESPONSE_DONE: another request may follow on the connection.
    size_t head_bytes;  // So far, with interim answers and trailers.
    enum response_event failure;         // Set with RESPONSE_NOT_HTTP and those below it.
    const char *reason;                  // RESPONSE_MALFORMED: what is wrong, static text.
    char retry_after[RETRY_AFTER_BYTES]; // In lower case; empty when there is none.

    bool asks_to_wait; // "Carillon-Completion: wait".

    struct {
        const char *bytes;
        size_t count;
    } part;

    // The rest is the parser's own.
    bool to_head; // The request was HEAD.
    bool version_0;
    bool chunked;
    bool closes; // "Connection: close".
    bool keeps;  // "Connection: keep-alive".
    bool word_cut;
    bool foldable; // The line before was a header's: a blank goes on with it.
    bool located;  // A Location has come: further ones count nothing.
    uint8_t state;
    uint8_t header;       // Which one `word` is the value of.
    uint8_t count;        // Bytes of the state at hand: of the version, the status, the chunk size.
    uint8_t word_bytes;   // The name, then the value of a header that matters.
    uint16_t line_status; // The status as far as its line has been read.
    uint16_t line_bytes;  // Bytes of a chunk's extensions so far.
    int64_t length;       // Content-Length; -1: none.
    uint64_t left;        // Bytes of the body or the chunk that are to come.
    char word[RESPONSE_WORD_BYTES];
};

// `to_head`: the request was HEAD, whose answer has no body whatever its head says.
void response__init(struct response *r, bool to_head);

// Reads from *bytes up to `end` and moves *bytes behind what was used. After RESPONSE_DONE or a
// failure it says the same again and uses nothing.
enum response_event response__read(struct response *r, const char **bytes, const char *end);

// Whether the answer is whole when the stream ends in order now: its head told no length of the
// body.
bool response__ends_with_stream(const struct response *r);

#endif
