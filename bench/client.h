// SPDX-License-Identifier: MIT
// client.h: a blocking HTTP/1.1 client on a kept connection, as small as a load generator wants it.
//
// Requests are written whole; an answer must have a Content-Length and fit the buffer. Anything
// else ends the program, since then nothing that it measures would mean anything.

#ifndef CARILLON_BENCH_CLIENT_H
#define CARILLON_BENCH_CLIENT_H

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX 65536

static inline double client_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int client_connect(in_port_t port)
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

// The bytes of a whole answer whose beginning is in `text`, or 0 while its head is incomplete.
static inline size_t client__answer_bytes(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    if (!length || length > end)
        errx(1, "an answer without a length: %s", text);
    return (size_t)(end + 4 - text) + strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

// Sends the request and reads its answer, which must begin with `expected`.
static inline void client_call(int s, const char *request, size_t bytes, const char *expected)
{
    char answer[ANSWER_BYTES_MAX];
    size_t have = 0;
    size_t want = 0;
    if (write(s, request, bytes) != (ssize_t)bytes)
        err(1, "write");
    while (!want || have < want) {
        ssize_t n = read(s, answer + have, sizeof answer - 1 - have);
        if (n < 0)
            err(1, "read");
        if (n == 0)
            errx(1, "the server closed after %zu bytes of an answer", have);
        have += (size_t)n;
        answer[have] = '\0';
        want = client__answer_bytes(answer);
        if (want >= sizeof answer)
            errx(1, "an answer of %zu bytes", want);
    }
    if (strncmp(answer, expected, strlen(expected)) != 0)
        errx(1, "refused: %s", answer);
}

#endif
