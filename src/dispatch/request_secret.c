// SPDX-License-Identifier: MIT
// request_secret.c: header lines whose values the job holds sealed, opened right before they are
// sent.

#include "dispatch/request_priv.h"

#include <string.h>

// Where the value begins; NULL: the line has none.
static const char *value_of(const char *line, size_t bytes)
{
    const char *colon = memchr(line, ':', bytes);
    const char *end = line + bytes;
    const char *value = colon ? colon + 1 : end;
    while (value < end && *value == ' ')
        value++;
    return value < end ? value : NULL;
}

bool request_line_is_sealed(const char *line, size_t bytes)
{
    const char *value = value_of(line, bytes);
    return value && *value == 's' && secret_is_sealed(value);
}

enum err request_open_line(struct request_text *t, const char *line, size_t bytes,
                           const struct secret_ring *secrets, struct fault *f)
{
    const char *value = value_of(line, bytes);
    struct fault why = {0};
    char *opened = NULL;
    size_t before = (size_t)(value - line);
    enum err err = secret_open(secrets, value, bytes - before, SECRET_JOB_HEADER, &opened, &why);
    if (err)
        return fault_set(f, err, "the secret header %.*s cannot be opened: %s",
                         (int)MIN(strcspn(line, ":"), 64u), line, why.text);
    request_text_add(t, line, before);
    request_text_say(t, opened);
    request_text_add(t, "\r\n", 2);
    secret_free(opened);
    return ERR_OK;
}
