// SPDX-License-Identifier: MIT
// http_response_fuzz.c: any bytes as the answer of a target.
//
// The first byte chooses how the rest is cut into pieces. Whatever the bytes are, the parser stays
// within them and within its bounds, and says the same as when they come in one piece. Where the
// answer leads can be resolved, shown and judged as a URL.

#include "base/reference.h"
#include "base/url.h"
#include "dispatch/location_priv.h"
#include "dispatch/request_priv.h"
#include "dispatch/response_priv.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct result {
    enum response_event event;
    struct response response;
    size_t used;
    size_t body_bytes;
    uint64_t body_sum; // A sum of the bytes and their order.
    struct request_text location;
};

static void take_location(struct result *out)
{
    const struct response *r = &out->response;
    assert(!r->head_complete && 300 <= r->status && r->status <= 399);
    request_text_add(&out->location, r->part.bytes, r->part.count);
}

static void take_part(struct result *out, const char *from, const char *to)
{
    const struct response *r = &out->response;
    assert(r->head_complete && r->status >= 200 && r->status <= 999);
    assert(from <= r->part.bytes && r->part.bytes + r->part.count == to);
    for (size_t i = 0; i < r->part.count; i++)
        out->body_sum = out->body_sum * 31 + (unsigned char)r->part.bytes[i];
    out->body_bytes += r->part.count;
}

static void check(const struct result *out, size_t bytes)
{
    const struct response *r = &out->response;
    assert(out->used <= bytes && out->body_bytes <= out->used);
    assert(r->head_bytes <= RESPONSE_HEAD_BYTES_MAX && r->head_bytes <= out->used);
    assert(out->event == RESPONSE_MORE ? out->used == bytes : out->event > RESPONSE_LOCATION);
    assert(r->status <= 999 && (!r->head_complete || r->line_read));
    assert(out->event != RESPONSE_DONE || r->head_complete);
    assert((out->event == RESPONSE_MALFORMED) == (r->reason != NULL));
    assert(!response__ends_with_stream(r) || (out->event == RESPONSE_MORE && r->head_complete));
}

// Pieces have `size` bytes, the last one perhaps less. Each is an allocation of its own, so that
// ASan sees any step beyond its end.
static void read_in_pieces(const char *bytes, size_t count, size_t size, bool to_head,
                           struct result *out)
{
    memset(out, 0, sizeof *out);
    response__init(&out->response, to_head);
    while (out->used < count && out->event == RESPONSE_MORE) {
        size_t piece_bytes = MIN(size, count - out->used);
        char *piece = xmalloc(piece_bytes);
        memcpy(piece, bytes + out->used, piece_bytes);
        const char *p = piece;
        const char *from = p;
        for (;; from = p) {
            out->event = response__read(&out->response, &p, piece + piece_bytes);
            if (out->event == RESPONSE_PART)
                take_part(out, from, p);
            else if (out->event == RESPONSE_LOCATION)
                take_location(out);
            else
                break;
        }
        out->used += (size_t)(p - piece);
        free(piece);
    }
    check(out, count);
}

static void assert_same(const struct result *a, const struct result *b)
{
    assert(a->event == b->event && a->used == b->used);
    assert(a->body_bytes == b->body_bytes && a->body_sum == b->body_sum);
    assert(a->location.count == b->location.count);
    assert(a->location.count == 0 || strcmp(a->location.bytes, b->location.bytes) == 0);
    assert(a->response.status == b->response.status && a->response.reason == b->response.reason);
    assert(a->response.head_complete == b->response.head_complete);
    assert(a->response.line_read == b->response.line_read);
    assert(a->response.reusable == b->response.reusable);
    assert(a->response.head_bytes == b->response.head_bytes);
}

static void follow(const struct request_text *location)
{
    static const char *const bases[] = {"http://a", "https://a:1/b/c?d/e"};
    struct url url;
    char text[LOCATION_TEXT_BYTES];
    location_format(location->bytes, location->count, text);
    assert(strlen(text) < sizeof text);
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        char *whole = reference_resolve(bases[i], location->bytes);
        assert(strlen(whole) <= strlen(bases[i]) + 1 + location->count);
        if (url_read(whole, &url, NULL) == ERR_OK)
            assert(url.target_at <= strlen(whole) && !strchr(whole + url.target_at, '#'));
        free(whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    const char *text = (const char *)data + 1;
    bool to_head = data[0] & 0x80;
    size_t size = 1 + (data[0] & 0x7f);
    struct result whole;
    struct result cut;
    read_in_pieces(text, bytes - 1, bytes, to_head, &whole);
    read_in_pieces(text, bytes - 1, size, to_head, &cut);
    assert_same(&whole, &cut);
    if (whole.location.count > 0)
        follow(&whole.location);
    free(whole.location.bytes);
    free(cut.location.bytes);
    return 0;
}
