// SPDX-License-Identifier: MIT
// text.c: writing text into a caller's buffer.

#include "cron/text_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

struct text cron__text(char *out, size_t bytes)
{
    if (bytes)
        out[0] = '\0';
    return (struct text){.out = out, .bytes = bytes};
}

void cron__add(struct text *t, const char *format, ...)
{
    size_t used = MIN(t->length, t->bytes);
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(t->bytes ? t->out + used : NULL, t->bytes - used, format, args);
    va_end(args);
    assert(wanted >= 0);
    t->length += (size_t)wanted;
}
