// SPDX-License-Identifier: MIT
// secrets.c: `carillon secrets`: a key for the file that secrets are sealed with, and what is
// sealed, sealed again with the first key of a running server.
//
// The server does that itself (POST /secrets/rotate), since nobody else may change its jobs while
// they run.

#include "secrets/secrets.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <jansson.h>
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

// --- carillon secrets rotate ---------------------------------------------------------------------

static const struct option rotate_options[] = {
    {"url", required_argument, NULL, 'u'},
    CLI_HELP,
    {0},
};

static const struct cli_command rotate_command = {
    "secrets rotate",
    "Usage: carillon secrets rotate [--url " CLI_URL_DEFAULT "]\n"
    "Has a running server seal every secret again with the first key of its file, which then\n"
    "needs no other key any more. To replace a key: add the new one at the end of the file,\n"
    "restart every node; move it to the beginning, restart every node; run this; take the old\n"
    "one out. What is in clear under the name of a credential is sealed as well.\n\n"
    "  --url URL    the server [" CLI_URL_DEFAULT "]\n\n"
    "The token for it, if it wants one, is taken from the variable CARILLON_TOKEN.\n"
    "Exit codes: 0; 1 when the server cannot be reached, or something could not be sealed.\n",
    rotate_options,
};

static json_int_t number_of(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static int tell(const struct cli_answer *a)
{
    json_t *json = json_loadb(a->text, a->bytes, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    const json_t *failures = json_object_get(json, "failures");
    int exit_code = a->status == 200 && number_of(json, "failed") == 0 ? 0 : EXIT_SERVER;
    for (size_t i = 0; i < json_array_size(failures); i++) {
        const json_t *f = json_array_get(failures, i);
        const char *why = json_string_value(json_object_get(f, "error"));
        json_int_t channel = number_of(f, "channel_id");
        printf("%s %" JSON_INTEGER_FORMAT ": %s\n", channel ? "channel" : "job",
               channel ? channel : number_of(f, "job_id"), why ? why : "");
    }
    json_int_t channels = number_of(json, "channels");
    if (channels)
        printf("%" JSON_INTEGER_FORMAT " channels sealed again\n", channels);
    if (a->status == 200)
        printf("%" JSON_INTEGER_FORMAT " jobs sealed again, %" JSON_INTEGER_FORMAT " failed\n",
               number_of(json, "sealed"), number_of(json, "failed"));
    else
        cli__complain(rotate_command.name, "the server did not do it", error);
    json_decref(json);
    return exit_code;
}

static int rotate(int argc, char **argv)
{
    const char *server = CLI_URL_DEFAULT;
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&rotate_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        server = optarg;
    }
    if (optind != argc)
        return cli__complain_usage(&rotate_command, "no argument is expected");
    struct cli_answer a = {0};
    code = cli__call(rotate_command.name, "POST", server, "secrets/rotate", "", &a);
    if (!code)
        code = tell(&a);
    free(a.text);
    return code;
}

// --- The commands --------------------------------------------------------------------------------

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"new-key", new_key},
    {"rotate", rotate},
};

static int usage(FILE *to, int code)
{
    fprintf(to, "Usage: carillon secrets new-key\n"
                "       carillon secrets rotate [--url URL]\n"
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
