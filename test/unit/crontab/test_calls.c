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
    {"curl -L -4 --http1.1 --tlsv1.2 -D- " A, "GET " A, NULL, NULL,
     "the server chooses between IPv4 and IPv6 (-4)"},
    {"curl -o /var/log/a.log " A, "GET " A, NULL, NULL,
     "the answer is kept with the execution, not in /var/log/a.log"},
    {"curl -c /dev/null -r 0-9 " A, "GET " A, "Range: bytes=0-9\n", NULL, NULL},
    {"curl -XPUT -L " A, "PUT " A, NULL, "",
     "after a 301, 302 or 303 a job asks with GET (-X with -L)"},
    {"curl -d x " A "%unread", "POST " A, FORM, "x",
     "what follows the % is not read; a percent sign is written \\%"},
    {"curl -I " A, "HEAD " A, NULL, "", NULL},
    {"curl -LsI -o /dev/null " A, "HEAD " A, NULL, "", NULL},
    {"curl --head -X GET " A, "GET " A, NULL, NULL, NULL},
    {"curl -I -G -d a=b " A, "HEAD " A "?a=b", NULL, "", NULL},
    {"curl -X OPTIONS " A, "OPTIONS " A, NULL, "", NULL},
    {"curl -H 'Host: b.example' " A, "GET " A, "Host: b.example\n", NULL, NULL},
    {"curl -H 'Title: Über ✓' " A, "GET " A, "Title: Über ✓\n", NULL, NULL},
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
    {"curl -X HEAD -d x http://a/", "curl", "a HEAD request of a job has no body"},
    {"curl -I -d x http://a/", "curl", "a HEAD request of a job has no body"},
    {"curl -X TRACE http://a/", "-X", "not send the method 'TRACE'"},
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
    {"curl -H TE:b http://a/", "-H", "the header TE is set by Carillon"},
    {"curl -H 'a b: c' http://a/", "-H", "of a header name"},
    {"curl -u user http://a/", "curl", "ask for the password of user"},
    {"curl -m 0.05 http://a/", "-m", "0.1 to 3600 seconds, not '0.05'"},
    {"curl -m 1e3 http://a/", "-m", "0.1 to 3600 seconds"},
    {"curl -m 5s http://a/", "-m", "0.1 to 3600 seconds"},
    {"curl --retry x http://a/", "--retry", "'x' is no number of retries"},
    {"curl --retry -1 http://a/", "--retry", "'-1' is no number of retries"},
    {"curl -L --max-redirs x http://a/", "--max-redirs", "'x' is no number of redirects"},
    {"curl --retry 1 --retry-delay x http://a/", "--retry-delay", "'x' is no number of seconds"},
    {"curl -c jar http://a/", "-c", "keeps cookies in the file jar"},
    {"curl -D heads http://a/", "-D", "to the file heads"},
    {"curl --cacert my.pem https://a/", "--cacert", "a job has tls_ca"},
    {"curl -E my.pem https://a/", "-E", "a job has tls_client_cert"},
    {"curl --key my.key https://a/", "--key", "a job has tls_client_key"},
    {"curl -x http://p http://a/", "-x", "it uses a proxy"},
    {"curl --digest -u a:b http://a/", "--digest", "answers a challenge"},
    {"curl --resolve a:80:127.0.0.1 http://a/", "--resolve", "names an address"},
    {"curl 'http://a/x y'", "curl", "no URL with a blank"},
    {"curl ftp.example.com", "curl", "curl does not take it for HTTP"},
    {"curl 'http://a/{b,c}'", "curl", "several URLs"},
    {"curl http://a/[1-3]", "curl", "several URLs"},
};

static void curl_s_differences_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(curl_refused); i++)
        assert_not_convertible(curl_refused[i][0], curl_refused[i][1], curl_refused[i][2]);
}

// --- wget ----------------------------------------------------------------------------------------

#define AFTER_REDIRECT "after a 301, 302 or 303 a job asks with GET (--method)"

static const struct row wget_rows[] = {
    {"wget -q -O /dev/null " A, "GET " A, NULL, NULL, NULL},
    {"wget -qO- " A, "GET " A, NULL, NULL, NULL},
    {"wget -qO - --max-redirect=0 " A, "GET " A, NULL, NULL, NULL},
    {"wget --quiet --output-document=/dev/null " A, "GET " A, NULL, NULL, NULL},
    {"/usr/bin/wget -nv -O- " A, "GET " A, NULL, NULL, NULL},
    {"wget -q " A, "GET " A, NULL, NULL, "the answer is not saved as a file"},
    {"wget -O- --post-data=a=1 " A, "POST " A, FORM, "a=1", NULL},
    {"wget -O- --post-data 'a b' " A, "POST " A, FORM, "a b", NULL},
    {"wget -O- --post-data= " A, "POST " A, FORM, "", NULL},
    {"wget -O- --method=PUT --body-data=x --header='Content-Type: a/b' --header 'X: 1' " A,
     "PUT " A, "Content-Type: a/b\nX: 1\n", "x", AFTER_REDIRECT},
    {"wget -O- --method DELETE --max-redirect 0 " A, "DELETE " A, NULL, "", NULL},
    {"wget -O- --method DELETE " A, "DELETE " A, NULL, "", AFTER_REDIRECT},
    {"wget -O- --user=a --password=b -U me " A, "GET " A,
     "User-Agent: me\nAuthorization: Basic YTpi\n", NULL, NULL},
    {"wget -qO- --no-cache " A, "GET " A, "Cache-Control: no-cache\nPragma: no-cache\n", NULL,
     NULL},
    {"wget -q --delete-after -o /dev/null -e robots=off " A, "GET " A, NULL, NULL, NULL},
    {"wget -qO- -nc -P /tmp --no-hsts " A, "GET " A, NULL, NULL,
     "the call is made even if its file is there (-nc)"},
    {"wget -q --spider " A, "HEAD " A, NULL, "",
     "where HEAD is refused, a job does not ask again with GET (--spider)"},
    {"wget -O- --method=post --body-data=x " A, "POST " A, FORM, "x", NULL},
    {"wget -qO- example.com/x", "GET http://example.com/x", NULL, NULL, NULL},
};

static void wget_becomes_a_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wget_rows); i++)
        check(&wget_rows[i]);
}

static void wget_s_differences_are_named(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"wget -q --spider --post-data=x http://a/", "wget", "a HEAD request of a job has no body"},
        {"wget -O x http://a/", "-O", "the file x"},
        {"wget -nx http://a/", "-nx", "the option -nx of wget is not known"},
        {"wget --unheard http://a/", "--unheard", "--unheard of wget is not known"},
        {"wget --mirror http://a/", "--mirror", "more than one URL"},
        {"wget -e http_proxy=x http://a/", "-e", "the setting 'http_proxy=x'"},
        {"wget --ca-certificate=x https://a/", "--ca-certificate=x", "a job has tls_ca"},
        {"wget --certificate=x https://a/", "--certificate=x", "a job has tls_client_cert"},
        {"wget --private-key=x https://a/", "--private-key=x", "a job has tls_client_key"},
        {"wget host:dir/file", "wget", "wget does not take it for HTTP"},
        {"wget http://user@a/", "wget", "the password of the user in the URL"},
        {"wget --quiet=1 http://a/", "--quiet=1", "--quiet=1 of wget is not known"},
        {"wget --post-data=a --body-data=b http://a/", "--body-data=b", "more than one body"},
        {"wget --post-file=x http://a/", "--post-file=x", "it sends a file"},
        {"wget --tries=many http://a/", "--tries=many", "'many' is no number of tries"},
        {"wget -T0.01 http://a/", "-T0.01", "0.1 to 3600 seconds"},
        {"wget --user=a http://a/", "wget", "the password of a"},
        {"wget --method=GET --body-data=x http://a/", "wget", "no body with GET"},
        {"wget -i list", "-i", "URLs from a file"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_not_convertible(rows[i][0], rows[i][1], rows[i][2]);
}

// --- Other programs ------------------------------------------------------------------------------

static void programs_that_fetch_a_url_become_jobs(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET " A, "GET " A, NULL, NULL, NULL},
        {"/usr/bin/GET -d -t 20 -H 'X: 1' -C a:b " A, "GET " A, "X: 1\nAuthorization: Basic YTpi\n",
         NULL, NULL},
        {"HEAD " A, "HEAD " A, NULL, "", NULL},
        {"lynx -dump " A, "GET " A, NULL, NULL, NULL},
        {"lynx -head -dump " A, "HEAD " A, NULL, "", NULL},
        {"lynx -source -accept_all_cookies -auth=a:b " A, "GET " A, "Authorization: Basic YTpi\n",
         NULL, NULL},
        {"lynx --dump -nolist " A, "GET " A, NULL, NULL, NULL},
        {"links -dump " A, "GET " A, NULL, NULL, NULL},
        {"elinks -source " A, "GET " A, NULL, NULL, NULL},
        {"w3m -dump " A, "GET " A, NULL, NULL, NULL},
        {"fetch -qo /dev/null " A, "GET " A, NULL, NULL, NULL},
        {"fetch -q " A, "GET " A, NULL, NULL, "the answer is not saved as a file"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check(&rows[i]);
    assert_not_convertible("lynx http://a/", "lynx", "without -dump wants a terminal");
    assert_not_convertible("lynx -dump -crawl http://a/", "-crawl", "the option -crawl of lynx");
    assert_not_convertible("fetch -o file http://a/", "-o", "to the file file");
}

// --- URLs ----------------------------------------------------------------------------------------

static void urls_are_what_the_program_would_ask_for(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"curl host", "http://host"},
        {"curl 'host?u=http://x/../y'", "http://host?u=http://x/../y"},
        {"curl http://h/a/../b/./c", "http://h/b/c"},
        {"curl http://h/../../a/b/..", "http://h/a/"},
        {"curl 'http://h/a/.?x=../y'", "http://h/a/?x=../y"},
        {"curl --path-as-is http://h/a/../b", "http://h/a/../b"},
        {"curl http://h/\\%2e\\%2e/b//c", "http://h/%2e%2e/b//c"},
        {"curl 'http://h/x#part'", "http://h/x"},
        {"curl -G -d a=b 'http://h/x?y#part'", "http://h/x?y&a=b"},
        {"curl -g 'http://h/a|b^{}<>\"'", "http://h/a|b^{}<>\""},
        {"curl 'http://h/ü?q=서'", "http://h/%C3%BC?q=%EC%84%9C"},
        {"curl 'http://h/a\\b'", "http://h/a%5Cb"},
        {"wget -O- host:80/x", "http://host:80/x"},
        {"wget -O- 'http://h/x y|z?q=a b&r=\\%zz\\%20#part'",
         "http://h/x%20y%7Cz?q=a%20b&r=%25zz%20"},
        {"wget -O- http://h/a/../b[]", "http://h/b[]"},
        {"wget -O- 'http://h/a/\\%2e\\%2E/\\%7ex?\\%41\\%2f\\%20'", "http://h/~x?A%2f%20"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i][0], reason);
        assert_string_equal(j->api, rows[i][1]);
        job_free(j);
    }
}

static void a_password_in_a_url_becomes_a_header(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"curl http://a:b@h/", "Authorization: Basic YTpi\n"},
        {"curl http://a\\%20b:c\\%40@h/", "Authorization: Basic YSBiOmNA\n"},
        {"curl http://a@h/", "Authorization: Basic YTo=\n"},
        {"curl -u x:y http://a:b@h/", "Authorization: Basic eDp5\n"},
        {"wget -O- http://a:b@h/", "Authorization: Basic YTpi\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i][0], reason);
        assert_string_equal(j->api, "http://h/");
        assert_string_equal(j->headers, rows[i][1]);
        job_free(j);
    }
    assert_not_convertible("curl http://a\\%00:b@h/", "curl", "a NUL in the user");
}

// --- Policy --------------------------------------------------------------------------------------

static void timeouts_and_retries_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        uint32_t timeout_ms;
        uint16_t retries;
        enum retry_strategy strategy;
        uint32_t base_ms;
        uint32_t cap_ms;
    } rows[] = {
        {"curl -m 10 " A, 10000, 3, RETRY_LINEAR, 1000, 60000},
        {"curl -m10 --retry 0 " A, 10000, 0, RETRY_EXPONENTIAL, 1000, 600000},
        {"curl --max-time 2.5 --retry 7 " A, 2500, 7, RETRY_EXPONENTIAL, 1000, 600000},
        {"curl -m .25 --retry 100 --retry-delay 5 " A, 250, 100, RETRY_FIXED, 5000, 5000},
        {"curl --retry-delay 5 --retry 1 " A, 30000, 1, RETRY_FIXED, 5000, 5000},
        {"curl --retry 1 --retry-delay 0 " A, 30000, 1, RETRY_EXPONENTIAL, 1000, 600000},
        {"curl -m 1.23456 " A, 1234, 3, RETRY_LINEAR, 1000, 60000},
        {"curl -m 3600 " A, 3600000, 3, RETRY_LINEAR, 1000, 60000},
        {"wget -O- -T 20 -t 1 " A, 20000, 0, RETRY_LINEAR, 1000, 10000},
        {"wget -O- --timeout=5 --tries=4 --waitretry=30 " A, 5000, 3, RETRY_LINEAR, 1000, 30000},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i].command, reason);
        assert_int_equal(j->timeout_ms, rows[i].timeout_ms);
        assert_int_equal(j->max_retries, rows[i].retries);
        assert_int_equal(j->retry_strategy, rows[i].strategy);
        assert_int_equal(j->retry_base_ms, rows[i].base_ms);
        assert_int_equal(j->retry_cap_ms, rows[i].cap_ms);
        job_free(j);
    }
}

// What no job can have becomes the most that it can, and is said.
static void no_limit_becomes_the_largest_limit(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        uint32_t timeout_ms;
        uint16_t retries;
        const char *reason;
    } rows[] = {
        {"curl -m 0 " A, JOB_MAX(timeout_ms), 3, "the longest of a job, not unlimited"},
        {"curl -m 3601 " A, JOB_MAX(timeout_ms), 3, "the longest of a job, not 3601"},
        {"curl -m 99999999999999999999 " A, JOB_MAX(timeout_ms), 3, "is 3600 seconds, the longest"},
        {"curl --retry 101 " A, 30000, JOB_MAX(max_retries), "at most 100 retries"},
        {"curl --retry 4294967297 " A, 30000, JOB_MAX(max_retries), "at most 100 retries"},
        {"wget -O- -T0 " A, JOB_MAX(timeout_ms), 3, "the longest of a job, not unlimited"},
        {"wget -O- -t 0 " A, 30000, JOB_MAX(max_retries), "at most 100 retries"},
        {"wget -O- --tries=inf " A, 30000, JOB_MAX(max_retries), "at most 100 retries"},
        {"curl --retry 1 --retry-delay 7200 " A, 30000, 1, "after an hour at the latest"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i].command, reason);
        assert_int_equal(j->timeout_ms, rows[i].timeout_ms);
        assert_int_equal(j->max_retries, rows[i].retries);
        if (!strstr(reason, rows[i].reason))
            fail_msg("%s: %s", rows[i].command, reason);
        job_free(j);
    }
}

static void redirects_and_trust_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        uint16_t redirects;
        bool tls_verify;
        const char *reason;
    } rows[] = {
        {"curl " A, 0, true, ""},
        {"curl -L " A, 10, true, ""},
        {"curl -L --max-redirs 3 " A, 3, true, ""},
        {"curl --max-redirs 3 " A, 0, true, ""},
        {"curl -L --max-redirs 10 " A, 10, true, ""},
        {"curl -L --max-redirs 11 " A, 10, true, "a job follows at most 10 redirects"},
        {"curl -L --max-redirs 50 " A, 10, true, "a job follows at most 10 redirects"},
        {"curl -L --max-redirs -1 " A, 10, true, "a job follows at most 10 redirects"},
        {"curl -k " A, 0, false, "certificates are not checked"},
        {"wget -O- " A, 10, true, ""},
        {"wget -O- --max-redirect=0 " A, 0, true, ""},
        {"wget -O- --no-check-certificate " A, 10, false, "certificates are not checked"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i].command, reason);
        assert_int_equal(j->redirects, rows[i].redirects);
        assert_int_equal(j->tls_verify, rows[i].tls_verify);
        assert_string_equal(reason, rows[i].reason);
        job_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curl_becomes_a_job),
        cmocka_unit_test(curl_s_differences_are_named),
        cmocka_unit_test(wget_becomes_a_job),
        cmocka_unit_test(wget_s_differences_are_named),
        cmocka_unit_test(programs_that_fetch_a_url_become_jobs),
        cmocka_unit_test(urls_are_what_the_program_would_ask_for),
        cmocka_unit_test(a_password_in_a_url_becomes_a_header),
        cmocka_unit_test(timeouts_and_retries_are_kept),
        cmocka_unit_test(no_limit_becomes_the_largest_limit),
        cmocka_unit_test(redirects_and_trust_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
