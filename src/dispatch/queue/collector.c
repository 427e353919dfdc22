// SPDX-License-Identifier: MIT
// collector.c: the thread of a node that reads the outcomes that executors have told.
//
// Always from the beginning of the stream, and what was read is deleted with the next call: so no
// mark can be wrong after a FLUSHALL or a step of the server's clock. What is read twice is of an
// attempt that nobody waits for any more.

#include "dispatch/queue/queue_priv.h"

#include "base/log.h"

#include <assert.h>
#include <string.h>

#define BLOCK_MS 1000
#define TOLD_MS 60000 // The log tells of malformed outcomes no more often than that.

struct collector {
    struct queue *queue;
    char (*read)[QUEUE_ID_BYTES]; // Ids of what was read and is to be deleted.
    size_t read_count;
    mono_ms told;
};

static void complain(struct collector *c, const struct fault *f)
{
    mono_ms now = clock_mono_ms();
    if (c->told && now - c->told < TOLD_MS)
        return;
    log_warn("queue.refused", LOG_TEXT("what", "outcome"), LOG_TEXT("error", f->text));
    c->told = now;
}

static void deliver(struct collector *c, const char *bytes, size_t count)
{
    struct fault f = {0};
    struct news *n = xcalloc(1, sizeof *n);
    if (!bytes || queue__decode_outcome(bytes, count, &n->outcome, &f)) {
        complain(c, &f);
        free(n);
    } else if (mailbox_post(c->queue->news, &n->mail)) {
        arena_clear(&n->outcome.texts);
        free(n);
    }
}

// The value of the field `o`; NULL when the entry is not one of ours.
static const char *find_outcome(const struct redis_reply *fields, size_t *bytes)
{
    for (size_t i = 0; i + 1 < redis_count(fields); i += 2) {
        const char *name = redis_text(redis_at(fields, i), NULL);
        if (name && strcmp(name, "o") == 0)
            return redis_text(redis_at(fields, i + 1), bytes);
    }
    return NULL;
}

// [[stream, [[id, [field, value, ...]], ...]]], or nil when nothing came.
static void read_entries(struct collector *c, const struct redis_reply *reply)
{
    const struct redis_reply *entries = redis_at(redis_at(reply, 0), 1);
    size_t count = MIN(redis_count(entries), QUEUE_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct redis_reply *entry = redis_at(entries, i);
        const char *id = redis_text(redis_at(entry, 0), NULL);
        size_t bytes = 0;
        const char *outcome = find_outcome(redis_at(entry, 1), &bytes);
        if (!id || strlen(id) >= QUEUE_ID_BYTES)
            continue;
        assert(c->read_count < QUEUE_BATCH_MAX);
        strcpy(c->read[c->read_count++], id);
        deliver(c, outcome, bytes);
    }
}

static void collect(struct collector *c)
{
    struct redis *r = c->queue->collector;
    assert(c->read_count <= QUEUE_BATCH_MAX);
    size_t deleted = c->read_count;
    for (size_t i = 0; i < deleted; i++)
        redis_add(r, "XDEL " QUEUE_OUT "%s %s", c->queue->node, c->read[i]);
    c->read_count = 0;
    redis_add(r, "XREAD COUNT %d BLOCK %d STREAMS " QUEUE_OUT "%s 0", QUEUE_BATCH_MAX, BLOCK_MS,
              c->queue->node);
    if (redis_run(r, BLOCK_MS + REDIS_CALL_MS, NULL))
        return;
    const char *error = redis_error(redis_reply(r, deleted));
    if (error)
        redis_cut(r, error);
    else
        read_entries(c, redis_reply(r, deleted));
}

void *queue__collector_run(void *queue)
{
    struct collector c = {.queue = queue};
    enum err err;
    c.read = xcalloc(QUEUE_BATCH_MAX, sizeof *c.read);
    while ((err = redis_connect(c.queue->collector, NULL)) != ERR_CLOSED) {
        if (err)
            redis_rest(c.queue->collector);
        else
            collect(&c);
    }
    free(c.read);
    return NULL;
}
