// SPDX-License-Identifier: MIT
// zone_files_priv.h: reading the system's zone files. Knows no cache and takes no lock.

#ifndef CARILLON_ZONES_ZONE_FILES_PRIV_H
#define CARILLON_ZONES_ZONE_FILES_PRIV_H

#include "zones/zones.h"

#include <time.h>

// What tells one version of a file from another.
struct zone_stamp {
    uint64_t device, inode;
    int64_t bytes;
    struct timespec modified, changed;
};

bool zone__stamp_same(const struct zone_stamp *a, const struct zone_stamp *b);
// False when there is no such file.
bool zone__stamp(const char *directory, const char *name, struct zone_stamp *out);

// Reads and parses the file of an allowed name. ERR_NOT_FOUND, ERR_SYNTAX, ERR_SYSTEM.
MUST_CHECK enum err zone__read(const char *directory, const char *name, struct zone **out,
                               struct zone_stamp *stamp, struct fault *f);

// Every zone below the directory, at most `max` names. Returns how many.
size_t zone__list(const char *directory, char (*out)[ZONE_NAME_BYTES], size_t max);

#endif
