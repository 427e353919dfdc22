// SPDX-License-Identifier: MIT
// latch.c: keeps the folding of the log and the commits of a second connection apart.
//
// A checkpoint that races a commit of another connection can damage the log in the SQLite versions
// of our time (before 3.51.3). The writing connection is the only one that checkpoints, and needs
// no latch for its own commits; whoever else commits, in this process or in another, has the latch
// meanwhile. It is a lock of flock on the folder of the database: no further file is needed, and
// such a lock does not touch those that SQLite has on its files.

#include "store/sqlite/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/file.h>
#include <unistd.h>

int sqlite_latch_open(const char *path)
{
    char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    return fd;
}

void sqlite_latch_close(int latch)
{
    if (latch >= 0)
        close(latch);
}

// A file system that has no such locks has no second writer either: see sqlite_latch_take.
bool sqlite_latch_try(int latch)
{
    return latch < 0 || flock(latch, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

enum err sqlite_latch_take(int latch, struct fault *f)
{
    int rc;
    do
        rc = latch < 0 ? -1 : flock(latch, LOCK_EX);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return ERR_OK;
    return fault_set(f, ERR_STORE_IO, "cannot lock the folder of the database: %s",
                     strerror(errno));
}

void sqlite_latch_release(int latch)
{
    if (latch >= 0)
        flock(latch, LOCK_UN);
}
