// SPDX-License-Identifier: MIT
// file.c: reading what a command is given.

#include "base/memory.h"
#include "cli/cli_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum err read_all(FILE *in, const char *path, size_t bytes_max, char **out, size_t *bytes,
                         struct fault *f)
{
    char *text = xmalloc(bytes_max + 1); // Pages that are not used cost nothing.
    size_t count = fread(text, 1, bytes_max + 1, in);
    enum err err = ERR_OK;
    if (ferror(in))
        err = fault_set(f, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    else if (count > bytes_max)
        err = fault_set(f, ERR_LIMIT, "%s has more than %zu bytes", path, bytes_max);
    if (err) {
        free(text);
        return err;
    }
    *out = text;
    *bytes = count;
    return ERR_OK;
}

const char *cli__default_db(void)
{
    const char *path = getenv("CARILLON_DB");
    return path && *path ? path : "carillon.db"; // As of carillon serve.
}

enum err cli__read_file(const char *path, size_t bytes_max, char **out, size_t *bytes,
                        struct fault *f)
{
    if (strcmp(path, "-") == 0)
        return read_all(stdin, "standard input", bytes_max, out, bytes, f);
    FILE *in = fopen(path, "rb");
    if (!in)
        return fault_set(f, ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    enum err err = read_all(in, path, bytes_max, out, bytes, f);
    fclose(in);
    return err;
}
