// SPDX-License-Identifier: MIT
// test_check.c: what the service accepts as a job, and how it names what it does not.

#include "ledger/channel.h"
#include "service/service_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1893456000000 // 2030-01-01T00:00:00Z

static struct job *good_job(void)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, "0 9 * * *");
    job_set_text(&j->api, "http://127.0.0.1:8080/hook");
    return j;
}

static enum err check_new(struct job *j, struct service_problem *p)
{
    struct service_reading s;
    return service__check_job(j, &(struct job_check){.must_fire = true, .now = NOW}, &s, p);
}

static void the_defaults_are_acceptable(void **state)
{
    (void)state;
    struct service_problem p;
    struct job *j = good_job();
    assert_int_equal(check_new(j, &p), ERR_OK);
    assert_string_equal(j->timezone, "UTC"); // A job without a zone has UTC.
    job_free(j);
}

// --- Targets -------------------------------------------------------------------------------------

// An address in the URL is judged at once; what a name resolves to is judged at each attempt.
static void a_url_with_a_denied_address_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *api;
        enum err err;
        const char *detail;
    } cases[] = {
        {"http://169.254.169.254/latest/meta-data", ERR_FORBIDDEN,
         "169.254.169.254 is a link-local address, which deny_targets denies"},
        {"http://[::ffff:169.254.169.254]/", ERR_FORBIDDEN, "is a link-local address"},
        {"http://[fe80::1]:80/", ERR_FORBIDDEN, "fe80::1 is a link-local address"},
        {"http://0.0.0.0/", ERR_FORBIDDEN, "0.0.0.0 is a special address"},
        {"http://127.0.0.1/", ERR_OK, ""},
        {"http://metadata.example/", ERR_OK, ""},
        {"http://127.0.0.1:6379/", ERR_FORBIDDEN,
         "port 6379, of Redis, is one that deny_ports denies"},
        {"http://cache.example:11211/", ERR_FORBIDDEN, "port 11211, of memcached"},
        {"https://a.example:9443/", ERR_OK, ""},
    };
    struct address_policy targets;
    const struct address_lists lists = {.deny = ADDRESS_DENY_DEFAULT,
                                        .deny_ports = PORT_SET_UNSAFE};
    assert_int_equal(address_policy_parse(&lists, &targets, NULL), ERR_OK);
    const struct service s = {.targets = &targets};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct service_problem p = {0};
        struct job *j = good_job();
        job_set_text(&j->api, cases[i].api);
        assert_int_equal(service_check_job(&s, j, &p), cases[i].err);
        assert_int_equal(p.kind, cases[i].err ? PROBLEM_TARGET : PROBLEM_NONE);
        assert_non_null(strstr(p.detail, cases[i].detail));
        job_free(j);
    }
}

// --- One member that is wrong --------------------------------------------------------------------

static const struct text_case {
    const char *name;
    size_t offset;
    const char *text; // NULL: missing.
    enum problem_kind kind;
    const char *pointer;
} text_cases[] = {
    {"no schedule", offsetof(struct job, schedule), NULL, PROBLEM_FIELD, "/schedule"},
    {"no api", offsetof(struct job, api), NULL, PROBLEM_FIELD, "/api"},
    {"bad schedule", offsetof(struct job, schedule), "61 * * * *", PROBLEM_SCHEDULE, "/schedule"},
    {"empty schedule", offsetof(struct job, schedule), "", PROBLEM_SCHEDULE, "/schedule"},
    {"no such date", offsetof(struct job, schedule), "0 0 30 2 *", PROBLEM_SCHEDULE, "/schedule"},
    {"past", offsetof(struct job, schedule), "2029-12-31T23:59:59Z", PROBLEM_SCHEDULE, "/schedule"},
    {"unknown zone", offsetof(struct job, timezone), "Europe/Berln", PROBLEM_TIMEZONE, "/timezone"},
    {"empty zone", offsetof(struct job, timezone), "", PROBLEM_TIMEZONE, "/timezone"},
    {"no URL", offsetof(struct job, api), "example.com", PROBLEM_URL, "/api"},
    {"other scheme", offsetof(struct job, api), "ftp://example.com/", PROBLEM_URL, "/api"},
    {"empty tag", offsetof(struct job, tags), "[\"a\",\"\"]", PROBLEM_FIELD, "/tags"},
    {"number as tag", offsetof(struct job, tags), "[7]", PROBLEM_FIELD, "/tags"},
    {"tags no array", offsetof(struct job, tags), "{}", PROBLEM_FIELD, "/tags"},
    {"pause of an active job", offsetof(struct job, paused_reason), "why", PROBLEM_FIELD,
     "/paused_reason"},
};

static void a_bad_text_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(text_cases); i++) {
        const struct text_case *c = &text_cases[i];
        struct service_problem p = {0};
        struct job *j = good_job();
        job_set_text((char **)((char *)j + c->offset), c->text);
        enum err err = check_new(j, &p);
        if (!err || p.kind != c->kind || strcmp(p.pointer, c->pointer) != 0)
            fail_msg("%s: kind %d, pointer '%s', detail '%s'", c->name, (int)p.kind, p.pointer,
                     p.detail);
        assert_true(*p.detail);
        job_free(j);
    }
}

static void a_bad_schedule_says_where_and_what_instead(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *j = good_job();
    job_set_text(&j->schedule, "0 22-2 * * *");
    assert_int_not_equal(check_new(j, &p), ERR_OK);
    assert_true(p.has_position);
    assert_int_equal(p.position, 2);
    assert_int_equal(p.length, 4);
    assert_string_equal(p.code, "backwards");
    assert_string_equal(p.hint, "22-23,0-2");
    job_free(j);
}

static void an_unknown_zone_comes_with_near_names(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *j = good_job();
    job_set_text(&j->timezone, "Europe/Berln");
    assert_int_equal(check_new(j, &p), ERR_NOT_FOUND);
    assert_non_null(strstr(p.hint, "Europe/Berlin"));
    job_free(j);
}

static char *repeat(char c, size_t bytes)
{
    char *text = xmalloc(bytes + 1);
    memset(text, c, bytes);
    text[bytes] = '\0';
    return text;
}

static void texts_end_at_their_bounds(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        size_t bytes_max;
    } bounds[] = {
        {offsetof(struct job, name), JOB_MAX(name)},
        {offsetof(struct job, body), JOB_MAX(body)},
    };
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        for (size_t over = 0; over <= 1; over++) {
            struct service_problem p = {0};
            struct job *j = good_job();
            *(char **)((char *)j + bounds[i].offset) = repeat('x', bounds[i].bytes_max + over);
            assert_int_equal(check_new(j, &p), over ? ERR_LIMIT : ERR_OK);
            job_free(j);
        }
    }
}

static enum err check_list(size_t offset, char *text)
{
    struct job j = {0};
    struct service_problem p = {0};
    *(char **)((char *)&j + offset) = text;
    return service__check_tags(&j, &p);
}

static void assert_list_ends(size_t offset, size_t count_max, size_t bytes_max)
{
    for (size_t count = count_max; count <= count_max + 1; count++) {
        char list[256] = "[\"t\"";
        for (size_t i = 1; i < count; i++)
            strcat(list, ",\"t\"");
        strcat(list, "]");
        assert_int_equal(check_list(offset, list), count > count_max ? ERR_LIMIT : ERR_OK);
    }
    for (size_t bytes = bytes_max; bytes <= bytes_max + 1; bytes++) {
        char list[256];
        char *entry = repeat('x', bytes);
        snprintf(list, sizeof list, "[\"%s\"]", entry);
        assert_int_equal(check_list(offset, list), bytes > bytes_max ? ERR_RANGE : ERR_OK);
        free(entry);
    }
}

static void tags_and_names_of_channels_end_at_their_bounds(void **state)
{
    (void)state;
    assert_list_ends(offsetof(struct job, tags), SERVICE_TAGS_MAX, SERVICE_TAG_BYTES_MAX);
    assert_list_ends(offsetof(struct job, alert_channels), SERVICE_CHANNELS_MAX,
                     CHANNEL_NAME_BYTES_MAX);
}

// --- Numbers -------------------------------------------------------------------------------------

static void numbers_end_at_their_bounds(void **state)
{
    (void)state;
    static const char *const names[] = {"timeout_ms",   "max_retries",       "retry_base_ms",
                                        "retry_cap_ms", "catch_up_window_s", "max_in_flight"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct job_member *m = job_member_find(names[i]);
        assert_non_null(m);
        struct service_problem p = {0};
        struct job *j = good_job();
        const int64_t good[] = {m->least, m->greatest};
        const int64_t bad[] = {m->least - 1, m->greatest + 1, INT64_MAX, INT64_MIN};
        for (size_t k = 0; k < COUNT_OF(good); k++) {
            assert_int_equal(service_set_number(m, j, good[k], &p), ERR_OK);
            assert_int_equal(job_integer(m, j), good[k]);
        }
        for (size_t k = 0; k < COUNT_OF(bad); k++) {
            assert_int_equal(service_set_number(m, j, bad[k], &p), ERR_RANGE);
            assert_int_equal(job_integer(m, j), m->greatest); // Unchanged.
            assert_string_equal(p.pointer + 1, names[i]);
        }
        job_free(j);
    }
}

static void the_cap_of_retries_is_not_below_their_base(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *j = good_job();
    j->retry_base_ms = 5000;
    j->retry_cap_ms = 4999;
    assert_int_equal(check_new(j, &p), ERR_RANGE);
    assert_string_equal(p.pointer, "/retry_cap_ms");
    j->retry_cap_ms = 5000;
    assert_int_equal(check_new(j, &p), ERR_OK);
    job_free(j);
}

// --- Updates -------------------------------------------------------------------------------------

static enum err check_update(struct job *j, const struct job *before, struct service_problem *p)
{
    struct service_reading s;
    return service__check_job(j, &(struct job_check){.before = before, .now = NOW}, &s, p);
}

static struct job *finished_job(void)
{
    struct job *j = good_job();
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->schedule, "2029-12-31T23:59:59Z");
    j->is_active = false;
    j->finished = true;
    return j;
}

// What nobody touched is not held against the present time.
static void a_finished_job_can_be_renamed(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *before = finished_job();
    struct job *j = job_copy(before);
    j->finished = false; // As an edit sees it.
    j->is_active = true;
    job_set_text(&j->name, "new name");
    assert_int_equal(check_update(j, before, &p), ERR_OK);
    assert_true(j->finished);
    assert_false(j->is_active);
    job_free(j);
    job_free(before);
}

static void a_finished_job_starts_again_with_a_new_schedule(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *before = finished_job();
    struct job *j = job_copy(before);
    j->finished = false;
    j->is_active = true;
    job_set_text(&j->schedule, "2030-06-01T00:00:00Z");
    assert_int_equal(check_update(j, before, &p), ERR_OK);
    assert_true(j->is_active);
    assert_false(j->finished);
    job_set_text(&j->schedule, "2029-06-01T00:00:00Z");
    assert_int_equal(check_update(j, before, &p), ERR_RANGE);
    assert_string_equal(p.code, "past");
    job_free(j);
    job_free(before);
}

// What an `H` of a new job stands for follows from the id that it does not have yet.
static void a_new_hashed_job_is_judged_when_it_has_its_id(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *j = good_job();
    job_set_text(&j->schedule, "0 0 H H *");
    j->end_at = NOW + 86400000;
    assert_int_equal(check_new(j, &p), ERR_OK);
    unsigned refused = 0;
    for (j->id = 1; j->id <= 20; j->id++)
        refused += check_new(j, &p) == ERR_RANGE;
    assert_true(refused > 15); // A day in 336 is the first of January.
    assert_string_equal(p.pointer, "/end_at");
    j->id = 0;
    job_set_text(&j->schedule, "0 0 H(30-31) 2 *"); // Whatever the id.
    assert_int_equal(check_new(j, &p), ERR_RANGE);
    assert_string_equal(p.code, "never_fires");
    job_free(j);
}

static void a_pause_must_end_in_the_future(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *before = good_job();
    struct job *j = job_copy(before);
    j->is_active = false;
    j->paused_until = NOW;
    assert_int_equal(check_update(j, before, &p), ERR_RANGE);
    assert_string_equal(p.pointer, "/paused_until");
    j->paused_until = NOW + 1;
    assert_int_equal(check_update(j, before, &p), ERR_OK);
    j->is_active = true;
    assert_int_equal(check_update(j, before, &p), ERR_CONFLICT);
    job_free(j);
    job_free(before);
}

// --- Headers -------------------------------------------------------------------------------------

static void headers_are_set_replaced_and_removed(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *j = job_new();
    assert_int_equal(service_set_header(j, "X-One", "1", &p), ERR_OK);
    assert_int_equal(service_set_header(j, "X-Two", "", &p), ERR_OK);
    assert_string_equal(j->headers, "X-One: 1\nX-Two: \n");
    assert_int_equal(service_set_header(j, "x-one", "a: b", &p), ERR_OK);
    assert_string_equal(j->headers, "X-Two: \nx-one: a: b\n");
    assert_int_equal(service_set_header(j, "X-TWO", NULL, &p), ERR_OK);
    assert_string_equal(j->headers, "x-one: a: b\n");
    assert_int_equal(service_set_header(j, "X-One", NULL, &p), ERR_OK);
    assert_null(j->headers);
    job_free(j);
}

static void show_header(void *text, const char *name, const char *value)
{
    char *end = (char *)text + strlen(text);
    sprintf(end, "[%.8s=%.8s]", name, value);
}

// A row that was edited by hand has lines that service_set_header would not have made.
static const struct {
    const char *lines;
    const char *shown;
    const char *kept; // When one more is added.
} odd_lines[] = {
    {"nonsense", "[nonsense=]", "nonsense: \nX: 1\n"},
    {"nonsense\nA: b\n", "[nonsense=][A=b]", "nonsense: \nA: b\nX: 1\n"},
    {"A:b", "[A=b]", "A: b\nX: 1\n"},
    {"A:", "[A=]", "A: \nX: 1\n"},
    {":", "[=]", ": \nX: 1\n"},
    {"\n\n", "[=][=]", ": \n: \nX: 1\n"},
    {"A: b: c", "[A=b: c]", "A: b: c\nX: 1\n"},
};

static void odd_lines_of_headers_are_shown_and_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(odd_lines); i++) {
        struct service_problem p = {0};
        struct job *j = job_new();
        char shown[256] = "";
        job_set_text(&j->headers, odd_lines[i].lines);
        service_each_header(j, show_header, shown);
        assert_string_equal(shown, odd_lines[i].shown);
        assert_int_equal(service_set_header(j, "X", "1", &p), ERR_OK);
        assert_string_equal(j->headers, odd_lines[i].kept);
        job_free(j);
    }
}

static void odd_lines_of_headers_are_cut_to_what_fits(void **state)
{
    (void)state;
    struct job *j = job_new();
    char *lines = xmalloc(200001);
    memset(lines, 'a', 200000);
    lines[100000] = ':';
    lines[200000] = '\0';
    j->headers = lines;
    char shown[64] = "";
    service_each_header(j, show_header, shown);
    assert_string_equal(shown, "[aaaaaaaa=aaaaaaaa]");
    job_free(j);
}

static void a_header_that_may_not_be_sent_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"Host", "x/y"},       {"TE", "x"},
                                         {"a b", "x"},          {"", "x"},
                                         {"X", "a\r\nEvil: 1"}, {"Carillon-Job", "1"}};
    struct job *j = job_new();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct service_problem p = {0};
        assert_int_not_equal(service_set_header(j, bad[i][0], bad[i][1], &p), ERR_OK);
        assert_int_equal(p.kind, PROBLEM_HEADER);
        assert_memory_equal(p.pointer, "/headers/", 9);
        assert_null(j->headers);
    }
    job_free(j);
}

static void a_job_has_so_many_headers_and_no_more(void **state)
{
    (void)state;
    struct service_problem p = {0};
    struct job *j = job_new();
    for (int i = 0; i < SERVICE_HEADERS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "X-%d", i);
        assert_int_equal(service_set_header(j, name, "v", &p), ERR_OK);
    }
    assert_int_equal(service_set_header(j, "X-More", "v", &p), ERR_LIMIT);
    assert_int_equal(service_set_header(j, "X-7", "other", &p), ERR_OK); // Replaces one.
    job_free(j);
}

// A pointer is text for a program: what has a meaning in it is escaped, what is too long is cut.
static void pointers_are_escaped_and_bounded(void **state)
{
    (void)state;
    struct service_problem p;
    service_refuse(&p, ERR_SYNTAX, PROBLEM_FIELD, "a/b~c", "wrong");
    assert_string_equal(p.pointer, "/a~1b~0c");
    char *name = repeat('/', 500);
    service_refuse(&p, ERR_SYNTAX, PROBLEM_FIELD, name, "wrong");
    service_problem_within(&p, name);
    assert_true(strlen(p.pointer) < sizeof p.pointer);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_acceptable),
        cmocka_unit_test(a_url_with_a_denied_address_is_refused),
        cmocka_unit_test(a_bad_text_is_refused_by_name),
        cmocka_unit_test(a_bad_schedule_says_where_and_what_instead),
        cmocka_unit_test(an_unknown_zone_comes_with_near_names),
        cmocka_unit_test(texts_end_at_their_bounds),
        cmocka_unit_test(tags_and_names_of_channels_end_at_their_bounds),
        cmocka_unit_test(numbers_end_at_their_bounds),
        cmocka_unit_test(the_cap_of_retries_is_not_below_their_base),
        cmocka_unit_test(a_finished_job_can_be_renamed),
        cmocka_unit_test(a_finished_job_starts_again_with_a_new_schedule),
        cmocka_unit_test(a_new_hashed_job_is_judged_when_it_has_its_id),
        cmocka_unit_test(a_pause_must_end_in_the_future),
        cmocka_unit_test(headers_are_set_replaced_and_removed),
        cmocka_unit_test(odd_lines_of_headers_are_shown_and_kept),
        cmocka_unit_test(odd_lines_of_headers_are_cut_to_what_fits),
        cmocka_unit_test(a_header_that_may_not_be_sent_changes_nothing),
        cmocka_unit_test(a_job_has_so_many_headers_and_no_more),
        cmocka_unit_test(pointers_are_escaped_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
