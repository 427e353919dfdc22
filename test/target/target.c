// SPDX-License-Identifier: MIT
// target.c: an HTTP/1.1 server to aim jobs at, for benchmarks and for tests of the whole program.
//
// One thread, one loop, a few microseconds per request, thousands of kept connections. It notes
// every arrival in microseconds of the wall clock: in a histogram of lateness, and in a file if
// asked to. The file is written out when there is nothing else to do, at SIGUSR1, by GET /stats and
// at the end (SIGTERM). It prints "listening PORT" once it can be called.

#include "target.h"

#include "base/memory.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS 50
#define WAIT_MS_MAX 60000

static bool stopping;

static void stop_with(const char *what, const char *why)
{
    fprintf(stderr, "target: %s: %s\n", what, why);
    exit(1);
}

// --- Options -------------------------------------------------------------------------------------

struct options {
    const char *host;
    uint16_t port;
    FILE *log;
};

static void print_help(void)
{
    printf("usage: target [--host 127.0.0.1] [--port 0] [--log FILE]\n\n");
    behaviours_print();
}

static uint16_t read_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (*end || port < 0 || port > UINT16_MAX)
        stop_with(text, "not a port");
    return (uint16_t)port;
}

static FILE *open_log(const char *path)
{
    FILE *log = fopen(path, "we");
    if (!log)
        stop_with(path, strerror(errno));
    return log;
}

static struct options read_options(int argc, char **argv)
{
    static const struct option words[] = {
        {"host", required_argument, NULL, 'o'},
        {"port", required_argument, NULL, 'p'},
        {"log", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.host = "127.0.0.1"};
    for (int word; (word = getopt_long(argc, argv, "", words, NULL)) != -1;) {
        if (word == 'o') {
            o.host = optarg;
        } else if (word == 'p') {
            o.port = read_port(optarg);
        } else if (word == 'l') {
            o.log = open_log(optarg);
        } else {
            print_help();
            exit(word == 'h' ? 0 : 2);
        }
    }
    return o;
}

// --- What it waits for ---------------------------------------------------------------------------

static void listener_ready(void *context, uint32_t events)
{
    (void)events;
    connections_accept(((const struct loop_source *)context)->fd);
}

static void signal_ready(void *context, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    if (read(((const struct loop_source *)context)->fd, &info, sizeof info) != sizeof info)
        return;
    arrivals_flush();
    stopping = info.ssi_signo != SIGUSR1;
}

static int open_listener(const struct options *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    socklen_t bytes = sizeof address;
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (inet_pton(AF_INET, o->host, &address.sin_addr) != 1)
        stop_with(o->host, "not an IPv4 address");
    if (bind(fd, (struct sockaddr *)&address, bytes) != 0 || listen(fd, SOMAXCONN) != 0)
        stop_with("cannot listen", strerror(errno));
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    printf("listening %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void add(struct loop_source *s)
{
    struct fault f = {0};
    if (loop_add(target_loop, s, EPOLLIN, &f))
        stop_with("cannot start", f.text);
}

static void run(void)
{
    while (!stopping) {
        int64_t due = agenda_next(target_agenda);
        mono_ms now = clock_mono_ms();
        int64_t wait_ms = due == AGENDA_NEVER ? WAIT_MS_MAX : MAX(0, due - now);
        // Quiet for a moment: first the log is written out, then there is time for a longer wait.
        if (loop_turn(target_loop, (int)MIN(wait_ms, QUIET_MS)) == 0 && !arrivals_flush())
            loop_turn(target_loop, (int)MIN(MAX(wait_ms - QUIET_MS, 0), WAIT_MS_MAX));
        now = clock_mono_ms();
        for (struct agenda_node *n; (n = agenda_pop(target_agenda, now));)
            connection_due(n);
    }
}

static void allow_many_files(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
    struct options o = read_options(argc, argv);
    struct fault f = {0};
    allow_many_files();
    arrivals_open(o.log);
    target_agenda = agenda_new();
    if (loop_open(&target_loop, &f))
        stop_with("cannot start", f.text);
    struct loop_source signals = {open_signals(), signal_ready, &signals};
    struct loop_source listener = {open_listener(&o), listener_ready, &listener};
    add(&signals);
    add(&listener);
    run();
    connections_close();
    arrivals_close();
    agenda_free(target_agenda);
    loop_close(target_loop);
    close(signals.fd);
    close(listener.fd);
    return 0;
}
