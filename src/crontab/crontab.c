// SPDX-License-Identifier: MIT
// crontab.c: cuts a crontab into lines and has each of them read.

#include "crontab/crontab_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err crontab__refuse(struct crontab_line *line, enum crontab_kind kind, size_t position,
                         size_t length, const char *format, ...)
{
    line->kind = kind;
    line->position = position;
    line->length = length;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line->reason, sizeof line->reason, format, arguments);
    va_end(arguments);
    return kind == CRONTAB_INVALID ? ERR_SYNTAX : ERR_UNSUPPORTED;
}

size_t crontab__skip_blanks(const struct crontab_line *line, size_t at)
{
    while (at < line->bytes && crontab__is_blank(line->text[at]))
        at++;
    return at;
}

static bool says_nothing(const struct crontab_line *line)
{
    size_t at = crontab__skip_blanks(line, 0);
    return at == line->bytes || line->text[at] == '#';
}

static void read_line(struct crontab_line *line, struct zones *z, bool has_users,
                      struct job **draft)
{
    const char *nul = memchr(line->text, '\0', line->bytes);
    line->timezone = crontab__zone(z);
    if (line->bytes > CRONTAB_LINE_BYTES_MAX)
        crontab__refuse(line, CRONTAB_INVALID, 0, 0, "the line has %zu bytes, the limit is %d",
                        line->bytes, CRONTAB_LINE_BYTES_MAX);
    else if (nul)
        crontab__refuse(line, CRONTAB_INVALID, (size_t)(nul - line->text), 1,
                        "there is a NUL byte in the line");
    else if (!crontab__variable(line, z))
        crontab__entry(line, has_users, draft);
}

static enum err report_line(struct crontab_line *line, struct zones *z, bool has_users,
                            crontab_each *each, void *context)
{
    struct job *draft = NULL;
    read_line(line, z, has_users, &draft);
    line->draft = draft;
    enum err err = each(context, line);
    job_free(draft);
    return err;
}

// The last line may lack its end.
static size_t count_lines(const char *text, size_t bytes)
{
    size_t count = bytes > 0 && text[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++)
        count += text[i] == '\n';
    return count;
}

static enum err check_size(const char *text, size_t bytes, struct fault *f)
{
    if (bytes > CRONTAB_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "the crontab has %zu bytes, the limit is %d", bytes,
                         CRONTAB_BYTES_MAX);
    size_t lines = count_lines(text, bytes);
    if (lines > CRONTAB_LINES_MAX)
        return fault_set(f, ERR_LIMIT, "the crontab has %zu lines, the limit is %d", lines,
                         CRONTAB_LINES_MAX);
    return ERR_OK;
}

enum err crontab_read(const char *text, size_t bytes, const struct crontab_options *o,
                      crontab_each *each, void *context, struct fault *f)
{
    enum err err = check_size(text, bytes, f);
    struct zones z = {.first = o && o->timezone ? o->timezone : "UTC"};
    size_t at = 0;
    for (unsigned number = 1; at < bytes && !err; number++) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at;
        struct crontab_line line = {.number = number, .text = text + at, .bytes = length};
        at += length + 1;
        if (length > 0 && line.text[length - 1] == '\r')
            line.bytes--; // The file comes from a system that ends its lines so.
        if (!says_nothing(&line))
            err = report_line(&line, &z, o && o->has_users, each, context);
    }
    return err;
}
