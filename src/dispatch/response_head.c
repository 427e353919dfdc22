// SPDX-License-Identifier: MIT
// response_head.c: status line and header lines of an answer, and what they say about its body.

#include "dispatch/response_states_priv.h"

#include <string.h>

#define BAD_NAME "a header without a name and a colon"
#define STATUS_DIGITS 3
#define LENGTH_DIGITS_MAX 18 // Below 2^63.

enum header {
    HEADER_OTHER,
    HEADER_CONTENT_LENGTH,
    HEADER_TRANSFER_ENCODING,
    HEADER_CONNECTION,
    HEADER_RETRY_AFTER,
    HEADER_LOCATION,
    HEADER_COMPLETION,
};

static const struct {
    const char *name;
    enum header header;
} headers[] = {
    {"content-length", HEADER_CONTENT_LENGTH},
    {"transfer-encoding", HEADER_TRANSFER_ENCODING},
    {"connection", HEADER_CONNECTION},
    {"retry-after", HEADER_RETRY_AFTER},
    {"location", HEADER_LOCATION},
    {"carillon-completion", HEADER_COMPLETION},
};

// --- Words ---------------------------------------------------------------------------------------

static char lower(char c)
{
    return 'A' <= c && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return '0' <= c && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// tchar of RFC 9110.
static bool is_token(char c)
{
    char l = lower(c);
    return is_digit(c) || ('a' <= l && l <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void word_clear(struct response *r)
{
    r->word_bytes = 0;
    r->word_cut = false;
}

static void word_add(struct response *r, char c)
{
    if (r->word_bytes < RESPONSE_WORD_BYTES)
        r->word[r->word_bytes++] = lower(c);
    else
        r->word_cut = true;
}

static bool word_is(const struct response *r, const char *text)
{
    return !r->word_cut && strlen(text) == r->word_bytes &&
           memcmp(r->word, text, r->word_bytes) == 0;
}

// Whether a list of words has this one.
static bool list_has(const struct response *r, const char *text)
{
    size_t n = strlen(text);
    size_t i = 0;
    while (i < r->word_bytes) {
        while (i < r->word_bytes && (is_blank(r->word[i]) || r->word[i] == ','))
            i++;
        size_t start = i;
        while (i < r->word_bytes && !is_blank(r->word[i]) && r->word[i] != ',')
            i++;
        if (i - start == n && memcmp(r->word + start, text, n) == 0)
            return true;
    }
    return false;
}

// --- What the headers say ------------------------------------------------------------------------

static void take_length(struct response *r)
{
    int64_t length = 0;
    bool good = 0 < r->word_bytes && r->word_bytes <= LENGTH_DIGITS_MAX;
    for (size_t i = 0; i < r->word_bytes && good; i++) {
        good = is_digit(r->word[i]);
        length = length * 10 + (r->word[i] - '0');
    }
    if (!good)
        response__malformed(r, "its Content-Length is no number");
    else if (r->length >= 0 && r->length != length)
        response__malformed(r, "it has two lengths");
    else
        r->length = length;
}

static void take_coding(struct response *r)
{
    if (r->chunked || r->version_0 || !word_is(r, "chunked"))
        response__malformed(r, "its Transfer-Encoding is not just \"chunked\"");
    else
        r->chunked = true;
}

static void take_connection(struct response *r)
{
    r->closes |= r->word_cut || list_has(r, "close");
    r->keeps |= list_has(r, "keep-alive");
}

// A value that is too long can be neither a number nor a date.
static void take_retry_after(struct response *r)
{
    if (r->word_bytes >= sizeof r->retry_after)
        return;
    memcpy(r->retry_after, r->word, r->word_bytes);
    r->retry_after[r->word_bytes] = '\0';
}

// The value itself was given to the caller as it came.
static void take_location(struct response *r)
{
    r->located = true;
}

static void take_completion(struct response *r)
{
    r->asks_to_wait |= word_is(r, "wait");
}

static void take_header(struct response *r)
{
    static void (*const takes[])(struct response *) = {
        [HEADER_CONTENT_LENGTH] = take_length, [HEADER_TRANSFER_ENCODING] = take_coding,
        [HEADER_CONNECTION] = take_connection, [HEADER_RETRY_AFTER] = take_retry_after,
        [HEADER_LOCATION] = take_location,     [HEADER_COMPLETION] = take_completion,
    };
    while (r->word_bytes > 0 && is_blank(r->word[r->word_bytes - 1]))
        r->word_bytes--;
    if (r->header != HEADER_OTHER && !r->head_complete) // In trailers they mean nothing.
        takes[r->header](r);
    r->header = HEADER_OTHER;
}

// --- The end of a line, and of the head ----------------------------------------------------------

// What the line says is taken when the next one begins: it may go on there.
static void line_ended(struct response *r)
{
    r->line_read = true;
    r->state = STATE_LINE;
    bool is_final = r->line_status >= 200 || r->line_status == 101;
    if (is_final)
        r->status = r->line_status;
}

static void next_answer(struct response *r)
{
    size_t head_bytes = r->head_bytes;
    response__init(r, r->to_head);
    r->head_bytes = head_bytes;
    r->line_read = true;
}

static bool has_no_body(const struct response *r)
{
    return r->to_head || r->status == 204 || r->status == 304;
}

static void head_ended(struct response *r)
{
    if (r->line_status < 200) {
        if (r->line_status == 101)
            response__malformed(r, "it switches to a protocol which nobody asked for");
        else
            next_answer(r);
        return;
    }
    bool two_lengths = r->chunked && r->length >= 0; // The chunks count (RFC 9112, 6.3).
    r->head_complete = true;
    r->foldable = false;
    r->reusable = !r->closes && !two_lengths && (!r->version_0 || r->keeps);
    r->left = r->length > 0 ? (uint64_t)r->length : 0;
    if (has_no_body(r) || (r->length == 0 && !r->chunked)) {
        r->state = STATE_DONE;
    } else if (r->chunked) {
        r->left = 0;
        r->state = STATE_SIZE;
    } else if (r->length > 0) {
        r->state = STATE_LENGTH;
    } else {
        r->state = STATE_UNTIL_CLOSE;
        r->reusable = false;
    }
}

static void empty_line(struct response *r)
{
    if (r->head_complete)
        r->state = STATE_DONE; // This empty line ends the trailers.
    else
        head_ended(r);
}

// --- The states of the head ----------------------------------------------------------------------

const char *response__version(struct response *r, const char *p, const char *end)
{
    static const char version[] = "HTTP/1.x ";
    for (; p < end && r->state == STATE_VERSION; p++) {
        char wanted = version[r->count++];
        if (wanted == 'x') {
            r->version_0 = *p == '0';
            wanted = r->version_0 ? '0' : '1';
        }
        if (*p != wanted)
            response__fail(r, RESPONSE_NOT_HTTP);
        else if (r->count == sizeof version - 1)
            r->state = STATE_STATUS;
    }
    r->count = r->state == STATE_VERSION ? r->count : 0;
    return p;
}

// What may stand behind the text of a line: its end.
static void end_of_text(struct response *r, char c)
{
    if (c == '\n')
        line_ended(r);
    else if (c == '\r')
        r->state = STATE_LINE_LF;
    else
        response__malformed(r, "a NUL in a line");
}

const char *response__status(struct response *r, const char *p, const char *end)
{
    for (; p < end && r->count < STATUS_DIGITS; p++, r->count++) {
        if (!is_digit(*p) || (r->count == 0 && *p == '0')) {
            response__fail(r, RESPONSE_NOT_HTTP);
            return p + 1;
        }
        r->line_status = (uint16_t)(r->line_status * 10 + (*p - '0'));
    }
    if (p == end)
        return p;
    r->count = 0;
    if (*p == ' ')
        r->state = STATE_REASON;
    else if (*p == '\r' || *p == '\n')
        end_of_text(r, *p);
    else
        response__fail(r, RESPONSE_NOT_HTTP);
    return p + 1;
}

// The bytes up to the end of a line's text: CR, LF or NUL.
static const char *skip_text(const char *p, const char *end)
{
    while (p < end && *p != '\n' && *p != '\r' && *p)
        p++;
    return p;
}

const char *response__reason(struct response *r, const char *p, const char *end)
{
    p = skip_text(p, end);
    if (p == end)
        return p;
    end_of_text(r, *p);
    return p + 1;
}

// Whether the line goes on with the one before (obs-fold). There is a space between the two parts.
static bool fold(struct response *r, char c)
{
    if (!is_blank(c))
        return false;
    if (!r->foldable) {
        response__malformed(r, "a blank in front of its first header");
        return true;
    }
    if (r->header == HEADER_LOCATION && r->word_bytes > 0)
        response__take_part(r, " ", 1);
    else if (r->word_bytes > 0)
        word_add(r, ' ');
    r->state = STATE_VALUE;
    return true;
}

const char *response__line(struct response *r, const char *p, const char *end)
{
    (void)end;
    if (fold(r, *p))
        return p + 1;
    take_header(r);
    word_clear(r);
    if (r->state == STATE_FAILED)
        return p + 1;
    if (*p == '\r') {
        r->state = STATE_HEAD_LF;
    } else if (*p == '\n') {
        empty_line(r);
    } else if (is_token(*p)) {
        r->state = STATE_NAME;
        return p; // The byte is the name's first.
    } else {
        response__malformed(r, BAD_NAME);
    }
    return p + 1;
}

static enum header header_of(const struct response *r)
{
    enum header found = HEADER_OTHER;
    for (size_t i = 0; i < COUNT_OF(headers) && !found; i++)
        if (word_is(r, headers[i].name))
            found = headers[i].header;
    bool leads = 300 <= r->status && r->status <= 399 && !r->head_complete && !r->located;
    return found == HEADER_LOCATION && !leads ? HEADER_OTHER : found;
}

const char *response__name(struct response *r, const char *p, const char *end)
{
    for (; p < end && is_token(*p); p++)
        word_add(r, *p);
    if (p == end)
        return p;
    if (*p == ':') {
        r->header = (uint8_t)header_of(r);
        r->state = STATE_VALUE;
        r->foldable = true;
        word_clear(r);
    } else {
        response__malformed(r, BAD_NAME);
    }
    return p + 1;
}

const char *response__value(struct response *r, const char *p, const char *end)
{
    const char *stop = skip_text(p, end);
    while (p < stop && r->word_bytes == 0 && is_blank(*p))
        p++;
    if (r->header == HEADER_LOCATION && p < stop) {
        word_add(r, *p); // The value has begun: blanks are part of it.
        return response__take_part(r, p, (size_t)(stop - p));
    }
    for (; p < stop && r->header != HEADER_OTHER; p++)
        word_add(r, *p);
    if (stop == end)
        return end;
    end_of_text(r, *stop);
    return stop + 1;
}

const char *response__line_lf(struct response *r, const char *p, const char *end)
{
    (void)end;
    if (*p == '\n')
        line_ended(r);
    else
        response__malformed(r, NO_LF);
    return p + 1;
}

const char *response__head_lf(struct response *r, const char *p, const char *end)
{
    (void)end;
    if (*p == '\n')
        empty_line(r);
    else
        response__malformed(r, NO_LF);
    return p + 1;
}
