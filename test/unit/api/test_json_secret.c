// SPDX-License-Identifier: MIT
// test_json_secret.c: values of headers that are secrets: sealed on their way in, hidden on their
// way out, kept when a client sends back what it has read.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_A "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "b:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\n"

static struct secret_ring *ring_of(const char *text)
{
    char path[] = "/tmp/carillon-keys-XXXXXX";
    int fd = mkstemp(path);
    struct secret_ring *r = NULL;
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(secret_ring_open(path, &r, NULL), ERR_OK);
    unlink(path);
    return r;
}

static int setup(void **state)
{
    *state = ring_of(KEY_A);
    return 0;
}

static int teardown(void **state)
{
    secret_ring_close(*state);
    return 0;
}

// Reads {"headers": TEXT} into the job.
static enum err read_headers(struct secret_ring *r, enum job_decoding how, const char *text,
                             struct job *j, struct problem *p)
{
    char object[512];
    snprintf(object, sizeof object, "{\"headers\":%s}", text);
    json_t *json = json_loads(object, 0, NULL);
    assert_non_null(json);
    *p = (struct problem){0};
    enum err err = job_decode(json, &(struct job_reading){.how = how, .secrets = r}, j, p);
    json_decref(json);
    return err;
}

static struct job *job_with(struct secret_ring *r, const char *headers)
{
    struct problem p;
    struct job *j = job_new();
    assert_int_equal(read_headers(r, JOB_CREATE, headers, j, &p), ERR_OK);
    return j;
}

static void assert_shows(const struct job *j, const char *headers)
{
    json_t *o = json_job(j), *expected = json_loads(headers, 0, NULL);
    assert_non_null(expected);
    assert_true(json_equal(json_object_get(o, "headers"), expected));
    json_decref(expected);
    json_decref(o);
}

// --- In and out ----------------------------------------------------------------------------------

static void a_secret_is_sealed_and_shown_as_true(void **state)
{
    struct job *j = job_with(*state, "{\"X-A\":{\"secret\":\"hush\"},\"X-B\":\"plain\"}");
    assert_null(strstr(j->headers, "hush"));
    assert_non_null(strstr(j->headers, "X-A: sealed:v1:a:"));
    assert_shows(j, "{\"X-A\":{\"secret\":true},\"X-B\":\"plain\"}");
    job_free(j);
}

static void the_names_of_credentials_make_secrets_where_there_is_a_key(void **state)
{
    static const char *const names[] = {"Authorization", "authorization", "Cookie", "X-API-Key"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char text[64], shown[64];
        snprintf(text, sizeof text, "{\"%s\":\"hush\"}", names[i]);
        snprintf(shown, sizeof shown, "{\"%s\":{\"secret\":true}}", names[i]);
        struct job *sealed = job_with(*state, text), *clear = job_with(NULL, text);
        assert_shows(sealed, shown);
        assert_shows(clear, text);
        job_free(sealed);
        job_free(clear);
    }
}

static void what_cannot_be_a_secret_is_refused_and_not_repeated(void **state)
{
    static const struct {
        const char *headers;
        enum err err;
    } cases[] = {
        {"{\"X-A\":{\"secret\":true}}", ERR_NOT_FOUND}, // No job has said it.
        {"{\"X-A\":{\"secret\":false}}", ERR_SYNTAX},
        {"{\"X-A\":{\"secret\":7}}", ERR_SYNTAX},
        {"{\"X-A\":{\"secret\":\"hush\",\"more\":1}}", ERR_SYNTAX},
        {"{\"X-A\":{}}", ERR_SYNTAX},
        {"{\"X-A\":[\"hush\"]}", ERR_SYNTAX},
        {"{\"X-A\":\"sealed:v1:a:AAAA\"}", ERR_FORBIDDEN},
        {"{\"X-A\":{\"secret\":\"sealed:v1:a:AAAA\"}}", ERR_FORBIDDEN},
        {"{\"Authorization\":\"sealed:kept\"}", ERR_FORBIDDEN},
        {"{\"X-A\":{\"secret\":\"hush\\nX-B: b\"}}", ERR_SYNTAX},
        {"{\"Host\":{\"secret\":\"hush\"}}", ERR_UNSUPPORTED},
        {"{\"Carillon-Job\":{\"secret\":\"hush\"}}", ERR_FORBIDDEN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job *j = job_new();
        struct problem p;
        assert_int_equal(read_headers(*state, JOB_CREATE, cases[i].headers, j, &p), cases[i].err);
        assert_null(strstr(p.what.detail, "hush"));
        job_free(j);
    }
}

static void without_a_key_a_secret_is_refused_with_the_way_to_one(void **state)
{
    (void)state;
    struct job *j = job_new();
    struct problem p;
    enum err err = read_headers(NULL, JOB_CREATE, "{\"X-A\":{\"secret\":\"hush\"}}", j, &p);
    assert_int_equal(err, ERR_UNSUPPORTED);
    assert_non_null(strstr(p.what.detail, "carillon secrets new-key"));
    assert_string_equal(p.what.pointer, "/headers/X-A");
    assert_null(j->headers);
    job_free(j);
}

static void a_secret_has_a_bound(void **state)
{
    struct job *j = job_new();
    struct problem p = {0};
    char *text = malloc(SECRET_HEADER_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, 'x', SECRET_HEADER_BYTES_MAX + 1);
    text[SECRET_HEADER_BYTES_MAX + 1] = '\0';
    struct job_reading how = {.how = JOB_CREATE, .secrets = *state};
    json_t *headers = json_pack("{s:{s:s}}", "headers", "Authorization", text);
    assert_int_equal(job_decode(headers, &how, j, &p), ERR_LIMIT);
    json_decref(headers);
    text[SECRET_HEADER_BYTES_MAX] = '\0';
    headers = json_pack("{s:{s:s}}", "headers", "Authorization", text);
    assert_int_equal(job_decode(headers, &how, j, &p), ERR_OK);
    json_decref(headers);
    job_free(j);
    free(text);
}

// --- Changes -------------------------------------------------------------------------------------

static void what_was_read_can_be_sent_back(void **state)
{
    struct job *j = job_with(*state, "{\"X-A\":{\"secret\":\"hush\"},\"X-B\":\"b\"}");
    char *before = xstrdup(j->headers);
    struct problem p;
    assert_int_equal(
        read_headers(*state, JOB_REPLACE, "{\"X-A\":{\"secret\":true},\"X-B\":\"b\"}", j, &p),
        ERR_OK);
    assert_string_equal(j->headers, before);
    assert_int_equal(read_headers(*state, JOB_MERGE, "{\"x-a\":{\"secret\":true}}", j, &p), ERR_OK);
    assert_shows(j, "{\"x-a\":{\"secret\":true},\"X-B\":\"b\"}");
    assert_int_equal(read_headers(*state, JOB_MERGE, "{\"x-a\":null}", j, &p), ERR_OK);
    assert_shows(j, "{\"X-B\":\"b\"}");
    free(before);
    job_free(j);
}

// A job that is put again and again by a script does not change.
static void the_same_secret_again_changes_nothing(void **state)
{
    struct job *j = job_with(*state, "{\"Authorization\":\"hush\"}");
    char *before = xstrdup(j->headers);
    struct problem p;
    assert_int_equal(read_headers(*state, JOB_REPLACE, "{\"Authorization\":\"hush\"}", j, &p),
                     ERR_OK);
    assert_string_equal(j->headers, before);
    assert_int_equal(read_headers(*state, JOB_REPLACE, "{\"Authorization\":\"other\"}", j, &p),
                     ERR_OK);
    assert_string_not_equal(j->headers, before);
    free(before);
    job_free(j);
}

static void the_same_secret_under_an_old_key_is_sealed_anew(void **state)
{
    struct secret_ring *both = ring_of(KEY_B KEY_A);
    struct job *j = job_with(*state, "{\"Authorization\":\"hush\"}");
    struct problem p;
    assert_int_equal(read_headers(both, JOB_REPLACE, "{\"Authorization\":\"hush\"}", j, &p),
                     ERR_OK);
    assert_non_null(strstr(j->headers, "Authorization: sealed:v1:b:"));
    job_free(j);
    secret_ring_close(both);
}

static void what_is_in_clear_becomes_a_secret_where_it_is_called_one(void **state)
{
    struct job *j = job_with(NULL, "{\"X-A\":\"hush\"}");
    struct problem p;
    assert_int_equal(read_headers(*state, JOB_MERGE, "{\"X-A\":{\"secret\":true}}", j, &p), ERR_OK);
    assert_null(strstr(j->headers, "hush"));
    assert_shows(j, "{\"X-A\":{\"secret\":true}}");
    job_free(j);
}

// --- The target ----------------------------------------------------------------------------------

static void a_kept_secret_does_not_go_to_another_server(void **state)
{
    static const struct {
        const char *before, *after;
        bool refused;
    } cases[] = {
        {"http://a.example/x", "http://a.example/y", false},
        {"http://a.example/x", "HTTP://A.EXAMPLE:80/x?y", false},
        {"http://a.example/x", "http://b.example/x", true},
        {"http://a.example/x", "http://a.example:81/x", true},
        {"https://a.example/x", "http://a.example/x", true},
        {"https://a.example/x", "https://a.example:443/", false},
        {"http://a.example/x", "http://a.example.:80/x", true},
        {"http://a.example/x", "no URL", false}, // Refused by others.
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job *before = job_with(*state, "{\"X-A\":{\"secret\":\"hush\"}}");
        job_set_text(&before->api, cases[i].before);
        struct job *after = job_copy(before);
        job_set_text(&after->api, cases[i].after);
        struct service_problem p = {0};
        enum err err = secret_headers_check_target(before, after, &p);
        assert_int_equal(err, cases[i].refused ? ERR_FORBIDDEN : ERR_OK);
        struct problem ignored;
        assert_int_equal(read_headers(NULL, JOB_MERGE, "{\"X-A\":\"another\"}", after, &ignored),
                         ERR_OK);
        assert_int_equal(secret_headers_check_target(before, after, &p), ERR_OK);
        job_free(before);
        job_free(after);
    }
}

// --- An import -----------------------------------------------------------------------------------

static void an_import_finds_its_secrets_in_the_job_that_is_there(void **state)
{
    struct job *before = job_with(*state, "{\"X-A\":{\"secret\":\"hush\"}}"), *draft = job_new();
    struct job_reading how = {.how = JOB_CREATE, .secrets = *state, .settles = true};
    struct problem p = {0};
    json_t *o = json_loads("{\"headers\":{\"X-A\":{\"secret\":true}}}", 0, NULL);
    assert_int_equal(job_decode(o, &how, draft, &p), ERR_OK);
    json_decref(o);
    assert_int_equal(secret_headers_settle(draft, NULL, &p.what), ERR_NOT_FOUND);
    assert_int_equal(secret_headers_settle(draft, before, &p.what), ERR_OK);
    assert_string_equal(draft->headers, before->headers);
    job_free(before);
    job_free(draft);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_secret_is_sealed_and_shown_as_true),
        TEST(the_names_of_credentials_make_secrets_where_there_is_a_key),
        TEST(what_cannot_be_a_secret_is_refused_and_not_repeated),
        TEST(without_a_key_a_secret_is_refused_with_the_way_to_one),
        TEST(a_secret_has_a_bound),
        TEST(what_was_read_can_be_sent_back),
        TEST(the_same_secret_again_changes_nothing),
        TEST(the_same_secret_under_an_old_key_is_sealed_anew),
        TEST(what_is_in_clear_becomes_a_secret_where_it_is_called_one),
        TEST(a_kept_secret_does_not_go_to_another_server),
        TEST(an_import_finds_its_secrets_in_the_job_that_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
