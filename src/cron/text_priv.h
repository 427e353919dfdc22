// SPDX-License-Identifier: MIT
// text_priv.h: writing text into a caller's buffer, piece by piece, without overrunning it.

#ifndef CARILLON_CRON_TEXT_PRIV_H
#define CARILLON_CRON_TEXT_PRIV_H

#include "base/err.h"

#include <stddef.h>

// `length` counts what was wanted, also beyond `bytes`; the buffer is always terminated.
struct text {
    char *out;
    size_t bytes;
    size_t length;
};

// `bytes` may be 0, then nothing is written and only the length counts.
struct text cron__text(char *out, size_t bytes);
void cron__add(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
