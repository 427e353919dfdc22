// SPDX-License-Identifier: MIT
// postgres_server.h: a server of PostgreSQL for one test program, in a folder of its own.
//
// It listens on a socket in that folder alone, starts when the first database is made, and is
// stopped by its process id when the program ends. It runs as another user when the program runs
// as root, whom PostgreSQL refuses.

#ifndef CARILLON_TEST_POSTGRES_SERVER_H
#define CARILLON_TEST_POSTGRES_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#define POSTGRES_URL_BYTES 96

// Makes an empty database, and drops it; nobody may be connected to it then.
void postgres_database_new(char url[static POSTGRES_URL_BYTES]);
void postgres_database_drop(const char *url);

// Runs statements in the database, as somebody beside the program. The first column of the first
// row goes to `out`, if that is not NULL.
void postgres_meddle(const char *url, const char *sql, char *out, size_t bytes);

// Ends all connections that the program has to the database, and waits until they are gone.
void postgres_end_connections(const char *url);

// Starts a program that came with the server, such as pg_dump, as the server's user; what it says
// goes to `output`. The caller waits for its end. `arguments` end with NULL.
pid_t postgres_program_start(const char *program, const char *const *arguments, int output);

#endif
