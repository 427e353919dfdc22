// SPDX-License-Identifier: MIT
// disk_locks.c: the locks of files, and the shared index of the log, among connections of one
// program.
//
// A file has readers (SHARED), at most one who is about to write (RESERVED), and one who waits for
// the readers to go and then writes (PENDING, EXCLUSIVE). The index has eight locks, each of which
// has either any number of sharers or one owner.

#include "disk_priv.h"

#include "base/memory.h"

#include <assert.h>

static struct disk_handle *handle_of(sqlite3_file *file)
{
    return (struct disk_handle *)file;
}

// --- Files -----------------------------------------------------------------------------------

static int lock_to_read(struct disk_handle *h)
{
    struct disk_node *n = h->node;
    if (n->pending)
        return SQLITE_BUSY;
    n->shared++;
    h->lock = SQLITE_LOCK_SHARED;
    return SQLITE_OK;
}

static int lock_to_write(struct disk_handle *h, int level)
{
    struct disk_node *n = h->node;
    if (n->reserved && n->reserved != h)
        return SQLITE_BUSY;
    n->reserved = h;
    if (level == SQLITE_LOCK_RESERVED) {
        h->lock = level;
        return SQLITE_OK;
    }
    if (n->pending && n->pending != h)
        return SQLITE_BUSY;
    n->pending = h;
    h->lock = n->shared == 1 ? SQLITE_LOCK_EXCLUSIVE : SQLITE_LOCK_PENDING;
    return h->lock == level ? SQLITE_OK : SQLITE_BUSY;
}

int disk__lock(sqlite3_file *file, int level)
{
    struct disk_handle *h = handle_of(file);
    if (h->lock >= level)
        return SQLITE_OK;
    disk__enter();
    int rc = disk__fails(DISK_LOCK, SQLITE_IOERR_LOCK);
    if (!rc)
        rc = level == SQLITE_LOCK_SHARED ? lock_to_read(h) : lock_to_write(h, level);
    disk__leave();
    return rc;
}

int disk__unlock(sqlite3_file *file, int level)
{
    struct disk_handle *h = handle_of(file);
    struct disk_node *n = h->node;
    if (h->lock <= level)
        return SQLITE_OK;
    disk__enter();
    if (n->reserved == h)
        n->reserved = NULL;
    if (n->pending == h)
        n->pending = NULL;
    if (level == SQLITE_LOCK_NONE)
        n->shared--;
    h->lock = level;
    disk__leave();
    return SQLITE_OK;
}

int disk__check_reserved(sqlite3_file *file, int *out)
{
    disk__enter();
    int rc = disk__fails(DISK_LOCK, SQLITE_IOERR_CHECKRESERVEDLOCK);
    *out = handle_of(file)->node->reserved != NULL;
    disk__leave();
    return rc;
}

// --- The index of the log --------------------------------------------------------------------

int disk__index_map(sqlite3_file *file, int piece, int bytes, int extend, void volatile **out)
{
    struct disk_handle *h = handle_of(file);
    struct disk_node *n = h->node;
    assert(piece < DISK_INDEX_PIECES_MAX);
    disk__enter();
    int rc = disk__fails(DISK_MAP, SQLITE_IOERR_SHMSIZE);
    if (!h->uses_index) {
        h->uses_index = true;
        n->index_users++;
    }
    if (!rc && !n->index[piece] && extend)
        n->index[piece] = xcalloc(1, (size_t)bytes);
    *out = rc ? NULL : n->index[piece];
    disk__leave();
    return rc;
}

// Without the locks of this file, those of all others are left.
static bool may_share(const struct disk_handle *h, int slot)
{
    return !h->node->index_exclusive[slot] || h->index_exclusive[slot];
}

static bool may_own(const struct disk_handle *h, int slot)
{
    return may_share(h, slot) && h->node->index_shared[slot] == (unsigned)h->index_shared[slot];
}

static void release(struct disk_handle *h, int slot)
{
    if (h->index_shared[slot])
        h->node->index_shared[slot]--;
    if (h->index_exclusive[slot])
        h->node->index_exclusive[slot] = false;
    h->index_shared[slot] = h->index_exclusive[slot] = false;
}

static void take(struct disk_handle *h, int slot, bool shared)
{
    release(h, slot);
    if (shared)
        h->node->index_shared[slot]++;
    else
        h->node->index_exclusive[slot] = true;
    h->index_shared[slot] = shared;
    h->index_exclusive[slot] = !shared;
}

static int lock_slots(struct disk_handle *h, int first, int count, bool shared)
{
    int rc = disk__fails(DISK_LOCK, SQLITE_IOERR_SHMLOCK);
    for (int slot = first; slot < first + count && !rc; slot++)
        if (!(shared ? may_share(h, slot) : may_own(h, slot)))
            rc = SQLITE_BUSY;
    for (int slot = first; slot < first + count && !rc; slot++)
        take(h, slot, shared);
    return rc;
}

int disk__index_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct disk_handle *h = handle_of(file);
    int rc = SQLITE_OK;
    disk__enter();
    if (flags & SQLITE_SHM_UNLOCK)
        for (int slot = first; slot < first + count; slot++)
            release(h, slot);
    else
        rc = lock_slots(h, first, count, (flags & SQLITE_SHM_SHARED) != 0);
    disk__leave();
    return rc;
}

void disk__index_barrier(sqlite3_file *file)
{
    (void)file;
    __sync_synchronize();
}

// The last one to leave puts out the light: the index is made anew from the log.
int disk__index_unmap(sqlite3_file *file, int delete)
{
    (void)delete;
    struct disk_handle *h = handle_of(file);
    struct disk_node *n = h->node;
    disk__enter();
    for (int slot = 0; slot < DISK_INDEX_LOCKS; slot++)
        release(h, slot);
    if (h->uses_index && --n->index_users == 0) {
        for (int i = 0; i < DISK_INDEX_PIECES_MAX; i++) {
            free(n->index[i]);
            n->index[i] = NULL;
        }
    }
    h->uses_index = false;
    disk__leave();
    return SQLITE_OK;
}
