// SPDX-License-Identifier: MIT
// test_memory.c: what is allocated is whole, apart from all else, and keeps what was put in.

#include "base/memory.h"

#include "base/err.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void an_allocation_of_nothing_is_no_failure(void **state)
{
    (void)state;
    void *none[] = {xmalloc(0), xcalloc(0, 8), xcalloc(8, 0), xrealloc(NULL, 0)};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        assert_non_null(none[i]);
        free(none[i]);
    }
    assert_null(xstrdup(NULL));
}

static void a_copied_text_is_its_owners_own(void **state)
{
    (void)state;
    char text[] = "bells";
    char *copy = xstrdup(text);
    text[0] = 'c';
    assert_string_equal(copy, "bells");
    free(copy);
}

static void an_array_grows_when_it_is_full_and_keeps_its_elements(void **state)
{
    (void)state;
    size_t capacity = 0;
    int *array = NULL;
    for (size_t i = 0; i < 1000; i++) {
        size_t before = capacity;
        array = grow(array, i, &capacity, sizeof *array);
        assert_true(capacity > i);
        assert_true(before == capacity || i == before); // Only a full one grows.
        assert_true(before == 0 || capacity <= 2 * before);
        array[i] = (int)i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    free(array);
}

// --- The arena -----------------------------------------------------------------------------------

#define PIECES 3000

// Sizes of 0 to 99 bytes, and now and then more than a chunk has.
static size_t size_of(size_t i)
{
    return i % 500 == 499 ? 40000 : i * 7 % 100;
}

static void pieces_of_an_arena_are_aligned_and_do_not_overlap(void **state)
{
    (void)state;
    static unsigned char *pieces[PIECES];
    struct arena a = {0};
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&a, size_of(i));
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)(i % 251), size_of(i));
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < size_of(i); k++)
            if (pieces[i][k] != i % 251)
                fail_msg("byte %zu of piece %zu was written over", k, i);
    arena_clear(&a);
}

static void a_text_in_an_arena_ends_where_it_should(void **state)
{
    (void)state;
    struct arena a = {0};
    char *cut = arena_copy(&a, "morning bells", 7), *none = arena_copy(&a, "", 0);
    char *whole = arena_text(&a, "evening bells"), *zeros = arena_copy(&a, "a\0b", 3);
    assert_string_equal(cut, "morning");
    assert_string_equal(none, "");
    assert_string_equal(whole, "evening bells");
    assert_memory_equal(zeros, "a\0b", 4);
    assert_null(arena_text(&a, NULL));
    arena_clear(&a);
}

static void a_cleared_arena_can_be_used_again(void **state)
{
    (void)state;
    struct arena a = {0};
    arena_clear(&a); // Nothing is in it.
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            assert_string_equal(arena_text(&a, "a line of some forty bytes, more or less"),
                                "a line of some forty bytes, more or less");
        arena_clear(&a);
        assert_null(a.head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_of_nothing_is_no_failure),
        cmocka_unit_test(a_copied_text_is_its_owners_own),
        cmocka_unit_test(an_array_grows_when_it_is_full_and_keeps_its_elements),
        cmocka_unit_test(pieces_of_an_arena_are_aligned_and_do_not_overlap),
        cmocka_unit_test(a_text_in_an_arena_ends_where_it_should),
        cmocka_unit_test(a_cleared_arena_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
