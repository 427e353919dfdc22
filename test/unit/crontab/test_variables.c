// SPDX-License-Identifier: MIT
// test_variables.c: variables that a crontab, a caller or a command sets, in the commands below.

#include "crontab_test.h"

// The first job of the crontab; its owner frees it.
static struct job *first_job(const char *text, const struct crontab_options *o,
                             char reason[static CRONTAB_REASON_BYTES])
{
    struct answer a;
    answer_read(&a, text, o);
    size_t i = 0;
    while (i < a.count && !a.drafts[i])
        i++;
    if (i == a.count)
        fail_msg("%s: %s", text, a.lines[a.count - 1].reason);
    struct job *j = job_copy(a.drafts[i]);
    memcpy(reason, a.lines[i].reason, CRONTAB_REASON_BYTES);
    answer_free(&a);
    return j;
}

static void a_value_is_put_into_the_commands_below(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"S=abc\n@daily curl -H \"X: b $S\" http://a/", "http://a/", "X: b abc\n"},
        {"B=http://h\n@daily curl $B/x", "http://h/x", NULL},
        {"B=http://h\n@daily curl \"${B}x\"", "http://hx", NULL},
        {"B='http://h/a b'\n@daily wget -O- \"$B\"", "http://h/a%20b", NULL},
        {"O=-s -S  -H X:1\n@daily curl $O http://a/", "http://a/", "X: 1\n"},
        {"O=\n@daily curl $O http://a/", "http://a/", NULL},
        {"B=http://h\nB=http://i\n@daily curl $B", "http://i", NULL},
        {"@daily B=http://h; curl $B", "http://h", NULL},
        {"@daily export B=http://h && curl $B", "http://h", NULL},
        {"C=http://h\n@daily B=$C/x; curl $B", "http://h/x", NULL},
        {"C=a b\n@daily B=$C; wget -O- \"http://h/$B\"", "http://h/a%20b", NULL},
        {"B=http://h\n@daily sh -c 'curl $B'", "http://h", NULL},
        {"B=http://h\n@daily sh -c \"curl $B\"", "http://h", NULL},
        {"@daily B=http://h sh -c 'curl $B'", "http://h", NULL},
        {"S=x'y\n@daily curl -H \"A: $S\" http://a/", "http://a/", "A: x'y\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = first_job(rows[i][0], NULL, reason);
        assert_string_equal(j->api, rows[i][1]);
        if (rows[i][2])
            assert_string_equal(j->headers, rows[i][2]);
        else
            assert_null(j->headers);
        assert_non_null(strstr(reason, " put in"));
        job_free(j);
    }
}

// The note names variables, never their values, which may be secrets.
static void a_note_tells_no_secret(void **state)
{
    (void)state;
    char reason[CRONTAB_REASON_BYTES];
    struct job *j = first_job("A=s3cret\nB=b\n@daily curl -u $A:$B$A http://a/", NULL, reason);
    assert_string_equal(reason, "the values of $A $B are put in");
    job_free(j);
}

// To cron a `$` in a value means nothing, and a shell does not look at a value again.
static void a_value_is_taken_as_it_stands(void **state)
{
    (void)state;
    char reason[CRONTAB_REASON_BYTES];
    struct job *j = first_job("A=1\nB=\"$A;`x`\"\n@daily curl -d \"$B\" http://a/", NULL, reason);
    assert_string_equal(j->body, "$A;`x`");
    job_free(j);
}

static void a_caller_can_set_variables(void **state)
{
    (void)state;
    const struct crontab_variable set[] = {{"B", "http://set"}, {"C", "x"}};
    const struct crontab_options o = {.set = set, .set_count = COUNT_OF(set)};
    char reason[CRONTAB_REASON_BYTES];
    struct job *j = first_job("@daily curl $B/$C", &o, reason);
    assert_string_equal(j->api, "http://set/x");
    job_free(j);
    j = first_job("B=http://file\n@daily curl $B", &o, reason);
    assert_string_equal(j->api, "http://set");
    job_free(j);

    struct answer a;
    answer_read(&a, "B=http://file", &o);
    assert_int_equal(a.lines[0].kind, CRONTAB_SKIPPED);
    assert_string_equal(a.lines[0].reason, "B: the value given beside the crontab counts");
    assert_true(crontab_is_name("_a1"));
    assert_false(crontab_is_name("1a"));
    assert_false(crontab_is_name("a-b"));
    assert_false(crontab_is_name(""));
}

static void a_variable_that_nobody_sets_is_named(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "@daily curl \"http://a/$KEY\"", NULL);
    assert_string_equal(a.lines[0].reason,
                        "it uses the variable $KEY, which the crontab does not set");
    assert_string_equal(a.lines[0].hint, "--set KEY=VALUE");
    static const char *const rows[][3] = {
        {"curl $1", "$1", "the variable $1"},
        {"curl http://a/?$$", "$$", "the variable $$"},
        {"curl \"http://a/${KEY:-x}\"", "${KEY:-x}", "only a shell could expand it"},
        {"X=$(date); curl http://a/$X", "$(", "the output of another command"},
        {"X=1 curl http://a/$X", "$X", "the variable $X"},
        {"X=1; sudo sh -c 'curl http://a/$X'", "'curl http://a/$X'", "the variable $X"},
        {"env X=1 sh -c 'curl http://a/$X'", "'curl http://a/$X'", "the variable $X"},
        {"(X=1); curl http://a/$X", "$X", "the variable $X"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_not_convertible(rows[i][0], rows[i][1], rows[i][2]);
}

// --- Limits --------------------------------------------------------------------------------------

static enum err count_kinds(void *context, const struct crontab_line *line)
{
    ((size_t *)context)[line->kind]++;
    return ERR_OK;
}

static void text_from_variables_is_bounded(void **state)
{
    (void)state;
    struct fault f;
    char *text = xmalloc(CRONTAB_BYTES_MAX);
    size_t bytes = (size_t)sprintf(text, "B=%060000d\n", 1);
    for (int i = 0; i < 100; i++)
        bytes += (size_t)sprintf(text + bytes, "@daily curl -d $B http://a/\n");
    size_t kinds[CRONTAB_KINDS] = {0};
    assert_int_equal(crontab_read(text, bytes, NULL, count_kinds, kinds, &f), ERR_OK);
    assert_int_equal(kinds[CRONTAB_JOB], CRONTAB_BYTES_MAX / 60000);
    assert_int_equal(kinds[CRONTAB_NOT_CONVERTIBLE], 100 - kinds[CRONTAB_JOB]);

    bytes = 0;
    for (int i = 0; i < 1001; i++)
        bytes += (size_t)sprintf(text + bytes, "V%d=x\n", i);
    memset(kinds, 0, sizeof kinds);
    assert_int_equal(crontab_read(text, bytes, NULL, count_kinds, kinds, &f), ERR_OK);
    assert_int_equal(kinds[CRONTAB_SKIPPED], 1000);
    assert_int_equal(kinds[CRONTAB_INVALID], 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_put_into_the_commands_below),
        cmocka_unit_test(a_note_tells_no_secret),
        cmocka_unit_test(a_value_is_taken_as_it_stands),
        cmocka_unit_test(a_caller_can_set_variables),
        cmocka_unit_test(a_variable_that_nobody_sets_is_named),
        cmocka_unit_test(text_from_variables_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
