// SPDX-License-Identifier: MIT
// log.c: builds one line in a buffer on the stack and writes it at once, or keeps it for a thread
// that holds its lines back.
//
// Text:  2026-11-24T05:27:00.000Z INFO  job.created job_id=7 schedule="* * * * *"
// JSON:  {"time":"...","level":"info","event":"job.created","job_id":7,"schedule":"* * * * *"}

#include "base/log.h"

#include "base/time.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096
#define HELD_BYTES_MAX LINE_BYTES_MAX // PIPE_BUF: longer writes to a pipe may be torn apart.

static enum log_level level_lowest = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

static const struct {
    const char *text;
    const char *json;
} level_names[] = {
    [LOG_LEVEL_DEBUG] = {"DEBUG", "debug"},
    [LOG_LEVEL_INFO] = {"INFO ", "info"},
    [LOG_LEVEL_WARN] = {"WARN ", "warn"},
    [LOG_LEVEL_ERROR] = {"ERROR", "error"},
};

void log_setup(enum log_level lowest, enum log_format format)
{
    level_lowest = lowest;
    line_format = format;
}

struct line {
    size_t used;
    char bytes[LINE_BYTES_MAX];
};

// Leaves room for the closing `"}` and the newline, so that a cut line is still one whole line.
static void put(struct line *l, const char *text, size_t bytes)
{
    size_t room = sizeof l->bytes - 4 - l->used;
    size_t n = bytes < room ? bytes : room;
    memcpy(l->bytes + l->used, text, n);
    l->used += n;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

// Quoted, with JSON's escapes; a text line uses the same ones, so no value can forge a line.
static void put_quoted(struct line *l, const char *text)
{
    put(l, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        char escaped[8];
        size_t n = 1;
        if (*p == '"' || *p == '\\')
            n = (size_t)snprintf(escaped, sizeof escaped, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            n = (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *p);
        else
            escaped[0] = (char)*p;
        if (l->used + n > sizeof l->bytes - 8)
            break; // Never cut inside an escape.
        put(l, escaped, n);
    }
    if (l->used < sizeof l->bytes - 3)
        l->bytes[l->used++] = '"';
}

static void put_field(struct line *l, const struct log_field *f)
{
    bool json = line_format == LOG_FORMAT_JSON;
    put_text(l, json ? ",\"" : " ");
    put_text(l, f->name);
    put_text(l, json ? "\":" : "=");
    if (f->text) {
        put_quoted(l, f->text);
        return;
    }
    char number[24];
    put(l, number, (size_t)snprintf(number, sizeof number, "%lld", (long long)f->number));
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
    char time[RFC3339_BYTES];
    wall_format(clock_wall_ms(), time);
    bool json = line_format == LOG_FORMAT_JSON;
    put_text(l, json ? "{\"time\":\"" : "");
    put_text(l, time);
    put_text(l, json ? "\",\"level\":\"" : " ");
    put_text(l, json ? level_names[level].json : level_names[level].text);
    put_text(l, json ? "\",\"event\":\"" : " ");
    put_text(l, event);
    put_text(l, json ? "\"" : "");
}

// --- Lines that are held back --------------------------------------------------------------------

static _Thread_local struct {
    bool holds;
    size_t used;
    char bytes[HELD_BYTES_MAX];
} held;

static void write_out(const char *bytes, size_t count)
{
    ssize_t n = write(STDERR_FILENO, bytes, count);
    (void)n; // A log that cannot be written has nobody to tell.
}

static void write_held(void)
{
    if (held.used > 0)
        write_out(held.bytes, held.used);
    held.used = 0;
}

static void hold(const struct line *l)
{
    if (held.used + l->used > sizeof held.bytes)
        write_held();
    memcpy(held.bytes + held.used, l->bytes, l->used);
    held.used += l->used;
}

void log_hold(void)
{
    assert(!held.holds);
    held.holds = true;
}

void log_release(void)
{
    assert(held.holds);
    held.holds = false;
    write_held();
}

// --- A line --------------------------------------------------------------------------------------

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    if (level < level_lowest)
        return;
    struct line l = {.used = 0};
    put_head(&l, level, event);
    for (size_t i = 0; i < count; i++)
        put_field(&l, &fields[i]);
    if (line_format == LOG_FORMAT_JSON)
        l.bytes[l.used++] = '}';
    l.bytes[l.used++] = '\n';
    if (!held.holds) {
        write_out(l.bytes, l.used);
        return;
    }
    hold(&l);
    if (level == LOG_LEVEL_ERROR)
        write_held();
}
