// SPDX-License-Identifier: MIT
// get_many.c: asks a running server for the same thing as often as it answers, and how fast it
// does.
//
//     get_many PORT PATH CONNECTIONS SECONDS
//
// Each connection has a thread that sends one GET after the other. Prints
// "got COUNT P50_US P99_US MAX_US": how many answers came in that time, and how long they took.

#define _GNU_SOURCE // For strcasestr.

#include "client.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#define CONNECTIONS_MAX 256
#define ANSWERS_MAX 1000000 // A connection ends early then.

struct share {
    pthread_t thread;
    in_port_t port;
    const char *path;
    double until;
    uint32_t *us;
    size_t count;
};

static void *get_share(void *context)
{
    struct share *share = context;
    char request[1024];
    int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
                         share->path, share->port);
    if (bytes >= (int)sizeof request)
        errx(1, "path too long");
    int s = client_connect(share->port);
    double now = client_seconds();
    while (now < share->until && share->count < ANSWERS_MAX) {
        double start = now;
        client_call(s, request, (size_t)bytes, "HTTP/1.1 200 ");
        now = client_seconds();
        share->us[share->count++] = (uint32_t)((now - start) * 1e6);
    }
    close(s);
    return NULL;
}

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// Gathers all times behind those of the first share, whose memory has room for them.
static void print_times(const struct share *shares, size_t share_count)
{
    uint32_t *us = shares[0].us;
    size_t count = shares[0].count;
    for (size_t i = 1; i < share_count; i++) {
        memcpy(us + count, shares[i].us, shares[i].count * sizeof *us);
        count += shares[i].count;
    }
    if (count == 0)
        errx(1, "no answer in time");
    qsort(us, count, sizeof *us, compare_us);
    printf("got %zu %u %u %u\n", count, us[count / 2], us[count * 99 / 100], us[count - 1]);
}

int main(int argc, char **argv)
{
    static struct share shares[CONNECTIONS_MAX];
    size_t count = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    if (count < 1 || count > CONNECTIONS_MAX)
        errx(2, "usage: get_many PORT PATH CONNECTIONS SECONDS");
    double until = client_seconds() + strtod(argv[4], NULL);
    for (size_t i = 0; i < count; i++) {
        struct share *share = &shares[i];
        size_t answers = i ? ANSWERS_MAX : ANSWERS_MAX * count;
        *share = (struct share){.port = (in_port_t)strtoul(argv[1], NULL, 10),
                                .path = argv[2],
                                .until = until,
                                .us = calloc(answers, sizeof *share->us)};
        if (!share->us || pthread_create(&share->thread, NULL, get_share, share) != 0)
            errx(1, "cannot start a thread");
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(shares[i].thread, NULL);
    print_times(shares, count);
    for (size_t i = 0; i < count; i++)
        free(shares[i].us);
    return 0;
}
