// SPDX-License-Identifier: MIT
// entry.c: an entry of a crontab: five fields or a nickname, perhaps a user, and a command.

#include "crontab/crontab_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIELDS 5

static size_t word_end(const struct crontab_line *line, size_t at)
{
    while (at < line->bytes && !crontab__is_blank(line->text[at]))
        at++;
    return at;
}

// --- The schedule --------------------------------------------------------------------------------

// Where the schedule that begins at `at` ends. 0 when the line has too few words.
static size_t schedule_end(struct crontab_line *line, size_t at)
{
    size_t words = line->text[at] == '@' ? 1 : FIELDS;
    size_t end = word_end(line, at);
    for (size_t i = 1; i < words; i++) {
        size_t next = crontab__skip_blanks(line, end);
        if (next == line->bytes) {
            crontab__refuse(line, CRONTAB_INVALID, at, line->bytes - at,
                            "five fields and a command are expected, found %zu word%s", i,
                            i == 1 ? "" : "s");
            return 0;
        }
        end = word_end(line, next);
    }
    return end;
}

static enum err refuse_schedule(struct crontab_line *line, size_t at, const struct cron_error *e)
{
    enum crontab_kind kind =
        e->code == CRON_UNSUPPORTED ? CRONTAB_NOT_CONVERTIBLE : CRONTAB_INVALID;
    char words[CRON_ERROR_BYTES];
    cron_error_text(e, words, sizeof words);
    snprintf(line->hint, sizeof line->hint, "%s", e->hint);
    return crontab__refuse(line, kind, at + e->position, e->length, "%s", words);
}

static enum err read_schedule(struct crontab_line *line, size_t at, size_t end)
{
    struct cron_error e = {0};
    if (cron_parse(line->text + at, end - at, NULL, &line->schedule, &e))
        return refuse_schedule(line, at, &e);
    line->has_schedule = true;
    return ERR_OK;
}

// The schedule with one blank between its fields.
static void set_schedule(struct job *j, const struct crontab_line *line, size_t at, size_t end)
{
    char text[CRON_TEXT_BYTES_MAX + 1];
    size_t used = 0;
    assert(end - at < sizeof text); // Else it would not have been read.
    for (; at < end; at++) {
        bool blank = crontab__is_blank(line->text[at]);
        if (!blank || text[used - 1] != ' ')
            text[used++] = blank ? ' ' : line->text[at];
    }
    text[used] = '\0';
    job_set_text(&j->schedule, text);
}

// --- The whole -----------------------------------------------------------------------------------

// Where the command begins. 0 when there is none.
static size_t command_start(struct crontab_line *line, size_t at, bool has_users)
{
    at = crontab__skip_blanks(line, at);
    if (has_users)
        at = crontab__skip_blanks(line, word_end(line, at));
    if (at < line->bytes)
        return at;
    crontab__refuse(line, CRONTAB_INVALID, line->bytes, 0, "%s",
                    has_users ? "a user and a command are missing" : "the command is missing");
    return 0;
}

void crontab__entry(struct crontab_line *line, bool has_users, struct job **draft)
{
    size_t start = crontab__skip_blanks(line, 0);
    size_t end = schedule_end(line, start);
    if (end == 0 || read_schedule(line, start, end))
        return;
    size_t at = command_start(line, end, has_users);
    if (at == 0)
        return;

    struct command_text command;
    crontab__command_init(&command, line, at);
    struct job *j = NULL;
    if (crontab__call(&command, &j) == ERR_OK) {
        set_schedule(j, line, start, end);
        job_set_text(&j->timezone, line->timezone);
        line->kind = CRONTAB_JOB;
        *draft = j;
    }
    crontab__command_fini(&command);
}
