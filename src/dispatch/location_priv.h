// SPDX-License-Identifier: MIT
// location_priv.h: the Location of an answer as text that can be shown.

#ifndef CARILLON_DISPATCH_LOCATION_PRIV_H
#define CARILLON_DISPATCH_LOCATION_PRIV_H

#include "base/url.h"
#include "dispatch/dispatch.h"

// So much of a Location is kept: more is no URL that could be called.
#define LOCATION_BYTES_MAX (URL_BYTES_MAX + 1)
#define LOCATION_TEXT_BYTES 128

// Writes the value as visible ASCII: blanks at its end are left out, what cannot be shown is
// percent-encoded, and what does not fit becomes "...".
void location_format(const char *value, size_t count, char out[static LOCATION_TEXT_BYTES]);

#endif
