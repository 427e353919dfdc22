// SPDX-License-Identifier: MIT
// config.c: the table of settings, and the four places their values come from.

#include "config/config.h"

#include "base/near.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum setting_kind { KIND_TEXT, KIND_NUMBER, KIND_DURATION, KIND_FLAG };

struct setting {
    const char *name;
    const char *argument;
    const char *text; // Default of a TEXT.
    const char *help;
    int64_t number; // Default of the others.
    int64_t min;
    int64_t max;
    size_t offset;
    enum setting_kind kind;
};

static const struct setting settings[] = {
#define AT(member) offsetof(struct settings, member)
#define TEXT(name, argument, text, help)                                                           \
    {#name, argument, text, help, 0, 0, 0, AT(name), KIND_TEXT},
#define NUMBER(name, argument, number, min, max, help)                                             \
    {#name, argument, NULL, help, number, min, max, AT(name), KIND_NUMBER},
#define DURATION(name, argument, ms, min, max, help)                                               \
    {#name, argument, NULL, help, ms, min, max, AT(name##_ms), KIND_DURATION},
#define FLAG(name, help) {#name, NULL, NULL, help, 0, 0, 1, AT(name), KIND_FLAG},
#include "config/settings.def"
#undef TEXT
#undef NUMBER
#undef DURATION
#undef FLAG
#undef AT
};

#define NAME_BYTES 64
#define VARIABLE_PREFIX "CARILLON_"
#define CONFIG_VARIABLE VARIABLE_PREFIX "CONFIG"

extern char **environ; // libc declares this only for programs that ask for all of GNU.

// "log_format" as "log-format" or "CARILLON_LOG_FORMAT".
static void flag_name(const char *name, char out[static NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s", name);
    for (char *p = out; *p; p++)
        *p = *p == '_' ? '-' : *p;
}

static void variable_name(const char *name, char out[static NAME_BYTES])
{
    snprintf(out, NAME_BYTES, VARIABLE_PREFIX "%s", name);
    for (char *p = out; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !(*a == '_' && *b == '-'))
            return false;
    return !*a && !*b;
}

// The setting of this name, written with `_` or `-`. NULL: there is none, and *n has the nearest.
static const struct setting *find(const char *name, struct near *n)
{
    *n = near_to(name);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        near_see(n, settings[i].name);
        if (same_name(settings[i].name, name))
            return &settings[i];
    }
    return NULL;
}

// --- Values ---

static bool parse_number(const struct setting *s, const char *text, int64_t *out)
{
    char *end;
    if (s->kind == KIND_DURATION)
        return duration_parse(text, out);
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno || *text < '0' || *text > '9' || *end)
        return false;
    *out = value;
    return true;
}

static enum err set_number(const struct setting *s, const char *text, const char *where, void *at,
                           struct fault *f)
{
    int64_t value;
    bool duration = s->kind == KIND_DURATION;
    if (!parse_number(s, text, &value))
        return fault_set(f, ERR_SYNTAX, "%s: \"%s\" is not a %s", where, text,
                         duration ? "duration such as 500ms, 30s, 15m, 12h or 30d" : "number");
    if (value < s->min || value > s->max)
        return fault_set(f, ERR_RANGE, "%s: %s is out of range %lld to %lld%s", where, text,
                         (long long)s->min, (long long)s->max, duration ? " ms" : "");
    memcpy(at, &value, sizeof value);
    return ERR_OK;
}

static enum err set_flag(const char *text, const char *where, void *at, struct fault *f)
{
    bool on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!on && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return fault_set(f, ERR_SYNTAX, "%s: \"%s\" is neither true nor false", where, text);
    memcpy(at, &on, sizeof on);
    return ERR_OK;
}

// `where` says for people which flag, variable or line this is.
static enum err set(struct settings *out, const struct setting *s, const char *text,
                    const char *where, struct fault *f)
{
    void *at = (char *)out + s->offset;
    if (s->kind == KIND_FLAG)
        return set_flag(text, where, at, f);
    if (s->kind != KIND_TEXT)
        return set_number(s, text, where, at, f);
    if (strlen(text) >= SETTING_TEXT_BYTES)
        return fault_set(f, ERR_RANGE, "%s is longer than %d bytes", where, SETTING_TEXT_BYTES - 1);
    strcpy(at, text);
    return ERR_OK;
}

// --- Places ---

static void set_defaults(struct settings *out)
{
    *out = (struct settings){0};
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *s = &settings[i];
        void *at = (char *)out + s->offset;
        if (s->kind == KIND_TEXT)
            strcpy(at, s->text);
        else if (s->kind != KIND_FLAG)
            memcpy(at, &s->number, sizeof s->number);
    }
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

// What other kinds of files allow would become a part of the value here.
static enum err check_value(const struct setting *s, const char *value, const char *where,
                            struct fault *f)
{
    size_t length = strlen(value);
    bool quoted = length >= 2 && strchr("\"'`", value[0]) && value[length - 1] == value[0];
    if (quoted)
        return fault_set(f, ERR_SYNTAX, "%s: values have no quotes; write: %s = %.*s", where,
                         s->name, (int)MIN(length - 2, 100u), value + 1);
    const char *comment = strstr(value, " #");
    if (comment)
        return fault_set(f, ERR_SYNTAX, "%s: a comment needs a line of its own; write: %s = %.*s",
                         where, s->name, (int)MIN((size_t)(comment - value), 100u), value);
    return ERR_OK;
}

static enum err set_line(struct settings *out, char *line, const char *where, struct fault *f)
{
    char *name = trim(line);
    if (*name == '\0' || *name == '#')
        return ERR_OK;
    char *equals = strchr(name, '=');
    if (!equals)
        return fault_set(f, ERR_SYNTAX, "%s: expected `name = value`", where);
    *equals = '\0';
    struct near n;
    const struct setting *s = find(trim(name), &n);
    if (!s)
        return fault_set(f, ERR_SYNTAX, "%s: unknown setting \"%s\"%s%s%s", where, name,
                         n.best ? "; did you mean " : "", n.best ? n.best : "", n.best ? "?" : "");
    const char *value = trim(equals + 1);
    enum err err = check_value(s, value, where, f);
    return err ? err : set(out, s, value, where, f);
}

static enum err set_from_file(struct settings *out, const char *path, struct fault *f)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fault_set(f, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0;
    enum err err = ERR_OK;
    for (int n = 1; !err && getline(&line, &capacity, file) >= 0; n++) {
        char where[SETTING_TEXT_BYTES + 32];
        snprintf(where, sizeof where, "%s, line %d", path, n);
        err = set_line(out, line, where, f);
    }
    if (!err && !feof(file))
        err = fault_set(f, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return err;
}

static enum err set_from_environment(struct settings *out, struct fault *f)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(settings) && !err; i++) {
        char name[NAME_BYTES];
        variable_name(settings[i].name, name);
        const char *text = getenv(name);
        if (text)
            err = set(out, &settings[i], text, name, f);
    }
    return err;
}

// Whether the variable sets something; if not, *n has the nearest setting.
static bool is_variable(const char *name, struct near *n)
{
    *n = near_to(name + strlen(VARIABLE_PREFIX));
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        char known[NAME_BYTES];
        variable_name(settings[i].name, known);
        near_see(n, settings[i].name);
        if (strcmp(known, name) == 0)
            return true;
    }
    return strcmp(name, CONFIG_VARIABLE) == 0;
}

void config_stray_variables(config_stray *stray, void *context)
{
    for (char **e = environ; *e; e++) {
        char name[NAME_BYTES], meant[NAME_BYTES] = "";
        struct near n;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
        if (strncmp(name, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) != 0 || is_variable(name, &n))
            continue;
        if (n.best)
            variable_name(n.best, meant);
        stray(context, name, meant);
    }
}

#define OPTION_SETTING 1000
#define OPTION_HELP 'h'
#define OPTION_CONFIG 'c'

// getopt's own table, made from ours. `names` holds the names it points to.
static void make_options(struct option options[static COUNT_OF(settings) + 3],
                         char names[static COUNT_OF(settings)][NAME_BYTES])
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        flag_name(settings[i].name, names[i]);
        options[i] = (struct option){.name = names[i],
                                     .has_arg = settings[i].kind == KIND_FLAG ? no_argument
                                                                              : required_argument,
                                     .val = OPTION_SETTING + (int)i};
    }
    options[COUNT_OF(settings)] = (struct option){"config", required_argument, NULL, OPTION_CONFIG};
    options[COUNT_OF(settings) + 1] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    options[COUNT_OF(settings) + 2] = (struct option){0};
}

static enum err bad_flag(int argc, char **argv, int option, struct fault *f)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (option == ':')
        return fault_set(f, ERR_SYNTAX, "%s needs a value", word);
    struct near n;
    char name[NAME_BYTES];
    const char *bare = word + strspn(word, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(bare, "="), bare);
    (void)find(name, &n);
    near_see(&n, "config");
    if (!n.best)
        return fault_set(f, ERR_SYNTAX, "unknown flag %s (see: carillon %s --help)", word, argv[0]);
    flag_name(n.best, name);
    return fault_set(f, ERR_SYNTAX, "unknown flag %s; did you mean --%s?", word, name);
}

// Reads the flags: with `config` only which file they name, else everything but that.
static enum err set_from_flags(struct settings *out, int argc, char **argv, const char **config,
                               struct fault *f)
{
    struct option options[COUNT_OF(settings) + 3];
    char names[COUNT_OF(settings)][NAME_BYTES];
    make_options(options, names);
    optind = 0; // glibc: start over.
    int option;
    while ((option = getopt_long(argc, argv, "+:hc:", options, NULL)) != -1) {
        if (option == '?' || option == ':')
            return bad_flag(argc, argv, option, f);
        if (option == OPTION_HELP)
            out->help = true;
        if (option == OPTION_CONFIG && config)
            *config = optarg;
        if (option < OPTION_SETTING || config)
            continue;
        const struct setting *s = &settings[option - OPTION_SETTING];
        char where[NAME_BYTES + 2];
        snprintf(where, sizeof where, "--%s", names[option - OPTION_SETTING]);
        enum err err = set(out, s, optarg ? optarg : "true", where, f);
        if (err)
            return err;
    }
    if (optind < argc)
        return fault_set(f, ERR_SYNTAX, "unexpected argument \"%s\"", argv[optind]);
    return ERR_OK;
}

enum err config_load(int argc, char **argv, struct settings *out, struct fault *f)
{
    struct settings s;
    set_defaults(&s);
    const char *file = getenv(CONFIG_VARIABLE);
    enum err err = set_from_flags(&s, argc, argv, &file, f);
    if (!err && !s.help && file)
        err = set_from_file(&s, file, f);
    if (!err && !s.help)
        err = set_from_environment(&s, f);
    if (!err && !s.help)
        err = set_from_flags(&s, argc, argv, NULL, f);
    if (!err)
        *out = s;
    return err;
}

static void print_default(const struct setting *s, char *out, size_t bytes)
{
    out[0] = '\0';
    if (s->kind == KIND_TEXT && s->text[0])
        snprintf(out, bytes, " [%s]", s->text);
    if (s->kind == KIND_NUMBER && s->number)
        snprintf(out, bytes, " [%lld]", (long long)s->number);
    if (s->kind != KIND_DURATION)
        return;
    size_t u = DURATION_UNITS - 1;
    while (u > 0 && s->number % duration_units[u].ms != 0)
        u--;
    snprintf(out, bytes, " [%lld%s]", (long long)(s->number / duration_units[u].ms),
             duration_units[u].name);
}

void config_print_help(FILE *to)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        char name[NAME_BYTES], flag[NAME_BYTES * 2], value[SETTING_TEXT_BYTES + 8];
        flag_name(settings[i].name, name);
        const char *argument = settings[i].argument;
        snprintf(flag, sizeof flag, "--%s%s%s", name, argument ? " " : "",
                 argument ? argument : "");
        print_default(&settings[i], value, sizeof value);
        fprintf(to, "  %-27s %s%s\n", flag, settings[i].help, value);
    }
    fprintf(to, "  %-27s %s\n", "--config FILE", "read settings from a file: name = value");
}
