// SPDX-License-Identifier: MIT
// complain.c: how commands say what is wrong, and where.

#include "cli/cli_priv.h"

int cli__complain(const char *command, const char *what, const char *detail)
{
    fprintf(stderr, "carillon %s: %s%s%s\n", command, what, detail ? ": " : "",
            detail ? detail : "");
    return EXIT_INVALID;
}

// Tabs stay tabs, and the later bytes of a character take no column, so that the caret is where a
// terminal shows the byte.
void cli__print_caret(FILE *out, const char *line, size_t bytes, size_t position)
{
    fprintf(out, "%.*s\n", (int)bytes, line);
    for (size_t i = 0; i < position; i++) {
        bool continues = i < bytes && ((unsigned char)line[i] & 0xc0) == 0x80;
        if (!continues)
            fputc(i < bytes && line[i] == '\t' ? '\t' : ' ', out);
    }
    fputc('^', out);
}
