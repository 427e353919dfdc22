// SPDX-License-Identifier: MIT
// store_fixture.c: a store of any adapter for one test, and short ways to fill and read it.

#include "store_fixture.h"

#include "postgres_server.h"
#include "store/sqlite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum err open_memory(const char *path, struct store **out, struct fault *f)
{
    (void)path;
    return store_memory_open(1, out, f);
}

static enum err open_postgres(const char *url, struct store **out, struct fault *f)
{
    return store_postgres_open(url, 1, out, f);
}

const struct store_adapter store_adapters[] = {
    [STORE_MEMORY] = {"memory", open_memory, false, false},
    [STORE_SQLITE] = {"sqlite", store_sqlite_open, true, false},
    [STORE_POSTGRES] = {"postgres", open_postgres, true, true},
};
const size_t store_adapter_count = COUNT_OF(store_adapters);

static void open_both(struct store_fixture *x)
{
    store_assert_ok(x->adapter->open(x->path, &x->store, f));
    store_assert_ok(store_reader_open(x->store, &x->reader, f));
}

struct store_fixture *store_fixture_new(const struct store_adapter *adapter)
{
    struct store_fixture *x = xcalloc(1, sizeof *x);
    x->adapter = adapter;
    snprintf(x->folder, sizeof x->folder, "/tmp/carillon-store-XXXXXX");
    assert_non_null(mkdtemp(x->folder));
    if (adapter->is_server)
        postgres_database_new(x->path);
    else
        snprintf(x->path, sizeof x->path, "%s/carillon.db", x->folder);
    open_both(x);
    return x;
}

static void remove_files(const struct store_fixture *x)
{
    char log[112];
    unlink(x->path);
    snprintf(log, sizeof log, "%s-wal", x->path);
    unlink(log);
    snprintf(log, sizeof log, "%s-shm", x->path);
    unlink(log);
}

void store_fixture_free(struct store_fixture *x)
{
    store_reader_close(x->reader);
    store_close(x->store);
    if (x->adapter->is_server)
        postgres_database_drop(x->path);
    else
        remove_files(x);
    assert_int_equal(rmdir(x->folder), 0);
    free(x);
}

void store_reopen(struct store_fixture *x)
{
    struct store *clone = x->adapter->is_durable ? NULL : store_memory_clone(x->store);
    store_reader_close(x->reader);
    store_close(x->store);
    if (!clone) {
        open_both(x);
        return;
    }
    x->store = clone;
    store_assert_ok(store_reader_open(x->store, &x->reader, f));
}

// --- Writing ---------------------------------------------------------------------------------

struct batch *store_batch(struct store_fixture *x)
{
    struct batch *b = batch_new(++x->sequence);
    *shard_row(b, 0) = x->shard;
    shard_row(b, 0)->tick = (int64_t)b->sequence; // For those who put it to a writer.
    return b;
}

struct change *store_add(struct batch *b, enum change_kind kind)
{
    return batch_add(b, kind);
}

void store_add_job(struct batch *b, job_id id)
{
    char name[32];
    struct job *j = job_new();
    snprintf(name, sizeof name, "job %lld", (long long)id);
    j->id = id;
    j->version = 1;
    j->created_at = j->updated_at = j->effective_from = STORE_T0;
    job_set_text(&j->name, name);
    job_set_text(&j->schedule, "* * * * * *");
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://127.0.0.1:9999/hook");
    store_add(b, CHANGE_JOB_PUT)->job = j;
}

void store_add_version(struct batch *b, job_id id, wall_ms from_at, enum job_phase phase)
{
    struct change *c = store_add(b, CHANGE_VERSION);
    c->version.id = id;
    c->version.from_at = from_at;
    c->version.phase = phase;
}

struct execution store_execution(int64_t id, job_id job, wall_ms scheduled_at)
{
    return (struct execution){.id = id, .key = {.job = job, .scheduled_at = scheduled_at}};
}

struct execution store_finished(struct execution e, enum execution_state state)
{
    e.state = (uint8_t)state;
    e.started_at = e.key.scheduled_at + 3;
    e.completed_at = e.key.scheduled_at + 20;
    e.attempts = 1;
    return e;
}

void store_add_insert(struct batch *b, struct execution e)
{
    store_add(b, CHANGE_EXECUTION_INSERT)->execution = e;
}

void store_add_update(struct batch *b, struct execution e)
{
    store_add(b, CHANGE_EXECUTION_UPDATE)->execution = e;
}

static wall_ms scheduled_in(const struct batch *b, int64_t execution_id)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[i];
        bool is_row = c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE;
        if (is_row && c->execution.id == execution_id)
            return c->execution.key.scheduled_at;
    }
    return STORE_T0 + execution_id * 1000;
}

void store_add_attempt(struct batch *b, int64_t execution_id, uint16_t number)
{
    wall_ms scheduled_at = scheduled_in(b, execution_id);
    store_add(b, CHANGE_ATTEMPT)->attempt = (struct attempt){
        .execution_id = execution_id,
        .scheduled_at = scheduled_at,
        .number = number,
        .http_status = 200,
        .started_at = STORE_T0 + execution_id * 1000,
        .duration_ms = 17,
        .dns_ms = -1,
        .connect_ms = -1,
        .tls_ms = -1,
        .first_byte_ms = 16,
    };
}

void store_add_alert(struct batch *b, int64_t id, const struct execution *e)
{
    store_add(b, CHANGE_ALERT)->alert = (struct alert){
        .id = id,
        .job = e->key.job,
        .execution_id = e->id,
        .key = e->key,
        .kind = ALERT_FAILURE,
        .created_at = STORE_T0 + id,
        .attempts = 3,
        .last_error = "it failed",
        .message = "",
    };
}

enum err store_try(struct store_fixture *x, struct batch *b)
{
    struct fault f = {0};
    enum err err = shard_rows_commit(x->store, &b, 1, &f);
    batch_free(b);
    assert_int_equal(err != ERR_OK, f.text[0] != '\0'); // An error is never without a story.
    return err;
}

void store_must(struct store_fixture *x, struct batch *b)
{
    store_assert_ok(shard_rows_commit(x->store, &b, 1, f));
    batch_free(b);
}

void store_fill(struct store_fixture *x, job_id job, int64_t count)
{
    struct batch *b = store_batch(x);
    store_add_job(b, job);
    for (int64_t id = 1; id <= count; id++)
        store_add_insert(b, store_execution(id, job, STORE_T0 + id * 1000));
    store_must(x, b);
}

// --- Reading ---------------------------------------------------------------------------------

struct execution_query store_all_executions(void)
{
    return (struct execution_query){
        .trigger = -1,
        .from = 0,
        .to = WALL_NEVER,
        .before = {WALL_NEVER, INT64_MAX},
        .limit = STORE_IDS_MAX,
    };
}

static enum err add_id(struct store_ids *ids, int64_t id)
{
    assert_true(ids->count < STORE_IDS_MAX);
    ids->ids[ids->count++] = id;
    return ERR_OK;
}

static enum err add_execution_id(void *ids, const struct execution *e)
{
    return add_id(ids, e->id);
}

static enum err add_job_id(void *ids, const struct job *j)
{
    return add_id(ids, j->id);
}

static enum err add_alert_id(void *ids, const struct alert *a)
{
    return add_id(ids, a->id);
}

void store_list_ids(struct store_fixture *x, const struct execution_query *q, struct store_ids *out)
{
    out->count = 0;
    store_assert_ok(store_list_executions(x->reader, q, add_execution_id, out, f));
}

void store_list_job_ids(struct store_fixture *x, const struct job_query *q, struct store_ids *out)
{
    out->count = 0;
    store_assert_ok(store_list_jobs(x->reader, q, add_job_id, out, f));
}

const struct alert_cursor store_newest_alerts = {WALL_NEVER, INT64_MAX};

void store_alert_ids(struct store_fixture *x, job_id job, int64_t before, size_t limit,
                     struct store_ids *out)
{
    struct alert_query q = {.job = job, .before = store_newest_alerts, .limit = limit};
    if (before != INT64_MAX)
        q.before = (struct alert_cursor){STORE_T0 + before, before};
    out->count = 0;
    store_assert_ok(store_list_alerts(x->reader, &q, add_alert_id, out, f));
}

void store_open_ids(struct store_fixture *x, struct store_ids *out)
{
    out->count = 0;
    store_assert_ok(store_load_open(x->reader, &(struct store_slice){.limit = SIZE_MAX},
                                    add_execution_id, out, f));
}

static enum err count_attempt(void *context, const struct attempt *a)
{
    (void)a;
    ++*(size_t *)context;
    return ERR_OK;
}

static enum err find_place(void *context, const struct execution *e)
{
    struct execution_place *place = context;
    if (e->id == place->id)
        place->scheduled_at = e->key.scheduled_at;
    return ERR_OK;
}

struct execution_place store_place_of(struct store_fixture *x, int64_t execution_id)
{
    struct execution_query all = store_all_executions();
    struct execution_place place = {.id = execution_id};
    store_assert_ok(store_list_executions(x->reader, &all, find_place, &place, f));
    return place;
}

size_t store_attempt_count(struct store_fixture *x, int64_t execution_id)
{
    size_t count = 0;
    struct execution_place place = store_place_of(x, execution_id);
    store_assert_ok(store_list_attempts(x->reader, &place, count_attempt, &count, f));
    return count;
}

static enum err copy_execution(void *context, const struct execution *e)
{
    struct execution *copy = context;
    *copy = *e;
    copy->error = xstrdup(e->error);
    copy->reason = xstrdup(e->reason);
    copy->request_body = xstrdup(e->request_body);
    copy->held_by = xstrdup(e->held_by);
    copy->origin = xstrdup(e->origin);
    copy->notes = xstrdup(e->notes);
    return ERR_OK;
}

struct execution *store_read_execution(struct store_fixture *x, struct execution_key key)
{
    struct execution *e = xcalloc(1, sizeof *e);
    store_assert_ok(store_get_execution(x->reader, &key, copy_execution, e, f));
    return e;
}

void store_free_execution(struct execution *e)
{
    free((void *)(uintptr_t)e->error);
    free((void *)(uintptr_t)e->reason);
    free((void *)(uintptr_t)e->request_body);
    free((void *)(uintptr_t)e->held_by);
    free((void *)(uintptr_t)e->origin);
    free((void *)(uintptr_t)e->notes);
    free(e);
}

void store_check_ids(const struct store_ids *found, const int64_t *expected, size_t count,
                     const char *file, int line)
{
    bool same = found->count == count - 1;
    for (size_t i = 0; same && i < found->count; i++)
        same = found->ids[i] == expected[i + 1];
    if (same)
        return;
    print_error("found %zu ids:", found->count);
    for (size_t i = 0; i < found->count; i++)
        print_error(" %lld", (long long)found->ids[i]);
    print_error("\n");
    _fail(file, line);
}

void store_assert_same_text(const char *a, const char *b)
{
    if (!a || !b)
        assert_true(a == b);
    else
        assert_string_equal(a, b);
}

void store_assert_same_job(const struct job *a, const struct job *b)
{
    for (size_t i = 0; i < job_member_count; i++) {
        if (job_same_member(&job_members[i], a, b))
            continue;
        print_error("the jobs differ in %s\n", job_members[i].name);
        fail();
    }
}

void store_assert_same_execution(const struct execution *a, const struct execution *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->key.job, b->key.job);
    assert_int_equal(a->key.scheduled_at, b->key.scheduled_at);
    assert_int_equal(a->key.series, b->key.series);
    assert_int_equal(a->due_at, b->due_at);
    assert_int_equal(a->started_at, b->started_at);
    assert_int_equal(a->completed_at, b->completed_at);
    assert_int_equal(a->next_attempt_at, b->next_attempt_at);
    assert_int_equal(a->missed_to, b->missed_to);
    assert_int_equal(a->missed_count, b->missed_count);
    store_assert_same_text(a->error, b->error);
    store_assert_same_text(a->reason, b->reason);
    store_assert_same_text(a->request_body, b->request_body);
    store_assert_same_text(a->held_by, b->held_by);
    store_assert_same_text(a->origin, b->origin);
    assert_int_equal(a->held_until, b->held_until);
    assert_int_equal(a->completion_deadline, b->completion_deadline);
    assert_int_equal(a->completion, b->completion);
    store_assert_same_text(a->notes, b->notes);
    assert_int_equal(a->request_body_is_json, b->request_body_is_json);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->retry_count, b->retry_count);
    assert_int_equal(a->recoveries, b->recoveries);
    assert_int_equal(a->http_status, b->http_status);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->trigger, b->trigger);
}

void store_assert_same_attempt(const struct attempt *a, const struct attempt *b)
{
    assert_int_equal(a->execution_id, b->execution_id);
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->http_status, b->http_status);
    assert_int_equal(a->started_at, b->started_at);
    assert_int_equal(a->duration_ms, b->duration_ms);
    assert_int_equal(a->dns_ms, b->dns_ms);
    assert_int_equal(a->connect_ms, b->connect_ms);
    assert_int_equal(a->tls_ms, b->tls_ms);
    assert_int_equal(a->first_byte_ms, b->first_byte_ms);
    store_assert_same_text(a->error, b->error);
    store_assert_same_text(a->response, b->response);
    assert_int_equal(a->response_truncated, b->response_truncated);
    assert_int_equal(a->response_damaged, b->response_damaged);
    store_assert_same_text(a->redirects, b->redirects);
}

// --- Dumping ---------------------------------------------------------------------------------

static const char *shown(const char *text)
{
    return text ? text : "-";
}

static enum err dump_job(void *context, const struct job *j)
{
    fprintf(context, "job %lld v%lld active %d finished %d from %lld paused %lld %s %s\n",
            (long long)j->id, (long long)j->version, j->is_active, j->finished,
            (long long)j->effective_from, (long long)j->paused_until, shown(j->name), j->schedule);
    return ERR_OK;
}

static enum err dump_attempt(void *context, const struct attempt *a)
{
    fprintf(context, "  attempt %u at %lld %u %s\n", a->number, (long long)a->started_at,
            a->http_status, shown(a->error));
    return ERR_OK;
}

static enum err dump_execution(void *context, const struct execution *e)
{
    fprintf(context,
            "execution %lld %lld-%lld/%lld %s %s %lld %lld %lld http %u tries %u %u %u %s\n",
            (long long)e->id, (long long)e->key.job, (long long)e->key.scheduled_at,
            (long long)e->key.series, execution_state_name(e->state),
            execution_trigger_name(e->trigger), (long long)e->started_at,
            (long long)e->completed_at, (long long)e->next_attempt_at, e->http_status, e->attempts,
            e->retry_count, e->recoveries, shown(e->error));
    return ERR_OK;
}

static enum err dump_alert(void *context, const struct alert *a)
{
    fprintf(context, "alert %lld job %lld execution %lld at %lld/%lld %s %s", (long long)a->id,
            (long long)a->job, (long long)a->execution_id, (long long)a->key.scheduled_at,
            (long long)a->key.series, a->message, shown(a->subject));
    fprintf(context, " %lld %lld %lld-%lld %s\n", (long long)a->attempts, (long long)a->count,
            (long long)a->from, (long long)a->to, shown(a->last_error));
    return ERR_OK;
}

// In the memory adapter a callback must not call the store, so attempts are read from a second
// pass over the ids.
static void dump_executions(struct store_fixture *x, FILE *out)
{
    struct execution_query q = store_all_executions();
    struct store_ids *ids = xmalloc(sizeof *ids);
    store_assert_ok(store_list_executions(x->reader, &q, dump_execution, out, f));
    store_list_ids(x, &q, ids);
    for (size_t i = 0; i < ids->count; i++) {
        fprintf(out, "of execution %lld:\n", (long long)ids->ids[i]);
        struct execution_place place = store_place_of(x, ids->ids[i]);
        store_assert_ok(store_list_attempts(x->reader, &place, dump_attempt, out, f));
    }
    free(ids);
}

static enum err dump_version(void *context, const struct job_version *v)
{
    fprintf(context, "version %lld/%lld v%lld from %lld %s %s runs %u paused %lld %s\n",
            (long long)v->job, (long long)v->number, (long long)v->version, (long long)v->from_at,
            job_phase_name(v->phase), v->schedule, v->runs, (long long)v->paused_until,
            shown(v->reason));
    return ERR_OK;
}

// Also of deleted jobs, which no list shows.
static void dump_versions(struct store_fixture *x, FILE *out)
{
    for (job_id id = 1; id <= 8; id++)
        store_assert_ok(store_list_versions(x->reader, id, dump_version, out, f));
}

char *store_dump(struct store_fixture *x)
{
    char *text = NULL;
    size_t bytes = 0;
    struct job_query jobs = {.is_active = -1, .limit = STORE_IDS_MAX};
    struct shard p;
    struct store_progress whole;
    FILE *out = open_memstream(&text, &bytes);
    store_assert_ok(store_list_jobs(x->reader, &jobs, dump_job, out, f));
    dump_executions(x, out);
    const struct alert_query alerts = {.before = store_newest_alerts, .limit = STORE_IDS_MAX};
    store_assert_ok(store_list_alerts(x->reader, &alerts, dump_alert, out, f));
    dump_versions(x, out);
    store_assert_ok(store_read_progress(x->reader, 1, &whole, f));
    fprintf(out, "removed to %lld\n", (long long)whole.removed_to);
    struct last_ids last;
    store_assert_ok(store_read_last_ids(x->reader, 0, &last, f));
    fprintf(out, "last ids %lld %lld %lld\n", (long long)last.job, (long long)last.execution,
            (long long)last.alert);
    store_assert_ok(store_get_shard(x->store, 0, &p, f));
    fprintf(out, "progress %lld %lld %lld %lld %lld %lld\n", (long long)p.watermark,
            (long long)p.watermark_job, (long long)p.job_next, (long long)p.execution_next,
            (long long)p.alert_next, (long long)p.epoch);
    fclose(out);
    return text;
}
