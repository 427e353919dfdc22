// SPDX-License-Identifier: MIT
// shortage.c: what this machine lacks, told apart from what is wrong with a target.

#define _GNU_SOURCE // SOCK_CLOEXEC

#include "dispatch/shortage_priv.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool shortage_is(int number)
{
    return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM ||
           number == ENOSPC || number == EADDRNOTAVAIL;
}

int shortage_now(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return shortage_is(errno) ? errno : 0;
    close(fd);
    return 0;
}

int shortage_or_no_route(int number, const union address *to)
{
    if (number != EADDRNOTAVAIL)
        return number;
    union address copy = *to;
    bool v6 = to->any.sa_family == AF_INET6;
    if (v6)
        copy.v6.sin6_port = htons(9);
    else
        copy.v4.sin_port = htons(9);
    int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return number;
    int rc = connect(fd, &copy.any, v6 ? sizeof copy.v6 : sizeof copy.v4);
    int error = rc == 0 ? 0 : errno;
    close(fd);
    return error == EADDRNOTAVAIL ? ENETUNREACH : number;
}
