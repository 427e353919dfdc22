// SPDX-License-Identifier: MIT
// main.c: the program's commands.

#include "app/app_priv.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static int help(int argc, char **argv);

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("carillon %s\n", CARILLON_VERSION);
    return EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *purpose;
} commands[] = {
    {"serve", app__serve, "run the server (see: carillon serve --help)"},
    {"demo", app__demo, "run the server with a sample target and ten jobs"},
    {"cron", cli_cron, "next, explain, lint: schedules and crontabs, without a server"},
    {"import", cli_import, "make jobs of a crontab, on a running server"},
    {"backup", cli_backup, "copy the database, also of a running server"},
    {"doctor", cli_doctor, "is the database sound, and nothing in it lost?"},
    {"version", version, "print the version"},
    {"help", help, "print this"},
};

static void print_help(FILE *to)
{
    fprintf(to, "Carillon calls URLs on schedule and never misses a bell.\n\n"
                "Usage: carillon COMMAND [flags]\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].purpose);
    fprintf(to, "\nExit codes: 0 fine, 1 cannot start or reach the server, or the database is not\n"
                "sound, 2 wrong usage or input, 74 the database was lost.\n");
}

static int help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    print_help(stdout);
    return EXIT_OK;
}

static bool is_flag(const char *word, const char *name)
{
    return strncmp(word, "--", 2) == 0 && strcmp(word + 2, name) == 0;
}

int main(int argc, char **argv)
{
    app__give_memory();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0 || is_flag(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "carillon: unknown command \"%s\" (see: carillon help)\n", argv[1]);
    return EXIT_USAGE;
}
