// SPDX-License-Identifier: MIT
// files.c: warns of files of the database that others than their owner can open.
//
// The program makes its own files for their owner alone. Those of an older version, or which
// somebody copied here, keep their modes: perhaps a backup reads them as another user. What is in
// them is worth a warning at each start, though: headers with credentials, bodies, answers.

#include "app/app_priv.h"
#include "base/log.h"

#include <stdio.h>
#include <sys/stat.h>

static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};

static void warn_if_open(const char *path)
{
    struct stat st;
    char mode[8];
    if (stat(path, &st) != 0 || (st.st_mode & 077) == 0)
        return;
    snprintf(mode, sizeof mode, "%04o", (unsigned)st.st_mode & 07777);
    log_warn("file.open_to_others", LOG_TEXT("path", path), LOG_TEXT("mode", mode),
             LOG_TEXT("detail", "it holds what jobs send, credentials too: chmod 600"));
}

void app__warn_of_open_files(const char *db)
{
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[4096 + 8];
        int n = snprintf(path, sizeof path, "%s%s", db, suffixes[i]);
        if (n > 0 && (size_t)n < sizeof path)
            warn_if_open(path);
    }
}
