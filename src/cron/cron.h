// SPDX-License-Identifier: MIT
// cron.h: from the text of a schedule to its next instant, and to words about it.
//
// A schedule is a pure function: (expression, zone, after) -> instant. It keeps no state and reads
// no clock, so every replica and every restart computes the same instants. `cron_parse` compiles a
// text once into a small value; `cron_next` then answers without allocating, locking or failing.
//
// Three kinds of text are understood: cron fields (5, 6 or 7 of them, and nicknames such as
// "@daily"), "@every 90s", and a one-shot date and time. All local times are read in the IANA zone
// that the caller brings.
//
// Where clocks change, a *fixed* schedule (no `*` and no `/` in second, minute and hour) runs once
// for each time it names: at the first instant after a gap, and in the first pass of a repeated
// hour. An *interval* schedule follows the clock: what a gap swallows is dropped, what repeats runs
// twice. `struct cron_options` changes this per job.
//
// Everything is pure: zones are found in the file system by another room, zones.

#ifndef CARILLON_CRON_CRON_H
#define CARILLON_CRON_CRON_H

#include "base/enum_words.h"
#include "base/err.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_TEXT_BYTES_MAX 256 // The longest expression that is read.
#define CRON_YEAR_FIRST 1970
#define CRON_YEAR_LAST 2199 // The search for an instant ends with this local year.

// ---- Time zones -----------------------------------------------------------------------------

#define ZONE_NAME_BYTES 64

// The rules of one time zone: every change of its offset until 2200. Immutable once made, so it may
// be shared by threads.
struct zone;

const struct zone *zone_utc(void); // Built in: needs no zone file.
const char *zone_name(const struct zone *z);

// Seconds to add to UTC to get local time at `utc_s` (seconds since the Unix epoch). Exact from the
// zone's first recorded change until 2200; earlier and later, the nearest offset goes on.
int32_t zone_offset_s(const struct zone *z, int64_t utc_s);

// Reads a zone from the bytes of a TZif file (RFC 9636: 64-bit block and footer). Pure: nothing is
// opened. The caller owns *out and ends it with zone_free. ERR_SYNTAX when the bytes are damaged,
// ERR_LIMIT when there are more changes than ZONE_CHANGES_MAX.
#define ZONE_CHANGES_MAX 4096
MUST_CHECK enum err zone_parse(const void *tzif, size_t bytes, const char *name, struct zone **out,
                               struct fault *f);
void zone_free(struct zone *z); // Only for zones of zone_parse. NULL is a no-op.

// Whether two zones have the same rules.
bool zone_same_rules(const struct zone *a, const struct zone *b);

// ---- Schedules ------------------------------------------------------------------------------

enum cron_kind {
    CRON_FIELDS,     // Cron fields or a nickname.
    CRON_EVERY,      // Multiples of a length since the Unix epoch; knows no zone.
    CRON_AT_LOCAL,   // A one-shot in the job's zone.
    CRON_AT_INSTANT, // A one-shot at an absolute instant.
};

#define ENUM ENUM_DECLARE
#define VALUE ENUM_DECLARE_VALUE
#include "cron/choices.def" // enum cron_gap, enum cron_fold
#undef ENUM
#undef VALUE

// What a job may choose. All zero (or a NULL pointer) means the defaults. One-shots ignore `gap`
// and `fold`: they take the first of two passes, and the end of a gap that appeared after creation.
struct cron_options {
    int64_t hash_seed; // The job's id: decides what `H` stands for, among dates that exist.
    enum cron_gap gap;
    enum cron_fold fold;
};

// A compiled schedule: a plain value of 104 bytes without pointers, which may be embedded, copied
// and compared with memcmp. Only the cron room reads its members. Bit n of a set means the value n,
// unless a comment says more.
struct cron_schedule {
    uint64_t seconds;
    uint64_t minutes;
    uint64_t years[4]; // Bit 0 is CRON_YEAR_FIRST.
    int64_t span_s;    // EVERY: the length. AT: local or UTC seconds since the epoch.
    int32_t last_day;  // No local date after this day number matches; -1: none at all.
    uint32_t hours;
    uint32_t days;                  // Bits 1 to 31.
    uint32_t days_weekday_nearest;  // `nW`, bits 1 to 31.
    uint32_t days_from_end;         // `L-n`; bit 0 is `L`.
    uint32_t days_from_end_weekday; // `L-nW`; bit 0 is `LW`.
    uint16_t months;                // Bits 1 to 12.
    uint8_t weekdays;               // Bit 0 is Sunday.
    uint8_t weekdays_nth[7];  // Per weekday: bits 0 to 4 are first to fifth, bit 5 is the last.
    uint8_t kind;             // enum cron_kind.
    uint8_t gap;              // enum cron_gap.
    uint8_t fold;             // enum cron_fold, never DEFAULT.
    bool interval;            // Second, minute or hour was written with `*` or `/`.
    bool days_restricted;     // The day field is neither `*` nor `?`.
    bool weekdays_restricted; // The same for the weekday field.
    bool days_both;           // `+`: both day fields must match, not either.
    bool quartz_weekdays;     // A weekday is a number, and the day is `?`: for a warning only.
    uint8_t steps_uneven;     // Set of enum cron_field: a step that does not divide its field.
    uint8_t steps_shifted;    // Set of enum cron_field: a step that node-cron 3 counts otherwise.
    bool hashed;              // `H` is written: options.hash_seed decides what it stands for.
    uint8_t unused[3];        // Zero instead of padding, so that equal values are equal in memory.
};

// Where in the text an error is.
enum cron_field {
    CRON_SECOND,
    CRON_MINUTE,
    CRON_HOUR,
    CRON_DAY,
    CRON_MONTH,
    CRON_WEEKDAY,
    CRON_YEAR,
    CRON_NO_FIELD, // The error is about the whole text.
};

const char *cron_field_name(enum cron_field field); // "second" to "year", and "" for CRON_NO_FIELD.

enum cron_code {
#define CRON_ERROR(name, text, err) CRON_##name,
#include "cron/error.def"
#undef CRON_ERROR
    CRON_CODES
};

const char *cron_code_name(enum cron_code code); // "range", "fields", "step" ...: stable.

// What is wrong with a text, for a person and for a program. `expected` and `hint` may be empty;
// `hint` is a text to write instead, or a short advice.
struct cron_error {
    enum cron_code code;
    enum cron_field field;
    size_t position; // 0-based byte offset in the text as received.
    size_t length;   // Bytes from there that are wrong; may be 0 at the end of the text.
    char message[160];
    char expected[96];
    char hint[128];
};

// "minute: 60 is out of range 0-59": field, message, and what is expected, unless the message says
// so. The hint is left to the caller. Always terminated; CRON_ERROR_BYTES is always enough.
#define CRON_ERROR_BYTES 288
void cron_error_text(const struct cron_error *e, char *out, size_t bytes);

// Compiles `bytes` bytes of text. `o` may be NULL (defaults), `e` may be NULL (nobody will read
// it). On failure *out is unchanged and *e holds the first error; the result is ERR_RANGE,
// ERR_LIMIT, ERR_UNSUPPORTED or ERR_SYNTAX, following the code. A schedule that can never fire does
// parse.
MUST_CHECK enum err cron_parse(const char *text, size_t bytes, const struct cron_options *o,
                               struct cron_schedule *out, struct cron_error *e);

// The first instant of the schedule strictly after `after`, which is floored to the second first.
// WALL_NEVER when there is none until the end of CRON_YEAR_LAST. Any `after` is allowed.
wall_ms cron_next(const struct cron_schedule *s, const struct zone *z, wall_ms after);

// Whether `at` itself is an instant of the schedule.
bool cron_matches(const struct cron_schedule *s, const struct zone *z, wall_ms at);

// Fixed schedules name their times; the others (among them `@every`) follow the clock.
bool cron_is_fixed(const struct cron_schedule *s);
bool cron_is_oneshot(const struct cron_schedule *s);

// Whether the text has an `H`, so that another job's id may make another schedule of it.
bool cron_is_hashed(const struct cron_schedule *s);

// What a new job must pass besides parsing. A one-shot: CRON_NO_SUCH_TIME when a change of the
// clock skips its local time, CRON_PAST when it is not after `now`. OK for all other schedules.
MUST_CHECK enum err cron_check_oneshot(const struct cron_schedule *s, const struct zone *z,
                                       wall_ms now, struct cron_error *e);

// The same, and CRON_NEVER_FIRES for a schedule without any instant after `now`. What a server
// calls when a job is created; `e` may be NULL.
MUST_CHECK enum err cron_check(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                               struct cron_error *e);

// ---- For people -----------------------------------------------------------------------------

#define CRON_WORDS_BYTES 4096  // Enough for any explanation.
#define CRON_NORMAL_BYTES 1024 // Enough for any normalised expression.

// Writes what the schedule means in plain English, such as "At 02:30, Monday through Friday",
// always terminated, cut when `bytes` is short. Returns the length without the cut.
size_t cron_explain(const struct cron_schedule *s, char *out, size_t bytes);

// Writes the expression in its normal form: single blanks, names as numbers, no leading zeros, `?`
// as `*`, nicknames as fields, `H` expanded for `o->hash_seed`. It compiles to the same schedule,
// but for what only warnings look at. Fails exactly as cron_parse does.
MUST_CHECK enum err cron_normalise(const char *text, size_t bytes, const struct cron_options *o,
                                   char *out, size_t out_bytes, struct cron_error *e);

// Writes the expression whose instants are those of `text` and `delay_s` seconds, less than two
// days. Only for five fields and nicknames. ERR_UNSUPPORTED when no one expression says it: a delay
// that takes only some instants to another hour, or to a day which a field excludes. ERR_LIMIT when
// `out_bytes` is too little; what cron_parse says of a text that it refuses.
MUST_CHECK enum err cron_delay(const char *text, size_t bytes, uint32_t delay_s, char *out,
                               size_t out_bytes);

// The schedule and its text at once: cron_parse, and the normal form of the text.
MUST_CHECK enum err cron_compile(const char *text, size_t bytes, const struct cron_options *o,
                                 struct cron_schedule *out, char normal[static CRON_NORMAL_BYTES],
                                 struct cron_error *e);

enum cron_warning_code {
#define CRON_WARNING(name, text) CRON_WARN_##name,
#include "cron/warning.def"
#undef CRON_WARNING
    CRON_WARNING_CODES
};

const char *cron_warning_name(enum cron_warning_code code); // "both_days", "gap" ...: stable.

struct cron_warning {
    enum cron_warning_code code;
    char text[256]; // A sentence for a person.
};

// What is legal but may surprise, for a schedule created at `now`: at most one warning of each
// code. Returns how many were written.
size_t cron_warnings(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                     struct cron_warning out[static CRON_WARNING_CODES]);

#endif
