// SPDX-License-Identifier: MIT
// test_site.c: what requests of web pages are let in, by the headers that browsers send.

#include "api/api_priv.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct asked {
    const char *method;
    struct fake_pair headers[FAKE_MAX];
    unsigned status; // 0: it is let in.
};

static struct web_names names_of(const char *listen_host, const char *allowed)
{
    struct web_names n;
    struct fault f = {0};
    assert_int_equal(web_names_parse(listen_host, allowed, &n, &f), ERR_OK);
    return n;
}

static unsigned status_of(const struct web_names *names, const struct asked *a)
{
    struct api api = {.names = *names};
    struct exchange x = {.method = a->method};
    struct problem p = {0};
    memcpy(x.headers, a->headers, sizeof x.headers);
    struct api_request r = {.api = &api, .exchange = &x};
    return request_check_site(&r, &p) ? problem_status(&p) : 0;
}

static void check(const struct web_names *names, const struct asked *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned status = status_of(names, &rows[i]);
        if (status != rows[i].status)
            fail_msg("row %zu: %u, expected %u", i, status, rows[i].status);
    }
}

#define OWN                                                                                        \
    {                                                                                              \
        "Host", "127.0.0.1:3000"                                                                   \
    }
#define SITE(value)                                                                                \
    {                                                                                              \
        "Sec-Fetch-Site", (value)                                                                  \
    }
#define ORIGIN(value)                                                                              \
    {                                                                                              \
        "Origin", (value)                                                                          \
    }

static void programs_that_are_no_browsers_are_let_in(void **state)
{
    (void)state;
    static const struct asked rows[] = {
        {"POST", {OWN}, 0},
        {"GET", {{NULL, NULL}}, 0}, // HTTP/1.0 knows requests without Host.
        {"GET", {OWN}, 0},
    };
    struct web_names n = names_of("127.0.0.1", "");
    check(&n, rows, COUNT_OF(rows));
}

static void pages_of_other_sites_are_refused_whichever_header_tells(void **state)
{
    (void)state;
    static const struct asked rows[] = {
        {"POST", {OWN, SITE("same-origin"), ORIGIN("http://127.0.0.1:3000")}, 0},
        {"POST", {OWN, ORIGIN("HTTP://127.0.0.1:3000")}, 0},
        {"POST", {OWN, SITE("none")}, 0},
        {"POST", {OWN, SITE("Same-Origin")}, 0},
        {"POST", {OWN, SITE("same-site")}, 403},
        {"POST", {OWN, SITE("cross-site")}, 403},
        {"POST", {OWN, SITE("Cross-Site")}, 403},
        {"POST", {OWN, SITE("none, cross-site")}, 403},
        {"POST", {OWN, SITE("none"), ORIGIN("http://evil.example")}, 403},
        {"POST", {OWN, ORIGIN("http://evil.example")}, 403},
        {"POST", {OWN, ORIGIN("null")}, 403},
        {"POST", {OWN, ORIGIN("NULL")}, 403},
        {"POST", {OWN, ORIGIN("")}, 403},
        {"POST", {OWN, ORIGIN("http://127.0.0.1")}, 403},
        {"POST", {OWN, ORIGIN("http://127.0.0.1:3001")}, 403},
        {"POST", {OWN, ORIGIN("http://127.0.0.1:3000.evil.example")}, 403},
        {"POST", {OWN, ORIGIN("http://127.0.0.1:3000, http://evil.example")}, 403},
        {"POST", {OWN, ORIGIN("http://user@127.0.0.1:3000")}, 403},
        {"POST", {OWN, ORIGIN("http://localhost:3000")}, 403},
        {"POST", {OWN, ORIGIN("chrome-extension://abcdef")}, 403},
        {"POST", {ORIGIN("http://127.0.0.1:3000")}, 403}, // Without Host nothing is its own.
        {"PUT", {OWN, ORIGIN("http://evil.example")}, 403},
        {"OPTIONS", {OWN, ORIGIN("http://evil.example")}, 403},
    };
    struct web_names n = names_of("127.0.0.1", "");
    check(&n, rows, COUNT_OF(rows));
}

static void a_page_in_clear_is_not_of_a_server_with_tls(void **state)
{
    (void)state;
    struct api api = {.names = names_of("127.0.0.1", "cron.example.org")};
    struct exchange x = {.method = "POST", .is_tls = true};
    struct api_request r = {.api = &api, .exchange = &x};
    struct problem p = {0};
    x.headers[0] = (struct fake_pair){"Host", "cron.example.org"};
    x.headers[1] = (struct fake_pair){"Origin", "http://cron.example.org"};
    assert_int_equal(request_check_site(&r, &p), ERR_FORBIDDEN);
    x.headers[1].value = "https://cron.example.org";
    assert_int_equal(request_check_site(&r, &p), ERR_OK);
    x.headers[1].value = "http://cron.example.org";
    x.is_tls = false;
    assert_int_equal(request_check_site(&r, &p), ERR_OK);
}

// A picture or a script of another site may not even make the server work.
static void pages_of_other_sites_read_nothing_but_links_lead_here(void **state)
{
    (void)state;
    static const struct asked rows[] = {
        {"GET", {OWN, SITE("cross-site")}, 403},
        {"GET", {OWN, SITE("cross-site"), {"Sec-Fetch-Mode", "no-cors"}}, 403},
        {"GET", {OWN, ORIGIN("http://evil.example")}, 403},
        {"GET",
         {OWN, SITE("cross-site"), {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}},
         0},
        {"GET",
         {OWN, SITE("cross-site"), {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "iframe"}},
         403},
        {"POST",
         {OWN, SITE("cross-site"), {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}},
         403},
    };
    struct web_names n = names_of("127.0.0.1", "");
    check(&n, rows, COUNT_OF(rows));
}

static void a_request_must_name_the_server(void **state)
{
    (void)state;
    static const struct asked rows[] = {
        {"GET", {{"Host", "localhost"}}, 0},
        {"GET", {{"Host", "LOCALHOST.:80"}}, 0},
        {"GET", {{"Host", "[::1]:3000"}}, 0},
        {"GET", {{"Host", "127.1.2.3"}}, 0},
        {"GET", {{"Host", "evil.example"}}, 421},
        {"GET", {{"Host", "127.0.0.1.evil.example:3000"}}, 421},
        {"GET", {{"Host", ""}}, 421},
        {"GET", {{"Host", "10.1.2.3:3000"}}, 421},
        {"GET", {{"Host", "0.0.0.0:3000"}}, 421},
        {"POST",
         {{"Host", "evil.example"}, SITE("same-origin"), ORIGIN("http://evil.example")},
         421},
    };
    struct web_names n = names_of("127.0.0.1", "");
    check(&n, rows, COUNT_OF(rows));
}

// A reverse proxy may hand on its own name, or ask for us by our address and hand on the page's.
static void names_that_are_allowed_are_the_servers_own(void **state)
{
    (void)state;
    static const struct asked rows[] = {
        {"POST", {{"Host", "cron.example"}, ORIGIN("https://cron.example")}, 0},
        {"POST", {OWN, ORIGIN("https://cron.example")}, 0},
        {"POST", {OWN, ORIGIN("http://other.example:8080")}, 0},
        {"POST", {OWN, ORIGIN("http://other.example")}, 403},
        {"POST", {OWN, ORIGIN("https://cron.example:8443")}, 403},
        {"POST", {{"Host", "cron.example:8443"}, ORIGIN("https://cron.example:8443")}, 0},
        {"POST", {OWN, ORIGIN("https://evil.example")}, 403},
        {"GET", {{"Host", "evil.example"}}, 421},
    };
    struct web_names n = names_of("127.0.0.1", "cron.example,other.example:8080");
    check(&n, rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_that_are_no_browsers_are_let_in),
        cmocka_unit_test(pages_of_other_sites_are_refused_whichever_header_tells),
        cmocka_unit_test(a_page_in_clear_is_not_of_a_server_with_tls),
        cmocka_unit_test(pages_of_other_sites_read_nothing_but_links_lead_here),
        cmocka_unit_test(a_request_must_name_the_server),
        cmocka_unit_test(names_that_are_allowed_are_the_servers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
