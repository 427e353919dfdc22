// SPDX-License-Identifier: MIT
// once.c: a client that lost an answer asks again, with the same key, and nothing is done twice.
//
// The key is written in the transaction of the change. A call with a key first becomes the only one
// under way with it, then looks it up: unknown, it goes on; known with the same request, it is
// answered as the first was; known with another request, it is refused. In this order two calls
// with one key can never both find it unknown.

#include "service/service_priv.h"

#include <string.h>

static enum err enter_keyed(struct call *c, struct service_problem *p)
{
    pthread_mutex_lock(&c->service->lock);
    bool alone = service__key_take(c);
    pthread_mutex_unlock(&c->service->lock);
    return alone ? ERR_OK
                 : service_refuse(p, ERR_BUSY, PROBLEM_KEY_BUSY, NULL,
                                  "a request with this Idempotency-Key is still under way");
}

// What the store knows of the key.
struct known {
    bool found;
    bool same;
    const struct call *call;
    struct reply reply;
};

static enum err compare(void *context, const struct client_key *k)
{
    struct known *known = context;
    known->found = true;
    known->same = memcmp(k->digest, known->call->key.digest, sizeof k->digest) == 0;
    known->reply = (struct reply){.job = k->job, .key = k->execution};
    return ERR_OK;
}

static enum err look_up(struct call *c, struct known *known, struct service_problem *p)
{
    struct fault f = {0};
    *known = (struct known){.call = c};
    struct store_reader *r = service__reader_take(&c->service->readers);
    enum err err = store_get_client_key(r, c->key.text, clock_wall_ms(), compare, known, &f);
    service__reader_return(&c->service->readers, r);
    if (err && err != ERR_NOT_FOUND)
        return service__refuse_err(p, err, &f);
    return ERR_OK;
}

void service__once_set(struct call *c, const struct service_key *key)
{
    if (!key)
        return;
    c->key.text = xstrdup(key->text);
    memcpy(c->key.digest, key->digest, sizeof c->key.digest);
}

enum err service__once_enter(struct call *c, bool *answered, struct service_problem *p)
{
    *answered = false;
    if (!c->key.text)
        return ERR_OK;
    enum err err = enter_keyed(c, p);
    struct known known;
    if (!err)
        err = look_up(c, &known, p);
    if (err || !known.found)
        return err;
    if (!known.same)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_KEY_REUSED, NULL,
                              "this Idempotency-Key was used with another request");
    c->reply = known.reply;
    c->replayed = true;
    *answered = true;
    return ERR_OK;
}
