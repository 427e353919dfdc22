// SPDX-License-Identifier: MIT
// redis_server.h: a server of Redis for one test program, in a folder of its own.
//
// It listens on a socket in that folder alone, keeps nothing on disk, and is stopped by its process
// id when the program ends.

#ifndef CARILLON_TEST_REDIS_SERVER_H
#define CARILLON_TEST_REDIS_SERVER_H

#include <stddef.h>

// The URL under which the server is, or will be, reached.
const char *redis_server_url(void);

// Starts it, unless it runs. With a password when one is given, else without.
void redis_server_start(const char *password);
void redis_server_stop(void); // By SIGKILL: all that it holds is gone.

// Stops its process, so that connections stay open and nobody answers, and lets it go on.
void redis_server_freeze(void);
void redis_server_thaw(void);

// A command as somebody beside the program gives it. What is answered goes to `out` as a text, if
// that is not NULL: a number in digits, the elements of a list parted by blanks.
void redis_meddle(char *out, size_t bytes, const char *format, ...);

#endif
