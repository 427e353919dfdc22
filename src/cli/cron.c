// SPDX-License-Identifier: MIT
// cron.c: `carillon cron`: what a schedule means and when it runs, without a server.

#include "cron/cron.h"
#include "base/err.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "zones/zones.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_DEFAULT 5
#define COUNT_MAX 100000

struct question {
    const char *text;
    const struct zone *zone;
    bool zoned; // A zone was named, so its local time is of interest.
    wall_ms from;
    long count;
    struct cron_schedule schedule;
};

static int complain(const char *what, const char *detail)
{
    return cli__complain("cron", what, detail);
}

// Whether a word of the text is the name of a file here, as when the shell has replaced a star.
static bool has_file_name(const char *text)
{
    char words[CRON_TEXT_BYTES_MAX + 1];
    bool found = false;
    if (snprintf(words, sizeof words, "%s", text) >= (int)sizeof words)
        return false;
    char *rest = words;
    for (char *word; !found && (word = strsep(&rest, " \t"));)
        found = strcspn(word, "0123456789*?,-/@") > 0 && access(word, F_OK) == 0;
    return found;
}

// The error with a caret under its position:
//     5/15 * * * *
//     ^ minute: a step needs `*` or a range before it (try: 5-59/15)
static int complain_schedule(const char *text, const struct cron_error *e)
{
    char words[CRON_ERROR_BYTES];
    cron_error_text(e, words, sizeof words);
    cli__print_caret(stderr, text, strlen(text), e->position);
    fprintf(stderr, " %s", words);
    if (e->hint[0])
        fprintf(stderr, " (try: %s)", e->hint);
    else if (has_file_name(text))
        fprintf(stderr, " (has the shell replaced a star by names of files? Quote the expression)");
    fprintf(stderr, "\n");
    return EXIT_INVALID;
}

static bool set_zone(struct question *q, const char *name)
{
    struct fault f = {0};
    q->zoned = true;
    if (zone_find(name, &q->zone, &f) == ERR_OK)
        return true;
    complain(f.text, NULL);
    return false;
}

static bool set_from(struct question *q, const char *text)
{
    if (wall_parse(text, strlen(text), &q->from))
        return true;
    complain("--from is not a time such as 2026-12-01T09:00:00Z", text);
    return false;
}

static bool set_count(struct question *q, const char *text)
{
    char *end;
    errno = 0;
    q->count = strtol(text, &end, 10);
    if (!errno && end != text && !*end && q->count >= 1 && q->count <= COUNT_MAX)
        return true;
    complain("--count is not a number from 1 to 100000", text);
    return false;
}

static bool set_option(struct question *q, int option, const char *value)
{
    if (option == 't')
        return set_zone(q, value);
    return option == 'f' ? set_from(q, value) : set_count(q, value);
}

// Several words where one expression is expected: what to write, if they are one without its
// quotes.
static int complain_words(const struct cli_command *c, int count, char **words)
{
    char text[CRON_TEXT_BYTES_MAX + 1] = "";
    struct cron_schedule ignored;
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", words[i]);
    bool whole = used < sizeof text && cron_parse(text, used, NULL, &ignored, NULL) == ERR_OK;
    fprintf(stderr, "carillon %s: one expression is expected; quote it: '%s'\n", c->name,
            whole ? text : "* * * * *");
    return EXIT_INVALID;
}

// Reads the flags and the one expression. Otherwise says what is wrong, and returns false with the
// exit code in *code.
static bool read_question(const struct cli_command *c, int argc, char **argv, struct question *q,
                          int *code)
{
    *q = (struct question){.zone = zone_utc(), .from = clock_wall_ms(), .count = COUNT_DEFAULT};
    *code = EXIT_INVALID;
    cli__flags_begin();
    int option;
    while ((option = cli__flag(c, argc, argv, code)) != CLI_END)
        if (option == CLI_OVER || !set_option(q, option, optarg))
            return false;
    if (optind == argc)
        *code = cli__complain_usage(c, "an expression is missing");
    else if (optind + 1 < argc)
        *code = complain_words(c, argc - optind, argv + optind);
    if (optind + 1 != argc)
        return false;
    q->text = argv[optind];
    struct cron_error e = {0};
    if (cron_parse(q->text, strlen(q->text), NULL, &q->schedule, &e)) {
        complain_schedule(q->text, &e);
        return false;
    }
    return true;
}

// Instants of schedules are whole seconds: "2026-11-29T08:00:00Z  2026-11-29T09:00:00+01:00".
static void print_instant(const struct question *q, wall_ms at)
{
    char text[RFC3339_BYTES], local[RFC3339_LOCAL_BYTES];
    wall_format(at, text);
    printf("%.19sZ", text);
    if (q->zoned) {
        wall_format_local(at, zone_offset_s(q->zone, at / 1000), local);
        printf("  %.19s%s", local, local + 23);
    }
    printf("\n");
}

// Why there is no instant after `from`.
static int complain_never(const struct question *q)
{
    struct cron_error e = {0};
    if (cron_check(&q->schedule, q->zone, q->from, &e) == ERR_OK)
        snprintf(e.message, sizeof e.message, "there is no instant after that");
    fprintf(stderr, "carillon cron next: never: %s\n", e.message);
    return EXIT_NO;
}

// --- carillon cron next --------------------------------------------------------------------------

// clang-format off
#define TZ_OPTION {"tz", required_argument, NULL, 't'}
// clang-format on

static const struct option next_options[] = {
    TZ_OPTION,
    {"from", required_argument, NULL, 'f'},
    {"count", required_argument, NULL, 'n'},
    CLI_HELP,
    {0},
};

static const struct cli_command next_command = {
    "cron next",
    "Usage: carillon cron next EXPR [--tz ZONE] [--from TIME] [--count N]\n"
    "Prints when a schedule runs, in UTC, and in local time if a zone is named.\n\n"
    "  --tz ZONE      the schedule's time zone, such as Europe/Paris [UTC]\n"
    "  --from TIME    only after this time, such as 2026-12-01T09:00:00Z [now]\n"
    "  --count N      so many instants, 1 to 100000 [5]\n\n"
    "Quote the expression, else the shell replaces its stars: '0 9 * * MON-FRI'.\n"
    "Exit codes: 0, 1 if it never runs, 2 if it is no schedule.\n",
    next_options,
};

static int next(int argc, char **argv)
{
    struct question q;
    int code;
    if (!read_question(&next_command, argc, argv, &q, &code))
        return code;
    wall_ms at = cron_next(&q.schedule, q.zone, q.from);
    if (at == WALL_NEVER)
        return complain_never(&q);
    for (long i = 0; i < q.count && at != WALL_NEVER; i++) {
        print_instant(&q, at);
        at = cron_next(&q.schedule, q.zone, at);
    }
    return 0;
}

// --- carillon cron explain -----------------------------------------------------------------------

static const struct option explain_options[] = {
    TZ_OPTION,
    CLI_HELP,
    {0},
};

static const struct cli_command explain_command = {
    "cron explain",
    "Usage: carillon cron explain EXPR [--tz ZONE]\n"
    "Says in words what a schedule means, and warns of what may surprise.\n\n"
    "  --tz ZONE      the schedule's time zone, such as Europe/Paris [UTC]\n\n"
    "Quote the expression, else the shell replaces its stars: '0 9 * * MON-FRI'.\n"
    "Exit codes: 0, 2 if it is no schedule.\n",
    explain_options,
};

static int explain(int argc, char **argv)
{
    struct question q;
    int code;
    if (!read_question(&explain_command, argc, argv, &q, &code))
        return code;
    char words[CRON_WORDS_BYTES];
    cron_explain(&q.schedule, words, sizeof words);
    printf("%s\n", words);
    fflush(stdout); // Before the warnings, which go another way.
    struct cron_warning warnings[CRON_WARNING_CODES];
    size_t count = cron_warnings(&q.schedule, q.zone, q.from, warnings);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "warning: %s\n", warnings[i].text);
    struct cron_error e = {0};
    if (cron_check(&q.schedule, q.zone, q.from, &e))
        fprintf(stderr, "warning: it never runs: %s\n", e.message);
    return 0;
}

// --- The commands --------------------------------------------------------------------------------

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"next", next, "next EXPR [--tz ZONE] [--from TIME] [--count N]"},
    {"explain", explain, "explain EXPR [--tz ZONE]"},
    {"lint", cli__lint, "lint FILE|- [--tz ZONE] [--system] [--set NAME=VALUE]"},
};

static int usage(FILE *to, int code)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "%s carillon cron %s\n", i ? "      " : "Usage:", commands[i].usage);
    fprintf(to, "Each takes --help. EXPR is one argument: '0 9 * * MON-FRI'.\n");
    return code;
}

int cli_cron(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, EXIT_INVALID);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return usage(stdout, 0);
    struct near n = near_to(argv[1]);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        near_see(&n, commands[i].name);
    }
    return cli_complain_command("carillon cron", argv[1], n);
}
