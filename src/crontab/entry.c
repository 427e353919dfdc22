// SPDX-License-Identifier: MIT
// entry.c: an entry of a crontab: a schedule, perhaps a user, and a command.

#include "crontab/crontab_priv.h"

#include <stdio.h>

// Where the command begins. 0 when there is none.
static size_t command_start(struct crontab_line *line, size_t at, bool has_users)
{
    at = crontab__skip_blanks(line, at);
    if (has_users)
        at = crontab__skip_blanks(line, crontab__word_end(line, at));
    if (at < line->bytes)
        return at;
    crontab__refuse(line, CRONTAB_INVALID, line->bytes, 0, "%s",
                    has_users ? "a user and a command are missing" : "the command is missing");
    return 0;
}

// Whether a program stands where a system crontab has a user.
static bool has_no_user(struct crontab_line *line, size_t at)
{
    at = crontab__skip_blanks(line, at);
    size_t bytes = crontab__word_end(line, at) - at;
    char word[32];
    snprintf(word, sizeof word, "%.*s", (int)MIN(bytes, sizeof word - 1), line->text + at);
    if (!crontab__is_program(word))
        return false;
    crontab__hint(line, "import it without --system");
    crontab__refuse(line, CRONTAB_NOT_CONVERTIBLE, at, bytes,
                    "%s stands where a system crontab names a user", word);
    return true;
}

// A job that runs `delay_s` seconds after the schedule of its line.
static enum err delay(struct crontab_line *line, size_t at, size_t end, uint32_t delay_s,
                      struct written *w)
{
    char delayed[CRON_TEXT_BYTES_MAX + 1];
    if (delay_s == 0)
        return ERR_OK;
    if (cron_delay(w->text, strlen(w->text), delay_s, delayed, sizeof delayed))
        return crontab__refuse(line, CRONTAB_NOT_CONVERTIBLE, at, end - at,
                               "no one schedule says: %u seconds after this", (unsigned)delay_s);
    snprintf(w->text, sizeof w->text, "%s", delayed);
    return ERR_OK;
}

static void finish(struct crontab_line *line, const struct written *w, struct job *j)
{
    job_set_text(&j->schedule, w->text);
    job_set_text(&j->timezone, line->timezone);
    line->kind = CRONTAB_JOB;
    if (w->note) {
        size_t used = strlen(line->reason);
        snprintf(line->reason + used, sizeof line->reason - used, "%s%s", used ? "; " : "",
                 w->note);
    }
}

// The start of an entry that goes on in the next line, as its author thought.
static enum err check_end(const struct command_text *c)
{
    size_t bytes = strlen(c->text), backslashes = 0;
    while (backslashes < bytes && c->text[bytes - 1 - backslashes] == '\\')
        backslashes++;
    if (backslashes % 2 == 0)
        return ERR_OK;
    crontab__hint(c->line, "write the entry on one line");
    return crontab__command_refuse(c, bytes - 1, 1, "cron joins no lines");
}

static void read_command(struct crontab_line *line, size_t at, struct environment *e,
                         size_t schedule_at, size_t schedule_end, struct written *w,
                         struct job **draft)
{
    struct command_text command;
    struct job *j = NULL;
    uint32_t delay_s = 0;
    crontab__command_init(&command, line, at);
    enum err err = check_end(&command);
    if (!err)
        err = crontab__shell(&command, e, &j, &delay_s);
    if (!err)
        err = delay(line, schedule_at, schedule_end, delay_s, w);
    if (!err) {
        finish(line, w, j);
        *draft = j;
        j = NULL;
    }
    job_free(j);
    crontab__command_fini(&command);
}

void crontab__entry(struct crontab_line *line, bool has_users, struct environment *e,
                    struct job **draft)
{
    struct written w = {0};
    size_t start = crontab__skip_blanks(line, 0);
    size_t end = crontab__schedule_end(line, start);
    if (end == 0 || crontab__schedule(line, start, end, &w))
        return;
    if (has_users && has_no_user(line, end))
        return;
    size_t at = command_start(line, end, has_users);
    if (at > 0)
        read_command(line, at, e, start, end, &w, draft);
}
