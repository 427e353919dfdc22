// SPDX-License-Identifier: MIT
// backup.c: a copy of the database as of one moment, while a server may be at work on it.
//
// The copy is made under another name and gets its own only when it is whole, checked and on the
// disk, so a file with the name of a backup is one.

#include "store/sqlite/sqlite_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err make(const char *path, const char *partial, const char *target, struct fault *f)
{
    struct sqlite_copy copy = {.from = path, .to = partial, .check = "PRAGMA quick_check(1)"};
    struct stat st;
    if (lstat(target, &st) == 0)
        return fault_set(f, ERR_EXISTS, "%s is there already: choose another name", target);
    enum err err = sqlite_check_whole(path, f);
    if (!err)
        err = sqlite_copy(&copy, f);
    if (err)
        return err;
    if (rename(partial, target) != 0) {
        err = sqlite_system_fault("create", target, f);
        unlink(partial);
        return err;
    }
    return sqlite_sync_folder(target, f);
}

enum err store_sqlite_backup(const char *path, const char *target, struct fault *f)
{
    size_t bytes = strlen(target) + sizeof ".partial";
    char *partial = xmalloc(bytes);
    snprintf(partial, bytes, "%s.partial", target);
    enum err err = make(path, partial, target, f);
    free(partial);
    return err;
}
