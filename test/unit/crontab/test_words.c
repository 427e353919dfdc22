// SPDX-License-Identifier: MIT
// test_words.c: commands as cron and a shell read them: `%`, quotes, and what needs a shell.

#include "crontab_test.h"

// The body that a command sends shows how its last word was read.
static void check_body(const char *command, const char *body)
{
    char reason[CRONTAB_REASON_BYTES];
    struct job *j = job_of(command, reason);
    if (!j->body || strcmp(j->body, body) != 0)
        fail_msg("%s: %s", command, j->body ? j->body : "no body");
    assert_string_equal(j->api, "http://a/");
    job_free(j);
}

static void quotes_are_undone(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"curl http://a/ -d word", "word"},
        {"curl http://a/ -d 'a  b\"c\\'", "a  b\"c\\"},
        {"curl http://a/ -d \"a 'b' \\\"c\\\" \\$x \\\\ \\n\"", "a 'b' \"c\" $x \\ \\n"},
        {"curl http://a/ -d a\\ b\\'c\\\\d", "a b'c\\d"},
        {"curl http://a/ -d a'b c'\"d e\"f", "ab cd ef"},
        {"curl http://a/ -d ''", ""},
        {"curl\thttp://a/\t-d\t{\\\"a\\\":1}", "{\"a\":1}"},
        {"curl http://a/ -d '$HOME `date` ; | & > <'", "$HOME `date` ; | & > <"},
        {"curl http://a/ -d 5$", "5$"},
        {"curl http://a/ -d \"5$\"", "5$"},
        {"curl http://a/ -d a~b=*?[c]", "a~b=*?[c]"},
        {"curl http://a/ -d x#y # a comment 'for the shell | only", "x#y"},
        {"curl http://a/ -d 'x\\' # \\\\", "x\\"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_body(rows[i][0], rows[i][1]);
}

static void output_may_be_thrown_away(void **state)
{
    (void)state;
    static const char *const tails[] = {
        "> /dev/null",        ">/dev/null 2>&1",  "> /dev/null 2>/dev/null",
        ">> /dev/null 2>&1",  "&> /dev/null",     "&>>/dev/null",
        ">| '/dev/null'",     "2>&1 > /dev/null", ">& /dev/null",
        "1>/dev/null 2>&-",   "</dev/null",       "</dev/null >/dev/null 2>&1",
        ">\"/dev/null\" # x",
    };
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        char command[128];
        snprintf(command, sizeof command, "curl http://a/ -d 2 %s", tails[i]);
        check_body(command, "2");
    }
}

static void words_that_need_a_shell_are_not_guessed_at(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"curl http://a/ | grep ok", "|", "its output goes to another command"},
        {"curl http://a/?x=1&y=2", "&", "a URL with an & in it needs quotes"},
        {"curl http://a/ > /srv/a 2>&1", "> /srv/a", "it writes the answer to a file"},
        {"curl -d @- http://a/ < /etc/motd", "< /etc/motd", "it reads a file"},
        {"curl -d @- http://a/ <<EOF", "<<EOF", "it reads a file"},
        {"curl http://a/ >&x", ">&x", "it writes the answer to a file"},
        {"curl $URL", "$URL", "it uses the variable $URL"},
        {"curl \"http://a/${KEY}\"", "${KEY}", "it uses the variable ${KEY}"},
        {"curl http://a/?$$", "$$", "it uses the variable $$"},
        {"curl http://a/$(date +\\%s)", "$(", "the output of another command"},
        {"curl \"http://a/`date`\"", "`", "the output of another command"},
        {"curl http://a/`date`", "`", "the output of another command"},
        {"curl -d $'a' http://a/", "$'", "only a shell could expand it"},
        {"curl -o ~/x http://a/", "~", "only a shell could expand it"},
        {"curl 'http://a/", "'", "the quote is not closed"},
        {"curl \"http://a/", "\"", "the quote is not closed"},
        {"curl http://a/`b\\`", "`", "the quote is not closed"},
        {"/usr/bin/backup --all", "/usr/bin/backup", "its command is /usr/bin/backup, neither"},
        {"curlx http://a/", "curlx", "neither curl nor wget"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_not_convertible(rows[i][0], rows[i][1], rows[i][2]);
    assert_not_convertible("# nothing else", "", "there is no command");
}

static void words_are_bounded(void **state)
{
    (void)state;
    char command[1200] = "curl http://a/";
    for (int i = 2; i < 256; i++)
        strcat(command, " -s");
    char reason[CRONTAB_REASON_BYTES];
    job_free(job_of(command, reason));
    strcat(command, " Z");
    assert_not_convertible(command, "Z", "more than 256 words");
}

// --- Percent signs -------------------------------------------------------------------------------

static void percent_signs_are_crons(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"curl http://a/ -d 100\\%", "100%"},
        {"curl http://a/ -d '100\\%'", "100%"},
        {"curl http://a/ -d x%not read", "x"},
        {"curl http://a/ --data-binary @-%one%two", "one\ntwo\n"},
        {"curl http://a/ --data-binary @-%50\\% off%", "50% off\n"},
        {"curl http://a/ --data-binary @-%a\\b\\\\c", "a\\b\\\\c\n"},
        {"curl http://a/ --data-binary @-%", ""},
        {"curl http://a/ --data-binary @-", ""},
        {"curl http://a/ -d @-%one%two", "onetwo"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_body(rows[i][0], rows[i][1]);
    // The first backslash protects the second one, which then protects nothing.
    assert_not_convertible("curl http://a/ \\\\%x", "\\\\", "more than one URL");
}

// Positions count the line as it stands, although a backslash before a percent sign is gone.
static void positions_count_the_line(void **state)
{
    (void)state;
    assert_not_convertible("curl -d \\%\\% http://a/ | grep x", "|", "its output goes to");
    assert_not_convertible("curl -d '\\%\\%' -O http://a/", "-O", "to a file");
    assert_not_convertible("curl -d x http://a/\\%\\% -O%x", "-O", "to a file");
}

// What cuts the command short is said, rather than what is then missing from it.
static void a_percent_sign_that_cuts_the_command_is_named(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"@daily curl -w \"%{http_code}\" http://a/", "the quote before it is not closed"},
        {"@daily curl -w '%{http_code}' http://a/", "the quote before it is not closed"},
        {"@daily sleep $((RANDOM % 60)); curl http://a/", "the bracket before it is not closed"},
        {"@daily curl http://a/`date +%F`", "the quote before it is not closed"},
        {"@daily (curl http://a/?%20x)", "the bracket before it is not closed"},
        {"@daily curl http://a/ || (date +%F)", "the bracket before it is not closed"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer a;
        answer_read(&a, rows[i][0], NULL);
        assert_int_equal(a.lines[0].kind, CRONTAB_NOT_CONVERTIBLE);
        assert_int_equal(a.lines[0].position, strchr(rows[i][0], '%') - rows[i][0]);
        assert_int_equal(a.lines[0].length, 1);
        assert_non_null(strstr(a.lines[0].reason, "this % ends the command"));
        assert_non_null(strstr(a.lines[0].reason, rows[i][1]));
        assert_string_equal(a.lines[0].hint, "\\%");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_are_undone),
        cmocka_unit_test(output_may_be_thrown_away),
        cmocka_unit_test(words_that_need_a_shell_are_not_guessed_at),
        cmocka_unit_test(words_are_bounded),
        cmocka_unit_test(percent_signs_are_crons),
        cmocka_unit_test(positions_count_the_line),
        cmocka_unit_test(a_percent_sign_that_cuts_the_command_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
