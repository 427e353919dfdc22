// SPDX-License-Identifier: MIT
// test_routes.c: which handler a request gets, what is refused before it gets one, how pages and
// refusals are answered.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct exchange get(const char *const *segments)
{
    struct exchange x = {.method = "GET"};
    for (size_t i = 0; segments[i]; i++)
        x.segments[i] = segments[i];
    return x;
}

#define PATH(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_PATH ((const char *const[]){NULL})

static enum err find_at(struct api *a, struct exchange *x, struct api_request *r, struct problem *p)
{
    *r = (struct api_request){.api = a, .exchange = x};
    *p = (struct problem){0};
    return route_find(r, p);
}

static enum err find(struct exchange *x, struct api_request *r, struct problem *p)
{
    static struct api whole;
    return find_at(&whole, x, r, p);
}

// --- Finding -------------------------------------------------------------------------------------

static const char *const seed[][2] = {
    {"POST", "/jobs"},
    {"PUT", "/jobs/:job"},
    {"GET", "/jobs/:job"},
    {"DELETE", "/jobs/:job"},
    {"GET", "/jobs/:job/executions"},
    {"POST", "/jobs/:job/trigger"},
    {"GET", "/jobs/:job/alerts"},
    {"GET", "/observability/health"},
    {"GET", "/observability/metrics"},
    {"GET", "/observability/alerts"},
    {"GET", "/observability/executions/recent"},
    {"GET", "/observability/executions/failed"},
};

static void the_twelve_routes_of_the_first_version_are_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seed); i++) {
        size_t k = 0;
        while (k < route_count && (strcmp(routes[k].method, seed[i][0]) != 0 ||
                                   strcmp(routes[k].pattern, seed[i][1]) != 0))
            k++;
        if (k == route_count)
            fail_msg("%s %s is missing", seed[i][0], seed[i][1]);
    }
}

static void a_worker_answers_probes_and_metrics_only(void **state)
{
    (void)state;
    struct api worker = {.probes_only = "worker"};
    struct api_request r;
    struct problem p;
    static const char *const probes[] = {"livez", "readyz", "metrics"};
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        struct exchange x = get(PATH(probes[i]));
        assert_int_equal(find_at(&worker, &x, &r, &p), ERR_OK);
    }
    struct exchange x = get(PATH("jobs"));
    assert_int_equal(find_at(&worker, &x, &r, &p), ERR_NOT_FOUND);
    assert_string_equal(p.what.detail,
                        "this node is a worker, which answers /livez, /readyz and /metrics only; "
                        "ask an API server");
    x = get(NO_PATH);
    assert_int_equal(find_at(&worker, &x, &r, &p), ERR_NOT_FOUND);
}

// Cuts the pattern, in `text`, at each "/".
static void ask_for(const struct route *route, char text[static 64], struct exchange *x)
{
    assert_true(strlen(route->pattern) < 64);
    strcpy(text, route->pattern + 1);
    *x = (struct exchange){.method = route->method, .door = DOOR_OBSERVE};
    char *save;
    size_t i = 0;
    for (char *s = strtok_r(text, "/", &save); s; s = strtok_r(NULL, "/", &save))
        x->segments[i++] = s;
}

static void at_the_door_to_observe_only_health_and_metrics_are_answered(void **state)
{
    (void)state;
    static const char *const answered[] = {"/livez", "/readyz", "/metrics", "/observability/health",
                                           "/observability/metrics"};
    struct api api = {0};
    size_t found = 0;
    for (size_t i = 0; i < route_count; i++) {
        struct exchange x;
        struct api_request r;
        struct problem p;
        char text[64];
        bool is_answered = false;
        for (size_t k = 0; k < COUNT_OF(answered); k++)
            is_answered |= strcmp(routes[i].pattern, answered[k]) == 0;
        ask_for(&routes[i], text, &x);
        assert_int_equal(find_at(&api, &x, &r, &p), is_answered ? ERR_OK : ERR_NOT_FOUND);
        found += is_answered;
    }
    assert_int_equal(found, COUNT_OF(answered));
}

// Two routes that match one request would make the second one dead.
static void no_route_hides_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        for (size_t k = i + 1; k < route_count; k++)
            assert_false(strcmp(routes[i].method, routes[k].method) == 0 &&
                         strcmp(routes[i].pattern, routes[k].pattern) == 0);
    }
}

static void a_path_leads_to_its_route_and_ids(void **state)
{
    (void)state;
    struct api_request r;
    struct problem p;
    struct exchange x = get(PATH("jobs", "42", "executions"));
    assert_int_equal(find(&x, &r, &p), ERR_OK);
    assert_string_equal(r.route->pattern, "/jobs/:job/executions");
    assert_int_equal(r.job, 42);

    x = get(PATH("executions", "42-1893456000000"));
    assert_int_equal(find(&x, &r, &p), ERR_OK);
    assert_int_equal(r.execution.job, 42);
    assert_int_equal(r.execution.scheduled_at, 1893456000000);

    x = get(NO_PATH);
    assert_int_equal(find(&x, &r, &p), ERR_OK);
    assert_string_equal(r.route->pattern, "/");
}

static void a_slash_at_the_end_makes_no_difference(void **state)
{
    (void)state;
    struct api_request r;
    struct problem p;
    struct exchange x = get(PATH("jobs", "42", ""));
    assert_int_equal(find(&x, &r, &p), ERR_OK);
    assert_string_equal(r.route->pattern, "/jobs/:job");
}

static void other_paths_and_ids_are_not_found(void **state)
{
    (void)state;
    const char *const *const paths[] = {
        PATH("job"),
        PATH("jobs", "0"),
        PATH("jobs", "-1"),
        PATH("jobs", "01"),
        PATH("jobs", "1x"),
        PATH("jobs", "9223372036854775808"),
        PATH("jobs", "+1"),
        PATH("jobs", "1", "nothing"),
        PATH("jobs", "", "1"),
        PATH("JOBS"),
        PATH("executions", "1"),
        PATH("executions", "01-5"),
        PATH("jobs", "1", "executions", "2"),
        PATH("observability"),
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct api_request r;
        struct problem p;
        struct exchange x = get(paths[i]);
        assert_int_equal(find(&x, &r, &p), ERR_NOT_FOUND);
        assert_int_equal(problem_status(&p), 404);
    }
}

static void the_largest_id_is_an_id(void **state)
{
    (void)state;
    job_id id;
    assert_true(job_id_parse("9223372036854775807", &id));
    assert_int_equal(id, INT64_MAX);
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    (void)state;
    struct api_request r;
    struct problem p;
    struct exchange x = get(PATH("jobs", "1"));
    x.method = "POST";
    assert_int_not_equal(find(&x, &r, &p), ERR_OK);
    assert_int_equal(problem_status(&p), 405);
    assert_string_equal(p.allow, "GET, HEAD, PUT, PATCH, DELETE");
    x = get(PATH("jobs", "1", "trigger"));
    assert_int_not_equal(find(&x, &r, &p), ERR_OK);
    assert_string_equal(p.allow, "POST");
}

// --- Parameters and bodies -----------------------------------------------------------------------

static void parameters_are_known_and_given_once(void **state)
{
    (void)state;
    struct api_request r;
    struct problem p;
    struct exchange x = get(PATH("jobs"));
    x.parameters[0] = (struct fake_pair){"limit", "2"};
    assert_int_equal(find(&x, &r, &p), ERR_OK);
    assert_int_equal(route_check_parameters(&r, &p), ERR_OK);
    x.parameters[1] = (struct fake_pair){"limit", "2"};
    assert_int_not_equal(route_check_parameters(&r, &p), ERR_OK);
    x.parameters[1] = (struct fake_pair){"Limit", "2"};
    assert_int_not_equal(route_check_parameters(&r, &p), ERR_OK);
    assert_string_equal(p.what.hint, "did you mean limit?");
    assert_string_equal(p.what.pointer, "/Limit");
    assert_int_equal(problem_status(&p), 400);
}

static void the_values_of_parameters_are_judged(void **state)
{
    (void)state;
    static const char *const bad_limits[] = {"0", "501", "-1", "", "1.5", "x"};
    struct problem p = {0};
    struct exchange x = get(PATH("jobs"));
    struct api_request r = {.exchange = &x};
    size_t limit = 7;
    assert_int_equal(query_limit(&r, &limit, &p), ERR_OK);
    assert_int_equal(limit, 7); // Absent: unchanged.
    for (size_t i = 0; i < COUNT_OF(bad_limits); i++) {
        x.parameters[0] = (struct fake_pair){"limit", bad_limits[i]};
        assert_int_not_equal(query_limit(&r, &limit, &p), ERR_OK);
    }
    x.parameters[0] = (struct fake_pair){"limit", "500"};
    assert_int_equal(query_limit(&r, &limit, &p), ERR_OK);
    assert_int_equal(limit, 500);

    wall_ms at = 0;
    x.parameters[0] = (struct fake_pair){"from", "2030-01-01T01:00:00 01:00"}; // Was a "+".
    assert_int_equal(query_time(&r, "from", &at, &p), ERR_OK);
    assert_int_equal(at, 1893456000000);
    x.parameters[0] = (struct fake_pair){"from", "today"};
    assert_int_not_equal(query_time(&r, "from", &at, &p), ERR_OK);

    int choice = -1;
    x.parameters[0] = (struct fake_pair){"status", "FAILED"};
    assert_int_equal(query_choice(&r, "status", &execution_state_words, &choice, &p), ERR_OK);
    assert_int_equal(choice, EXECUTION_FAILED);
    x.parameters[0] = (struct fake_pair){"status", "failed"};
    assert_int_not_equal(query_choice(&r, "status", &execution_state_words, &choice, &p), ERR_OK);
}

static const struct {
    const char *content_type;
    const char *body;
    enum body_need rule;
    unsigned status; // 0: it is read.
} bodies[] = {
    {"application/json", "{}", BODY_REQUIRED, 0},
    {"application/json; charset=utf-8", "{}", BODY_REQUIRED, 0},
    {"Application/JSON", "{}", BODY_REQUIRED, 0},
    {"application/merge-patch+json", "{}", BODY_REQUIRED, 0},
    {NULL, NULL, BODY_OPTIONAL, 0},
    {"text/plain", "ignored", BODY_NONE, 0},
    {"text/plain", "left to the handler", BODY_OWN, 0},
    {NULL, NULL, BODY_REQUIRED, 400},
    {"application/json", "[]", BODY_REQUIRED, 400},
    {NULL, "{}", BODY_REQUIRED, 415},
    {"text/plain", "{}", BODY_OPTIONAL, 415},
    {"text/json", "{}", BODY_REQUIRED, 415},
    {"application/jsonx", "{}", BODY_REQUIRED, 415},
    {"application/x-www-form-urlencoded", "{}", BODY_REQUIRED, 415},
};

static void a_body_is_an_object_of_json_and_called_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct route route = {.body = bodies[i].rule};
        struct exchange x = {.method = "POST", .body = bodies[i].body};
        if (bodies[i].content_type)
            x.headers[0] = (struct fake_pair){"Content-Type", bodies[i].content_type};
        struct api_request r = {.exchange = &x, .route = &route};
        struct problem p = {0};
        enum err err = body_read(&r, &p);
        if ((err ? problem_status(&p) : 0) != bodies[i].status)
            fail_msg("%s: %s", bodies[i].content_type, p.what.detail);
        json_decref(r.body);
    }
}

// --- Answers -------------------------------------------------------------------------------------

static struct api_request *request_for(struct exchange *x)
{
    struct api_request *r = xcalloc(1, sizeof *r);
    r->exchange = x;
    return r;
}

static json_t *answer_of(struct exchange *x)
{
    json_t *json = json_loads(x->answer, 0, NULL);
    assert_non_null(json);
    free(x->answer);
    return json;
}

static const char *text_of(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void a_refusal_is_a_problem_with_everything_in_it(void **state)
{
    (void)state;
    struct exchange x = {.method = "POST"};
    struct problem p = {0};
    service_refuse(&p.what, ERR_SYNTAX, PROBLEM_SCHEDULE, "schedule", "minute: 60 is too much");
    p.what.has_position = true;
    p.what.position = 4;
    p.what.length = 2;
    p.what.code = "range";
    strcpy(p.what.hint, "59");
    answer_problem(request_for(&x), &p);

    assert_int_equal(x.status, 400);
    assert_string_equal(x.content_type, "application/problem+json");
    json_t *json = answer_of(&x);
    assert_string_equal(text_of(json, "type"), "/problems/invalid-schedule");
    assert_string_equal(text_of(json, "instance"), "request-1");
    assert_string_equal(text_of(json, "error"), "minute: 60 is too much");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 400);
    json_t *error = json_array_get(json_object_get(json, "errors"), 0);
    assert_string_equal(text_of(error, "pointer"), "/schedule");
    assert_string_equal(text_of(error, "code"), "range");
    assert_string_equal(text_of(error, "hint"), "59");
    assert_int_equal(json_integer_value(json_object_get(error, "position")), 4);
    assert_int_equal(json_integer_value(json_object_get(error, "length")), 2);
    json_decref(json);
}

static const struct {
    enum problem_kind kind;
    unsigned status;
    const char *type;
    bool retry;
} kinds[] = {
    {PROBLEM_FIELD, 400, "invalid-field", false},
    {PROBLEM_TIMEZONE, 400, "invalid-timezone", false},
    {PROBLEM_URL, 400, "invalid-url", false},
    {PROBLEM_HEADER, 400, "invalid-header", false},
    {PROBLEM_NOT_FOUND, 404, "not-found", false},
    {PROBLEM_VERSION, 412, "version-conflict", false},
    {PROBLEM_CONTENDED, 409, "conflict", true},
    {PROBLEM_LIMIT, 429, "limit-reached", true},
    {PROBLEM_QUOTA, 429, "quota-reached", true},
    {PROBLEM_BUSY, 503, "busy", true},
    {PROBLEM_CLOSED, 503, "draining", true},
    {PROBLEM_STORE_FULL, 507, "storage-full", true},
    {PROBLEM_STORE_BUSY, 503, "storage-busy", true},
    {PROBLEM_STORE_AWAY, 503, "storage-unreachable", true},
    {PROBLEM_MOVED, 503, "job-moved", true},
    {PROBLEM_DOUBT, 503, "outcome-unknown", false},
    {PROBLEM_STORE, 503, "storage-unavailable", true},
    {PROBLEM_DAMAGED, 500, "storage-damaged", false},
};

static void every_refusal_of_the_service_has_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct exchange x = {.method = "GET"};
        struct problem p = {0};
        service_refuse(&p.what, ERR_SYNTAX, kinds[i].kind, NULL, "so it is");
        answer_problem(request_for(&x), &p);
        assert_int_equal(x.status, kinds[i].status);
        assert_int_equal(strstr(x.answer_headers, "Retry-After: ") != NULL, kinds[i].retry);
        json_t *json = answer_of(&x);
        assert_string_equal(text_of(json, "type") + strlen("/problems/"), kinds[i].type);
        assert_true(*text_of(json, "title"));
        json_decref(json);
    }
}

// What a client sent may be cut in the middle of a character; the answer is valid JSON all the
// same.
static void a_detail_that_was_cut_is_still_text(void **state)
{
    (void)state;
    struct exchange x = {.method = "GET"};
    struct problem p = {0};
    service_refuse(&p.what, ERR_SYNTAX, PROBLEM_FIELD, "f", "unknown '\xc3");
    answer_problem(request_for(&x), &p);
    json_t *json = answer_of(&x);
    assert_string_equal(text_of(json, "detail"), "unknown '");
    json_decref(json);
}

static void a_refusal_of_the_server_has_the_same_form(void **state)
{
    (void)state;
    static const unsigned statuses[] = {400, 408, 413, 414, 431, 503};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct refusal refusal = {
            .status = statuses[i], .detail = "why it is so", .request_id = "r-2"};
        size_t bytes;
        char *text = problem_refusal_body(NULL, &refusal, &bytes);
        assert_int_equal(bytes, strlen(text));
        json_t *json = json_loads(text, 0, NULL);
        assert_int_equal(json_integer_value(json_object_get(json, "status")), statuses[i]);
        assert_memory_equal(text_of(json, "error"), "why it is so", strlen("why it is so"));
        assert_string_equal(text_of(json, "instance"), "r-2");
        json_decref(json);
        free(text);
    }
}

static void a_body_that_is_too_large_is_told_how_large_it_may_be(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *detail;
    } limits[] = {
        {413, "too long; at most 1048576 bytes are allowed"},
        {414, "too long; at most 8192 bytes are allowed"},
        {431, "too long; at most 16384 bytes and 100 headers are allowed"},
        {408, "too long"},
    };
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct refusal refusal = {
            .status = limits[i].status, .detail = "too long", .request_id = "r-2"};
        size_t bytes;
        char *text = problem_refusal_body(NULL, &refusal, &bytes);
        json_t *json = json_loads(text, 0, NULL);
        assert_string_equal(text_of(json, "detail"), limits[i].detail);
        json_decref(json);
        free(text);
    }
}

// Each of these is 503; a client may want to know whether this server will be there again in a
// moment.
static void a_busy_server_is_told_from_one_that_ends(void **state)
{
    (void)state;
    static const char *const types[] = {"/problems/busy", "/problems/draining"};
    for (int draining = 0; draining <= 1; draining++) {
        struct refusal refusal = {503, draining, "why it is so", "r-2"};
        size_t bytes;
        char *text = problem_refusal_body(NULL, &refusal, &bytes);
        json_t *json = json_loads(text, 0, NULL);
        assert_string_equal(text_of(json, "type"), types[draining]);
        json_decref(json);
        free(text);
    }
}

static void a_page_leads_to_the_next(void **state)
{
    (void)state;
    struct exchange x = get(PATH("jobs"));
    x.target = "/jobs?q=a%20b&cursor=old&limit=2";
    x.parameters[0] = (struct fake_pair){"q", "a b"};
    x.parameters[1] = (struct fake_pair){"cursor", "old"};
    x.parameters[2] = (struct fake_pair){"limit", "2"};
    struct page page;
    page_begin(&page, CURSOR_JOBS, "jobs", 2);
    for (int i = 1; i <= 2; i++) {
        assert_true(page_has_room(&page));
        assert_int_equal(page_add(&page, json_integer(i), (struct cursor){.id = i}), ERR_OK);
    }
    assert_false(page_has_room(&page));
    assert_int_equal(page_end(request_for(&x), &page, ERR_LIMIT), ERR_OK);

    json_t *json = answer_of(&x);
    assert_int_equal(json_array_size(json_object_get(json, "jobs")), 2);
    struct cursor next;
    assert_true(cursor_parse(CURSOR_JOBS, text_of(json, "next_cursor"), &next));
    assert_int_equal(next.id, 2);
    assert_non_null(strstr(x.answer_headers, "Link: </jobs?q=a%20b&limit=2&cursor="));
    assert_non_null(strstr(x.answer_headers, ">; rel=\"next\"\n"));
    assert_null(strstr(x.answer_headers, "cursor=old"));
    json_decref(json);
}

static json_t *long_item(size_t bytes)
{
    char *text = xmalloc(bytes + 1);
    memset(text, 'a', bytes);
    text[bytes] = '\0';
    json_t *item = json_string(text);
    free(text);
    return item;
}

// However long they are, something of a list comes with each page, so that a client gets on.
static void a_page_has_a_bounded_number_of_bytes_but_never_nothing(void **state)
{
    (void)state;
    struct exchange x = get(PATH("jobs"));
    x.target = "/jobs";
    struct page page;
    page_begin(&page, CURSOR_JOBS, "jobs", 100);
    struct cursor at = {.id = 1};
    assert_int_equal(page_add(&page, long_item(PAGE_BYTES_MAX + 1), at), ERR_OK);
    at.id = 2;
    assert_int_equal(page_add(&page, json_integer(2), at), ERR_LIMIT);
    assert_int_equal(page_end(request_for(&x), &page, ERR_LIMIT), ERR_OK);
    json_t *json = answer_of(&x);
    struct cursor next;
    assert_int_equal(json_array_size(json_object_get(json, "jobs")), 1);
    assert_true(cursor_parse(CURSOR_JOBS, text_of(json, "next_cursor"), &next));
    assert_int_equal(next.id, 1);
    json_decref(json);
}

static void a_page_of_a_list_that_failed_is_no_answer(void **state)
{
    (void)state;
    struct exchange x = get(PATH("jobs"));
    struct page page;
    page_begin(&page, CURSOR_JOBS, "jobs", 2);
    assert_int_equal(page_end(NULL, &page, ERR_TIMEOUT), ERR_TIMEOUT);
    page_begin(&page, CURSOR_JOBS, "jobs", 2);
    assert_int_equal(page_end(NULL, &page, ERR_LIMIT), ERR_LIMIT); // Not because it was full.
    assert_int_equal(x.status, 0);
}

static void the_last_page_leads_nowhere(void **state)
{
    (void)state;
    struct exchange x = get(PATH("jobs"));
    struct page page;
    page_begin(&page, CURSOR_JOBS, "jobs", 2);
    assert_true(page_has_room(&page));
    assert_int_equal(page_add(&page, json_integer(1), (struct cursor){.id = 1}), ERR_OK);
    assert_int_equal(page_end(request_for(&x), &page, ERR_OK), ERR_OK);
    json_t *json = answer_of(&x);
    assert_true(json_is_null(json_object_get(json, "next_cursor")));
    assert_null(strstr(x.answer_headers, "Link"));
    json_decref(json);
}

static void tags_are_compared_one_by_one(void **state)
{
    (void)state;
    static const char *const matching[] = {"\"5\"", "W/\"5\"", "*", "\"4\", \"5\"",
                                           "\"4\",W/\"5\""};
    static const char *const others[] = {"\"4\"", "5",  "\"05\"", "\"55\"", "",
                                         "\"5",   "W/", ",",      "\"5-1\""};
    for (size_t i = 0; i < COUNT_OF(matching); i++)
        assert_true(etag_is_among("\"5\"", matching[i]));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(etag_is_among("\"5\"", others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_twelve_routes_of_the_first_version_are_there),
        cmocka_unit_test(a_worker_answers_probes_and_metrics_only),
        cmocka_unit_test(at_the_door_to_observe_only_health_and_metrics_are_answered),
        cmocka_unit_test(no_route_hides_another),
        cmocka_unit_test(a_path_leads_to_its_route_and_ids),
        cmocka_unit_test(a_slash_at_the_end_makes_no_difference),
        cmocka_unit_test(other_paths_and_ids_are_not_found),
        cmocka_unit_test(the_largest_id_is_an_id),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(parameters_are_known_and_given_once),
        cmocka_unit_test(the_values_of_parameters_are_judged),
        cmocka_unit_test(a_body_is_an_object_of_json_and_called_so),
        cmocka_unit_test(a_refusal_is_a_problem_with_everything_in_it),
        cmocka_unit_test(every_refusal_of_the_service_has_its_status),
        cmocka_unit_test(a_detail_that_was_cut_is_still_text),
        cmocka_unit_test(a_refusal_of_the_server_has_the_same_form),
        cmocka_unit_test(a_body_that_is_too_large_is_told_how_large_it_may_be),
        cmocka_unit_test(a_busy_server_is_told_from_one_that_ends),
        cmocka_unit_test(a_page_leads_to_the_next),
        cmocka_unit_test(a_page_has_a_bounded_number_of_bytes_but_never_nothing),
        cmocka_unit_test(a_page_of_a_list_that_failed_is_no_answer),
        cmocka_unit_test(the_last_page_leads_nowhere),
        cmocka_unit_test(tags_are_compared_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
