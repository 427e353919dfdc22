// SPDX-License-Identifier: MIT
// serve.c: `carillon serve`: the server, until a signal stops it.

#include "app/app_priv.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static enum err set_up_log(const struct settings *s, struct fault *f)
{
    bool json = strcmp(s->log_format, "json") == 0;
    if (!json && strcmp(s->log_format, "text") != 0)
        return fault_set(f, ERR_SYNTAX, "log_format: \"%s\" is neither text nor json",
                         s->log_format);
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (strcmp(level_names[i], s->log_level) == 0) {
            log_setup((enum log_level)i, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
            return ERR_OK;
        }
    }
    return fault_set(f, ERR_SYNTAX, "log_level: \"%s\" is none of debug, info, warn, error",
                     s->log_level);
}

// No error: other programs may have variables of such names for reasons of their own.
static void warn_of_variable(void *context, const char *name, const char *meant)
{
    (void)context;
    log_warn("settings.unknown_variable", LOG_TEXT("name", name), LOG_TEXT("did_you_mean", meant));
}

static enum err check_dispatch(const struct settings *s, struct fault *f)
{
    if (dispatch_find(s->dispatch))
        return ERR_OK;
    return fault_set(f, ERR_SYNTAX, "dispatch: \"%s\" is none of wire, curl, queue", s->dispatch);
}

bool app__settings(int argc, char **argv, const char *purpose, struct carillon *c, int *exit_code)
{
    struct settings *out = &c->settings;
    struct fault f = {0};
    enum err err = config_load(argc, argv, out, &f);
    if (!err && out->help) {
        printf("Usage: carillon %s [flags]\n%s\n\n", argv[0], purpose);
        config_print_help(stdout);
        printf("\nEach is also a variable (CARILLON_DB). Durations: 500ms 30s 15m 12h 30d.\n");
        *exit_code = EXIT_OK;
        return false;
    }
    if (!err)
        err = set_up_log(out, &f);
    if (!err)
        err = check_dispatch(out, &f);
    if (!err)
        err = app__check_settings(c, &f);
    if (err) {
        fprintf(stderr, "carillon: %s\n", f.text);
        *exit_code = EXIT_USAGE;
        return false;
    }
    config_stray_variables(warn_of_variable, NULL);
    return true;
}

int app__serve(int argc, char **argv)
{
    struct carillon c = {0};
    int code;
    if (!app__settings(argc, argv, "Runs the server until SIGTERM or SIGINT.", &c, &code))
        return code;
    app__block_signals();
    struct fault f = {0};
    enum err err = app__start(&c, &f);
    if (err) {
        log_error("server.start_failed", LOG_TEXT("error", err_text(err)),
                  LOG_TEXT("detail", f.text));
        return err == ERR_SYNTAX ? EXIT_USAGE : EXIT_START; // ERR_SYNTAX: a setting of the API.
    }
    app__wait(&c);
    app__stop(&c);
    return EXIT_OK;
}
