// SPDX-License-Identifier: MIT
// schedule.c: the schedule of an entry: five fields, a nickname, or what single crons add to them.
//
// A job's schedule knows all that Debian's cron knows. cronie's `6~18`, which draws a value of the
// range, is what a job calls H(6-18); FreeBSD's "@every_minute" has fields that say the same.

#include "crontab/crontab_priv.h"

#include <assert.h>
#include <stdio.h>

#define FIELDS 5

size_t crontab__word_end(const struct crontab_line *line, size_t at)
{
    while (at < line->bytes && !crontab__is_blank(line->text[at]))
        at++;
    return at;
}

static bool is_word(const struct crontab_line *line, size_t at, const char *word)
{
    size_t bytes = strlen(word);
    return crontab__word_end(line, at) - at == bytes && memcmp(line->text + at, word, bytes) == 0;
}

static size_t word_count(const struct crontab_line *line, size_t at)
{
    if (line->text[at] != '@')
        return FIELDS;
    return is_word(line, at, "@every") ? 2 : 1;
}

size_t crontab__schedule_end(struct crontab_line *line, size_t at)
{
    size_t words = word_count(line, at);
    size_t end = crontab__word_end(line, at);
    for (size_t i = 1; i < words; i++) {
        size_t next = crontab__skip_blanks(line, end);
        if (next == line->bytes) {
            crontab__refuse(line, CRONTAB_INVALID, at, line->bytes - at,
                            "%s and a command are expected, found %zu word%s",
                            words == FIELDS ? "five fields" : "@every, a duration", i,
                            i == 1 ? "" : "s");
            return 0;
        }
        end = crontab__word_end(line, next);
    }
    return end;
}

// --- What single crons add -----------------------------------------------------------------------

static const struct {
    const char *name;
    const char *fields;
    const char *note;
} nicknames[] = {
    {"@every_minute", "* * * * *", "@every_minute becomes * * * * *"},
    {"@every_second", "* * * * * *", "@every_second becomes * * * * * *"},
};

static const struct {
    const char *low;
    const char *high;
} ranges[FIELDS] = {{"0", "59"}, {"0", "23"}, {"1", "31"}, {"1", "12"}, {"0", "6"}};

// "6~18" as "H(6-18)"; anything else as it is.
static void add_item(struct text *t, const char *item, size_t bytes, size_t field)
{
    const char *tilde = memchr(item, '~', bytes);
    size_t low = tilde ? (size_t)(tilde - item) : 0;
    size_t high = tilde ? bytes - low - 1 : 0;
    if (!tilde) {
        crontab__add_bytes(t, item, bytes);
        return;
    }
    crontab__add(t, "H(");
    crontab__add_bytes(t, low ? item : ranges[field].low, low ? low : strlen(ranges[field].low));
    crontab__add(t, "-");
    crontab__add_bytes(t, high ? tilde + 1 : ranges[field].high,
                       high ? high : strlen(ranges[field].high));
    crontab__add(t, ")");
}

static void add_field(struct text *t, const char *field, size_t bytes, size_t number)
{
    while (bytes > 0) {
        const char *comma = memchr(field, ',', bytes);
        size_t item = comma ? (size_t)(comma - field) : bytes;
        add_item(t, field, item, number);
        if (comma)
            crontab__add(t, ",");
        item += comma != NULL;
        field += item;
        bytes -= item;
    }
}

// The schedule with one blank between its fields.
static void write_fields(const struct crontab_line *line, size_t at, size_t end, struct text *t)
{
    for (size_t field = 0; at < end; field++) {
        size_t next = crontab__word_end(line, at);
        if (field > 0)
            crontab__add(t, " ");
        add_field(t, line->text + at, next - at, MIN(field, FIELDS - 1));
        at = crontab__skip_blanks(line, next);
    }
}

static void write_schedule(const struct crontab_line *line, size_t at, size_t end,
                           struct written *out)
{
    for (size_t i = 0; i < COUNT_OF(nicknames); i++) {
        if (is_word(line, at, nicknames[i].name)) {
            snprintf(out->text, sizeof out->text, "%s", nicknames[i].fields);
            out->note = nicknames[i].note;
            return;
        }
    }
    struct text t = {0};
    write_fields(line, at, end, &t);
    bool fits = t.count < sizeof out->text;
    snprintf(out->text, sizeof out->text, "%s", fits ? t.bytes : "");
    if (fits && memchr(line->text + at, '~', end - at))
        out->note = "~ becomes H: a value drawn once for the job";
    if (is_word(line, at, "@every"))
        out->note = "@every counts from midnight UTC on the first of January 1970";
    crontab__text_fini(&t);
}

// --- The whole -----------------------------------------------------------------------------------

static enum err refuse(struct crontab_line *line, size_t at, const struct cron_error *e)
{
    enum crontab_kind kind =
        e->code == CRON_UNSUPPORTED ? CRONTAB_NOT_CONVERTIBLE : CRONTAB_INVALID;
    char words[CRON_ERROR_BYTES];
    cron_error_text(e, words, sizeof words);
    snprintf(line->hint, sizeof line->hint, "%s", e->hint);
    return crontab__refuse(line, kind, at + e->position, e->length, "%s", words);
}

// What is wrong with a schedule is said of the bytes that are in the line.
enum err crontab__schedule(struct crontab_line *line, size_t at, size_t end, struct written *out)
{
    struct cron_error e = {0};
    size_t bytes = end - at;
    if (bytes <= CRON_TEXT_BYTES_MAX)
        write_schedule(line, at, end, out);
    if (out->note &&
        cron_parse(out->text, strlen(out->text), NULL, &line->schedule, &e) == ERR_OK) {
        line->has_schedule = true;
        return ERR_OK;
    }
    if (cron_parse(line->text + at, bytes, NULL, &line->schedule, &e))
        return refuse(line, at, &e);
    line->has_schedule = true;
    return ERR_OK;
}
