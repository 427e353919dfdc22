// SPDX-License-Identifier: MIT
// response_states_priv.h: the states of the parser of answers, and the functions that read in them.
//
// A state is a function that takes as many bytes as it can use, at least one, and names the next
// state. Only states that look at the same byte twice (a line's first) leave it for the next one.
//
//   VERSION STATUS REASON -> LINE -> NAME VALUE -> LINE ... -> (end of the head)
//        ^-- 1xx --------------------------------------------------'   |
//                                           LENGTH, UNTIL_CLOSE, DONE <+> SIZE EXTENSION SIZE_LF
//                                                                          CHUNK CHUNK_CR CHUNK_LF
//                                                      trailers: LINE NAME VALUE -> DONE

#ifndef CARILLON_DISPATCH_RESPONSE_STATES_PRIV_H
#define CARILLON_DISPATCH_RESPONSE_STATES_PRIV_H

#include "dispatch/response_priv.h"

enum state {
    STATE_VERSION,
    STATE_STATUS,
    STATE_REASON,
    STATE_LINE, // The first byte of a line of the head.
    STATE_NAME,
    STATE_VALUE,
    STATE_LINE_LF, // After the CR of a line.
    STATE_HEAD_LF, // After the CR of the empty line.
    // The body.
    STATE_LENGTH,
    STATE_UNTIL_CLOSE,
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_CHUNK,
    STATE_CHUNK_CR,
    STATE_CHUNK_LF,
    // The end.
    STATE_DONE,
    STATE_FAILED,
    STATES
};

// Reads from `p`, which is before `end`, and returns where it stopped.
typedef const char *state_read(struct response *r, const char *p, const char *end);

// --- response_head.c

state_read response__version, response__status, response__reason;
state_read response__line, response__line_lf, response__head_lf;
state_read response__name, response__value;

// --- response_body.c

state_read response__length, response__until_close;
state_read response__size, response__extension, response__size_lf;
state_read response__chunk, response__chunk_cr, response__chunk_lf;

// --- Both

#define NO_LF "a CR without LF"

static inline const char *response__take_part(struct response *r, const char *p, size_t count)
{
    r->part.bytes = p;
    r->part.count = count;
    return p + count;
}

static inline void response__fail(struct response *r, enum response_event failure)
{
    r->state = STATE_FAILED;
    r->failure = failure;
}

// `reason` is static text, which goes on "malformed answer: ".
static inline void response__malformed(struct response *r, const char *reason)
{
    r->reason = reason;
    response__fail(r, RESPONSE_MALFORMED);
}

#endif
