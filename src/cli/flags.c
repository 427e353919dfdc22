// SPDX-License-Identifier: MIT
// flags.c: what all commands do alike with their flags: help, complaints, "did you mean".

#include "base/near.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <string.h>

void cli__flags_begin(void)
{
    optind = 0; // glibc: start over, and let flags stand before or after other arguments.
}

#define FLAG_BYTES 64

// "unknown flag --tzz; did you mean --tz?"
static int complain_unknown(const struct cli_command *c, const char *word)
{
    char name[FLAG_BYTES]; // Without the value that stands behind a `=`.
    const char *bare = word + strspn(word, "-");
    snprintf(name, sizeof name, "%.*s", (int)MIN(strcspn(bare, "="), sizeof name - 1), bare);
    struct near n = near_to(name);
    for (const struct option *o = c->options; o->name; o++)
        near_see(&n, o->name);
    fprintf(stderr, "carillon %s: unknown flag %s", c->name, word);
    if (n.best)
        fprintf(stderr, "; did you mean --%s?\n", n.best);
    else
        fprintf(stderr, " (see: carillon %s --help)\n", c->name);
    return EXIT_INVALID;
}

int cli__flag(const struct cli_command *c, int argc, char **argv, int *exit_code)
{
    int option = getopt_long(argc, argv, ":h", c->options, NULL);
    if (option == 'h') {
        fputs(c->usage, stdout);
        *exit_code = 0;
    } else if (option == ':') {
        *exit_code = cli__complain(c->name, "a value is missing after", argv[optind - 1]);
    } else if (option == '?') {
        // Within a cluster of letters, such as -xy, getopt may not have left the word yet.
        const char *word = argv[MIN(optind, argc) - 1];
        char letter[3] = {'-', (char)optopt, '\0'};
        *exit_code = complain_unknown(c, optopt && strncmp(word, "--", 2) != 0 ? letter : word);
    } else {
        return option;
    }
    return CLI_OVER;
}

int cli__complain_usage(const struct cli_command *c, const char *what)
{
    fprintf(stderr, "carillon %s: %s (see: carillon %s --help)\n", c->name, what, c->name);
    return EXIT_INVALID;
}

int cli_complain_command(const char *before, const char *word, struct near n)
{
    fprintf(stderr, "%s: unknown command \"%s\"", before, word);
    if (n.best)
        fprintf(stderr, "; did you mean %s?\n", n.best);
    else
        fprintf(stderr, " (see: %s --help)\n", before);
    return EXIT_INVALID;
}
