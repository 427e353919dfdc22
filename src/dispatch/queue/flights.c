// SPDX-License-Identifier: MIT
// flights.c: finds an attempt that executors have by its ticket. Chained hashing; the buckets
// double when there are as many flights.

#include "dispatch/queue/queue_priv.h"

#include <assert.h>

#define BUCKETS_FIRST 64

static struct flight **bucket_of(const struct flights *all, uint64_t ticket)
{
    uint64_t hash = ticket * UINT64_C(0x9e3779b97f4a7c15);
    return &all->buckets[(hash >> 32) & (all->bucket_count - 1)];
}

static void link_flight(struct flights *all, struct flight *f)
{
    struct flight **bucket = bucket_of(all, f->ticket);
    f->next = *bucket;
    *bucket = f;
}

static void double_buckets(struct flights *all)
{
    struct flights old = *all;
    all->bucket_count = old.bucket_count ? 2 * old.bucket_count : BUCKETS_FIRST;
    all->buckets = xcalloc(all->bucket_count, sizeof(struct flight *));
    for (size_t i = 0; i < old.bucket_count; i++)
        for (struct flight *f = old.buckets[i], *next; f; f = next) {
            next = f->next;
            link_flight(all, f);
        }
    free(old.buckets);
}

void flights__add(struct flights *all, struct flight *f)
{
    assert(!flights__find(all, f->ticket));
    if (all->count == all->bucket_count)
        double_buckets(all);
    link_flight(all, f);
    all->count++;
}

struct flight *flights__find(const struct flights *all, uint64_t ticket)
{
    struct flight *f = all->count ? *bucket_of(all, ticket) : NULL;
    while (f && f->ticket != ticket)
        f = f->next;
    return f;
}

void flights__remove(struct flights *all, struct flight *f)
{
    assert(all->count > 0);
    struct flight **link = bucket_of(all, f->ticket);
    while (*link != f) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = f->next;
    all->count--;
}

struct flight *flights__any(const struct flights *all)
{
    size_t i = 0;
    if (all->count == 0)
        return NULL;
    while (!all->buckets[i])
        i++;
    return all->buckets[i];
}

void flights__fini(struct flights *all)
{
    assert(all->count == 0);
    free(all->buckets);
    *all = (struct flights){0};
}
