// SPDX-License-Identifier: MIT
// excerpt_priv.h: the beginning of a response body as text that can be stored and shown.

#ifndef CARILLON_DISPATCH_EXCERPT_PRIV_H
#define CARILLON_DISPATCH_EXCERPT_PRIV_H

#include "dispatch/dispatch.h"

// Writes valid UTF-8 without NUL: every byte that belongs to no character, and every NUL, becomes
// U+FFFD; what does not fit, or was cut in the middle of a character, is left out at the end.
// At most `most` bytes and the NUL.
void excerpt_format(const char *bytes, size_t count, size_t most, char *out);

#endif
