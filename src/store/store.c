// SPDX-License-Identifier: MIT
// store.c: the front of the port: checks what holds for every adapter, then calls the adapter.

#include "store/sqlite.h"
#include "store/store_priv.h"

#include <assert.h>
#include <string.h>

enum err store_open(const char *place, struct store **out, struct fault *f)
{
    const char *scheme = strstr(place, "://");
    if (strncmp(place, "postgresql://", 13) == 0 || strncmp(place, "postgres://", 11) == 0)
        return store_postgres_open(place, SHARDS_MAX, out, f);
    if (scheme && strchr(place, '/') == scheme + 1)
        return fault_set(f, ERR_UNSUPPORTED,
                         "no database can be opened as \"%.*s://\": give the path of a file",
                         (int)MIN(scheme - place, 32), place);
    return store_sqlite_open(place, out, f);
}

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

// What no adapter should ever be asked to write. These are mistakes of this program, not of its
// users, and would poison the ledger: "terminal" is read off completed_at by every adapter.
static void check_execution(const struct execution *e, uint32_t shard, uint32_t shards)
{
    assert(e->id > 0 && e->key.scheduled_at >= 0 && shard_of(e->key.job, shards) == shard);
    assert(e->state < EXECUTION_STATES && e->trigger < EXECUTION_TRIGGERS);
    assert(execution_state_is_terminal(e->state) == (e->completed_at > 0));
}

static void check_alert(const struct alert *a)
{
    assert(a->id > 0 && a->message && a->kind < ALERT_KINDS);
    assert(a->telling < ALERT_TELLINGS && a->incident_id >= 0 && a->silence_id >= 0);
    assert(a->execution_id == 0 || a->job > 0);
    assert(a->from >= 0 && a->to >= 0 && a->count >= 0);
}

static void check_change(const struct store *s, const struct change *c)
{
    uint32_t shards = s->shards;
    assert(c->shard < shards);
    if (c->kind == CHANGE_SHARD)
        assert(c->row.number == c->shard);
    if (c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE)
        check_execution(&c->execution, c->shard, shards);
    if (c->kind == CHANGE_JOB_PUT)
        assert(shard_of(c->job->id, shards) == c->shard && c->job->schedule && c->job->timezone &&
               c->job->api);
    if (c->kind == CHANGE_CLIENT_KEY)
        assert(c->client_key.text && shard_of(c->client_key.job, shards) == c->shard);
    if (c->kind == CHANGE_REPLY)
        assert(s->ops->commands_open && command_id_is_set(&c->reply.command) &&
               c->reply.err < ERR_CODES);
    if (c->kind == CHANGE_AUDIT)
        assert(c->audit.id == 0 && c->audit.at > 0 && c->audit.action < AUDIT_ACTIONS);
    if (c->kind == CHANGE_ALERT)
        check_alert(&c->alert);
    if (c->kind == CHANGE_ALERT_ACK)
        assert(shard_of(c->ack.id, shards) == c->shard && c->ack.at > 0);
    if (c->kind == CHANGE_ATTEMPT)
        assert(c->attempt.execution_id > 0 && c->attempt.scheduled_at > 0);
    if (c->kind == CHANGE_JOB_STATE)
        assert(shard_of(c->state.id, shards) == c->shard);
}

// A change without the row of its shard could not be fenced off.
static void check_owned(const struct batch *b)
{
    struct shard_set rows = {0};
    for (size_t i = 0; i < b->count; i++)
        if (b->changes[i].kind == CHANGE_SHARD) {
            assert(!shard_set_has(&rows, b->changes[i].shard));
            shard_set_add(&rows, b->changes[i].shard);
        }
    for (size_t i = 0; i < b->count; i++)
        assert(shard_set_has(&rows, b->changes[i].shard));
}

enum commit_outcome store_commit(struct store *s, struct batch *const *batches, size_t count,
                                 struct commit_cause *cause)
{
    for (size_t i = 0; i < count; i++) {
        const struct batch *b = batches[i];
        assert(i == 0 || batches[i - 1]->sequence < b->sequence);
        check_owned(b);
        for (size_t k = 0; k < b->count; k++)
            check_change(s, &b->changes[k]);
    }
    enum commit_outcome outcome = s->ops->commit(s, batches, count, cause);
    assert((outcome == COMMIT_DONE) == (cause->fault.code == ERR_OK));
    assert((outcome == COMMIT_AGAIN) == (store_stall_find(cause->fault.code) != NULL));
    return outcome;
}

static const struct store_stall stalls[] = {
#define STALL(error, metric, event, what, until) {ERR_##error, event, what, until},
#include "store/stalls.def"
#undef STALL
};

const struct store_stall *store_stall_find(enum err cause)
{
    for (size_t i = 0; i < COUNT_OF(stalls); i++)
        if (stalls[i].cause == cause)
            return &stalls[i];
    return NULL;
}

enum commit_outcome commit_outcome_of(enum err err)
{
    if (!err)
        return COMMIT_DONE;
    if (err == ERR_FENCED)
        return COMMIT_FENCED;
    return store_stall_find(err) ? COMMIT_AGAIN : COMMIT_LOST;
}

uint32_t store_shard_count(const struct store *s)
{
    return s->shards;
}

enum err store_get_shard(struct store *s, uint32_t number, struct shard *out, struct fault *f)
{
    assert(number < s->shards);
    return s->ops->get_shard(s, number, out, f);
}

enum err store_take_shard(struct store *s, uint32_t number, struct shard *out, struct fault *f)
{
    assert(number < s->shards);
    return s->ops->take_shard(s, number, out, f);
}

enum err store_retain(struct store *s, const struct store_retention *r, wall_ms now,
                      size_t rows_max, size_t *removed, struct fault *f)
{
    assert(rows_max > 0 && r->age_ms >= 0 && r->executions_max >= 0);
    return s->ops->retain(s, r, now, rows_max, removed, f);
}

enum err store_make_days(struct store *s, wall_ms now, bool *more, struct fault *f)
{
    *more = false;
    return s->ops->make_days ? s->ops->make_days(s, now, more, f) : ERR_OK;
}

enum err store_tidy(struct store *s, struct fault *f)
{
    return s->ops->tidy ? s->ops->tidy(s, f) : ERR_OK;
}

bool store_measure_room(struct store *s, struct store_room *out)
{
    return s->ops->measure_room && s->ops->measure_room(s, out);
}

enum err store_reader_open(struct store *s, struct store_reader **out, struct fault *f)
{
    return s->ops->reader_open(s, out, f);
}

void store_reader_close(struct store_reader *r)
{
    if (r)
        r->ops->close(r);
}

enum err store_read_lag(struct store_reader *r, dur_ms *out, struct fault *f)
{
    *out = 0;
    return r->ops->read_lag ? r->ops->read_lag(r, out, f) : ERR_OK;
}

static bool is_slice(const struct store_slice *s)
{
    bool is_in_order = true;
    for (uint32_t n = 0; s->further && n <= s->shard; n++)
        is_in_order &= !shard_set_has(s->further, n);
    return is_in_order && s->limit > 0 && s->after >= 0;
}

enum err store_load_jobs(struct store_reader *r, const struct store_slice *s, store_each_job *each,
                         void *context, struct fault *f)
{
    assert(is_slice(s));
    return r->ops->load_jobs(r, s, each, context, f);
}

enum err store_load_open(struct store_reader *r, const struct store_slice *s,
                         store_each_execution *each, void *context, struct fault *f)
{
    assert(is_slice(s));
    return r->ops->load_open(r, s, each, context, f);
}

enum err store_read_last_ids_of(struct store_reader *r, const struct shard_set *of,
                                struct last_ids out[static SHARDS_MAX], struct fault *f)
{
    return r->ops->read_last_ids(r, of, out, f);
}

enum err store_read_last_ids(struct store_reader *r, uint32_t shard, struct last_ids *out,
                             struct fault *f)
{
    struct shard_set of = {0};
    struct last_ids all[SHARDS_MAX];
    shard_set_add(&of, shard);
    enum err err = store_read_last_ids_of(r, &of, all, f);
    if (!err)
        *out = all[shard];
    return err;
}

enum err store_read_shards(struct store_reader *r, const struct shard_set *of,
                           struct shard out[static SHARDS_MAX], struct fault *f)
{
    return r->ops->read_shards(r, of, out, f);
}

enum err store_read_shard(struct store_reader *r, uint32_t shard, struct shard *out,
                          struct fault *f)
{
    struct shard_set of = {0};
    struct shard all[SHARDS_MAX];
    shard_set_add(&of, shard);
    enum err err = store_read_shards(r, &of, all, f);
    if (err)
        return err;
    assert(all[shard].number == shard);
    *out = all[shard];
    return ERR_OK;
}

enum err store_get_job(struct store_reader *r, job_id id, struct job **out, struct fault *f)
{
    return r->ops->get_job(r, id, out, f);
}

enum err store_get_job_by_key(struct store_reader *r, const char *key, struct job **out,
                              struct fault *f)
{
    return r->ops->get_job_by_key(r, key, out, f);
}

enum err store_get_job_by_ping_key(struct store_reader *r, const char *key, struct job **out,
                                   struct fault *f)
{
    return r->ops->get_job_by_ping_key(r, key, out, f);
}

enum err store_list_jobs(struct store_reader *r, const struct job_query *q, store_each_job *each,
                         void *context, struct fault *f)
{
    return r->ops->list_jobs(r, q, each, context, f);
}

bool store_has_index_for(const struct store_reader *r, const struct job_query *q)
{
    bool is_filtered = q->tag || q->is_active >= 0;
    return !q->text && (!is_filtered || r->ops->filters_are_indexed);
}

enum err store_find_jobs(struct store_reader *r, const struct job_query *q, store_each_found *each,
                         void *context, struct fault *f)
{
    return r->ops->find_jobs(r, q, each, context, f);
}

enum err store_list_changed_jobs(struct store_reader *r, wall_ms since, size_t limit,
                                 store_each_changed *each, void *context, struct fault *f)
{
    return r->ops->list_changed_jobs(r, since, limit, each, context, f);
}

enum err store_list_executions(struct store_reader *r, const struct execution_query *q,
                               store_each_execution *each, void *context, struct fault *f)
{
    assert(q->states < EXECUTION_BIT(EXECUTION_STATES) && q->trigger < (int)EXECUTION_TRIGGERS);
    return r->ops->list_executions(r, q, each, context, f);
}

enum err store_get_execution(struct store_reader *r, const struct execution_key *key,
                             store_each_execution *each, void *context, struct fault *f)
{
    return r->ops->get_execution(r, key, each, context, f);
}

enum err store_list_attempts(struct store_reader *r, const struct execution_place *of,
                             store_each_attempt *each, void *context, struct fault *f)
{
    return r->ops->list_attempts(r, of, each, context, f);
}

enum err store_list_alerts(struct store_reader *r, const struct alert_query *q,
                           store_each_alert *each, void *context, struct fault *f)
{
    assert(q->kinds < ALERT_BIT(ALERT_KINDS));
    return r->ops->list_alerts(r, q, each, context, f);
}

enum err store_get_alert(struct store_reader *r, int64_t id, store_each_alert *each, void *context,
                         struct fault *f)
{
    return r->ops->get_alert(r, id, each, context, f);
}

enum err store_list_audit(struct store_reader *r, const struct audit_query *q,
                          store_each_audit *each, void *context, struct fault *f)
{
    assert(q->action < (int)AUDIT_ACTIONS);
    return r->ops->list_audit(r, q, each, context, f);
}

enum err store_count_executions(struct store_reader *r, wall_ms from, wall_ms to,
                                int64_t counts[static EXECUTION_STATES], struct fault *f)
{
    return r->ops->count_executions(r, from, to, counts, f);
}

enum err store_sum_jobs(struct store_reader *r, int64_t created_by, struct job_sum *out,
                        struct fault *f)
{
    assert(created_by > 0);
    *out = (struct job_sum){0};
    return r->ops->sum_jobs(r, created_by, out, f);
}

enum err store_get_client_key(struct store_reader *r, const char *text, wall_ms now,
                              store_each_client_key *each, void *context, struct fault *f)
{
    return r->ops->get_client_key(r, text, now, each, context, f);
}

enum err store_list_versions(struct store_reader *r, job_id job, store_each_version *each,
                             void *context, struct fault *f)
{
    return r->ops->list_versions(r, job, each, context, f);
}

enum err store_read_progress(struct store_reader *r, job_id job, struct store_progress *out,
                             struct fault *f)
{
    return r->ops->read_progress(r, job, out, f);
}
