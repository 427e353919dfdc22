// SPDX-License-Identifier: MIT
// cli_priv.h: what the commands share: exit codes, complaints, files.

#ifndef CARILLON_CLI_CLI_PRIV_H
#define CARILLON_CLI_CLI_PRIV_H

#include "base/err.h"

#include <getopt.h>
#include <stdio.h>

#define EXIT_SERVER 1 // The server cannot be reached, or could not do all that was asked.
#define EXIT_NO 1     // The question was understood, and its answer is no.
#define EXIT_INVALID 2

// --- Flags (flags.c) ---

struct cli_command {
    const char *name;             // For complaints: "cron next".
    const char *usage;            // What --help prints.
    const struct option *options; // Ends with CLI_HELP and a row of zeros.
};

// clang-format off
#define CLI_HELP {"help", no_argument, NULL, 'h'}
// clang-format on

#define CLI_END (-1)  // There are no more flags; optind is where the other arguments begin.
#define CLI_OVER (-2) // Help has been printed, or a mistake complained about: the command ends.

// Before the first flag of a command.
void cli__flags_begin(void);

// The next flag: the `val` of its option, with its value in optarg; or CLI_END; or CLI_OVER, with
// the exit code in *exit_code.
int cli__flag(const struct cli_command *c, int argc, char **argv, int *exit_code);

// "carillon NAME: WHAT (see: carillon NAME --help)". Returns EXIT_INVALID.
int cli__complain_usage(const struct cli_command *c, const char *what);

// The database that is meant when no flag names one: $CARILLON_DB, or carillon.db.
const char *cli__default_db(void);

// --- A running server (call.c) ---

#define CLI_URL_DEFAULT "http://127.0.0.1:3000"

// clang-format off
#define CLI_URL {"url", required_argument, NULL, 'u'}
// clang-format on

struct cli_answer {
    char *text; // The caller frees it. Ends in NUL.
    size_t bytes;
    long status;
};

// Asks the server, with the token in CARILLON_TOKEN if there is one, and waits as long as that
// takes. `path` has no slash at its beginning; `body` is JSON, "" or NULL. Returns 0, or complains
// and returns the exit code: `server` is no URL, or cannot be reached.
int cli__call(const char *command, const char *method, const char *server, const char *path,
              const char *body, struct cli_answer *a);

// --- The rest ---

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
