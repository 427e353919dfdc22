// SPDX-License-Identifier: MIT
// variables_priv.h: variables that a command line sets for the crontab which it reads.

#ifndef CARILLON_CLI_VARIABLES_PRIV_H
#define CARILLON_CLI_VARIABLES_PRIV_H

#include "crontab/crontab.h"

struct cli_variables {
    struct crontab_variable list[CRONTAB_SET_MAX]; // From the command line and the environment.
    size_t count;
};

// Adds what --set says: "NAME=VALUE", which is cut in two, or "NAME" of the environment.
MUST_CHECK enum err cli__set_variable(struct cli_variables *v, char *text, struct fault *f);

#endif
