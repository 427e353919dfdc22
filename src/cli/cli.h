// SPDX-License-Identifier: MIT
// cli.h: the commands beside the server: about schedules and crontabs, into a running server, and
// about its database.
//
// Each takes its own name as argv[0], prints to standard output, complains on standard error, and
// returns the exit code: 0, 1 when a server cannot do what is asked, or 2 for wrong usage or for
// something that is not valid.

#ifndef CARILLON_CLI_CLI_H
#define CARILLON_CLI_CLI_H

// carillon cron next EXPR [--tz ZONE] [--from TIME] [--count N]
// carillon cron explain EXPR [--tz ZONE]
// carillon cron lint FILE|- [--tz ZONE] [--system]
int cli_cron(int argc, char **argv);

// carillon import crontab FILE|- [--url URL] [--dry-run] [--tz ZONE] [--system]
int cli_import(int argc, char **argv);

// carillon backup FILE [--db SRC]
int cli_backup(int argc, char **argv);

// carillon doctor FILE. Exit code 1: it is not sound.
int cli_doctor(int argc, char **argv);

#endif
