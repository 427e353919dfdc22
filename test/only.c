// SPDX-License-Identifier: MIT
// only.c: lets every cmocka program run some of its tests alone: `CARILLON_TEST_ONLY=NAME test_x`.
// In the name, * stands for any text and ? for any character.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void choose_tests(void)
{
    const char *only = getenv("CARILLON_TEST_ONLY");
    if (only)
        cmocka_set_test_filter(only);
}
