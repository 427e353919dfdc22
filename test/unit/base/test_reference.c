// SPDX-License-Identifier: MIT
// test_reference.c: references are resolved as the standard's own examples say.

#include "base/reference.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE "http://a/b/c/d;p?q"

struct row {
    const char *base;
    const char *reference;
    const char *result;
};

// RFC 3986, 5.4, without fragments.
static const struct row standard[] = {
    {BASE, "g:h", "g:h"},
    {BASE, "g", "http://a/b/c/g"},
    {BASE, "./g", "http://a/b/c/g"},
    {BASE, "g/", "http://a/b/c/g/"},
    {BASE, "/g", "http://a/g"},
    {BASE, "//g", "http://g"},
    {BASE, "?y", "http://a/b/c/d;p?y"},
    {BASE, "g?y", "http://a/b/c/g?y"},
    {BASE, "#s", BASE},
    {BASE, "g#s", "http://a/b/c/g"},
    {BASE, "g?y#s", "http://a/b/c/g?y"},
    {BASE, ";x", "http://a/b/c/;x"},
    {BASE, "g;x", "http://a/b/c/g;x"},
    {BASE, "", BASE},
    {BASE, ".", "http://a/b/c/"},
    {BASE, "./", "http://a/b/c/"},
    {BASE, "..", "http://a/b/"},
    {BASE, "../", "http://a/b/"},
    {BASE, "../g", "http://a/b/g"},
    {BASE, "../..", "http://a/"},
    {BASE, "../../", "http://a/"},
    {BASE, "../../g", "http://a/g"},
    {BASE, "../../../g", "http://a/g"},
    {BASE, "../../../../g", "http://a/g"},
    {BASE, "/./g", "http://a/g"},
    {BASE, "/../g", "http://a/g"},
    {BASE, "g.", "http://a/b/c/g."},
    {BASE, ".g", "http://a/b/c/.g"},
    {BASE, "g..", "http://a/b/c/g.."},
    {BASE, "..g", "http://a/b/c/..g"},
    {BASE, "./../g", "http://a/b/g"},
    {BASE, "./g/.", "http://a/b/c/g/"},
    {BASE, "g/./h", "http://a/b/c/g/h"},
    {BASE, "g/../h", "http://a/b/c/h"},
    {BASE, "g;x=1/./y", "http://a/b/c/g;x=1/y"},
    {BASE, "g;x=1/../y", "http://a/b/c/y"},
    {BASE, "g?y/./x", "http://a/b/c/g?y/./x"},
    {BASE, "g?y/../x", "http://a/b/c/g?y/../x"},
};

static const struct row others[] = {
    {"http://a", "g", "http://a/g"},
    {"http://a", "/g", "http://a/g"},
    {"http://a", "?y", "http://a?y"},
    {"http://a", "../g", "http://a/g"},
    {"http://a?q", "g", "http://a/g"},
    {"http://a?q/r", "g", "http://a/g"},
    {"http://a/?q/r", "?y", "http://a/?y"},
    {"https://a:8443/b", "//c:1/d", "https://c:1/d"},
    {"https://[::1]:8443/b/c", "d", "https://[::1]:8443/b/d"},
    {"http://a/b//c", "../d", "http://a/b/d"},
    {"http://a/b", "/x//y/../z", "http://a/x//z"},
    {"http://a/b", "HTTPS://C/../d#e", "HTTPS://C/../d"},
    {"http://a/b", "1:2", "http://a/1:2"}, // No scheme begins with a digit.
    {"http://a/b", ":x", "http://a/:x"},
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *result = reference_resolve(rows[i].base, rows[i].reference);
        assert_string_equal(result, rows[i].result);
        free(result);
    }
}

static void the_examples_of_the_standard_hold(void **state)
{
    (void)state;
    check(standard, sizeof standard / sizeof *standard);
}

static void a_base_without_a_path_is_gone_on_from_too(void **state)
{
    (void)state;
    check(others, sizeof others / sizeof *others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard_hold),
        cmocka_unit_test(a_base_without_a_path_is_gone_on_from_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
