// SPDX-License-Identifier: MIT
// zone_names_priv.h: which names a zone may have, and which known name is most like a wrong one.

#ifndef CARILLON_ZONES_ZONE_NAMES_PRIV_H
#define CARILLON_ZONES_ZONE_NAMES_PRIV_H

#include "zones/zones.h"

// Whether a name may be looked for: letters, digits, `_+-` in parts separated by `/`. Keeps a name
// inside the zone directory, and away from its files and folders that are not zones of their own.
bool zone__name_allowed(const char *name);

// What a name stands for that other systems know: an abbreviation, a name of Windows, an offset.
// Returns how many names were written; this system may lack some of them (zone_alias.c).
size_t zone__alias(const char *wanted, char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES]);

// Picks the names most like `wanted`, best first. Returns how many, 0 when nothing is near.
size_t zone__nearest(const char *wanted, const char (*names)[ZONE_NAME_BYTES], size_t count,
                     char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES]);

#endif
