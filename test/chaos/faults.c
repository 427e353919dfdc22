// SPDX-License-Identifier: MIT
// faults.c: a disk that fails, for one process: preloaded, it stands between SQLite and libc.
//
// It counts the calls that write or sync the database and its log, and lets one of them, or all
// while a certain file exists, go wrong:
//
//   FAULT_FILE   path of the database, absolute; its log counts too
//   FAULT_CALLS  which calls count: write, sync, or any
//   FAULT_ACT    kill   the process dies by SIGKILL right after the call
//                tear   the same, but of a write only the first half is made
//                eio    the call fails as on a broken disk, and so does every later one
//                full   writes fail as on a full disk
//   FAULT_NTH    the call that it begins with, counted from 1; 0: the process is left alone
//   FAULT_WHILE  instead of FAULT_NTH: path of a file; while it exists, calls go wrong
//   FAULT_ROOM   path of a file; while it exists, so many bytes as it says are free on every disk

#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS // The flags of some libraries set it, and then pwrite64 is pwrite's name.

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum call { CALL_WRITE, CALL_SYNC };
enum act { ACT_NONE, ACT_KILL, ACT_TEAR, ACT_EIO, ACT_FULL };

static const char *const act_names[] = {
    [ACT_KILL] = "kill", [ACT_TEAR] = "tear", [ACT_EIO] = "eio", [ACT_FULL] = "full"};

typedef ssize_t write_call(int fd, const void *bytes, size_t count);
typedef ssize_t pwrite_call(int fd, const void *bytes, size_t count, off_t at);
typedef int sync_call(int fd);
typedef int statvfs_call(const char *path, struct statvfs *out);

static struct {
    const char *file;
    const char *while_file;
    long nth;
    enum act act;
    bool counts[2]; // By enum call.
    write_call *write;
    pwrite_call *pwrite;
    sync_call *fsync;
    sync_call *fdatasync;
} shim;

static atomic_long calls;

// --- What is asked for ---------------------------------------------------------------------------

static void read_act(const char *name)
{
    for (size_t i = ACT_KILL; i < sizeof act_names / sizeof *act_names; i++)
        if (name && strcmp(name, act_names[i]) == 0)
            shim.act = (enum act)i;
}

static void set_up(void)
{
    const char *which = getenv("FAULT_CALLS");
    const char *nth = getenv("FAULT_NTH");
    shim.write = (write_call *)dlsym(RTLD_NEXT, "write");
    shim.pwrite = (pwrite_call *)dlsym(RTLD_NEXT, "pwrite64");
    shim.fsync = (sync_call *)dlsym(RTLD_NEXT, "fsync");
    shim.fdatasync = (sync_call *)dlsym(RTLD_NEXT, "fdatasync");
    shim.file = getenv("FAULT_FILE");
    shim.while_file = getenv("FAULT_WHILE");
    shim.nth = nth ? strtol(nth, NULL, 10) : 0;
    shim.counts[CALL_WRITE] = !which || strcmp(which, "sync") != 0;
    shim.counts[CALL_SYNC] = !which || strcmp(which, "write") != 0;
    read_act(getenv("FAULT_ACT"));
}

static void once(void)
{
    static pthread_once_t done = PTHREAD_ONCE_INIT;
    pthread_once(&done, set_up);
}

// --- Which call goes wrong -----------------------------------------------------------------------

// Whether the descriptor is the database or its log.
static bool is_ours(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = shim.file ? readlink(link, path, sizeof path - 1) : -1;
    if (bytes < 0)
        return false;
    path[bytes] = '\0';
    size_t length = strlen(shim.file);
    if (strncmp(path, shim.file, length) != 0)
        return false;
    return path[length] == '\0' || strcmp(path + length, "-wal") == 0;
}

static enum act judge(int fd, enum call call)
{
    once();
    if (!shim.act || !shim.counts[call] || !is_ours(fd))
        return ACT_NONE;
    if (shim.while_file)
        return access(shim.while_file, F_OK) == 0 ? shim.act : ACT_NONE;
    long number = atomic_fetch_add(&calls, 1) + 1;
    bool is_wrong = shim.act == ACT_EIO ? number >= shim.nth : number == shim.nth;
    return shim.nth > 0 && is_wrong ? shim.act : ACT_NONE;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    pause();
}

static int error_of(enum act act)
{
    return act == ACT_FULL ? ENOSPC : EIO;
}

// --- The calls -----------------------------------------------------------------------------------

// The half that is left of a torn write.
static size_t part_of(enum act act, size_t count)
{
    return act == ACT_TEAR ? count / 2 : count;
}

static bool is_refused(enum act act)
{
    if (act != ACT_EIO && act != ACT_FULL)
        return false;
    errno = error_of(act);
    return true;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    enum act act = judge(fd, CALL_WRITE);
    if (is_refused(act))
        return -1;
    ssize_t written = shim.write(fd, bytes, part_of(act, count));
    if (act)
        die();
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at)
{
    enum act act = judge(fd, CALL_WRITE);
    if (is_refused(act))
        return -1;
    ssize_t written = shim.pwrite(fd, bytes, part_of(act, count), at);
    if (act)
        die();
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return pwrite64(fd, bytes, count, at);
}

static void pretend_room(struct statvfs *disk)
{
    const char *path = getenv("FAULT_ROOM");
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned long long bytes;
    if (file && fscanf(file, "%llu", &bytes) == 1)
        disk->f_bavail = disk->f_bfree = bytes / disk->f_frsize;
    if (file)
        fclose(file);
}

// A program that is built for large files calls the second; both are one where a long has 64 bits.
int statvfs(const char *path, struct statvfs *out)
{
    statvfs_call *real = (statvfs_call *)dlsym(RTLD_NEXT, "statvfs");
    int rc = real(path, out);
    if (rc == 0)
        pretend_room(out);
    return rc;
}

static_assert(sizeof(struct statvfs) == sizeof(struct statvfs64), "one layout");

int statvfs64(const char *path, struct statvfs64 *out)
{
    return statvfs(path, (struct statvfs *)out);
}

static int sync_by(sync_call **real, int fd)
{
    enum act act = judge(fd, CALL_SYNC); // Also finds the real calls.
    if (act == ACT_EIO) {
        errno = EIO;
        return -1;
    }
    int rc = (*real)(fd);
    if (act && act != ACT_FULL)
        die();
    return rc;
}

int fsync(int fd)
{
    return sync_by(&shim.fsync, fd);
}

int fdatasync(int fd)
{
    return sync_by(&shim.fdatasync, fd);
}
