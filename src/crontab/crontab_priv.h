// SPDX-License-Identifier: MIT
// crontab_priv.h: the stages of a line: variable or entry, command, list, words, call, job.
//
//   30 2 * * *  cd /srv && nice curl -d 'a=50\%' "$BASE/path" >> x.log || true %input
//   schedule    command, with `%` undone                                      what cron writes to
//               commands of a list, of which one calls a URL                  its standard input
//               words, with quotes undone and variables put in
//               wrappers, and a call of curl with its options -> the draft of a job
//
// Each stage that cannot go on fills in the line's reason and position and returns an error.

#ifndef CARILLON_CRONTAB_CRONTAB_PRIV_H
#define CARILLON_CRONTAB_CRONTAB_PRIV_H

#include "crontab/crontab.h"

#include <string.h>

// --- crontab.c: lines ----------------------------------------------------------------------------

static inline bool crontab__is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool crontab__is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

// What the name of a shell variable is made of, after its first letter.
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// Where the blanks that begin at `at` end.
size_t crontab__skip_blanks(const struct crontab_line *line, size_t at);

// Says what is wrong; returns ERR_SYNTAX for an invalid line and ERR_UNSUPPORTED for others.
enum err crontab__refuse(struct crontab_line *line, enum crontab_kind kind, size_t position,
                         size_t length, const char *format, ...) PRINTF_LIKE(5, 6);
void crontab__hint(struct crontab_line *line, const char *format, ...) PRINTF_LIKE(2, 3);

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
void crontab__add_percent(struct text *t, char c);           // "%2F"
void crontab__text_clear(struct text *t);                    // Keeps its room.
void crontab__text_fini(struct text *t);

// --- number.c: lengths of time -------------------------------------------------------------------

// Seconds, with decimals and, if `units`, with s, m, h or d behind them, as milliseconds; at most
// DURATION_MS_MAX, whatever was written. False when `text` is no such number.
#define DURATION_MS_MAX UINT64_C(1000000000000)
bool crontab__duration(const char *text, bool units, uint64_t *ms);

// --- environment.c: what variables stand for -----------------------------------------------------

#define VARIABLES_MAX 1000 // Which a crontab may set.
#define LOCALS_MAX 32      // Which one command may set.

struct variable {
    char *name;
    char *value;
    bool fixed; // The caller set it: no line may change it.
};

struct environment {
    struct variable *list; // In order of their names.
    size_t count;
    size_t capacity;
    struct crontab_variable locals[LOCALS_MAX]; // Variables of the command being read; borrowed.
    size_t local_count;
    size_t bytes_left; // So much more text may be put into the commands of the crontab.
    struct text used;  // "NAME " for each that was put into the command being read.
};

// NULL when it is not set.
const char *crontab__value(const struct environment *e, const char *name, size_t bytes);
// ERR_LIMIT when there are too many; ERR_FORBIDDEN when it is fixed.
MUST_CHECK enum err crontab__set_value(struct environment *e, const char *name, size_t name_bytes,
                                       const char *value, size_t value_bytes, bool fixed);
// For the command being read; both texts must outlive it. ERR_LIMIT when there are too many.
MUST_CHECK enum err crontab__set_local(struct environment *e, const char *name, const char *value);
void crontab__environment_fini(struct environment *e);

// --- variable.c: NAME = value --------------------------------------------------------------------

struct zones {
    const char *first;              // Before any variable.
    char names[2][ZONE_NAME_BYTES]; // What CRON_TZ says, which counts first, and TZ; "": not set.
};

const char *crontab__zone(const struct zones *z);

// False when the line is no variable; else its kind and reason are filled in.
bool crontab__variable(struct crontab_line *line, struct zones *z, struct environment *e);

// --- entry.c, schedule.c: schedule and command ---------------------------------------------------

// Fills in all that the line says. The caller owns *draft, which is NULL when it is no job.
void crontab__entry(struct crontab_line *line, bool has_users, struct environment *e,
                    struct job **draft);

// A schedule as a job takes it.
struct written {
    char text[CRON_TEXT_BYTES_MAX + 1];
    const char *note; // What was changed; NULL: nothing.
};

// Reads the bytes [at, end) of the line.
enum err crontab__schedule(struct crontab_line *line, size_t at, size_t end, struct written *out);
// Where the schedule that begins at `at` ends. 0 when the line has too few words.
size_t crontab__schedule_end(struct crontab_line *line, size_t at);
size_t crontab__word_end(const struct crontab_line *line, size_t at);

// --- command.c: what cron makes of `%` -----------------------------------------------------------

struct command_text {
    struct crontab_line *line;
    size_t at;   // Where in the line it begins.
    size_t end;  // Where in the line it ends: at a `%`, or with the line.
    char *text;  // For the shell.
    char *input; // For its standard input; NULL when there is none.
    // Of a command within a command (sh -c '...'): the word that holds it. Else NULL.
    const struct command_text *outer;
    size_t outer_at;
    size_t outer_bytes;
};

void crontab__command_init(struct command_text *c, struct crontab_line *line, size_t at);
void crontab__command_fini(struct command_text *c);

// Refuses the line because of `bytes` bytes of the command at `at`.
enum err crontab__command_refuse(const struct command_text *c, size_t at, size_t bytes,
                                 const char *format, ...) PRINTF_LIKE(4, 5);

// The same for `what`, a quote or a bracket, that is not closed: a `%` may have cut the command.
enum err crontab__command_refuse_open(const struct command_text *c, size_t at, size_t bytes,
                                      const char *what);

// --- scan.c, expand.c: what a shell makes of quotes, variables and signs -------------------------

#define WORDS_MAX 256

enum trouble_kind {
    TROUBLE_NONE,
    TROUBLE_OUTPUT,   // $(...)
    TROUBLE_BACKTICK, // `...`
    TROUBLE_VARIABLE, // A variable that is not set.
    TROUBLE_SHELL,    // Anything else that only a shell could work out.
};

// The first part of a word whose meaning is not known. It does not matter where the word does not.
struct trouble {
    enum trouble_kind kind;
    size_t at; // In the command.
    size_t bytes;
};

struct word {
    const char *text;
    size_t at; // Where it stands in the command, with its quotes.
    size_t bytes;
    struct trouble trouble;
};

struct words {
    struct word *list;
    size_t count;
    size_t capacity;
};

void crontab__words_fini(struct words *w);

enum token {
    TOKEN_END, // Also a comment.
    TOKEN_WORD,
    TOKEN_REDIRECTION,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_PIPE,
    TOKEN_SEMICOLON,
    TOKEN_AMPERSAND,
    TOKEN_OPEN,
    TOKEN_CLOSE,
};

struct scanner {
    const struct command_text *command;
    struct environment *environment; // NULL: what is read is not needed.
    struct arena *arena;             // For the texts of words.
    size_t at;                       // In the text of the command.
    // The word being read.
    struct words *words;
    struct text text;
    struct trouble trouble;
    size_t start;
    bool begun;  // The word is there, though it may be empty.
    bool splits; // Blanks in what a variable puts in end it.
};

void crontab__scan_init(struct scanner *s, const struct command_text *c, struct environment *e,
                        struct arena *a);
void crontab__scan_fini(struct scanner *s);

// Passes over blanks and says what comes next.
enum token crontab__peek(struct scanner *s);
// Passes over the operator that comes next; its place goes to *where.
void crontab__take(struct scanner *s, struct trouble *where);
// Adds the word that comes next, or the words that its variables make of it. `first`: it may be an
// assignment. The error is for what no shell would run.
enum err crontab__scan_word(struct scanner *s, struct words *w, bool first);

struct redirection {
    size_t at;
    size_t bytes;
    bool reads;        // Or else it writes.
    bool appends;      // >>
    bool complains;    // Only standard error goes there.
    bool goes_nowhere; // /dev/null, or another descriptor.
    const char *file;
    size_t file_at; // In the command, as it stands there.
};

enum err crontab__scan_redirection(struct scanner *s, struct redirection *out);

// expand.c: the part of a word that begins with a dollar sign or a backtick.
enum err crontab__scan_dollar(struct scanner *s, bool quoted);
enum err crontab__scan_backtick(struct scanner *s);
// Ends the word being read, if there is one.
enum err crontab__end_word(struct scanner *s);
void crontab__trouble(struct scanner *s, enum trouble_kind kind, size_t bytes);
// Refuses the line because of the word's trouble; ERR_OK when it has none.
enum err crontab__check_word(const struct command_text *c, const struct word *w);

// Whether the word stands in the command just so, without quotes.
static inline bool crontab__is_bare(const struct word *w, const char *text)
{
    return w->bytes == strlen(text) && strcmp(w->text, text) == 0;
}

bool crontab__is_assignment(const char *word);
// Refuses an assignment that would change how curl, wget or a shell work.
enum err crontab__check_program_variable(const struct command_text *c, const struct word *w);

// --- call.c: a call of curl or wget --------------------------------------------------------------

struct program;

struct call {
    const struct command_text *command;
    const struct program *program;
    struct word here;   // The option or URL being read.
    const char *script; // What a wrapper wants a shell to run; NULL: none.
    struct word script_word;
    bool runs_script; // sh -c
    bool forgets;     // The wrapped command does not see the crontab's variables.
    const char *url;
    const char *user; // "name" or "name:password".
    const char *password;
    struct text credentials;  // What the URL itself brings.
    const char *content_type; // What the program would send by itself.
    const char *accept;
    struct text headers; // "Name: value\n" lines.
    struct text omitted; // "Name\n" lines: headers that the program shall not send by itself.
    struct text body;
    struct text notes;
    enum job_method method;
    enum overlap overlap;
    bool has_method;
    bool asks_head; // -I, --spider
    bool has_body;
    bool body_in_query; // -G
    bool takes_braces;  // -g
    bool keeps_dots;    // --path-as-is
    bool drops_answer;  // The answer goes to /dev/null or to standard output.
    bool reads_input;   // -d @-
    bool prints;        // -dump: it needs no terminal.
    bool trusts_all;    // -k
    bool follows;       // Redirects.
    bool has_redirects_max;
    uint16_t redirects_max;
    bool has_retries;
    enum retry_strategy retry_strategy;
    uint32_t retry_base_ms;
    uint32_t retry_cap_ms;
    uint16_t retries;
    uint32_t timeout_ms;       // 0: not given.
    uint32_t outer_timeout_ms; // A wrapper's timeout; 0: not given.
};

// Reads wrappers and the call that they wrap. The caller owns *out, a job without schedule and
// zone; it stays NULL when a wrapper wants a shell to run call->script.
enum err crontab__call(struct call *c, const struct words *w, size_t first, struct job **out);
void crontab__call_fini(struct call *c);

// Whether the word names a program that calls a URL; whether it names one or a wrapper.
bool crontab__is_caller(const char *word);
bool crontab__is_program(const char *word);

// doubt.c: refuses the line because of the word, which names no program that is known.
enum err crontab__refuse_program(struct call *c, const struct words *w, size_t at);

// Refuses the line because of what is being read.
enum err crontab__call_refuse(const struct call *c, const char *format, ...) PRINTF_LIKE(2, 3);
// Says it once, and no more than there is room for.
void crontab__call_note(struct call *c, const char *format, ...) PRINTF_LIKE(2, 3);

// --- option.c: options as all programs take them -------------------------------------------------

struct option;
typedef enum err option_apply(struct call *c, const struct option *o, const char *value);

struct option {
    char letter;      // 0: none.
    const char *name; // NULL: none.
    bool has_value;
    option_apply *apply; // NULL: makes no difference to a job.
    const char *text;    // What `apply` needs: a header's name, a note, a reason.
};

#define OPTIONS(table) .options = (table), .option_count = COUNT_OF(table)

struct program {
    const char *name;
    const struct option *options;
    size_t option_count;
    bool takes_equals;      // --name=value
    bool one_dash;          // -name
    enum job_method method; // The method that GET and its sister programs stand for.
    enum err (*finish)(struct call *c);
    // For a wrapper, *next is the first word after the options, and becomes the first of the
    // command that is wrapped.
    enum err (*enter)(struct call *c, const struct words *w, size_t *next);
};

// Whether by its name the file is one that people read to see what happened.
bool crontab__is_log(const char *file);

// Reads the words from *next on; a wrapper's end before the first that is no option.
enum err crontab__read_options(struct call *c, const struct words *w, size_t *next);

// What several options of many programs do.
option_apply crontab__set_url, crontab__set_method, crontab__set_header, crontab__add_header,
    crontab__set_user, crontab__set_timeout, crontab__set_output, crontab__set_redirects,
    crontab__trust_all, crontab__ask_head, crontab__note, crontab__cannot;
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

// --- url.c: the URL of a call --------------------------------------------------------------------

// Makes of call->url what the program would ask for, and of a name and password in it call->user.
enum err crontab__url(struct call *c, struct text *out);

// --- curl.c, wget.c, browse.c, wrapper.c ---------------------------------------------------------

extern const struct program crontab__curl, crontab__wget;
extern const struct program crontab__browsers[], crontab__wrappers[];
extern const size_t crontab__browser_count, crontab__wrapper_count;

// --- shell.c: lists of commands ------------------------------------------------------------------

// Reads the command. The caller owns *out, a job without schedule and zone, which runs `*delay_s`
// seconds after what the schedule says.
enum err crontab__shell(const struct command_text *command, struct environment *e, struct job **out,
                        uint32_t *delay_s);

#endif
