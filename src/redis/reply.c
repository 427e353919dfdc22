// SPDX-License-Identifier: MIT
// reply.c: looks into a reply. Whoever writes into a Redis may write anything there, so a reply of
// another kind than was expected is nothing unusual, and reads as none.

#include "redis/redis_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const redisReply *open_reply(const struct redis_reply *r)
{
    return (const redisReply *)r;
}

const struct redis_reply *redis_reply(const struct redis *r, size_t i)
{
    return i < r->reply_count ? (const struct redis_reply *)r->replies[i] : NULL;
}

const char *redis_text(const struct redis_reply *reply, size_t *bytes)
{
    const redisReply *r = open_reply(reply);
    if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
        return NULL;
    if (bytes)
        *bytes = r->len;
    return r->str;
}

bool redis_number(const struct redis_reply *reply, int64_t *out)
{
    const redisReply *r = open_reply(reply);
    if (r && r->type == REDIS_REPLY_INTEGER) {
        *out = r->integer;
        return true;
    }
    const char *text = redis_text(reply, NULL);
    char *end = NULL;
    errno = 0;
    int64_t value = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end || errno)
        return false;
    *out = value;
    return true;
}

size_t redis_count(const struct redis_reply *reply)
{
    const redisReply *r = open_reply(reply);
    return r && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
}

const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i)
{
    return i < redis_count(reply) ? (const struct redis_reply *)open_reply(reply)->element[i]
                                  : NULL;
}

const char *redis_error(const struct redis_reply *reply)
{
    const redisReply *r = open_reply(reply);
    return r && r->type == REDIS_REPLY_ERROR ? r->str : NULL;
}
