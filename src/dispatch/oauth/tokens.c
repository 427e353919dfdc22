// SPDX-License-Identifier: MIT
// tokens.c: the tokens that are known, by a digest of what they were asked for with. When there are
// as many as may be, the one that nobody has used for the longest time makes room.

#include "dispatch/oauth/oauth_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MARGIN_MS_MAX 30000 // A token is renewed so long before its end, or a tenth of its life.

void tokens__init(struct oauth_tokens *t, size_t most)
{
    *t = (struct oauth_tokens){.most = most};
    TAILQ_INIT(&t->used);
}

static void remove_token(struct oauth_tokens *t, struct oauth_token *k)
{
    table__remove(&t->table, &k->entry);
    TAILQ_REMOVE(&t->used, k, link);
    oauth__forget_text(k->text);
    free(k);
}

void tokens__fini(struct oauth_tokens *t)
{
    for (struct oauth_token *k; (k = TAILQ_FIRST(&t->used));)
        remove_token(t, k);
    table__fini(&t->table);
}

// Makes room for one more. False: there is none.
static bool make_room(struct oauth_tokens *t)
{
    struct oauth_token *k;
    if (t->table.count < t->most)
        return true;
    TAILQ_FOREACH(k, &t->used, link)
        if (!k->is_fetched)
            break;
    if (!k)
        return false;
    assert(TAILQ_EMPTY(&k->waiting));
    remove_token(t, k);
    return true;
}

static struct oauth_token *add(struct oauth_tokens *t, const char *key)
{
    struct oauth_token *k = xcalloc(1, sizeof *k);
    snprintf(k->key, sizeof k->key, "%s", key);
    k->entry.key = k->key;
    TAILQ_INIT(&k->waiting);
    table__add(&t->table, &k->entry);
    TAILQ_INSERT_TAIL(&t->used, k, link);
    return k;
}

struct oauth_token *tokens__get(struct oauth_tokens *t, const char *key)
{
    struct oauth_token *k = (struct oauth_token *)table__find(&t->table, key);
    if (!k)
        return make_room(t) ? add(t, key) : NULL;
    TAILQ_REMOVE(&t->used, k, link);
    TAILQ_INSERT_TAIL(&t->used, k, link);
    return k;
}

const char *token__usable(const struct oauth_token *k, mono_ms now)
{
    return k->text && now < k->renew_at ? k->text : NULL;
}

void token__accept(struct oauth_tokens *t, struct oauth_token *k, const struct oauth_answer *a)
{
    assert(a->token && a->lives_ms > 0);
    oauth__forget_text(k->text);
    k->text = a->token;
    k->renew_at = k->asked_at + a->lives_ms - MIN(a->lives_ms / 10, MARGIN_MS_MAX);
    k->serial = ++t->serial;
}

void tokens__drop(struct oauth_tokens *t, const char *key, uint64_t serial)
{
    struct oauth_token *k = (struct oauth_token *)table__find(&t->table, key);
    if (!k || k->serial != serial)
        return;
    oauth__forget_text(k->text);
    k->text = NULL;
}
