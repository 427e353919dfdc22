// SPDX-License-Identifier: MIT
// test_flags.c: how commands read their flags, and what they say of those that they do not know.

#include "base/near.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static const struct option options[] = {{"tz", required_argument, NULL, 'z'},
                                        {"count", required_argument, NULL, 'n'},
                                        {"system", no_argument, NULL, 's'},
                                        CLI_HELP,
                                        {0}};
static const struct cli_command command = {
    .name = "cron next", .usage = "Usage: as said\n", .options = options};

// --- What is printed -----------------------------------------------------------------------------

struct capture {
    FILE *file;
    int stream; // The descriptor whose output is kept.
    int before;
};

static struct capture capture_begin(int stream)
{
    struct capture c = {.file = tmpfile(), .stream = stream, .before = dup(stream)};
    assert_non_null(c.file);
    fflush(stdout);
    dup2(fileno(c.file), stream);
    return c;
}

static const char *capture_end(struct capture *c)
{
    static char text[4096];
    fflush(stdout);
    dup2(c->before, c->stream);
    close(c->before);
    rewind(c->file);
    text[fread(text, 1, sizeof text - 1, c->file)] = '\0';
    fclose(c->file);
    return text;
}

// --- Flags ---------------------------------------------------------------------------------------

static int count_words(const char *const *words)
{
    int count = 0;
    while (words[count])
        count++;
    return count;
}

static void flags_come_with_their_values_in_any_place(void **state)
{
    (void)state;
    static const char *const words[] = {"next",     "--tz",      "UTC", "0 9 * * *",
                                        "--system", "--count=3", NULL};
    char **argv = (char **)words;
    int exit_code = -1, argc = count_words(words);
    // getopt moves the other arguments behind the flags.
    char *moved[COUNT_OF(words)];
    memcpy(moved, argv, sizeof moved);
    cli__flags_begin();
    assert_int_equal(cli__flag(&command, argc, moved, &exit_code), 'z');
    assert_string_equal(optarg, "UTC");
    assert_int_equal(cli__flag(&command, argc, moved, &exit_code), 's');
    assert_int_equal(cli__flag(&command, argc, moved, &exit_code), 'n');
    assert_string_equal(optarg, "3");
    assert_int_equal(cli__flag(&command, argc, moved, &exit_code), CLI_END);
    assert_int_equal(optind, argc - 1);
    assert_string_equal(moved[optind], "0 9 * * *");
    assert_int_equal(exit_code, -1);
}

static void a_flag_that_is_unknown_leads_to_the_right_one(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        const char *said;
    } cases[] = {
        {{"next", "--tzz", "UTC"}, "unknown flag --tzz; did you mean --tz?\n"},
        {{"next", "--cuont=3"}, "unknown flag --cuont=3; did you mean --count?\n"},
        {{"next", "--quite-another"},
         "unknown flag --quite-another (see: carillon cron next --help)\n"},
        {{"next", "-x"}, "unknown flag -x (see: carillon cron next --help)\n"},
        {{"next", "-xy"}, "unknown flag -x (see: carillon cron next --help)\n"},
        {{"next", "--tz"}, "a value is missing after: --tz\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *words[4], expected[128];
        int exit_code = -1;
        memcpy(words, cases[i].words, sizeof words);
        snprintf(expected, sizeof expected, "carillon cron next: %s", cases[i].said);
        struct capture c = capture_begin(STDERR_FILENO);
        cli__flags_begin();
        int option = cli__flag(&command, count_words(cases[i].words), words, &exit_code);
        const char *said = capture_end(&c);
        assert_string_equal(said, expected);
        assert_int_equal(option, CLI_OVER);
        assert_int_equal(exit_code, EXIT_INVALID);
    }
}

static void help_is_printed_and_is_no_failure(void **state)
{
    (void)state;
    static const char *const flags[] = {"--help", "-h"};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        char next[] = "next", *words[] = {next, (char *)flags[i], NULL};
        int exit_code = -1;
        struct capture c = capture_begin(STDOUT_FILENO);
        cli__flags_begin();
        int option = cli__flag(&command, 2, words, &exit_code);
        const char *said = capture_end(&c);
        assert_string_equal(said, "Usage: as said\n");
        assert_int_equal(option, CLI_OVER);
        assert_int_equal(exit_code, 0);
    }
}

static void complaints_name_their_command(void **state)
{
    (void)state;
    struct capture c = capture_begin(STDERR_FILENO);
    int codes[] = {cli__complain("backup", "no file", NULL),
                   cli__complain("backup", "no file", "x.db"),
                   cli__complain_usage(&command, "one schedule is needed"),
                   cli_complain_command("carillon", "bakcup", (struct near){.best = "backup"}),
                   cli_complain_command("carillon cron", "x", (struct near){0})};
    const char *said = capture_end(&c);
    assert_string_equal(
        said, "carillon backup: no file\n"
              "carillon backup: no file: x.db\n"
              "carillon cron next: one schedule is needed (see: carillon cron next --help)\n"
              "carillon: unknown command \"bakcup\"; did you mean backup?\n"
              "carillon cron: unknown command \"x\" (see: carillon cron --help)\n");
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        assert_int_equal(codes[i], EXIT_INVALID);
}

// --- The caret -----------------------------------------------------------------------------------

static void the_caret_stands_below_its_byte(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        size_t position;
        const char *printed;
    } cases[] = {
        {"61 * * * *", 0, "61 * * * *\n^"},
        {"0 61 * * *", 2, "0 61 * * *\n  ^"},
        {"\t0 61 * * *", 3, "\t0 61 * * *\n\t  ^"},
        {"a\tb", 2, "a\tb\n \t^"},
        {"Zürich x", 8, "Zürich x\n       ^"}, // Two bytes in one column.
        {"€ x", 4, "€ x\n  ^"},
        {"0 9", 3, "0 9\n   ^"}, // Behind the end, where something is missing.
        {"", 0, "\n^"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char printed[64];
        FILE *out = fmemopen(printed, sizeof printed, "w");
        cli__print_caret(out, cases[i].line, strlen(cases[i].line), cases[i].position);
        fclose(out);
        assert_string_equal(printed, cases[i].printed);
    }
}

// What lies behind the bytes of the line, here a byte that continues a character, is not the
// line's.
static void the_caret_looks_at_no_byte_behind_the_line(void **state)
{
    (void)state;
    char printed[64];
    FILE *out = fmemopen(printed, sizeof printed, "w");
    cli__print_caret(out, "0 9\xbc\xbc", 3, 5);
    fclose(out);
    assert_string_equal(printed, "0 9\n     ^");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_come_with_their_values_in_any_place),
        cmocka_unit_test(a_flag_that_is_unknown_leads_to_the_right_one),
        cmocka_unit_test(help_is_printed_and_is_no_failure),
        cmocka_unit_test(complaints_name_their_command),
        cmocka_unit_test(the_caret_stands_below_its_byte),
        cmocka_unit_test(the_caret_looks_at_no_byte_behind_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
