// SPDX-License-Identifier: MIT
// test_enum_words.c: enums and their words, made from one row.

#include "base/enum_words.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define FRUIT_ROW(ENUM, VALUE)                                                                     \
    ENUM(fruit, FRUITS,                                                                            \
         VALUE(FRUIT_APPLE, "apple") VALUE(FRUIT_PEAR, "pear") VALUE(FRUIT_PLUM, "plum"))

FRUIT_ROW(ENUM_DECLARE, ENUM_DECLARE_VALUE)
FRUIT_ROW(ENUM_DEFINE, ENUM_DEFINE_VALUE)

static void each_enum_value_is_found_by_its_word(void **state)
{
    (void)state;
    assert_int_equal(FRUITS, 3);
    for (int value = 0; value < FRUITS; value++) {
        int found = -1;
        assert_true(enum_find(&fruit_words, fruit_name((enum fruit)value), &found));
        assert_int_equal(found, value);
    }
}

static void an_unknown_word_leaves_the_value_alone(void **state)
{
    (void)state;
    int value = 7;
    assert_false(enum_find(&fruit_words, "Apple", &value));
    assert_false(enum_find(&fruit_words, "", &value));
    assert_false(enum_find(&fruit_words, "apples", &value));
    assert_int_equal(value, 7);
}

static void a_list_of_words_reads_like_a_sentence_and_is_cut_where_room_ends(void **state)
{
    (void)state;
    char whole[64], cut[9];
    enum_list(&fruit_words, whole, sizeof whole);
    assert_string_equal(whole, "apple, pear or plum");
    enum_list(&fruit_words, cut, sizeof cut);
    assert_string_equal(cut, "apple, p");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_enum_value_is_found_by_its_word),
        cmocka_unit_test(an_unknown_word_leaves_the_value_alone),
        cmocka_unit_test(a_list_of_words_reads_like_a_sentence_and_is_cut_where_room_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
