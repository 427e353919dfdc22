// SPDX-License-Identifier: MIT
// server_listen_unix.c: the Unix socket: its file, who may open it, and what is left of one.
//
// The mode of the file says who may connect, so the file never has a wider one, not even between
// two calls. A server that was killed leaves its file behind, to which nobody can connect: that one
// is replaced. A file where somebody listens, or which is no socket, is left alone.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    assert(strlen(path) < sizeof a.sun_path);
    strcpy(a.sun_path, path);
    return a;
}

// Whether nobody listens at this file, which is a socket.
static bool is_left_over(const struct sockaddr_un *a)
{
    struct stat file;
    if (lstat(a->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static bool bind_to(int fd, const struct sockaddr_un *a)
{
    if (bind(fd, (const struct sockaddr *)a, sizeof *a) == 0)
        return true;
    if (errno != EADDRINUSE)
        return false;
    if (is_left_over(a) && unlink(a->sun_path) == 0)
        return bind(fd, (const struct sockaddr *)a, sizeof *a) == 0;
    errno = EADDRINUSE;
    return false;
}

// The file gets the mode of the socket, less what the umask takes away, and then the rest.
static bool open_at(int fd, const struct sockaddr_un *a, unsigned mode)
{
    return fchmod(fd, mode) == 0 && bind_to(fd, a) && chmod(a->sun_path, mode) == 0 &&
           listen(fd, SOMAXCONN) == 0;
}

static bool is_socket(const char *path)
{
    struct stat file;
    return lstat(path, &file) == 0 && S_ISSOCK(file.st_mode);
}

static enum err listen_fault(const char *path, int problem, struct fault *f)
{
    if (problem == EADDRINUSE && is_socket(path))
        return fault_set(f, ERR_BUSY, "%s is already in use", path);
    if (problem == EADDRINUSE)
        return fault_set(f, ERR_BUSY, "%s is there already, and is no socket", path);
    if (problem == EACCES || problem == EPERM)
        return fault_set(f, ERR_FORBIDDEN, "not permitted to make the socket %s", path);
    return fault_set(f, ERR_SYSTEM, "cannot make the socket %s: %s", path, strerror(problem));
}

enum err listener__open_unix(struct listener *l, const char *path, unsigned mode, struct fault *f)
{
    if (strlen(path) >= SERVER_UNIX_PATH_BYTES)
        return fault_set(f, ERR_SYNTAX, "the path of a Unix socket has at most %d bytes: %.64s...",
                         SERVER_UNIX_PATH_BYTES - 1, path);
    struct sockaddr_un a = address_of(path);
    struct stat file;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_fault(path, errno, f);
    if (!open_at(fd, &a, mode) || lstat(path, &file) != 0) {
        int problem = errno;
        close(fd);
        return listen_fault(path, problem, f);
    }
    l->fd = fd;
    l->bound.any.sa_family = AF_UNIX;
    l->file = (struct unix_file){.device = file.st_dev, .inode = file.st_ino};
    strcpy(l->file.path, path);
    return ERR_OK;
}

// Another server may have put its own file there meanwhile.
void listener__remove_file(struct listener *l)
{
    struct stat file;
    if (!l->file.path[0])
        return;
    if (lstat(l->file.path, &file) == 0 && file.st_dev == l->file.device &&
        file.st_ino == l->file.inode)
        unlink(l->file.path);
    l->file.path[0] = '\0';
}
