// SPDX-License-Identifier: MIT
// change_key.c: a client that lost an answer asks again with the same key: nothing is done twice.
//
// The key is written in the transaction of the change. A change with a key first becomes the only
// one under way with it (turns.c), then looks it up: unknown, the change goes on; known with the
// same request, it is answered as the first was; known with another request, it is refused. In this
// order two changes with one key can never both find it unknown. Where several nodes take changes,
// the store finds out as it is given the command (reply.source), and nothing is looked up before.

#include "service/service_priv.h"

#include <string.h>

enum err service__refuse_key(struct service_problem *p, bool is_busy)
{
    if (is_busy)
        return service_refuse(p, ERR_BUSY, PROBLEM_KEY_BUSY, NULL,
                              "a request with this Idempotency-Key is still under way");
    return service_refuse(p, ERR_CONFLICT, PROBLEM_KEY_REUSED, NULL,
                          "this Idempotency-Key was used with another request");
}

struct client_key service__key_of(const struct service_key *key)
{
    struct client_key own = {0};
    if (key && key->text) {
        own.text = key->text;
        memcpy(own.digest, key->digest, sizeof own.digest);
    }
    return own;
}

// What the store knows of the key.
struct known {
    bool found;
    bool same;
    const struct service_change *change;
    struct reply reply;
};

static enum err compare(void *context, const struct client_key *k)
{
    struct known *known = context;
    known->found = true;
    known->same = memcmp(k->digest, known->change->key.digest, sizeof k->digest) == 0;
    known->reply = (struct reply){.job = k->job, .key = k->execution};
    return ERR_OK;
}

static enum err ask_store(struct service_change *c, struct known *known, struct service_problem *p)
{
    struct fault f = {0};
    struct store_reader *r = service__reader_take(&c->service->readers);
    enum err err = store_get_client_key(r, c->key.text, clock_wall_ms(), compare, known, &f);
    service__reader_return(&c->service->readers, r);
    if (err && err != ERR_NOT_FOUND)
        return service__refuse_err(p, err, &f);
    return ERR_OK;
}

bool service__key_is_known(struct service_change *c)
{
    struct service_problem ignored;
    struct known known = {.change = c};
    return ask_store(c, &known, &ignored) == ERR_OK && known.found;
}

enum err service__key_look_up(struct service_change *c, struct service_problem *p)
{
    struct known known = {.change = c};
    bool asks = c->key.text && !c->service->submit;
    enum err err = asks ? ask_store(c, &known, p) : ERR_OK;
    if (err || !known.found)
        return err;
    if (!known.same)
        return service__refuse_key(p, false);
    c->reply = known.reply;
    c->replayed = true;
    return ERR_OK;
}
