// SPDX-License-Identifier: MIT
// restore.c: puts a backup in the place of a database, so that neither a crash nor a kill in the
// middle leaves one half of each.
//
// A database is two files while its log is there, and no system call replaces two. So first the
// copy of the backup is made beside the database, whole and checked. Then a note is written: under
// which name the old files are kept. From the note on everything is a renaming, which whoever comes
// next goes on with: another restore, or the next server, before it opens the database.
//
//     DB.restoring     the copy, once it is whole
//     DB.restore       the note: "replaced-20261128T141500Z"
//     DB -> DB.replaced-20261128T141500Z, DB-wal -> ...-wal, DB-shm -> ...-shm
//     DB.restoring -> DB
//     the note goes
//
// The folder is synced between the steps, since a file system may keep them in another order.

#include "store/sqlite/sqlite_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOTE_BYTES_MAX 64

// The names of the files of one restore; all are owned.
struct restore {
    const char *path;
    char *partial;
    char *copy;
    char *note;
    char suffix[NOTE_BYTES_MAX]; // What the note says; "" as long as there is none.
};

static char *name_of(const char *path, const char *suffix)
{
    size_t bytes = strlen(path) + strlen(suffix) + 1;
    char *name = xmalloc(bytes);
    snprintf(name, bytes, "%s%s", path, suffix);
    return name;
}

static void restore_init(struct restore *r, const char *path)
{
    *r = (struct restore){.path = path,
                          .partial = name_of(path, ".restoring.partial"),
                          .copy = name_of(path, ".restoring"),
                          .note = name_of(path, ".restore")};
}

static void restore_fini(struct restore *r)
{
    free(r->partial);
    free(r->copy);
    free(r->note);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

// --- The note --------------------------------------------------------------------------------

static enum err read_note(struct restore *r, struct fault *f)
{
    int fd = open(r->note, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (fd < 0)
        return sqlite_system_fault("read", r->note, f);
    ssize_t n = read(fd, r->suffix, sizeof r->suffix - 1);
    close(fd);
    r->suffix[n > 0 ? n : 0] = '\0';
    r->suffix[strcspn(r->suffix, "\n")] = '\0';
    if (strncmp(r->suffix, "replaced-", 9) != 0 || strchr(r->suffix, '/'))
        return fault_set(f, ERR_STORE_OPEN, "%s is none of a restore: remove it", r->note);
    return ERR_OK;
}

static enum err write_bytes(const char *path, const char *text, struct fault *f)
{
    size_t bytes = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return sqlite_system_fault("create", path, f);
    bool fine = write(fd, text, bytes) == (ssize_t)bytes && fsync(fd) == 0;
    enum err err = fine ? ERR_OK : sqlite_system_fault("write", path, f);
    close(fd);
    return err;
}

// Under another name first: a note that is there is whole.
static enum err write_note(struct restore *r, struct fault *f)
{
    char *draft = name_of(r->note, ".partial");
    enum err err = write_bytes(draft, r->suffix, f);
    if (!err && rename(draft, r->note) != 0)
        err = sqlite_system_fault("create", r->note, f);
    free(draft);
    return err ? err : sqlite_sync_folder(r->path, f);
}

// By the clock, and a number when the clock has been there before.
static void choose_suffix(struct restore *r)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm t;
    char time[32];
    gmtime_r(&now, &t);
    strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &t);
    for (unsigned n = 1;; n++) {
        snprintf(r->suffix, sizeof r->suffix, n == 1 ? "replaced-%s" : "replaced-%s-%u", time, n);
        char *kept = sqlite_restore_kept(r->path, r->suffix);
        bool taken = exists(kept);
        free(kept);
        if (!taken)
            return;
    }
}

// --- Renaming --------------------------------------------------------------------------------

char *sqlite_restore_kept(const char *path, const char *suffix)
{
    char *stem = name_of(path, ".");
    char *kept = name_of(stem, suffix);
    free(stem);
    return kept;
}

// What has been moved before stays; what is then found in its place is of the time in between.
static enum err move_away(const char *from, const char *to, struct fault *f)
{
    if (!exists(from))
        return ERR_OK;
    int rc = exists(to) ? unlink(from) : rename(from, to);
    return rc == 0 ? ERR_OK : sqlite_system_fault("move away", from, f);
}

static enum err move_old(const struct restore *r, struct fault *f)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char *kept = sqlite_restore_kept(r->path, r->suffix);
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(parts) && !err; i++) {
        char *from = name_of(r->path, parts[i]);
        char *to = name_of(kept, parts[i]);
        err = move_away(from, to, f);
        if (!err)
            err = sqlite_sync_folder(r->path, f);
        free(from);
        free(to);
    }
    free(kept);
    return err;
}

// Everything from the note on; each step only if it has not been done.
static enum err finish(const struct restore *r, struct fault *f)
{
    enum err err = ERR_OK;
    if (exists(r->copy)) {
        err = move_old(r, f);
        if (!err && rename(r->copy, r->path) != 0)
            err = sqlite_system_fault("put in its place", r->copy, f);
        if (!err)
            err = sqlite_sync_folder(r->path, f);
    } else if (!exists(r->path)) {
        err = fault_set(f, ERR_STORE_OPEN,
                        "%s was being restored, and %s is gone: run carillon restore again",
                        r->path, r->copy);
    }
    if (!err && unlink(r->note) != 0)
        err = sqlite_system_fault("remove", r->note, f);
    return err ? err : sqlite_sync_folder(r->path, f);
}

enum err sqlite_restore_finish(const char *path, struct fault *f)
{
    struct restore r;
    restore_init(&r, path);
    enum err err = read_note(&r, f);
    if (!err && *r.suffix)
        err = finish(&r, f);
    restore_fini(&r);
    return err;
}

enum err sqlite_check_whole(const char *path, struct fault *f)
{
    char *note = name_of(path, ".restore");
    bool broken_off = exists(note);
    free(note);
    if (!broken_off)
        return ERR_OK;
    return fault_set(f, ERR_STORE_OPEN,
                     "a restore of %s was broken off: run carillon restore again, or start a "
                     "server on it, which finishes it",
                     path);
}

// --- The restore -----------------------------------------------------------------------------

static enum err check_backup(const char *path, const char *backup, struct fault *f)
{
    struct stat of_backup, st;
    if (stat(backup, &of_backup) != 0)
        return sqlite_system_fault("read", backup, f);
    if (!S_ISREG(of_backup.st_mode))
        return fault_set(f, ERR_STORE_OPEN, "%s is not a regular file", backup);
    if (stat(path, &st) == 0 && st.st_dev == of_backup.st_dev && st.st_ino == of_backup.st_ino)
        return fault_set(f, ERR_STORE_OPEN, "%s is the database itself", backup);
    return sqlite_check_whole(backup, f);
}

// What is moved away is a database or nothing: never a folder with somebody's database in it.
static enum err check(const char *path, const char *backup, struct fault *f)
{
    enum err err = sqlite_check_path(path, f);
    return err ? err : check_backup(path, backup, f);
}

// Whose the database is to be, when root restores it: whose it was, else whose the folder is.
static const struct stat *find_owner(const char *path, struct stat *st)
{
    if (geteuid() != 0)
        return NULL;
    if (stat(path, st) == 0)
        return st;
    char *copy = xstrdup(path);
    int rc = stat(dirname(copy), st);
    free(copy);
    return rc == 0 ? st : NULL;
}

// The lock may have been made by root just now, for a database that is another's.
static void give_lock(const struct restore *r, const struct stat *owner)
{
    char *lock = name_of(r->path, ".lock");
    if (owner && chown(lock, owner->st_uid, owner->st_gid) != 0)
        (void)owner; // There is none, or it is as it was.
    free(lock);
}

static enum err make_copy(const struct restore *r, const char *backup, struct fault *f)
{
    struct stat st;
    struct sqlite_copy copy = {.from = backup,
                               .to = r->partial,
                               .check = "PRAGMA integrity_check(1)",
                               .owner = find_owner(r->path, &st),
                               .older = true};
    give_lock(r, copy.owner);
    unlink(r->partial); // Ends a restore that was broken off: the caller has the lock.
    enum err err = sqlite_copy(&copy, f);
    if (!err && rename(r->partial, r->copy) != 0) {
        err = sqlite_system_fault("create", r->copy, f);
        unlink(r->partial);
    }
    return err ? err : sqlite_sync_folder(r->path, f);
}

static enum err run(struct restore *r, const char *backup, struct fault *f)
{
    enum err err = check(r->path, backup, f);
    if (!err)
        err = read_note(r, f);
    if (!err)
        err = make_copy(r, backup, f);
    if (err)
        return err;
    if (!*r->suffix) {
        choose_suffix(r);
        err = write_note(r, f);
    }
    return err ? err : finish(r, f);
}

enum err store_sqlite_restore(const char *path, const char *backup, char **kept, struct fault *f)
{
    struct restore r;
    restore_init(&r, path);
    enum err err = run(&r, backup, f);
    if (!err) {
        *kept = sqlite_restore_kept(path, r.suffix);
        if (!exists(*kept)) {
            free(*kept);
            *kept = NULL;
        }
    }
    restore_fini(&r);
    return err;
}
