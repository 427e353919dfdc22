// SPDX-License-Identifier: MIT
// cron.c: `carillon cron`: what a schedule means and when it runs, without a server.

#include "cron/cron.h"
#include "base/err.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_DEFAULT 5
#define COUNT_MAX 100000

struct question {
    const char *text;
    const struct zone *zone;
    wall_ms from;
    long count;
    struct cron_schedule schedule;
};

static int complain(const char *what, const char *detail)
{
    return cli__complain("cron", what, detail);
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
    fprintf(stderr, "\n");
    return EXIT_INVALID;
}

static bool set_zone(struct question *q, const char *name)
{
    struct fault f = {0};
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

static const struct option options[] = {
    {"tz", required_argument, NULL, 't'},
    {"from", required_argument, NULL, 'f'},
    {"count", required_argument, NULL, 'n'},
    {0},
};

static bool set_option(struct question *q, int option, const char *value, char **argv)
{
    switch (option) {
    case 't':
        return set_zone(q, value);
    case 'f':
        return set_from(q, value);
    case 'n':
        return set_count(q, value);
    default:
        complain(option == ':' ? "a value is missing after" : "unknown flag", argv[optind - 1]);
        return false;
    }
}

// Reads the flags and the one expression; says what is wrong and returns false otherwise.
static bool read_question(int argc, char **argv, struct question *q)
{
    *q = (struct question){.zone = zone_utc(), .from = clock_wall_ms(), .count = COUNT_DEFAULT};
    optind = 0; // glibc: start over, and let flags stand before or after the expression.
    int option;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1)
        if (!set_option(q, option, optarg, argv))
            return false;
    if (optind + 1 != argc) {
        complain(optind == argc ? "an expression is missing"
                                : "one expression is expected; quote it: '* * * * *'",
                 NULL);
        return false;
    }
    q->text = argv[optind];
    struct cron_error e = {0};
    if (cron_parse(q->text, strlen(q->text), NULL, &q->schedule, &e)) {
        complain_schedule(q->text, &e);
        return false;
    }
    return true;
}

static void print_instant(wall_ms at)
{
    char text[RFC3339_BYTES];
    wall_format(at, text);
    printf("%.19sZ\n", text); // Instants of schedules are whole seconds.
}

static int next(int argc, char **argv)
{
    struct question q;
    if (!read_question(argc, argv, &q))
        return EXIT_INVALID;
    wall_ms at = q.from;
    for (long i = 0; i < q.count; i++) {
        at = cron_next(&q.schedule, q.zone, at);
        if (at == WALL_NEVER)
            break;
        print_instant(at);
    }
    return 0;
}

static int explain(int argc, char **argv)
{
    struct question q;
    if (!read_question(argc, argv, &q))
        return EXIT_INVALID;
    char words[CRON_WORDS_BYTES];
    cron_explain(&q.schedule, words, sizeof words);
    printf("%s\n", words);
    struct cron_warning warnings[CRON_WARNING_CODES];
    size_t count = cron_warnings(&q.schedule, q.zone, q.from, warnings);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "warning: %s\n", warnings[i].text);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"next", next, "next EXPR [--tz ZONE] [--from TIME] [--count N]"},
    {"explain", explain, "explain EXPR [--tz ZONE]"},
    {"lint", cli__lint, "lint FILE|- [--tz ZONE] [--system]"},
};

static int usage(FILE *to, int code)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "%s carillon cron %s\n", i ? "      " : "Usage:", commands[i].usage);
    return code;
}

int cli_cron(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, EXIT_INVALID);
    if (strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    complain("unknown command", argv[1]);
    return usage(stderr, EXIT_INVALID);
}
