// SPDX-License-Identifier: MIT
// test_shell.c: what may stand around a call in a command, and what keeps a command with cron.

#include "crontab_test.h"

#define A "http://a/"

struct row {
    const char *command;
    const char *reason; // A part of what is said; "" when nothing is.
};

static void check(const struct row *row)
{
    char reason[CRONTAB_REASON_BYTES];
    struct job *j = job_of(row->command, reason);
    assert_string_equal(j->api, A);
    if (*row->reason ? !strstr(reason, row->reason) : *reason)
        fail_msg("%s: %s", row->command, reason);
    job_free(j);
}

#define CHECK_ALL(rows)                                                                            \
    for (size_t i = 0; i < COUNT_OF(rows); i++)                                                    \
    check(&(rows)[i])

#define REFUSE_ALL(rows)                                                                           \
    for (size_t i = 0; i < COUNT_OF(rows); i++)                                                    \
    assert_not_convertible((rows)[i][0], (rows)[i][1], (rows)[i][2])

// --- Output --------------------------------------------------------------------------------------

static void a_log_is_kept_with_the_execution(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"curl " A " >> /var/log/x.log 2>&1", "kept with the execution, not in /var/log/x.log"},
        {"curl " A " > /tmp/x.log", "not in /tmp/x.log"},
        {"curl " A " >> /srv/anything", "not in /srv/anything"},
        {"curl " A " 2> /srv/anything >/dev/null", "not in /srv/anything"},
        {"curl " A " &>> x", "not in x"},
        {"curl " A " > /proc/1/fd/1 2>/proc/1/fd/2", "not in /proc/1/fd/1"},
        {"curl " A " >> $HOME/x-$(date +\\%F).log", "not in $HOME/x-$(date +%F).log"},
        {"curl " A " 2>&1 | logger -t cron", "not given to logger -t cron"},
        {"curl " A " | tee -a /srv/x", "not given to tee -a /srv/x"},
        {"(curl " A ") >> x", "not in x"},
        {"curl " A " >/dev/null 2>&1 &", ""},
        {"curl " A "&", ""},
    };
    CHECK_ALL(rows);
}

static void a_file_that_the_call_makes_stays_with_cron(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"curl " A " > /srv/data.json", "> /srv/data.json", "it writes the answer to a file"},
        {"curl " A " > blog.html", "> blog.html", "it writes the answer to a file"},
        {"curl " A " | tee /srv/data.json", "/srv/data.json", "it writes the answer to the file"},
        {"curl " A " | cat > data.json", "> data.json", "it writes the answer to a file"},
        {"curl " A " > /dev/null 2>$1", "2>$1", "no file has this name"},
        {"curl " A " >> /dev/null/", ">> /dev/null/", "no file has this name"},
        {"curl " A " | bash", "|", "its output goes to another command"},
        {"curl " A " | mail -s x me", "|", "its output goes to another command"},
    };
    REFUSE_ALL(rows);
}

// --- Lists ---------------------------------------------------------------------------------------

static void a_command_after_a_failure_is_left_out(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"curl " A " || true", "what follows || is not run (true): a failure raises an alert"},
        {"curl " A " || exit 1", "not run (exit 1)"},
        {"curl " A " || systemctl restart app", "not run (systemctl restart app)"},
        {"curl " A " || curl http://b/fail", "not run (curl http://b/fail)"},
        {"curl " A " || echo \"no: $(date) `id` $X ${Y:-z}\" | mail -s no me", "| mail -s no me)"},
        {"curl " A " || { echo no; exit 1; }", "not run ({ echo no; exit 1; })"},
        {"curl " A " || (sleep 5; { date; }) > x", "not run ((sleep 5; { date; }) > x)"},
        {"curl " A " || true && echo yes; exit 0", "echo yes is not run; exit 0 is not run"},
        {"curl " A " && echo yes || echo no", "echo yes is not run; what follows || is not run"},
        {"cd /srv || exit 1; curl " A, "cd /srv is not run"},
        {"(curl " A " || :)", "not run (:)"},
    };
    CHECK_ALL(rows);
}

static void a_command_that_only_prints_is_left_out(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"cd /srv && curl " A, "cd /srv is not run"},
        {"date >> x; curl " A " >> x", "date is not run"},
        {"echo start $(date); curl " A "; echo end",
         "echo start $(date) is not run; echo end is not"},
        {"curl " A "; logger done", "logger done is not run"},
        {": ; curl " A ";", ""},
        {"umask 022; curl " A, "umask 022 is not run"},
    };
    CHECK_ALL(rows);
}

static void a_sleep_moves_the_schedule(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"* * * * *", "sleep 30; curl " A, "30 * * * * *"},
        {"* * * * *", "sleep 5 && curl " A, "5 * * * * *"},
        {"* * * * *", "( sleep 45s ; curl " A " ) > /dev/null 2>&1 &", "45 * * * * *"},
        {"* * * * *", "sleep 10; sleep 10; curl " A, "20 * * * * *"},
        {"* * * * *", "sleep 0; curl " A, "* * * * *"},
        {"0 5 * * MON-FRI", "sh -c 'sleep 7; curl " A "'", "7 0 5 * * MON-FRI"},
        {"@hourly", "sleep 3; curl " A, "3 0 * * * *"},
        {"5 4 * * 1", "sleep 90; curl " A, "30 6 4 * * 1"},
        {"*/5 * * * *", "sleep 2m; curl " A, "2-59/5 * * * *"},
        {"59 23 * * *", "sleep 120; curl " A, "1 0 * * *"},
        {"* * * * *", "sleep 90; curl " A, "30 * * * * *"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[256];
        struct answer a;
        snprintf(line, sizeof line, "%s %s", rows[i][0], rows[i][1]);
        answer_read(&a, line, NULL);
        if (!a.drafts[0])
            fail_msg("%s: %s", line, a.lines[0].reason);
        assert_string_equal(a.drafts[0]->schedule, rows[i][2]);
        assert_non_null(strstr(a.lines[0].reason, "becomes part of the schedule"));
        answer_free(&a);
    }
}

static void a_sleep_that_no_schedule_says_stays_with_cron(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "59 23 * * 1 sleep 120; curl " A,
        "*/5 3 * * * sleep 300; curl " A,
        "@every 5m sleep 5; curl " A,
        "5 ~ * * * sleep 120; curl " A,
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer a;
        answer_read(&a, rows[i], NULL);
        assert_int_equal(a.lines[0].kind, CRONTAB_NOT_CONVERTIBLE);
        assert_int_equal(a.lines[0].position, 0);
        assert_non_null(strstr(a.lines[0].reason, "no one schedule says"));
        answer_free(&a);
    }
    static const char *const others[][3] = {
        {"sleep 1.5; curl " A, "1.5", "whole seconds"},
        {"sleep 2d; curl " A, "2d", "at most a day"},
        {"sleep x; curl " A, "x", "whole seconds"},
        {"sleep $((RANDOM \\% 60)); curl " A, "$(", "only a shell could expand it"},
        {"sleep 30 & curl " A, "&", "it runs in the background"},
    };
    REFUSE_ALL(others);
}

static void another_command_in_a_list_keeps_it_with_cron(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"curl " A " && rm x", "&&", "it runs another command as well (&&)"},
        {"curl " A "; (rm x)", ";", "it runs another command as well (;)"},
        {"(curl " A "; rm x)", ";", "it runs another command as well (;)"},
        {"curl " A "; echo 1 > /srv/flag", "> /srv/flag", "a file"},
        {"wget -O- " A " && curl http://b/", "curl", "more than one call"},
        {"backup && curl " A, "backup", "its command is backup, neither curl nor wget"},
        {"[ -f x ] && curl " A, "[", "only a shell could run it ([)"},
        {"if true; then curl " A "; fi", "if", "only a shell could run it (if)"},
        {"cat x | curl -d @- " A, "cat", "its command is cat"},
        {"echo x | curl -d @- " A, "|", "its output goes to another command"},
        {"curl " A "?x=1&y=2", "&", "a URL with an & in it needs quotes"},
        {"curl " A " & curl http://b/ &", "&", "it runs in the background"},
        {"curl " A " &&", "&&", "a command is missing"},
        {"curl " A " ||", "||", "a command is missing"},
        {"(curl " A, "(", "the bracket is not closed"},
        {"curl " A "; (date", "(", "the bracket is not closed"},
        {"curl " A ")", ")", "the bracket was not opened"},
        {"curl " A "; }", "}", "the bracket was not opened"},
        {"curl " A " || { echo", "{", "the bracket is not closed"},
        {"curl " A " || echo $(date", "$(", "the bracket is not closed"},
        {"curl " A " || echo `date", "`", "the quote is not closed"},
        {"sleep 5", "sleep 5", "there is no call of curl or wget in it"},
        {";", "", "there is no command for the shell"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_not_convertible(rows[i][0], rows[i][1], rows[i][2]);
}

static void lists_within_lists_are_bounded(void **state)
{
    (void)state;
    static const struct row rows[] = {{"(((((((curl " A ")))))))", ""}};
    CHECK_ALL(rows);
    static const char *const deep[][3] = {
        {"{ { { { { { { (curl " A "); }; }; }; }; }; }; }", "(", "within more than 7 others"},
        {"{ { { { { { { sh -c 'curl " A "'; }; }; }; }; }; }; }", "'curl " A "'", "more than 7"},
    };
    REFUSE_ALL(deep);
}

// --- Wrappers ------------------------------------------------------------------------------------

static void wrappers_are_peeled_off(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"nice curl " A, ""},
        {"/usr/bin/nice -n 19 ionice -c2 -n7 curl " A, ""},
        {"nice -19 curl " A, ""},
        {"/usr/bin/env curl " A, ""},
        {"env LANG=C curl " A, ""},
        {"LANG=C curl " A, ""},
        {"chronic curl " A, ""},
        {"nohup curl " A " &", ""},
        {"exec curl " A, ""},
        {"time -p curl " A, ""},
        {"systemd-cat -t x curl " A, ""},
        {"sudo -u www-data curl " A, "a job runs as no user of a machine (sudo)"},
        {"su - www-data -s /bin/sh -c 'curl " A "'", "a job runs as no user of a machine (su)"},
        {"sh -c 'curl " A "'", ""},
        {"/bin/bash -lc \"curl " A " >> x\"", "not in x"},
        {"sh -c \"sh -c 'curl " A "'\"", ""},
        {"sudo -u x nice sh -c 'cd /srv && timeout 5 curl " A " || true'", "(true)"},
    };
    CHECK_ALL(rows);
    static const char *const refused[][3] = {
        {"nice", "nice", "nice has no command"},
        {"nice -z curl " A, "-z", "the option -z of nice is not known"},
        {"nice backup", "backup", "its command is backup"},
        {"sh script.sh", "sh", "it runs the script script.sh"},
        {"sh -c", "-c", "sh has no command"},
        {"sh -c 'curl $0' " A, A, "it hands a value to the command of sh"},
        {"sh -c 'curl " A "; rm x'", "'curl " A "; rm x'", "it runs another command as well (;)"},
        {"http_proxy=x curl " A, "http_proxy=x", "it sets http_proxy"},
        {"env https_proxy=x curl " A, "https_proxy=x", "it sets https_proxy"},
        {"docker exec x curl " A, "docker", "its command is docker"},
    };
    REFUSE_ALL(refused);
}

static void locks_and_timeouts_become_members(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        enum overlap overlap;
        uint32_t timeout_ms;
        const char *reason;
    } rows[] = {
        {"flock -n /tmp/l curl " A, OVERLAP_SKIP, 30000, "overlap \"skip\""},
        {"flock -xn /tmp/l -c 'curl " A "'", OVERLAP_SKIP, 30000, "overlap \"skip\""},
        {"flock /tmp/l curl " A, OVERLAP_QUEUE, 30000, "overlap \"queue\""},
        {"flock -w 5 /tmp/l curl " A, OVERLAP_QUEUE, 30000, "waited for however long"},
        {"flock -w 0 /tmp/l curl " A, OVERLAP_SKIP, 30000, "overlap \"skip\""},
        {"lockf -t 0 /tmp/l curl " A, OVERLAP_SKIP, 30000, "lockf becomes overlap \"skip\""},
        {"run-one curl " A, OVERLAP_SKIP, 30000, "overlap \"skip\""},
        {"timeout 20 curl " A, OVERLAP_ALLOW, 20000, ""},
        {"timeout -k 5 --signal=KILL 1.5m curl " A, OVERLAP_ALLOW, 90000, ""},
        {"timeout 20 curl -m 30 " A, OVERLAP_ALLOW, 20000, ""},
        {"timeout 20 curl -m 5 " A, OVERLAP_ALLOW, 5000, ""},
        {"timeout 2h curl " A, OVERLAP_ALLOW, 3600000, "the longest of a job, not 2h"},
        {"timeout 0 curl " A, OVERLAP_ALLOW, 3600000, "is 3600 seconds, the longest"},
        {"flock -n l timeout 9 curl " A, OVERLAP_SKIP, 9000, "overlap \"skip\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char reason[CRONTAB_REASON_BYTES];
        struct job *j = job_of(rows[i].command, reason);
        assert_int_equal(j->overlap, rows[i].overlap);
        assert_int_equal(j->timeout_ms, rows[i].timeout_ms);
        if (!strstr(reason, rows[i].reason))
            fail_msg("%s: %s", rows[i].command, reason);
        job_free(j);
    }
    assert_not_convertible("flock -s /tmp/l curl " A, "-s", "a shared lock");
    assert_not_convertible("flock -n l -c :; curl " A, ":", "there is no call of curl or wget");
    assert_not_convertible("flock -n 9", "-n", "flock has no command");
    assert_not_convertible("timeout 0.01 curl " A, "0.01", "0.1 to 3600 seconds");
    assert_not_convertible("timeout x curl " A, "x", "0.1 to 3600 seconds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_kept_with_the_execution),
        cmocka_unit_test(a_file_that_the_call_makes_stays_with_cron),
        cmocka_unit_test(a_command_after_a_failure_is_left_out),
        cmocka_unit_test(a_command_that_only_prints_is_left_out),
        cmocka_unit_test(a_sleep_moves_the_schedule),
        cmocka_unit_test(a_sleep_that_no_schedule_says_stays_with_cron),
        cmocka_unit_test(another_command_in_a_list_keeps_it_with_cron),
        cmocka_unit_test(lists_within_lists_are_bounded),
        cmocka_unit_test(wrappers_are_peeled_off),
        cmocka_unit_test(locks_and_timeouts_become_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
