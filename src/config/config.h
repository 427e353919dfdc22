// SPDX-License-Identifier: MIT
// config.h: the server's settings: flags > environment > file > default, from one table.
//
// settings.def is the table; parsing, help and docs come from it. A setting called `log_format` is
// the flag --log-format, the variable CARILLON_LOG_FORMAT, and the line `log_format = json` (or
// `log-format = json`) in the file named by --config (or CARILLON_CONFIG). A file has a setting on
// each line, without quotes; a line that begins with `#` is a comment. Durations are a number and a
// unit: 500ms, 30s, 15m, 12h, 30d. Mistakes are errors which name the setting and where it was set.

#ifndef CARILLON_CONFIG_CONFIG_H
#define CARILLON_CONFIG_CONFIG_H

#include "base/err.h"
#include "base/time.h"

#include <stdint.h>
#include <stdio.h>

#define SETTING_TEXT_BYTES 1024

struct settings {
#define TEXT(name, argument, text, help) char name[SETTING_TEXT_BYTES];
#define NUMBER(name, argument, number, min, max, help) int64_t name;
#define DURATION(name, argument, ms, min, max, help) dur_ms name##_ms;
#define FLAG(name, help) bool name;
#include "config/settings.def"
#undef TEXT
#undef NUMBER
#undef DURATION
#undef FLAG
    bool help; // --help was given: nothing else was looked at.
};

// `argv[0]` is the command's name; no arguments but flags are allowed. ERR_SYNTAX for an unknown
// flag or setting or a malformed value, ERR_RANGE, ERR_SYSTEM for a file that cannot be read.
MUST_CHECK enum err config_load(int argc, char **argv, struct settings *out, struct fault *f);

// Calls `stray` for each variable of the environment that begins with CARILLON_ and is no
// setting's. `meant` is the variable that is probably meant; it may be "".
typedef void config_stray(void *context, const char *name, const char *meant);
void config_stray_variables(config_stray *stray, void *context);

// The flags, one per line, with their defaults.
void config_print_help(FILE *to);

#endif
