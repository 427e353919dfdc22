// SPDX-License-Identifier: MIT
// crontab.h: the lines of a crontab, as jobs.
//
// A crontab is read as cron reads it: variables, comments, five fields or a nickname, a command in
// which `%` has its meaning. A command that calls one URL by curl, wget or a like program becomes
// the draft of a job, also with what people put around such a call: a log, `|| true`, a sleep
// before it, a lock, a variable that the crontab sets. Any other is named with the reason why it
// cannot, so that its owner can decide. What only a shell could work out is never guessed at.
//
// Nothing is run, opened or looked up. Whether a time zone or a URL is acceptable is for the caller
// to find out: the draft is checked like any job that a client posts.

#ifndef CARILLON_CRONTAB_CRONTAB_H
#define CARILLON_CRONTAB_CRONTAB_H

#include "cron/cron.h"
#include "ledger/ledger.h"

#define CRONTAB_BYTES_MAX (1024 * 1024)
#define CRONTAB_LINES_MAX 10000
#define CRONTAB_LINE_BYTES_MAX (64 * 1024) // A longer line is invalid.
#define CRONTAB_REASON_BYTES 1024
#define CRONTAB_HINT_BYTES 160
#define CRONTAB_SET_MAX 100

// A variable with a value that counts, whatever the crontab says.
struct crontab_variable {
    const char *name;
    const char *value;
};

struct crontab_options {
    const char *timezone; // For the lines before any CRON_TZ or TZ; NULL: UTC.
    bool has_users;       // A system crontab: the name of a user stands before each command.
    const struct crontab_variable *set;
    size_t set_count; // At most CRONTAB_SET_MAX.
};

// Whether a shell would take the text for the name of a variable.
bool crontab_is_name(const char *name);

enum crontab_kind {
    CRONTAB_JOB,             // `draft` is the job.
    CRONTAB_SKIPPED,         // A variable.
    CRONTAB_NOT_CONVERTIBLE, // Fine for cron, but no job: `reason` says why.
    CRONTAB_INVALID,         // Not a line of a crontab, or its schedule is refused.
    CRONTAB_KINDS
};

// What a line says. Everything in it is borrowed for the call.
struct crontab_line {
    unsigned number;  // From 1.
    const char *text; // Without its end of line; not terminated.
    size_t bytes;
    enum crontab_kind kind;
    size_t position; // Bytes of the text that `reason` is about; 0 and 0: all of it.
    size_t length;
    char reason[CRONTAB_REASON_BYTES]; // CRONTAB_JOB: what will differ from cron; "" when nothing.
    char hint[CRONTAB_HINT_BYTES];     // What to write instead; may be "".
    const char *timezone;              // In force on this line, and from it on if it sets one.
    const char *sets_timezone;         // The zone that the line names, in force or not; NULL: none.
    bool has_schedule;                 // An entry whose schedule is valid, job or not.
    struct cron_schedule schedule;
    const struct job *draft; // CRONTAB_JOB
};

typedef enum err crontab_each(void *context, const struct crontab_line *line);

// Calls `each` for every line that says something: blank lines and comments do not. `o` may be
// NULL. An error of `each` ends the walk and is returned. ERR_LIMIT, before any call, when there
// are more than CRONTAB_BYTES_MAX bytes or CRONTAB_LINES_MAX lines.
MUST_CHECK enum err crontab_read(const char *text, size_t bytes, const struct crontab_options *o,
                                 crontab_each *each, void *context, struct fault *f);

#endif
