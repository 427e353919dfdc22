// SPDX-License-Identifier: MIT
// prose.c: text for people, in the manner of a format and no longer than it may be.

#include "alert/prose_priv.h"

#include "base/ascii.h"
#include "base/err.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"
#define ZERO_WIDTH_SPACE "\xe2\x80\x8b"
#define FORMATTED_BYTES 512

const struct prose_manner prose_plain = {.unit = PROSE_BYTES};
const struct prose_manner prose_line = {.unit = PROSE_BYTES, .is_line = true};

void prose_init(struct prose *p, const struct prose_manner *manner, size_t limit)
{
    *p = (struct prose){.manner = manner, .limit = limit};
}

// --- Counting ------------------------------------------------------------------------------------

static size_t json_bytes(const char *text, size_t bytes)
{
    size_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum += strchr("\"\\\n", text[i]) ? 2 : 1;
    return sum;
}

// In UTF-16 a character of four bytes is two units.
static size_t utf16_units(const char *text, size_t bytes)
{
    size_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum += (text[i] & 0xf8) == 0xf0 ? 2 : (text[i] & 0xc0) != 0x80;
    return sum;
}

// What is written for one character of the text, in units.
static size_t units(const struct prose *p, size_t character_bytes, const char *as, size_t bytes)
{
    switch (p->manner->unit) {
    case PROSE_BYTES:
        return bytes;
    case PROSE_JSON_BYTES:
        return json_bytes(as, bytes);
    case PROSE_UTF16:
        return utf16_units(as, bytes);
    case PROSE_SHOWN:
        return character_bytes == 4 ? 2 : 1;
    }
    return bytes;
}

// --- Writing -------------------------------------------------------------------------------------

static void put(struct prose *p, const char *bytes, size_t count)
{
    if (p->count + count + 1 > p->capacity) {
        p->capacity = MAX(2 * p->capacity, p->count + count + 64);
        p->bytes = xrealloc(p->bytes, p->capacity);
    }
    memcpy(p->bytes + p->count, bytes, count);
    p->count += count;
    p->bytes[p->count] = '\0';
}

// Writes what stands for one character, or cuts the text where the ellipsis still fits.
static void put_character(struct prose *p, size_t character_bytes, const char *as, size_t bytes)
{
    size_t ellipsis = units(p, 3, ELLIPSIS, strlen(ELLIPSIS));
    size_t cost = units(p, character_bytes, as, bytes);
    if (p->used + ellipsis <= p->limit)
        p->safe = p->count;
    if (p->used + cost <= p->limit) {
        put(p, as, bytes);
        p->used += cost;
        return;
    }
    p->is_cut = true;
    p->count = p->safe;
    put(p, ELLIPSIS, ellipsis <= p->limit ? strlen(ELLIPSIS) : 0);
}

static const char *escape_of(const struct prose_manner *m, char c)
{
    for (const struct prose_escape *e = m->escapes; e && e->character; e++)
        if (e->character == c)
            return e->as;
    return NULL;
}

static void say_ascii(struct prose *p, char c)
{
    bool is_blank = (unsigned char)c < ' ' || c == 0x7f;
    if (is_blank && (c != '\n' || p->manner->is_line))
        c = ' ';
    const char *as = escape_of(p->manner, c);
    bool begins_word = !ascii_is_letter(p->before) && !ascii_is_digit(p->before);
    if (as)
        put_character(p, 1, as, strlen(as));
    else if (c == '@' && p->manner->tames_at && begins_word)
        put_character(p, 1, "@" ZERO_WIDTH_SPACE, strlen("@" ZERO_WIDTH_SPACE));
    else
        put_character(p, 1, &c, 1);
    p->before = c;
}

void prose_say(struct prose *p, const char *text)
{
    size_t left = text ? strlen(text) : 0;
    while (left > 0 && !p->is_cut) {
        size_t bytes = utf8_character(text, left);
        bool is_line_end = text[0] == '\r' && text[1] == '\n'; // There is a NUL at the end.
        if (is_line_end)
            ; // The line feed stands for both.
        else if (bytes == 1)
            say_ascii(p, *text);
        else if (bytes == 0)
            put_character(p, 3, REPLACEMENT, strlen(REPLACEMENT));
        else
            put_character(p, bytes, text, bytes);
        p->before = *text;
        bytes = MAX(bytes, 1);
        text += bytes;
        left -= bytes;
    }
}

void prose_sayf(struct prose *p, const char *format, ...)
{
    char text[FORMATTED_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    prose_say(p, text);
}

void prose_mark(struct prose *p, const char *markup)
{
    assert(p->manner->unit == PROSE_SHOWN);
    put(p, markup, strlen(markup));
}

char *prose_take(struct prose *p)
{
    char *text = p->bytes ? p->bytes : xstrdup("");
    *p = (struct prose){0};
    return text;
}
