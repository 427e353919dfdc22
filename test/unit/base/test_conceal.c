// SPDX-License-Identifier: MIT
// test_conceal.c: passwords in texts that name servers.

#include "base/conceal.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const cases[][2] = {
    {"postgresql://ann:secret@pg1,pg2:5433/db?sslmode=require",
     "postgresql://ann:******@pg1,pg2:5433/db?sslmode=require"},
    {"postgresql://ann:se/c?r@t@pg/db", "postgresql://ann:********@pg/db"},
    {"redis://:secret@host:6379/0", "redis://:******@host:6379/0"},
    {"postgresql://ann@/db?host=/tmp&password=secret&a=b",
     "postgresql://ann@/db?host=/tmp&password=******&a=b"},
    {"postgresql://pg/db?sslpassword=secret", "postgresql://pg/db?sslpassword=******"},
    {"host=pg Password = secret dbname=d", "host=pg Password = ****** dbname=d"},
    {"host=pg password='a \\' b' dbname=d", "host=pg password='******' dbname=d"},
    {"bad URI \"postgresql://ann:secret@pg:x/\" and redis://b:word@h",
     "bad URI \"postgresql://ann:******@pg:x/\" and redis://b:****@h"},
    {"postgresql://ann@pg:5432/db", "postgresql://ann@pg:5432/db"},
    {"http://127.0.0.1:3000/a:b", "http://127.0.0.1:3000/a:b"},
    {"password authentication failed for user \"ann\"",
     "password authentication failed for user \"ann\""},
    {"password='never ends", "password='**********"},
    {"password=", "password="},
    {"://", "://"},
    {"", ""},
};

static void passwords_become_stars_and_all_else_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        conceal_passwords(text);
        assert_string_equal(text, cases[i][1]);
        conceal_passwords(text);
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passwords_become_stars_and_all_else_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
