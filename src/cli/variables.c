// SPDX-License-Identifier: MIT
// variables.c: the flag --set of commands that read a crontab.
//
// NAME=VALUE says the value; NAME alone takes it from the environment, so that a secret need not
// stand on a command line, which other users can see.

#include "cli/variables_priv.h"

#include <stdlib.h>
#include <string.h>

enum err cli__set_variable(struct cli_variables *v, char *text, struct fault *f)
{
    char *equals = strchr(text, '=');
    if (equals)
        *equals = '\0';
    const char *value = equals ? equals + 1 : getenv(text);
    if (!crontab_is_name(text))
        return fault_set(f, ERR_SYNTAX, "--set takes NAME=VALUE or NAME, not '%.64s'", text);
    if (!value)
        return fault_set(f, ERR_NOT_FOUND, "%.64s is not in the environment; say --set %.64s=VALUE",
                         text, text);
    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(v->list[i].name, text) == 0)
            return fault_set(f, ERR_SYNTAX, "%.64s is set twice", text);
    }
    if (v->count == CRONTAB_SET_MAX)
        return fault_set(f, ERR_LIMIT, "at most %d variables can be set", CRONTAB_SET_MAX);
    v->list[v->count++] = (struct crontab_variable){.name = text, .value = value};
    return ERR_OK;
}
