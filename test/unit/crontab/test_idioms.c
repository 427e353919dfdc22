// SPDX-License-Identifier: MIT
// test_idioms.c: sixty-four lines as people write them, and how many of them become jobs.
//
// The table has the habits of public crontabs in about the proportion in which they are found
// there: plain calls, logs, alternatives, sleeps, locks, variables, and also lines that only a
// shell can run. A change that takes a habit away from the jobs shows here.

#include "crontab_test.h"

#define JOBS_MIN 47

static const char settings[] = "SHELL=/bin/bash\n"
                               "MAILTO=\"\"\n"
                               "CRON_SECRET=not-so-secret\n"
                               "APP_URL=\"https://app.example.com\"\n";

static const struct {
    const char *line;
    bool becomes_a_job;
} lines[] = {
    // Plain calls.
    {"*/5 * * * * curl -s https://app.example.com/cron.php?key=abc", true},
    {"0 * * * * curl -fsS https://app.example.com/hourly > /dev/null", true},
    {"15 3 * * * /usr/bin/curl --silent --max-time 120 'https://app.example.com/run?a=1&b=2'",
     true},
    {"@daily curl -X POST https://api.example.com/v1/jobs/nightly", true},
    {"0 6 * * 1 curl -sS -X POST -H 'Content-Type: application/json' -d '{\"text\":\"Monday\"}' "
     "https://chat.example.com/hooks/1",
     true},
    {"*/10 * * * * wget -q -O /dev/null https://shop.example.com/wp-cron.php?doing_wp_cron", true},
    {"*/15 * * * * wget -qO- http://localhost:8080/tasks/run &> /dev/null", true},
    {"0 0 * * * wget https://blog.example.com/wp-cron.php >/dev/null 2>&1", true},
    {"30 4 * * * wget --quiet --tries=1 --timeout=300 -O - https://cms.example.com/cron/k3y", true},
    {"*/2 * * * * wget -q --spider http://10.0.0.5/ping", true},
    {"0 2 * * * curl -L -k https://intranet.example.com/sync", true},
    {"*/30 * * * * curl --compressed --retry 3 -A cron/1.0 https://app.example.com/feed", true},
    {"5 5 * * * curl -G -d token=t0k --data-urlencode 'q=a b' http://app.example.com/search", true},
    {"* * * * * curl -sm 50 -d @- http://127.0.0.1:9000/tick%now", true},
    {"0 9 * * 1-5 curl --json '{\"go\":true}' https://app.example.com/start", true},
    {"45 23 * * 6 wget --post-data='a=1' -O- https://app.example.com/week", true},
    {"0 12 1 * * curl -sI -H 'Host: app.example.com' http://127.0.0.1/month", true},
    {"*/20 * * * * curl https://user:word@dns.example.com/update?host=home", true},
    {"0 1 * * * curl 'https://app.example.com/report#today'", true},
    {"0 7 * * * wget --no-check-certificate -qO /dev/null https://192.168.1.10/backup", true},
    // Logs.
    {"*/5 * * * * curl -s https://app.example.com/queue >> /var/log/queue.log 2>&1", true},
    {"0 3 * * * wget -qO- https://app.example.com/purge >> /home/app/purge.log", true},
    {"30 * * * * curl -s https://app.example.com/mail > /tmp/mail.log 2>&1", true},
    {"10 1 * * * curl -sS https://app.example.com/index 2>> /var/log/index.err", true},
    {"20 1 * * * curl -s https://app.example.com/x 2>&1 | logger -t cron", true},
    // Alternatives.
    {"*/5 * * * * curl -fsS http://localhost/health || echo down", true},
    {"*/5 * * * * curl -f http://localhost/health || systemctl restart app", true},
    {"*/5 * * * * curl -fsS -m 10 https://app.example.com/beat || true", true},
    {"0 4 * * * curl -fs https://app.example.com/a || curl -fs https://app.example.com/failed",
     true},
    {"0 5 * * * curl -fs https://app.example.com/b || exit 1", true},
    // Sleeps.
    {"* * * * * sleep 30; curl -s https://app.example.com/half", true},
    {"* * * * * sleep 15 && curl -s https://app.example.com/quarter > /dev/null 2>&1", true},
    {"* * * * * ( sleep 45 ; wget -qO- https://app.example.com/last ) > /dev/null 2>&1", true},
    // Locks and other wrappers.
    {"* * * * * flock -n /tmp/app.lock curl -s https://app.example.com/long", true},
    {"* * * * * /usr/bin/flock -n /tmp/b.lock -c 'curl -s https://app.example.com/b'", true},
    {"0 * * * * timeout 300 curl -s https://app.example.com/slow", true},
    {"0 2 * * * nice -n 19 wget -q -O- https://app.example.com/heavy", true},
    {"0 3 * * * sudo -u www-data curl -s http://localhost/cron", true},
    {"0 4 * * * cd /var/www && curl -s http://localhost/cron.php", true},
    {"0 5 * * * /bin/sh -c 'curl -s http://localhost/five > /dev/null'", true},
    {"0 6 * * * curl -s http://localhost/six > /dev/null 2>&1 &", true},
    // Variables.
    {"*/5 * * * * curl -H \"Authorization: Bearer $CRON_SECRET\" $APP_URL/api/cron", true},
    {"0 8 * * * curl -s \"${APP_URL}/eight\"", true},
    // Other programs and options.
    {"*/10 * * * * GET https://app.example.com/cron > /dev/null", true},
    {"0 * * * * lynx -dump https://app.example.com/poll >/dev/null 2>&1", true},
    {"0 * * * * lynx -source https://app.example.com/cron.php", true},
    {"0 0 * * 0 wget -O /dev/null -o /dev/null --no-cache https://app.example.com/weekly", true},
    {"0 0 * * 0 wget --delete-after -q https://app.example.com/weekly2", true},
    {"40 2 * * * curl -4 --http1.1 --tlsv1.2 -s https://app.example.com/pinned", true},
    // What only a shell, or only a machine, can do.
    {"0 0 * * * /usr/local/bin/backup.sh", false},
    {"0 0 * * * curl -s https://app.example.com/list | bash", false},
    {"0 1 * * * curl -s https://app.example.com/data.csv | awk -F, '{print $1}' > /srv/ids", false},
    {"0 2 * * * curl -o /srv/geo.tar.gz https://files.example.com/geo.tar.gz", false},
    {"0 3 * * * wget -O /srv/list.txt https://files.example.com/list.txt", false},
    {"0 4 * * * wget -r -l 2 https://files.example.com/mirror/", false},
    {"0 5 * * * curl -s https://app.example.com/?t=$(date +\\%s)", false},
    {"0 6 * * * curl -H \"X-Key: $(cat /root/.key)\" https://app.example.com/k", false},
    {"0 7 * * * docker exec app curl -s http://localhost/cron", false},
    {"0 8 * * * curl -s https://app.example.com/a && curl -s https://app.example.com/b", false},
    {"0 9 * * * curl -s https://app.example.com/$UNSET", false},
    {"0 10 * * * [ -f /tmp/go ] && curl -s https://app.example.com/go", false},
    {"0 11 * * * curl -F file=@/srv/x.csv https://app.example.com/upload", false},
    {"0 0/10 * * * curl -s https://app.example.com/bad", false},
    {"@reboot curl -s https://app.example.com/up", false},
};

static enum err keep_last(void *context, const struct crontab_line *line)
{
    struct crontab_line *last = context;
    *last = *line;
    return ERR_OK;
}

static void most_lines_of_most_crontabs_become_jobs(void **state)
{
    (void)state;
    size_t jobs = 0;
    assert_int_equal(COUNT_OF(lines), 64);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char text[1024];
        struct crontab_line last;
        struct fault f = {0};
        int bytes = snprintf(text, sizeof text, "%s%s\n", settings, lines[i].line);
        assert_in_range(bytes, 1, sizeof text - 1);
        assert_int_equal(crontab_read(text, (size_t)bytes, NULL, keep_last, &last, &f), ERR_OK);
        if ((last.kind == CRONTAB_JOB) != lines[i].becomes_a_job)
            fail_msg("%s: %s", lines[i].line, last.reason);
        assert_true(last.kind == CRONTAB_JOB || *last.reason);
        jobs += last.kind == CRONTAB_JOB;
    }
    print_message("%zu of %zu lines become jobs\n", jobs, COUNT_OF(lines));
    assert_true(jobs >= JOBS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_lines_of_most_crontabs_become_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
