// SPDX-License-Identifier: MIT
// test_store.c: what every store promises about writing: rows come back as they went in, a commit
// is whole or nothing, keys are unique, the end of an execution is the end.

#include "store_fixture.h"

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

static void a_new_store_is_empty(void **state)
{
    struct store_fixture *x = *state;
    struct execution_query all = store_all_executions();
    struct job_query jobs = {.is_active = -1, .limit = 10};
    struct store_ids ids;
    struct shard p = {.watermark = 99};
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids);
    store_list_job_ids(x, &jobs, &ids);
    store_assert_ids(&ids);
    store_open_ids(x, &ids);
    store_assert_ids(&ids);
    store_assert_ok(store_get_shard(x->store, 0, &p, f));
    assert_memory_equal(&p, &(struct shard){0}, sizeof p);
}

// --- Round trips -----------------------------------------------------------------------------

// An authority that signs nothing. What is no certificate would not come back.
static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbjCCARWgAwIBAgIUAV5g7E6kbBJu2G0z6Gie8WY1okEwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYTAgFw0yNjExMjgxNTE3MDZaGA8yMTI2MTEwNDE1MTcwNlow\n"
    "DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBLloha4gDWO\n"
    "TCn14Bm5FM+zy/zMt5+Mjz1JkHHcBRry9FPEPyaNR1nMyJ5qeV/+VAPYlGfvGCnc\n"
    "tAMVj/bO6jyjUzBRMB0GA1UdDgQWBBQ2AErPiLhPvS+4BYVnqT5UzSoOVzAfBgNV\n"
    "HSMEGDAWgBQ2AErPiLhPvS+4BYVnqT5UzSoOVzAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0cAMEQCID6cEM9TIlbwnOVhHFDX9riPAi6r9toqKICEiGbuRs5i\n"
    "AiBpMphzkmiyFu5MY+pBGfFpEY9oeiyYKMdrrlBLBF4XsA==\n"
    "-----END CERTIFICATE-----\n";

// A value that is not the default.
static void fill_member(const struct job_member *m, struct job *j, int64_t n)
{
    switch (m->kind) {
    case MEMBER_NUMBER:
        job_set_integer(m, j, m->least + n % (m->greatest - m->least));
        if (job_same_member(m, j, &job_defaults))
            job_set_integer(m, j, m->greatest);
        break;
    case MEMBER_FLAG:
        job_set_integer(m, j, !job_integer(m, &job_defaults));
        break;
    case MEMBER_WORD:
        job_set_integer(m, j, m->words->count - 1);
        break;
    case MEMBER_TIME:
    case MEMBER_COUNT:
        job_set_integer(m, j, 1600000000000 + n);
        break;
    case MEMBER_TEXT:
        job_set_text(job_text_at(m, j), "");
        break;
    default:
        break;
    }
}

static struct job *full_job(job_id id)
{
    struct job *j = job_new();
    for (size_t i = 0; i < job_member_count; i++)
        fill_member(&job_members[i], j, (int64_t)i);
    j->id = id;
    job_set_text(&j->name, "Grüße, 世界 🔔 'quoted' \"twice\"");
    job_set_text(&j->schedule, "31 10-15 1 * * MON-FRI");
    job_set_text(&j->timezone, "Europe/Berlin");
    job_set_text(&j->api, "https://example.com/a?b=c&d=%20");
    job_set_text(&j->headers, "X-One: 1\nX-Two: 2\n");
    job_set_text(&j->body, "{\"a\": [1, 2]}\r\n");
    job_set_text(&j->tags, "[\"billing\",\"nightly\"]");
    job_set_text(&j->alert_channels, "[\"ops\"]");
    job_set_text(&j->success_status, "200-299,304");
    job_set_text(&j->signing, "v1 abcd1234 - sealed:v1:a:b\n");
    job_set_text(&j->oauth, "token_url http://a/\nclient_id b\nclient_secret sealed:v1:a:b\n");
    job_set_text(&j->tls_ca, certificate);
    job_set_text(&j->tls_client_cert, certificate);
    job_set_text(&j->tls_client_key, "sealed:v1:a:b");
    job_set_text(&j->success_body, "/\"done\":\\s*true/");
    job_set_text(&j->failure_body, "\xc3\xa9");
    for (size_t i = 0; i < job_member_count; i++)
        assert_true(job_members[i].kind == MEMBER_COMPUTED ||
                    !job_same_member(&job_members[i], j, &job_defaults));
    return j;
}

static void check_job(struct store_fixture *x, const struct job *expected)
{
    struct job *found = NULL;
    store_assert_ok(store_get_job(x->reader, expected->id, &found, f));
    store_assert_same_job(found, expected);
    job_free(found);
}

static void a_job_comes_back_as_it_went_in(void **state)
{
    struct store_fixture *x = *state;
    struct job *full = full_job(5);
    struct job *plain = job_new();
    plain->id = 6;
    job_set_text(&plain->schedule, "@daily");
    job_set_text(&plain->timezone, "UTC");
    job_set_text(&plain->api, "http://a/");

    struct batch *b = store_batch(x);
    store_add(b, CHANGE_JOB_PUT)->job = job_copy(full);
    store_add(b, CHANGE_JOB_PUT)->job = job_copy(plain);
    store_must(x, b);
    check_job(x, full);
    check_job(x, plain);
    store_reopen(x);
    check_job(x, full);
    check_job(x, plain);
    job_free(full);
    job_free(plain);
}

static void putting_a_job_again_replaces_every_member(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 5);
    store_must(x, b);

    struct job *full = full_job(5);
    b = store_batch(x);
    store_add(b, CHANGE_JOB_PUT)->job = job_copy(full);
    store_must(x, b);
    check_job(x, full);
    job_free(full);
}

static void a_job_state_changes_just_that(void **state)
{
    struct store_fixture *x = *state;
    struct job *j = full_job(5);
    struct batch *b = store_batch(x);
    store_add(b, CHANGE_JOB_PUT)->job = job_copy(j);
    store_add(b, CHANGE_JOB_STATE)->state = (struct job_state){
        .id = 5,
        .version = 8,
        .updated_at = 21,
        .effective_from = 22,
        .paused_until = WALL_NEVER,
        .runs = 3,
        .failures = 2,
        .is_active = true,
        .finished = false,
        .trouble = "failure:12,1600000000000,3",
    };
    store_must(x, b);
    job_set_text(&j->trouble, "failure:12,1600000000000,3");
    j->runs = 3;
    j->failures = 2;
    job_set_text(&j->paused_reason, NULL); // The job is active again.
    j->version = 8;
    j->updated_at = 21;
    j->effective_from = 22;
    j->paused_until = WALL_NEVER;
    j->is_active = true;
    j->finished = false;
    check_job(x, j);
    job_free(j);
}

static struct execution full_execution(int64_t id, job_id job)
{
    return (struct execution){
        .id = id,
        .key = {.job = job, .scheduled_at = 1600000000001, .series = 2},
        .due_at = 1600000000001,
        .started_at = 1600000000002,
        .completed_at = 1600000000003,
        .next_attempt_at = 1600000000004,
        .missed_to = 1600000000005,
        .missed_count = 4000000000,
        .error = "connection refused by 127.0.0.1:9999 – ü",
        .reason = "",
        .request_body = "{\"manual\": true}",
        .origin = "1-1600000000000-g2",
        .held_by = "0b5ad1a2-6b63-4c0e-8d0e-2f1f3e4a5b6c",
        .held_until = 1600000000006,
        .completion_deadline = 1600000000007,
        .completion = COMPLETION_FAILED,
        .notes = "1600000000000 50 half – ü\n",
        .request_body_is_json = true,
        .attempts = 65535,
        .retry_count = 100,
        .recoveries = 3,
        .http_status = 599,
        .state = EXECUTION_MISSED,
        .trigger = TRIGGER_CATCH_UP,
    };
}

static void check_execution(struct store_fixture *x, const struct execution *expected)
{
    struct execution *found = store_read_execution(x, expected->key);
    store_assert_same_execution(found, expected);
    store_free_execution(found);
}

static void an_execution_comes_back_as_it_went_in(void **state)
{
    struct store_fixture *x = *state;
    struct execution full = full_execution(3, 1);
    struct execution plain = store_execution(4, 1, STORE_T0);
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, full);
    store_add_insert(b, plain);
    store_must(x, b);
    check_execution(x, &full);
    check_execution(x, &plain);
    store_reopen(x);
    check_execution(x, &full);
    check_execution(x, &plain);
}

// An update carries every column, but what says which execution it is stays as it was inserted.
static void an_update_leaves_identity_alone(void **state)
{
    struct store_fixture *x = *state;
    struct execution e = store_execution(3, 1, STORE_T0);
    e.trigger = TRIGGER_REPLAY;
    e.origin = "1-1599999999000";
    e.request_body = "its own";
    e.due_at = STORE_T0 + 250;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, e);
    store_must(x, b);

    struct execution update = full_execution(3, 1);
    update.key.scheduled_at = e.key.scheduled_at; // Tells where the row is.
    b = store_batch(x);
    store_add_update(b, update);
    store_must(x, b);

    update.key = e.key;
    update.trigger = TRIGGER_REPLAY;
    update.origin = "1-1599999999000";
    update.request_body = "its own";
    update.request_body_is_json = false;
    update.due_at = e.due_at;
    check_execution(x, &update);
}

// What was known once can become unknown: an execution that waited for a retry waits no more.
static void an_update_clears_what_it_leaves_out(void **state)
{
    struct store_fixture *x = *state;
    struct execution e = store_execution(3, 1, STORE_T0);
    e.state = EXECUTION_RUNNING;
    e.started_at = STORE_T0 + 1;
    e.next_attempt_at = STORE_T0 + 2000;
    e.http_status = 503;
    e.error = "answered 503";
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, e);
    store_must(x, b);

    struct execution done = store_finished(store_execution(3, 1, STORE_T0), EXECUTION_SUCCESS);
    b = store_batch(x);
    store_add_update(b, done);
    store_must(x, b);
    check_execution(x, &done);
}

static enum err check_attempt(void *context, const struct attempt *a)
{
    const struct attempt **expected = context;
    store_assert_same_attempt(a, (*expected)++);
    return ERR_OK;
}

static void attempts_come_back_in_order_of_number(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 2);
    const struct attempt attempts[] = {
        {.execution_id = 2,
         .scheduled_at = STORE_T0 + 2000,
         .number = 1,
         .started_at = STORE_T0,
         .duration_ms = 0,
         .dns_ms = -1,
         .connect_ms = -1,
         .tls_ms = -1,
         .first_byte_ms = -1,
         .response_damaged = true,
         .error = "connection refused"},
        {.execution_id = 2,
         .scheduled_at = STORE_T0 + 2000,
         .number = 2,
         .http_status = 200,
         .started_at = STORE_T0 + 1000,
         .duration_ms = 3599999,
         .dns_ms = 0,
         .connect_ms = 1,
         .tls_ms = 2,
         .first_byte_ms = 3,
         .response_truncated = true,
         .redirects = "302 http://b/c\n",
         .response = "naïve ✓"},
    };
    struct batch *b = store_batch(x);
    store_add(b, CHANGE_ATTEMPT)->attempt = attempts[1];
    store_add_attempt(b, 1, 1);
    store_add(b, CHANGE_ATTEMPT)->attempt = attempts[0];
    store_must(x, b);

    const struct attempt *next = attempts;
    const struct execution_place place = {2, STORE_T0 + 2000};
    store_assert_ok(store_list_attempts(x->reader, &place, check_attempt, &next, f));
    assert_ptr_equal(next, attempts + 2);
    assert_int_equal(store_attempt_count(x, 1), 1);
    assert_int_equal(store_attempt_count(x, 77), 0);
}

static void assert_text(const char *text, const char *expected)
{
    assert_int_equal(text != NULL, expected != NULL);
    if (text)
        assert_string_equal(text, expected);
}

struct alert_check {
    const struct alert *expected;
    size_t seen;
};

static enum err check_alert(void *context, const struct alert *a)
{
    struct alert_check *check = context;
    const struct alert *expected = check->expected;
    check->seen++;
    assert_int_equal(a->id, expected->id);
    assert_int_equal(a->job, expected->job);
    assert_int_equal(a->execution_id, expected->execution_id);
    assert_memory_equal(&a->key, &expected->key, sizeof a->key);
    assert_int_equal(a->kind, expected->kind);
    assert_int_equal(a->created_at, expected->created_at);
    assert_int_equal(a->attempts, expected->attempts);
    assert_int_equal(a->from, expected->from);
    assert_int_equal(a->to, expected->to);
    assert_int_equal(a->count, expected->count);
    assert_text(a->subject, expected->subject);
    assert_text(a->last_error, expected->last_error);
    assert_string_equal(a->message, expected->message);
    return ERR_OK;
}

// The alert is the only one of the job (0: of any), and nothing of it was lost.
static void assert_alert(struct store_fixture *x, job_id job, const struct alert *expected)
{
    struct alert_check check = {.expected = expected};
    store_reopen(x);
    const struct alert_query q = {.job = job, .before = store_newest_alerts, .limit = 10};
    store_assert_ok(store_list_alerts(x->reader, &q, check_alert, &check, f));
    assert_int_equal(check.seen, 1);
}

static void an_alert_comes_back_with_its_facts_and_the_key_of_its_execution(void **state)
{
    struct store_fixture *x = *state;
    struct execution e = full_execution(3, 1);
    struct alert a = {.id = 9,
                      .job = 1,
                      .execution_id = 3,
                      .key = e.key,
                      .kind = ALERT_MISSED,
                      .created_at = STORE_T0,
                      .from = STORE_T0 - 3000,
                      .to = STORE_T0 - 1000,
                      .count = 4,
                      .last_error = "not caught up – ü",
                      .message = ""};
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, e);
    store_add(b, CHANGE_ALERT)->alert = a;
    store_must(x, b);
    assert_alert(x, 1, &a);
}

static void an_alert_about_a_target_comes_back_with_its_facts(void **state)
{
    struct store_fixture *x = *state;
    struct alert a = {.id = 2,
                      .kind = ALERT_TARGET_DOWN,
                      .created_at = STORE_T0,
                      .from = STORE_T0 - 1,
                      .attempts = UINT32_MAX,
                      .count = (int64_t)1 << 40,
                      .subject = "a.test:80",
                      .last_error = "timeout",
                      .message = ""};
    struct batch *b = store_batch(x);
    store_add(b, CHANGE_ALERT)->alert = a;
    store_must(x, b);
    assert_alert(x, 0, &a);
}

// --- Whole or nothing ------------------------------------------------------------------------

static enum err copy_key(void *context, const struct client_key *k)
{
    struct client_key *out = context;
    *out = *k;
    assert_string_equal(k->text, "a client's key");
    return ERR_OK;
}

// A repeated request is known for a day, with what it asked for and what it made; then its key may
// stand for something else.
static void a_clients_key_is_known_for_a_day(void **state)
{
    struct store_fixture *x = *state;
    struct client_key key = {.text = "a client's key",
                             .digest = {1, 2, 3, [31] = 255},
                             .job = 1,
                             .execution = {.job = 1, .scheduled_at = STORE_T0, .series = -4},
                             .created_at = STORE_T0};
    struct client_key found;
    wall_ms last = STORE_T0 + CLIENT_KEY_AGE_MS;
    assert_int_equal(store_get_client_key(x->reader, key.text, 0, copy_key, &found, NULL),
                     ERR_NOT_FOUND);
    for (int round = 0; round < 2; round++, key.job++, key.execution.job++) {
        struct batch *b = store_batch(x);
        store_add_job(b, key.job);
        store_add(b, CHANGE_CLIENT_KEY)->client_key = key;
        store_must(x, b);
        store_assert_ok(store_get_client_key(x->reader, key.text, last, copy_key, &found, f));
        assert_int_equal(found.job, key.job);
        assert_memory_equal(&found.execution, &key.execution, sizeof key.execution);
        assert_memory_equal(found.digest, key.digest, sizeof key.digest);
    }
    assert_int_equal(store_get_client_key(x->reader, key.text, last + 1, copy_key, &found, NULL),
                     ERR_NOT_FOUND);
}

static void a_commit_takes_the_shard_as_of_its_last_batch(void **state)
{
    struct store_fixture *x = *state;
    struct batch *batches[] = {store_batch(x), store_batch(x), batch_new(++x->sequence)};
    struct shard p = {0};
    shard_row(batches[0], 0)->watermark = 1;
    *shard_row(batches[1], 0) = (struct shard){
        .watermark = 2, .watermark_job = 3, .job_next = 4, .execution_next = 5, .alert_next = 6};
    store_assert_ok(shard_rows_commit(x->store, batches, 3, f));
    store_reopen(x);
    store_assert_ok(store_get_shard(x->store, 0, &p, f));
    assert_int_equal(p.tick, 2);
    assert_memory_equal(&p, shard_row(batches[1], 0), sizeof p);
    for (size_t i = 0; i < 3; i++)
        batch_free(batches[i]);
}

static void an_empty_commit_is_fine(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = batch_new(1);
    store_assert_ok(store_commit_all(x->store, NULL, 0, f));
    store_assert_ok(store_commit_all(x->store, &b, 1, f));
    batch_free(b);
}

// Two good batches, and a third whose last change is refused: none of them happened.
static void a_conflict_takes_everything_back(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 3);
    char *before = store_dump(x);

    struct execution done =
        store_finished(store_execution(1, 1, STORE_T0 + 1000), EXECUTION_FAILED);
    struct batch *batches[] = {store_batch(x), store_batch(x), store_batch(x)};
    store_add_job(batches[0], 1);
    store_add_job(batches[0], 2);
    store_add(batches[0], CHANGE_JOB_DELETE)->deleted.id = 2;
    batches[0]->changes[batches[0]->count - 1].deleted.at = STORE_T0;
    store_add_insert(batches[0], store_execution(4, 2, STORE_T0));
    store_add_update(batches[1], done);
    store_add_attempt(batches[1], 1, 1);
    store_add_alert(batches[1], 1, &done);
    shard_row(batches[1], 0)->watermark = 5;
    store_add_update(batches[2], store_execution(2, 1, STORE_T0 + 2000));
    store_add_insert(batches[2], store_execution(5, 1, STORE_T0 + 3000)); // The key of row 3.

    struct commit_cause cause = {0};
    shard_rows_stamp(x->store, batches, 3);
    assert_int_equal(store_commit(x->store, batches, 3, &cause), COMMIT_LOST);
    assert_int_equal(cause.fault.code, ERR_CONFLICT);
    assert_true(cause.fault.text[0]);
    for (size_t i = 0; i < 3; i++)
        batch_free(batches[i]);
    char *after = store_dump(x);
    assert_string_equal(before, after);
    free(before);
    free(after);

    // And the store is as good as before.
    struct batch *b = store_batch(x);
    store_add_insert(b, store_execution(4, 1, STORE_T0 + 4000));
    store_must(x, b);
}

// A key has one row, whoever inserts the second, and when.
static void a_second_row_for_a_key_is_a_conflict(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct batch *b = store_batch(x);
    store_add_insert(b, store_execution(2, 1, STORE_T0 + 1000));
    assert_int_equal(store_try(x, b), ERR_CONFLICT);

    b = store_batch(x);
    store_add_insert(b, store_execution(2, 1, STORE_T0 + 2000));
    store_add_insert(b, store_execution(3, 1, STORE_T0 + 2000));
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
}

static void the_same_instant_of_another_job_or_series_is_another_key(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct batch *b = store_batch(x);
    struct execution manual = store_execution(2, 1, STORE_T0 + 1000);
    struct execution generation = store_execution(3, 1, STORE_T0 + 1000);
    manual.key.series = -1;
    generation.key.series = 1;
    store_add_job(b, 2);
    store_add_insert(b, manual);
    store_add_insert(b, generation);
    store_add_insert(b, store_execution(4, 2, STORE_T0 + 1000));
    store_must(x, b);
}

// The public id of a manual execution does not tell its time, so its number alone must be unique.
static void a_manual_number_is_given_once(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct batch *b = store_batch(x);
    struct execution manual = store_execution(2, 1, STORE_T0 + 5000);
    manual.key.series = -4;
    store_add_insert(b, manual);
    store_must(x, b);

    manual.id = 3;
    manual.key.scheduled_at += 1;
    b = store_batch(x);
    store_add_insert(b, manual);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
}

static void an_id_is_given_once(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct batch *b = store_batch(x);
    store_add_job(b, 2);
    store_add_insert(b, store_execution(1, 2, STORE_T0 + 1000));
    assert_int_equal(store_try(x, b), ERR_CONFLICT);

    b = store_batch(x);
    store_add_insert(b, store_execution(2, 1, STORE_T0 + 9000));
    store_add_insert(b, store_execution(2, 1, STORE_T0 + 9001));
    assert_int_equal(store_try(x, b), ERR_CONFLICT);

    struct execution e = store_execution(1, 1, STORE_T0 + 1000);
    b = store_batch(x);
    store_add_attempt(b, 1, 1);
    store_add_alert(b, 1, &e);
    store_must(x, b);
    for (uint16_t number = 1; number <= 2; number++) {
        b = store_batch(x);
        store_add_attempt(b, 1, 1);
        store_add_attempt(b, 1, number);
        assert_int_equal(store_try(x, b), ERR_CONFLICT);
    }
    b = store_batch(x);
    store_add_update(b, store_finished(e, EXECUTION_SUCCESS));
    store_add_attempt(b, 1, 1);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add_alert(b, 1, &e);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
}

static void a_terminal_row_never_changes(void **state)
{
    struct store_fixture *x = *state;
    static const enum execution_state ends[] = {EXECUTION_SUCCESS, EXECUTION_FAILED,
                                                EXECUTION_MISSED, EXECUTION_CANCELLED};
    store_fill(x, 1, COUNT_OF(ends));
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        int64_t id = (int64_t)i + 1;
        struct execution e = store_execution(id, 1, STORE_T0 + id * 1000);
        struct batch *b = store_batch(x);
        store_add_update(b, store_finished(e, ends[i]));
        store_must(x, b);
        char *before = store_dump(x);
        b = store_batch(x);
        store_add_update(b, e);
        assert_int_equal(store_try(x, b), ERR_CONFLICT);
        b = store_batch(x);
        store_add_update(b, store_finished(e, EXECUTION_SUCCESS));
        assert_int_equal(store_try(x, b), ERR_CONFLICT);
        char *after = store_dump(x);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

// The same rule when the end and the change after it come in one commit.
static void a_row_that_ends_in_a_commit_does_not_change_later_in_it(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct execution e = store_execution(1, 1, STORE_T0 + 1000);
    struct execution new = store_finished(store_execution(2, 1, STORE_T0), EXECUTION_CANCELLED);
    struct batch *b = store_batch(x);
    store_add_update(b, store_finished(e, EXECUTION_SUCCESS));
    store_add_update(b, store_finished(e, EXECUTION_FAILED));
    assert_int_equal(store_try(x, b), ERR_CONFLICT);

    b = store_batch(x);
    store_add_insert(b, new);
    store_add_update(b, new);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    check_execution(x, &e);
}

// Planned, started, waiting and done within one commit: the row is what the last change said, and
// keeps what only its INSERT knew.
static void many_changes_of_a_row_in_one_commit_end_in_the_last(void **state)
{
    struct store_fixture *x = *state;
    struct execution e = store_execution(1, 1, STORE_T0);
    e.trigger = TRIGGER_MANUAL;
    e.key.series = -1;
    e.origin = "1-m7";
    e.request_body = "its own";
    e.request_body_is_json = true;
    e.due_at = STORE_T0 + 250;
    struct execution running = store_execution(1, 1, STORE_T0);
    running.state = EXECUTION_RUNNING;
    running.started_at = STORE_T0 + 3;
    running.next_attempt_at = STORE_T0 + 1000;
    running.error = "answered 500";
    struct execution done = store_finished(store_execution(1, 1, STORE_T0), EXECUTION_SUCCESS);
    done.http_status = 200;

    struct batch *batches[] = {store_batch(x), store_batch(x)};
    store_add_job(batches[0], 1);
    store_add_insert(batches[0], e);
    store_add_update(batches[0], running);
    store_add_attempt(batches[0], 1, 1);
    store_add_update(batches[1], done);
    store_add_attempt(batches[1], 1, 2);
    store_assert_ok(shard_rows_commit(x->store, batches, 2, f));
    batch_free(batches[0]);
    batch_free(batches[1]);

    done.key = e.key;
    done.trigger = TRIGGER_MANUAL;
    done.origin = "1-m7";
    done.request_body = "its own";
    done.request_body_is_json = true;
    done.due_at = e.due_at;
    check_execution(x, &done);
    assert_int_equal(store_attempt_count(x, 1), 2);
    store_reopen(x);
    check_execution(x, &done);
}

static void nothing_belongs_to_what_is_not_there(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct execution of_no_job = store_execution(2, 9, STORE_T0);
    struct execution not_there = store_execution(9, 1, STORE_T0);
    struct batch *b = store_batch(x);
    store_add_insert(b, of_no_job);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add_update(b, not_there);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add_attempt(b, 9, 1);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add_alert(b, 1, &not_there);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add(b, CHANGE_JOB_STATE)->state = (struct job_state){.id = 9};
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add(b, CHANGE_JOB_DELETE)->deleted.id = 9;
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
}

// --- Deleting --------------------------------------------------------------------------------

static void delete_job(struct store_fixture *x, job_id id)
{
    struct batch *b = store_batch(x);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = id;
    c->deleted.at = STORE_T0 + 60000;
    store_must(x, b);
}

static enum err add_job_id(void *context, const struct job *j)
{
    struct store_ids *ids = context;
    ids->ids[ids->count++] = j->id;
    return ERR_OK;
}

static void a_deleted_job_is_gone_but_its_executions_stay(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_job(b, 2);
    store_add_insert(b, store_execution(1, 1, STORE_T0));
    store_must(x, b);
    delete_job(x, 1);

    struct job *found = NULL;
    struct fault fault = {0};
    assert_int_equal(store_get_job(x->reader, 1, &found, &fault), ERR_NOT_FOUND);
    assert_null(found);
    struct store_ids ids = {0};
    store_list_job_ids(x, &(struct job_query){.is_active = -1, .limit = 10}, &ids);
    store_assert_ids(&ids, 2);
    ids.count = 0;
    store_assert_ok(
        store_load_jobs(x->reader, &(struct store_slice){.limit = SIZE_MAX}, add_job_id, &ids, f));
    store_assert_ids(&ids, 2);

    struct execution_query of_job = store_all_executions();
    of_job.job = 1;
    store_list_ids(x, &of_job, &ids);
    store_assert_ids(&ids, 1);
    store_open_ids(x, &ids);
    store_assert_ids(&ids, 1);
}

static void a_deleted_job_does_not_come_back(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    delete_job(x, 1);
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add(b, CHANGE_JOB_STATE)->state = (struct job_state){.id = 1};
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    b = store_batch(x);
    store_add(b, CHANGE_JOB_DELETE)->deleted.id = 1;
    assert_int_equal(store_try(x, b), ERR_CONFLICT);

    // What was under way still ends.
    b = store_batch(x);
    store_add_update(b, store_finished(store_execution(1, 1, STORE_T0 + 1000), EXECUTION_SUCCESS));
    store_must(x, b);
}

// --- Loading ---------------------------------------------------------------------------------

static void a_start_loads_jobs_and_open_executions_in_order_of_id(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 7);
    store_add_job(b, 2);
    store_add_job(b, 30);
    store_add_insert(b, store_execution(12, 2, STORE_T0)); // Due before 3 and 4.
    store_add_insert(b, store_execution(3, 7, STORE_T0 + 9000));
    store_add_insert(b, store_execution(4, 7, STORE_T0 + 8000));
    store_add_insert(b, store_finished(store_execution(5, 7, STORE_T0), EXECUTION_MISSED));
    store_must(x, b);
    store_reopen(x);

    struct store_ids ids = {0};
    store_assert_ok(
        store_load_jobs(x->reader, &(struct store_slice){.limit = SIZE_MAX}, add_job_id, &ids, f));
    store_assert_ids(&ids, 2, 7, 30);
    store_open_ids(x, &ids);
    store_assert_ids(&ids, 3, 4, 12);
}

// Rows 1 to 3 are before the mark: 1 lingers and the others are over. Row 4 lies at the mark.
static void what_lingers_is_found_before_the_mark(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 3);
    struct execution e = store_execution(1, 1, STORE_T0 + 1000);
    e.state = EXECUTION_RUNNING;
    e.lingers = true;
    struct batch *b = store_batch(x);
    shard_row(b, 0)->open_from = x->shard.open_from = STORE_T0 + 10000;
    store_add_update(b, e);
    for (int64_t id = 2; id <= 3; id++)
        store_add_update(
            b, store_finished(store_execution(id, 1, STORE_T0 + id * 1000), EXECUTION_SUCCESS));
    store_add_insert(b, store_execution(4, 1, STORE_T0 + 10000));
    store_must(x, b);
    store_reopen(x);

    struct store_ids ids = {0};
    struct execution_query open = store_all_executions();
    open.states = EXECUTION_BIT(EXECUTION_PENDING) | EXECUTION_BIT(EXECUTION_RUNNING);
    store_open_ids(x, &ids);
    store_assert_ids(&ids, 1, 4);
    store_list_ids(x, &open, &ids);
    store_assert_ids(&ids, 4, 1);

    e.state = EXECUTION_FAILED;
    e.completed_at = STORE_T0 + 11000;
    b = store_batch(x);
    store_add_update(b, e);
    store_must(x, b);
    store_open_ids(x, &ids);
    store_assert_ids(&ids, 4);
    store_list_ids(x, &open, &ids);
    store_assert_ids(&ids, 4);
}

static enum err stop_at_two(void *context, const struct job *j)
{
    (void)j;
    return ++*(int *)context == 2 ? ERR_TIMEOUT : ERR_OK;
}

static void an_error_of_the_callback_ends_the_walk(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    for (job_id id = 1; id <= 5; id++)
        store_add_job(b, id);
    store_must(x, b);
    int calls = 0;
    struct fault fault = {0};
    assert_int_equal(store_load_jobs(x->reader, &(struct store_slice){.limit = SIZE_MAX},
                                     stop_at_two, &calls, &fault),
                     ERR_TIMEOUT);
    assert_int_equal(calls, 2);
    calls = 0;
    struct job_query q = {.is_active = -1, .limit = 10};
    assert_int_equal(store_list_jobs(x->reader, &q, stop_at_two, &calls, &fault), ERR_TIMEOUT);
    assert_int_equal(calls, 2);
}

static void a_reader_sees_every_commit_that_returned(void **state)
{
    struct store_fixture *x = *state;
    struct store_reader *second;
    struct execution_query all = store_all_executions();
    struct store_ids ids;
    store_fill(x, 1, 1);
    store_list_ids(x, &all, &ids);
    store_assert_ok(store_reader_open(x->store, &second, f));
    for (int64_t id = 2; id <= 20; id++) {
        struct batch *b = store_batch(x);
        store_add_insert(b, store_execution(id, 1, STORE_T0 + id * 1000));
        store_must(x, b);
        store_list_ids(x, &all, &ids);
        assert_int_equal(ids.count, id);
        struct execution_key key = {.job = 1, .scheduled_at = STORE_T0 + id * 1000};
        struct execution *e = store_read_execution(x, key);
        assert_int_equal(e->id, id);
        store_free_execution(e);
    }
    store_reader_close(second);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_store_is_empty),
        TEST(a_job_comes_back_as_it_went_in),
        TEST(putting_a_job_again_replaces_every_member),
        TEST(a_job_state_changes_just_that),
        TEST(an_execution_comes_back_as_it_went_in),
        TEST(an_update_leaves_identity_alone),
        TEST(an_update_clears_what_it_leaves_out),
        TEST(attempts_come_back_in_order_of_number),
        TEST(an_alert_comes_back_with_its_facts_and_the_key_of_its_execution),
        TEST(an_alert_about_a_target_comes_back_with_its_facts),
        TEST(a_clients_key_is_known_for_a_day),
        TEST(a_commit_takes_the_shard_as_of_its_last_batch),
        TEST(an_empty_commit_is_fine),
        TEST(a_conflict_takes_everything_back),
        TEST(a_second_row_for_a_key_is_a_conflict),
        TEST(the_same_instant_of_another_job_or_series_is_another_key),
        TEST(a_manual_number_is_given_once),
        TEST(an_id_is_given_once),
        TEST(a_terminal_row_never_changes),
        TEST(a_row_that_ends_in_a_commit_does_not_change_later_in_it),
        TEST(many_changes_of_a_row_in_one_commit_end_in_the_last),
        TEST(nothing_belongs_to_what_is_not_there),
        TEST(a_deleted_job_is_gone_but_its_executions_stay),
        TEST(a_deleted_job_does_not_come_back),
        TEST(a_start_loads_jobs_and_open_executions_in_order_of_id),
        TEST(what_lingers_is_found_before_the_mark),
        TEST(an_error_of_the_callback_ends_the_walk),
        TEST(a_reader_sees_every_commit_that_returned),
    };
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
