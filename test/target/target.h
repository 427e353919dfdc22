// SPDX-License-Identifier: MIT
// target.h: the parts of the target.
//
//   target.c      options, signals, the loop
//   connection.c  sockets, what goes in and out of them
//   request.c     bytes -> struct request
//   behaviour.c   what each path answers
//   arrival.c     what is counted and logged

#ifndef CARILLON_TARGET_TARGET_H
#define CARILLON_TARGET_TARGET_H

#include "agenda/agenda.h"
#include "base/loop.h"

#include <stdio.h>
#include <sys/types.h>

struct span {
    const char *start;
    size_t bytes;
};

// --- request.c

struct request {
    struct span method, path, key, attempt, scheduled_at; // Empty when not there.
    struct span whole;
    size_t body_bytes;
    bool close; // The client wants the connection closed after the answer.
};

// Bytes of the request at the start of `bytes`; 0 when it is not whole yet, -1 when it is none.
ssize_t request_read(const char *bytes, size_t count, struct request *out);

// --- connection.c

struct connection {
    struct loop_source source;
    struct agenda_node due; // When a delayed answer, or the next drop, goes out.
    struct connection *next, *previous;
    char *in; // Bytes of a request that has not come whole, or that has to wait.
    size_t in_bytes;
    char *out; // Bytes which the kernel did not take yet.
    size_t out_bytes;
    int64_t big_left; // Further bytes of a big body.
    bool waits;       // For its due time, or for ever: no request is served meanwhile.
    bool drips;
    bool to_head; // The request being answered is HEAD.
    bool closes;  // After what has to go out.
    bool resets;  // With RST instead of FIN.
};

extern struct loop *target_loop;
extern struct agenda *target_agenda; // Connections, on the clock of mono_ms.

void connections_accept(int listener);
void connections_close(void);
void connection_say(struct connection *c, const char *bytes, size_t count);
void connection_say_big(struct connection *c, int64_t bytes); // So many x.
void connection_due(struct agenda_node *due);

// --- behaviour.c

void behave(struct connection *c, const struct request *r);
void behave_when_due(struct connection *c);
void behaviours_print(void);

// --- arrival.c

void arrivals_open(FILE *log); // NULL: only count.
void arrivals_close(void);
void arrival_note(const struct request *r);
bool arrivals_flush(void); // False when there was nothing to write.
void arrivals_count_connection(int change);
size_t arrivals_print(char *text, size_t bytes); // As JSON.
void arrivals_reset(void);

#endif
