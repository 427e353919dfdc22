// SPDX-License-Identifier: MIT
// log.h: one event per line, with ids, as text or as JSON.
//
// An event has a stable dotted name ("execution.failed") and a few typed fields; there is no
// free-form message to parse. Any thread may log. Lines go to standard error whole, in one write,
// so that those of two threads never mix. Low rooms return errors and stay silent; the caller that
// ends the story logs it, once.
//
//     log_info("job.created", LOG_INT("job_id", id), LOG_TEXT("schedule", text));

#ifndef CARILLON_BASE_LOG_H
#define CARILLON_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    const char *name;
    const char *text; // NULL: `number` counts.
    int64_t number;
};

static inline struct log_field log_text_field(const char *name, const char *text)
{
    return (struct log_field){name, text ? text : "", 0};
}

#define LOG_INT(field_name, value) ((struct log_field){(field_name), NULL, (int64_t)(value)})
#define LOG_TEXT(field_name, value) log_text_field((field_name), (value))

// At start, before there are threads. Default: text, from LOG_LEVEL_INFO.
void log_setup(enum log_level lowest, enum log_format format);

// Whether lines of this level are written, for callers to whom making one costs something.
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

// For a thread that says much at a time: from log_hold to log_release its lines are kept, up to
// 4 KiB, and then written together. Each call of log_hold needs its log_release; they do not
// nest. Errors are written at once, with what was kept before them.
void log_hold(void);
void log_release(void);

#define LOG_AT(level, event, ...)                                                                  \
    log_write((level), (event), (const struct log_field[]){{0}, ##__VA_ARGS__} + 1,                \
              sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) -  \
                  1)
#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)

#endif
