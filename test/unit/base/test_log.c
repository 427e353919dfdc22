// SPDX-License-Identifier: MIT
// test_log.c: a line is one whole line however long its fields are, and lines that a thread holds
// back come out whole, in order, and before it is too late.

#define _GNU_SOURCE // pipe2

#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
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

#define TEXT_BYTES 16384

struct capture {
    int stderr_before;
    int pipe_end;
    char text[TEXT_BYTES];
};

static struct capture capture;

static int catch_errors(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    capture.stderr_before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    capture.pipe_end = ends[0];
    return 0;
}

static int give_back(void **state)
{
    (void)state;
    dup2(capture.stderr_before, STDERR_FILENO);
    close(capture.stderr_before);
    close(capture.pipe_end);
    return 0;
}

// What has been written since the last look.
static const char *written(void)
{
    ssize_t n = read(capture.pipe_end, capture.text, sizeof capture.text - 1);
    capture.text[n > 0 ? n : 0] = '\0';
    return capture.text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    while ((text = strchr(text, '\n')) != NULL)
        count++, text++;
    return count;
}

static void held_lines_come_together_and_in_order(void **state)
{
    (void)state;
    log_hold();
    log_info("first.thing", LOG_INT("n", 1));
    log_info("second.thing", LOG_INT("n", 2));
    assert_string_equal(written(), "");
    log_release();
    const char *text = written();
    assert_int_equal(count_lines(text), 2);
    const char *first = strstr(text, "first.thing n=1\n");
    assert_non_null(first);
    assert_non_null(strstr(first, "second.thing n=2\n"));

    log_info("third.thing");
    assert_int_equal(count_lines(written()), 1);
}

static void an_error_is_written_at_once_after_what_was_held(void **state)
{
    (void)state;
    log_hold();
    log_info("first.thing");
    log_error("last.thing");
    const char *text = written();
    assert_int_equal(count_lines(text), 2);
    assert_true(strstr(text, "first.thing") < strstr(text, "last.thing"));
    log_release();
    assert_string_equal(written(), "");
}

// More than can be kept, in pieces that end with a line.
static void no_held_line_is_lost(void **state)
{
    (void)state;
    size_t lines = 0;
    log_hold();
    for (int i = 0; i < 200; i++) {
        log_info("some.thing", LOG_INT("n", i));
        const char *text = written();
        assert_true(*text == '\0' || text[strlen(text) - 1] == '\n');
        lines += count_lines(text);
    }
    assert_true(lines > 0);
    log_release();
    lines += count_lines(written());
    assert_int_equal(lines, 200);
}

// --- Long fields -----------------------------------------------------------------------------

#define LINE_BYTES_MAX 4096
#define FIRST_BYTES_MIN (LINE_BYTES_MAX - 200)

// `count` times the character, to be freed.
static char *repeat(const char *character, size_t count)
{
    size_t bytes = strlen(character);
    char *text = malloc(count * bytes + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * bytes, character, bytes);
    text[count * bytes] = '\0';
    return text;
}

static void check_text(const char *line)
{
    assert_int_equal(count_lines(line), 1);
    assert_true(strlen(line) <= LINE_BYTES_MAX);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_non_null(strstr(line, "WARN  some.thing first=\""));
}

static void check_json(const char *line)
{
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s, at %d of %s", error.text, error.position, line);
    assert_int_equal(count_lines(line), 1);
    assert_true(strlen(line) <= LINE_BYTES_MAX);
    assert_true(json_object_size(object) >= 4); // Time, level, event, and something of `first`.
    json_decref(object);
}

// A long text, so that its end comes to lie at every place before and after the end of the line,
// and then texts and numbers which have little room left or none.
static void write_long_fields(const char *character, void check(const char *line))
{
    for (size_t i = 0; i < 400; i++) {
        char *first = repeat(character, (FIRST_BYTES_MIN + i) / strlen(character));
        char *second = repeat(character, i % 7);
        log_warn("some.thing", LOG_TEXT("first", first), LOG_TEXT("second", second),
                 LOG_TEXT("third", first), LOG_INT("n", INT64_MIN), LOG_TEXT("last", second));
        check(written());
        free(first);
        free(second);
    }
}

static const char *const characters[] = {"x", "\"", "\n", "\u00e9", "\u20ac", "\U0001f514"};

static void long_fields_leave_a_whole_line(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof characters / sizeof *characters; c++)
        write_long_fields(characters[c], check_text);
}

static void long_fields_leave_valid_json(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (size_t c = 0; c < sizeof characters / sizeof *characters; c++)
        write_long_fields(characters[c], check_json);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

// Held lines are copied once more, into a buffer of the same size.
static void long_lines_can_be_held(void **state)
{
    (void)state;
    char *text = repeat("x", 2 * LINE_BYTES_MAX);
    log_hold();
    for (int i = 0; i < 3; i++)
        log_info("some.thing", LOG_TEXT("first", text), LOG_TEXT("second", text), LOG_INT("n", i));
    log_release();
    assert_int_equal(count_lines(written()), 3);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(held_lines_come_together_and_in_order, catch_errors,
                                        give_back),
        cmocka_unit_test_setup_teardown(an_error_is_written_at_once_after_what_was_held,
                                        catch_errors, give_back),
        cmocka_unit_test_setup_teardown(no_held_line_is_lost, catch_errors, give_back),
        cmocka_unit_test_setup_teardown(long_fields_leave_a_whole_line, catch_errors, give_back),
        cmocka_unit_test_setup_teardown(long_fields_leave_valid_json, catch_errors, give_back),
        cmocka_unit_test_setup_teardown(long_lines_can_be_held, catch_errors, give_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
