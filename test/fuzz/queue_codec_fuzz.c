// SPDX-License-Identifier: MIT
// queue_codec_fuzz.c: any bytes as an attempt or as an outcome in a stream of Redis.
//
// The first byte chooses which. What is read is within its bounds: a node could have written it,
// and would have written these very bytes, but for what later versions have added: what a reader
// knows of that is read again from what it writes.

#include "dispatch/queue/codec_priv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void assert_equal(const struct request_text *a, const struct request_text *b)
{
    assert(a->count == b->count && memcmp(a->bytes, b->bytes, a->count) == 0);
}

static void assert_same_attempt(const struct request_text *written)
{
    struct queue_send x;
    struct request_text again = {0};
    enum err err = queue__decode_send(written->bytes, written->count, &x, NULL);
    assert(!err);
    bool fits = queue__encode_send(&again, x.node, &x.send);
    assert(fits);
    assert_equal(&again, written);
    free(again.bytes);
    arena_clear(&x.texts);
}

static void assert_same_outcome(const struct request_text *written)
{
    struct queue_outcome x;
    struct request_text again = {0};
    enum err err = queue__decode_outcome(written->bytes, written->count, &x, NULL);
    assert(!err);
    bool fits = queue__encode_outcome(&again, &x.outcome);
    assert(fits);
    assert_equal(&again, written);
    free(again.bytes);
    arena_clear(&x.texts);
}

static void read_attempt(const char *bytes, size_t count)
{
    struct queue_send x;
    struct request_text again = {0};
    if (queue__decode_send(bytes, count, &x, NULL))
        return;
    assert(x.send.request.api && x.send.request.key.job > 0 && x.send.request.timeout_ms > 0);
    bool fits = queue__encode_send(&again, x.node, &x.send);
    assert(fits);
    assert_same_attempt(&again);
    bool is_added_to =
        again.count != count || x.send.request.success_body || x.send.request.failure_body;
    assert(is_added_to || memcmp(again.bytes, bytes, count) == 0);
    free(again.bytes);
    arena_clear(&x.texts);
}

static void read_outcome(const char *bytes, size_t count)
{
    struct queue_outcome x;
    struct request_text again = {0};
    if (queue__decode_outcome(bytes, count, &x, NULL))
        return;
    assert((x.outcome.kind == OUTCOME_ANSWERED) == !x.outcome.attempt.error);
    bool fits = queue__encode_outcome(&again, &x.outcome);
    assert(fits);
    assert_same_outcome(&again);
    bool is_added_to = again.count != count || x.outcome.body_is_judged || x.outcome.body_error;
    assert(is_added_to || memcmp(again.bytes, bytes, count) == 0);
    free(again.bytes);
    arena_clear(&x.texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    char *copy = xmalloc(bytes); // So that ASan sees any step beyond its end.
    memcpy(copy, data + 1, bytes - 1);
    if (data[0] % 2)
        read_attempt(copy, bytes - 1);
    else
        read_outcome(copy, bytes - 1);
    free(copy);
    return 0;
}
