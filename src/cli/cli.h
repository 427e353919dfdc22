// SPDX-License-Identifier: MIT
// cli.h: the commands beside the server: about schedules and crontabs, into a running server, and
// about its database.
//
// Each takes its own name as argv[0], prints to standard output, complains on standard error, and
// returns the exit code: 0; 1 when a server cannot do what is asked, or the answer is no (a
// schedule never runs, a database is not sound); 2 for wrong usage or for something that is not
// valid. Each takes -h and --help.

#ifndef CARILLON_CLI_CLI_H
#define CARILLON_CLI_CLI_H

#include "base/near.h"

// carillon cron next EXPR [--tz ZONE] [--from TIME] [--count N]
// carillon cron explain EXPR [--tz ZONE]
// carillon cron lint FILE|- [--tz ZONE] [--system]
int cli_cron(int argc, char **argv);

// carillon import crontab FILE|- [--url URL] [--dry-run] [--tz ZONE] [--system]
int cli_import(int argc, char **argv);

// carillon backup FILE [--db SRC]
int cli_backup(int argc, char **argv);

// carillon restore FILE [--db DB]
int cli_restore(int argc, char **argv);

// carillon move FROM TO [--take-back]
int cli_move(int argc, char **argv);

// carillon tokens create --name NAME --scope SCOPE [--expires TIME] [--tag TAG] [--db DB]
// carillon tokens list [--db DB]
// carillon tokens revoke NAME [--db DB]
int cli_tokens(int argc, char **argv);

// carillon channels list [--url URL]
// carillon channels create FILE|- [--url URL]
// carillon channels test NAME|ID [--url URL]
// carillon channels delete NAME|ID [--url URL]
int cli_channels(int argc, char **argv);

// carillon silences list [--url URL]
// carillon silences create --reason WHY --duration TIME [--job ID] [--tag TAG] [--kind KIND]
// carillon silences delete ID [--url URL]
int cli_silences(int argc, char **argv);

// carillon doctor [FILE]. Exit code 1: it is not sound.
int cli_doctor(int argc, char **argv);

// carillon secrets new-key
// carillon secrets rotate [--url URL]
int cli_secrets(int argc, char **argv);

// Says on standard error that `before` ("carillon", "carillon cron") has no command `word`, and
// which one is near. Returns the exit code for wrong usage.
int cli_complain_command(const char *before, const char *word, struct near n);

#endif
