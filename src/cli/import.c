// SPDX-License-Identifier: MIT
// import.c: `carillon import crontab`: sends a crontab to a server and tells what became of it.
//
// The server decides everything; this prints one line for each line of the crontab that says
// something, and a summary.

#include "base/memory.h"
#include "base/stream.h"
#include "base/url.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cli/variables_priv.h"
#include "crontab/crontab.h"

#include <assert.h>
#include <curl/curl.h>
#include <jansson.h>
#include <string.h>

#define URL_DEFAULT "http://127.0.0.1:3000"
#define ANSWER_BYTES_MAX (64 * 1024 * 1024)
#define CONNECT_S 10
#define ANSWER_S 300
#define TOKEN_FILE_BYTES_MAX 4096

struct import {
    const char *file;
    const char *server;
    const char *timezone; // NULL: not said.
    bool dry_run;
    bool system;
    bool skip_existing;
    const char *key_prefix; // NULL: the jobs get no keys.
    const char *token_file; // NULL: the token is that of CARILLON_TOKEN, if there is one.
    struct cli_variables variables;
};

static int complain(int code, const char *what, const char *detail)
{
    cli__complain("import", what, detail);
    return code;
}

// --- The request ---------------------------------------------------------------------------------

struct answer {
    long status;
    char *text;
    size_t bytes;
    size_t capacity;
};

static size_t keep(char *bytes, size_t size, size_t count, void *context)
{
    struct answer *a = context;
    size_t more = size * count;
    if (a->bytes + more > ANSWER_BYTES_MAX)
        return 0; // libcurl ends with CURLE_WRITE_ERROR.
    if (a->bytes + more > a->capacity) {
        a->capacity = MAX(a->bytes + more, 2 * a->capacity);
        a->text = xrealloc(a->text, a->capacity);
    }
    memcpy(a->text + a->bytes, bytes, more);
    a->bytes += more;
    return more;
}

static void add_parameter(FILE *out, CURL *curl, const char *name, const char *value)
{
    char *text = value ? curl_easy_escape(curl, value, 0) : NULL;
    assert(text || !value);
    if (text)
        fprintf(out, "&%s=%s", name, text);
    curl_free(text);
}

// "http://host/import?dry_run=1&timezone=Europe%2FParis"; the caller frees it.
static char *address(const struct import *im, CURL *curl)
{
    char *url = NULL;
    size_t bytes = 0;
    FILE *out = stream_open(&url, &bytes);
    size_t length = strlen(im->server);
    bool slash = length > 0 && im->server[length - 1] == '/';
    fprintf(out, "%s%simport?dry_run=%d&system=%d%s", im->server, slash ? "" : "/", im->dry_run,
            im->system, im->skip_existing ? "&skip_existing=1" : "");
    add_parameter(out, curl, "timezone", im->timezone);
    add_parameter(out, curl, "key_prefix", im->key_prefix);
    stream_close(out);
    return url;
}

// "Authorization: Bearer TOKEN", or NULL: there is no token. The caller frees it.
static enum err authorization(const struct import *im, char **out, struct fault *f)
{
    static const char header[] = "Authorization: Bearer ";
    const char *variable = getenv("CARILLON_TOKEN");
    char *text = NULL;
    size_t bytes;
    if (im->token_file) {
        enum err err = cli__read_file(im->token_file, TOKEN_FILE_BYTES_MAX, &text, &bytes, f);
        if (err)
            return err;
        text[MIN(strcspn(text, "\r\n"), bytes)] = '\0';
    } else if (variable && *variable) {
        text = xstrdup(variable);
    }
    bytes = text ? strlen(text) + sizeof header : 0;
    *out = text ? xmalloc(bytes) : NULL;
    if (text)
        snprintf(*out, bytes, "%s%s", header, text);
    free(text);
    return ERR_OK;
}

static int post(const struct import *im, const char *type, const char *text, size_t bytes,
                struct answer *a)
{
    struct fault f = {0};
    char *secret = NULL;
    if (authorization(im, &secret, &f))
        return complain(EXIT_INVALID, f.text, NULL);
    CURL *curl = curl_easy_init();
    assert(curl);
    char error[CURL_ERROR_SIZE] = "";
    char *url = address(im, curl);
    struct curl_slist *headers = curl_slist_append(NULL, type);
    headers = curl_slist_append(headers, "Expect:");
    if (secret)
        headers = curl_slist_append(headers, secret);
    free(secret);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    int exit_code = 0;
    if (code)
        exit_code = complain(EXIT_SERVER, url, *error ? error : curl_easy_strerror(code));
    free(url);
    return exit_code;
}

// {"crontab": TEXT, "set": {NAME: VALUE}}; NULL when something is not UTF-8. The caller frees it.
static char *object_of(const struct import *im, const char *text, size_t bytes)
{
    json_t *crontab = json_stringn(text, bytes), *set = json_object();
    bool fine = crontab != NULL;
    for (size_t i = 0; i < im->variables.count; i++) {
        const struct crontab_variable *v = &im->variables.list[i];
        fine = json_object_set_new(set, v->name, json_string(v->value)) == 0 && fine;
    }
    json_t *object = fine ? json_pack("{sOsO}", "crontab", crontab, "set", set) : NULL;
    char *out = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    json_decref(crontab);
    json_decref(set);
    return out;
}

// As it stands, unless variables go with it.
static int post_crontab(const struct import *im, const char *text, size_t bytes, struct answer *a)
{
    if (im->variables.count == 0)
        return post(im, "Content-Type: text/x-crontab", text, bytes, a);
    char *object = object_of(im, text, bytes);
    if (!object)
        return complain(EXIT_INVALID, "with --set crontab and values must be UTF-8", NULL);
    int exit_code = post(im, "Content-Type: application/json", object, strlen(object), a);
    free(object);
    return exit_code;
}

// --- What became of it ---------------------------------------------------------------------------

static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : "";
}

static json_int_t number_of(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

// "line 12: created 7: 30 2 * * * (UTC) GET http://host/path; reason (try: hint)"
static void print_result(const json_t *result)
{
    const json_t *id = json_object_get(result, "id");
    const char *status = text_of(result, "status");
    const char *reason = text_of(result, "reason"), *hint = text_of(result, "hint");
    printf("line %" JSON_INTEGER_FORMAT ": %s", number_of(result, "line"), status);
    if (json_is_integer(id))
        printf(" job %" JSON_INTEGER_FORMAT, json_integer_value(id));
    if (*text_of(result, "api"))
        printf(": %s (%s) %s %s", text_of(result, "schedule"), text_of(result, "timezone"),
               text_of(result, "method"), text_of(result, "api"));
    if (*reason)
        printf(": %s", reason);
    if (*hint)
        printf(" (try: %s)", hint);
    printf("\n");
}

static const struct {
    const char *name;
    const char *words;
    int exit_code; // When there is at least one.
} counters[] = {
    {"created", "created", 0},
    {"updated", "updated", 0},
    {"would_create", "would be created", 0},
    {"would_update", "would be updated", 0},
    {"skipped", "skipped", 0},
    {"not_convertible", "not convertible", 0},
    {"invalid", "invalid", EXIT_INVALID},
    {"failed", "failed", EXIT_SERVER},
};

// "3 created, 1 not convertible"; the exit code is the one of the last row that counts.
static int print_summary(const json_t *answer)
{
    int exit_code = 0;
    bool first = true;
    for (size_t i = 0; i < COUNT_OF(counters); i++) {
        json_int_t count = number_of(answer, counters[i].name);
        if (count == 0)
            continue;
        printf("%s%" JSON_INTEGER_FORMAT " %s", first ? "" : ", ", count, counters[i].words);
        first = false;
        if (counters[i].exit_code)
            exit_code = counters[i].exit_code;
    }
    printf("%s\n", first ? "there is no entry in it" : "");
    return exit_code;
}

static int print_answer(const struct answer *a)
{
    json_t *json = json_loadb(a->text ? a->text : "", a->bytes, 0, NULL);
    const json_t *results = json_object_get(json, "results");
    int exit_code;
    if (a->status == 200 && json_is_array(results)) {
        size_t i;
        json_t *result;
        json_array_foreach(results, i, result) {
            print_result(result);
        }
        exit_code = print_summary(json);
    } else {
        const char *error = text_of(json, "error");
        char detail[48];
        snprintf(detail, sizeof detail, "it answered with status %ld", a->status);
        exit_code =
            complain(a->status >= 400 && a->status < 500 && *error ? EXIT_INVALID : EXIT_SERVER,
                     "the server did not import it", *error ? error : detail);
    }
    json_decref(json);
    return exit_code;
}

static int send_file(const struct import *im)
{
    char *text;
    size_t bytes;
    struct fault f = {0};
    if (cli__read_file(im->file, CRONTAB_BYTES_MAX, &text, &bytes, &f))
        return complain(EXIT_INVALID, f.text, NULL);
    struct answer a = {0};
    int exit_code = post_crontab(im, text, bytes, &a);
    if (!exit_code)
        exit_code = print_answer(&a);
    free(a.text);
    free(text);
    return exit_code;
}

// --- The command ---------------------------------------------------------------------------------

static const struct option options[] = {
    {"url", required_argument, NULL, 'u'},
    {"dry-run", no_argument, NULL, 'n'},
    {"tz", required_argument, NULL, 't'},
    {"system", no_argument, NULL, 's'},
    {"set", required_argument, NULL, 'v'},
    {"skip-existing", no_argument, NULL, 'e'},
    {"key-prefix", required_argument, NULL, 'k'},
    {"token-file", required_argument, NULL, 'f'},
    CLI_HELP,
    {0},
};

static const struct cli_command import_command = {
    "import crontab",
    "Usage: carillon import crontab FILE|- [--url " URL_DEFAULT "] [--dry-run]\n"
    "                               [--tz ZONE] [--system] [--skip-existing]\n"
    "                               [--key-prefix PREFIX] [--set NAME=VALUE]\n"
    "                               [--token-file FILE]\n"
    "Makes jobs of the lines of a crontab that call a URL, and says what becomes of each.\n\n"
    "  --url URL    the server [" URL_DEFAULT "]\n"
    "  --dry-run    only say what would become of each line\n"
    "  --tz ZONE    the crontab's time zone, unless it sets CRON_TZ [UTC]\n"
    "  --system     the lines have a user, as in /etc/crontab and /etc/cron.d\n"
    "  --set NAME=VALUE, --set NAME\n"
    "               what a variable stands for, whatever the crontab says; NAME alone takes\n"
    "               it from the environment. May be given more than once\n"
    "  --skip-existing\n"
    "               leave out what is a job already: same schedule, zone, method and URL\n"
    "  --key-prefix PREFIX\n"
    "               give each job a key that follows from PREFIX, method and URL: imported\n"
    "               again, the crontab updates its jobs\n"
    "  --token-file FILE\n"
    "               whose first line is the token that the server wants; without it the\n"
    "               variable CARILLON_TOKEN, if it is set\n\n"
    "Exit codes: 0; 1 when the server cannot be reached or could not make a job; 2 when the\n"
    "usage or a line is wrong.\n",
    options,
};

static int set_option(struct import *im, int option, char *value)
{
    struct fault f = {0};
    switch (option) {
    case 'u':
        im->server = value;
        return url_check(value, &f) ? complain(EXIT_INVALID, f.text, value) : 0;
    case 'n':
        im->dry_run = true;
        return 0;
    case 't':
        im->timezone = value;
        return 0;
    case 'v':
        return cli__set_variable(&im->variables, value, &f) ? complain(EXIT_INVALID, f.text, NULL)
                                                            : 0;
    case 'e':
        im->skip_existing = true;
        return 0;
    case 'k':
        im->key_prefix = value;
        return 0;
    case 'f':
        im->token_file = value;
        return 0;
    default:
        im->system = true;
        return 0;
    }
}

static int complain_kind(const char *word)
{
    struct near n = near_to(word);
    if (!*word)
        return cli__complain_usage(&import_command, "what is imported? (crontab)");
    near_see(&n, "crontab");
    return cli_complain_command("carillon import", word, n);
}

int cli_import(int argc, char **argv)
{
    struct import im = {.server = URL_DEFAULT};
    bool named = argc >= 2 && strcmp(argv[1], "crontab") == 0;
    argc -= named;
    argv += named;
    int option, code = 0;
    cli__flags_begin();
    while ((option = cli__flag(&import_command, argc, argv, &code)) != CLI_END) {
        if (option != CLI_OVER)
            code = set_option(&im, option, optarg);
        if (code || option == CLI_OVER)
            return code;
    }
    if (!named)
        return complain_kind(optind < argc ? argv[optind] : "");
    if (optind + 1 != argc)
        return cli__complain_usage(&import_command,
                                   "one file is expected, or - for standard input");
    im.file = argv[optind];
    return send_file(&im);
}
