// SPDX-License-Identifier: MIT
// trace.c: lines, their hash, and the first failure.

#include "trace.h"

#include <stdarg.h>

void trace_init(struct trace *t, FILE *out)
{
    *t = (struct trace){.hash = 14695981039346656037u, .out = out};
}

static void mix(struct trace *t, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++)
        t->hash = (t->hash ^ p[i]) * 1099511628211u; // FNV-1a.
}

static void print(const struct trace *t, wall_ms at, const char *text)
{
    if (!t->out)
        return;
    char time[RFC3339_BYTES];
    wall_format(at, time);
    fprintf(t->out, "%s %s\n", time, text);
}

void trace_line(struct trace *t, wall_ms at, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mix(t, &at, sizeof at);
    mix(t, text, (size_t)MIN(bytes, (int)sizeof text - 1));
    t->lines++;
    print(t, at, text);
}

void trace_note(struct trace *t, wall_ms at, const char *format, ...)
{
    if (!t->out)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print(t, at, text);
}

void trace_fail(struct trace *t, const char *format, ...)
{
    if (t->failed)
        return;
    t->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(t->failure, sizeof t->failure, format, args);
    va_end(args);
    if (t->out)
        fprintf(t->out, "BROKEN: %s\n", t->failure);
}
