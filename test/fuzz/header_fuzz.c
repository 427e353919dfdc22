// SPDX-License-Identifier: MIT
// header_fuzz.c: any bytes as headers that a job sends: a name, a line feed, a value; and all of it
// as the lines that a job carries.
//
// What is accepted can end no line and begin no other, is none of the headers that Carillon writes
// itself, and is judged the same alone and among lines.

#include "base/header.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define LINE_BYTES_MAX 32768

static void check_accepted(const char *name, const char *value)
{
    assert(*name && strlen(name) <= HEADER_NAME_BYTES_MAX && !header_is_reserved(name));
    assert(strlen(value) <= HEADER_VALUE_BYTES_MAX);
    for (const char *c = name; *c; c++)
        assert(*c > ' ' && *c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", *c));
    assert(utf8_span(value, strlen(value)) == strlen(value));
    for (const char *c = value; *c; c++)
        assert((unsigned char)*c >= ' ' || *c == '\t');
}

static void check_line(const char *name, const char *value)
{
    static char line[LINE_BYTES_MAX + 8];
    struct fault f = {0}, of_line = {0};
    enum err err = header_check(name, value, &f);
    assert((err == ERR_OK) == (f.text[0] == '\0'));
    if (err)
        return;
    check_accepted(name, value);
    snprintf(line, sizeof line, "%s: %s\n", name, value);
    err = header_check_lines(line, &of_line);
    assert(!err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > LINE_BYTES_MAX || memchr(data, '\0', bytes))
        return 0;
    char *text = malloc(bytes + 1);
    assert(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    struct fault f = {0};
    enum err err = header_check_lines(text, &f);
    assert((err == ERR_OK) == (f.text[0] == '\0'));
    char *end = strchr(text, '\n');
    if (end) {
        *end = '\0';
        check_line(text, end + 1);
    }
    free(text);
    return 0;
}
