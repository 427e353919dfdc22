// SPDX-License-Identifier: MIT
// variable.c: lines that set a variable: the time zone counts, the others are only named.

#include "crontab/crontab_priv.h"

#include <stdio.h>
#include <string.h>

enum { ZONE_CRON_TZ, ZONE_TZ, NOT_A_ZONE };

static const struct {
    const char *name;
    int zone;
    const char *reason; // Of a zone: what is said after its name.
} variables[] = {
    {"CRON_TZ", ZONE_CRON_TZ, ""},
    {"TZ", ZONE_TZ, " (some crons set it for the commands only)"},
    {"MAILTO", NOT_A_ZONE, "no mail is sent for output; a failure raises an alert"},
    {"MAILFROM", NOT_A_ZONE, "no mail is sent for output; a failure raises an alert"},
    {"SHELL", NOT_A_ZONE, "no shell is run"},
    {"PATH", NOT_A_ZONE, "no program is looked up"},
};

// A name, a value and where they stand; quotes around either are left out.
struct variable {
    const char *name;
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
};

static bool is_name_byte(char c, bool first)
{
    bool letter = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_';
    return letter || (!first && '0' <= c && c <= '9');
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

// Cuts the name off; 0 when there is none, else where it ends.
static size_t cut_name(const struct crontab_line *line, size_t at, struct variable *v)
{
    char quote = is_quote(line->text[at]) ? line->text[at++] : '\0';
    size_t start = at;
    while (at < line->bytes && is_name_byte(line->text[at], at == start))
        at++;
    v->name = line->text + start;
    v->name_bytes = at - start;
    if (quote && (at == line->bytes || line->text[at++] != quote))
        return 0;
    return v->name_bytes > 0 ? at : 0;
}

static void cut_value(const struct crontab_line *line, size_t at, struct variable *v)
{
    size_t start = crontab__skip_blanks(line, at);
    size_t end = line->bytes;
    while (end > start && crontab__is_blank(line->text[end - 1]))
        end--;
    const char *text = line->text;
    if (end - start >= 2 && is_quote(text[start]) && text[end - 1] == text[start]) {
        start++;
        end--;
    }
    v->value = text + start;
    v->value_bytes = end - start;
}

static bool cut_variable(const struct crontab_line *line, struct variable *v)
{
    size_t at = cut_name(line, crontab__skip_blanks(line, 0), v);
    if (at == 0)
        return false;
    at = crontab__skip_blanks(line, at);
    if (at == line->bytes || line->text[at] != '=')
        return false;
    cut_value(line, at + 1, v);
    return true;
}

const char *crontab__zone(const struct zones *z)
{
    for (size_t i = 0; i < COUNT_OF(z->names); i++) {
        if (*z->names[i])
            return z->names[i];
    }
    return z->first;
}

// "" takes the setting back, and a leading colon is the C library's way to say "a name follows".
static void set_zone(struct crontab_line *line, struct zones *z, int which, const char *more,
                     struct variable *v)
{
    if (v->value_bytes > 0 && v->value[0] == ':') {
        v->value++;
        v->value_bytes--;
    }
    size_t position = (size_t)(v->value - line->text);
    if (v->value_bytes >= ZONE_NAME_BYTES) {
        crontab__refuse(line, CRONTAB_INVALID, position, v->value_bytes,
                        "the name of a time zone has at most %d bytes", ZONE_NAME_BYTES - 1);
        return;
    }
    memcpy(z->names[which], v->value, v->value_bytes);
    z->names[which][v->value_bytes] = '\0';
    line->timezone = crontab__zone(z);
    line->sets_timezone = true;
    crontab__refuse(line, CRONTAB_SKIPPED, position, v->value_bytes,
                    "times from here on are those of %s%s", line->timezone, more);
}

bool crontab__variable(struct crontab_line *line, struct zones *z)
{
    struct variable v;
    if (!cut_variable(line, &v))
        return false;
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        if (strlen(variables[i].name) != v.name_bytes ||
            memcmp(variables[i].name, v.name, v.name_bytes) != 0)
            continue;
        if (variables[i].zone != NOT_A_ZONE)
            set_zone(line, z, variables[i].zone, variables[i].reason, &v);
        else
            crontab__refuse(line, CRONTAB_SKIPPED, 0, 0, "%s: %s", variables[i].name,
                            variables[i].reason);
        return true;
    }
    crontab__refuse(line, CRONTAB_SKIPPED, 0, 0,
                    "%.*s: a variable, which only commands that are not converted could use",
                    (int)MIN(v.name_bytes, 64), v.name);
    return true;
}
