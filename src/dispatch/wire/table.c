// SPDX-License-Identifier: MIT
// table.c: chained hashing; the buckets double when there are as many entries.
//
// Keys are names of hosts, which clients choose. A flood of colliding ones would cost at most a
// walk through all entries of a table, and its owner bounds their number.

#include "dispatch/wire/table_priv.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define BUCKETS_FIRST 64

static uint64_t hash_of(const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a.
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static struct table_entry **bucket_of(const struct table *t, uint64_t hash)
{
    return &t->buckets[hash & (t->bucket_count - 1)];
}

void table__fini(struct table *t)
{
    free(t->buckets);
    *t = (struct table){0};
}

struct table_entry *table__find(const struct table *t, const char *key)
{
    if (t->count == 0)
        return NULL;
    uint64_t hash = hash_of(key);
    struct table_entry *e = *bucket_of(t, hash);
    while (e && (e->hash != hash || strcmp(e->key, key) != 0))
        e = e->next;
    return e;
}

static void link_entry(struct table *t, struct table_entry *e)
{
    struct table_entry **bucket = bucket_of(t, e->hash);
    e->next = *bucket;
    *bucket = e;
}

static void double_buckets(struct table *t)
{
    struct table old = *t;
    t->bucket_count = old.bucket_count ? 2 * old.bucket_count : BUCKETS_FIRST;
    t->buckets = xcalloc(t->bucket_count, sizeof *t->buckets);
    for (size_t i = 0; i < old.bucket_count; i++)
        for (struct table_entry *e = old.buckets[i], *next; e; e = next) {
            next = e->next;
            link_entry(t, e);
        }
    free(old.buckets);
}

void table__add(struct table *t, struct table_entry *e)
{
    assert(!table__find(t, e->key));
    if (t->count == t->bucket_count)
        double_buckets(t);
    e->hash = hash_of(e->key);
    link_entry(t, e);
    t->count++;
}

void table__remove(struct table *t, struct table_entry *e)
{
    assert(t->count > 0);
    struct table_entry **link = bucket_of(t, e->hash);
    while (*link != e) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = e->next;
    t->count--;
}
