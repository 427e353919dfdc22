// SPDX-License-Identifier: MIT
// commands.c: the front of the door for commands: checks what holds for every adapter.

#include "store/store_priv.h"

#include <assert.h>
#include <string.h>

enum err store_commands_open(struct store *s, struct store_commands **out, struct fault *f)
{
    if (!s->ops->commands_open)
        return fault_set(f, ERR_UNSUPPORTED, "a database of one node has no commands");
    return s->ops->commands_open(s, out, f);
}

void store_commands_close(struct store_commands *c)
{
    if (c)
        c->ops->close(c);
}

enum err store_commands_put(struct store_commands *c, struct command_put *puts, size_t count,
                            wall_ms now, struct fault *f)
{
    assert(0 < count && count <= COMMANDS_PUT_MAX);
    for (size_t i = 0; i < count; i++)
        assert(command_id_is_set(&puts[i].id) && puts[i].expires_at > 0 && puts[i].body &&
               puts[i].shard < c->store->shards && (!puts[i].key || puts[i].key->text));
    return c->ops->put(c, puts, count, now, f);
}

enum err store_commands_read(struct store_commands *c, const struct command_id *ids, size_t count,
                             store_each_reply *each, void *context, struct fault *f)
{
    return count > 0 ? c->ops->read(c, ids, count, each, context, f) : ERR_OK;
}

enum err store_commands_withdraw(struct store_commands *c, const struct command_id *id,
                                 bool *withdrawn, struct fault *f)
{
    assert(command_id_is_set(id));
    return c->ops->withdraw(c, id, withdrawn, f);
}

enum err store_commands_claim(struct store_commands *c, const struct command_claim *o, wall_ms now,
                              store_each_command *each, void *context, struct fault *f)
{
    assert(o->limit > 0);
    for (size_t i = 0; i < o->shard_count; i++)
        assert(o->shards[i].number < c->store->shards && o->shards[i].epoch > 0);
    return o->shard_count > 0 ? c->ops->claim(c, o, now, each, context, f) : ERR_OK;
}

enum err store_commands_tidy(struct store_commands *c, size_t rows_max, wall_ms now,
                             size_t *removed, struct fault *f)
{
    assert(rows_max > 0);
    return c->ops->tidy(c, rows_max, now, removed, f);
}

static bool is_channel(const char *text)
{
    size_t bytes = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return bytes > 0 && bytes < COMMANDS_CHANNEL_BYTES && text[bytes] == '\0';
}

enum err store_commands_listen(struct store_commands *c, const char *channel, struct fault *f)
{
    assert(is_channel(channel));
    return c->ops->listen(c, channel, f);
}

enum err store_commands_notify(struct store_commands *c, const char *channel, struct fault *f)
{
    assert(is_channel(channel));
    return c->ops->notify(c, channel, f);
}

enum err store_commands_hear(struct store_commands *c, int fd, dur_ms timeout_ms,
                             store_heard *heard, void *context, struct fault *f)
{
    return c->ops->hear(c, fd, timeout_ms, heard, context, f);
}
