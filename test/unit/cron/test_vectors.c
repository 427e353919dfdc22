// SPDX-License-Identifier: MIT
// test_vectors.c: the answers that eleven independent schedulers agreed on.
//
// Every row of test/vectors/cron-next.tsv and cron-invalid.tsv. Rows depend on the system's zone
// data: when only the rows of one zone fail, suspect a new release of tzdata first.

#include "cron_test.h"

#define ROWS_NEXT 3240
#define ROWS_INVALID 298
#define COMPLAINTS_MAX 20

static FILE *open_vectors(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "test/vectors/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("cannot open %s: run tests from the root of the project", path);
    return file;
}

// The next row, cut at tabs into `columns`. False at the end. Comments begin with "# ".
static bool next_row(FILE *file, char *line, size_t bytes, char **columns, size_t count)
{
    do {
        if (!fgets(line, (int)bytes, file))
            return false;
        line[strcspn(line, "\n")] = '\0';
    } while (!strncmp(line, "# ", 2) || !*line);
    for (size_t i = 0; i < count; i++) {
        columns[i] = line;
        line += strcspn(line, "\t");
        if (*line)
            *line++ = '\0';
    }
    return true;
}

// Expression, zone and starting point give exactly the five instants of the row.
static void every_row_of_next_is_answered(void **state)
{
    (void)state;
    FILE *file = open_vectors("cron-next.tsv");
    char line[2048], got[256], *column[4];
    int rows = 0, wrong = 0;
    while (next_row(file, line, sizeof line, column, 4)) {
        struct cron_schedule s = schedule_of(column[0]);
        runs_of(&s, column[1], column[2], 5, got, sizeof got);
        rows++;
        if (strcmp(got, column[3]) != 0 && ++wrong <= COMPLAINTS_MAX)
            print_error("'%s' in %s after %s\n  expected %s\n  got      %s\n", column[0], column[1],
                        column[2], column[3], got);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_int_equal(rows, ROWS_NEXT);
}

// Every row is refused, with a message and a position inside the text.
static void every_row_of_invalid_is_refused(void **state)
{
    (void)state;
    FILE *file = open_vectors("cron-invalid.tsv");
    char line[2048], *column[3];
    int rows = 0, wrong = 0;
    while (next_row(file, line, sizeof line, column, 3)) {
        struct cron_schedule s;
        struct cron_error e = {0};
        size_t bytes = strlen(column[0]);
        enum err err = cron_parse(column[0], bytes, NULL, &s, &e);
        rows++;
        bool told = err && e.code != CRON_FINE && e.message[0] && e.position + e.length <= bytes;
        if (!told && ++wrong <= COMPLAINTS_MAX)
            print_error("'%s' is not refused well: %s\n", column[0], column[2]);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_int_equal(rows, ROWS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_next_is_answered),
        cmocka_unit_test(every_row_of_invalid_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
