// SPDX-License-Identifier: MIT
// command.c: the command of an entry, as cron hands it to the shell.
//
// The first `%` that no backslash protects ends the command; what follows is its standard input,
// in which every further `%` is a new line. A backslash goes away only before a `%`. A `#` means
// nothing to cron: here it is part of the command.

#include "crontab/crontab_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// How many bytes at `from` belong together: one, or a backslash with what it protects. 0 where the
// command ends.
static size_t piece_bytes(const char *from, const char *end)
{
    if (from == end || *from == '%')
        return 0;
    return *from == '\\' && from + 1 < end ? 2 : 1;
}

static size_t dropped_bytes(const char *piece, size_t bytes)
{
    return bytes == 2 && piece[1] == '%';
}

// Copies the command to `out`, if given, and returns where its byte number `offset` comes from, or
// where it ends.
static const char *decode(const char *from, const char *end, char *out, size_t offset)
{
    size_t used = 0;
    for (size_t bytes; (bytes = piece_bytes(from, end)) > 0; from += bytes) {
        size_t dropped = dropped_bytes(from, bytes);
        if (offset < used + bytes - dropped)
            return from + (offset - used);
        if (out)
            memcpy(out + used, from + dropped, bytes - dropped);
        used += bytes - dropped;
    }
    if (out)
        out[used] = '\0';
    return from;
}

// Cron adds a new line at the end unless there is one.
static char *decode_input(const char *from, const char *end)
{
    char *out = xmalloc((size_t)(end - from) + 2);
    size_t used = 0;
    for (; from < end; from++) {
        if (*from == '\\' && from + 1 < end && from[1] == '%')
            out[used++] = *++from;
        else
            out[used++] = *from == '%' ? '\n' : *from;
    }
    if (used > 0 && out[used - 1] != '\n')
        out[used++] = '\n';
    out[used] = '\0';
    return out;
}

void crontab__command_init(struct command_text *c, struct crontab_line *line, size_t at)
{
    const char *from = line->text + at, *end = line->text + line->bytes;
    *c = (struct command_text){.line = line, .at = at, .text = xmalloc((size_t)(end - from) + 1)};
    const char *percent = decode(from, end, c->text, SIZE_MAX);
    c->end = (size_t)(percent - line->text);
    if (percent < end)
        c->input = decode_input(percent + 1, end);
}

void crontab__command_fini(struct command_text *c)
{
    free(c->text);
    free(c->input);
}

// Where in the line the byte of the command stands.
static size_t position_of(const struct command_text *c, size_t offset)
{
    const char *text = c->line->text;
    return (size_t)(decode(text + c->at, text + c->line->bytes, NULL, offset) - text);
}

enum err crontab__command_refuse(const struct command_text *c, size_t at, size_t bytes,
                                 const char *format, ...)
{
    char reason[CRONTAB_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (c->outer) // Quotes are undone in it, so places in it are not known.
        return crontab__command_refuse(c->outer, c->outer_at, c->outer_bytes, "%s", reason);
    size_t position = position_of(c, at);
    return crontab__refuse(c->line, CRONTAB_NOT_CONVERTIBLE, position,
                           position_of(c, at + bytes) - position, "%s", reason);
}

enum err crontab__command_refuse_open(const struct command_text *c, size_t at, size_t bytes,
                                      const char *what)
{
    if (!c->input || c->outer)
        return crontab__command_refuse(c, at, bytes, "%s is not closed", what);
    crontab__hint(c->line, "\\%%");
    return crontab__refuse(c->line, CRONTAB_NOT_CONVERTIBLE, c->end, 1,
                           "this %% ends the command, so %s before it is not closed", what);
}
