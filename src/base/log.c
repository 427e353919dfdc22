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

bool log_enabled(enum log_level level)
{
    return level >= level_lowest;
}

// `limit` leaves room for what must still come: the end of the line, and of a quote that is open.
struct line {
    size_t used;
    size_t limit;
    char bytes[LINE_BYTES_MAX];
};

#define LINE_END_BYTES 2 // "}\n"

static size_t room(const struct line *l)
{
    assert(l->used <= l->limit && l->limit <= sizeof l->bytes);
    return l->limit - l->used;
}

static bool put(struct line *l, const char *text, size_t bytes)
{
    if (bytes > room(l))
        return false;
    memcpy(l->bytes + l->used, text, bytes);
    l->used += bytes;
    return true;
}

static bool put_text(struct line *l, const char *text)
{
    return put(l, text, strlen(text));
}

// A character of UTF-8 is all its bytes, so that none is cut in two. Bytes that are no UTF-8 are
// passed on in pieces of at most four.
static size_t character_bytes(const char *text)
{
    size_t n = 1;
    while (n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

// As JSON writes the character; a text line does the same, so no value can forge a line.
static bool put_escaped(struct line *l, const char *text, size_t bytes)
{
    unsigned char c = (unsigned char)*text;
    char escaped[8];
    if (c == '"' || c == '\\')
        bytes = (size_t)snprintf(escaped, sizeof escaped, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
        bytes = (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c);
    else
        return put(l, text, bytes);
    return put(l, escaped, bytes);
}

// As much of the text as there is room for; false when not even the quotes have any.
static bool put_quoted(struct line *l, const char *text)
{
    if (room(l) < 2)
        return false;
    put(l, "\"", 1);
    l->limit--; // For the closing one.
    for (size_t n; *text; text += n) {
        n = character_bytes(text);
        if (!put_escaped(l, text, n))
            break;
    }
    l->limit++;
    return put(l, "\"", 1);
}

static bool put_number(struct line *l, int64_t n)
{
    char number[24];
    return put(l, number, (size_t)snprintf(number, sizeof number, "%lld", (long long)n));
}

// A line that is too long loses the ends of texts and whole fields, never the form of a line.
static void put_field(struct line *l, const struct log_field *f)
{
    bool json = line_format == LOG_FORMAT_JSON;
    size_t before = l->used;
    bool fits = put_text(l, json ? ",\"" : " ") && put_text(l, f->name) &&
                put_text(l, json ? "\":" : "=") &&
                (f->text ? put_quoted(l, f->text) : put_number(l, f->number));
    if (!fits)
        l->used = before;
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
    assert(l->used <= sizeof held.bytes - held.used);
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
    if (!log_enabled(level))
        return;
    struct line l = {.limit = sizeof l.bytes - LINE_END_BYTES};
    put_head(&l, level, event);
    for (size_t i = 0; i < count; i++)
        put_field(&l, &fields[i]);
    l.limit = sizeof l.bytes;
    put_text(&l, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    if (!held.holds) {
        write_out(l.bytes, l.used);
        return;
    }
    hold(&l);
    if (level == LOG_LEVEL_ERROR)
        write_held();
}
