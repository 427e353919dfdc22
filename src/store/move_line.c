// SPDX-License-Identifier: MIT
// move_line.c: a row as a line of the text format of PostgreSQL's COPY.
//
// Cells are parted by tabs, NULL is \N, and what would end a cell or a line is escaped with a
// backslash. A server refuses a text that is no UTF-8, or has a NUL: such bytes become "?".

#include "base/integer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "store/move_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char escapes[][2] = {
    {'\\', '\\'}, {'\t', 't'}, {'\n', 'n'}, {'\r', 'r'}, {'\b', 'b'}, {'\f', 'f'}, {'\v', 'v'},
};

static void put(struct move_line *l, const char *bytes, size_t count)
{
    while (l->capacity - l->count < count)
        l->bytes = grow(l->bytes, l->capacity, &l->capacity, 1);
    memcpy(l->bytes + l->count, bytes, count);
    l->count += count;
}

static void end_cell(struct move_line *l)
{
    put(l, "\t", 1);
}

void move_line_end(struct move_line *l)
{
    l->bytes[l->count - 1] = '\n'; // In the place of the last tab.
}

void move_line_null(struct move_line *l)
{
    put(l, "\\N", 2);
    end_cell(l);
}

void move_line_integer(struct move_line *l, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, value);
    put(l, text, (size_t)n);
    end_cell(l);
}

static void put_character(struct move_line *l, char c)
{
    for (size_t i = 0; i < COUNT_OF(escapes); i++)
        if (escapes[i][0] == c) {
            put(l, (char[]){'\\', escapes[i][1]}, 2);
            return;
        }
    put(l, c ? &c : "?", 1);
}

void move_line_text(struct move_line *l, const char *text, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        size_t fine = utf8_span(text + done, bytes - done);
        for (size_t i = 0; i < fine; i++)
            put_character(l, text[done + i]);
        done += fine;
        if (done < bytes) {
            put(l, "?", 1);
            done++;
        }
    }
    end_cell(l);
}

void move_line_bytes(struct move_line *l, const void *bytes, size_t count)
{
    const unsigned char *from = bytes;
    char hex[3];
    put(l, "\\\\x", 3);
    for (size_t i = 0; i < count; i++) {
        snprintf(hex, sizeof hex, "%02x", from[i]);
        put(l, hex, 2);
    }
    end_cell(l);
}

static char unescaped(char c)
{
    for (size_t i = 0; i < COUNT_OF(escapes); i++)
        if (escapes[i][1] == c)
            return escapes[i][0];
    return c;
}

bool move_line_next(char **rest, char **cell, size_t *bytes)
{
    char *from = *rest;
    char *to = from;
    if (!from)
        return false;
    *cell = from;
    bool is_null = from[0] == '\\' && from[1] == 'N';
    for (; *from != '\t' && *from != '\n'; from++)
        *to++ = *from == '\\' ? unescaped(*++from) : *from;
    *rest = *from == '\t' ? from + 1 : NULL;
    *to = '\0';
    *bytes = (size_t)(to - *cell);
    if (is_null)
        *cell = NULL;
    return true;
}
