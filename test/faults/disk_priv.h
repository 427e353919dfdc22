// SPDX-License-Identifier: MIT
// disk_priv.h: the disk from the inside.
//
//   disk.c         files: what they hold now, and on the platter; the plan of failures
//   disk_vfs.c     the calls of SQLite that open, read and write
//   disk_locks.c   those that lock, and that share the index of the log
//
// One lock guards all of it, but for the shared index, which SQLite guards itself.

#ifndef CARILLON_FAULTS_DISK_PRIV_H
#define CARILLON_FAULTS_DISK_PRIV_H

#include "disk.h"

#include <sqlite3.h>
#include <stddef.h>

struct disk_bytes {
    unsigned char *data;
    size_t count;
    size_t capacity;
};

// A change that no sync has made durable.
struct disk_change {
    struct disk_change *next;
    bool cuts; // A truncation to `offset`, else a write.
    size_t offset;
    size_t count;
    unsigned char data[];
};

#define DISK_INDEX_PIECES_MAX 16
#define DISK_INDEX_LOCKS 8 // SQLITE_SHM_NLOCK

struct disk_handle;

struct disk_node {
    struct disk_node *next;
    char *name;
    bool exists;
    struct disk_bytes now;
    struct disk_bytes platter;
    struct disk_change *changes; // From the platter to now, oldest first.
    bool name_on_platter;
    bool was_deleted;         // The file's deletion is not on the platter; then
    struct disk_bytes before; // the file of that name which was there.

    unsigned handles;
    unsigned shared; // Handles with any lock.
    const struct disk_handle *reserved;
    const struct disk_handle *pending;

    void *index[DISK_INDEX_PIECES_MAX];
    unsigned index_users;
    unsigned index_shared[DISK_INDEX_LOCKS];
    bool index_exclusive[DISK_INDEX_LOCKS];
};

struct disk_handle {
    sqlite3_file file; // First: SQLite's calls arrive with a pointer to it.
    struct disk_node *node;
    int lock; // SQLITE_LOCK_...
    bool is_log;
    bool uses_index;
    bool index_shared[DISK_INDEX_LOCKS];
    bool index_exclusive[DISK_INDEX_LOCKS];
};

void disk__enter(void); // Takes the lock.
void disk__leave(void);

// Counts the call; 0, or the code with which it fails: `broken` for a disk that is broken.
int disk__fails(enum disk_call call, int broken);

struct disk_node *disk__find(const char *name); // NULL when there is none of that name.
struct disk_node *disk__create(const char *name);
void disk__delete(struct disk_node *n);
bool disk__has_room(const struct disk_node *n, size_t count); // For it to be so long.
void disk__write(struct disk_node *n, size_t offset, const void *data, size_t count);
void disk__truncate(struct disk_node *n, size_t count);
// As Linux does after a failed sync: what was to be written counts as written, and is read back,
// but no later sync writes it.
void disk__sync_failed(struct disk_node *n);
// Makes the file durable; with `names`, also what files there are.
void disk__sync(struct disk_node *n, bool names);

// --- disk_locks.c

int disk__lock(sqlite3_file *file, int level);
int disk__unlock(sqlite3_file *file, int level);
int disk__check_reserved(sqlite3_file *file, int *out);
int disk__index_map(sqlite3_file *file, int piece, int bytes, int extend, void volatile **out);
int disk__index_lock(sqlite3_file *file, int first, int count, int flags);
void disk__index_barrier(sqlite3_file *file);
int disk__index_unmap(sqlite3_file *file, int delete);

// --- disk_vfs.c

void disk__register(void);
void disk__unregister(void);

#endif
