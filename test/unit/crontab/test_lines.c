// SPDX-License-Identifier: MIT
// test_lines.c: which line of a crontab is what, and what a line's schedule and zone are.

#include "crontab_test.h"

static void blank_lines_and_comments_say_nothing(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "\n   \t\n# m h dom mon dow command\n  # indented\n#* * * * * curl http://a/\n",
                NULL);
    assert_int_equal(a.count, 0);
    answer_read(&a, "", NULL);
    assert_int_equal(a.count, 0);
}

static void a_line_becomes_a_job(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "\n30 2\t*  * MON-FRI \tcurl http://example.com:8080/hooks/a?key=secret", NULL);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.lines[0].kind, CRONTAB_JOB);
    assert_int_equal(a.lines[0].number, 2);
    assert_string_equal(a.lines[0].reason, "");
    assert_true(a.lines[0].has_schedule);
    assert_string_equal(a.drafts[0]->schedule, "30 2 * * MON-FRI");
    assert_string_equal(a.drafts[0]->timezone, "UTC");
    assert_string_equal(a.drafts[0]->api, "http://example.com:8080/hooks/a?key=secret");
    assert_string_equal(a.drafts[0]->name, "crontab line 2: example.com:8080/hooks/a");
    answer_free(&a);
}

// What is left to the server's defaults is as in a job that nobody has said anything about.
static void members_that_a_line_does_not_say_stay_at_their_defaults(void **state)
{
    (void)state;
    struct answer a;
    struct job *fresh = job_new();
    answer_read(&a, "@daily curl http://a/", NULL);
    assert_string_equal(a.drafts[0]->schedule, "@daily");
    assert_int_equal(a.drafts[0]->timeout_ms, fresh->timeout_ms);
    assert_int_equal(a.drafts[0]->max_retries, fresh->max_retries);
    assert_int_equal(a.drafts[0]->type, fresh->type);
    assert_true(a.drafts[0]->is_active);
    assert_null(a.drafts[0]->headers);
    assert_null(a.drafts[0]->body);
    job_free(fresh);
    answer_free(&a);
}

// The name must tell jobs apart and is shown to people; a password has no place in it.
static void a_name_holds_no_password(void **state)
{
    (void)state;
    char reason[CRONTAB_REASON_BYTES];
    struct job *j = job_of("curl http://user:pa@ss@host/path?token=1#x", reason);
    assert_string_equal(j->name, "crontab line 1: host/path");
    job_free(j);
    j = job_of("curl example.com", reason);
    assert_string_equal(j->api, "http://example.com");
    assert_string_equal(j->name, "crontab line 1: example.com");
    job_free(j);
}

static void lines_may_end_as_other_systems_end_them(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "MAILTO=me\r\n\r\n@hourly curl http://a/\r\n", NULL);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.drafts[1]->api, "http://a/");
    answer_free(&a);
}

// --- What is no line of a crontab ----------------------------------------------------------------

static const struct {
    const char *line;
    enum crontab_kind kind;
    size_t position;
    size_t length;
    const char *reason;
    const char *hint;
} refused[] = {
    {"hello", CRONTAB_INVALID, 0, 5, "five fields and a command are expected, found 1 word", ""},
    {"  5 4 * *", CRONTAB_INVALID, 2, 7, "found 4 words", ""},
    {"5 4 * * *", CRONTAB_INVALID, 9, 0, "the command is missing", ""},
    {"@daily  ", CRONTAB_INVALID, 8, 0, "the command is missing", ""},
    {" 0 61 * * * curl http://a/", CRONTAB_INVALID, 3, 2, "hour: 61 is out of range 0-23", ""},
    {"5/15 * * * * date", CRONTAB_INVALID, 0, 4, "minute: a step needs", "5-59/15"},
    {"0 22-2 * * * date", CRONTAB_INVALID, 2, 4, "runs backwards", "22-23,0-2"},
    {"@Daily date", CRONTAB_INVALID, 0, 6, "unknown nickname", "@daily"},
    {"@reboot date", CRONTAB_NOT_CONVERTIBLE, 0, 7, "@reboot is not supported", ""},
    {"FOO BAR=1", CRONTAB_INVALID, 0, 9, "found 2 words", ""},
    {"'FOO = 1", CRONTAB_INVALID, 0, 8, "found 3 words", ""},
};

static void a_wrong_line_is_said_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct answer a;
        answer_read(&a, refused[i].line, NULL);
        assert_int_equal(a.count, 1);
        const struct crontab_line *l = &a.lines[0];
        if (l->kind != refused[i].kind || !strstr(l->reason, refused[i].reason) ||
            l->position != refused[i].position || strcmp(l->hint, refused[i].hint) != 0)
            fail_msg("%s: kind %d at %zu: %s (%s)", refused[i].line, (int)l->kind, l->position,
                     l->reason, l->hint);
        assert_null(l->draft);
        if (l->length != refused[i].length)
            fail_msg("%s: %zu bytes", refused[i].line, l->length);
    }
}

static void a_nul_is_no_text(void **state)
{
    (void)state;
    struct answer a;
    static const char text[] = "@daily curl http://a/\0b\n";
    answer_read_bytes(&a, text, sizeof text - 1, NULL);
    assert_int_equal(a.lines[0].kind, CRONTAB_INVALID);
    assert_int_equal(a.lines[0].position, 21);
}

// --- Variables -----------------------------------------------------------------------------------

static void variables_are_named(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"MAILTO=ops@example.com", "MAILTO: no mail"},
        {"MAILTO=\"\"", "MAILTO: no mail"},
        {"SHELL = /bin/bash", "SHELL: no shell"},
        {"  PATH=/bin:/usr/bin", "PATH: no program"},
        {"\"KEY\" = 'a b'", "KEY: its value is"},
        {"_x1=", "_x1: its value is put into"},
        {"HOME=/root", "HOME: no file in it"},
        {"X=$HOME/x", "X: its value is put into"},
        {"https_proxy=http://p", "https_proxy: calls"},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct answer a;
        answer_read(&a, lines[i][0], NULL);
        assert_int_equal(a.count, 1);
        assert_int_equal(a.lines[0].kind, CRONTAB_SKIPPED);
        assert_false(a.lines[0].sets_timezone);
        if (strncmp(a.lines[0].reason, lines[i][1], strlen(lines[i][1])) != 0)
            fail_msg("%s: %s", lines[i][0], a.lines[0].reason);
    }
}

// The zones that each line of the text is read in, one after the other.
static void check_zones(const char *text, const char *const *zones)
{
    struct answer a;
    answer_read(&a, text, &(struct crontab_options){.timezone = "Asia/Kolkata"});
    for (size_t i = 0; i < a.count; i++) {
        assert_string_equal(a.zones[i], zones[i]);
        if (a.drafts[i])
            assert_string_equal(a.drafts[i]->timezone, zones[i]);
    }
    assert_null(zones[a.count]);
    answer_free(&a);
}

#define JOB "@daily curl http://a/\n"
#define ZONES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_zone_counts_for_the_lines_below_it(void **state)
{
    (void)state;
    const char *paris = "Europe/Paris", *kolkata = "Asia/Kolkata", *apia = "Pacific/Apia";
    check_zones(JOB "CRON_TZ=Europe/Paris\n" JOB JOB, ZONES(kolkata, paris, paris, paris));
    check_zones("TZ='Europe/Paris'\n" JOB, ZONES(paris, paris));
    check_zones("CRON_TZ = :Europe/Paris\n" JOB, ZONES(paris, paris));
    check_zones("CRON_TZ=Europe/Paris\nCRON_TZ=\n" JOB, ZONES(paris, kolkata, kolkata));
    // CRON_TZ is meant for schedules, TZ may be meant for the commands.
    check_zones("CRON_TZ=Europe/Paris\nTZ=Pacific/Apia\n" JOB "CRON_TZ=''\n" JOB,
                ZONES(paris, paris, paris, apia, apia));
}

static void a_zone_can_be_checked_by_the_caller(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "CRON_TZ=Mars/Base\n", NULL);
    assert_true(a.lines[0].sets_timezone);
    assert_string_equal(a.zones[0], "Mars/Base");
    assert_int_equal(a.lines[0].position, 8);
    assert_int_equal(a.lines[0].length, 9);

    char line[128] = "TZ=";
    memset(line + 3, 'x', ZONE_NAME_BYTES);
    answer_read(&a, line, NULL);
    assert_int_equal(a.lines[0].kind, CRONTAB_INVALID);
    assert_string_equal(a.zones[0], "UTC");
}

// A bad zone in force does not make the next line wrong that sets another.
static void the_zone_that_a_line_names_is_told_apart(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "CRON_TZ=Mars/Base\nTZ=Europe/Paris\nTZ=\n", NULL);
    assert_int_equal(a.count, 3);
    assert_string_equal(a.zones[1], "Mars/Base");
    assert_string_equal(a.named[1], "Europe/Paris");
    assert_string_equal(a.named[2], "");
}

// --- Users ---------------------------------------------------------------------------------------

static void a_system_crontab_has_users(void **state)
{
    (void)state;
    struct answer a;
    const struct crontab_options system = {.has_users = true};
    answer_read(&a, "17 *\t* * *\twww-data  curl http://a/\n@daily root curl http://b/", &system);
    assert_string_equal(a.drafts[0]->api, "http://a/");
    assert_string_equal(a.drafts[1]->api, "http://b/");
    answer_free(&a);

    answer_read(&a, "17 * * * * root", &system);
    assert_int_equal(a.lines[0].kind, CRONTAB_INVALID);
    assert_string_equal(a.lines[0].reason, "a user and a command are missing");
    answer_read(&a, "17 * * * * root curl http://a/", NULL);
    assert_int_equal(a.lines[0].kind, CRONTAB_NOT_CONVERTIBLE);
}

static void check_doubt(const char *line, bool has_users, const char *reason, const char *hint)
{
    struct answer a;
    answer_read(&a, line, &(struct crontab_options){.has_users = has_users});
    assert_int_equal(a.lines[0].kind, CRONTAB_NOT_CONVERTIBLE);
    if (!strstr(a.lines[0].reason, reason) || strcmp(a.lines[0].hint, hint) != 0)
        fail_msg("%s: %s (%s)", line, a.lines[0].reason, a.lines[0].hint);
    answer_free(&a);
}

static void a_user_column_is_recognised(void **state)
{
    (void)state;
    const char *system = "if that is a user, this is a system crontab";
    check_doubt("@daily root curl http://a/", false, system, "--system");
    check_doubt("@daily my-user_1 nice curl http://a/", false, system, "--system");
    check_doubt("17 * * * * root /usr/bin/x", false, system, "--system");
    check_doubt("@daily find /tmp -delete", false, "its command is find, neither", "");
    check_doubt("@daily curl http://a/", true, "curl stands where a system crontab names a user",
                "import it without --system");
    check_doubt("*/30 * * * * * curl http://a/", false, "cron has five fields, not six",
                "post a job, whose schedule can have seconds");
}

static void lines_that_go_on_are_recognised(void **state)
{
    (void)state;
    struct answer a;
    answer_read(&a, "@daily curl -X POST \\\n  -H X:1 \\\n  http://a/\n@daily curl http://b/\n",
                NULL);
    assert_int_equal(a.count, 4);
    assert_int_equal(a.lines[0].kind, CRONTAB_NOT_CONVERTIBLE);
    assert_int_equal(a.lines[0].position, 20);
    assert_string_equal(a.lines[0].reason, "cron joins no lines");
    assert_string_equal(a.lines[0].hint, "write the entry on one line");
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(a.lines[i].kind, CRONTAB_INVALID);
        assert_non_null(strstr(a.lines[i].reason, "cron joins no lines"));
    }
    assert_int_equal(a.lines[3].kind, CRONTAB_JOB);
    answer_free(&a);
}

static void other_crons_have_more_schedules(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"@every 5m curl http://a/", "@every 5m", "@every counts from midnight UTC"},
        {"@every_minute curl http://a/", "* * * * *", "@every_minute becomes"},
        {"@every_second curl http://a/", "* * * * * *", "@every_second becomes"},
        {"0~59 6~18 * * * curl http://a/", "H(0-59) H(6-18) * * *", "~ becomes H"},
        {"~ * * * * curl http://a/", "H(0-59) * * * *", "~ becomes H"},
        {"5,~30 8~ * * ~ curl http://a/", "5,H(0-30) H(8-23) * * H(0-6)", "~ becomes H"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer a;
        answer_read(&a, rows[i][0], NULL);
        if (!a.drafts[0])
            fail_msg("%s: %s", rows[i][0], a.lines[0].reason);
        assert_string_equal(a.drafts[0]->schedule, rows[i][1]);
        assert_non_null(strstr(a.lines[0].reason, rows[i][2]));
        answer_free(&a);
    }
    struct answer a;
    answer_read(&a, "@every curl", NULL);
    assert_int_equal(a.lines[0].kind, CRONTAB_INVALID);
    answer_read(&a, "70~80 * * * * curl http://a/", NULL);
    assert_int_equal(a.lines[0].kind, CRONTAB_INVALID);
    assert_int_equal(a.lines[0].length, 5);
}

// --- Limits --------------------------------------------------------------------------------------

static enum err count_line(void *context, const struct crontab_line *line)
{
    (void)line;
    ++*(size_t *)context;
    return ERR_OK;
}

static void check_size(char fill, size_t bytes, enum err wanted, size_t calls)
{
    char *text = xmalloc(bytes);
    size_t count = 0;
    struct fault f = {0};
    memset(text, fill, bytes);
    assert_int_equal(crontab_read(text, bytes, NULL, count_line, &count, &f), wanted);
    assert_int_equal(count, calls);
    assert_true(wanted == ERR_OK || *f.text);
    free(text);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    check_size('\n', CRONTAB_LINES_MAX, ERR_OK, 0);
    check_size('\n', CRONTAB_LINES_MAX + 1, ERR_LIMIT, 0);
    check_size('x', CRONTAB_BYTES_MAX, ERR_OK, 1);
    check_size('x', CRONTAB_BYTES_MAX + 1, ERR_LIMIT, 0);
}

static void a_line_may_be_long_but_not_too_long(void **state)
{
    (void)state;
    static const char start[] = "@daily curl -d '";
    for (size_t extra = 0; extra < 2; extra++) {
        size_t bytes = CRONTAB_LINE_BYTES_MAX + extra;
        char *text = xmalloc(bytes + 1);
        memset(text, 'x', bytes);
        memcpy(text, start, sizeof start - 1);
        memcpy(text + bytes - 11, "' http://a/", 12);
        struct answer a;
        answer_read(&a, text, NULL);
        assert_int_equal(a.lines[0].kind, extra ? CRONTAB_INVALID : CRONTAB_JOB);
        if (!extra)
            assert_int_equal(strlen(a.drafts[0]->body), bytes - 11 - (sizeof start - 1));
        answer_free(&a);
        free(text);
    }
}

static enum err stop(void *context, const struct crontab_line *line)
{
    *(unsigned *)context = line->number;
    return ERR_CLOSED;
}

static void the_caller_can_stop(void **state)
{
    (void)state;
    unsigned last = 0;
    const char *text = "\n" JOB JOB;
    assert_int_equal(crontab_read(text, strlen(text), NULL, stop, &last, NULL), ERR_CLOSED);
    assert_int_equal(last, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blank_lines_and_comments_say_nothing),
        cmocka_unit_test(a_line_becomes_a_job),
        cmocka_unit_test(members_that_a_line_does_not_say_stay_at_their_defaults),
        cmocka_unit_test(a_name_holds_no_password),
        cmocka_unit_test(lines_may_end_as_other_systems_end_them),
        cmocka_unit_test(a_wrong_line_is_said_with_its_place),
        cmocka_unit_test(a_nul_is_no_text),
        cmocka_unit_test(variables_are_named),
        cmocka_unit_test(a_zone_counts_for_the_lines_below_it),
        cmocka_unit_test(a_zone_can_be_checked_by_the_caller),
        cmocka_unit_test(the_zone_that_a_line_names_is_told_apart),
        cmocka_unit_test(a_system_crontab_has_users),
        cmocka_unit_test(a_user_column_is_recognised),
        cmocka_unit_test(lines_that_go_on_are_recognised),
        cmocka_unit_test(other_crons_have_more_schedules),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(a_line_may_be_long_but_not_too_long),
        cmocka_unit_test(the_caller_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
