// SPDX-License-Identifier: MIT
// test_address.c: where a server listens, as its settings say.

#include "app/app_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct settings settings_of(const char *listen, const char *local, const char *observe)
{
    struct settings s = {0};
    snprintf(s.listen, sizeof s.listen, "%s", listen);
    snprintf(s.listen_unix, sizeof s.listen_unix, "%s", local);
    snprintf(s.listen_observe, sizeof s.listen_observe, "%s", observe);
    return s;
}

static void check(const struct listen_address *a, const char *host, unsigned port, const char *path,
                  unsigned mode)
{
    assert_string_equal(a->host, host);
    assert_int_equal(a->port, port);
    assert_string_equal(a->path, path);
    assert_int_equal(a->mode, mode);
}

static void addresses_and_sockets_are_read(void **state)
{
    (void)state;
    struct listening l = {0};
    struct settings s = settings_of("[::1]:3000", "/run/a,b.sock,0660", "0.0.0.0:9100");
    assert_int_equal(app__listen_parse(&s, &l, NULL), ERR_OK);
    check(&l.api, "::1", 3000, "", 0);
    check(&l.local, "", 0, "/run/a,b.sock", 0660);
    check(&l.observe, "0.0.0.0", 9100, "", 0);

    l = (struct listening){0};
    s = settings_of("unix:/run/carillon.sock", "", "");
    assert_int_equal(app__listen_parse(&s, &l, NULL), ERR_OK);
    check(&l.api, "", 0, "", 0);
    check(&l.local, "", 0, "/run/carillon.sock", 0600);
    check(&l.observe, "", 0, "", 0);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *local, *observe, *text;
    } cases[] = {
        {"3000", "", "", "--listen: \"3000\" is not HOST:PORT, such as 127.0.0.1:3000"},
        {":3000", "", "", "--listen: \":3000\" is not HOST:PORT, such as 127.0.0.1:3000"},
        {"h:65536", "", "", "--listen: \"h:65536\" is not HOST:PORT, such as 127.0.0.1:3000"},
        {"h:1", "", "9100", "--listen-observe: \"9100\" is not HOST:PORT, such as 127.0.0.1:3000"},
        {"unix:", "", "", "--listen: the path of the socket is missing"},
        {"h:1", ",600", "", "--listen-unix: the path of the socket is missing"},
        {"h:1", "/a,9", "",
         "--listen-unix: \"9\" is not the mode of a file that its owner can read and write, such "
         "as "
         "600 or 660"},
        {"h:1", "/a,0066", "",
         "--listen-unix: \"0066\" is not the mode of a file that its owner can read and write, "
         "such "
         "as 600 or 660"},
        {"unix:/a", "/b", "", "--listen-unix: --listen names a Unix socket already"},
        {"h:1",
         "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "", "--listen-unix: the path of a Unix socket has at most 107 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct listening l = {0};
        struct fault f = {0};
        struct settings s = settings_of(cases[i].listen, cases[i].local, cases[i].observe);
        assert_int_equal(app__listen_parse(&s, &l, &f), ERR_SYNTAX);
        assert_string_equal(f.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_sockets_are_read),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
