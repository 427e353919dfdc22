// SPDX-License-Identifier: MIT
// shares.c: a process for each processor, which runs its share of the seeds and reports the sum.
//
// Processes and not threads, since the zones and the almanac are remembered without locks. A share
// that dies leaves no report, which is a failure as well.

#include "shares.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARES_MAX 64

struct share {
    pid_t pid;
    int fd; // The child's report comes here.
};

// The first failure that is met is kept.
static void add(struct sim_report *sum, const struct sim_report *r)
{
    struct tally happened = sum->happened;
    tally_add(&happened, &r->happened);
    if (r->failed && !sum->failed)
        *sum = *r;
    sum->happened = happened;
}

// Every `step`-th seed. The report is smaller than a pipe, so that nobody need wait for a reader.
static void run_share(uint64_t first, uint64_t step, uint64_t seeds, dur_ms length, int fd)
{
    struct sim_report sum = {0};
    for (uint64_t seed = first; seed <= seeds && !sum.failed; seed += step) {
        struct sim_report r;
        sim_run(&(struct sim_options){.seed = seed, .length = length}, &r);
        add(&sum, &r);
    }
    ssize_t written = write(fd, &sum, sizeof sum);
    _exit(written == (ssize_t)sizeof sum ? 0 : 1);
}

static struct share begin(uint64_t first, uint64_t step, uint64_t seeds, dur_ms length)
{
    int ends[2];
    int failed = pipe(ends);
    assert(!failed);
    fflush(NULL); // Lest the share print again what waits to be printed.
    pid_t pid = fork();
    assert(pid >= 0);
    if (pid == 0)
        run_share(first, step, seeds, length, ends[1]);
    close(ends[1]);
    return (struct share){pid, ends[0]};
}

static void end(const struct share *s, struct sim_report *sum)
{
    struct sim_report r;
    ssize_t bytes = read(s->fd, &r, sizeof r);
    close(s->fd);
    int status;
    waitpid(s->pid, &status, 0);
    if (bytes != (ssize_t)sizeof r || status != 0)
        r = (struct sim_report){.failed = true, .failure = "its process died"};
    add(sum, &r);
}

void shares_run(uint64_t seeds, dur_ms length, struct sim_report *out)
{
    struct share shares[SHARES_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t count = (uint64_t)MIN(MAX(processors, 1), SHARES_MAX);
    *out = (struct sim_report){0};
    for (uint64_t i = 0; i < count; i++)
        shares[i] = begin(i + 1, count, seeds, length);
    for (uint64_t i = 0; i < count; i++)
        end(&shares[i], out);
}
