// SPDX-License-Identifier: MIT
// lint.c: `carillon cron lint`: is this crontab sound, and could its lines become jobs?
//
// Errors are lines that no cron should be given, or that can never run. Warnings are legal and may
// surprise. That a command is no call of curl or wget is only noted: cron runs it all the same.

#include "base/memory.h"
#include "cli/cli_priv.h"
#include "cli/variables_priv.h"
#include "crontab/crontab.h"
#include "zones/zones.h"

#include <string.h>

struct lint {
    const char *file;
    struct crontab_options options;
    struct cli_variables variables;
    wall_ms now;
    unsigned entries;
    unsigned jobs;
    unsigned errors;
    unsigned warnings;
};

static int complain(const char *what, const char *detail)
{
    return cli__complain("cron lint", what, detail);
}

// --- What is said about a line -------------------------------------------------------------------

// FILE:LINE:COLUMN: message (try: hint)
static void say(const struct lint *l, const struct crontab_line *line, size_t position,
                const char *kind, const char *text, const char *hint)
{
    fprintf(stderr, "%s:%u:%zu: %s%s", l->file, line->number, position + 1, kind, text);
    if (*hint)
        fprintf(stderr, " (try: %s)", hint);
    fprintf(stderr, "\n");
}

static void say_error(struct lint *l, const struct crontab_line *line, size_t position,
                      const char *text, const char *hint)
{
    say(l, line, position, "", text, hint);
    cli__print_caret(stderr, line->text, line->bytes, position);
    fprintf(stderr, "\n");
    l->errors++;
}

static void say_warning(struct lint *l, const struct crontab_line *line, const char *text)
{
    say(l, line, 0, "warning: ", text, "");
    l->warnings++;
}

// --- Checks --------------------------------------------------------------------------------------

// An unknown zone is an error of the line that sets it; for the lines below UTC will do.
static void check_schedule(struct lint *l, const struct crontab_line *line)
{
    const struct zone *zone;
    struct cron_error e = {0};
    struct cron_warning warnings[CRON_WARNING_CODES];
    if (zone_find(line->timezone, &zone, NULL))
        zone = zone_utc();
    if (cron_check(&line->schedule, zone, l->now, &e)) {
        say_error(l, line, strspn(line->text, " \t"), e.message, e.hint);
        return;
    }
    size_t count = cron_warnings(&line->schedule, zone, l->now, warnings);
    for (size_t i = 0; i < count; i++)
        say_warning(l, line, warnings[i].text);
}

static enum err check_line(void *lint, const struct crontab_line *line)
{
    struct lint *l = lint;
    struct fault f = {0};
    const struct zone *zone;
    if (line->kind == CRONTAB_INVALID)
        say_error(l, line, line->position, line->reason, line->hint);
    else if (line->sets_timezone && zone_find(line->sets_timezone, &zone, &f))
        say_error(l, line, line->position, f.text, "");
    if (line->has_schedule)
        check_schedule(l, line);

    bool job = line->kind == CRONTAB_JOB;
    if (line->kind == CRONTAB_NOT_CONVERTIBLE)
        say(l, line, line->position, "note: not convertible: ", line->reason, line->hint);
    else if (job && *line->reason)
        say(l, line, 0, "note: ", line->reason, "");
    l->jobs += job;
    l->entries += job || line->kind == CRONTAB_NOT_CONVERTIBLE;
    return ERR_OK;
}

// The program crontab(1) refuses such a file.
static void check_end(struct lint *l, const char *text, size_t bytes)
{
    if (bytes == 0 || text[bytes - 1] == '\n')
        return;
    fprintf(stderr, "%s: warning: the last line does not end, so crontab will not take it\n",
            l->file);
    l->warnings++;
}

static int check_file(struct lint *l)
{
    char *text;
    size_t bytes;
    struct fault f = {0};
    if (cli__read_file(l->file, CRONTAB_BYTES_MAX, &text, &bytes, &f))
        return complain(f.text, NULL);
    enum err err = crontab_read(text, bytes, &l->options, check_line, l, &f);
    if (!err)
        check_end(l, text, bytes);
    free(text);
    if (err)
        return complain(f.text, NULL);
    printf("%u entries read, %u of them convertible to jobs; %u errors, %u warnings\n", l->entries,
           l->jobs, l->errors, l->warnings);
    return l->errors ? EXIT_INVALID : 0;
}

// --- The command ---------------------------------------------------------------------------------

static const struct option options[] = {
    {"tz", required_argument, NULL, 't'},
    {"system", no_argument, NULL, 's'},
    {"set", required_argument, NULL, 'v'},
    CLI_HELP,
    {0},
};

static const struct cli_command lint_command = {
    "cron lint",
    "Usage: carillon cron lint FILE|- [--tz ZONE] [--system] [--set NAME=VALUE]\n"
    "Checks a crontab: is each line sound, could it become a job?\n\n"
    "  --tz ZONE    its time zone, unless it sets CRON_TZ [UTC]\n"
    "  --system     its lines have a user, as in /etc/crontab and /etc/cron.d\n"
    "  --set NAME=VALUE, --set NAME\n"
    "               what a variable stands for, whatever the crontab says; NAME alone takes\n"
    "               it from the environment. May be given more than once\n\n"
    "Exit codes: 0, 2 if there is an error (warnings are none).\n",
    options,
};

static int set_option(struct lint *l, int option, char *value)
{
    const struct zone *zone;
    struct fault f = {0};
    if (option == 'v')
        return cli__set_variable(&l->variables, value, &f) ? complain(f.text, NULL) : 0;
    if (option == 's') {
        l->options.has_users = true;
        return 0;
    }
    l->options.timezone = value;
    return zone_find(value, &zone, &f) ? complain(f.text, NULL) : 0;
}

int cli__lint(int argc, char **argv)
{
    struct lint l = {.now = clock_wall_ms()};
    int option, code = 0;
    cli__flags_begin();
    while ((option = cli__flag(&lint_command, argc, argv, &code)) != CLI_END) {
        if (option != CLI_OVER)
            code = set_option(&l, option, optarg);
        if (code || option == CLI_OVER)
            return code;
    }
    if (optind + 1 != argc)
        return cli__complain_usage(&lint_command, "one file is expected, or - for standard input");
    l.file = argv[optind];
    l.options.set = l.variables.list;
    l.options.set_count = l.variables.count;
    return check_file(&l);
}
