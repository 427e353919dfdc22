// SPDX-License-Identifier: MIT
// time.h: the three kinds of time, their clocks, and RFC 3339.
//
// `wall_ms` counts milliseconds since the Unix epoch on CLOCK_REALTIME: it says what is due, and it
// can step. `mono_ms` counts on CLOCK_BOOTTIME: timeouts and back-off, it never steps and goes on
// during suspend. `dur_ms` is a length. Several nodes on one database follow the database's clock
// instead of their own (clock_follow): `wall_ms` is then CLOCK_BOOTTIME and an offset. Reading a
// clock floors, so what is due at t is never seen as due before t. Only the outer rooms read
// clocks; the inner ones are told the time.

#ifndef CARILLON_BASE_TIME_H
#define CARILLON_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t wall_ms;
typedef int64_t mono_ms;
typedef int64_t dur_ms;

#define WALL_NEVER INT64_MAX
#define WALL_LAST 253402300799999 // 9999-12-31T23:59:59.999Z: the last instant that has a text.
#define MONO_NEVER INT64_MAX

// "now", read once per turn of a loop and handed on.
struct now {
    wall_ms wall;
    mono_ms mono;
};

struct now clock_now(void);
wall_ms clock_wall_ms(void);
mono_ms clock_mono_ms(void);
int64_t clock_wall_us(void); // Microseconds, for measuring lateness only.
int64_t clock_mono_us(void);

// From now on the wall clock of this process is clock_mono_us() + offset_us, whatever the machine's
// clock says. Any thread, and again whenever the offset has moved.
void clock_follow(int64_t offset_us);
bool clock_is_followed(void); // Whether clock_follow was ever called.

// When clock_mono_ms will have reached the instant, by the clock that is followed. WALL_NEVER gives
// MONO_NEVER. Only when a clock is followed.
mono_ms clock_mono_at(wall_ms at);

int64_t clock_machine_us(void); // CLOCK_REALTIME of this machine, also when another is followed.

#define RFC3339_BYTES 25 // "2026-11-24T05:27:00.000Z" and the terminating NUL.

// Writes `at` in UTC with milliseconds and "Z". Years 1970 to 9999.
void wall_format(wall_ms at, char out[static RFC3339_BYTES]);

#define RFC3339_LOCAL_BYTES 30 // "2026-11-24T06:27:00.000+01:00" and the terminating NUL.

// The same as local time with an offset of less than a day. An offset with seconds, as in old
// times, is cut. West of Greenwich the first hours of 1970 are in 1969; where it is the year 10000
// already, the text is that of UTC.
void wall_format_local(wall_ms at, int32_t offset_s, char out[static RFC3339_LOCAL_BYTES]);

// Parses RFC 3339 (date, "T", time, optional fraction, "Z" or offset; seconds may not be 60).
// False leaves *out alone. Digits of the fraction past the third are dropped.
bool wall_parse(const char *text, size_t bytes, wall_ms *out);

#define DURATION_UNITS 5
extern const struct duration_unit {
    const char *name;
    int64_t ms;
} duration_units[DURATION_UNITS]; // The smallest comes first.

// A whole number and its unit: "500ms", "30s", "15m", "12h" or "30d"; "0" needs none. False leaves
// *out alone.
bool duration_parse(const char *text, dur_ms *out);

// Proleptic Gregorian calendar: days since 1970-01-01 of a date, by integer arithmetic.
// `month` 1 to 12, `day` 1 to 31.
int64_t days_from_civil(int64_t year, unsigned month, unsigned day);

struct civil_date {
    int64_t year;
    unsigned month;
    unsigned day;
};

struct civil_date civil_from_days(int64_t days);
unsigned days_in_month(int64_t year, unsigned month);

#endif
