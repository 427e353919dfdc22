// SPDX-License-Identifier: MIT
// wrapper.c: programs that run another: nice, timeout, flock, sudo, sh -c and the like.
//
// A wrapper is peeled off, and what it does to the command becomes part of the job or of what is
// said about the job. One that takes its command as a text has a shell run that text.

#include "crontab/crontab_priv.h"

// --- What wrappers do ----------------------------------------------------------------------------

static enum err set_skip(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->overlap = OVERLAP_SKIP;
    return ERR_OK;
}

static enum err set_wait(struct call *c, const struct option *o, const char *value)
{
    uint64_t ms;
    if (!crontab__duration(value, false, &ms))
        return crontab__call_refuse(c, "'%.32s' is no number of seconds", value);
    if (ms == 0)
        return set_skip(c, o, value);
    crontab__call_note(c, "the lock is waited for however long it takes");
    return ERR_OK;
}

static enum err run_text(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->runs_script = true;
    return ERR_OK;
}

// --- What follows the options --------------------------------------------------------------------

static enum err enter_plain(struct call *c, const struct words *w, size_t *next)
{
    (void)w;
    (void)next;
    (void)c;
    return ERR_OK;
}

// The word which the wrapper's shell is to run; nothing may follow it, since that would be $0, $1.
static enum err take_script(struct call *c, const struct words *w, size_t *next)
{
    if (*next == w->count)
        return crontab__call_refuse(c, "%s has no command", c->program->name);
    c->script_word = w->list[(*next)++];
    c->script = c->script_word.text;
    if (*next < w->count)
        return crontab__command_refuse(c->command, w->list[*next].at, w->list[*next].bytes,
                                       "it hands a value to the command of %s", c->program->name);
    return crontab__check_word(c->command, &c->script_word);
}

static enum err enter_shell(struct call *c, const struct words *w, size_t *next)
{
    if (c->runs_script)
        return take_script(c, w, next);
    if (*next == w->count)
        return crontab__call_refuse(c, "%s has no command", c->program->name);
    return crontab__call_refuse(c, "it runs the script %.64s", w->list[*next].text);
}

// An operand in front of the command; NULL when it is missing.
static const struct word *take_operand(const struct words *w, size_t *next)
{
    return *next < w->count ? &w->list[(*next)++] : NULL;
}

static enum err enter_flock(struct call *c, const struct words *w, size_t *next)
{
    const struct word *lock = take_operand(w, next);
    bool is_text = *next < w->count && (strcmp(w->list[*next].text, "-c") == 0 ||
                                        strcmp(w->list[*next].text, "--command") == 0);
    if (!lock || *next == w->count)
        return crontab__call_refuse(c, "%s has no command", c->program->name);
    if (c->overlap == OVERLAP_ALLOW)
        c->overlap = OVERLAP_QUEUE;
    crontab__call_note(c,
                       "%s becomes overlap \"%s\", which keeps apart the executions of this job "
                       "alone",
                       c->program->name, overlap_name(c->overlap));
    *next += is_text;
    return is_text ? take_script(c, w, next) : ERR_OK;
}

static enum err enter_run_one(struct call *c, const struct words *w, size_t *next)
{
    (void)w;
    (void)next;
    c->overlap = OVERLAP_SKIP;
    crontab__call_note(c, "run-one becomes overlap \"skip\"");
    return ERR_OK;
}

static enum err enter_timeout(struct call *c, const struct words *w, size_t *next)
{
    const struct word *length = take_operand(w, next);
    uint64_t ms;
    if (!length)
        return crontab__call_refuse(c, "timeout has no command");
    c->here = *length;
    enum err err = crontab__check_word(c->command, length);
    if (err)
        return err;
    if (!crontab__duration(length->text, true, &ms) || (ms > 0 && ms < JOB_MIN(timeout_ms)))
        return crontab__call_refuse(c, "the timeout of a job is 0.1 to 3600 seconds, not '%.32s'",
                                    length->text);
    if (ms == 0 || ms > JOB_MAX(timeout_ms))
        crontab__call_note(c, "the timeout is 3600 seconds, the longest of a job, not %.32s",
                           ms == 0 ? "unlimited" : length->text);
    c->outer_timeout_ms = (uint32_t)(ms == 0 ? JOB_MAX(timeout_ms) : MIN(ms, JOB_MAX(timeout_ms)));
    return ERR_OK;
}

// env and sudo take variables in front of the command. No command that looks at them is known, but
// for a shell's.
static enum err enter_variables(struct call *c, const struct words *w, size_t *next)
{
    enum err err = ERR_OK;
    for (; !err && *next < w->count && crontab__is_assignment(w->list[*next].text); ++*next) {
        c->forgets = true;
        err = crontab__check_program_variable(c->command, &w->list[*next]);
    }
    return err;
}

static enum err forget(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->forgets = true;
    return ERR_OK;
}

static enum err enter_sudo(struct call *c, const struct words *w, size_t *next)
{
    crontab__call_note(c, "a job runs as no user of a machine (%s)", c->program->name);
    c->forgets = true; // The other user's variables are not these.
    return enter_variables(c, w, next);
}

static enum err enter_gosu(struct call *c, const struct words *w, size_t *next)
{
    take_operand(w, next);
    return enter_sudo(c, w, next);
}

// su [-] [USER] -c TEXT, and su -c TEXT [USER].
static enum err enter_su(struct call *c, const struct words *w, size_t *next)
{
    const struct word *script = NULL;
    for (size_t i = *next; i < w->count; i++) {
        const char *text = w->list[i].text;
        bool command = strcmp(text, "-c") == 0 || strcmp(text, "--command") == 0;
        bool value = strcmp(text, "-s") == 0 || strcmp(text, "--shell") == 0;
        if (command && i + 1 < w->count)
            script = &w->list[i + 1];
        i += command || value;
    }
    *next = w->count;
    if (!script)
        return crontab__call_refuse(c, "su has no command");
    crontab__call_note(c, "a job runs as no user of a machine (su)");
    c->forgets = true;
    c->script_word = *script;
    c->script = script->text;
    return crontab__check_word(c->command, script);
}

// --- The tables ----------------------------------------------------------------------------------

#define NUMBER_LETTERS                                                                             \
    {'0', NULL, false, NULL, NULL}, {'1', NULL, false, NULL, NULL},                                \
        {'2', NULL, false, NULL, NULL}, {'3', NULL, false, NULL, NULL},                            \
        {'4', NULL, false, NULL, NULL}, {'5', NULL, false, NULL, NULL},                            \
        {'6', NULL, false, NULL, NULL}, {'7', NULL, false, NULL, NULL},                            \
        {'8', NULL, false, NULL, NULL},                                                            \
    {                                                                                              \
        '9', NULL, false, NULL, NULL                                                               \
    }

static const struct option nice_options[] = {
    {'n', "adjustment", true, NULL, NULL},
    NUMBER_LETTERS, // -19
};
static const struct option ionice_options[] = {
    {'c', "class", true, NULL, NULL},
    {'n', "classdata", true, NULL, NULL},
    {'t', "ignore", false, NULL, NULL},
};
static const struct option timeout_options[] = {
    {'k', "kill-after", true, NULL, NULL},  {'s', "signal", true, NULL, NULL},
    {'f', "foreground", false, NULL, NULL}, {'p', "preserve-status", false, NULL, NULL},
    {'v', "verbose", false, NULL, NULL},
};
static const struct option flock_options[] = {
    {'n', "nonblock", false, set_skip, NULL},
    {0, "nb", false, set_skip, NULL},
    {'w', "timeout", true, set_wait, NULL},
    {0, "wait", true, set_wait, NULL},
    {'x', "exclusive", false, NULL, NULL},
    {'e', NULL, false, NULL, NULL},
    {'o', "close", false, NULL, NULL},
    {'F', "no-fork", false, NULL, NULL},
    {'E', "conflict-exit-code", true, NULL, NULL},
    {0, "verbose", false, NULL, NULL},
    {'s', "shared", false, crontab__cannot, "a shared lock (-s) keeps no two apart"},
    {'u', "unlock", false, crontab__cannot, "it takes a lock away (-u)"},
};
static const struct option lockf_options[] = {
    {'k', NULL, false, NULL, NULL},
    {'s', NULL, false, NULL, NULL},
    {'n', NULL, false, NULL, NULL},
    {'t', NULL, true, set_wait, NULL},
};
static const struct option env_options[] = {
    {'i', "ignore-environment", false, forget, NULL},
    {'u', "unset", true, forget, NULL},
    {'C', "chdir", true, NULL, NULL},
};
static const struct option sudo_options[] = {
    {'u', "user", true, NULL, NULL},
    {'g', "group", true, NULL, NULL},
    {'n', "non-interactive", false, NULL, NULL},
    {'E', "preserve-env", false, NULL, NULL},
    {'H', "set-home", false, NULL, NULL},
    {'i', "login", false, NULL, NULL},
    {'b', "background", false, NULL, NULL},
    {'S', "stdin", false, NULL, NULL},
};
static const struct option shell_options[] = {
    {'c', NULL, false, run_text, NULL}, {'l', "login", false, NULL, NULL},
    {'e', NULL, false, NULL, NULL},     {'u', NULL, false, NULL, NULL},
    {'x', NULL, false, NULL, NULL},     {'i', NULL, false, NULL, NULL},
    {0, "norc", false, NULL, NULL},     {0, "noprofile", false, NULL, NULL},
    {0, "posix", false, NULL, NULL},    {'o', NULL, true, NULL, NULL},
};
static const struct option time_options[] = {
    {'p', "portability", false, NULL, NULL}, {'v', "verbose", false, NULL, NULL},
    {'f', "format", true, NULL, NULL},       {'o', "output", true, NULL, NULL},
    {'a', "append", false, NULL, NULL},      {'q', "quiet", false, NULL, NULL},
};
static const struct option printing_options[] = {
    {'v', NULL, false, NULL, NULL},
    {'e', NULL, false, NULL, NULL},
    {'t', "identifier", true, NULL, NULL},
    {'p', "priority", true, NULL, NULL},
};
static const struct option stdbuf_options[] = {
    {'i', "input", true, NULL, NULL},
    {'o', "output", true, NULL, NULL},
    {'e', "error", true, NULL, NULL},
};
static const struct option setsid_options[] = {
    {'c', "ctty", false, NULL, NULL},
    {'f', "fork", false, NULL, NULL},
    {'w', "wait", false, NULL, NULL},
};

#define WRAPPER(known, table, what)                                                                \
    {                                                                                              \
        .name = known, OPTIONS(table), .takes_equals = true, .enter = what                         \
    }
#define PLAIN(known)                                                                               \
    {                                                                                              \
        .name = known, .enter = enter_plain                                                        \
    } // Without options.

const struct program crontab__wrappers[] = {
    WRAPPER("nice", nice_options, enter_plain),
    WRAPPER("ionice", ionice_options, enter_plain),
    WRAPPER("timeout", timeout_options, enter_timeout),
    WRAPPER("flock", flock_options, enter_flock),
    WRAPPER("lockf", lockf_options, enter_flock),
    {.name = "run-one", .enter = enter_run_one},
    WRAPPER("env", env_options, enter_variables),
    WRAPPER("sudo", sudo_options, enter_sudo),
    WRAPPER("doas", sudo_options, enter_sudo),
    WRAPPER("runuser", sudo_options, enter_sudo),
    {.name = "gosu", .enter = enter_gosu},
    {.name = "su-exec", .enter = enter_gosu},
    {.name = "su", .enter = enter_su},
    WRAPPER("sh", shell_options, enter_shell),
    WRAPPER("bash", shell_options, enter_shell),
    WRAPPER("dash", shell_options, enter_shell),
    WRAPPER("ash", shell_options, enter_shell),
    WRAPPER("time", time_options, enter_plain),
    WRAPPER("chronic", printing_options, enter_plain),
    PLAIN("cronic"),
    WRAPPER("systemd-cat", printing_options, enter_plain),
    WRAPPER("stdbuf", stdbuf_options, enter_plain),
    PLAIN("unbuffer"),
    PLAIN("nohup"),
    WRAPPER("setsid", setsid_options, enter_plain),
    PLAIN("exec"),
    PLAIN("command"),
    PLAIN("busybox"),
};
const size_t crontab__wrapper_count = COUNT_OF(crontab__wrappers);
