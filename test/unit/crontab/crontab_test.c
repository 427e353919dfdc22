// SPDX-License-Identifier: MIT
// crontab_test.c: reads crontabs for tests.

#include "crontab_test.h"

static enum err keep(void *context, const struct crontab_line *line)
{
    struct answer *a = context;
    assert_in_range(a->count, 0, ANSWER_LINES_MAX - 1);
    a->lines[a->count] = *line;
    a->drafts[a->count] = line->draft ? job_copy(line->draft) : NULL;
    snprintf(a->zones[a->count], ZONE_NAME_BYTES, "%s", line->timezone);
    snprintf(a->named[a->count], ZONE_NAME_BYTES, "%s",
             line->sets_timezone ? line->sets_timezone : "");
    a->count++;
    return ERR_OK;
}

void answer_read_bytes(struct answer *a, const char *text, size_t bytes,
                       const struct crontab_options *o)
{
    struct fault f = {0};
    a->count = 0;
    if (crontab_read(text, bytes, o, keep, a, &f))
        fail_msg("%s", f.text);
}

void answer_read(struct answer *a, const char *text, const struct crontab_options *o)
{
    answer_read_bytes(a, text, strlen(text), o);
}

void answer_free(struct answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        job_free(a->drafts[i]);
}

#define SCHEDULE "* * * * * "

static void read_command(struct answer *a, const char *command)
{
    char line[2048];
    assert_in_range(snprintf(line, sizeof line, SCHEDULE "%s", command), 1, sizeof line - 1);
    answer_read(a, line, NULL);
    assert_int_equal(a->count, 1);
}

struct job *job_of(const char *command, char reason[static CRONTAB_REASON_BYTES])
{
    struct answer a;
    read_command(&a, command);
    if (a.lines[0].kind != CRONTAB_JOB)
        fail_msg("%s: %s", command, a.lines[0].reason);
    memcpy(reason, a.lines[0].reason, CRONTAB_REASON_BYTES);
    return a.drafts[0];
}

void assert_not_convertible(const char *command, const char *part, const char *reason)
{
    struct answer a;
    read_command(&a, command);
    const struct crontab_line *line = &a.lines[0];
    if (line->kind != CRONTAB_NOT_CONVERTIBLE || !strstr(line->reason, reason))
        fail_msg("%s: kind %d, %s", command, (int)line->kind, line->reason);
    size_t at = strlen(SCHEDULE) + (size_t)(strstr(command, part) - command);
    if (line->position != at || line->length != strlen(part))
        fail_msg("%s: %s, about '%.*s'", command, line->reason, (int)line->length,
                 command + line->position - strlen(SCHEDULE));
    assert_true(line->has_schedule);
    answer_free(&a);
}
