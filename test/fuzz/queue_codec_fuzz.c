// SPDX-License-Identifier: MIT
// queue_codec_fuzz.c: any bytes as an attempt or as an outcome in a stream of Redis.
//
// The first byte chooses which. What is read is within its bounds: a node could have written it,
// and would have written these very bytes.

#include "dispatch/queue/codec_priv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void assert_same(const struct request_text *again, const char *bytes, size_t count)
{
    assert(again->count == count && memcmp(again->bytes, bytes, count) == 0);
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
    assert_same(&again, bytes, count);
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
    assert_same(&again, bytes, count);
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
