// SPDX-License-Identifier: MIT
// server_clock.c: between which bounds the clock of the Redis server is, and random names.
//
// When the server's clock is turned back, attempts in the stream would be young again. So an
// executor goes by the later clock until all of them are too old by the new one as well.

#include "dispatch/queue/queue_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void server_clock_learn(struct server_clock *c, int64_t time, mono_ms sent, mono_ms came)
{
    int64_t low = time - came, high = time + 1 - sent; // TIME was cut to whole milliseconds.
    bool is_back = c->is_known && high < c->low;
    if (is_back && c->keeps_high_until == 0)
        c->keeps_high_until = came + 2 * QUEUE_WINDOW_MS;
    if (c->keeps_high_until > came && high < c->high)
        high = c->high;
    else
        c->keeps_high_until = 0;
    c->low = low;
    c->high = high;
    c->is_known = true;
}

bool server_clock_read(const struct redis_reply *r, int64_t *out)
{
    int64_t seconds, micros;
    if (!redis_number(redis_at(r, 0), &seconds) || !redis_number(redis_at(r, 1), &micros) ||
        seconds < 0 || seconds > WALL_LAST / 1000 || micros < 0 || micros > 999999)
        return false;
    *out = seconds * 1000 + micros / 1000;
    return true;
}

bool server_clock_ask(struct server_clock *c, struct redis *r)
{
    int64_t time;
    mono_ms sent = clock_mono_ms();
    redis_add(r, "TIME");
    if (redis_run(r, REDIS_CALL_MS, NULL) || !server_clock_read(redis_reply(r, 0), &time))
        return false;
    server_clock_learn(c, time, sent, clock_mono_ms());
    return true;
}

enum err queue__name(char out[static QUEUE_NODE_BYTES], struct fault *f)
{
    uint8_t bytes[(QUEUE_NODE_BYTES - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return fault_set(f, ERR_SYSTEM, "getrandom: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return ERR_OK;
}
