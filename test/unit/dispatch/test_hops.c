// SPDX-License-Identifier: MIT
// test_hops.c: what the next request of a redirected attempt says.

#include "dispatch/hops_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define HEADERS                                                                                    \
    "Accept: text/html\nAUTHORIZATION: Bearer x\nContent-Type: text/csv\nX-Api-Key: k\n"           \
    "cookie: a=b\nHost: v.example\nX-Odd: sealed:v1:a:AAAA\nX-Plain: y\n"

static struct hops *hops_of(enum job_method method, const char *body, unsigned most)
{
    struct request r = {.api = "http://a.example/b/c?d",
                        .headers = HEADERS,
                        .body = body,
                        .body_is_json = true,
                        .method = method,
                        .redirects = (uint8_t)most};
    return hops_new(&r);
}

static bool follow(struct hops *h, unsigned status, const char *location)
{
    struct request_text text = {0};
    request_text_say(&text, location);
    bool followed = hops_lead_on(h, status, &text) && hops_follow(h, status, &text);
    request_text_trim(&text);
    free(text.bytes);
    return followed;
}

static void access_token_stays_with_its_origin(void **state)
{
    struct request r = {.api = "http://a.example/b", .bearer = "token", .redirects = 2};
    struct hops *h = hops_new(&r);
    (void)state;
    assert_true(follow(h, 307, "/x"));
    assert_string_equal(h->request.bearer, "token");
    assert_true(follow(h, 307, "http://a.example:81/x"));
    assert_null(h->request.bearer);
    hops_free(h);
}

static void the_method_and_the_body_follow_the_status(void **state)
{
    static const struct {
        unsigned status;
        enum job_method method, then;
        bool with_body;
    } cases[] = {
        {301, METHOD_POST, METHOD_GET, false},    {302, METHOD_POST, METHOD_GET, false},
        {303, METHOD_POST, METHOD_GET, false},    {307, METHOD_POST, METHOD_POST, true},
        {308, METHOD_POST, METHOD_POST, true},    {303, METHOD_PUT, METHOD_GET, false},
        {301, METHOD_DELETE, METHOD_GET, false},  {308, METHOD_DELETE, METHOD_DELETE, true},
        {302, METHOD_GET, METHOD_GET, false},     {307, METHOD_GET, METHOD_GET, true},
        {303, METHOD_HEAD, METHOD_HEAD, false},   {307, METHOD_HEAD, METHOD_HEAD, true},
        {302, METHOD_OPTIONS, METHOD_GET, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct hops *h = hops_of(cases[i].method, "{}", 1);
        assert_true(follow(h, cases[i].status, "/x"));
        assert_string_equal(h->request.api, "http://a.example/x");
        assert_int_equal(h->request.method, cases[i].then);
        assert_int_equal(h->request.body != NULL, cases[i].with_body);
        assert_int_equal(h->request.body_is_json, cases[i].with_body);
        assert_int_equal(strstr(h->request.headers, "Content-Type") != NULL, cases[i].with_body);
        assert_non_null(strstr(h->request.headers, "AUTHORIZATION")); // The origin is the same.
        hops_free(h);
    }
}

static void credentials_stay_with_their_origin(void **state)
{
    static const struct {
        const char *location;
        bool same;
    } cases[] = {
        {"/x", true},
        {"http://a.example/x", true},
        {"HTTP://A.Example:80/x", true},
        {"//a.example/x", true},
        {"https://a.example/x", false},
        {"https://a.example:80/x", false},
        {"http://a.example:8080/x", false},
        {"http://b.a.example/x", false},
        {"http://a.example./x", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct hops *h = hops_of(METHOD_POST, NULL, 1);
        assert_true(follow(h, 307, cases[i].location));
        assert_string_equal(
            h->request.headers,
            cases[i].same ? HEADERS : "Accept: text/html\nContent-Type: text/csv\nX-Plain: y\n");
        hops_free(h);
    }
}

// What identifies the job to its target is for no other, and does not come back either.
static void the_client_certificate_stays_with_its_origin(void **state)
{
    (void)state;
    const struct request r = {.api = "https://a.example/b",
                              .tls_ca = "trusted",
                              .tls_client_cert = "shown",
                              .tls_client_key = "sealed:v1:a:AAAA",
                              .redirects = 3};
    struct hops *h = hops_new(&r);
    assert_true(follow(h, 307, "/c"));
    assert_string_equal(h->request.tls_client_cert, "shown");
    assert_string_equal(h->request.tls_client_key, "sealed:v1:a:AAAA");
    assert_true(follow(h, 307, "https://a.example:8443/"));
    assert_true(follow(h, 307, "https://a.example/"));
    assert_null(h->request.tls_client_cert);
    assert_null(h->request.tls_client_key);
    assert_string_equal(h->request.tls_ca, "trusted");
    hops_free(h);
}

// Who has it can say that the work is done.
static void the_callback_stays_with_its_origin(void **state)
{
    (void)state;
    const struct request r = {
        .api = "https://a.example/b", .callback = "/executions/7-1/complete", .redirects = 3};
    struct hops *h = hops_new(&r);
    assert_true(follow(h, 307, "/c"));
    assert_string_equal(h->request.callback, r.callback);
    assert_true(follow(h, 307, "http://a.example/"));
    assert_true(follow(h, 307, "https://a.example/"));
    assert_null(h->request.callback);
    hops_free(h);
}

// Back at the first origin, what was dropped on the way stays away.
static void credentials_do_not_come_back(void **state)
{
    (void)state;
    struct hops *h = hops_of(METHOD_POST, NULL, 2);
    assert_true(follow(h, 307, "http://b.example/"));
    assert_true(follow(h, 307, "http://a.example/"));
    assert_null(strstr(h->request.headers, "AUTHORIZATION"));
    hops_free(h);
}

static void a_location_that_leads_nowhere_is_not_followed(void **state)
{
    static const struct {
        unsigned status;
        const char *location;
    } cases[] = {
        {300, "/x"}, {304, "/x"}, {305, "/x"}, {306, "/x"},
        {309, "/x"}, {200, "/x"}, {201, "/x"}, {302, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct hops *h = hops_of(METHOD_POST, NULL, 1);
        assert_false(follow(h, cases[i].status, cases[i].location));
        assert_int_equal(h->refused.code, ERR_OK); // Nobody expected it.
        hops_free(h);
    }
    assert_null(hops_of(METHOD_POST, NULL, 0));
    assert_false(hops_lead_on(NULL, 302, &(struct request_text){0}));
}

static void a_location_that_cannot_be_called_is_not_followed_and_why(void **state)
{
    static const struct {
        const char *location;
        const char *text; // What an outcome says.
    } cases[] = {
        {"ftp://b/", "ftp://b/ (not followed: the URL must begin with http:// or https://)"},
        {"http://u:p@b/ ",
         "http://u:p@b/ (not followed: the URL carries a user name or password; send an "
         "Authorization header instead)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[HOPS_LOCATION_BYTES];
        struct request_text location = {0};
        struct hops *h = hops_of(METHOD_POST, NULL, 1);
        request_text_say(&location, cases[i].location);
        assert_false(hops_follow(h, 302, &location));
        assert_string_equal(hops_location(h, &location, text), cases[i].text);
        assert_string_equal(h->request.api, "http://a.example/b/c?d");
        free(location.bytes);
        hops_free(h);
    }
}

static void no_more_are_followed_than_the_job_allows(void **state)
{
    (void)state;
    struct hops *h = hops_of(METHOD_GET, NULL, 2);
    assert_true(follow(h, 301, "x"));
    assert_true(follow(h, 302, "y?z"));
    assert_false(follow(h, 302, "x"));
    assert_string_equal(h->refused.text, "2 redirects were followed before");
    assert_string_equal(h->record.bytes, "301 http://a.example/b/x\n302 http://a.example/b/y?z\n");
    assert_int_equal(h->taken, 2);
    hops_free(h);
}

static void a_step_back_leaves_no_trace_in_the_record(void **state)
{
    (void)state;
    struct hops *h = hops_of(METHOD_GET, NULL, 9);
    assert_true(follow(h, 301, "/x"));
    assert_true(follow(h, 307, "http://b/"));
    hops_step_back(h, "forbidden");
    assert_string_equal(h->record.bytes, "301 http://a.example/x\n");
    assert_int_equal(h->status, 307);
    assert_string_equal(h->refused.text, "forbidden");
    assert_false(follow(h, 301, "/y")); // The last hop was the end.
    hops_free(h);
}

static void blanks_and_what_is_not_ascii_are_encoded(void **state)
{
    (void)state;
    struct hops *h = hops_of(METHOD_GET, NULL, 1);
    assert_true(follow(h, 301, "/a b/\xc3\xa4 \t"));
    assert_string_equal(h->request.api, "http://a.example/a%20b/%C3%A4");
    hops_free(h);
}

// What was cut off could have led elsewhere; a fragment leads nowhere.
static void a_location_that_was_cut_is_not_followed(void **state)
{
    (void)state;
    static const struct {
        const char *begins;
        char then;
        bool followed;
    } cases[] = {
        {"/../../../../../../../../x", 'y', false}, {"/x ", ' ', false}, {"/x#", 'f', true}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char location[LOCATION_BYTES_MAX + 1];
        memset(location, cases[i].then, sizeof location - 1);
        memcpy(location, cases[i].begins, strlen(cases[i].begins));
        location[sizeof location - 1] = '\0';
        struct hops *h = hops_of(METHOD_GET, NULL, 1);
        assert_int_equal(follow(h, 301, location), cases[i].followed);
        if (!cases[i].followed)
            assert_string_equal(h->refused.text, "it is longer than 8000 bytes");
        hops_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_token_stays_with_its_origin),
        cmocka_unit_test(the_method_and_the_body_follow_the_status),
        cmocka_unit_test(credentials_stay_with_their_origin),
        cmocka_unit_test(credentials_do_not_come_back),
        cmocka_unit_test(the_client_certificate_stays_with_its_origin),
        cmocka_unit_test(the_callback_stays_with_its_origin),
        cmocka_unit_test(a_location_that_leads_nowhere_is_not_followed),
        cmocka_unit_test(a_location_that_cannot_be_called_is_not_followed_and_why),
        cmocka_unit_test(no_more_are_followed_than_the_job_allows),
        cmocka_unit_test(a_step_back_leaves_no_trace_in_the_record),
        cmocka_unit_test(a_location_that_was_cut_is_not_followed),
        cmocka_unit_test(blanks_and_what_is_not_ascii_are_encoded),
    };
    return cmocka_run_group_tests_name("hops", tests, NULL, NULL);
}
