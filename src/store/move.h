// SPDX-License-Identifier: MIT
// move.h: a door of the store: a whole database moves from a file to PostgreSQL, or back.
//
// Nobody may be at work on either: the caller has the lock of the file. Every row keeps its ids and
// keys, and the shards go on from where the source was, so that not one occurrence is planned
// twice or left out.
//
// Both databases are marked. The source is marked first, and is not opened by a server from then
// on; the target is opened by none before the last commit of the move. Broken off at any moment,
// the same call begins the copy again and finishes it; store_move_take_back makes the source usable
// again instead, unless the move was finished.

#ifndef CARILLON_STORE_MOVE_H
#define CARILLON_STORE_MOVE_H

#include "ledger/ledger.h"

struct store_move {
    const char *from; // A path and a URL of PostgreSQL, or the other way round.
    const char *to;
    // So many rows of the table are copied, and no more are to come when `is_done`.
    void (*copied)(void *context, const char *table, int64_t rows, bool is_done);
    // Whether the latest version of a job has an occurrence at this instant. What its callback
    // cannot judge it answers with true.
    bool (*owes)(void *context, const struct job_versions *l, wall_ms at);
    void *context;
};

enum store_moved {
    STORE_MOVED,         // All is copied.
    STORE_MOVED_ALREADY, // Only the mark was missing: the copy had been finished before.
};

// ERR_STORE_OPEN, ERR_CONFLICT: the databases are not such as can be moved, and *f says why and
// what to do; nothing was written. ERR_BUSY: nodes are at work on the source.
MUST_CHECK enum err store_move(const struct store_move *m, enum store_moved *out, struct fault *f);

// Ends a move that was not finished: the source is again as it was, and what the target has of the
// move is never opened. ERR_CONFLICT: there is no such move, or it is finished.
MUST_CHECK enum err store_move_take_back(const char *from, const char *to, struct fault *f);

// Whether this is the URL of a database, and no path.
bool store_place_is_url(const char *place);

#endif
