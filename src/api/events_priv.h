// SPDX-License-Identifier: MIT
// events_priv.h: GET /events: a thread that looks for news, and clients who are told.
//
// Whatever node carries out a change, the database has it: so a server tells of all that happens in
// its cluster by looking there, once a second, and not at all while no client listens.

#ifndef CARILLON_API_EVENTS_PRIV_H
#define CARILLON_API_EVENTS_PRIV_H

#include "api/api_priv.h"

// --- events.c: the thread and its clients
// ---------------------------------------------------------

struct events;

enum err events_open(const struct api *a, struct events **out, struct fault *f);
void events_close(struct events *e); // All exchanges must be over. NULL is a no-op.

// --- events_look.c: what is new since the last look ----------------------------------------------

struct look;

// Called for each piece of news, at most one of each event in a look: its JSON is borrowed.
typedef void look_tell(void *context, const char *event, const json_t *data);

struct look *look_new(const struct api *a);
void look_free(struct look *l); // NULL is a no-op.
// The first look tells nothing: it sees how things are. What cannot be read is told later.
void look_again(struct look *l, look_tell *tell, void *context);

// --- events_ring.c: the last messages, for clients that come back
// ---------------------------------
//
// A message has a number, and its id is "<life>-<number>": each time that a server begins to look
// is a life of its own, since nothing is known of the time before.

#define RING_MESSAGES 1024
#define RING_LIFE_BYTES 17

struct ring {
    char life[RING_LIFE_BYTES];
    uint64_t next; // The number of the next message; the first is 1.
    struct ring_message {
        char *text;
        size_t bytes;
    } messages[RING_MESSAGES];
};

void ring_init(struct ring *r);
void ring_fini(struct ring *r);
void ring_begin(struct ring *r); // A new life: what was is forgotten.
void ring_add(struct ring *r, const char *event, const json_t *data);
// NULL: it is not there (any more).
const struct ring_message *ring_find(const struct ring *r, uint64_t number);
// From where a client goes on that has seen the message `last_id`; NULL: it has seen none. False:
// what came after that is not known any more, and the client goes on from now.
bool ring_resume(const struct ring *r, const char *last_id, uint64_t *next);

#endif
