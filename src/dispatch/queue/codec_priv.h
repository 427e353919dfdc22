// SPDX-License-Identifier: MIT
// codec_priv.h: an attempt and its outcome as bytes, on their way through a stream of Redis.
//
// Anybody who reaches the Redis may write there, so all that is read is bounded and checked: what
// is accepted could have been written by a node. A table of fields serves both directions.

#ifndef CARILLON_DISPATCH_QUEUE_CODEC_PRIV_H
#define CARILLON_DISPATCH_QUEUE_CODEC_PRIV_H

#include "base/memory.h"
#include "dispatch/request_priv.h"

#define QUEUE_NODE_BYTES 33 // Hexadecimal digits and a NUL.

// An attempt that was read. Its texts live in the arena.
struct queue_send {
    char node[QUEUE_NODE_BYTES]; // Who wants to have the outcome.
    struct send send;
    struct arena texts;
};

// An outcome that was read: without shard and epoch, which the node knows.
struct queue_outcome {
    struct outcome outcome;
    struct arena texts;
};

// Appends to `out`. False, and nothing was appended: something of it is beyond the bounds.
bool queue__encode_send(struct request_text *out, const char node[static QUEUE_NODE_BYTES],
                        const struct send *s);
bool queue__encode_outcome(struct request_text *out, const struct outcome *o);

// ERR_SYNTAX, with what is wrong. On success the caller clears the arena.
MUST_CHECK enum err queue__decode_send(const char *bytes, size_t count, struct queue_send *out,
                                       struct fault *f);
MUST_CHECK enum err queue__decode_outcome(const char *bytes, size_t count,
                                          struct queue_outcome *out, struct fault *f);

bool queue__is_node(const char *text, size_t bytes); // 32 digits.

#endif
