// SPDX-License-Identifier: MIT
// backup.c: a copy of the database as of one moment, while a server may be at work on it.
//
// The source is read in one transaction, page by page, over a read-only connection: only the
// server's writer may checkpoint. The copy is made under another name and gets its own only when it
// is whole, checked and on the disk, so a file with the name of a backup is one.

#include "store/sqlite/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct backup {
    const char *path;
    const char *target;
    char *partial; // The target's name until it is whole.
    int fd;        // Of it; -1: it is not ours to remove.
    sqlite3 *from;
    sqlite3 *to;
};

static enum err system_fault(const char *what, const char *path, struct fault *f)
{
    enum err err = errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_SYSTEM;
    return fault_set(f, err, "cannot %s %s: %s", what, path, strerror(errno));
}

static enum err open_source(struct backup *b, struct fault *f)
{
    enum err err = sqlite_connect_reader(b->path, &b->from, f);
    return err ? err : sqlite_check_current(b->from, b->path, f);
}

// Its owner's alone, whatever the source is: it holds the credentials of all jobs.
static enum err create_target(struct backup *b, struct fault *f)
{
    struct stat st;
    if (lstat(b->target, &st) == 0)
        return fault_set(f, ERR_EXISTS, "%s is there already: choose another name", b->target);
    b->fd = open(b->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (b->fd < 0 && errno == EEXIST)
        return fault_set(f, ERR_EXISTS,
                         "%s is there: another backup is under way, or was broken off; in that "
                         "case remove it",
                         b->partial);
    return b->fd < 0 ? system_fault("create", b->partial, f) : ERR_OK;
}

static enum err copy_pages(struct backup *b, struct fault *f)
{
    sqlite3_backup *copy = sqlite3_backup_init(b->to, "main", b->from, "main");
    if (!copy)
        return sqlite_fault(b->to, "beginning the copy", f);
    int rc = sqlite3_backup_step(copy, -1); // All of them, in one read transaction.
    if (sqlite3_backup_finish(copy) != SQLITE_OK)
        return sqlite_fault(b->to, "copying", f); // It has the errors of both.
    return rc == SQLITE_DONE ? ERR_OK
                             : fault_set(f, ERR_BUSY, "%s is locked by another program", b->path);
}

// The copy is nobody's until it is whole, so it needs no journal and no sync on the way. Then it
// becomes one plain file without a log.
static enum err write_copy(struct backup *b, struct fault *f)
{
    enum err err = sqlite_connect(b->partial, SQLITE_OPEN_READWRITE, &b->to, f);
    if (!err)
        err = sqlite_execute(b->to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;", f);
    if (!err)
        err = copy_pages(b, f);
    if (!err)
        err = sqlite_execute(b->to, "PRAGMA journal_mode = DELETE;", f);
    return err;
}

// A damaged source gives a damaged copy: better to know when the backup is made.
static enum err check_copy(struct backup *b, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(b->to, "PRAGMA quick_check(1)", &statement, f);
    if (err)
        return err;
    if (sqlite3_step(statement) != SQLITE_ROW) {
        err = sqlite_fault(b->to, "checking the copy", f);
    } else {
        const char *word = (const char *)sqlite3_column_text(statement, 0);
        if (!word || strcmp(word, "ok") != 0)
            err = fault_set(f, ERR_STORE_CORRUPT,
                            "%s is damaged: carillon doctor says where; " SQLITE_HELP_DAMAGED,
                            b->path);
    }
    sqlite3_finalize(statement);
    return err;
}

static enum err sync_folder(const char *path, struct fault *f)
{
    char *copy = xstrdup(path);
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = fd < 0 || fsync(fd) != 0 ? system_fault("sync the folder", folder, f) : ERR_OK;
    if (fd >= 0)
        close(fd);
    free(copy);
    return err;
}

static enum err give_name(struct backup *b, struct fault *f)
{
    sqlite3_close(b->to);
    b->to = NULL;
    if (fsync(b->fd) != 0)
        return system_fault("sync", b->partial, f);
    if (rename(b->partial, b->target) != 0)
        return system_fault("create", b->target, f);
    close(b->fd);
    b->fd = -1;
    return sync_folder(b->target, f);
}

static void backup_end(struct backup *b)
{
    sqlite3_close(b->from);
    sqlite3_close(b->to);
    if (b->fd >= 0) {
        close(b->fd);
        unlink(b->partial);
    }
    free(b->partial);
}

enum err store_sqlite_backup(const char *path, const char *target, struct fault *f)
{
    struct backup b = {.path = path, .target = target, .fd = -1};
    size_t bytes = strlen(target) + sizeof ".partial";
    b.partial = xmalloc(bytes);
    snprintf(b.partial, bytes, "%s.partial", target);

    enum err err = open_source(&b, f);
    if (!err)
        err = create_target(&b, f);
    if (!err)
        err = write_copy(&b, f);
    if (!err)
        err = check_copy(&b, f);
    if (!err)
        err = give_name(&b, f);
    backup_end(&b);
    return err;
}
