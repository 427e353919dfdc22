// SPDX-License-Identifier: MIT
// steps.c: a wall clock that steps, for one process: preloaded, it stands between it and libc.
//
// The file that STEP_FILE names says how many milliseconds the process's wall clock is ahead of the
// real one. A thread reads it every few milliseconds; when the number changes the clock has
// stepped, and timers on the wall clock which were set with TFD_TIMER_CANCEL_ON_SET are cancelled,
// as the kernel does it. The monotonic clocks are left alone.
//
// libfaketime cannot do this: it does not look at which clock a timerfd was made for, so it shifts
// the timers of the monotonic clocks too, and a step does not wake who sleeps on one.

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LOOK_PAUSE_NS 5000000
#define TIMERS_MAX 16
#define NS_PER_S INT64_C(1000000000)

typedef int clock_call(clockid_t clock, struct timespec *out);
typedef int create_call(int clock, int flags);
typedef int settime_call(int fd, int flags, const struct itimerspec *to, struct itimerspec *before);
typedef ssize_t read_call(int fd, void *bytes, size_t count);

static clock_call *real_clock;
static create_call *real_create;
static settime_call *real_settime;
static read_call *real_read;

static _Atomic int64_t offset_ns;

// The timers on the wall clock.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int fd;
    bool is_armed; // With TFD_TIMER_CANCEL_ON_SET.
    bool is_cancelled;
} timers[TIMERS_MAX];
static int timer_count;

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * NS_PER_S + t->tv_nsec;
}

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static int find_timer(int fd)
{
    for (int i = 0; i < timer_count; i++)
        if (timers[i].fd == fd)
            return i;
    return -1;
}

// --- The step ------------------------------------------------------------------------------------

static int64_t read_offset_ns(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t bytes = real_read(fd, text, sizeof text - 1);
    close(fd);
    return bytes > 0 ? strtoll(text, NULL, 10) * 1000000 : 0;
}

// The timers ring at once, and their readers are told of the step.
static void cancel_timers(void)
{
    const struct itimerspec now = {.it_value.tv_nsec = 1};
    for (int i = 0; i < timer_count; i++) {
        if (!timers[i].is_armed)
            continue;
        timers[i].is_armed = false;
        timers[i].is_cancelled = true;
        real_settime(timers[i].fd, 0, &now, NULL);
    }
}

static void *watch(void *path)
{
    const struct timespec pause_between = {.tv_nsec = LOOK_PAUSE_NS};
    for (;;) {
        int64_t now_ns = read_offset_ns(path);
        if (now_ns != atomic_load(&offset_ns)) {
            pthread_mutex_lock(&lock);
            atomic_store(&offset_ns, now_ns);
            cancel_timers();
            pthread_mutex_unlock(&lock);
        }
        nanosleep(&pause_between, NULL);
    }
    return NULL;
}

// Signals are for the process's own threads.
static void start_watching(char *path)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, path) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void find_calls(void)
{
    real_clock = (clock_call *)dlsym(RTLD_NEXT, "clock_gettime");
    real_create = (create_call *)dlsym(RTLD_NEXT, "timerfd_create");
    real_settime = (settime_call *)dlsym(RTLD_NEXT, "timerfd_settime");
    real_read = (read_call *)dlsym(RTLD_NEXT, "read");
}

// Others may be asked for the time before our turn to be set up has come.
static void once(void)
{
    static pthread_once_t done = PTHREAD_ONCE_INIT;
    pthread_once(&done, find_calls);
}

__attribute__((constructor)) static void set_up(void)
{
    char *path = getenv("STEP_FILE");
    once();
    if (!path)
        return;
    atomic_store(&offset_ns, read_offset_ns(path));
    start_watching(path);
}

// --- The clock -----------------------------------------------------------------------------------

int clock_gettime(clockid_t clock, struct timespec *out)
{
    once();
    int rc = real_clock(clock, out);
    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *out = time_of(ns_of(out) + atomic_load(&offset_ns));
    return rc;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec t;
    int rc = clock_gettime(CLOCK_REALTIME, &t);
    *out = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return rc;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

// --- Timers on it --------------------------------------------------------------------------------

int timerfd_create(int clock, int flags)
{
    once();
    int fd = real_create(clock, flags);
    if (fd < 0 || clock != CLOCK_REALTIME)
        return fd;
    pthread_mutex_lock(&lock);
    int i = find_timer(fd); // The descriptor of one that was closed.
    if (i < 0)
        i = timer_count++;
    if (i >= TIMERS_MAX)
        abort();
    timers[i].fd = fd;
    timers[i].is_armed = timers[i].is_cancelled = false;
    pthread_mutex_unlock(&lock);
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *before)
{
    once();
    pthread_mutex_lock(&lock);
    int i = find_timer(fd);
    struct itimerspec shifted = *to;
    int64_t at_ns = ns_of(&to->it_value);
    if (i >= 0 && (flags & TFD_TIMER_ABSTIME) && at_ns > 0) {
        int64_t real_ns = at_ns - atomic_load(&offset_ns);
        shifted.it_value = time_of(real_ns > 0 ? real_ns : 1);
    }
    if (i >= 0) {
        timers[i].is_armed = at_ns > 0 && (flags & TFD_TIMER_CANCEL_ON_SET);
        timers[i].is_cancelled = false;
    }
    int rc = real_settime(fd, flags, &shifted, before);
    pthread_mutex_unlock(&lock);
    return rc;
}

ssize_t read(int fd, void *bytes, size_t count)
{
    once();
    pthread_mutex_lock(&lock);
    int i = find_timer(fd);
    bool is_cancelled = i >= 0 && timers[i].is_cancelled;
    if (is_cancelled)
        timers[i].is_cancelled = false;
    pthread_mutex_unlock(&lock);
    ssize_t got = real_read(fd, bytes, count);
    if (!is_cancelled)
        return got;
    errno = ECANCELED;
    return -1;
}
