// SPDX-License-Identifier: MIT
// target_fuzz.c: any bytes as the target of a request, and each of its parameters as a cursor.
//
// What is accepted is text: UTF-8 without control characters. Encoded once more, it means the same.
// A cursor that is accepted is the one text of its position.

#include "api/api_priv.h"
#include "api/page_priv.h"
#include "api/server_inside_priv.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define TEXT_BYTES_MAX 8192

static void check_text(const char *text)
{
    size_t bytes = strlen(text);
    assert(utf8_span(text, bytes) == bytes);
    for (size_t i = 0; i < bytes; i++)
        assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static char *encode(char *to, const char *text)
{
    for (; *text; text++)
        to += sprintf(to, "%%%02x", (unsigned char)*text);
    return to;
}

static void write_again(const struct target *t, char *to)
{
    if (t->segments_count == 0)
        *to++ = '/';
    for (size_t i = 0; i < t->segments_count; i++) {
        *to++ = '/';
        to = encode(to, t->segments[i]);
    }
    *to = '\0';
    for (size_t i = 0; i < t->parameters_count; i++) {
        *to++ = i == 0 ? '?' : '&';
        to = encode(to, t->parameters[i].name);
        *to++ = '=';
        to = encode(to, t->parameters[i].value);
        *to = '\0';
    }
}

static void check_same(const struct target *a, const struct target *b)
{
    assert(a->segments_count == b->segments_count && a->parameters_count == b->parameters_count);
    for (size_t i = 0; i < a->segments_count; i++)
        assert(strcmp(a->segments[i], b->segments[i]) == 0);
    for (size_t i = 0; i < a->parameters_count; i++) {
        assert(strcmp(a->parameters[i].name, b->parameters[i].name) == 0);
        assert(strcmp(a->parameters[i].value, b->parameters[i].value) == 0);
    }
}

static void check_cursor(const char *text)
{
    static const enum cursor_kind kinds[] = {CURSOR_JOBS, CURSOR_EXECUTIONS,
                                             CURSOR_JOBS_BY_NEXT_RUN, CURSOR_JOBS_BY_LAST_RUN,
                                             CURSOR_ALERTS};
    size_t accepted = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct cursor c;
        char again[CURSOR_BYTES];
        if (!cursor_parse(kinds[i], text, &c))
            continue;
        cursor_format(kinds[i], &c, again);
        assert(strcmp(again, text) == 0);
        accepted++;
    }
    assert(accepted <= 1);
}

// A position that no client has made up, since the check in a cursor keeps those away.
static void check_position(const uint8_t *data, size_t bytes)
{
    struct cursor c = {0}, again;
    char text[CURSOR_BYTES];
    memcpy(&c.at, data, MIN(bytes, sizeof c.at));
    if (bytes > sizeof c.at)
        memcpy(&c.id, data + sizeof c.at, MIN(bytes - sizeof c.at, sizeof c.id));
    cursor_format(CURSOR_EXECUTIONS, &c, text);
    bool good = cursor_parse(CURSOR_EXECUTIONS, text, &again);
    assert(good && again.at == c.at && again.id == c.id);
    assert(!cursor_parse(CURSOR_JOBS, text, &again));
}

static void check_accepted(const struct target *t, struct arena *a)
{
    static char text[4 * TEXT_BYTES_MAX];
    struct target again;
    const char *detail;
    for (size_t i = 0; i < t->segments_count; i++)
        check_text(t->segments[i]);
    for (size_t i = 0; i < t->parameters_count; i++) {
        check_text(t->parameters[i].name);
        check_text(t->parameters[i].value);
        check_cursor(t->parameters[i].value);
    }
    write_again(t, text);
    bool good = target_parse(text, a, &again, &detail);
    assert(good);
    check_same(t, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    check_position(data, bytes);
    if (bytes == 0 || bytes > TEXT_BYTES_MAX || memchr(data, '\0', bytes))
        return 0;
    struct arena arena = {0};
    const char *text = arena_copy(&arena, (const char *)data, bytes);
    struct target target;
    const char *detail = NULL;
    // The guard lets through what begins with "/", "*", and whole URLs.
    if (*text == '/' || *text == '*' || strstr(text, "://")) {
        if (target_parse(text, &arena, &target, &detail))
            check_accepted(&target, &arena);
        else
            assert(detail && *detail);
    }
    arena_clear(&arena);
    return 0;
}
