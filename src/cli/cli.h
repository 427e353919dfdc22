// SPDX-License-Identifier: MIT
// cli.h: the commands that need no server.
//
// Each takes its own name as argv[0], prints to standard output, complains on standard error, and
// returns the exit code: 0, or 2 for wrong usage or a schedule that is not valid.

#ifndef CARILLON_CLI_CLI_H
#define CARILLON_CLI_CLI_H

// carillon cron next EXPR [--tz ZONE] [--from TIME] [--count N]
// carillon cron explain EXPR [--tz ZONE]
int cli_cron(int argc, char **argv);

#endif
