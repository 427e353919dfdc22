// SPDX-License-Identifier: MIT
// parse_error.c: how a refusal is written down, and the stable names of codes and fields.

#include "cron/parse_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum err err;
} codes[CRON_CODES] = {
#define CRON_ERROR(name, text, err) [CRON_##name] = {text, err},
#include "cron/error.def"
#undef CRON_ERROR
};

static const char *const fields[] = {"second", "minute",  "hour", "day",
                                     "month",  "weekday", "year", ""};

const char *cron_code_name(enum cron_code code)
{
    assert((unsigned)code < CRON_CODES);
    return codes[code].name;
}

const char *cron_field_name(enum cron_field field)
{
    assert((unsigned)field < COUNT_OF(fields));
    return fields[field];
}

void cron_error_text(const struct cron_error *e, char *out, size_t bytes)
{
    const char *field = cron_field_name(e->field);
    struct text t = cron__text(out, bytes);
    cron__add(&t, "%s%s%s", field, *field ? ": " : "", e->message);
    if (!e->expected[0] || strstr(e->message, "out of range") || strstr(e->message, e->expected))
        return; // The message tells what is expected.
    if (!strstr(e->message, "expected"))
        cron__add(&t, ", expected %s", e->expected);
    else if (!e->hint[0])
        cron__add(&t, " (%s)", e->expected);
}

enum err cron__refuse(struct parse *p, enum cron_code code, enum cron_field field,
                      struct slice where, const char *format, ...)
{
    struct cron_error *e = p->error;
    *e = (struct cron_error){
        .code = code, .field = field, .position = where.at, .length = cron__bytes(where)};
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return codes[code].err;
}

void cron__hint(struct parse *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error->hint, sizeof p->error->hint, format, args);
    va_end(args);
}

void cron__expected(struct parse *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error->expected, sizeof p->error->expected, format, args);
    va_end(args);
}
