// SPDX-License-Identifier: MIT
// test_input.c: what a command reads: files, standard input, variables of a command line.

#include "cli/cli_priv.h"
#include "cli/variables_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static char path[] = "/tmp/carillon-input-XXXXXX";

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

static void write_file(const char *bytes, size_t count)
{
    FILE *out = fopen(path, "wbe");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, count, out), count);
    assert_int_equal(fclose(out), 0);
}

// --- Files ---------------------------------------------------------------------------------------

static void a_file_is_read_whole_up_to_its_bound(void **state)
{
    (void)state;
    static const char bytes[] = "0 9 * * *\0behind a zero\n";
    for (size_t count = 0; count < sizeof bytes; count++) {
        char *read;
        size_t read_bytes;
        write_file(bytes, count);
        assert_int_equal(cli__read_file(path, sizeof bytes - 1, &read, &read_bytes, NULL), ERR_OK);
        assert_int_equal(read_bytes, count);
        assert_memory_equal(read, bytes, count);
        free(read);
    }
}

static void a_file_beyond_its_bound_is_refused(void **state)
{
    (void)state;
    char *read = NULL, expected[64];
    size_t read_bytes = 42;
    struct fault f = {0};
    write_file("12345678", 8);
    assert_int_equal(cli__read_file(path, 7, &read, &read_bytes, &f), ERR_LIMIT);
    snprintf(expected, sizeof expected, "%s has more than 7 bytes", path);
    assert_string_equal(f.text, expected);
    assert_null(read);
    assert_int_equal(read_bytes, 42);
}

static void what_is_no_file_is_named_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *path, *said;
    } cases[] = {
        {"/tmp/no/such/file", "cannot open /tmp/no/such/file: No such file or directory"},
        {"/tmp", "cannot read /tmp: Is a directory"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *read = NULL;
        size_t bytes;
        struct fault f = {0};
        assert_int_equal(cli__read_file(cases[i].path, 100, &read, &bytes, &f), ERR_SYSTEM);
        assert_string_equal(f.text, cases[i].said);
    }
}

static void a_dash_is_standard_input(void **state)
{
    (void)state;
    char *read;
    size_t bytes;
    int before = dup(STDIN_FILENO);
    write_file("a crontab\n", 10);
    assert_non_null(freopen(path, "r", stdin));
    assert_int_equal(cli__read_file("-", 100, &read, &bytes, NULL), ERR_OK);
    dup2(before, STDIN_FILENO);
    close(before);
    assert_int_equal(bytes, 10);
    assert_memory_equal(read, "a crontab\n", 10);
    free(read);
}

static void the_database_is_that_of_the_environment_or_the_usual_one(void **state)
{
    (void)state;
    unsetenv("CARILLON_DB");
    assert_string_equal(cli__default_db(), "carillon.db");
    setenv("CARILLON_DB", "", 1);
    assert_string_equal(cli__default_db(), "carillon.db");
    setenv("CARILLON_DB", "/srv/x.db", 1);
    assert_string_equal(cli__default_db(), "/srv/x.db");
    unsetenv("CARILLON_DB");
}

// --- Variables -----------------------------------------------------------------------------------

static void a_variable_has_the_value_that_is_said_or_the_environments(void **state)
{
    (void)state;
    struct cli_variables v = {0};
    char said[] = "TOKEN=a=b", empty[] = "EMPTY=", named[] = "FROM_OUTSIDE";
    setenv("FROM_OUTSIDE", "secret", 1);
    setenv("TOKEN", "not this", 1);
    char *const texts[] = {said, empty, named};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(cli__set_variable(&v, texts[i], NULL), ERR_OK);
    unsetenv("FROM_OUTSIDE");
    unsetenv("TOKEN");
    assert_int_equal(v.count, 3);
    assert_string_equal(v.list[0].name, "TOKEN");
    assert_string_equal(v.list[0].value, "a=b");
    assert_string_equal(v.list[1].value, "");
    assert_string_equal(v.list[2].name, "FROM_OUTSIDE");
    assert_string_equal(v.list[2].value, "secret");
}

static void a_variable_that_cannot_be_set_is_refused_with_advice(void **state)
{
    (void)state;
    struct cli_variables v = {0};
    char first[] = "ONE=1";
    assert_int_equal(cli__set_variable(&v, first, NULL), ERR_OK);
    static const struct {
        const char *text;
        enum err err;
        const char *said;
    } cases[] = {
        {"=1", ERR_SYNTAX, "--set takes NAME=VALUE or NAME, not ''"},
        {"1A=1", ERR_SYNTAX, "--set takes NAME=VALUE or NAME, not '1A'"},
        {"A B=1", ERR_SYNTAX, "--set takes NAME=VALUE or NAME, not 'A B'"},
        {"NOT_THERE", ERR_NOT_FOUND,
         "NOT_THERE is not in the environment; say --set NOT_THERE=VALUE"},
        {"ONE=2", ERR_SYNTAX, "ONE is set twice"},
    };
    unsetenv("NOT_THERE");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[64];
        struct fault f = {0};
        strcpy(text, cases[i].text);
        assert_int_equal(cli__set_variable(&v, text, &f), cases[i].err);
        assert_string_equal(f.text, cases[i].said);
        assert_int_equal(v.count, 1);
    }
}

static void variables_have_a_bound(void **state)
{
    (void)state;
    struct cli_variables v = {0};
    static char texts[CRONTAB_SET_MAX + 1][16];
    struct fault f = {0};
    for (size_t i = 0; i < CRONTAB_SET_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "V%zu=x", i);
        assert_int_equal(cli__set_variable(&v, texts[i], NULL), ERR_OK);
    }
    strcpy(texts[CRONTAB_SET_MAX], "MORE=x");
    assert_int_equal(cli__set_variable(&v, texts[CRONTAB_SET_MAX], &f), ERR_LIMIT);
    assert_non_null(strstr(f.text, "variables can be set"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_up_to_its_bound),
        cmocka_unit_test(a_file_beyond_its_bound_is_refused),
        cmocka_unit_test(what_is_no_file_is_named_with_the_reason),
        cmocka_unit_test(a_dash_is_standard_input),
        cmocka_unit_test(the_database_is_that_of_the_environment_or_the_usual_one),
        cmocka_unit_test(a_variable_has_the_value_that_is_said_or_the_environments),
        cmocka_unit_test(a_variable_that_cannot_be_set_is_refused_with_advice),
        cmocka_unit_test(variables_have_a_bound),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
