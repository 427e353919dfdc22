// SPDX-License-Identifier: MIT
// create_jobs.c: creates many jobs in a running server as fast as it takes them.
//
//     create_jobs PORT COUNT SCHEDULE URL [FIELDS [CLIENTS]]
//
// Job number n calls URL/n. FIELDS are further members of each job, as JSON: "jitter_ms":1000. Each
// of the clients, 64 by default, keeps one connection and sends one POST /jobs after the other, so
// that the server can make many jobs durable with one write. Prints "created COUNT SECONDS MEDIAN
// P99", where the last two are milliseconds until an answer. The first answer that is not 201 ends
// the program with status 1.

#define _GNU_SOURCE // For strcasestr.

#include "client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define CLIENTS 64
#define CLIENTS_MAX 1024
#define REQUEST_BYTES_MAX 2048

struct work {
    in_port_t port;
    long count;
    const char *schedule;
    const char *url;
    const char *fields;
    atomic_long next;
    double *seconds; // How long each answer took, by the job's number.
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
    double begun = client_seconds();
    client_call(s, request, (size_t)bytes, "HTTP/1.1 201 ");
    w->seconds[number] = client_seconds() - begun;
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

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

static void create_all(struct work *w, long clients)
{
    pthread_t threads[CLIENTS_MAX];
    for (long i = 0; i < clients; i++)
        if (pthread_create(&threads[i], NULL, create_share, w) != 0)
            errx(1, "cannot start a thread");
    for (long i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 7)
        errx(2, "usage: create_jobs PORT COUNT SCHEDULE URL [FIELDS [CLIENTS]]");
    struct work w = {
        .port = (in_port_t)strtoul(argv[1], NULL, 10),
        .count = strtol(argv[2], NULL, 10),
        .schedule = argv[3],
        .url = argv[4],
        .fields = argc > 5 ? argv[5] : "",
    };
    long clients = argc > 6 ? strtol(argv[6], NULL, 10) : CLIENTS;
    if (w.count < 1 || clients < 1 || clients > CLIENTS_MAX)
        errx(2, "COUNT is at least 1, CLIENTS from 1 to %d", CLIENTS_MAX);
    w.seconds = calloc((size_t)w.count, sizeof *w.seconds);
    if (!w.seconds)
        errx(1, "no memory");
    double start = client_seconds();
    create_all(&w, clients);
    double took = client_seconds() - start;
    qsort(w.seconds, (size_t)w.count, sizeof *w.seconds, compare);
    printf("created %ld %.3f %.2f %.2f\n", w.count, took, 1000 * w.seconds[w.count / 2],
           1000 * w.seconds[w.count * 99 / 100]);
    free(w.seconds);
    return 0;
}
