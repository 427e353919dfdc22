// SPDX-License-Identifier: MIT
// response.c: the machine that runs the states over whatever pieces of an answer come.

#include "dispatch/response_states_priv.h"

#include <assert.h>
#include <string.h>

void response__init(struct response *r, bool to_head)
{
    memset(r, 0, offsetof(struct response, word)); // The word is written before it is read.
    r->to_head = to_head;
    r->length = -1;
}

static const struct {
    state_read *read;
    bool in_head; // Bytes in this state count towards the bound of the head, those of trailers as
                  // well.
} states[STATES] = {
    [STATE_VERSION] = {response__version, true},
    [STATE_STATUS] = {response__status, true},
    [STATE_REASON] = {response__reason, true},
    [STATE_LINE] = {response__line, true},
    [STATE_NAME] = {response__name, true},
    [STATE_VALUE] = {response__value, true},
    [STATE_LINE_LF] = {response__line_lf, true},
    [STATE_HEAD_LF] = {response__head_lf, true},
    [STATE_LENGTH] = {response__length, false},
    [STATE_UNTIL_CLOSE] = {response__until_close, false},
    [STATE_SIZE] = {response__size, false},
    [STATE_EXTENSION] = {response__extension, false},
    [STATE_SIZE_LF] = {response__size_lf, false},
    [STATE_CHUNK] = {response__chunk, false},
    [STATE_CHUNK_CR] = {response__chunk_cr, false},
    [STATE_CHUNK_LF] = {response__chunk_lf, false},
};

// A state's turn. The head's states see no byte beyond its bound, so that what is said of a head
// does not depend on how much of it came at once.
static const char *step(struct response *r, const char *p, const char *end)
{
    bool in_head = states[r->state].in_head;
    size_t room = RESPONSE_HEAD_BYTES_MAX - r->head_bytes;
    if (in_head && room == 0) {
        response__fail(r, RESPONSE_HEAD_TOO_LONG);
        return p;
    }
    if (in_head && (size_t)(end - p) > room)
        end = p + room;
    const char *used = states[r->state].read(r, p, end);
    if (in_head)
        r->head_bytes += (size_t)(used - p);
    return used;
}

bool response__ends_with_stream(const struct response *r)
{
    return r->state == STATE_UNTIL_CLOSE;
}

enum response_event response__read(struct response *r, const char **bytes, const char *end)
{
    assert(*bytes <= end);
    r->part.count = 0;
    while (*bytes < end && r->state < STATE_DONE && r->part.count == 0)
        *bytes = step(r, *bytes, end);
    if (r->part.count > 0)
        return r->head_complete ? RESPONSE_PART : RESPONSE_LOCATION;
    if (r->state == STATE_FAILED)
        return r->failure;
    return r->state == STATE_DONE ? RESPONSE_DONE : RESPONSE_MORE;
}
