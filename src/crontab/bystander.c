// SPDX-License-Identifier: MIT
// bystander.c: what may stand beside a call: commands that only print, wait or set a variable.

#include "crontab/shell_priv.h"

#include <stdio.h>

#define SHOWN 80 // Bytes of the command that a note shows.

static int shown_bytes(const struct words *w, size_t first)
{
    const struct word *last = &w->list[w->count - 1];
    return (int)MIN(last->at + last->bytes - w->list[first].at, SHOWN);
}

// --- Before the call -----------------------------------------------------------------------------

static enum err leave_out(struct shell *sh, const struct command_text *c, const struct words *w,
                          size_t first)
{
    crontab__call_note(&sh->call, "%.*s is not run", shown_bytes(w, first),
                       c->text + w->list[first].at);
    return ERR_OK;
}

static enum err pass_over(struct shell *sh, const struct command_text *c, const struct words *w,
                          size_t first)
{
    (void)sh;
    (void)c;
    (void)w;
    (void)first;
    return ERR_OK;
}

static enum err refuse_sleep(const struct command_text *c, const struct word *w)
{
    return crontab__command_refuse(
        c, w->at, w->bytes, "a job can wait whole seconds, at most a day, not '%.32s'", w->text);
}

// What is slept before the call becomes part of the schedule.
static enum err wait_for(struct shell *sh, const struct command_text *c, const struct words *w,
                         size_t first)
{
    for (size_t i = first + 1; i < w->count; i++) {
        const struct word *word = &w->list[i];
        uint64_t ms;
        enum err err = crontab__check_word(c, word);
        if (err)
            return err;
        if (!crontab__duration(word->text, true, &ms) || ms % 1000 || sh->delay_ms + ms > 86400000)
            return refuse_sleep(c, word);
        sh->delay_ms += ms;
    }
    crontab__call_note(&sh->call, "%.*s becomes part of the schedule", shown_bytes(w, first),
                       c->text + w->list[first].at);
    return ERR_OK;
}

static enum err set_local(struct shell *sh, const struct command_text *c, const struct word *w)
{
    enum err err = crontab__check_word(c, w);
    if (err)
        return err;
    size_t name = strspn(w->text, NAME_CHARACTERS);
    if (crontab__set_local(sh->environment, arena_copy(&sh->arena, w->text, name),
                           w->text + name + 1))
        return crontab__command_refuse(c, w->at, w->bytes, "it sets more than %d variables",
                                       LOCALS_MAX);
    return ERR_OK;
}

static enum err set_variables(struct shell *sh, const struct command_text *c, const struct words *w,
                              size_t first)
{
    enum err err = ERR_OK;
    for (size_t i = first + 1; i < w->count && !err; i++) {
        if (crontab__is_assignment(w->list[i].text))
            err = set_local(sh, c, &w->list[i]);
        else if (!crontab_is_name(w->list[i].text))
            err = crontab__command_refuse(c, w->list[i].at, w->list[i].bytes,
                                          "this is no variable to set");
    }
    sh->exports = true;
    return err;
}

// --- The call's output ---------------------------------------------------------------------------

static bool has_ending(const char *file, const char *ending)
{
    size_t bytes = strlen(file), wanted = strlen(ending);
    return bytes > wanted && strcmp(file + bytes - wanted, ending) == 0;
}

bool crontab__is_log(const char *file)
{
    static const char *const folders[] = {"/var/log/", "/dev/std",     "/dev/fd/",
                                          "/proc/",    "/dev/console", "/dev/tty"};
    static const char *const endings[] = {".log", ".out", ".err"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        if (strncmp(file, folders[i], strlen(folders[i])) == 0)
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        if (has_ending(file, endings[i]))
            return true;
    }
    return false;
}

// tee appends to its files, or they are logs.
static enum err take_copies(struct shell *sh, const struct command_text *c, const struct words *w,
                            size_t first)
{
    (void)sh;
    bool appends = false;
    for (size_t i = first + 1; i < w->count; i++) {
        const struct word *word = &w->list[i];
        appends = appends || strcmp(word->text, "-a") == 0 || strcmp(word->text, "--append") == 0;
        if (*word->text != '-' && !appends && !crontab__is_log(word->text))
            return crontab__command_refuse(c, word->at, word->bytes,
                                           "it writes the answer to the file %.64s", word->text);
    }
    return ERR_OK;
}

// What is added to a file is a log; what replaces a file may be all that the call is for.
enum err crontab__judge_redirection(struct shell *sh, const struct command_text *c,
                                    const struct redirection *r)
{
    size_t bytes = strlen(r->file);
    if (r->goes_nowhere)
        return ERR_OK;
    if (!r->reads && (bytes == 0 || r->file[bytes - 1] == '/'))
        return crontab__command_refuse(c, r->at, r->bytes, "no file has this name (%.*s)",
                                       (int)MIN(r->bytes, 64), c->text + r->at);
    if (r->reads || !(r->appends || r->complains || crontab__is_log(r->file)))
        return crontab__command_refuse(c, r->at, r->bytes, "it %s a file (%.*s)",
                                       r->reads ? "reads" : "writes the answer to",
                                       (int)MIN(r->bytes, 64), c->text + r->at);
    crontab__call_note(&sh->call, "the answer is kept with the execution, not in %.*s",
                       (int)MIN(r->at + r->bytes - r->file_at, SHOWN), c->text + r->file_at);
    return ERR_OK;
}

// --- The table -----------------------------------------------------------------------------------

static const struct bystander bystanders[] = {
    {"sleep", wait_for, true, NULL},   {"cd", leave_out, true, NULL},
    {"umask", leave_out, true, NULL},  {"export", set_variables, false, NULL},
    {":", pass_over, true, NULL},      {"true", pass_over, true, NULL},
    {"echo", leave_out, true, NULL},   {"printf", leave_out, true, NULL},
    {"date", leave_out, true, NULL},   {"exit", NULL, true, NULL},
    {"wait", NULL, true, NULL},        {"logger", leave_out, true, pass_over},
    {"cat", NULL, false, pass_over},   {"ts", NULL, false, pass_over},
    {"tee", NULL, false, take_copies},
};

const struct bystander *crontab__bystander(const char *word)
{
    const char *slash = strrchr(word, '/');
    const char *name = slash ? slash + 1 : word;
    for (size_t i = 0; i < COUNT_OF(bystanders); i++) {
        if (strcmp(bystanders[i].name, name) == 0)
            return &bystanders[i];
    }
    return NULL;
}

// --- Assignments ---------------------------------------------------------------------------------

bool crontab__is_assignment(const char *word)
{
    size_t name = strspn(word, NAME_CHARACTERS);
    return name > 0 && word[name] == '=' && !crontab__is_one_of(*word, "0123456789");
}

enum err crontab__check_program_variable(const struct command_text *c, const struct word *w)
{
    static const char *const heeded[] = {
        "http_proxy", "https_proxy",   "HTTPS_PROXY",  "all_proxy",       "ALL_PROXY",
        "no_proxy",   "NO_PROXY",      "HOME",         "CURL_HOME",       "CURL_CA_BUNDLE",
        "WGETRC",     "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC",           "LD_PRELOAD",
        "IFS",        "ENV",           "BASH_ENV",     "XDG_CONFIG_HOME",
    };
    size_t bytes = strspn(w->text, NAME_CHARACTERS);
    for (size_t i = 0; i < COUNT_OF(heeded); i++) {
        if (strlen(heeded[i]) == bytes && memcmp(heeded[i], w->text, bytes) == 0)
            return crontab__command_refuse(
                c, w->at, w->bytes, "it sets %s, which changes how the call is made", heeded[i]);
    }
    return crontab__check_word(c, w);
}

enum err crontab__take_assignments(struct shell *sh, const struct command_text *c,
                                   const struct words *w, size_t *first)
{
    enum err err = ERR_OK;
    size_t i = 0;
    for (; i < w->count && crontab__is_assignment(w->list[i].text) && !err; i++) {
        err = crontab__check_program_variable(c, &w->list[i]);
        if (!err)
            err = set_local(sh, c, &w->list[i]);
    }
    *first = i;
    return err;
}
