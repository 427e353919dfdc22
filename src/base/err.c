// SPDX-License-Identifier: MIT
// err.c: names of error codes, and the sentence that goes with one.

#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
} codes[ERR_CODES] = {
#define ERR(name, text) [ERR_##name] = {#name, text},
#include "base/err.def"
#undef ERR
};

enum err fault_set(struct fault *f, enum err code, const char *format, ...)
{
    assert(code != ERR_OK);
    if (!f)
        return code;
    f->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return code;
}

const char *err_name(enum err code)
{
    assert(code < ERR_CODES);
    return codes[code].name;
}

const char *err_text(enum err code)
{
    assert(code < ERR_CODES);
    return codes[code].text;
}

enum err err_find(const char *name)
{
    int code = 0;
    while (code < ERR_CODES && strcmp(name, codes[code].name) != 0)
        code++;
    return (enum err)code;
}
