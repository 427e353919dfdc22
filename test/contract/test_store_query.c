// SPDX-License-Identifier: MIT
// test_store_query.c: what every store promises about its lists: order, filters, pages that neither
// repeat nor skip a row while others are inserted, and exact lookups.

#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

static const struct store_adapter *adapter;

static int setup(void **state)
{
    *state = store_fixture_new(adapter);
    return 0;
}

static int teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

// --- Jobs ------------------------------------------------------------------------------------

static struct job *named_job(job_id id, const char *name, const char *schedule, const char *api)
{
    struct job *j = job_new();
    j->id = id;
    job_set_text(&j->name, name);
    job_set_text(&j->schedule, schedule);
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, api);
    return j;
}

static void fill_jobs(struct store_fixture *x)
{
    struct batch *b = store_batch(x);
    struct job *j = named_job(1, "Nightly Billing", "0 3 * * *", "https://pay.example.com/run");
    job_set_text(&j->tags, "[\"billing\",\"night\"]");
    store_add(b, CHANGE_JOB_PUT)->job = j;
    j = named_job(2, NULL, "@hourly", "https://mail.example.com/BILLING");
    job_set_text(&j->tags, "[\"b\\u00fcro\", \"night 100%\"]");
    j->is_active = false;
    store_add(b, CHANGE_JOB_PUT)->job = j;
    store_add(b, CHANGE_JOB_PUT)->job = named_job(3, "100% sure", "0 0 1 JAN *", "http://a/b_c");
    j = named_job(5, "Ärger", "0 0 * * MON", "http://a/b.c");
    job_set_text(&j->tags, "[]");
    store_add(b, CHANGE_JOB_PUT)->job = j;
    store_must(x, b);
}

static struct job *created_job(job_id id, int64_t created_by, int64_t texts_bytes)
{
    struct job *j = named_job(id, NULL, "@daily", "http://a/");
    j->created_by = created_by;
    j->texts_bytes = texts_bytes;
    return j;
}

static void check_sum(struct store_fixture *x, int64_t created_by, int64_t jobs, int64_t bytes)
{
    struct job_sum sum = {99, 99};
    store_assert_ok(store_sum_jobs(x->reader, created_by, &sum, f));
    assert_int_equal(sum.jobs, jobs);
    assert_int_equal(sum.bytes, bytes);
}

static void jobs_of_a_token_are_summed_without_deleted_ones(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add(b, CHANGE_JOB_PUT)->job = created_job(1, 7, 100);
    store_add(b, CHANGE_JOB_PUT)->job = created_job(2, 7, 20);
    store_add(b, CHANGE_JOB_PUT)->job = created_job(3, 8, 3);
    store_add(b, CHANGE_JOB_PUT)->job = created_job(5, 0, 1000);
    store_must(x, b);
    check_sum(x, 7, 2, 120);
    check_sum(x, 8, 1, 3);
    check_sum(x, 9, 0, 0);
    b = store_batch(x);
    store_add(b, CHANGE_JOB_PUT)->job = created_job(2, 7, 50);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = 1;
    c->deleted.at = STORE_T0;
    store_must(x, b);
    check_sum(x, 7, 1, 50);
}

static void job_lists_filter_by_text_tag_and_activity(void **state)
{
    struct store_fixture *x = *state;
    static const struct {
        const char *text;
        const char *tag;
        int is_active;
        int64_t ids[5]; // After a first element that does not count.
        size_t count;
    } cases[] = {
        {NULL, NULL, -1, {0, 1, 2, 3, 5}, 5},
        {NULL, NULL, 1, {0, 1, 3, 5}, 4},
        {NULL, NULL, 0, {0, 2}, 2},
        {"billing", NULL, -1, {0, 1, 2}, 3}, // In a name and in a URL, in any case.
        {"BILLING", NULL, 1, {0, 1}, 2},
        {"jan", NULL, -1, {0, 3}, 2}, // In a schedule.
        {"%", NULL, -1, {0, 3}, 2},   // Nothing is special.
        {"b_c", NULL, -1, {0, 3}, 2},
        {"*", NULL, -1, {0, 1, 3, 5}, 4},
        {"rger", NULL, -1, {0, 5}, 2},
        {"", NULL, -1, {0, 1, 2, 3, 5}, 5},
        {"nowhere", NULL, -1, {0}, 1},
        {"ärger", NULL, -1, {0}, 1}, // Only a to z in either case.
        {"@HOURLY", "büro", 0, {0, 2}, 2},
        {NULL, "night", -1, {0, 1}, 2}, // The whole tag, not a part of one.
        {NULL, "büro", -1, {0, 2}, 2},  // However its text spells the letters.
        {NULL, "Night", -1, {0}, 1},
        {"pay", "billing", 1, {0, 1}, 2},
        {"pay", "billing", 0, {0}, 1},
    };
    fill_jobs(x);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job_query q = {.text = cases[i].text,
                              .tag = cases[i].tag,
                              .is_active = cases[i].is_active,
                              .limit = 10};
        struct store_ids ids;
        store_list_job_ids(x, &q, &ids);
        store_check_ids(&ids, cases[i].ids, cases[i].count, __FILE__, __LINE__);
    }
}

static void job_lists_come_in_pages(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    fill_jobs(x);
    store_list_job_ids(x, &(struct job_query){.is_active = -1, .limit = 2}, &ids);
    store_assert_ids(&ids, 1, 2);
    store_list_job_ids(x, &(struct job_query){.is_active = -1, .after = 2, .limit = 2}, &ids);
    store_assert_ids(&ids, 3, 5);
    store_list_job_ids(x, &(struct job_query){.is_active = -1, .after = 5, .limit = 2}, &ids);
    store_assert_ids(&ids);
    store_list_job_ids(x, &(struct job_query){.is_active = -1, .limit = 0}, &ids);
    store_assert_ids(&ids);
    // The limit counts what is let through, not what is looked at.
    store_list_job_ids(x, &(struct job_query){.text = "http://", .is_active = -1, .limit = 1},
                       &ids);
    store_assert_ids(&ids, 3);
}

static void a_search_ends_at_an_id(void **state)
{
    struct store_fixture *x = *state;
    static const job_id untils[] = {0, 1, 2, 4, 5, 9};
    static const size_t counts[] = {4, 1, 2, 3, 4, 4};
    struct store_ids ids;
    fill_jobs(x);
    for (size_t i = 0; i < COUNT_OF(untils); i++) {
        struct job_query q = {.is_active = -1, .until = untils[i], .limit = 9};
        store_list_job_ids(x, &q, &ids);
        assert_int_equal(ids.count, counts[i]);
    }
    struct job_query q = {.text = "billing", .is_active = -1, .after = 1, .until = 2, .limit = 9};
    store_list_job_ids(x, &q, &ids);
    store_assert_ids(&ids, 2);
    assert_false(store_has_index_for(x->reader, &q));
    q.text = NULL;
    assert_true(store_has_index_for(x->reader, &q));
}

struct changes {
    size_t count;
    job_id ids[8];
    bool are_deleted[8];
};

static enum err note_change(void *context, const struct job_changed *j)
{
    struct changes *c = context;
    assert_null(j->job->body);
    c->are_deleted[c->count] = j->is_deleted;
    c->ids[c->count++] = j->job->id;
    return ERR_OK;
}

static void jobs_are_listed_by_when_they_changed(void **state)
{
    struct store_fixture *x = *state;
    static const wall_ms seconds[] = {5, 3, 9, 1};
    struct batch *b = store_batch(x);
    for (size_t i = 0; i < COUNT_OF(seconds); i++) {
        struct job *j = named_job((job_id)i + 1, "n", "@hourly", "http://a/");
        job_set_text(&j->body, "long");
        j->updated_at = STORE_T0 + seconds[i] * 1000;
        store_add(b, CHANGE_JOB_PUT)->job = j;
    }
    store_must(x, b);
    b = store_batch(x);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = 4;
    c->deleted.at = STORE_T0 + 7000;
    store_must(x, b);
    struct changes changes = {0};
    store_assert_ok(
        store_list_changed_jobs(x->reader, STORE_T0 + 4000, 8, note_change, &changes, f));
    assert_int_equal(changes.count, 3);
    assert_true(changes.ids[0] == 3 && changes.ids[1] == 4 && changes.ids[2] == 1);
    assert_true(changes.are_deleted[1] && !changes.are_deleted[0]);
    changes.count = 0;
    store_assert_ok(store_list_changed_jobs(x->reader, 0, 1, note_change, &changes, f));
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.ids[0], 3);
}

// --- Executions ------------------------------------------------------------------------------

// Two jobs; rows of every state and trigger; ties in time, also across jobs and series.
static void fill_executions(struct store_fixture *x)
{
    static const struct {
        int64_t id;
        job_id job;
        int at_s;
        int64_t series;
        enum execution_state state;
        enum execution_trigger trigger;
    } rows[] = {
        {1, 1, 10, 0, EXECUTION_SUCCESS, TRIGGER_SCHEDULE},
        {2, 2, 10, 0, EXECUTION_FAILED, TRIGGER_SCHEDULE},
        {3, 1, 20, 0, EXECUTION_FAILED, TRIGGER_SCHEDULE},
        {4, 1, 20, -1, EXECUTION_SUCCESS, TRIGGER_MANUAL},
        {5, 2, 20, 0, EXECUTION_CANCELLED, TRIGGER_SCHEDULE},
        {6, 1, 5, 0, EXECUTION_MISSED, TRIGGER_CATCH_UP}, // Planned late.
        {7, 1, 30, 0, EXECUTION_RUNNING, TRIGGER_SCHEDULE},
        {8, 2, 30, -1, EXECUTION_FAILED, TRIGGER_MANUAL},
        {9, 2, 30, 0, EXECUTION_PENDING, TRIGGER_CATCH_UP},
        {10, 1, 40, 0, EXECUTION_PENDING, TRIGGER_SCHEDULE},
        {11, 1, 30, -2, EXECUTION_PENDING, TRIGGER_MANUAL},
    };
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_job(b, 2);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct execution e =
            store_execution(rows[i].id, rows[i].job, STORE_T0 + rows[i].at_s * 1000);
        if (execution_state_is_terminal(rows[i].state))
            e = store_finished(e, rows[i].state);
        e.state = (uint8_t)rows[i].state;
        e.trigger = (uint8_t)rows[i].trigger;
        e.key.series = rows[i].series;
        store_add_insert(b, e);
    }
    store_must(x, b);
}

#define ANY (-1)

static unsigned set_of(int state)
{
    return state == ANY ? 0 : EXECUTION_BIT((unsigned)state);
}

static void execution_lists_filter_and_run_from_the_newest(void **state)
{
    struct store_fixture *x = *state;
    static const struct {
        job_id job;
        int state; // ANY, or one.
        int trigger;
        int from_s;
        int to_s;
        int64_t ids[12];
        size_t count;
    } cases[] = {
        {0, ANY, ANY, 0, 99, {0, 10, 11, 9, 8, 7, 5, 4, 3, 2, 1, 6}, 12},
        {1, ANY, ANY, 0, 99, {0, 10, 11, 7, 4, 3, 1, 6}, 8},
        {2, ANY, ANY, 0, 99, {0, 9, 8, 5, 2}, 5},
        {3, ANY, ANY, 0, 99, {0}, 1},
        {0, ANY, ANY, 10, 20, {0, 5, 4, 3, 2, 1}, 6}, // A range includes both ends.
        {1, ANY, ANY, 20, 20, {0, 4, 3}, 3},
        {0, EXECUTION_PENDING, ANY, 0, 99, {0, 10, 11, 9}, 4},
        {0, EXECUTION_PENDING, ANY, 0, 30, {0, 11, 9}, 3},
        {1, EXECUTION_PENDING, ANY, 0, 99, {0, 10, 11}, 3},
        {0, EXECUTION_RUNNING, ANY, 0, 99, {0, 7}, 2},
        {0, EXECUTION_SUCCESS, ANY, 0, 99, {0, 4, 1}, 3},
        {2, EXECUTION_SUCCESS, ANY, 0, 99, {0}, 1},
        {0, EXECUTION_FAILED, ANY, 0, 99, {0, 8, 3, 2}, 4},
        {2, EXECUTION_FAILED, ANY, 0, 99, {0, 8, 2}, 3},
        {0, EXECUTION_MISSED, ANY, 0, 99, {0, 6}, 2},
        {2, EXECUTION_CANCELLED, ANY, 0, 99, {0, 5}, 2},
        {0, ANY, TRIGGER_MANUAL, 0, 99, {0, 11, 8, 4}, 4},
        {1, ANY, TRIGGER_MANUAL, 0, 99, {0, 11, 4}, 3},
        {1, EXECUTION_SUCCESS, TRIGGER_MANUAL, 0, 99, {0, 4}, 2},
        {0, EXECUTION_FAILED, TRIGGER_MANUAL, 0, 99, {0, 8}, 2},
        {0, ANY, TRIGGER_CATCH_UP, 0, 99, {0, 9, 6}, 3},
        {0, EXECUTION_PENDING, TRIGGER_CATCH_UP, 0, 99, {0, 9}, 2},
        {0, EXECUTION_FAILED, TRIGGER_SCHEDULE, 15, 99, {0, 3}, 2},
    };
    fill_executions(x);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct execution_query q = store_all_executions();
        q.job = cases[i].job;
        q.states = set_of(cases[i].state);
        q.trigger = cases[i].trigger;
        q.from = STORE_T0 + cases[i].from_s * 1000;
        q.to = STORE_T0 + cases[i].to_s * 1000;
        struct store_ids ids;
        store_list_ids(x, &q, &ids);
        store_check_ids(&ids, cases[i].ids, cases[i].count, __FILE__, __LINE__);
    }
}

static void executions_are_listed_by_answer_and_lateness(void **state)
{
    struct store_fixture *x = *state;
    static const struct {
        uint16_t http_status;
        dur_ms late_ms; // 0: never started.
        dur_ms jitter_ms;
    } rows[] = {{200, 5, 0}, {500, 900, 0}, {0, 0, 0}, {404, 900, 800}, {500, 2000, 0}};
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        wall_ms at = STORE_T0 + (wall_ms)i * 1000;
        struct execution e = store_execution((int64_t)i + 1, 1, at);
        e.http_status = rows[i].http_status;
        e.due_at = rows[i].jitter_ms ? at + rows[i].jitter_ms : 0;
        e.started_at = rows[i].late_ms ? at + rows[i].late_ms : 0;
        store_add_insert(b, e);
    }
    store_must(x, b);
    struct store_ids ids;
    struct execution_query q = store_all_executions();
    q.http_status = 500;
    store_list_ids(x, &q, &ids);
    store_assert_ids(&ids, 5, 2);
    q.lateness_min_ms = 901;
    store_list_ids(x, &q, &ids);
    store_assert_ids(&ids, 5);
    q.http_status = 0;
    q.lateness_min_ms = 1;
    store_list_ids(x, &q, &ids);
    store_assert_ids(&ids, 5, 4, 2, 1);
    q.lateness_min_ms = 101; // Jitter is no lateness.
    q.job = 1;
    store_list_ids(x, &q, &ids);
    store_assert_ids(&ids, 5, 2);
}

// Whatever the states are, together they give what each of them gives.
static void several_states_are_listed_as_one_list(void **state)
{
    struct store_fixture *x = *state;
    fill_executions(x);
    for (unsigned set = 1; set < EXECUTION_BIT(EXECUTION_STATES); set++) {
        for (job_id job = 0; job <= 2; job++) {
            size_t expected = 0;
            struct store_ids ids;
            struct execution_query q = store_all_executions();
            q.job = job;
            for (unsigned s = 0; s < EXECUTION_STATES; s++) {
                q.states = set & EXECUTION_BIT(s);
                if (q.states)
                    store_list_ids(x, &q, &ids);
                expected += q.states ? ids.count : 0;
            }
            q.states = set;
            store_list_ids(x, &q, &ids);
            assert_int_equal(ids.count, expected);
        }
    }
}

// Where a page ends: the cursor of its last row.
struct page {
    struct execution_cursor last;
    struct store_ids *ids;
};

static enum err add_to_page(void *context, const struct execution *e)
{
    struct page *p = context;
    p->last = (struct execution_cursor){e->key.scheduled_at, e->id};
    p->ids->ids[p->ids->count++] = e->id;
    return ERR_OK;
}

// Every filter, page by page, gives what it gives in one piece.
static void pages_neither_repeat_nor_skip(void **state)
{
    struct store_fixture *x = *state;
    fill_executions(x);
    for (job_id job = 0; job <= 2; job++) {
        for (int s = ANY; s < (int)EXECUTION_STATES; s++) {
            for (int t = ANY; t < (int)EXECUTION_TRIGGERS; t++) {
                struct store_ids whole;
                struct store_ids pieces = {0};
                struct execution_query q = store_all_executions();
                q.job = job;
                q.states = set_of(s);
                q.trigger = t;
                store_list_ids(x, &q, &whole);
                struct page p = {q.before, &pieces};
                size_t before;
                q.limit = 2;
                do {
                    before = pieces.count;
                    q.before = p.last;
                    store_assert_ok(store_list_executions(x->reader, &q, add_to_page, &p, f));
                    assert_true(pieces.count - before <= 2);
                } while (pieces.count > before);
                assert_int_equal(pieces.count, whole.count);
                assert_memory_equal(pieces.ids, whole.ids, whole.count * sizeof whole.ids[0]);
            }
        }
    }
}

// Between two pages, newer rows come, and one at the very instant of the cursor. The second page
// goes on where the first ended.
static void pages_are_stable_under_insertions(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids = {0};
    struct page p = {{WALL_NEVER, INT64_MAX}, &ids};
    struct execution_query q = store_all_executions();
    store_fill(x, 1, 10);
    q.limit = 4;
    store_assert_ok(store_list_executions(x->reader, &q, add_to_page, &p, f));
    store_assert_ids(&ids, 10, 9, 8, 7);

    struct batch *b = store_batch(x);
    struct execution tie = store_execution(11, 1, STORE_T0 + 7000);
    tie.key.series = -1;
    store_add_insert(b, tie);
    for (int64_t id = 12; id < 20; id++)
        store_add_insert(b, store_execution(id, 1, STORE_T0 + id * 1000));
    store_must(x, b);

    ids.count = 0;
    q.before = p.last;
    store_assert_ok(store_list_executions(x->reader, &q, add_to_page, &p, f));
    store_assert_ids(&ids, 6, 5, 4, 3);
}

static void thousands_of_rows_are_listed_whole(void **state)
{
    struct store_fixture *x = *state;
    const int64_t count = 5000;
    store_fill(x, 1, count);
    struct store_ids *ids = xcalloc(1, sizeof *ids);
    struct execution_query q = store_all_executions();
    store_list_ids(x, &q, ids);
    assert_int_equal(ids->count, count);
    for (int64_t i = 0; i < count; i++)
        assert_int_equal(ids->ids[i], count - i);
    store_open_ids(x, ids);
    assert_int_equal(ids->count, count);
    for (int64_t i = 0; i < count; i++)
        assert_int_equal(ids->ids[i], i + 1);
    free(ids);
}

// --- Searching jobs --------------------------------------------------------------------------

struct finds {
    struct job_found list[8];
    job_id ids[8];
    size_t count;
};

static enum err keep_find(void *context, const struct job_found *j)
{
    struct finds *finds = context;
    assert_non_null(j->job->schedule);
    assert_null(j->job->headers); // Headers may be long, and nobody searches by them.
    assert_null(j->job->body);
    finds->ids[finds->count] = j->job->id;
    finds->list[finds->count++] = *j;
    return ERR_OK;
}

// The newest row that is due counts: of two at one instant the one that was planned later.
static const struct {
    int now_s;
    bool has_last[3]; // For the jobs 1, 2, 3.
    enum execution_state states[3];
    int at_s[3];
} lasts[] = {
    {4, {false, false, false}, {0}, {0}},
    {5, {true, false, false}, {EXECUTION_MISSED}, {5}},
    {10, {true, true, false}, {EXECUTION_SUCCESS, EXECUTION_FAILED}, {10, 10}},
    {20, {true, true, false}, {EXECUTION_SUCCESS, EXECUTION_CANCELLED}, {20, 20}},
    {30, {true, true, false}, {EXECUTION_PENDING, EXECUTION_PENDING}, {30, 30}},
    {99, {true, true, false}, {EXECUTION_PENDING, EXECUTION_PENDING}, {40, 30}},
};

static void a_search_tells_how_the_last_execution_stands(void **state)
{
    struct store_fixture *x = *state;
    fill_executions(x);
    struct batch *b = store_batch(x);
    store_add_job(b, 3);
    struct job *j = b->changes[b->count - 1].job;
    job_set_text(&j->headers, "X-A: 1\n");
    job_set_text(&j->body, "text");
    store_must(x, b);
    for (size_t i = 0; i < COUNT_OF(lasts); i++) {
        struct finds finds = {0};
        struct job_query q = {.is_active = -1,
                              .limit = 8,
                              .wants_last = true,
                              .now = STORE_T0 + lasts[i].now_s * 1000};
        store_assert_ok(store_find_jobs(x->reader, &q, keep_find, &finds, f));
        assert_int_equal(finds.count, 3);
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(finds.ids[k], k + 1);
            assert_int_equal(finds.list[k].has_last, lasts[i].has_last[k]);
            if (!lasts[i].has_last[k])
                continue;
            assert_int_equal(finds.list[k].last_state, lasts[i].states[k]);
            assert_int_equal(finds.list[k].last_at, STORE_T0 + lasts[i].at_s[k] * 1000);
        }
    }
}

static void a_search_filters_and_stops_as_a_list_does(void **state)
{
    struct store_fixture *x = *state;
    struct finds finds = {0};
    fill_jobs(x);
    struct job_query q = {.text = "http://", .is_active = -1, .after = 1, .limit = 1};
    store_assert_ok(store_find_jobs(x->reader, &q, keep_find, &finds, f));
    assert_int_equal(finds.count, 1);
    assert_int_equal(finds.ids[0], 3);
    assert_false(finds.list[0].has_last); // Nobody wanted to know.
    q.limit = 0;
    store_assert_ok(store_find_jobs(x->reader, &q, keep_find, &finds, f));
    assert_int_equal(finds.count, 1);
}

// --- One execution ---------------------------------------------------------------------------

static enum err add_id(void *context, const struct execution *e)
{
    struct store_ids *ids = context;
    ids->ids[ids->count++] = e->id;
    return ERR_OK;
}

static void an_execution_is_found_by_its_public_id(void **state)
{
    struct store_fixture *x = *state;
    static const struct {
        const char *id;
        int64_t row; // 0: not there.
    } cases[] = {
        {"1-1700000010000", 1},
        {"2-1700000010000", 2},
        {"1-m1", 4},
        {"2-m1", 8},
        {"1-m2", 11},
        {"1-1700000010000-g1", 0},
        {"1-1700000010001", 0},
        {"3-1700000010000", 0},
        {"2-m2", 0},
    };
    fill_executions(x);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct execution_key key;
        struct store_ids ids = {0};
        struct fault fault = {0};
        assert_true(execution_id_parse(cases[i].id, &key));
        enum err err = store_get_execution(x->reader, &key, add_id, &ids, &fault);
        assert_int_equal(err, cases[i].row ? ERR_OK : ERR_NOT_FOUND);
        assert_int_equal(ids.count, cases[i].row != 0);
        if (cases[i].row)
            assert_int_equal(ids.ids[0], cases[i].row);
    }
}

// --- Alerts and counts -----------------------------------------------------------------------

struct found_alerts {
    size_t count;
    int64_t ids[8];
    struct alert_cursor last;
};

static enum err note_alert(void *context, const struct alert *a)
{
    struct found_alerts *found = context;
    found->ids[found->count++] = a->id;
    found->last = (struct alert_cursor){a->created_at, a->id};
    return ERR_OK;
}

static void alerts_run_from_the_newest_in_pages(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_job(b, 2);
    for (int64_t id = 1; id <= 6; id++) {
        struct execution e = store_execution(id, id % 2 + 1, STORE_T0 + id * 1000);
        store_add_insert(b, store_finished(e, EXECUTION_FAILED));
        store_add_alert(b, 10 + id, &e);
    }
    store_must(x, b);
    store_alert_ids(x, 0, INT64_MAX, 4, &ids);
    store_assert_ids(&ids, 16, 15, 14, 13);
    store_alert_ids(x, 0, 13, 4, &ids);
    store_assert_ids(&ids, 12, 11);
    store_alert_ids(x, 1, INT64_MAX, 2, &ids);
    store_assert_ids(&ids, 16, 14);
    store_alert_ids(x, 1, 14, 2, &ids);
    store_assert_ids(&ids, 12);
    store_alert_ids(x, 9, INT64_MAX, 2, &ids);
    store_assert_ids(&ids);
    store_alert_ids(x, 0, INT64_MAX, 0, &ids);
    store_assert_ids(&ids);
}

static struct alert_cursor list_alerts_from(struct store_fixture *x, struct alert_cursor from,
                                            int64_t first, int64_t second)
{
    struct found_alerts found = {0};
    const struct alert_query q = {.job = 1, .before = from, .limit = 2};
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.ids[0], first);
    assert_int_equal(found.ids[1], second);
    return found.last;
}

// A shard that has given few ids has young alerts with small ones. Retention may remove the alert
// at which a page ended: the next page goes on from its place all the same.
static void alerts_are_in_order_of_time_and_go_on_where_one_was_removed(void **state)
{
    static const int64_t seconds[] = {1, 5, 3, 3, 2, 4}; // When alerts 1 to 6 came.
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    struct execution old = store_execution(1, 1, STORE_T0 - 9000);
    store_add_job(b, 1);
    store_add_insert(b, store_finished(old, EXECUTION_FAILED));
    for (int64_t id = 1; id <= 6; id++)
        store_add(b, CHANGE_ALERT)->alert =
            (struct alert){.id = id,
                           .job = 1,
                           .kind = ALERT_CLOCK,
                           .created_at = STORE_T0 + seconds[id - 1] * 1000,
                           .message = ""};
    b->changes[b->count - 1].alert.execution_id = 1; // Alert 6 goes with an old execution.
    b->changes[b->count - 1].alert.key = old.key;
    store_must(x, b);
    struct alert_cursor end = list_alerts_from(x, store_newest_alerts, 2, 6);
    struct alert_cursor next = list_alerts_from(x, end, 4, 3);
    list_alerts_from(x, next, 5, 1);
    struct store_retention r = {.age_ms = 1000};
    size_t removed;
    store_assert_ok(store_retain(x->store, &r, STORE_T0 + 1000, 100, &removed, f));
    assert_int_equal(removed, 1);
    list_alerts_from(x, store_newest_alerts, 2, 4);
    list_alerts_from(x, end, 4, 3);
}

static void alerts_are_listed_by_kind_and_found_by_id(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    for (int64_t id = 1; id <= ALERT_KINDS; id++)
        store_add(b, CHANGE_ALERT)->alert = (struct alert){.id = id,
                                                           .job = id % 2,
                                                           .kind = (enum alert_kind)(id - 1),
                                                           .created_at = STORE_T0 + id,
                                                           .message = ""};
    store_must(x, b);
    struct found_alerts found = {0};
    struct alert_query q = {.kinds = ALERT_BIT(ALERT_TARGET_UP) | ALERT_BIT(ALERT_CLOCK),
                            .before = store_newest_alerts,
                            .limit = 9};
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.count, 2);
    assert_int_equal(found.ids[0], ALERT_TARGET_UP + 1);
    assert_int_equal(found.ids[1], ALERT_CLOCK + 1);
    found.count = 0;
    q.job = 1;
    q.kinds = ALERT_BIT(ALERT_TARGET_DOWN) | ALERT_BIT(ALERT_FAILURE);
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.ids[0], ALERT_FAILURE + 1);

    found.count = 0;
    store_assert_ok(store_get_alert(x->reader, 2, note_alert, &found, f));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.ids[0], 2);
    struct fault f = {0};
    assert_int_equal(store_get_alert(x->reader, 99, note_alert, &found, &f), ERR_NOT_FOUND);
}

static void alerts_are_listed_by_incident(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_job(b, 2);
    for (int64_t id = 1; id <= 6; id++) // The last two are of no incident.
        store_add(b, CHANGE_ALERT)->alert = (struct alert){.id = id,
                                                           .job = 2 - id % 2,
                                                           .kind = ALERT_FAILURE,
                                                           .created_at = STORE_T0 + id,
                                                           .incident_id = id > 4 ? 0 : 2 - id % 2,
                                                           .message = ""};
    store_must(x, b);
    struct found_alerts found = {0};
    struct alert_query q = {.incident = 2, .before = store_newest_alerts, .limit = 9};
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.count, 2);
    assert_int_equal(found.ids[0], 4);
    assert_int_equal(found.ids[1], 2);
    found.count = 0;
    q.before = found.last;
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.count, 0);
    q.before = store_newest_alerts;
    q.job = 1;
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.count, 0);
    q.incident = 1;
    store_assert_ok(store_list_alerts(x->reader, &q, note_alert, &found, f));
    assert_int_equal(found.count, 2);
}

static enum err note_ack(void *context, const struct alert *a)
{
    *(wall_ms *)context = a->acknowledged_at;
    return ERR_OK;
}

static wall_ms acknowledged_at(struct store_fixture *x, int64_t id)
{
    wall_ms at = -1;
    store_assert_ok(store_get_alert(x->reader, id, note_ack, &at, f));
    return at;
}

static void add_ack(struct batch *b, int64_t id, wall_ms at)
{
    struct change *c = store_add(b, CHANGE_ALERT_ACK);
    c->ack.id = id;
    c->ack.at = at;
}

static void first_acknowledgement_of_an_alert_counts(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    for (int64_t id = 1; id <= 2; id++)
        store_add(b, CHANGE_ALERT)->alert =
            (struct alert){.id = id, .kind = ALERT_CLOCK, .created_at = STORE_T0, .message = ""};
    store_must(x, b);
    assert_int_equal(acknowledged_at(x, 1), 0);
    b = store_batch(x);
    add_ack(b, 1, STORE_T0 + 5);
    add_ack(b, 1, STORE_T0 + 6);
    add_ack(b, 99, STORE_T0 + 6); // Retention has taken it.
    store_must(x, b);
    b = store_batch(x);
    add_ack(b, 1, STORE_T0 + 7);
    store_must(x, b);
    store_reopen(x);
    assert_int_equal(acknowledged_at(x, 1), STORE_T0 + 5);
    assert_int_equal(acknowledged_at(x, 2), 0);
}

static enum err note_telling(void *context, const struct alert *a)
{
    struct alert *seen = context;
    *seen = (struct alert){
        .incident_id = a->incident_id, .telling = a->telling, .silence_id = a->silence_id};
    return ERR_OK;
}

static void an_alert_keeps_its_incident_and_who_was_told(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    for (int64_t id = 1; id <= ALERT_TELLINGS; id++)
        store_add(b, CHANGE_ALERT)->alert =
            (struct alert){.id = id,
                           .kind = ALERT_CLOCK,
                           .created_at = STORE_T0,
                           .incident_id = id - 1, // The first belongs to none.
                           .silence_id = (id - 1) * 7,
                           .telling = (enum alert_telling)(id - 1),
                           .message = ""};
    store_must(x, b);
    store_reopen(x);
    for (int64_t id = 1; id <= ALERT_TELLINGS; id++) {
        struct alert seen = {.incident_id = -1};
        store_assert_ok(store_get_alert(x->reader, id, note_telling, &seen, f));
        assert_int_equal(seen.incident_id, id - 1);
        assert_int_equal(seen.silence_id, (id - 1) * 7);
        assert_int_equal(seen.telling, id - 1);
    }
}

static void executions_are_counted_by_state(void **state)
{
    struct store_fixture *x = *state;
    int64_t counts[EXECUTION_STATES];
    fill_executions(x);
    store_assert_ok(store_count_executions(x->reader, 0, WALL_NEVER, counts, f));
    assert_int_equal(counts[EXECUTION_PENDING], 3);
    assert_int_equal(counts[EXECUTION_RUNNING], 1);
    assert_int_equal(counts[EXECUTION_SUCCESS], 2);
    assert_int_equal(counts[EXECUTION_FAILED], 3);
    assert_int_equal(counts[EXECUTION_MISSED], 1);
    assert_int_equal(counts[EXECUTION_CANCELLED], 1);
    store_assert_ok(
        store_count_executions(x->reader, STORE_T0 + 10000, STORE_T0 + 20000, counts, f));
    assert_int_equal(counts[EXECUTION_PENDING], 0);
    assert_int_equal(counts[EXECUTION_RUNNING], 0);
    assert_int_equal(counts[EXECUTION_SUCCESS], 2);
    assert_int_equal(counts[EXECUTION_FAILED], 2);
    assert_int_equal(counts[EXECUTION_MISSED], 0);
    assert_int_equal(counts[EXECUTION_CANCELLED], 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

// A key is that of one job; it is nobody's once the job is deleted, though the row may stay.
static void job_is_found_by_its_key(void **state)
{
    struct store_fixture *x = *state;
    struct job *found = NULL;
    struct fault ignored = {0};
    struct batch *b = store_batch(x);
    struct job *j = named_job(1, "first", "0 3 * * *", "http://a/b");
    job_set_text(&j->key, "nightly");
    store_add(b, CHANGE_JOB_PUT)->job = j;
    store_add(b, CHANGE_JOB_PUT)->job = named_job(2, "second", "0 3 * * *", "http://a/b");
    store_must(x, b);
    store_assert_ok(store_get_job_by_key(x->reader, "nightly", &found, f));
    assert_int_equal(found->id, 1);
    assert_string_equal(found->key, "nightly");
    job_free(found);
    assert_int_equal(store_get_job_by_key(x->reader, "Nightly", &found, &ignored), ERR_NOT_FOUND);

    b = store_batch(x);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = 1;
    c->deleted.at = STORE_T0;
    j = named_job(3, "third", "0 3 * * *", "http://a/b");
    job_set_text(&j->key, "nightly");
    store_add(b, CHANGE_JOB_PUT)->job = j;
    store_must(x, b);
    store_assert_ok(store_get_job_by_key(x->reader, "nightly", &found, f));
    assert_int_equal(found->id, 3);
    job_free(found);
}

// A heartbeat's ping key likewise. That it is no other member is all the same to the store.
static void job_is_found_by_its_ping_key(void **state)
{
    struct store_fixture *x = *state;
    struct job *found = NULL;
    struct fault ignored = {0};
    struct batch *b = store_batch(x);
    struct job *j = named_job(1, "first", "0 3 * * *", "");
    j->kind = JOB_HEARTBEAT;
    job_set_text(&j->ping_key, "hb_a");
    store_add(b, CHANGE_JOB_PUT)->job = j;
    store_add(b, CHANGE_JOB_PUT)->job = named_job(2, "second", "0 3 * * *", "http://a/b");
    store_must(x, b);
    store_assert_ok(store_get_job_by_ping_key(x->reader, "hb_a", &found, f));
    assert_int_equal(found->id, 1);
    assert_int_equal(found->kind, JOB_HEARTBEAT);
    assert_string_equal(found->api, "");
    assert_null(found->damaged);
    job_free(found);
    assert_int_equal(store_get_job_by_ping_key(x->reader, "hb_A", &found, &ignored), ERR_NOT_FOUND);

    b = store_batch(x);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = 1;
    c->deleted.at = STORE_T0;
    store_must(x, b);
    assert_int_equal(store_get_job_by_ping_key(x->reader, "hb_a", &found, &ignored), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_of_a_token_are_summed_without_deleted_ones),
        TEST(job_lists_filter_by_text_tag_and_activity),
        TEST(job_lists_come_in_pages),
        TEST(job_is_found_by_its_key),
        TEST(job_is_found_by_its_ping_key),
        TEST(execution_lists_filter_and_run_from_the_newest),
        TEST(several_states_are_listed_as_one_list),
        TEST(executions_are_listed_by_answer_and_lateness),
        TEST(alerts_are_listed_by_kind_and_found_by_id),
        TEST(alerts_are_listed_by_incident),
        TEST(first_acknowledgement_of_an_alert_counts),
        TEST(an_alert_keeps_its_incident_and_who_was_told),
        TEST(jobs_are_listed_by_when_they_changed),
        TEST(a_search_ends_at_an_id),
        TEST(a_search_tells_how_the_last_execution_stands),
        TEST(a_search_filters_and_stops_as_a_list_does),
        TEST(pages_neither_repeat_nor_skip),
        TEST(pages_are_stable_under_insertions),
        TEST(thousands_of_rows_are_listed_whole),
        TEST(an_execution_is_found_by_its_public_id),
        TEST(alerts_run_from_the_newest_in_pages),
        TEST(alerts_are_in_order_of_time_and_go_on_where_one_was_removed),
        TEST(executions_are_counted_by_state),
    };
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
