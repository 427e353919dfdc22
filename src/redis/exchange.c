// SPDX-License-Identifier: MIT
// exchange.c: commands out and replies in, within a time. hiredis speaks the protocol; the waiting
// is done here, so that a server which sends a byte now and then cannot hold anybody up.

#include "base/memory.h"
#include "redis/redis_priv.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

enum err redis__wait(const struct redis *r, short events, mono_ms deadline, struct fault *f)
{
    struct pollfd at[] = {{.fd = r->context->fd, .events = events},
                          {.fd = r->stop_fd, .events = POLLIN}};
    for (;;) {
        mono_ms left = deadline - clock_mono_ms();
        int ready = poll(at, COUNT_OF(at), (int)MIN(MAX(left, 0), INT32_MAX));
        if (ready > 0 && at[1].revents)
            return fault_set(f, ERR_CLOSED, "%s", err_text(ERR_CLOSED));
        if (ready > 0)
            return ERR_OK;
        if (ready == 0 && left <= 0)
            return fault_set(f, ERR_TIMEOUT, "no answer in time");
        if (ready < 0 && errno != EINTR)
            return fault_set(f, ERR_STORE_AWAY, "poll: %s", strerror(errno));
    }
}

static enum err lost(const struct redis *r, struct fault *f)
{
    const char *why = r->context->errstr;
    return fault_set(f, ERR_STORE_AWAY, "%s", *why ? why : "the connection is lost");
}

// What has arrived is taken in while the server cannot take more: both might wait for each other.
static enum err send_all(struct redis *r, mono_ms deadline, struct fault *f)
{
    int done = 0;
    while (!done) {
        if (redisBufferWrite(r->context, &done) != REDIS_OK)
            return lost(r, f);
        if (done)
            break;
        enum err err = redis__wait(r, POLLIN | POLLOUT, deadline, f);
        if (err)
            return err;
        if (redisBufferRead(r->context) != REDIS_OK)
            return lost(r, f);
    }
    return ERR_OK;
}

// A read may leave something behind in the buffers of TLS, of which the socket knows nothing: the
// wait comes only when a read has brought nothing.
static enum err next(struct redis *r, mono_ms deadline, redisReply **out, struct fault *f)
{
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(r->context->reader, &reply) != REDIS_OK)
            return fault_set(f, ERR_STORE_AWAY, "%s", r->context->reader->errstr);
        if (reply) {
            *out = reply;
            return ERR_OK;
        }
        size_t before = r->context->reader->len;
        if (redisBufferRead(r->context) != REDIS_OK)
            return lost(r, f);
        if (r->context->reader->len > before)
            continue;
        enum err err = redis__wait(r, POLLIN, deadline, f);
        if (err)
            return err;
    }
}

enum err redis__read(struct redis *r, mono_ms deadline, struct fault *f)
{
    redisReply *reply = NULL;
    enum err err = next(r, deadline, &reply, f);
    if (err)
        return err;
    r->replies = grow(r->replies, r->reply_count, &r->reply_capacity, sizeof *r->replies);
    r->replies[r->reply_count++] = reply;
    return ERR_OK;
}

enum err redis__exchange(struct redis *r, const char *commands, size_t bytes, size_t count,
                         mono_ms deadline, struct fault *f)
{
    redis__drop_replies(r);
    if (redisAppendFormattedCommand(r->context, commands, bytes) != REDIS_OK)
        return lost(r, f);
    enum err err = send_all(r, deadline, f);
    while (!err && r->reply_count < count)
        err = redis__read(r, deadline, f);
    assert(err || r->reply_count == count);
    return err;
}

void redis__drop_replies(struct redis *r)
{
    while (r->reply_count > 0)
        freeReplyObject(r->replies[--r->reply_count]);
}
