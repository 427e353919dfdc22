// SPDX-License-Identifier: MIT
// engine_log.c: what is logged meanwhile, kept in a file without a name.

#include "engine_test.h"

#include <stdio.h>
#include <unistd.h>

#define LOG_BYTES 65536

static int stderr_before = -1;
static FILE *kept;

void rig_keep_log(enum log_level lowest)
{
    log_setup(lowest, LOG_FORMAT_TEXT);
    kept = tmpfile();
    assert_non_null(kept);
    stderr_before = dup(STDERR_FILENO);
    dup2(fileno(kept), STDERR_FILENO);
}

const char *rig_read_log(void)
{
    static char text[LOG_BYTES];
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    rewind(kept);
    text[fread(text, 1, sizeof text - 1, kept)] = '\0';
    fclose(kept);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return text;
}
