// SPDX-License-Identifier: MIT
// create_jobs.c: creates many jobs in a running server as fast as it takes them.
//
//     create_jobs PORT COUNT SCHEDULE URL
//
// Job number n calls URL/n. A fixed number of threads each keep one connection and send one POST
// /jobs after the other, so that the server can make many jobs durable with one write. Prints
// "created COUNT SECONDS". The first answer that is not 201 ends the program with status 1.

#define _GNU_SOURCE // For strcasestr.

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64
#define REQUEST_BYTES_MAX 2048
#define ANSWER_BYTES_MAX 16384

struct work {
    in_port_t port;
    long count;
    const char *schedule;
    const char *url;
    atomic_long next;
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int connect_local(in_port_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    if (s < 0 || setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        err(1, "socket");
    if (connect(s, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect to port %u", port);
    return s;
}

static void send_create(int s, const struct work *w, long number)
{
    char body[REQUEST_BYTES_MAX / 2];
    int body_bytes = snprintf(body, sizeof body, "{\"schedule\":\"%s\",\"api\":\"%s/%ld\"}",
                              w->schedule, w->url, number);
    char request[REQUEST_BYTES_MAX];
    int bytes = snprintf(request, sizeof request,
                         "POST /jobs HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                         "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                         w->port, body_bytes, body);
    if (body_bytes >= (int)sizeof body || bytes >= (int)sizeof request)
        errx(1, "schedule or URL too long");
    if (write(s, request, (size_t)bytes) != bytes)
        err(1, "write");
}

// The bytes of a whole answer whose beginning is in `text`, or 0 while its head is incomplete.
static size_t answer_bytes(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    if (!length || length > end)
        errx(1, "an answer without a length: %s", text);
    return (size_t)(end + 4 - text) + strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

static void expect_created(int s)
{
    char answer[ANSWER_BYTES_MAX];
    size_t have = 0;
    size_t want = 0;
    while (!want || have < want) {
        ssize_t n = read(s, answer + have, sizeof answer - 1 - have);
        if (n < 0)
            err(1, "read");
        if (n == 0)
            errx(1, "the server closed after %zu bytes of an answer", have);
        have += (size_t)n;
        answer[have] = '\0';
        want = answer_bytes(answer);
        if (want >= sizeof answer)
            errx(1, "an answer of %zu bytes", want);
    }
    if (strncmp(answer, "HTTP/1.1 201 ", 13) != 0)
        errx(1, "refused: %s", answer);
}

static void *create_share(void *context)
{
    struct work *w = context;
    int s = connect_local(w->port);
    for (long number = atomic_fetch_add(&w->next, 1); number < w->count;
         number = atomic_fetch_add(&w->next, 1)) {
        send_create(s, w, number);
        expect_created(s);
    }
    close(s);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: create_jobs PORT COUNT SCHEDULE URL");
    struct work w = {
        .port = (in_port_t)strtoul(argv[1], NULL, 10),
        .count = strtol(argv[2], NULL, 10),
        .schedule = argv[3],
        .url = argv[4],
    };
    double start = seconds_now();
    pthread_t threads[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (pthread_create(&threads[i], NULL, create_share, &w) != 0)
            errx(1, "cannot start a thread");
    for (size_t i = 0; i < CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
    printf("created %ld %.3f\n", w.count, seconds_now() - start);
    return 0;
}
