// SPDX-License-Identifier: MIT
// test_calls.c: what calls of curl and wget become, and which options nobody can convert.

#include "crontab_test.h"

struct row {
    const char *command;
    const char *request; // "METHOD URL"
    const char *headers;
    const char *body;
    const char *reason;
};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check(const struct row *row)
{
    char reason[CRONTAB_REASON_BYTES], request[512];
    struct job *j = job_of(row->command, reason);
    snprintf(request, sizeof request, "%s %s", job_method_name(j->method), j->api);
    if (!same(request, row->request) || !same(j->headers, row->headers) ||
        !same(j->body, row->body) || !same(reason, row->reason ? row->reason : ""))
        fail_msg("%s\n%s\n%s\n%s\n%s", row->command, request,
                 j->headers ? j->headers : "no headers", j->body ? j->body : "no body", reason);
    job_free(j);
}

#define FORM "Content-Type: application/x-www-form-urlencoded\n"
#define JSON "Accept: application/json\nContent-Type: application/json\n"
#define A "http://a/"

// --- curl ----------------------------------------------------------------------------------------

static const struct row curl_rows[] = {
    {"curl " A, "GET " A, NULL, NULL, NULL},
    {"/usr/bin/curl -fsS -o /dev/null " A, "GET " A, NULL, NULL, NULL},
    {"curl -s -S -f --url " A " -o- -w '\\%{http_code}'", "GET " A, NULL, NULL, NULL},
    {"curl --silent --show-error --fail -- " A, "GET " A, NULL, NULL, NULL},
    {"curl -X POST " A, "POST " A, NULL, "", NULL},
    {"curl -XDELETE " A, "DELETE " A, NULL, "", NULL},
    {"curl -sXPUT " A " -dx", "PUT " A, FORM, "x", NULL},
    {"curl --request PATCH --data x " A, "PATCH " A, FORM, "x", NULL},
    {"curl -X GET -d q " A, "GET " A, FORM, "q", NULL},
    {"curl -H 'X-Key:  a b ' -H Y:2 " A, "GET " A, "X-Key: a b\nY: 2\n", NULL, NULL},
    {"curl -H 'X-Empty;' -H 'Accept:' " A, "GET " A, "X-Empty: \n", NULL, NULL},
    {"curl -d a=1 -d b=2 " A, "POST " A, FORM, "a=1&b=2", NULL},
    {"curl -d a --data-raw @b --data-binary c --data-ascii d " A, "POST " A, FORM, "a&@b&c&d",
     NULL},
    {"curl -d '' " A, "POST " A, FORM, "", NULL},
    {"curl -d x -H content-type:text/plain " A, "POST " A, "content-type: text/plain\n", "x", NULL},
    {"curl -d x -H Content-Type: " A, "POST " A, NULL, "x", NULL},
    {"curl --data-urlencode 'a b&c' --data-urlencode =d/e --data-urlencode 'f=g h~' " A, "POST " A,
     FORM, "a+b%26c&d%2Fe&f=g+h~", NULL},
    {"curl --data-urlencode name@- " A "%x y", "POST " A, FORM, "name=x+y%0A", NULL},
    {"curl --json '{\"a\":1' --json '}' " A, "POST " A, JSON, "{\"a\":1}", NULL},
    {"curl --json 1 -H Accept:x " A, "POST " A, "Accept: x\nContent-Type: application/json\n", "1",
     NULL},
    {"curl -u user:pass " A, "GET " A, "Authorization: Basic dXNlcjpwYXNz\n", NULL, NULL},
    {"curl -u a: " A, "GET " A, "Authorization: Basic YTo=\n", NULL, NULL},
    {"curl --user ab:c " A, "GET " A, "Authorization: Basic YWI6Yw==\n", NULL, NULL},
    {"curl -u a:b -H Authorization:x " A, "GET " A, "Authorization: x\n", NULL, NULL},
    {"curl --oauth2-bearer t0k " A, "GET " A, "Authorization: Bearer t0k\n", NULL, NULL},
    {"curl -A me/1 -e http://r/ -b k=v " A, "GET " A,
     "User-Agent: me/1\nReferer: http://r/\nCookie: k=v\n", NULL, NULL},
    {"curl -G -d a=1 --data-urlencode 'b= ' " A, "GET " A "?a=1&b=+", NULL, NULL, NULL},
    {"curl -G -d a=1 '" A "?x=1'", "GET " A "?x=1&a=1", NULL, NULL, NULL},
    {"curl -G " A, "GET " A, NULL, NULL, NULL},
    {"curl -L " A, "GET " A, NULL, NULL, "redirects are not followed (-L)"},
    {"curl -LksSL " A, "GET " A, NULL, NULL,
     "redirects are not followed (-L); certificates are always checked (-k)"},
    {"curl host:80/x?y=1", "GET http://host:80/x?y=1", NULL, NULL, NULL},
    {"curl -g 'http://a/{b}'", "GET http://a/{b}", NULL, NULL, NULL},
    {"curl 'http://[::1]:80/x'", "GET http://[::1]:80/x", NULL, NULL, NULL},
};

static void curl_becomes_a_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(curl_rows); i++)
        check(&curl_rows[i]);
}

static const char *const curl_refused[][3] = {
    {"curl", "curl", "it has no URL"},
    {"curl ''", "curl", "it has no URL"},
    {"curl http://a/ http://b/", "http://b/", "more than one URL"},
    {"curl http://a/ --url http://b/", "--url", "more than one URL"},
    {"curl --unknown-thing http://a/", "--unknown-thing", "--unknown-thing of curl is not known"},
    {"curl -sZ http://a/", "-sZ", "the option -Z of curl is not known"},
    {"curl --max-time=5 http://a/", "--max-time=5", "--max-time=5 of curl is not known"},
    {"curl - http://a/", "-", "the option - of curl"},
    {"curl http://a/ -d", "-d", "its last option lacks a value"},
    {"curl -I http://a/", "-I", "HEAD"},
    {"curl --head http://a/", "--head", "HEAD"},
    {"curl -X HEAD http://a/", "-X", "not send the method 'HEAD'"},
    {"curl -X post http://a/", "-X", "not send the method 'post'"},
    {"curl -o out.html http://a/", "-o", "the file out.html"},
    {"curl -O http://a/", "-O", "to a file"},
    {"curl -d @body.json http://a/", "-d", "it sends the file body.json"},
    {"curl --data-urlencode n@file http://a/", "--data-urlencode", "it sends the file file"},
    {"curl -F a=b http://a/", "-F", "multipart form"},
    {"curl -T x http://a/", "-T", "it sends a file"},
    {"curl -K conf http://a/", "-K", "options from a file"},
    {"curl -b jar.txt http://a/", "-b", "cookies from the file jar.txt"},
    {"curl -H @headers http://a/", "-H", "headers from the file headers"},
    {"curl -H nothing http://a/", "-H", "'nothing' is no header"},
    {"curl -H 'X: 1' --header 'x: 2' http://a/", "--header", "sends the header x twice"},
    {"curl -H Host:b http://a/", "-H", "the header Host is set by Carillon"},
    {"curl -H 'a b: c' http://a/", "-H", "of a header name"},
    {"curl -u user http://a/", "curl", "ask for the password of user"},
    {"curl -m 0 http://a/", "-m", "0.1 to 3600 seconds, not '0'"},
    {"curl -m 3601 http://a/", "-m", "not '3601'"},
    {"curl -m 99999999999999 http://a/", "-m", "0.1 to 3600 seconds"},
    {"curl -m 1e3 http://a/", "-m", "0.1 to 3600 seconds"},
    {"curl --retry 101 http://a/", "--retry", "0 to 100 retries, not '101'"},
    {"curl --retry 4294967297 http://a/", "--retry", "0 to 100 retries"},
    {"curl --retry x http://a/", "--retry", "0 to 100 retries"},
    {"curl 'http://a/{b,c}'", "curl", "several URLs"},
    {"curl http://a/[1-3]", "curl", "several URLs"},
};

static void what_curl_does_otherwise_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(curl_refused); i++)
        assert_not_convertible(curl_refused[i][0], curl_refused[i][1], curl_refused[i][2]);
}

// --- wget ----------------------------------------------------------------------------------------

#define REDIRECTS "redirects are not followed"

static const struct row wget_rows[] = {
    {"wget -q -O /dev/null " A, "GET " A, NULL, NULL, REDIRECTS},
    {"wget -qO- " A, "GET " A, NULL, NULL, REDIRECTS},
    {"wget -qO - --max-redirect=0 " A, "GET " A, NULL, NULL, NULL},
    {"wget --quiet --output-document=/dev/null " A, "GET " A, NULL, NULL, REDIRECTS},
    {"/usr/bin/wget -nv -O- " A, "GET " A, NULL, NULL, REDIRECTS},
    {"wget -q " A, "GET " A, NULL, NULL, "the answer is not saved as a file; " REDIRECTS},
    {"wget -O- --post-data=a=1 " A, "POST " A, FORM, "a=1", REDIRECTS},
    {"wget -O- --post-data 'a b' " A, "POST " A, FORM, "a b", REDIRECTS},
    {"wget -O- --post-data= " A, "POST " A, FORM, "", REDIRECTS},
    {"wget -O- --method=PUT --body-data=x --header='Content-Type: a/b' --header 'X: 1' " A,
     "PUT " A, "Content-Type: a/b\nX: 1\n", "x", REDIRECTS},
    {"wget -O- --method DELETE " A, "DELETE " A, NULL, "", REDIRECTS},
    {"wget -O- --user=a --password=b -U me " A, "GET " A,
     "User-Agent: me\nAuthorization: Basic YTpi\n", NULL, REDIRECTS},
    {"wget -O- --no-check-certificate https://a/", "GET https://a/", NULL, NULL,
     "certificates are always checked (--no-check-certificate); " REDIRECTS},
    {"wget -qO- example.com/x", "GET http://example.com/x", NULL, NULL, REDIRECTS},
};

static void wget_becomes_a_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wget_rows); i++)
        check(&wget_rows[i]);
}

static void what_wget_does_otherwise_is_named(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"wget -q --spider http://a/", "--spider", "HEAD"},
        {"wget -O x http://a/", "-O", "the file x"},
        {"wget -nc http://a/", "-nc", "the option -nc of wget is not known"},
        {"wget --mirror http://a/", "--mirror", "--mirror of wget is not known"},
        {"wget --quiet=1 http://a/", "--quiet=1", "--quiet=1 of wget is not known"},
        {"wget --post-data=a --body-data=b http://a/", "--body-data=b", "more than one body"},
        {"wget --post-file=x http://a/", "--post-file=x", "it sends a file"},
        {"wget -t 0 http://a/", "-t", "1 to 101 tries, not '0'"},
        {"wget --tries=inf http://a/", "--tries=inf", "1 to 101 tries, not 'inf'"},
        {"wget -T0 http://a/", "-T0", "0.1 to 3600 seconds"},
        {"wget --user=a http://a/", "wget", "the password of a"},
        {"wget --method=GET --body-data=x http://a/", "wget", "no body with GET"},
        {"wget -i list", "-i", "URLs from a file"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_not_convertible(rows[i][0], rows[i][1], rows[i][2]);
}

// --- Timeouts and retries ------------------------------------------------------------------------

static void timeouts_and_retries_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        uint32_t timeout_ms;
        uint16_t retries;
    } rows[] = {
        {"curl -m 10 " A, 10000, 3},
        {"curl -m10 --retry 0 " A, 10000, 0},
        {"curl --max-time 2.5 --retry 7 " A, 2500, 7},
        {"curl -m .25 --retry 100 " A, 250, 100},
        {"curl -m 1.23456 " A, 1234, 3},
        {"curl -m 3600 " A, 3600000, 3},
        {"wget -O- -T 20 -t 1 " A, 20000, 0},
        {"wget -O- --timeout=5 --tries=4 " A, 5000, 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i].command, reason);
        assert_int_equal(j->timeout_ms, rows[i].timeout_ms);
        assert_int_equal(j->max_retries, rows[i].retries);
        job_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curl_becomes_a_job),
        cmocka_unit_test(what_curl_does_otherwise_is_named),
        cmocka_unit_test(wget_becomes_a_job),
        cmocka_unit_test(what_wget_does_otherwise_is_named),
        cmocka_unit_test(timeouts_and_retries_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
