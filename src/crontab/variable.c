// SPDX-License-Identifier: MIT
// variable.c: lines that set a variable, for the schedule or for the commands below them.

#include "crontab/crontab_priv.h"

#include <stdio.h>

enum { ZONE_CRON_TZ, ZONE_TZ, NOT_A_ZONE };

static const struct {
    const char *name;
    int zone;
    const char *reason; // What is said after the name of a zone.
} known[] = {
    {"CRON_TZ", ZONE_CRON_TZ, ""},
    {"TZ", ZONE_TZ, " (some crons set it for the commands only)"},
    {"MAILTO", NOT_A_ZONE, "no mail is sent for output; a failure raises an alert"},
    {"MAILFROM", NOT_A_ZONE, "no mail is sent for output; a failure raises an alert"},
    {"SHELL", NOT_A_ZONE, "no shell is run"},
    {"PATH", NOT_A_ZONE, "no program is looked up"},
    {"HOME", NOT_A_ZONE, "no file in it is read, such as .curlrc"},
    {"RANDOM_DELAY", NOT_A_ZONE, "no entry is delayed by it; a job has jitter_ms"},
    {"http_proxy", NOT_A_ZONE, "calls do not go through it; the server has a proxy for all"},
    {"https_proxy", NOT_A_ZONE, "calls do not go through it; the server has a proxy for all"},
    {"HTTPS_PROXY", NOT_A_ZONE, "calls do not go through it; the server has a proxy for all"},
    {"all_proxy", NOT_A_ZONE, "calls do not go through it; the server has a proxy for all"},
    {"ALL_PROXY", NOT_A_ZONE, "calls do not go through it; the server has a proxy for all"},
};

// A name, a value and where they stand; quotes around either are left out.
struct setting {
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

bool crontab_is_name(const char *name)
{
    size_t bytes = strspn(name, NAME_CHARACTERS);
    return bytes > 0 && !name[bytes] && is_name_byte(*name, true);
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

// Cuts the name off; 0 when there is none, else where it ends.
static size_t cut_name(const struct crontab_line *line, size_t at, struct setting *v)
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

static void cut_value(const struct crontab_line *line, size_t at, struct setting *v)
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

static bool cut_setting(const struct crontab_line *line, struct setting *v)
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

// --- Time zones ----------------------------------------------------------------------------------

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
                     struct setting *v)
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
    line->sets_timezone = v->value_bytes > 0 ? z->names[which] : NULL;
    crontab__refuse(line, CRONTAB_SKIPPED, position, v->value_bytes,
                    "times from here on are those of %s%s", line->timezone, more);
}

// --- The whole -----------------------------------------------------------------------------------

// What is said of a variable that cron and its programs know nothing of.
static void say_use(struct crontab_line *line, const struct setting *v)
{
    bool dollar = memchr(v->value, '$', v->value_bytes) != NULL;
    crontab__refuse(line, CRONTAB_SKIPPED, 0, 0, "%.*s: its value is put into the commands below%s",
                    (int)MIN(v->name_bytes, 64), v->name,
                    dollar ? " as it stands: to cron the $ in it means nothing" : "");
}

// How a name of the table is spoken of; COUNT_OF(known) when it is in no row.
static size_t find_known(const struct setting *v)
{
    size_t i = 0;
    while (i < COUNT_OF(known) && (strlen(known[i].name) != v->name_bytes ||
                                   memcmp(known[i].name, v->name, v->name_bytes) != 0))
        i++;
    return i;
}

static void say_what_it_does(struct crontab_line *line, struct zones *z, struct setting *v)
{
    size_t row = find_known(v);
    if (row == COUNT_OF(known))
        say_use(line, v);
    else if (known[row].zone != NOT_A_ZONE)
        set_zone(line, z, known[row].zone, known[row].reason, v);
    else
        crontab__refuse(line, CRONTAB_SKIPPED, 0, 0, "%s: %s", known[row].name, known[row].reason);
}

bool crontab__variable(struct crontab_line *line, struct zones *z, struct environment *e)
{
    struct setting v;
    if (!cut_setting(line, &v))
        return false;
    size_t name_at = (size_t)(v.name - line->text);
    enum err err = crontab__set_value(e, v.name, v.name_bytes, v.value, v.value_bytes, false);
    if (err == ERR_LIMIT)
        crontab__refuse(line, CRONTAB_INVALID, name_at, v.name_bytes,
                        "a crontab sets at most %d variables", VARIABLES_MAX);
    else if (err == ERR_FORBIDDEN)
        crontab__refuse(line, CRONTAB_SKIPPED, name_at, v.name_bytes,
                        "%.*s: the value given beside the crontab counts",
                        (int)MIN(v.name_bytes, 64), v.name);
    else
        say_what_it_does(line, z, &v);
    return true;
}
