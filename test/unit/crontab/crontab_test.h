// SPDX-License-Identifier: MIT
// crontab_test.h: what a crontab says, kept for a test to look at.

#ifndef CARILLON_TEST_CRONTAB_TEST_H
#define CARILLON_TEST_CRONTAB_TEST_H

#include "crontab/crontab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ANSWER_LINES_MAX 16

// The lines that say something, with a draft of its own for each job.
struct answer {
    struct crontab_line lines[ANSWER_LINES_MAX];
    struct job *drafts[ANSWER_LINES_MAX]; // NULL where there is none.
    char zones[ANSWER_LINES_MAX][ZONE_NAME_BYTES];
    char named[ANSWER_LINES_MAX][ZONE_NAME_BYTES]; // By the line itself; "" when it names none.
    size_t count;
};

void answer_read(struct answer *a, const char *text, const struct crontab_options *o);
void answer_read_bytes(struct answer *a, const char *text, size_t bytes,
                       const struct crontab_options *o);
void answer_free(struct answer *a);

// Reads "* * * * * COMMAND", whose command must become a job, and returns the job (job_free).
// *reason, if not NULL, becomes what is said about it.
struct job *job_of(const char *command, char reason[static CRONTAB_REASON_BYTES]);

// Reads "* * * * * COMMAND", which must not be convertible for a reason that contains `reason`,
// about the part of the command that is `part`.
void assert_not_convertible(const char *command, const char *part, const char *reason);

#endif
