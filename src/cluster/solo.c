// SPDX-License-Identifier: MIT
// solo.c: the single node's ownership of everything: a flock beside the database.
//
// The file stays when the server ends: removing it would let two servers lock two different files
// of one name. It holds the owner's process id, for people.

#include "base/memory.h"
#include "cluster/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct cluster {
    int lock_fd;
};

static enum err busy(int fd, const char *db_path, struct fault *f)
{
    char owner[32] = {0};
    ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
    owner[strspn(owner, "0123456789")] = '\0';
    return fault_set(f, ERR_BUSY, "the database %s is in use by another server%s%s", db_path,
                     n > 0 ? ", process " : "", owner);
}

static void write_owner(int fd)
{
    char pid[32];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return; // Only for people; the lock is what counts.
}

enum err cluster_solo_open(const char *db_path, struct cluster **out, struct fault *f)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s.lock", db_path);
    if (n < 0 || (size_t)n >= sizeof path)
        return fault_set(f, ERR_RANGE, "the database's path is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "cannot create %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum err err = errno == EWOULDBLOCK
                           ? busy(fd, db_path, f)
                           : fault_set(f, ERR_SYSTEM, "cannot lock %s: %s", path, strerror(errno));
        close(fd);
        return err;
    }
    write_owner(fd);
    struct cluster *c = xcalloc(1, sizeof *c);
    c->lock_fd = fd;
    *out = c;
    return ERR_OK;
}

void cluster_close(struct cluster *c)
{
    if (!c)
        return;
    close(c->lock_fd); // Closing the last descriptor releases the lock.
    free(c);
}
