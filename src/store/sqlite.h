// SPDX-License-Identifier: MIT
// sqlite.h: the second door of the store: what only a database of SQLite can be asked for.
//
// A file can be copied and put back, whether a server is at work on it or not. Who
// uses this door (src/ROOMS names the rooms) knows that the database is a file; everybody else
// opens it with store_open.

#ifndef CARILLON_STORE_SQLITE_H
#define CARILLON_STORE_SQLITE_H

#include "store/store.h"

// What store_open does with a path.
MUST_CHECK enum err store_sqlite_open(const char *path, struct store **out, struct fault *f);

// Copies the database as of one moment into a new file, which is whole and durable when this
// returns ERR_OK; until then it is called "<target>.partial". ERR_EXISTS when either is there
// already; ERR_STORE_OPEN, ERR_STORE_VERSION, ERR_STORE_CORRUPT, ERR_STORE_FULL, ERR_STORE_IO,
// ERR_SYSTEM.
MUST_CHECK enum err store_sqlite_backup(const char *path, const char *target, struct fault *f);

// Puts a copy of the backup in the place of the database, which nobody may be at work on: the
// caller has its lock. What was there is kept, with its log, under a name that *kept becomes (NULL:
// there was nothing); the caller frees it. Broken off at any moment, it leaves either the old
// database or the new one, and store_open or another restore finishes what was begun. A
// backup of an older version is fine. ERR_STORE_OPEN, ERR_STORE_VERSION, ERR_STORE_CORRUPT (the
// backup is damaged), ERR_STORE_FULL, ERR_STORE_IO, ERR_SYSTEM.
MUST_CHECK enum err store_sqlite_restore(const char *path, const char *backup, char **kept,
                                         struct fault *f);

#endif
