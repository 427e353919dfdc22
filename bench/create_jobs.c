// SPDX-License-Identifier: MIT
// create_jobs.c: creates many jobs in a running server as fast as it takes them.
//
//     create_jobs PORT COUNT SCHEDULE URL [FIELDS]
//
// Job number n calls URL/n. FIELDS are further members of each job, as JSON: "jitter_ms":1000. A
// fixed number of threads each keep one connection and send one POST /jobs after the other, so that
// the server can make many jobs durable with one write. Prints "created COUNT SECONDS". The first
// answer that is not 201 ends the program with status 1.

#define _GNU_SOURCE // For strcasestr.

#include "client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define CONNECTIONS 64
#define REQUEST_BYTES_MAX 2048

struct work {
    in_port_t port;
    long count;
    const char *schedule;
    const char *url;
    const char *fields;
    atomic_long next;
};

static void create(int s, const struct work *w, long number)
{
    char body[REQUEST_BYTES_MAX / 2];
    int body_bytes = snprintf(body, sizeof body, "{\"schedule\":\"%s\",\"api\":\"%s/%ld\"%s%s}",
                              w->schedule, w->url, number, *w->fields ? "," : "", w->fields);
    char request[REQUEST_BYTES_MAX];
    int bytes = snprintf(request, sizeof request,
                         "POST /jobs HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                         "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                         w->port, body_bytes, body);
    if (body_bytes >= (int)sizeof body || bytes >= (int)sizeof request)
        errx(1, "schedule, URL or fields too long");
    client_call(s, request, (size_t)bytes, "HTTP/1.1 201 ");
}

static void *create_share(void *context)
{
    struct work *w = context;
    int s = client_connect(w->port);
    for (long number = atomic_fetch_add(&w->next, 1); number < w->count;
         number = atomic_fetch_add(&w->next, 1))
        create(s, w, number);
    close(s);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 6)
        errx(2, "usage: create_jobs PORT COUNT SCHEDULE URL [FIELDS]");
    struct work w = {
        .port = (in_port_t)strtoul(argv[1], NULL, 10),
        .count = strtol(argv[2], NULL, 10),
        .schedule = argv[3],
        .url = argv[4],
        .fields = argc > 5 ? argv[5] : "",
    };
    double start = client_seconds();
    pthread_t threads[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (pthread_create(&threads[i], NULL, create_share, &w) != 0)
            errx(1, "cannot start a thread");
    for (size_t i = 0; i < CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
    printf("created %ld %.3f\n", w.count, client_seconds() - start);
    return 0;
}
