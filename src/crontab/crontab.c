// SPDX-License-Identifier: MIT
// crontab.c: cuts a crontab into lines and has each of them read.

#include "crontab/crontab_priv.h"

#include <assert.h>
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

void crontab__hint(struct crontab_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line->hint, sizeof line->hint, format, arguments);
    va_end(arguments);
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

// What is carried from line to line.
struct reading {
    const struct crontab_options *options;
    struct zones zones;
    struct environment environment;
    unsigned continued; // The line before, if it ends in a backslash; else 0.
};

static void read_line(struct reading *r, struct crontab_line *line, struct job **draft)
{
    const char *nul = memchr(line->text, '\0', line->bytes);
    line->timezone = crontab__zone(&r->zones);
    if (line->bytes > CRONTAB_LINE_BYTES_MAX)
        crontab__refuse(line, CRONTAB_INVALID, 0, 0, "the line has %zu bytes, the limit is %d",
                        line->bytes, CRONTAB_LINE_BYTES_MAX);
    else if (nul)
        crontab__refuse(line, CRONTAB_INVALID, (size_t)(nul - line->text), 1,
                        "there is a NUL byte in the line");
    else if (!crontab__variable(line, &r->zones, &r->environment))
        crontab__entry(line, r->options->has_users, &r->environment, draft);
}

// To cron a backslash at the end of a line means nothing, so the next line has to stand for itself.
static void look_at_backslash(struct reading *r, struct crontab_line *line)
{
    if (r->continued && line->kind == CRONTAB_INVALID && !line->has_schedule)
        crontab__refuse(line, CRONTAB_INVALID, 0, line->bytes,
                        "this is no entry; if it belongs to line %u: cron joins no lines",
                        r->continued);
    bool backslash = line->bytes > 0 && line->text[line->bytes - 1] == '\\';
    r->continued = backslash ? line->number : 0;
}

static enum err report_line(struct reading *r, struct crontab_line *line, crontab_each *each,
                            void *context)
{
    struct job *draft = NULL;
    read_line(r, line, &draft);
    look_at_backslash(r, line);
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

static enum err each_line(struct reading *r, const char *text, size_t bytes, crontab_each *each,
                          void *context)
{
    enum err err = ERR_OK;
    size_t at = 0;
    for (unsigned number = 1; at < bytes && !err; number++) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at;
        struct crontab_line line = {.number = number, .text = text + at, .bytes = length};
        at += length + 1;
        if (length > 0 && line.text[length - 1] == '\r')
            line.bytes--; // The file comes from a system that ends its lines so.
        if (!says_nothing(&line))
            err = report_line(r, &line, each, context);
    }
    return err;
}

static void set_variables(struct environment *e, const struct crontab_options *o)
{
    assert(o->set_count <= CRONTAB_SET_MAX);
    for (size_t i = 0; i < o->set_count; i++) {
        const struct crontab_variable *v = &o->set[i];
        assert(crontab_is_name(v->name));
        enum err err =
            crontab__set_value(e, v->name, strlen(v->name), v->value, strlen(v->value), true);
        assert(err == ERR_OK || err == ERR_FORBIDDEN); // A header given twice: the first counts.
    }
}

enum err crontab_read(const char *text, size_t bytes, const struct crontab_options *o,
                      crontab_each *each, void *context, struct fault *f)
{
    static const struct crontab_options defaults;
    enum err err = check_size(text, bytes, f);
    if (err)
        return err;
    struct reading r = {.options = o ? o : &defaults,
                        .environment = {.bytes_left = CRONTAB_BYTES_MAX}};
    r.zones.first = r.options->timezone ? r.options->timezone : "UTC";
    set_variables(&r.environment, r.options);
    err = each_line(&r, text, bytes, each, context);
    crontab__environment_fini(&r.environment);
    return err;
}
