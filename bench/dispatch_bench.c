// SPDX-License-Identifier: MIT
// dispatch_bench.c: microseconds of CPU per request of both adapters of the dispatch port.
//
//   dispatch_bench [REQUESTS [ADAPTER]]   so many per measurement; default 100000, both
//
// The target is test/target in a process of its own. So many requests are kept in flight as the
// column says, each on a kept connection: an outcome sends the next. What is counted is the time of
// this process, user and system, so it holds on a busy machine too; requests per second do not.

#include "dispatch/dispatch.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUESTS_DEFAULT 100000
#define ROUNDS 3

static const struct {
    const char *name;
    dispatch_opener *open;
} adapters[] = {
    {"wire", dispatch_wire_open},
    {"curl", dispatch_curl_open},
};

static const unsigned in_flight[] = {64, 256, 1024};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "dispatch_bench: %s: %s\n", what, why);
    exit(1);
}

// --- The target ----------------------------------------------------------------------------------

struct server {
    pid_t pid;
    unsigned port;
};

// build/<profile>/bench/dispatch_bench -> build/<profile>/test/target/target
static void find_target(char out[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n < 0)
        die("/proc/self/exe", "cannot be read");
    out[n] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(out, '/') = '\0';
    strncat(out, "/test/target/target", PATH_MAX - strlen(out) - 1);
}

static struct server start_target(void)
{
    struct server s = {0};
    int ends[2];
    char path[PATH_MAX];
    find_target(path);
    if (pipe(ends) != 0)
        die("pipe", "failed");
    s.pid = fork();
    if (s.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    if (!from || fscanf(from, "listening %u", &s.port) != 1)
        die(path, "did not start");
    fclose(from);
    return s;
}

static void stop_target(const struct server *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

// --- A measurement -------------------------------------------------------------------------------

struct run {
    struct dispatch *dispatch;
    char url[64];
    uint64_t sent;
    uint64_t done;
    uint64_t failed;
    uint64_t wanted;
};

struct cost {
    double user_us;
    double system_us;
};

static void send_one(struct run *r)
{
    struct send s = {.ticket = ++r->sent,
                     .request = {.api = r->url,
                                 .method = METHOD_POST,
                                 .key = {.job = 7, .scheduled_at = 1700000000000},
                                 .attempt = 1,
                                 .timeout_ms = 30000,
                                 .epoch = 3,
                                 .repeatable = true,
                                 .tls_verify = true,
                                 .response_excerpt_bytes = 4096}};
    dispatch_send(r->dispatch, &s);
}

static void outcome(void *context, const struct outcome *o)
{
    struct run *r = context;
    r->done++;
    r->failed += o->kind != OUTCOME_ANSWERED || o->attempt.http_status != 200;
    if (r->sent < r->wanted)
        send_one(r);
}

static double microseconds(struct timeval t)
{
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static void turn_until(struct run *r, struct loop *l, uint64_t done)
{
    while (r->done < done)
        loop_turn(l, -1);
}

static struct cost measure(size_t adapter, unsigned connections, uint64_t requests, unsigned port)
{
    struct loop *l;
    struct fault f = {0};
    struct rusage before;
    struct rusage after;
    struct run r = {.wanted = connections};
    struct dispatch_options o = {.version = "1"};
    snprintf(r.url, sizeof r.url, "http://127.0.0.1:%u/ok", port);
    if (loop_open(&l, &f) || adapters[adapter].open(l, &o, outcome, &r, &r.dispatch, &f))
        die("cannot start", f.text);

    while (r.sent < r.wanted)
        send_one(&r);
    turn_until(&r, l, connections); // Connected, all of them.
    getrusage(RUSAGE_SELF, &before);
    r.wanted = connections + requests;
    for (unsigned i = 0; i < connections; i++)
        send_one(&r);
    turn_until(&r, l, r.wanted);
    getrusage(RUSAGE_SELF, &after);

    dispatch_close(r.dispatch);
    loop_close(l);
    if (r.failed)
        die(adapters[adapter].name, "requests failed");
    return (struct cost){
        (microseconds(after.ru_utime) - microseconds(before.ru_utime)) / (double)requests,
        (microseconds(after.ru_stime) - microseconds(before.ru_stime)) / (double)requests};
}

// The cheapest of several rounds: the machine's other work only ever adds.
static struct cost cheapest(size_t adapter, unsigned connections, uint64_t requests, unsigned port)
{
    struct cost best = measure(adapter, connections, requests, port);
    for (int i = 1; i < ROUNDS; i++) {
        struct cost c = measure(adapter, connections, requests, port);
        if (c.user_us + c.system_us < best.user_us + best.system_us)
            best = c;
    }
    return best;
}

int main(int argc, char **argv)
{
    uint64_t requests = argc > 1 ? strtoull(argv[1], NULL, 10) : REQUESTS_DEFAULT;
    const char *only = argc > 2 ? argv[2] : NULL;
    if (requests < 1)
        die("usage", "dispatch_bench [REQUESTS [wire|curl]]");
    signal(SIGPIPE, SIG_IGN);
    struct server target = start_target();
    printf("%-8s %10s %12s %10s %10s\n", "adapter", "in flight", "us/request", "user", "system");
    for (size_t i = 0; i < COUNT_OF(in_flight); i++)
        for (size_t a = 0; a < COUNT_OF(adapters); a++) {
            if (only && strcmp(only, adapters[a].name) != 0)
                continue;
            struct cost c = cheapest(a, in_flight[i], requests, target.port);
            printf("%-8s %10u %12.1f %10.1f %10.1f\n", adapters[a].name, in_flight[i],
                   c.user_us + c.system_us, c.user_us, c.system_us);
            fflush(stdout);
        }
    stop_target(&target);
    return 0;
}
