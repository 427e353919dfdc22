// SPDX-License-Identifier: MIT
// secrets.c: `carillon secrets new-key`: a key for the file that secrets are sealed with.

#include "secrets/secrets.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <openssl/crypto.h>
#include <string.h>

static const struct option new_key_options[] = {CLI_HELP, {0}};

static const struct cli_command new_key_command = {
    "secrets new-key",
    "Usage: carillon secrets new-key\n"
    "Prints a new key, one line, for the file that --secrets-key of the server names. The first\n"
    "key of that file seals secrets, and every key in it opens what it has sealed:\n\n"
    "  (umask 077; carillon secrets new-key > carillon.keys)\n",
    new_key_options,
};

static int new_key(int argc, char **argv)
{
    int code;
    cli__flags_begin();
    if (cli__flag(&new_key_command, argc, argv, &code) != CLI_END)
        return code;
    if (optind != argc)
        return cli__complain_usage(&new_key_command, "no argument is expected");
    char line[SECRET_KEY_LINE_BYTES];
    secret_new_key(line);
    printf("%s\n", line);
    OPENSSL_cleanse(line, sizeof line);
    return fflush(stdout) == 0 ? 0 : EXIT_SERVER;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"new-key", new_key},
};

static int usage(FILE *to, int code)
{
    fprintf(to, "Usage: carillon secrets new-key\n"
                "Each takes --help.\n");
    return code;
}

int cli_secrets(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, EXIT_INVALID);
    const char *word = argv[1];
    struct near n = near_to(word);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return usage(stdout, 0);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, word) == 0)
            return commands[i].run(argc - 1, argv + 1);
        near_see(&n, commands[i].name);
    }
    return cli_complain_command("carillon secrets", word, n);
}
