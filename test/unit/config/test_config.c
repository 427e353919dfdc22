// SPDX-License-Identifier: MIT
// test_config.c: every setting, from every place that it can come from.
//
// The table is made from settings.def, so a new setting is tested with its row.

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum kind { KIND_TEXT, KIND_NUMBER, KIND_DURATION, KIND_FLAG };

static const struct row {
    const char *name;
    enum kind kind;
    const char *text; // Default of a text.
    int64_t number;   // Default of the others.
    int64_t min, max;
    size_t offset;
} rows[] = {
#define TEXT(name, argument, text, help)                                                           \
    {#name, KIND_TEXT, text, 0, 0, 0, offsetof(struct settings, name)},
#define NUMBER(name, argument, number, min, max, help)                                             \
    {#name, KIND_NUMBER, NULL, number, min, max, offsetof(struct settings, name)},
#define DURATION(name, argument, ms, min, max, help)                                               \
    {#name, KIND_DURATION, NULL, ms, min, max, offsetof(struct settings, name##_ms)},
#define FLAG(name, help) {#name, KIND_FLAG, NULL, 0, 0, 1, offsetof(struct settings, name)},
#include "config/settings.def"
#undef TEXT
#undef NUMBER
#undef DURATION
#undef FLAG
};

static const char *const places[] = {"flag", "environment", "file", "file-with-dashes"};

enum place { FLAG_PLACE, ENVIRONMENT, IN_FILE, IN_FILE_WITH_DASHES, PLACES };

static char path[] = "/tmp/carillon-config-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static const char *with(char *out, const char *name, char from, char to)
{
    strcpy(out, name);
    for (char *p = out; *p; p++)
        *p = *p == from ? to : *p;
    return out;
}

static const char *variable_of(char *out, const char *name)
{
    sprintf(out, "CARILLON_%s", name);
    for (char *p = out; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    return out;
}

static enum err load(int argc, const char **argv, struct settings *out, struct fault *f)
{
    *f = (struct fault){0};
    memset(out, 0, sizeof *out);
    return config_load(argc, (char **)argv, out, f); // Which getopt does not write to.
}

static enum err load_file(const char *text, struct settings *out, struct fault *f)
{
    const char *argv[] = {"serve", "--config", path, NULL};
    write_file(text);
    return load(3, argv, out, f);
}

// The settings when one of them has been set to `value`, in one place.
static enum err set_in(enum place place, const struct row *r, const char *value,
                       struct settings *out, struct fault *f)
{
    char name[64], text[2200];
    if (place == FLAG_PLACE) {
        sprintf(text, "--%s", with(name, r->name, '_', '-'));
        if (r->kind != KIND_FLAG)
            sprintf(text + strlen(text), "=%s", value);
        const char *argv[] = {"serve", text, NULL};
        return load(2, argv, out, f);
    }
    if (place == ENVIRONMENT) {
        const char *argv[] = {"serve", NULL};
        setenv(variable_of(name, r->name), value, 1);
        enum err err = load(1, argv, out, f);
        unsetenv(name);
        return err;
    }
    bool dashes = place == IN_FILE_WITH_DASHES;
    sprintf(text, "# A comment.\n\n  %s =  %s\t\r\n",
            dashes ? with(name, r->name, '_', '-') : r->name, value);
    return load_file(text, out, f);
}

static const char *text_in(const struct settings *s, const struct row *r)
{
    return (const char *)s + r->offset;
}

static int64_t number_in(const struct settings *s, const struct row *r)
{
    const char *at = (const char *)s + r->offset;
    int64_t number = 0;
    bool flag = false;
    if (r->kind == KIND_FLAG)
        memcpy(&flag, at, sizeof flag);
    else
        memcpy(&number, at, sizeof number);
    return r->kind == KIND_FLAG ? flag : number;
}

static void must_set(enum place place, const struct row *r, const char *value, int64_t number)
{
    struct settings s;
    struct fault f;
    if (set_in(place, r, value, &s, &f))
        fail_msg("%s by %s: '%s' is refused: %s", r->name, places[place], value, f.text);
    if (r->kind == KIND_TEXT ? strcmp(text_in(&s, r), value) != 0 : number_in(&s, r) != number)
        fail_msg("%s by %s: '%s' is not what is set", r->name, places[place], value);
    assert_int_equal(load(1, (const char *[]){"serve", NULL}, &s, &f), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) { // And nothing stays behind.
        const struct row *other = &rows[i];
        if (other->kind == KIND_TEXT)
            assert_string_equal(text_in(&s, other), other->text);
        else
            assert_int_equal(number_in(&s, other), other->number);
    }
}

static void must_refuse(enum place place, const struct row *r, const char *value, const char *why)
{
    struct settings s;
    struct fault f;
    char name[64];
    if (set_in(place, r, value, &s, &f) == ERR_OK)
        fail_msg("%s by %s: '%s' is accepted", r->name, places[place], value);
    const char *where = place == FLAG_PLACE    ? with(name, r->name, '_', '-')
                        : place == ENVIRONMENT ? variable_of(name, r->name)
                                               : "line 3";
    if (!strstr(f.text, why) || !strstr(f.text, where))
        fail_msg("%s by %s: '%s' gives: %s", r->name, places[place], value, f.text);
}

static void every_setting_can_be_set_in_every_place(void **state)
{
    (void)state;
    for (enum place place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            const struct row *r = &rows[i];
            char low[32], high[32];
            const char *unit = r->kind == KIND_DURATION ? "ms" : "";
            sprintf(low, "%lld%s", (long long)r->min, unit);
            sprintf(high, "%lld%s", (long long)r->max, unit);
            if (r->kind == KIND_TEXT) {
                must_set(place, r, "some text", 0);
            } else if (r->kind == KIND_FLAG) {
                must_set(place, r, "true", 1);
            } else {
                must_set(place, r, low, r->min);
                must_set(place, r, high, r->max);
            }
        }
    }
}

static void bounds_hold_in_every_place(void **state)
{
    (void)state;
    for (enum place place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            const struct row *r = &rows[i];
            char high[32], longer[SETTING_TEXT_BYTES + 1] = "";
            const char *unit = r->kind == KIND_DURATION ? "ms" : "";
            memset(longer, 'x', SETTING_TEXT_BYTES);
            sprintf(high, "%lld%s", (long long)r->max + 1, unit);
            if (r->kind == KIND_TEXT) {
                must_refuse(place, r, longer, "longer than");
            } else if (r->kind != KIND_FLAG) {
                must_refuse(place, r, high, "out of range");
                must_refuse(place, r, "-1", "is not a");
                must_refuse(place, r, "12x", "is not a");
                must_refuse(place, r, "", "is not a");
            } else if (place != FLAG_PLACE) {
                must_refuse(place, r, "yes", "neither true nor false");
            }
        }
    }
}

static void durations_have_units(void **state)
{
    (void)state;
    static const struct row *r;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].name, "drain_timeout") == 0)
            r = &rows[i];
    must_set(IN_FILE, r, "500ms", 500);
    must_set(IN_FILE, r, "30s", 30000);
    must_set(IN_FILE, r, "15m", 900000);
    must_set(IN_FILE, r, "1h", 3600000);
    must_set(IN_FILE, r, "0", 0);
    must_refuse(IN_FILE, r, "30", "is not a duration such as");
    must_refuse(IN_FILE, r, "30 s", "is not a duration such as");
    must_refuse(IN_FILE, r, "1d", "out of range");
}

// Flags win over the environment, and that over the file.
static void places_have_an_order(void **state)
{
    (void)state;
    struct settings s;
    struct fault f;
    const char *argv[] = {"serve", "--config", path, "--db", "flag.db", NULL};
    write_file("db = file.db\nlog_level = warn\nlog_format = json\n");
    setenv("CARILLON_DB", "environment.db", 1);
    setenv("CARILLON_LOG_LEVEL", "error", 1);
    assert_int_equal(load(5, argv, &s, &f), ERR_OK);
    unsetenv("CARILLON_DB");
    unsetenv("CARILLON_LOG_LEVEL");
    assert_string_equal(s.db, "flag.db");
    assert_string_equal(s.log_level, "error");
    assert_string_equal(s.log_format, "json");
}

static void mistakes_in_a_file_are_refused_with_advice(void **state)
{
    (void)state;
    static const struct {
        const char *text, *advice;
    } mistakes[] = {
        {"loglevel = info\n", "unknown setting \"loglevel\"; did you mean log_level?"},
        {"log-levle = info\n", "unknown setting \"log-levle\"; did you mean log_level?"},
        {"colour = red\n", "unknown setting \"colour\""},
        {"db = \"x.db\"\n", "values have no quotes; write: db = x.db"},
        {"db = 'x.db'\n", "values have no quotes; write: db = x.db"},
        {"db=\"\"\n", "values have no quotes; write: db = "},
        {"db = x.db # the database\n", "a comment needs a line of its own; write: db = x.db"},
        {"[server]\n", "expected `name = value`"},
        {"db: x.db\n", "expected `name = value`"},
    };
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        struct settings s;
        struct fault f;
        assert_true(load_file(mistakes[i].text, &s, &f));
        if (!strstr(f.text, mistakes[i].advice) || !strstr(f.text, ", line 1: "))
            fail_msg("'%s' gives: %s", mistakes[i].text, f.text);
    }
    struct settings s;
    struct fault f;
    assert_int_equal(load_file("db = it's \"mine\".db\n", &s, &f), ERR_OK); // Inside, they may be.
    assert_string_equal(s.db, "it's \"mine\".db");
}

static void misspelt_flags_lead_to_the_right_one(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *advice;
    } mistakes[] = {
        {"--log-levle=info", "unknown flag --log-levle=info; did you mean --log-level?"},
        {"--log_level=info", "unknown flag --log_level=info; did you mean --log-level?"},
        {"--cofnig=x", "unknown flag --cofnig=x; did you mean --config?"},
        {"--what", "unknown flag --what (see: carillon serve --help)"},
        {"-x", "unknown flag -x (see: carillon serve --help)"},
        {"--db", "--db needs a value"},
        {"db=x", "unexpected argument \"db=x\""},
    };
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        struct settings s;
        struct fault f;
        char flag[64];
        strcpy(flag, mistakes[i].flag);
        assert_true(load(2, (const char *[]){"serve", flag, NULL}, &s, &f));
        assert_string_equal(f.text, mistakes[i].advice);
    }
}

static void remember(void *context, const char *name, const char *meant)
{
    sprintf((char *)context + strlen(context), "%s>%s ", name, meant);
}

static void variables_that_set_nothing_are_told(void **state)
{
    (void)state;
    static const char *const names[] = {"CARILLON_LOGLEVEL", "CARILLON_BIN", "CARILLON_DB",
                                        "CARILLON_CONFIG"};
    char told[256] = "";
    for (size_t i = 0; i < COUNT_OF(names); i++)
        setenv(names[i], "x", 1);
    config_stray_variables(remember, told);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unsetenv(names[i]);
    assert_non_null(strstr(told, "CARILLON_LOGLEVEL>CARILLON_LOG_LEVEL "));
    assert_non_null(strstr(told, "CARILLON_BIN> "));
    assert_null(strstr(told, "CARILLON_DB>"));
    assert_null(strstr(told, "CARILLON_CONFIG>"));
}

static void count_stray(void *context, const char *name, const char *meant)
{
    (void)meant;
    print_message("%s sets nothing\n", name);
    ++*(size_t *)context;
}

static void the_variable_of_a_setting_is_no_stray(void **state)
{
    (void)state;
    char name[64];
    size_t before = 0, strays = 0;
    config_stray_variables(count_stray, &before); // Variables of the user who runs the test.
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        setenv(variable_of(name, rows[i].name), "x", 1);
    config_stray_variables(count_stray, &strays);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        unsetenv(variable_of(name, rows[i].name));
    assert_int_equal(strays, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_can_be_set_in_every_place),
        cmocka_unit_test(bounds_hold_in_every_place),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(places_have_an_order),
        cmocka_unit_test(mistakes_in_a_file_are_refused_with_advice),
        cmocka_unit_test(misspelt_flags_lead_to_the_right_one),
        cmocka_unit_test(variables_that_set_nothing_are_told),
        cmocka_unit_test(the_variable_of_a_setting_is_no_stray),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
