// SPDX-License-Identifier: MIT
// intern.c: a hash table of counted values, which doubles when there are as many as buckets.

#include "base/intern.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define BUCKETS_MIN 16

struct interned {
    struct interned *next; // In its bucket.
    uint32_t hash;
    uint32_t users;
    uint64_t value[];
};

void intern_init(struct intern *t, size_t value_bytes)
{
    assert(value_bytes > 0 && value_bytes % sizeof(uint64_t) == 0);
    *t = (struct intern){.value_bytes = value_bytes};
}

void intern_fini(struct intern *t)
{
    for (size_t i = 0; i < t->bucket_count; i++) {
        while (t->buckets[i]) {
            struct interned *next = t->buckets[i]->next;
            free(t->buckets[i]);
            t->buckets[i] = next;
        }
    }
    free(t->buckets);
    *t = (struct intern){0};
}

// Eight bytes at a time: a million values are hashed when a server starts.
static uint32_t hash_of(const void *value, size_t bytes)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, (const char *)value + i, sizeof word);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static struct interned **bucket_of(const struct intern *t, uint32_t hash)
{
    return &t->buckets[hash & (t->bucket_count - 1)];
}

static void add(struct intern *t, struct interned *i)
{
    struct interned **bucket = bucket_of(t, i->hash);
    i->next = *bucket;
    *bucket = i;
}

static void make_room(struct intern *t)
{
    if (t->count < t->bucket_count)
        return;
    struct intern old = *t;
    t->bucket_count = old.bucket_count ? old.bucket_count * 2 : BUCKETS_MIN;
    t->buckets = xcalloc(t->bucket_count, sizeof *t->buckets);
    for (size_t b = 0; b < old.bucket_count; b++) {
        for (struct interned *i = old.buckets[b], *next; i; i = next) {
            next = i->next;
            add(t, i);
        }
    }
    free(old.buckets);
}

static struct interned *find(const struct intern *t, const void *value, uint32_t hash)
{
    struct interned *i = t->bucket_count ? *bucket_of(t, hash) : NULL;
    while (i && (i->hash != hash || memcmp(i->value, value, t->value_bytes) != 0))
        i = i->next;
    return i;
}

const void *intern_take(struct intern *t, const void *value)
{
    uint32_t hash = hash_of(value, t->value_bytes);
    struct interned *i = find(t, value, hash);
    if (!i) {
        make_room(t);
        i = xmalloc(sizeof *i + t->value_bytes);
        *i = (struct interned){.hash = hash};
        memcpy(i->value, value, t->value_bytes);
        add(t, i);
        t->count++;
    }
    i->users++;
    return i->value;
}

void intern_release(struct intern *t, const void *copy)
{
    if (!copy)
        return;
    struct interned *i = (struct interned *)((const char *)copy - offsetof(struct interned, value));
    if (--i->users > 0)
        return;
    struct interned **link = bucket_of(t, i->hash);
    while (*link != i)
        link = &(*link)->next;
    *link = i->next;
    free(i);
    t->count--;
}

void intern_each(const struct intern *t, intern_each_value *each, void *context)
{
    for (size_t b = 0; b < t->bucket_count; b++)
        for (const struct interned *i = t->buckets[b]; i; i = i->next)
            each(context, i->value);
}
