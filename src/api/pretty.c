// SPDX-License-Identifier: MIT
// pretty.c: JSON for people to read: a member on each line, indented.
//
// It works on the text of an answer, not on its values: numbers and texts stay as they were
// written, and an answer that is made piece by piece is indented piece by piece.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/stream.h"

#include <string.h>

#define INDENT 2

static void write_line(struct json_indenter *in, FILE *out)
{
    fprintf(out, "\n%*s", (int)(in->depth * INDENT), "");
}

// A byte inside of a text, which may hold any of the signs that mean something outside.
static void pass_text(struct json_indenter *in, char c, FILE *out)
{
    fputc(c, out);
    if (in->is_escaped)
        in->is_escaped = false;
    else if (c == '\\')
        in->is_escaped = true;
    else if (c == '"')
        in->is_in_text = false;
}

// What is empty stays on its line.
static void close_bracket(struct json_indenter *in, char c, FILE *out)
{
    in->depth--;
    if (!in->is_opened)
        write_line(in, out);
    in->is_opened = false;
    fputc(c, out);
}

static void pass_sign(struct json_indenter *in, char c, FILE *out)
{
    if (strchr("]}", c)) {
        close_bracket(in, c, out);
        return;
    }
    if (in->is_opened)
        write_line(in, out);
    in->is_opened = strchr("[{", c) != NULL;
    in->depth += in->is_opened;
    in->is_in_text = c == '"';
    fputc(c, out);
    if (c == ',')
        write_line(in, out);
    else if (c == ':')
        fputc(' ', out);
}

char *json_indent(struct json_indenter *in, const char *text, size_t bytes, size_t *out_bytes)
{
    char *indented = NULL;
    FILE *out = stream_open(&indented, out_bytes);
    for (const char *c = text; c < text + bytes; c++) {
        if (in->is_in_text)
            pass_text(in, *c, out);
        else if (!strchr(" \t\r\n", *c))
            pass_sign(in, *c, out);
    }
    if (in->depth == 0)
        fputc('\n', out);
    stream_close(out);
    return indented;
}
