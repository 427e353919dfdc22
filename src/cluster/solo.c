// SPDX-License-Identifier: MIT
// solo.c: the single node's ownership of everything: a lock on a file beside the database.
//
// The lock is one of fcntl: it needs a descriptor that may write, so nobody takes it who could not
// write the database either; it is kept by NFS as by local disks; and the kernel says who holds it,
// which a process id written into the file could not (its writer may have ended long ago). Two
// things follow: a process cannot lock the file against itself, and must not open it twice, since
// closing any descriptor of the file gives the lock up.
//
// The file stays when the server ends: removing it would let two servers lock two different files
// of one name.

#include "base/memory.h"
#include "cluster/cluster_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct solo {
    struct cluster cluster;
    int lock_fd;
    _Atomic uint32_t shards; // Taken: the first so many, and so all.
};

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

// The process that holds the lock; 0 when that is not known, as of a process on another machine or
// beyond the wall of a container, or when nobody holds the lock any more.
static pid_t owner_of(int fd)
{
    struct flock l = whole_file();
    if (fcntl(fd, F_GETLK, &l) != 0 || l.l_type == F_UNLCK || l.l_pid < 0)
        return 0;
    return l.l_pid;
}

static enum err busy(int fd, const char *db_path, struct fault *f)
{
    pid_t owner = owner_of(fd);
    if (owner > 0)
        return fault_set(f, ERR_BUSY, "the database %s is in use by another server, process %ld",
                         db_path, (long)owner);
    return fault_set(f, ERR_BUSY, "the database %s is in use by another server", db_path);
}

// A lock that others hold for reading keeps us out as well, so they may not even read.
static enum err open_file(const char *path, int *out, struct fault *f)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "cannot create %s: %s", path, strerror(errno));
    int ignored = fchmod(fd, 0600); // The file of an older version; only its owner may.
    (void)ignored;
    *out = fd;
    return ERR_OK;
}

static enum err take_lock(int fd, const char *path, const char *db_path, struct fault *f)
{
    struct flock l = whole_file();
    if (fcntl(fd, F_SETLK, &l) == 0)
        return ERR_OK;
    if (errno == EACCES || errno == EAGAIN)
        return busy(fd, db_path, f);
    return fault_set(f, ERR_SYSTEM, "cannot lock %s: %s", path, strerror(errno));
}

// All are taken before the first is told of: who cannot have them all has none.
static enum err start(struct cluster *c, struct store *s, const struct cluster_events *e,
                      struct fault *f)
{
    struct solo *o = (struct solo *)c;
    struct shard rows[SHARDS_MAX];
    uint32_t count = store_shard_count(s);
    assert(o->shards == 0);
    for (uint32_t i = 0; i < count; i++) {
        enum err err = store_take_shard(s, i, &rows[i], f);
        if (err)
            return err;
    }
    atomic_store(&o->shards, count);
    for (uint32_t i = 0; i < count; i++)
        e->gained(e->context, &rows[i]);
    e->lease(e->context, MONO_NEVER);
    if (e->leader)
        e->leader(e->context, true);
    return ERR_OK;
}

static bool owns(const struct cluster *c, uint32_t shard)
{
    return shard < atomic_load(&((const struct solo *)c)->shards);
}

// Nobody wants a shard of a single node.
static void given_back(struct cluster *c, uint32_t shard, int64_t epoch)
{
    (void)c, (void)shard, (void)epoch;
    assert(false);
}

// A program that writes into the file beside this process does not follow the lock.
static void fenced(struct cluster *c, uint32_t shard, int64_t epoch)
{
    (void)c, (void)shard, (void)epoch;
}

// The shards end with the process, and nobody waits for them.
static size_t drain(struct cluster *c, dur_ms timeout_ms)
{
    (void)c, (void)timeout_ms;
    return 0;
}

static void status(struct cluster *c, struct cluster_status *out)
{
    uint32_t shards = atomic_load(&((struct solo *)c)->shards);
    bool has_begun = shards > 0;
    struct cluster_node *n = xcalloc(1, sizeof *n);
    *n = (struct cluster_node){.role = "all",
                               .version = CARILLON_VERSION,
                               .shards = shards,
                               .works = true,
                               .is_leader = has_begun,
                               .is_self = true};
    *out = (struct cluster_status){.nodes = n,
                                   .node_count = 1,
                                   .shards = shards,
                                   .owned = shards,
                                   .lease_until = has_begun ? MONO_NEVER : 0,
                                   .is_leader = has_begun};
}

static void close_solo(struct cluster *c)
{
    close(((struct solo *)c)->lock_fd); // Closing any descriptor of the file releases the lock.
    free(c);
}

static const struct cluster_ops ops = {
    .start = start,
    .owns = owns,
    .given_back = given_back,
    .fenced = fenced,
    .drain = drain,
    .status = status,
    .close = close_solo,
};

enum err cluster_solo_open(const char *db_path, struct cluster **out, struct fault *f)
{
    char path[4096];
    if (!*db_path)
        return fault_set(f, ERR_RANGE, "the database's path is empty");
    int n = snprintf(path, sizeof path, "%s.lock", db_path);
    if (n < 0 || (size_t)n >= sizeof path)
        return fault_set(f, ERR_RANGE, "the database's path is too long");
    int fd = -1;
    enum err err = open_file(path, &fd, f);
    if (err)
        return err;
    err = take_lock(fd, path, db_path, f);
    if (err) {
        close(fd);
        return err;
    }
    struct solo *o = xcalloc(1, sizeof *o);
    o->cluster.ops = &ops;
    o->lock_fd = fd;
    *out = &o->cluster;
    return ERR_OK;
}
