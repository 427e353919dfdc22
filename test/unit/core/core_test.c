// SPDX-License-Identifier: MIT
// core_test.c: the rig that turns the core by hand.

#include "core_test.h"

#include <stdio.h>
#include <string.h>

// --- What the store knows ---

static const struct batch *batch_at(const struct rig *r, size_t i)
{
    return i < r->durable_count ? r->durable[i] : r->out.batch;
}

static bool keys_equal(const struct execution_key *a, const struct execution_key *b)
{
    return a->job == b->job && a->series == b->series &&
           (a->series < 0 || a->scheduled_at == b->scheduled_at);
}

static bool find_key(const struct rig *r, const struct execution_key *key, bool all,
                     struct execution *out)
{
    bool found = false;
    for (size_t i = 0; i < r->durable_count + all; i++) {
        const struct batch *b = batch_at(r, i);
        for (size_t k = 0; k < b->count; k++) {
            const struct change *c = &b->changes[k];
            if (c->kind != CHANGE_EXECUTION_INSERT && c->kind != CHANGE_EXECUTION_UPDATE)
                continue;
            if (!keys_equal(&c->execution.key, key))
                continue;
            *out = c->execution;
            found = true;
        }
    }
    return found;
}

bool rig_find(const struct rig *r, job_id job, wall_ms at, bool all, struct execution *out)
{
    struct execution_key key = {.job = job, .scheduled_at = at};
    return find_key(r, &key, all, out);
}

bool rig_find_manual(const struct rig *r, job_id job, int64_t number, struct execution *out)
{
    struct execution_key key = {.job = job, .series = -number};
    return find_key(r, &key, true, out);
}

struct execution rig_row(const struct rig *r, job_id job, wall_ms at)
{
    struct execution e;
    if (!rig_find(r, job, at, true, &e))
        fail_msg("job %d has no row at T0%+d ms", (int)job, (int)(at - T0));
    return e;
}

static bool is_insert_of(const struct change *c, job_id job)
{
    return c->kind == CHANGE_EXECUTION_INSERT && c->execution.key.job == job;
}

static bool is_alert_of(const struct change *c, job_id job, enum alert_kind kind)
{
    return c->kind == CHANGE_ALERT && c->alert.job == job && c->alert.kind == kind;
}

#define COUNT_CHANGES(r, c, condition)                                                             \
    size_t count = 0;                                                                              \
    for (size_t i = 0; i <= (r)->durable_count; i++)                                               \
        for (size_t k = 0; k < batch_at(r, i)->count; k++) {                                       \
            const struct change *c = &batch_at(r, i)->changes[k];                                  \
            count += (condition);                                                                  \
        }                                                                                          \
    return count

size_t rig_rows(const struct rig *r, job_id job)
{
    COUNT_CHANGES(r, c, is_insert_of(c, job));
}

size_t rig_alerts(const struct rig *r, job_id job, enum alert_kind kind)
{
    COUNT_CHANGES(r, c, is_alert_of(c, job, kind));
}

size_t rig_told(const struct rig *r, job_id job)
{
    COUNT_CHANGES(r, c,
                  c->kind == CHANGE_ALERT && c->alert.job == job &&
                      c->alert.telling == TELLING_WAITING);
}

struct alert rig_alert(const struct rig *r, job_id job, enum alert_kind kind)
{
    struct alert found = {0};
    for (size_t i = 0; i <= r->durable_count; i++)
        for (size_t k = 0; k < batch_at(r, i)->count; k++)
            if (is_alert_of(&batch_at(r, i)->changes[k], job, kind))
                found = batch_at(r, i)->changes[k].alert;
    assert_int_not_equal(found.id, 0);
    return found;
}

size_t rig_changes(const struct rig *r, enum change_kind kind)
{
    COUNT_CHANGES(r, c, c->kind == kind);
}

size_t rig_updates(const struct rig *r, job_id job, wall_ms at)
{
    COUNT_CHANGES(r, c,
                  c->kind == CHANGE_EXECUTION_UPDATE && c->execution.key.job == job &&
                      c->execution.key.scheduled_at == at);
}

// --- Checks of every step ---

// The change at `index` of the open batch against everything before it.
static void check_change(struct rig *r, size_t index)
{
    struct batch *b = r->out.batch;
    const struct change *c = &b->changes[index];
    if (c->kind != CHANGE_EXECUTION_INSERT && c->kind != CHANGE_EXECUTION_UPDATE)
        return;
    size_t count = b->count;
    struct execution before;
    b->count = index; // Looks at what came before it only.
    bool found = find_key(r, &c->execution.key, true, &before);
    b->count = count;
    if (c->kind == CHANGE_EXECUTION_INSERT && found)
        fail_msg("a second row for job %d at T0%+d ms", (int)c->execution.key.job,
                 (int)(c->execution.key.scheduled_at - T0));
    if (c->kind == CHANGE_EXECUTION_INSERT)
        return;
    assert_true(found && before.id == c->execution.id);
    if (before.state != c->execution.state)
        assert_true(execution_may_move(before.state, c->execution.state));
    assert_false(execution_state_is_terminal(before.state));
}

struct shard rig_shard(const struct rig *r)
{
    const struct shard *row = NULL;
    for (size_t i = r->durable_count; i-- > 0 && !row;)
        row = batch_shard(r->durable[i], 0);
    return row ? *row : (struct shard){0};
}

// As a new owner finds it.
static struct shard take_shard(struct rig *r)
{
    struct shard row = rig_shard(r);
    row.epoch = ++r->epoch;
    row.tick = 0;
    return row;
}

static void keep_send(struct rig *r, const struct send *s)
{
    const struct request *q = &s->request;
    struct execution row;
    if (!find_key(r, &q->key, false, &row))
        fail_msg("a request of job %d left before its row was durable", (int)q->key.job);
    assert_false(execution_state_is_terminal(row.state));
    assert_int_equal(q->epoch, r->epoch);
    if (q->key.series >= 0 && q->attempt == 1)
        assert_true(q->key.scheduled_at <= r->now.wall);
    assert_true(r->send_count < RIG_SENDS_MAX);
    struct sent *k = &r->sends[r->send_count++];
    *k = (struct sent){.ticket = s->ticket,
                       .shard = s->shard,
                       .key = q->key,
                       .at = r->now.wall,
                       .timeout_ms = q->timeout_ms,
                       .epoch = q->epoch,
                       .attempt = q->attempt,
                       .trigger = q->trigger,
                       .method = q->method,
                       .body_is_json = q->body_is_json,
                       .wants_callback = q->wants_callback,
                       .tls_verify = q->tls_verify,
                       .fresh_connection = q->fresh_connection,
                       .redirects = q->redirects,
                       .response_excerpt_bytes = q->response_excerpt_bytes};
    snprintf(k->api, sizeof k->api, "%s", q->api);
    snprintf(k->headers, sizeof k->headers, "%s", q->headers ? q->headers : "");
    snprintf(k->body, sizeof k->body, "%s", q->body ? q->body : "");
    snprintf(k->signing, sizeof k->signing, "%s", q->signing ? q->signing : "");
    snprintf(k->oauth, sizeof k->oauth, "%s", q->oauth ? q->oauth : "");
    snprintf(k->origin, sizeof k->origin, "%s", q->origin ? q->origin : "");
    snprintf(k->tls_ca, sizeof k->tls_ca, "%s", q->tls_ca ? q->tls_ca : "");
    snprintf(k->tls_client_cert, sizeof k->tls_client_cert, "%s",
             q->tls_client_cert ? q->tls_client_cert : "");
    snprintf(k->tls_client_key, sizeof k->tls_client_key, "%s",
             q->tls_client_key ? q->tls_client_key : "");
    snprintf(k->success_body, sizeof k->success_body, "%s", q->success_body ? q->success_body : "");
    snprintf(k->failure_body, sizeof k->failure_body, "%s", q->failure_body ? q->failure_body : "");
}

// A client reads in the reply what it would read in the store.
static void check_reply(const struct rig *r, const struct reply *reply)
{
    const struct job *row = reply->row;
    if (reply->err || !row)
        return;
    struct job *j = rig_job(r, reply->job);
    assert_int_equal(row->id, j->id);
    assert_int_equal(row->version, j->version);
    assert_int_equal(row->updated_at, j->updated_at);
    assert_int_equal(row->effective_from, j->effective_from);
    assert_int_equal(row->paused_until, j->paused_until);
    assert_int_equal(row->runs, j->runs);
    assert_int_equal(row->failures, j->failures);
    assert_int_equal(row->is_active, j->is_active);
    assert_int_equal(row->finished, j->finished);
    assert_string_equal(row->schedule, j->schedule);
    job_free(j);
}

void rig_step(struct rig *r, const struct event *e)
{
    size_t before = r->out.batch->count;
    core_step(r->core, e, r->now, &r->out);
    core_check(r->core);
    for (size_t i = before; i < r->out.batch->count; i++)
        check_change(r, i);
    for (size_t i = 0; i < r->out.send_count; i++)
        keep_send(r, &r->out.sends[i]);
    for (size_t i = 0; i < r->out.reply_count; i++) {
        check_reply(r, &r->out.replies[i]);
        r->reply = r->out.replies[i];
        r->reply.row = NULL;
        r->reply_count++;
    }
    actions_clear(&r->out);
}

// --- Life and death ---

struct rig *rig_new(void)
{
    struct rig *r = xcalloc(1, sizeof *r);
    r->limits = core_limits_default;
    r->limits.lookahead_ms = 1500; // Each instant is planned alone.
    r->limits.gather_ms = 0;
    r->now = (struct now){.wall = T0, .mono = 5000000};
    r->sequence = 1;
    r->out.batch = batch_new(r->sequence);
    return r;
}

struct rig *rig_started(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_record(r);
    return r;
}

void rig_free(struct rig *r)
{
    core_free(r->core);
    for (size_t i = 0; i < r->durable_count; i++)
        batch_free(r->durable[i]);
    batch_free(r->out.batch);
    actions_free(&r->out);
    free(r);
}

// The job after this change, or NULL when it is gone.
static struct job *apply(struct job *j, job_id id, const struct change *c)
{
    if (c->kind == CHANGE_JOB_PUT && c->job->id == id) {
        job_free(j);
        return job_copy(c->job);
    }
    if (c->kind == CHANGE_JOB_DELETE && c->deleted.id == id) {
        job_free(j);
        return NULL;
    }
    if (j && c->kind == CHANGE_JOB_STATE && c->state.id == id)
        job_apply_state(j, &c->state);
    return j;
}

struct job *rig_job(const struct rig *r, job_id id)
{
    struct job *j = NULL;
    for (size_t i = 0; i <= r->durable_count; i++)
        for (size_t k = 0; k < batch_at(r, i)->count; k++)
            j = apply(j, id, &batch_at(r, i)->changes[k]);
    return j;
}

static void load_job(struct rig *r, const struct job *j)
{
    if (j->id == r->edited)
        core_add_unusable(r->core, j, "it was edited");
    else if (core_add_job(r->core, j, zone_utc()))
        core_add_unusable(r->core, j, NULL); // There are too many.
}

static void load_jobs(struct rig *r)
{
    job_id end = rig_shard(r).job_next;
    for (job_id id = 1; id < end; id++) {
        struct job *j = rig_job(r, id);
        if (j)
            load_job(r, j);
        job_free(j);
    }
}

static void load_executions(struct rig *r)
{
    for (size_t i = 0; i < r->durable_count; i++) {
        for (size_t k = 0; k < r->durable[i]->count; k++) {
            const struct change *c = &r->durable[i]->changes[k];
            struct execution e;
            if (c->kind != CHANGE_EXECUTION_INSERT)
                continue;
            assert_true(find_key(r, &c->execution.key, false, &e));
            e.request_body = c->execution.request_body; // Updates do not repeat these two.
            e.origin = c->execution.origin;
            e.damaged = r->damaged != NULL;
            e.error = r->damaged ? r->damaged : e.error;
            if (execution_state_is_terminal(e.state))
                continue;
            assert_true(e.lingers || e.key.scheduled_at >= rig_shard(r).open_from);
            assert_int_equal(core_add_execution(r->core, &e), ERR_OK);
        }
    }
}

void rig_start(struct rig *r)
{
    r->core = core_new(&r->limits);
    rig_step(r, &(struct event){.kind = EVENT_LEASE, .until = MONO_NEVER});
    rig_step(r, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = take_shard(r)});
    load_jobs(r);
    load_executions(r);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_LOADED});
}

void rig_crash(struct rig *r, dur_ms down)
{
    core_free(r->core);
    batch_free(r->out.batch);
    r->sequence = 1;
    r->out.batch = batch_new(r->sequence);
    rig_pass(r, down);
    rig_start(r);
}

// --- Time ---

void rig_pass(struct rig *r, dur_ms d)
{
    r->now.wall += d;
    r->now.mono += d;
}

static bool is_awake(const struct rig *r)
{
    return r->out.wake_wall <= r->now.wall || r->out.wake_mono <= r->now.mono;
}

void rig_tick(struct rig *r)
{
    int turns = 0;
    do {
        rig_step(r, &(struct event){.kind = EVENT_TICK});
        assert_true(++turns < 10000); // The core asks to be woken now, again and again.
    } while (is_awake(r));
}

void rig_record(struct rig *r)
{
    while (r->out.batch->count > 0) {
        assert_non_null(batch_shard(r->out.batch, 0));
        assert_true(r->durable_count < RIG_BATCHES_MAX);
        struct event e = {.kind = EVENT_RECORDED, .sequence = r->sequence};
        r->durable[r->durable_count++] = r->out.batch;
        r->out.batch = batch_new(++r->sequence);
        rig_step(r, &e);
    }
}

void rig_run(struct rig *r, dur_ms d)
{
    mono_ms end = r->now.mono + d;
    rig_record(r);
    for (;;) {
        mono_ms wake = r->out.wake_mono;
        if (r->out.wake_wall != WALL_NEVER)
            wake = MIN(wake, r->now.mono + r->out.wake_wall - r->now.wall);
        if (wake > end)
            break;
        rig_pass(r, MAX(wake - r->now.mono, 0));
        rig_tick(r);
        rig_record(r);
    }
    rig_pass(r, end - r->now.mono);
}

// --- Commands ---

struct job *job_of(const char *schedule)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, schedule);
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a.test/");
    return j;
}

static enum err command(struct rig *r, struct command *c)
{
    size_t before = r->reply_count;
    c->token = r;
    c->zone = zone_utc();
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = c});
    assert_int_equal(r->reply_count, before + 1);
    assert_ptr_equal(r->reply.token, r);
    assert_null(c->job);
    return r->reply.err;
}

job_id rig_create(struct rig *r, struct job *j)
{
    struct command c = {.kind = COMMAND_CREATE, .job = j};
    assert_int_equal(command(r, &c), ERR_OK);
    return r->reply.job;
}

enum err rig_update(struct rig *r, job_id id, struct job *j)
{
    struct command c = {.kind = COMMAND_UPDATE, .id = id, .job = j};
    return command(r, &c);
}

enum err rig_delete(struct rig *r, job_id id)
{
    struct command c = {.kind = COMMAND_DELETE, .id = id};
    return command(r, &c);
}

enum err rig_trigger(struct rig *r, job_id id, const char *body)
{
    struct command c = {.kind = COMMAND_TRIGGER, .id = id, .body = body};
    return command(r, &c);
}

enum err rig_ask(struct rig *r, struct command *c)
{
    return command(r, c);
}

enum err rig_cancel(struct rig *r, const struct execution_key *key)
{
    struct command c = {.kind = COMMAND_CANCEL, .id = key->job, .execution = *key};
    return command(r, &c);
}

enum err rig_pause(struct rig *r, job_id id, wall_ms until)
{
    struct job *j = rig_job(r, id);
    j->is_active = false;
    j->paused_until = until;
    return rig_update(r, id, j);
}

enum err rig_resume(struct rig *r, job_id id)
{
    struct job *j = rig_job(r, id);
    j->is_active = true;
    j->paused_until = WALL_NEVER;
    return rig_update(r, id, j);
}

// --- Outcomes ---

static void end_attempt(struct rig *r, size_t send, struct outcome *o)
{
    assert_true(send < r->send_count);
    struct sent *s = &r->sends[send];
    assert_false(s->answered);
    s->answered = true;
    o->ticket = s->ticket;
    o->shard = s->shard;
    o->epoch = s->epoch;
    o->attempt.started_at = s->at;
    o->attempt.duration_ms = r->now.wall - s->at;
    rig_step(r, &(struct event){.kind = EVENT_OUTCOME, .outcome = o});
}

void rig_answer(struct rig *r, size_t send, unsigned status)
{
    struct outcome o = {.kind = OUTCOME_ANSWERED, .attempt.http_status = (uint16_t)status};
    end_attempt(r, send, &o);
}

void rig_ask_to_wait(struct rig *r, size_t send)
{
    struct outcome o = {.kind = OUTCOME_ANSWERED, .asks_to_wait = true, .attempt.http_status = 202};
    end_attempt(r, send, &o);
}

void rig_answer_body(struct rig *r, size_t send, unsigned status, const char *body_error)
{
    struct outcome o = {.kind = OUTCOME_ANSWERED,
                        .body_is_judged = true,
                        .body_error = body_error,
                        .attempt.http_status = (uint16_t)status};
    end_attempt(r, send, &o);
}

void rig_redirect(struct rig *r, size_t send, unsigned status, const char *location)
{
    struct outcome o = {
        .kind = OUTCOME_ANSWERED, .location = location, .attempt.http_status = (uint16_t)status};
    end_attempt(r, send, &o);
}

void rig_lose(struct rig *r, size_t send, const char *error)
{
    struct outcome o = {.kind = OUTCOME_LOST, .attempt.error = error};
    end_attempt(r, send, &o);
}

void rig_lose_behind(struct rig *r, size_t send, const char *redirects, const char *error)
{
    struct outcome o = {.kind = OUTCOME_LOST, .attempt = {.redirects = redirects, .error = error}};
    end_attempt(r, send, &o);
}

void rig_lose_unheard(struct rig *r, size_t send, const char *error)
{
    struct outcome o = {.kind = OUTCOME_LOST, .is_unheard = true, .attempt.error = error};
    end_attempt(r, send, &o);
}

void rig_hold(struct rig *r, size_t send, const char *error)
{
    struct outcome o = {.kind = OUTCOME_HELD, .attempt.error = error};
    end_attempt(r, send, &o);
}

void rig_refuse(struct rig *r, size_t send, const char *error)
{
    struct outcome o = {.kind = OUTCOME_NOT_SENT, .attempt.error = error};
    end_attempt(r, send, &o);
}
