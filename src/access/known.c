// SPDX-License-Identifier: MIT
// known.c: what is known of tokens, by their digests.
//
// Only rows of the database get in here, so a client that makes up tokens drives nobody out.

#include "access/access_priv.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#define SETS 256
#define PLACES 4 // In each set.

struct known_tokens {
    struct known_token places[SETS][PLACES];
};

struct known_tokens *known_tokens_new(void)
{
    return xcalloc(1, sizeof(struct known_tokens));
}

void known_tokens_free(struct known_tokens *k)
{
    free(k);
}

// A digest is as good as a random number.
static struct known_token *set_of(struct known_tokens *k, const uint8_t *digest)
{
    return k->places[digest[0] % SETS];
}

struct known_token *known_token_find(struct known_tokens *k,
                                     const uint8_t digest[static TOKEN_DIGEST_BYTES], mono_ms now)
{
    struct known_token *set = set_of(k, digest);
    struct known_token *found = NULL;
    for (size_t i = 0; i < PLACES; i++)
        if (set[i].caller.token && CRYPTO_memcmp(set[i].digest, digest, TOKEN_DIGEST_BYTES) == 0)
            found = &set[i];
    if (found)
        found->used_at = now;
    return found;
}

struct known_token *known_token_find_id(struct known_tokens *k, int64_t id)
{
    struct known_token *all = &k->places[0][0];
    for (size_t i = 0; i < (size_t)SETS * PLACES; i++)
        if (all[i].caller.token == id)
            return &all[i];
    return NULL;
}

// An empty place, or that which was used the longest time ago.
static struct known_token *make_room(struct known_tokens *k, const uint8_t *digest)
{
    struct known_token *set = set_of(k, digest);
    struct known_token *oldest = &set[0];
    for (size_t i = 0; i < PLACES; i++) {
        if (!set[i].caller.token)
            return &set[i];
        if (set[i].used_at < oldest->used_at)
            oldest = &set[i];
    }
    *oldest = (struct known_token){0};
    return oldest;
}

static void copy(char *out, size_t bytes, const char *text)
{
    size_t length = text ? MIN(strlen(text), bytes - 1) : 0;
    if (length)
        memcpy(out, text, length);
    out[length] = '\0';
}

void known_token_put(struct known_tokens *k, const struct access_token *t, mono_ms now)
{
    struct known_token *e = known_token_find(k, t->digest, now);
    assert(t->id > 0 && t->scope > SCOPE_NONE && t->scope < TOKEN_SCOPES);
    if (!e)
        e = make_room(k, t->digest);
    memcpy(e->digest, t->digest, sizeof e->digest);
    e->caller.token = t->id;
    e->caller.scope = t->scope;
    e->caller.executions_per_second = t->executions_per_second;
    e->caller.max_jobs = t->max_jobs;
    e->caller.max_bytes = t->max_bytes;
    copy(e->caller.name, sizeof e->caller.name, t->name);
    copy(e->caller.tag, sizeof e->caller.tag, t->tag);
    e->expires_at = t->expires_at;
    e->is_revoked = t->revoked_at != 0;
    e->read_at = e->used_at = now;
}

void known_tokens_doubt(struct known_tokens *k)
{
    struct known_token *all = &k->places[0][0];
    for (size_t i = 0; i < (size_t)SETS * PLACES; i++)
        all[i].read_at = 0;
}

void known_token_forget(struct known_tokens *k, const uint8_t digest[static TOKEN_DIGEST_BYTES])
{
    struct known_token *e = known_token_find(k, digest, 0);
    if (e)
        *e = (struct known_token){0};
}
