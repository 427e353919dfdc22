// SPDX-License-Identifier: MIT
// cli_priv.h: what the commands share: exit codes, complaints, files.

#ifndef CARILLON_CLI_CLI_PRIV_H
#define CARILLON_CLI_CLI_PRIV_H

#include "base/err.h"

#include <stdio.h>

#define EXIT_SERVER 1 // The server cannot be reached, or could not do all that was asked.
#define EXIT_INVALID 2

// `carillon cron lint`: lint.c.
int cli__lint(int argc, char **argv);

// Reads a whole file; "-" is standard input. The caller frees *out. ERR_SYSTEM when it cannot be
// read, ERR_LIMIT above `bytes_max`; *f names the file.
MUST_CHECK enum err cli__read_file(const char *path, size_t bytes_max, char **out, size_t *bytes,
                                   struct fault *f);

// "carillon COMMAND: WHAT: DETAIL" on standard error; `detail` may be NULL. Returns EXIT_INVALID.
int cli__complain(const char *command, const char *what, const char *detail);

// Prints the line, and below it a caret under the byte at `position`; no end of line after that.
void cli__print_caret(FILE *out, const char *line, size_t bytes, size_t position);

#endif
