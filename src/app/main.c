// SPDX-License-Identifier: MIT
// main.c: the program's commands.

#include "app/app_priv.h"
#include "base/conceal.h"
#include "base/memory.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#define HELP_WORDS_MAX 4 // "cron next" has two.

static int help(int argc, char **argv);

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("carillon %s\n", CARILLON_VERSION);
    return EXIT_OK;
}

static const struct program_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *purpose;
    const char *flags[2]; // Flags that do the same.
} commands[] = {
    {"serve", app__serve, "run the server", {0}},
    {"demo", app__demo, "run the server with a sample target and ten jobs", {0}},
    {"cron", cli_cron, "next, explain, lint: schedules and crontabs, without a server", {0}},
    {"import", cli_import, "make jobs of a crontab, on a running server", {0}},
    {"tokens", cli_tokens, "create, list, revoke: who may use the API", {0}},
    {"channels", cli_channels, "list, create, test, delete: who is told of alerts", {0}},
    {"silences", cli_silences, "list, create, delete: when nobody is", {0}},
    {"backup", cli_backup, "copy the database, also of a running server", {0}},
    {"restore", cli_restore, "put a backup in the place of the database", {0}},
    {"move", cli_move, "move the database into PostgreSQL, or back into a file", {0}},
    {"doctor", cli_doctor, "is the database sound, and nothing in it lost?", {0}},
    {"secrets", cli_secrets, "the keys that secrets are sealed with", {0}},
    {"version", version, "print the version", {"--version", "-V"}},
    {"help", help, "print this, or the help of a command", {"--help", "-h"}},
};

static void print_help(FILE *to)
{
    fprintf(to, "Carillon calls URLs on schedule and never misses a bell.\n\n"
                "Usage: carillon COMMAND [flags]\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].purpose);
    fprintf(to, "\nEach takes --help.\n\n"
                "Exit codes: 0 fine; 1 cannot start or reach the server, or the answer is no (a\n"
                "schedule never runs, a database is not sound); 2 wrong usage, settings or input;\n"
                "74 the database was lost.\n");
}

static bool is_command(const struct program_command *c, const char *word)
{
    bool found = strcmp(word, c->name) == 0;
    for (size_t i = 0; i < COUNT_OF(c->flags) && c->flags[i]; i++)
        found |= strcmp(word, c->flags[i]) == 0;
    return found;
}

// Runs the command that argv[0] names.
static int run(int argc, char **argv)
{
    struct near n = near_to(argv[0]);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (is_command(&commands[i], argv[0]))
            return commands[i].run(argc, argv);
        near_see(&n, commands[i].name);
    }
    return cli_complain_command("carillon", argv[0], n);
}

// `carillon help cron next` is `carillon cron next --help`.
static int help(int argc, char **argv)
{
    static char flag[] = "--help";
    char *words[HELP_WORDS_MAX + 2];
    int count = MIN(argc - 1, HELP_WORDS_MAX);
    bool itself = count == 0 || argv[1][0] == '-' || strcmp(argv[1], "help") == 0;
    if (itself || strcmp(argv[1], "version") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    memcpy(words, argv + 1, (size_t)count * sizeof *words);
    words[count] = flag;
    words[count + 1] = NULL;
    return run(count + 1, words);
}

// Everybody on the machine sees the command line of a process, so passwords leave it at once.
static char **take_arguments(int argc, char **argv)
{
    static char **taken; // Lives as long as the process: settings and commands point into it.
    taken = xcalloc((size_t)argc + 1, sizeof *taken);
    for (int i = 0; i < argc; i++) {
        taken[i] = xstrdup(argv[i]);
        conceal_passwords(argv[i]);
    }
    return taken;
}

int main(int argc, char **argv)
{
    app__give_memory();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    return run(argc - 1, take_arguments(argc, argv) + 1);
}
