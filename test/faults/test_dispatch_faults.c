// SPDX-License-Identifier: MIT
// test_dispatch_faults.c: the nth system call of a dispatcher's sockets fails, for every n.
//
// The calls of the C library are replaced by ones that can fail on the sockets which the adapter
// under test has opened, and on no other. A round of attempts is made with each call failing in its
// turn; whatever fails, every attempt has one outcome, one that says "not sent" has sent nothing,
// one that says "answered" was, and the attempt after them goes well. Missing memory ends the
// program (test_allocation_faults.c).

#define _GNU_SOURCE // RTLD_NEXT

#include "../contract/certificate.h"
#include "../contract/dispatch_harness.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// --- Failing calls -------------------------------------------------------------------------------

enum call { CALL_SOCKET, CALL_CONNECT, CALL_CONNECTED, CALL_SEND, CALL_RECEIVE, CALL_WATCH };

#define HALF -1   // Only a byte of what was given is taken.
#define CLOSED -2 // The other side has closed.

static const struct failure {
    const char *name;
    enum call call;
    int error;
    unsigned times; // In a row.
} failures[] = {
    {"too many open files", CALL_SOCKET, EMFILE, 1},
    {"too many open files for long", CALL_SOCKET, EMFILE, 8},
    {"no buffers for a socket", CALL_SOCKET, ENOBUFS, 1},
    {"no route", CALL_CONNECT, ENETUNREACH, 1},
    {"no free port for long", CALL_CONNECT, EADDRNOTAVAIL, 8},
    {"connecting takes too long", CALL_CONNECTED, ETIMEDOUT, 1},
    {"a pipe that is broken", CALL_SEND, EPIPE, 1},
    {"reset while sending", CALL_SEND, ECONNRESET, 1},
    {"no room to send", CALL_SEND, EAGAIN, 1},
    {"no room to send for long", CALL_SEND, EAGAIN, 100},
    {"a byte at a time", CALL_SEND, HALF, 100},
    {"reset while reading", CALL_RECEIVE, ECONNRESET, 1},
    {"closed while reading", CALL_RECEIVE, CLOSED, 1},
    {"nothing to read for long", CALL_RECEIVE, EAGAIN, 100},
    {"no room to watch a socket", CALL_WATCH, ENOSPC, 1},
};

#define FILES_MAX 4096
#define TICKETS_MAX 16

static struct {
    bool tracking;          // Sockets that are opened now are the adapter's.
    bool ours[FILES_MAX];   // By descriptor.
    uint64_t at[FILES_MAX]; // The ticket whose request is being sent there.
    const struct failure *failure;
    unsigned nth;
    unsigned counted;
    unsigned failed;
    bool over;
    size_t sent[TICKETS_MAX]; // Bytes of each request that the kernel has taken.
} net;

static bool is_ours(int fd)
{
    return fd >= 0 && fd < FILES_MAX && net.ours[fd];
}

// The error with which this call fails, or 0.
static int failing(enum call call)
{
    if (!net.failure || net.failure->call != call || net.over)
        return 0;
    net.counted++;
    if (net.counted < net.nth || net.counted >= net.nth + net.failure->times)
        return 0;
    net.failed++;
    return net.failure->error;
}

static int fail_with(int error)
{
    errno = error;
    return -1;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int socket(int domain, int type, int protocol)
{
    int error = net.tracking ? failing(CALL_SOCKET) : 0;
    if (error)
        return fail_with(error);
    int fd = REAL(socket)(domain, type, protocol);
    if (fd >= 0 && fd < FILES_MAX)
        net.ours[fd] = net.tracking;
    return fd;
}

int close(int fd)
{
    if (is_ours(fd))
        net.ours[fd] = false;
    return REAL(close)(fd);
}

int connect(int fd, const struct sockaddr *to, socklen_t bytes)
{
    int error = is_ours(fd) ? failing(CALL_CONNECT) : 0;
    return error ? fail_with(error) : REAL(connect)(fd, to, bytes);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *bytes)
{
    int rc = REAL(getsockopt)(fd, level, name, value, bytes);
    int error = is_ours(fd) && name == SO_ERROR ? failing(CALL_CONNECTED) : 0;
    if (error)
        *(int *)value = error;
    return rc;
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    int error = is_ours(fd) && what == EPOLL_CTL_ADD ? failing(CALL_WATCH) : 0;
    return error ? fail_with(error) : REAL(epoll_ctl)(epoll, what, fd, event);
}

// A request names its ticket as its job, in its head, which is given whole to begin with. What is
// encrypted names nothing.
static void note_request(int fd, const char *bytes, size_t count)
{
    const char *name = memmem(bytes, count, "Carillon-Job: ", 14);
    if (name)
        net.at[fd] = strtoull(name + 14, NULL, 10);
}

static ssize_t note_sent(int fd, ssize_t took)
{
    if (took > 0)
        net.sent[net.at[fd]] += (size_t)took;
    return took;
}

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
    if (!is_ours(fd))
        return REAL(send)(fd, bytes, count, flags);
    note_request(fd, bytes, count);
    int error = failing(CALL_SEND);
    if (error == EPIPE || error == ECONNRESET)
        shutdown(fd, SHUT_RDWR); // A connection that is gone for writing is gone for reading, too.
    if (error > 0)
        return fail_with(error);
    return note_sent(fd, REAL(send)(fd, bytes, error == HALF ? MIN(count, 1) : count, flags));
}

// OpenSSL writes and reads its sockets as files.
ssize_t write(int fd, const void *bytes, size_t count)
{
    return is_ours(fd) ? send(fd, bytes, count, MSG_NOSIGNAL) : REAL(write)(fd, bytes, count);
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
    int error = is_ours(fd) ? failing(CALL_RECEIVE) : 0;
    if (error == CLOSED)
        return 0;
    return error ? fail_with(error) : REAL(recv)(fd, bytes, count, flags);
}

ssize_t read(int fd, void *bytes, size_t count)
{
    return is_ours(fd) ? recv(fd, bytes, count, 0) : REAL(read)(fd, bytes, count);
}

// --- A round of attempts -------------------------------------------------------------------------

#define BODY_BYTES 150000
#define ANSWER_BYTES 60000

static char long_body[BODY_BYTES + 1];
static char long_answer[128 + ANSWER_BYTES];

static const struct script scripts[] = {
    {"/long", long_answer, 0, SCRIPT_KEEP},
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, SCRIPT_KEEP},
    {"/closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", 0,
     SCRIPT_CLOSE},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static struct certificate certificate;
static const char *scheme;

static void attempt(struct harness *h, const char *path, const char *body, bool repeatable)
{
    char url[64];
    struct send s = harness_attempt(h, path);
    assert_true(s.ticket < TICKETS_MAX);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, scripted_target_port(h->target), path);
    s.request.api = url;
    s.request.body = body;
    s.request.repeatable = repeatable;
    s.request.key.job = (job_id)s.ticket;
    harness_send(h, &s);
}

// Requests one after the other on a kept connection, then several at once.
static void make_attempts(struct harness *h)
{
    size_t first = h->seen_count;
    attempt(h, "/ok", NULL, true);
    harness_wait(h, first + 1);
    attempt(h, "/long", NULL, false);
    harness_wait(h, first + 2);
    attempt(h, "/ok", NULL, true);
    attempt(h, "/ok", long_body, false);
    attempt(h, "/closing", NULL, true);
    harness_wait(h, first + 5);
}

// Requests of this ticket that the target has read whole.
static unsigned arrived(struct harness *h, uint64_t ticket)
{
    char name[48];
    unsigned count = 0;
    snprintf(name, sizeof name, "Carillon-Job: %llu\r\n", (unsigned long long)ticket);
    for (size_t i = 0; i < scripted_target_requests(h->target); i++)
        count += strstr(scripted_target_request(h->target, i), name) != NULL;
    return count;
}

static void check_outcome(struct harness *h, const struct seen *s)
{
    unsigned times = arrived(h, s->ticket);
    size_t bytes = net.sent[s->ticket];
    bool right = times <= 1;
    if (s->kind == OUTCOME_NOT_SENT || s->kind == OUTCOME_HELD)
        right = times == 0 && bytes == 0 && *s->error;
    if (s->kind == OUTCOME_LOST)
        right = right && *s->error;
    if (s->kind == OUTCOME_ANSWERED)
        right = right && times >= 1 && s->attempt.http_status == 200 && !*s->error;
    if (!right)
        fail_msg("%s, call %u, ticket %llu: kind %d (%s), %zu bytes sent, %u requests arrived",
                 net.failure->name, net.nth, (unsigned long long)s->ticket, s->kind, s->error,
                 bytes, times);
}

// Each attempt has one outcome, and no other comes later.
static void check_outcomes(struct harness *h)
{
    bool had[TICKETS_MAX] = {false};
    while (loop_turn(h->loop, 0) > 0)
        ;
    assert_int_equal(h->seen_count, h->tickets);
    for (size_t i = 0; i < h->seen_count; i++) {
        assert_false(had[h->seen[i].ticket]);
        had[h->seen[i].ticket] = true;
        check_outcome(h, &h->seen[i]);
    }
}

// True when the call came.
static bool try_round(const struct failure *f, unsigned nth, const struct certificate *c)
{
    void *state;
    memset(&net, 0, sizeof net);
    harness_setup(&state, scripts, c ? c->certificate_file : NULL, c ? c->key_file : NULL,
                  c ? c->certificate_file : NULL);
    struct harness *h = state;
    net.tracking = true;
    net.failure = f;
    net.nth = nth;
    make_attempts(h);
    bool reached = net.failed > 0;

    net.over = true;
    attempt(h, "/ok", NULL, true);
    harness_wait(h, h->tickets);
    assert_int_equal(h->seen[h->seen_count - 1].kind, OUTCOME_ANSWERED);
    check_outcomes(h);
    net.tracking = false;
    harness_teardown(&state);
    return reached;
}

static void fail_every_call(const struct certificate *c)
{
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        unsigned nth = 1;
        while (try_round(&failures[i], nth, c))
            nth++;
        assert_true(nth > 1);
        print_message("%s: %u\n", failures[i].name, nth - 1);
    }
}

static void no_failing_call_makes_an_outcome_lie(void **state)
{
    (void)state;
    scheme = "http";
    fail_every_call(NULL);
}

static void nor_does_one_below_tls(void **state)
{
    (void)state;
    scheme = "https";
    fail_every_call(&certificate);
}

int main(void)
{
    memset(long_body, 'b', BODY_BYTES);
    int n = snprintf(long_answer, sizeof long_answer,
                     "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", ANSWER_BYTES);
    memset(long_answer + n, 'a', ANSWER_BYTES);
    certificate_make(&certificate, "DNS:localhost,IP:127.0.0.1", false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failing_call_makes_an_outcome_lie),
        cmocka_unit_test(nor_does_one_below_tls),
    };
    int failed = harness_run("dispatch faults", tests, COUNT_OF(tests));
    certificate_remove(&certificate);
    return failed;
}
