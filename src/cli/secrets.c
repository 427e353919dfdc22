// SPDX-License-Identifier: MIT
// secrets.c: `carillon secrets`: a key for the file that secrets are sealed with, and what is
// sealed, sealed again with the first key of a running server.
//
// The server does that itself (POST /secrets/rotate), since nobody else may change its jobs while
// they run.

#include "secrets/secrets.h"
#include "base/memory.h"
#include "base/url.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <assert.h>
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>

#define URL_DEFAULT "http://127.0.0.1:3000"
#define ANSWER_BYTES_MAX 65536
#define CONNECT_S 10
#define TOKEN_BYTES_MAX 4096

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
    "Usage: carillon secrets rotate [--url " URL_DEFAULT "]\n"
    "Has a running server seal every secret again with the first key of its file, which then\n"
    "needs no other key any more. To replace a key: add the new one at the end of the file,\n"
    "restart every node; move it to the beginning, restart every node; run this; take the old\n"
    "one out. What is in clear under the name of a credential is sealed as well.\n\n"
    "  --url URL    the server [" URL_DEFAULT "]\n\n"
    "The token for it, if it wants one, is taken from the variable CARILLON_TOKEN.\n"
    "Exit codes: 0; 1 when the server cannot be reached, or something could not be sealed.\n",
    rotate_options,
};

struct answer {
    char text[ANSWER_BYTES_MAX];
    size_t bytes;
    long status;
};

static size_t keep(char *bytes, size_t size, size_t count, void *context)
{
    struct answer *a = context;
    size_t more = size * count;
    if (a->bytes + more > sizeof a->text)
        return 0; // libcurl ends with CURLE_WRITE_ERROR.
    memcpy(a->text + a->bytes, bytes, more);
    a->bytes += more;
    return more;
}

// A server that asks for a token gets the one in the environment. NULL: there is none.
static struct curl_slist *authorization(void)
{
    const char *token = getenv("CARILLON_TOKEN");
    char line[TOKEN_BYTES_MAX + 32];
    if (!token || !*token || strlen(token) > TOKEN_BYTES_MAX)
        return NULL;
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    struct curl_slist *list = curl_slist_append(NULL, line);
    OPENSSL_cleanse(line, sizeof line);
    return list;
}

// The answer takes as long as it takes: nothing bounds the number of jobs.
static int ask(const char *server, struct answer *a)
{
    char url[URL_BYTES_MAX + 32], error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = authorization();
    size_t length = strlen(server);
    bool slash = length > 0 && server[length - 1] == '/';
    snprintf(url, sizeof url, "%s%ssecrets/rotate", server, slash ? "" : "/");
    CURL *curl = curl_easy_init();
    assert(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (!code)
        return 0;
    cli__complain(rotate_command.name, url, *error ? error : curl_easy_strerror(code));
    return EXIT_SERVER;
}

static json_int_t number_of(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static int tell(const struct answer *a)
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
    const char *server = URL_DEFAULT;
    struct fault f = {0};
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&rotate_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        server = optarg;
    }
    if (optind != argc)
        return cli__complain_usage(&rotate_command, "no argument is expected");
    if (url_check(server, &f))
        return cli__complain(rotate_command.name, f.text, server);
    struct answer *a = xcalloc(1, sizeof *a);
    code = ask(server, a);
    if (!code)
        code = tell(a);
    free(a);
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
