// SPDX-License-Identifier: MIT
// zone_files.c: the system's zone directory.

#include "zones/zone_files_priv.h"

#include "base/memory.h"
#include "zones/zone_names_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256 * 1024) // The largest real one has 4 KiB.
#define PATH_BYTES 4096
#define DEPTH_MAX 3 // America/Argentina/Salta.

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool zone__stamp_same(const struct zone_stamp *a, const struct zone_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

static struct zone_stamp stamp_of(const struct stat *st)
{
    return (struct zone_stamp){.device = (uint64_t)st->st_dev,
                               .inode = (uint64_t)st->st_ino,
                               .bytes = (int64_t)st->st_size,
                               .modified = st->st_mtim,
                               .changed = st->st_ctim};
}

bool zone__stamp(const char *directory, const char *name, struct zone_stamp *out)
{
    char path[PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    *out = stamp_of(&st);
    return true;
}

// Reads up to `max` bytes. Returns how many, or -1.
static ssize_t read_all(int fd, void *out, size_t max)
{
    size_t used = 0;
    while (used < max) {
        ssize_t got = read(fd, (char *)out + used, max - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static enum err read_open_file(int fd, const char *name, struct zone **out,
                               struct zone_stamp *stamp, struct fault *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fault_set(f, ERR_SYSTEM, "cannot read time zone %s: %s", name, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_set(f, ERR_NOT_FOUND, "no time zone file %s", name);
    if (st.st_size > FILE_BYTES_MAX)
        return fault_set(f, ERR_SYNTAX, "the file of time zone %s is too large", name);

    char *bytes = xmalloc(FILE_BYTES_MAX);
    enum err err;
    ssize_t got = read_all(fd, bytes, FILE_BYTES_MAX);
    if (got < 0) {
        err = fault_set(f, ERR_SYSTEM, "cannot read time zone %s: %s", name, strerror(errno));
    } else {
        struct fault why = {0};
        err = zone_parse(bytes, (size_t)got, name, out, &why);
        if (err)
            fault_set(f, err, "the file of time zone %s is damaged: %s", name, why.text);
        else
            *stamp = stamp_of(&st);
    }
    free(bytes);
    return err;
}

// Without any data no zone is unknown: it is the machine that lacks something.
static enum err missing(const char *directory, const char *name, struct fault *f)
{
    if (access(directory, X_OK) != 0)
        return fault_set(f, ERR_SYSTEM, "there is no time-zone data in %s: install tzdata",
                         directory);
    return fault_set(f, ERR_NOT_FOUND, "no time zone file %s", name);
}

enum err zone__read(const char *directory, const char *name, struct zone **out,
                    struct zone_stamp *stamp, struct fault *f)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    // Not blocking: a name could lead to a pipe, which is refused after the open.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return missing(directory, name, f);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "cannot open time zone %s: %s", name, strerror(errno));
    enum err err = read_open_file(fd, name, out, stamp, f);
    close(fd);
    return err;
}

static bool is_zone_file(const char *path)
{
    char magic[4];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    ssize_t got = read_all(fd, magic, sizeof magic);
    close(fd);
    return got == sizeof magic && !memcmp(magic, "TZif", sizeof magic);
}

struct listing {
    const char *directory;
    char (*out)[ZONE_NAME_BYTES];
    size_t max;
    size_t count;
};

// Adds the zones of a folder below the directory; `prefix` is "" or ends in a slash.
static void list_folder(struct listing *l, const char *prefix, int depth)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", l->directory, prefix);
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *e; l->count < l->max && (e = readdir(folder));) {
        char name[ZONE_NAME_BYTES + 1];
        int length = snprintf(name, sizeof name, "%s%s", prefix, e->d_name);
        struct stat st;
        if (length < 0 || (size_t)length >= ZONE_NAME_BYTES - 1 || !zone__name_allowed(name) ||
            !strcmp(name, "posix") || !strcmp(name, "right"))
            continue;
        snprintf(path, sizeof path, "%s/%s", l->directory, name);
        if (stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
            strcat(name, "/");
            list_folder(l, name, depth + 1);
        } else if (S_ISREG(st.st_mode) && is_zone_file(path)) {
            memcpy(l->out[l->count++], name, (size_t)length + 1);
        }
    }
    closedir(folder);
}

size_t zone__list(const char *directory, char (*out)[ZONE_NAME_BYTES], size_t max)
{
    struct listing l = {.directory = directory, .out = out, .max = max};
    list_folder(&l, "", 1);
    return l.count;
}
