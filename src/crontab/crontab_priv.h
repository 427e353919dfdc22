// SPDX-License-Identifier: MIT
// crontab_priv.h: the stages of a line: variable or entry, command, words, call, job.
//
//   30 2 * * *  curl -d 'a=50\%' "http://host/x" %input
//   schedule    command, with `%` undone         what cron writes to its standard input
//               words, with quotes undone
//               a call of curl, with its options -> the draft of a job
//
// Each stage that cannot go on fills in the line's reason and position and returns an error.

#ifndef CARILLON_CRONTAB_CRONTAB_PRIV_H
#define CARILLON_CRONTAB_CRONTAB_PRIV_H

#include "crontab/crontab.h"

// --- crontab.c: lines ----------------------------------------------------------------------------

static inline bool crontab__is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// What the name of a shell variable is made of, after its first letter.
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// Where the blanks that begin at `at` end.
size_t crontab__skip_blanks(const struct crontab_line *line, size_t at);

// Says what is wrong; returns ERR_SYNTAX for an invalid line and ERR_UNSUPPORTED for others.
enum err crontab__refuse(struct crontab_line *line, enum crontab_kind kind, size_t position,
                         size_t length, const char *format, ...) PRINTF_LIKE(5, 6);

// --- variable.c: NAME = value --------------------------------------------------------------------

struct zones {
    const char *first;              // Before any variable.
    char names[2][ZONE_NAME_BYTES]; // Of CRON_TZ, which counts first, and of TZ; "": not set.
};

const char *crontab__zone(const struct zones *z);

// False when the line is no variable; else its kind and reason are filled in.
bool crontab__variable(struct crontab_line *line, struct zones *z);

// --- entry.c: schedule and command ---------------------------------------------------------------

// Fills in all that the line says. The caller owns *draft, which is NULL when it is no job.
void crontab__entry(struct crontab_line *line, bool has_users, struct job **draft);

// --- command.c: what cron makes of `%` -----------------------------------------------------------

struct command_text {
    struct crontab_line *line;
    size_t at;   // Where in the line it begins.
    char *text;  // For the shell.
    char *input; // For its standard input; NULL when there is none.
};

void crontab__command_init(struct command_text *c, struct crontab_line *line, size_t at);
void crontab__command_fini(struct command_text *c);

// Refuses the line because of `bytes` bytes of the command at `at`.
enum err crontab__command_refuse(const struct command_text *c, size_t at, size_t bytes,
                                 const char *format, ...) PRINTF_LIKE(4, 5);

// --- words.c: what a shell makes of quotes -------------------------------------------------------

#define WORDS_MAX 256

struct word {
    const char *text;
    size_t at; // Where it stands in the command, with its quotes.
    size_t bytes;
};

struct words {
    struct word list[WORDS_MAX];
    size_t count;
    char *bytes; // Of all texts.
};

// Fails when it would take a shell to understand the command. To be ended by words_fini either way.
enum err crontab__words_init(struct words *w, const struct command_text *c);
void crontab__words_fini(struct words *w);

// --- text.c: growing text ------------------------------------------------------------------------

struct text {
    char *bytes; // Terminated; NULL when nothing was ever added.
    size_t count;
    size_t capacity;
};

void crontab__add_bytes(struct text *t, const char *bytes, size_t count);
void crontab__add(struct text *t, const char *text);
void crontab__add_base64(struct text *t, const char *text);
void crontab__add_encoded(struct text *t, const char *text); // As curl encodes values of forms.
void crontab__text_fini(struct text *t);

// --- call.c: a call of curl or wget --------------------------------------------------------------

struct program;

struct call {
    const struct command_text *command;
    const struct program *program;
    struct word here; // The option or URL being read.
    const char *url;
    const char *user; // "name" or "name:password".
    const char *password;
    const char *content_type; // What the program would send by itself.
    const char *accept;
    struct text headers; // "Name: value\n" lines.
    struct text omitted; // "Name\n" lines: headers that the program shall not send by itself.
    struct text body;
    struct text notes;
    enum job_method method;
    bool has_method;
    bool has_body;
    bool body_in_query; // -G
    bool takes_braces;  // -g
    bool drops_answer;  // The answer goes to /dev/null or to standard output.
    bool stays;         // Redirects are not followed.
    bool has_retries;
    uint16_t retries;
    uint32_t timeout_ms; // 0: not given.
};

// Reads the command. The caller owns *out, a job without schedule and zone.
enum err crontab__call(const struct command_text *command, struct job **out);

// Refuses the line because of what is being read.
enum err crontab__call_refuse(const struct call *c, const char *format, ...) PRINTF_LIKE(2, 3);
void crontab__call_note(struct call *c, const char *note);

// --- option.c: options as both programs take them ------------------------------------------------

struct option;
typedef enum err option_apply(struct call *c, const struct option *o, const char *value);

struct option {
    char letter;      // 0: none.
    const char *name; // NULL: none.
    bool has_value;
    option_apply *apply; // NULL: makes no difference to a job.
    const char *text;    // What `apply` needs: a header's name, a note, a reason.
};

struct program {
    const char *name;
    const struct option *options;
    size_t option_count;
    bool takes_equals; // --name=value
    enum err (*finish)(struct call *c);
};

enum err crontab__read_options(struct call *c, const struct words *w);

// What several options of both programs do.
option_apply crontab__set_url, crontab__set_method, crontab__set_header, crontab__add_header,
    crontab__set_user, crontab__set_timeout, crontab__note, crontab__cannot;
enum err crontab__set_retries(struct call *c, const char *value, unsigned more);

// --- header.c: the headers of a call -------------------------------------------------------------

// A line as an option has it: "Name: value".
enum err crontab__header_line(struct call *c, const char *line);
enum err crontab__header(struct call *c, const char *name, const char *value);
// Adds what the program would send by itself, and checks all.
enum err crontab__finish_headers(struct call *c);

// --- data.c: the body of a call ------------------------------------------------------------------

#define CONTENT_TYPE_FORM "application/x-www-form-urlencoded"

option_apply crontab__data, crontab__data_raw, crontab__data_binary, crontab__data_encoded,
    crontab__data_json, crontab__data_only;

// --- curl.c, wget.c ------------------------------------------------------------------------------

extern const struct program crontab__curl, crontab__wget;

#endif
