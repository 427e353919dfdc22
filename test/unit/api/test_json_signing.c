// SPDX-License-Identifier: MIT
// test_json_signing.c: the keys of a job that sign its requests: said, made, kept, and hidden.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SYMMETRIC "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ASYMMETRIC "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="

static int setup(void **state)
{
    char path[] = "/tmp/carillon-keys-XXXXXX", line[SECRET_KEY_LINE_BYTES];
    int fd = mkstemp(path);
    secret_new_key(line);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    close(fd);
    assert_int_equal(secret_ring_open(path, (struct secret_ring **)state, NULL), ERR_OK);
    unlink(path);
    return 0;
}

static int teardown(void **state)
{
    secret_ring_close(*state);
    return 0;
}

static enum err read_signing(const struct job_reading *how, const char *value, struct job *j,
                             struct problem *p)
{
    char object[512];
    snprintf(object, sizeof object, "{\"signing\":%s}", value);
    json_t *json = json_loads(object, 0, NULL);
    assert_non_null(json);
    *p = (struct problem){0};
    enum err err = job_decode(json, how, j, p);
    json_decref(json);
    return err;
}

static struct job *job_with(void **state, const char *value)
{
    struct job_reading how = {.how = JOB_CREATE, .secrets = *state};
    struct problem p;
    struct job *j = job_new();
    assert_int_equal(read_signing(&how, value, j, &p), ERR_OK);
    return j;
}

// The ids and secrets as "id=secret ".
static void show(const struct job *j, const json_t *made, char out[static 512])
{
    json_t *o = json_job(j), *list = json_object_get(o, "signing");
    signing_show_made(o, made);
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *key = json_array_get(list, i), *secret = json_object_get(key, "secret");
        size_t used = strlen(out);
        snprintf(out + used, 512 - used, "%s=%s ", json_string_value(json_object_get(key, "id")),
                 json_is_true(secret) ? "true" : json_string_value(secret));
    }
    json_decref(o);
}

static void keys_are_sealed_and_shown_by_their_ids(void **state)
{
    struct job *j = job_with(state, "[\"" SYMMETRIC "\",{\"secret\":\"" ASYMMETRIC "\"}]");
    char shown[512];
    assert_null(strstr(j->signing, SYMMETRIC));
    assert_null(strstr(j->signing, ASYMMETRIC));
    show(j, NULL, shown);
    assert_string_equal(shown, "f74e1720=true 70ebbddd=true ");
    job_free(j);
}

static void a_key_that_is_made_is_told_once(void **state)
{
    struct job_reading how = {.how = JOB_CREATE, .secrets = *state, .made = json_array()};
    struct problem p;
    struct job *j = job_new();
    char shown[512];
    assert_int_equal(read_signing(&how, "[\"new\",\"new-ed25519\"]", j, &p), ERR_OK);
    show(j, how.made, shown);
    assert_non_null(strstr(shown, "=whsec_"));
    assert_non_null(strstr(shown, "=whsk_"));
    show(j, NULL, shown);
    assert_null(strstr(shown, "wh"));
    json_decref(how.made);
    job_free(j);
}

static void what_was_read_can_be_sent_back_in_part(void **state)
{
    struct job_reading how = {.how = JOB_REPLACE, .secrets = *state};
    struct job *j = job_with(state, "[\"" SYMMETRIC "\",\"" ASYMMETRIC "\"]");
    char *before = xstrdup(j->signing);
    struct problem p;
    json_t *o = json_job(j), *list = json_object_get(o, "signing");
    char *text = json_dumps(list, JSON_COMPACT);
    assert_int_equal(read_signing(&how, text, j, &p), ERR_OK);
    assert_string_equal(j->signing, before);
    free(text);
    json_array_remove(list, 0);
    text = json_dumps(list, JSON_COMPACT);
    assert_int_equal(read_signing(&how, text, j, &p), ERR_OK);
    assert_string_equal(j->signing, strchr(before, '\n') + 1);
    free(text);
    free(before);
    json_decref(o);
    assert_int_equal(read_signing(&how, "[]", j, &p), ERR_OK);
    assert_null(j->signing);
    job_free(j);
}

static void the_same_key_again_changes_nothing(void **state)
{
    struct job_reading how = {.how = JOB_REPLACE, .secrets = *state};
    struct job *j = job_with(state, "[\"" SYMMETRIC "\"]");
    char *before = xstrdup(j->signing);
    struct problem p;
    assert_int_equal(read_signing(&how, "\"" SYMMETRIC "\"", j, &p), ERR_OK);
    assert_string_equal(j->signing, before);
    free(before);
    job_free(j);
}

static void what_is_no_list_of_keys_is_refused(void **state)
{
    static const struct {
        const char *value;
        enum err err;
        const char *pointer;
    } cases[] = {
        {"7", ERR_SYNTAX, "/signing"},
        {"{}", ERR_SYNTAX, "/signing"},
        {"[7]", ERR_SYNTAX, "/signing/0"},
        {"[{}]", ERR_SYNTAX, "/signing/0"},
        {"[\"" SYMMETRIC "\",\"hush\"]", ERR_SYNTAX, "/signing/1"},
        {"[{\"id\":\"f74e1720\"}]", ERR_NOT_FOUND, "/signing/0"},
        {"[\"new\"]", ERR_UNSUPPORTED, "/signing/0"}, // Here nobody would be told.
        {"[1,2,3,4,5]", ERR_LIMIT, "/signing"},
    };
    struct job_reading how = {.how = JOB_CREATE, .secrets = *state};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job *j = job_new();
        struct problem p;
        assert_int_equal(read_signing(&how, cases[i].value, j, &p), cases[i].err);
        assert_string_equal(p.what.pointer, cases[i].pointer);
        assert_null(strstr(p.what.detail, "hush"));
        assert_null(j->signing);
        job_free(j);
    }
    struct job *j = job_new();
    struct problem p;
    how.secrets = NULL;
    assert_int_equal(read_signing(&how, "\"" SYMMETRIC "\"", j, &p), ERR_UNSUPPORTED);
    assert_non_null(strstr(p.what.detail, "carillon secrets new-key"));
    job_free(j);
}

static void an_import_finds_its_keys_in_the_job_that_is_there(void **state)
{
    struct job_reading how = {.how = JOB_CREATE, .secrets = *state, .settles = true};
    struct job *before = job_with(state, "[\"" SYMMETRIC "\"]"), *draft = job_new();
    struct problem p;
    enum err err =
        read_signing(&how, "[\"" ASYMMETRIC "\",{\"id\":\"f74e1720\",\"secret\":true}]", draft, &p);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(secret_headers_settle(draft, NULL, &p.what), ERR_NOT_FOUND);
    assert_int_equal(secret_headers_settle(draft, before, &p.what), ERR_OK);
    assert_string_equal(strchr(draft->signing, '\n') + 1, before->signing);
    job_free(before);
    job_free(draft);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_sealed_and_shown_by_their_ids),
        TEST(a_key_that_is_made_is_told_once),
        TEST(what_was_read_can_be_sent_back_in_part),
        TEST(the_same_key_again_changes_nothing),
        TEST(what_is_no_list_of_keys_is_refused),
        TEST(an_import_finds_its_keys_in_the_job_that_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
