// SPDX-License-Identifier: MIT
// test_near.c: which known word a wrong one leads to.

#include "base/err.h"
#include "base/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void edits_count_letters_and_swaps(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned edits;
    } rows[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"serve", "serve", 0},
        {"serv", "serve", 1},
        {"sevre", "serve", 1},
        {"SERVE", "serve", 0},
        {"abc", "xyz", 3},
        {"log-level", "log_level", 0},
        {"New York", "New_York", 0},
        {"kitten", "sitting", 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(near_edits(rows[i].a, rows[i].b), rows[i].edits);
        assert_int_equal(near_edits(rows[i].b, rows[i].a), rows[i].edits);
    }
}

// Only their beginnings are compared.
static void words_of_any_length_are_compared(void **state)
{
    (void)state;
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[sizeof a - 1] = b[sizeof b - 1] = '\0';
    assert_int_equal(near_edits(a, b), NEAR_BYTES);
    assert_int_equal(near_edits(a, ""), NEAR_BYTES);
    assert_int_equal(near_edits("", b), NEAR_BYTES);
}

static const char *nearest(const char *wanted)
{
    static const char *const known[] = {"serve",  "demo",          "cron",
                                        "import", "backup",        "doctor",
                                        "help",   "retention_age", "retention_count"};
    struct near n = near_to(wanted);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        near_see(&n, known[i]);
    return n.best;
}

static void a_wrong_word_leads_to_the_nearest_one_or_to_none(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *best;
    } rows[] = {
        {"serv", "serve"},
        {"srve", "serve"},
        {"Serve", "serve"},
        {"crno", "cron"},
        {"bakcup", "backup"},
        {"doc", "doctor"},                      // A beginning.
        {"retention-count", "retention_count"}, // The other sign between words.
        {"retention", "retention_age"},         // Two begin so: the first one.
        {"x", NULL},                            // Every letter differs.
        {"", NULL},
        {"jobs", NULL},
        {"quite something else", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *best = nearest(rows[i].wanted);
        if (rows[i].best ? !best || strcmp(best, rows[i].best) != 0 : best != NULL)
            fail_msg("'%s' leads to '%s'", rows[i].wanted, best ? best : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_count_letters_and_swaps),
        cmocka_unit_test(words_of_any_length_are_compared),
        cmocka_unit_test(a_wrong_word_leads_to_the_nearest_one_or_to_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
