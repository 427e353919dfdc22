// SPDX-License-Identifier: MIT
// disk_vfs.c: the calls of SQLite that open, read, write and sync.
//
// What the unix VFS of SQLite does on a real disk is the model: the codes it returns, which files
// it syncs the folder for, what it says about sectors.

#include "disk_priv.h"

#include "base/err.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SECTOR_BYTES 4096
#define NAME_BYTES_MAX 512

static struct disk_handle *handle_of(sqlite3_file *file)
{
    return (struct disk_handle *)file;
}

// --- A file ----------------------------------------------------------------------------------

static int file_close(sqlite3_file *file)
{
    struct disk_handle *h = handle_of(file);
    disk__unlock(file, SQLITE_LOCK_NONE);
    disk__enter();
    h->node->handles--;
    disk__leave();
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *out, int count, sqlite3_int64 offset)
{
    const struct disk_bytes *b = &handle_of(file)->node->now;
    size_t wanted = (size_t)count;
    size_t at = (size_t)offset;
    disk__enter();
    int rc = disk__fails(DISK_READ, SQLITE_IOERR_READ);
    size_t there = at < b->count ? MIN(wanted, b->count - at) : 0;
    if (!rc && there > 0)
        memcpy(out, b->data + at, there);
    disk__leave();
    if (rc || there == wanted)
        return rc;
    memset((char *)out + there, 0, wanted - there);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *data, int count, sqlite3_int64 offset)
{
    struct disk_handle *h = handle_of(file);
    disk__enter();
    int rc = disk__fails(DISK_WRITE, SQLITE_IOERR_WRITE);
    if (!rc && !disk__has_room(h->node, (size_t)offset + (size_t)count)) {
        errno = ENOSPC;
        rc = SQLITE_FULL;
        count = 0;
    }
    disk__write(h->node, (size_t)offset, data, (size_t)(rc ? count / 2 : count));
    disk__leave();
    return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 count)
{
    struct disk_handle *h = handle_of(file);
    disk__enter();
    int rc = disk__fails(DISK_TRUNCATE, SQLITE_IOERR_TRUNCATE);
    if (!rc)
        disk__truncate(h->node, (size_t)count);
    disk__leave();
    return rc;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct disk_handle *h = handle_of(file);
    disk__enter();
    int rc = disk__fails(DISK_SYNC, SQLITE_IOERR_FSYNC);
    if (rc)
        disk__sync_failed(h->node);
    else
        disk__sync(h->node, h->is_log);
    disk__leave();
    return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    struct disk_handle *h = handle_of(file);
    disk__enter();
    int rc = disk__fails(DISK_SIZE, SQLITE_IOERR_FSTAT);
    if (!rc)
        *out = (sqlite3_int64)h->node->now.count;
    disk__leave();
    return rc;
}

static int file_control(sqlite3_file *file, int what, void *argument)
{
    (void)file, (void)what, (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

static int device_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2, // Without xFetch: nothing is mapped.
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = disk__lock,
    .xUnlock = disk__unlock,
    .xCheckReservedLock = disk__check_reserved,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = disk__index_map,
    .xShmLock = disk__index_lock,
    .xShmBarrier = disk__index_barrier,
    .xShmUnmap = disk__index_unmap,
};

// --- The folder ------------------------------------------------------------------------------

static int folder_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *out_flags)
{
    (void)vfs;
    assert(name); // Temporary files are in memory.
    struct disk_handle *h = handle_of(file);
    *h = (struct disk_handle){0};
    disk__enter();
    int rc = disk__fails(DISK_OPEN, SQLITE_CANTOPEN);
    struct disk_node *n = rc ? NULL : disk__find(name);
    if (!rc && !n && flags & SQLITE_OPEN_CREATE)
        n = disk__create(name);
    if (n) {
        n->handles++;
        h->node = n;
        h->is_log = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
        h->file.pMethods = &file_methods;
        if (out_flags)
            *out_flags = flags;
    }
    disk__leave();
    return n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int folder_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    disk__enter();
    int rc = disk__fails(DISK_DELETE, SQLITE_IOERR_DELETE);
    struct disk_node *n = disk__find(name);
    if (!rc && !n)
        rc = SQLITE_IOERR_DELETE_NOENT;
    if (!rc) {
        assert(n->handles == 0 && !sync_folder); // The tests' databases never ask for it.
        disk__delete(n);
    }
    disk__leave();
    return rc;
}

static int folder_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    disk__enter();
    int rc = disk__fails(DISK_ACCESS, SQLITE_IOERR_ACCESS);
    const struct disk_node *n = disk__find(name);
    bool is_empty = flags == SQLITE_ACCESS_EXISTS && n && n->now.count == 0;
    *out = n && !is_empty; // As the unix VFS has it: an empty journal is none.
    disk__leave();
    return rc;
}

static int full_pathname(sqlite3_vfs *vfs, const char *name, int bytes, char *out)
{
    (void)vfs;
    sqlite3_snprintf(bytes, out, "%s", name);
    return SQLITE_OK;
}

// --- The rest of the system ------------------------------------------------------------------

static int system_random(sqlite3_vfs *vfs, int bytes, char *out)
{
    sqlite3_vfs *unix_vfs = vfs->pAppData;
    return unix_vfs->xRandomness(unix_vfs, bytes, out);
}

// The one who holds a lock runs in another thread, or is a plan which says "busy": waiting for it
// takes no time here, and SQLite counts the microseconds that it asked for.
static int system_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int system_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    sqlite3_vfs *unix_vfs = vfs->pAppData;
    return unix_vfs->xCurrentTimeInt64(unix_vfs, out);
}

static int system_last_error(sqlite3_vfs *vfs, int bytes, char *out)
{
    (void)vfs, (void)bytes, (void)out;
    return errno;
}

static sqlite3_vfs disk_vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct disk_handle),
    .mxPathname = NAME_BYTES_MAX,
    .zName = "disk",
    .xOpen = folder_open,
    .xDelete = folder_delete,
    .xAccess = folder_access,
    .xFullPathname = full_pathname,
    .xRandomness = system_random,
    .xSleep = system_sleep,
    .xGetLastError = system_last_error,
    .xCurrentTimeInt64 = system_time,
};

void disk__register(void)
{
    disk_vfs.pAppData = sqlite3_vfs_find("unix");
    int rc = sqlite3_vfs_register(&disk_vfs, true);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void disk__unregister(void)
{
    sqlite3_vfs_unregister(&disk_vfs);
}
