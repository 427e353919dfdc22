// SPDX-License-Identifier: MIT
// zones.h: the system's time zones by name, read from its zone files and kept.
//
// Room cron computes with the rules of a zone and opens nothing; here they are found. Zones are
// shared by all threads and live as long as the process.

#ifndef CARILLON_ZONES_ZONES_H
#define CARILLON_ZONES_ZONES_H

#include "base/err.h"
#include "cron/cron.h"

#include <stddef.h>

#define ZONE_CACHED_MAX 1024
#define ZONE_SUGGESTIONS_MAX 3
#define ZONE_VERSION_BYTES 16

// Finds a zone by its IANA name, case-sensitively, and keeps it: the same pointer comes back until
// zone_refresh() sees a changed file. Thread-safe. ERR_NOT_FOUND for unknown, empty and forbidden
// names (the fault names the nearest ones), ERR_SYNTAX for a damaged file, ERR_LIMIT above
// ZONE_CACHED_MAX names, ERR_SYSTEM when the file cannot be read.
MUST_CHECK enum err zone_find(const char *name, const struct zone **out, struct fault *f);

// The names to write instead of an unknown one, best first: those that an abbreviation ("PST"), a
// name of Windows or an offset ("+02:00") stands for, else the most similar ones. None when nothing
// is near. Returns how many.
size_t zone_suggest(const char *name, char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES]);

// The same in words, such as "Europe/Paris or Europe/Prague"; "" when nothing is near.
#define ZONE_HINT_BYTES 256
void zone_hint(const char *name, char out[static ZONE_HINT_BYTES]);

// Reads every known zone again whose file changed. Zones handed out before stay valid and keep
// their old rules; zone_find() gives the new ones. Returns how many zones have new rules. A file
// that has vanished or is damaged leaves its zone as it is; *f (may be NULL) then names the first
// such file.
size_t zone_refresh(struct fault *f);

// The release of the system's zone data, such as "2026f"; "unknown" when it does not say.
void zone_data_version(char out[static ZONE_VERSION_BYTES]);

// Where zone files are found; "/usr/share/zoneinfo" unless set. To be called before other threads
// start; forgets nothing that is already loaded. The path must stay valid.
void zone_directory_set(const char *path);

#endif
