// SPDX-License-Identifier: MIT
// channels.c: `carillon channels` and `carillon silences`: who is told of alerts, and when not.
//
// They ask a running server, which checks what it is given and seals secrets. A channel is read
// from a file, as POST /channels takes it: so no secret stands in the list of processes.

#define _GNU_SOURCE // nanosleep

#include "base/memory.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#define BODY_BYTES_MAX 1048576
#define TEST_LOOKS 120 // A test is looked at so often,
#define TEST_LOOK_MS 250

static const struct option url_options[] = {CLI_URL, CLI_HELP, {0}};

static const struct option silence_options[] = {
    {"reason", required_argument, NULL, 'r'},
    {"duration", required_argument, NULL, 'd'},
    {"job", required_argument, NULL, 'j'},
    {"tag", required_argument, NULL, 't'},
    {"kind", required_argument, NULL, 'k'},
    CLI_URL,
    CLI_HELP,
    {0},
};

#define SERVER                                                                                     \
    "The server is that at URL (" CLI_URL_DEFAULT "); its token, if it wants one, is taken from\n" \
    "the variable CARILLON_TOKEN.\n"

static const struct cli_command channels_list = {
    "channels list",
    "Usage: carillon channels list [--url URL]\n"
    "Lists the channels by which people are told of alerts, and how they do.\n" SERVER,
    url_options,
};
static const struct cli_command channels_create = {
    "channels create",
    "Usage: carillon channels create FILE|- [--url URL]\n"
    "Makes a channel of a file of JSON, as POST /channels takes it: see docs/alerts.md.\n" SERVER,
    url_options,
};
static const struct cli_command channels_test = {
    "channels test",
    "Usage: carillon channels test NAME|ID [--url URL]\n"
    "Sends a test through the channel, and tells within 30 seconds whether it arrived.\n" SERVER,
    url_options,
};
static const struct cli_command channels_delete = {
    "channels delete",
    "Usage: carillon channels delete NAME|ID [--url URL]\n"
    "Deletes the channel with this name, or with this number.\n" SERVER,
    url_options,
};
static const struct cli_command channels_command = {
    "channels",
    "Usage: carillon channels list | create | test | delete\n"
    "Says by which channels people are told of alerts. Each takes --help.\n",
    url_options,
};
static const struct cli_command silences_list = {
    "silences list",
    "Usage: carillon silences list [--url URL]\n"
    "Lists the silences that are not over.\n" SERVER,
    url_options,
};
static const struct cli_command silences_create = {
    "silences create",
    "Usage: carillon silences create --reason WHY --duration TIME [flags]\n"
    "Makes a silence from now on: nobody is told of the alerts that match all that is given.\n\n"
    "  --reason WHY     for whoever wonders\n"
    "  --duration TIME  how long it lasts, such as 90m or 2h\n"
    "  --job ID         alerts of this job\n"
    "  --tag TAG        alerts of jobs that carry this tag\n"
    "  --kind KIND      alerts of this kind, such as failure\n"
    "  --url URL        the server [" CLI_URL_DEFAULT "]\n\n"
    "A token for it, if it wants one, is taken from the variable CARILLON_TOKEN.\n",
    silence_options,
};
static const struct cli_command silences_delete = {
    "silences delete",
    "Usage: carillon silences delete ID [--url URL]\n"
    "Ends the silence with this number.\n" SERVER,
    url_options,
};
static const struct cli_command silences_command = {
    "silences",
    "Usage: carillon silences list | create | delete\n"
    "Says of which alerts nobody is told for a while. Each takes --help.\n",
    url_options,
};

// --- The server ------------------------------------------------------------------------------

// Asks, and reads the answer. *out is NULL when it has no body. Returns the exit code.
static int ask(const struct cli_command *c, const char *method, const char *server,
               const char *path, const char *body, json_t **out)
{
    struct cli_answer a = {0};
    *out = NULL;
    int code = cli__call(c->name, method, server, path, body, &a);
    if (code)
        return code;
    json_t *json = a.text ? json_loadb(a.text, a.bytes, 0, NULL) : NULL;
    free(a.text);
    if (a.status >= 200 && a.status < 300) {
        *out = json;
        return 0;
    }
    const char *error = json_string_value(json_object_get(json, "error"));
    cli__complain(c->name, "the server did not do it", error);
    json_decref(json);
    return EXIT_SERVER;
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : "-";
}

static json_int_t id_of(const json_t *o)
{
    return json_integer_value(json_object_get(o, "id"));
}

// Reads the flags of a command that has none but --url, and `count` other arguments. False: over.
static bool read_flags(const struct cli_command *c, int argc, char **argv, int count,
                       const char **server, int *code)
{
    int option;
    *server = CLI_URL_DEFAULT;
    cli__flags_begin();
    while ((option = cli__flag(c, argc, argv, code)) != CLI_END) {
        if (option == CLI_OVER)
            return false;
        *server = optarg;
    }
    if (optind + count == argc)
        return true;
    *code = cli__complain_usage(c, count ? "one argument is expected" : "no argument is expected");
    return false;
}

// --- Channels --------------------------------------------------------------------------------

static int list_channels(int argc, char **argv)
{
    const char *server;
    json_t *json, *channel;
    size_t i;
    int code = 0;
    if (!read_flags(&channels_list, argc, argv, 0, &server, &code))
        return code;
    code = ask(&channels_list, "GET", server, "channels", NULL, &json);
    if (!code)
        printf("  id  kind       state     last arrived              name\n");
    json_array_foreach(json_object_get(json, "channels"), i, channel) {
        bool is_enabled = json_is_true(json_object_get(channel, "is_enabled"));
        bool fails = json_is_string(json_object_get(channel, "failing_since"));
        printf("%4" JSON_INTEGER_FORMAT "  %-10s %-9s %-25s %s\n", id_of(channel),
               text_of(channel, "kind"),
               !is_enabled ? "disabled"
               : fails     ? "failing"
                           : "fine",
               text_of(channel, "delivered_at"), text_of(channel, "name"));
    }
    json_decref(json);
    return code;
}

static int create_channel(int argc, char **argv)
{
    const char *server;
    char *body = NULL;
    size_t bytes;
    struct fault f = {0};
    json_t *json;
    int code = 0;
    if (!read_flags(&channels_create, argc, argv, 1, &server, &code))
        return code;
    if (cli__read_file(argv[optind], BODY_BYTES_MAX, &body, &bytes, &f))
        return cli__complain(channels_create.name, f.text, NULL);
    body = xrealloc(body, bytes + 1);
    body[bytes] = '\0';
    code = ask(&channels_create, "POST", server, "channels", body, &json);
    if (!code)
        printf("channel %" JSON_INTEGER_FORMAT " \"%s\"\n", id_of(json), text_of(json, "name"));
    json_decref(json);
    free(body);
    return code;
}

// The id of the channel with this name, or else with this id.
static int find_channel(const struct cli_command *c, const char *server, const char *word,
                        json_int_t *out)
{
    json_t *json, *channel;
    size_t i;
    char id[24];
    *out = 0;
    int code = ask(c, "GET", server, "channels", NULL, &json);
    json_array_foreach(json_object_get(json, "channels"), i, channel) {
        snprintf(id, sizeof id, "%" JSON_INTEGER_FORMAT, id_of(channel));
        if (strcmp(text_of(channel, "name"), word) == 0 || (!*out && strcmp(id, word) == 0))
            *out = id_of(channel);
    }
    json_decref(json);
    if (!code && !*out) {
        cli__complain(c->name, "there is no such channel", word);
        return EXIT_SERVER;
    }
    return code;
}

static int tell_test(const json_t *delivery)
{
    const char *state = text_of(delivery, "state");
    if (strcmp(state, "SUCCESS") == 0) {
        printf("the test arrived\n");
        return 0;
    }
    cli__complain(channels_test.name, "the test did not arrive",
                  strcmp(state, "FAILED") == 0 ? text_of(delivery, "error") : "not yet");
    return EXIT_NO;
}

// Until the delivery is over.
static int watch_test(const char *server, json_int_t id)
{
    char path[64];
    json_t *json = NULL;
    snprintf(path, sizeof path, "deliveries/%" JSON_INTEGER_FORMAT, id);
    for (int i = 0; i < TEST_LOOKS; i++) {
        json_decref(json);
        int code = ask(&channels_test, "GET", server, path, NULL, &json);
        if (code)
            return code;
        if (strcmp(text_of(json, "state"), "PENDING") != 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = TEST_LOOK_MS * 1000000L}, NULL);
    }
    int code = tell_test(json);
    json_decref(json);
    return code;
}

static int test_channel(int argc, char **argv)
{
    const char *server;
    char path[64];
    json_t *json;
    json_int_t id;
    int code = 0;
    if (!read_flags(&channels_test, argc, argv, 1, &server, &code))
        return code;
    code = find_channel(&channels_test, server, argv[optind], &id);
    if (code)
        return code;
    snprintf(path, sizeof path, "channels/%" JSON_INTEGER_FORMAT "/test", id);
    code = ask(&channels_test, "POST", server, path, "", &json);
    id = id_of(json);
    json_decref(json);
    return code ? code : watch_test(server, id);
}

static int delete_channel(int argc, char **argv)
{
    const char *server;
    char path[64];
    json_t *json;
    json_int_t id;
    int code = 0;
    if (!read_flags(&channels_delete, argc, argv, 1, &server, &code))
        return code;
    const char *name = argv[optind];
    code = find_channel(&channels_delete, server, name, &id);
    if (code)
        return code;
    snprintf(path, sizeof path, "channels/%" JSON_INTEGER_FORMAT, id);
    code = ask(&channels_delete, "DELETE", server, path, NULL, &json);
    json_decref(json);
    if (!code)
        printf("deleted \"%s\"\n", name);
    return code;
}

// --- Silences --------------------------------------------------------------------------------

static void print_silence(const json_t *silence)
{
    char job[24] = "any";
    const json_t *id = json_object_get(silence, "job_id");
    if (json_is_integer(id))
        snprintf(job, sizeof job, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    bool has_tag = json_is_string(json_object_get(silence, "tag"));
    printf("%4" JSON_INTEGER_FORMAT "  %-25s %-9s %-16s %s\n", id_of(silence),
           text_of(silence, "until"), job, has_tag ? text_of(silence, "tag") : "any",
           text_of(silence, "reason"));
}

static int list_silences(int argc, char **argv)
{
    const char *server;
    json_t *json, *silence;
    size_t i;
    int code = 0;
    if (!read_flags(&silences_list, argc, argv, 0, &server, &code))
        return code;
    code = ask(&silences_list, "GET", server, "silences", NULL, &json);
    if (!code)
        printf("  id  until                     job       tag              reason\n");
    json_array_foreach(json_object_get(json, "silences"), i, silence) {
        if (json_is_true(json_object_get(silence, "is_over")))
            continue;
        print_silence(silence);
    }
    json_decref(json);
    return code;
}

// The member that a flag sets. False: its value is none.
static bool set_member(json_t *body, int option, const char *value)
{
    dur_ms lasts;
    char *end;
    switch (option) {
    case 'r':
        return json_object_set_new(body, "reason", json_string(value)) == 0;
    case 't':
        return json_object_set_new(body, "tag", json_string(value)) == 0;
    case 'k':
        return json_object_set_new(body, "kinds", json_pack("[s]", value)) == 0;
    case 'j':
        json_object_set_new(body, "job_id", json_integer(strtoll(value, &end, 10)));
        return *value && !*end;
    default:
        if (!duration_parse(value, &lasts) || lasts < 1000)
            return false;
        return json_object_set_new(body, "duration_s", json_integer(lasts / 1000)) == 0;
    }
}

static int post_silence(const char *server, const json_t *body)
{
    json_t *json;
    char *text = json_dumps(body, JSON_COMPACT);
    int code = ask(&silences_create, "POST", server, "silences", text, &json);
    if (!code)
        printf("silence %" JSON_INTEGER_FORMAT " until %s\n", id_of(json), text_of(json, "until"));
    json_decref(json);
    free(text);
    return code;
}

static int create_silence(int argc, char **argv)
{
    const char *server = CLI_URL_DEFAULT;
    json_t *body = json_object();
    int option = CLI_OVER, code = 0;
    cli__flags_begin();
    while (!code && (option = cli__flag(&silences_create, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            break;
        if (option == 'u')
            server = optarg;
        else if (!set_member(body, option, optarg))
            code = cli__complain(silences_create.name, "this is no value of the flag", optarg);
    }
    bool is_whole = json_object_get(body, "reason") && json_object_get(body, "duration_s");
    if (!code && option == CLI_END)
        code = is_whole && optind == argc
                   ? post_silence(server, body)
                   : cli__complain_usage(&silences_create, "--reason and --duration are needed");
    json_decref(body);
    return code;
}

static int delete_silence(int argc, char **argv)
{
    const char *server;
    char path[64], *end;
    json_t *json;
    int code = 0;
    if (!read_flags(&silences_delete, argc, argv, 1, &server, &code))
        return code;
    long long id = strtoll(argv[optind], &end, 10);
    if (*end || id < 1)
        return cli__complain(silences_delete.name, "this is no number of a silence", argv[optind]);
    snprintf(path, sizeof path, "silences/%lld", id);
    code = ask(&silences_delete, "DELETE", server, path, NULL, &json);
    json_decref(json);
    if (!code)
        printf("silence %lld is over\n", id);
    return code;
}

// --- Which ------------------------------------------------------------------------------------

struct word {
    const char *name;
    int (*run)(int argc, char **argv);
};

static int run(const struct cli_command *c, const char *before, const struct word *words,
               size_t count, int argc, char **argv)
{
    int code;
    if (argc > 1 && argv[1][0] != '-') {
        struct near n = near_to(argv[1]);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(argv[1], words[i].name) == 0)
                return words[i].run(argc - 1, argv + 1);
            near_see(&n, words[i].name);
        }
        return cli_complain_command(before, argv[1], n);
    }
    cli__flags_begin();
    if (cli__flag(c, argc, argv, &code) == CLI_OVER)
        return code;
    return cli__complain_usage(c, "a command is expected");
}

int cli_channels(int argc, char **argv)
{
    static const struct word words[] = {{"list", list_channels},
                                        {"create", create_channel},
                                        {"test", test_channel},
                                        {"delete", delete_channel}};
    return run(&channels_command, "carillon channels", words, COUNT_OF(words), argc, argv);
}

int cli_silences(int argc, char **argv)
{
    static const struct word words[] = {
        {"list", list_silences}, {"create", create_silence}, {"delete", delete_silence}};
    return run(&silences_command, "carillon silences", words, COUNT_OF(words), argc, argv);
}
