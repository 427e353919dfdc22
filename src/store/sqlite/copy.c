// SPDX-License-Identifier: MIT
// copy.c: a copy of a database as of one moment, into a new file that is whole, checked and on the
// disk: what backups and restores are made of.
//
// The source is read in one transaction, page by page, over a read-only connection: only a server's
// writer may checkpoint. What is in its log is in the copy, which is one plain file without a log.

#include "store/sqlite/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct copying {
    const struct sqlite_copy *what;
    int fd; // The descriptor of the copy; -1: the copy is not ours to remove.
    sqlite3 *from;
    sqlite3 *to;
};

enum err sqlite_system_fault(const char *what, const char *path, struct fault *f)
{
    enum err err = errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_SYSTEM;
    return fault_set(f, err, "cannot %s %s: %s", what, path, strerror(errno));
}

enum err sqlite_sync_folder(const char *path, struct fault *f)
{
    char *copy = xstrdup(path);
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err =
        fd < 0 || fsync(fd) != 0 ? sqlite_system_fault("sync the folder", folder, f) : ERR_OK;
    if (fd >= 0)
        close(fd);
    free(copy);
    return err;
}

static enum err open_source(struct copying *c, struct fault *f)
{
    const char *path = c->what->from;
    enum err err = sqlite_connect_reader(path, &c->from, f);
    if (err)
        return err;
    return c->what->older ? sqlite_check_ours(c->from, path, f)
                          : sqlite_check_current(c->from, path, f);
}

// Only the owner may read the copy, whatever the source is: it holds the credentials of all jobs.
static enum err create_target(struct copying *c, struct fault *f)
{
    const char *path = c->what->to;
    c->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (c->fd < 0 && errno == EEXIST)
        return fault_set(f, ERR_EXISTS,
                         "%s is there: another one is being made, or was broken off; in that "
                         "case remove it",
                         path);
    if (c->fd < 0)
        return sqlite_system_fault("create", path, f);
    const struct stat *owner = c->what->owner;
    if (owner && fchown(c->fd, owner->st_uid, owner->st_gid) != 0)
        return sqlite_system_fault("give to its owner", path, f);
    return ERR_OK;
}

static enum err copy_pages(struct copying *c, struct fault *f)
{
    sqlite3_backup *copy = sqlite3_backup_init(c->to, "main", c->from, "main");
    if (!copy)
        return sqlite_fault(c->to, "beginning the copy", f);
    int rc = sqlite3_backup_step(copy, -1); // All of them, in one read transaction.
    if (sqlite3_backup_finish(copy) != SQLITE_OK)
        return sqlite_fault(c->to, "copying", f); // The target has the errors of source and target.
    return rc == SQLITE_DONE
               ? ERR_OK
               : fault_set(f, ERR_BUSY, "%s is locked by another program", c->what->from);
}

// The copy is nobody's until it is whole, so it needs no journal and no sync on the way.
static enum err write_copy(struct copying *c, struct fault *f)
{
    enum err err = sqlite_connect(c->what->to, SQLITE_OPEN_READWRITE, &c->to, f);
    if (!err)
        err = sqlite_execute(c->to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;", f);
    if (!err)
        err = copy_pages(c, f);
    if (!err)
        err = sqlite_execute(c->to, "PRAGMA journal_mode = DELETE;", f);
    return err;
}

// A damaged source gives a damaged copy: better to know now.
static enum err check_copy(struct copying *c, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(c->to, c->what->check, &statement, f);
    if (err)
        return err;
    if (sqlite3_step(statement) != SQLITE_ROW) {
        err = sqlite_fault(c->to, "checking the copy", f);
    } else {
        const char *word = (const char *)sqlite3_column_text(statement, 0);
        if (!word || strcmp(word, "ok") != 0)
            err = fault_set(f, ERR_STORE_CORRUPT,
                            "%s is damaged: carillon doctor says where; " SQLITE_HELP_DAMAGED,
                            c->what->from);
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err sync_copy(struct copying *c, struct fault *f)
{
    sqlite3_close(c->to);
    c->to = NULL;
    return fsync(c->fd) == 0 ? ERR_OK : sqlite_system_fault("sync", c->what->to, f);
}

enum err sqlite_copy(const struct sqlite_copy *what, struct fault *f)
{
    struct copying c = {.what = what, .fd = -1};
    enum err err = open_source(&c, f);
    if (!err)
        err = create_target(&c, f);
    if (!err)
        err = write_copy(&c, f);
    if (!err)
        err = check_copy(&c, f);
    if (!err)
        err = sync_copy(&c, f);
    sqlite3_close(c.from);
    sqlite3_close(c.to);
    if (c.fd >= 0)
        close(c.fd);
    if (c.fd >= 0 && err)
        unlink(what->to);
    return err;
}
