// SPDX-License-Identifier: MIT
// crontab_fuzz.c: any bytes as a crontab, whose every line must be accounted for.
//
// A job is whole and its headers may be sent; what is no job has a reason, which lies within the
// line. Lines come in order, and each at most once.

#include "base/header.h"
#include "crontab/crontab.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct walk {
    const char *text;
    size_t bytes;
    unsigned number;
};

static void check_job(const struct job *j)
{
    struct cron_schedule s;
    assert(j->schedule && j->api && *j->api && j->timezone && j->name);
    assert(!strchr(j->name, '\n'));
    enum err err = cron_parse(j->schedule, strlen(j->schedule), NULL, &s, NULL);
    assert(err == ERR_OK);
    err = j->headers ? header_check_lines(j->headers, NULL) : ERR_OK;
    assert(err == ERR_OK);
    assert(j->timeout_ms >= JOB_MIN(timeout_ms) && j->timeout_ms <= JOB_MAX(timeout_ms));
    assert(j->max_retries <= JOB_MAX(max_retries) && j->method < JOB_METHODS);
    assert(j->redirects <= JOB_MAX(redirects) && j->overlap < OVERLAPS);
    assert(j->retry_base_ms > 0 && j->retry_base_ms <= j->retry_cap_ms);
    assert(j->retry_cap_ms <= JOB_MAX(retry_cap_ms) && j->retry_strategy < RETRY_STRATEGIES);
}

static enum err check_line(void *context, const struct crontab_line *line)
{
    struct walk *w = context;
    assert(line->number > w->number && line->kind < CRONTAB_KINDS);
    w->number = line->number;
    assert(line->text >= w->text && line->bytes <= w->bytes - (size_t)(line->text - w->text));
    assert(line->position <= line->bytes && line->length <= line->bytes - line->position);
    assert(strlen(line->reason) < sizeof line->reason && strlen(line->hint) < sizeof line->hint);
    assert((line->kind == CRONTAB_JOB) == (line->draft != NULL));
    assert(line->kind == CRONTAB_JOB || *line->reason);
    assert(line->timezone && strlen(line->timezone) < ZONE_NAME_BYTES);
    if (line->draft)
        check_job(line->draft);
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct walk w = {.text = (const char *)data, .bytes = bytes};
    const struct crontab_variable set[] = {{"SET", "http://set/ a"}, {"S", "'\"$S"}};
    struct crontab_options o = {
        .has_users = bytes % 8 == 7, .set = set, .set_count = bytes % 2 ? COUNT_OF(set) : 0};
    struct fault f = {0};
    enum err err = crontab_read(w.text, bytes, &o, check_line, &w, &f);
    assert(err == ERR_OK || (err == ERR_LIMIT && *f.text));
    return 0;
}
