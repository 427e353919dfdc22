// SPDX-License-Identifier: MIT
// disk.c: the files of the disk, which of their bytes are on the platter, and the plan of failures.
//
// What a cut of the power may leave is chosen sector by sector, which is what SQLite expects of a
// disk: a sector is written whole or not at all, and its neighbours are left alone.

#include "disk_priv.h"

#include "base/err.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define SECTOR_BYTES 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool at_work;

static struct {
    struct disk_node *nodes;
    struct disk_plan plan;
    uint64_t counted;
    bool reached;
    bool ignores_syncs;
    uint64_t random;
    uint64_t bytes_max; // 0: no bound.
} disk;

void disk__enter(void)
{
    pthread_mutex_lock(&lock);
    at_work = true;
}

void disk__leave(void)
{
    at_work = false;
    pthread_mutex_unlock(&lock);
}

bool disk_is_at_work(void)
{
    return at_work;
}

// --- Bytes -----------------------------------------------------------------------------------

static void bytes_resize(struct disk_bytes *b, size_t count)
{
    if (count > b->capacity) {
        b->capacity = MAX(count, 2 * b->capacity);
        b->data = xrealloc(b->data, b->capacity);
    }
    if (count > b->count)
        memset(b->data + b->count, 0, count - b->count);
    b->count = count;
}

static void bytes_write(struct disk_bytes *b, size_t offset, const void *data, size_t count)
{
    if (offset + count > b->count)
        bytes_resize(b, offset + count);
    if (count > 0)
        memcpy(b->data + offset, data, count);
}

static void bytes_copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    bytes_resize(to, 0);
    bytes_write(to, 0, from->data, from->count);
}

static void bytes_free(struct disk_bytes *b)
{
    free(b->data);
    *b = (struct disk_bytes){0};
}

// --- What arrives on the platter --------------------------------------------------------------

static bool toss(void)
{
    disk.random ^= disk.random << 13;
    disk.random ^= disk.random >> 7;
    disk.random ^= disk.random << 17;
    return disk.random >> 63;
}

static bool survives(enum disk_loss loss)
{
    return loss == DISK_LOSES_NONE || (loss == DISK_LOSES_SOME && toss());
}

// The sectors that a write touches arrive or do not arrive one by one.
static void apply_write(struct disk_bytes *to, const struct disk_change *c, enum disk_loss loss)
{
    size_t done = 0;
    while (done < c->count) {
        size_t at = c->offset + done;
        size_t part = MIN(c->count - done, SECTOR_BYTES - at % SECTOR_BYTES);
        if (survives(loss))
            bytes_write(to, at, c->data + done, part);
        done += part;
    }
}

static void apply_change(struct disk_bytes *to, const struct disk_change *c, enum disk_loss loss)
{
    if (!c->cuts)
        apply_write(to, c, loss);
    else if (survives(loss))
        bytes_resize(to, MIN(c->offset, to->count));
}

// --- Files -----------------------------------------------------------------------------------

static void forget_changes(struct disk_node *n)
{
    while (n->changes) {
        struct disk_change *c = n->changes;
        n->changes = c->next;
        free(c);
    }
}

static void add_change(struct disk_node *n, bool cuts, size_t offset, const void *data,
                       size_t count)
{
    struct disk_change **end = &n->changes;
    while (*end)
        end = &(*end)->next;
    *end = xcalloc(1, sizeof **end + count);
    **end = (struct disk_change){.cuts = cuts, .offset = offset, .count = count};
    if (count > 0)
        memcpy((*end)->data, data, count);
}

struct disk_node *disk__find(const char *name)
{
    for (struct disk_node *n = disk.nodes; n; n = n->next)
        if (n->exists && strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

// A file that was deleted leaves its node, for the day when its deletion turns out to be lost.
static struct disk_node *find_deleted(const char *name)
{
    for (struct disk_node *n = disk.nodes; n; n = n->next)
        if (!n->exists && strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

struct disk_node *disk__create(const char *name)
{
    struct disk_node *n = find_deleted(name);
    if (!n) {
        n = xcalloc(1, sizeof *n);
        n->name = xstrdup(name);
        n->next = disk.nodes;
        disk.nodes = n;
    }
    n->exists = true;
    return n;
}

void disk__delete(struct disk_node *n)
{
    if (n->name_on_platter) {
        bytes_copy(&n->before, &n->platter);
        n->was_deleted = true;
    }
    forget_changes(n);
    bytes_resize(&n->now, 0);
    bytes_resize(&n->platter, 0);
    n->exists = n->name_on_platter = false;
}

void disk__write(struct disk_node *n, size_t offset, const void *data, size_t count)
{
    bytes_write(&n->now, offset, data, count);
    add_change(n, false, offset, data, count);
}

void disk__truncate(struct disk_node *n, size_t count)
{
    bytes_resize(&n->now, MIN(count, n->now.count));
    add_change(n, true, count, NULL, 0);
}

void disk__sync_failed(struct disk_node *n)
{
    if (disk.plan.failure != DISK_DEAD) // Without power, nothing is dropped before disk_cut_power.
        forget_changes(n);
}

void disk__sync(struct disk_node *n, bool names)
{
    if (disk.ignores_syncs)
        return;
    for (const struct disk_change *c = n->changes; c; c = c->next)
        apply_change(&n->platter, c, DISK_LOSES_NONE);
    forget_changes(n);
    n->name_on_platter = true;
    for (struct disk_node *other = disk.nodes; names && other; other = other->next) {
        other->name_on_platter = other->exists;
        other->was_deleted = false;
    }
}

// --- Failing calls ---------------------------------------------------------------------------

static int failure_code(enum disk_call call, int broken)
{
    switch (disk.plan.failure) {
    case DISK_FULL:
        errno = ENOSPC;
        return call == DISK_WRITE ? SQLITE_FULL : broken;
    case DISK_BUSY:
        errno = EAGAIN;
        return SQLITE_BUSY;
    default:
        errno = EIO;
        return broken;
    }
}

int disk__fails(enum disk_call call, int broken)
{
    const struct disk_plan *p = &disk.plan;
    bool dead = p->failure == DISK_DEAD && disk.reached;
    if (p->nth == 0 || (!dead && !(p->calls & DISK_ON(call))))
        return SQLITE_OK;
    disk.counted++;
    bool fails =
        p->lasting || p->failure == DISK_DEAD ? disk.counted >= p->nth : disk.counted == p->nth;
    if (!dead && !fails)
        return SQLITE_OK;
    disk.reached = true;
    return failure_code(call, broken);
}

static uint64_t bytes_used(void)
{
    uint64_t used = 0;
    for (const struct disk_node *n = disk.nodes; n; n = n->next)
        used += n->exists ? n->now.count : 0;
    return used;
}

bool disk__has_room(const struct disk_node *n, size_t count)
{
    if (disk.bytes_max == 0 || count <= n->now.count)
        return true;
    return bytes_used() - n->now.count + count <= disk.bytes_max;
}

void disk_limit(uint64_t bytes)
{
    disk__enter();
    disk.bytes_max = bytes;
    disk__leave();
}

uint64_t disk_bytes_used(void)
{
    disk__enter();
    uint64_t used = bytes_used();
    disk__leave();
    return used;
}

void disk_plan(const struct disk_plan *p)
{
    disk__enter();
    disk.plan = p ? *p : (struct disk_plan){0};
    disk.counted = 0;
    disk.reached = false;
    disk__leave();
}

bool disk_plan_was_reached(void)
{
    disk__enter();
    bool reached = disk.reached;
    disk__leave();
    return reached;
}

// --- Power -----------------------------------------------------------------------------------

static void cut(struct disk_node *n, enum disk_loss loss)
{
    assert(n->handles == 0);
    for (const struct disk_change *c = n->changes; c; c = c->next)
        apply_change(&n->platter, c, loss);
    forget_changes(n);
    n->exists = n->name_on_platter || (n->exists && survives(loss));
    if (n->was_deleted && !survives(loss)) { // The old file is back.
        bytes_copy(&n->platter, &n->before);
        n->exists = true;
    }
    n->was_deleted = false;
    n->name_on_platter = n->exists;
    if (!n->exists)
        bytes_resize(&n->platter, 0);
    bytes_copy(&n->now, &n->platter);
}

void disk_cut_power(enum disk_loss loss, uint64_t random)
{
    disk__enter();
    disk.random = random * 0x9e3779b97f4a7c15u | 1;
    for (struct disk_node *n = disk.nodes; n; n = n->next)
        cut(n, loss);
    disk__leave();
    disk_plan(NULL);
}

void disk_ignore_syncs(bool ignore)
{
    disk.ignores_syncs = ignore;
}

static void forget_handles(struct disk_node *n)
{
    n->handles = n->shared = n->index_users = 0;
    n->reserved = n->pending = NULL;
    memset(n->index, 0, sizeof n->index); // What it points to is the dead process's.
    memset(n->index_shared, 0, sizeof n->index_shared);
    memset(n->index_exclusive, 0, sizeof n->index_exclusive);
}

void disk_bury(void)
{
    disk__enter();
    for (struct disk_node *n = disk.nodes; n; n = n->next)
        forget_handles(n);
    disk__leave();
}

// --- Start and end ---------------------------------------------------------------------------

void disk_start(void)
{
    disk_plan(NULL);
    disk__register();
}

void disk_stop(void)
{
    while (disk.nodes) {
        struct disk_node *n = disk.nodes;
        assert(n->handles == 0);
        disk.nodes = n->next;
        forget_changes(n);
        bytes_free(&n->now);
        bytes_free(&n->platter);
        bytes_free(&n->before);
        free(n->name);
        free(n);
    }
    disk.ignores_syncs = false;
    disk__unregister();
}
