// SPDX-License-Identifier: MIT
// hurry.c: stands before two functions of the C library.

#define _GNU_SOURCE // RTLD_NEXT

#include "hurry.h"

#include <dlfcn.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MILLISECOND_NS 1000000

static atomic_bool hurrying;
static _Atomic int64_t saved_ms;

void hurry(void)
{
    atomic_store(&hurrying, true);
}

int poll(struct pollfd *files, nfds_t count, int timeout_ms)
{
    __typeof__(&poll) real = (__typeof__(&poll))dlsym(RTLD_NEXT, "poll");
    if (!atomic_load(&hurrying) || timeout_ms <= 1)
        return real(files, count, timeout_ms);
    int ready = real(files, count, 1);
    if (ready == 0)
        atomic_fetch_add(&saved_ms, timeout_ms - 1);
    return ready;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    __typeof__(&clock_gettime) real = (__typeof__(&clock_gettime))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(clock, now);
    int64_t ahead_ms = clock == CLOCK_BOOTTIME ? atomic_load(&saved_ms) : 0;
    now->tv_sec += ahead_ms / 1000;
    now->tv_nsec += ahead_ms % 1000 * MILLISECOND_NS;
    if (now->tv_nsec >= 1000 * MILLISECOND_NS) {
        now->tv_sec++;
        now->tv_nsec -= 1000 * MILLISECOND_NS;
    }
    return rc;
}
