// SPDX-License-Identifier: MIT
// query.c: what a start loads and what the API asks, by looking at every row.

#include "store/memory/memory_priv.h"

#include <string.h>

struct memory_reader {
    struct store_reader reader;
    struct memory_store *store;
};

static struct memory_store *enter(struct store_reader *r)
{
    struct memory_store *s = ((struct memory_reader *)r)->store;
    pthread_mutex_lock(&s->lock);
    return s;
}

static enum err leave(struct memory_store *s, enum err err)
{
    pthread_mutex_unlock(&s->lock);
    return err;
}

// --- Jobs ------------------------------------------------------------------------------------

static size_t slice_begins(const struct table *t, int64_t after)
{
    return after < INT64_MAX ? table_position(t, after + 1) : t->count;
}

// A slice is read a shard at a time.
typedef enum err load_shard(struct memory_store *s, uint32_t shard, int64_t after, size_t *left,
                            void *each, void *context);

static enum err load(struct store_reader *r, const struct store_slice *slice, load_shard *load_one,
                     void *each, void *context)
{
    struct memory_store *s = enter(r);
    size_t left = slice->limit;
    enum err err = load_one(s, slice->shard, slice->after, &left, each, context);
    for (uint32_t n = 0; slice->further && n < s->store.shards && left > 0 && !err; n++)
        if (shard_set_has(slice->further, n))
            err = load_one(s, n, 0, &left, each, context);
    return leave(s, err);
}

static enum err load_jobs_of(struct memory_store *s, uint32_t shard, int64_t after, size_t *left,
                             void *each, void *context)
{
    enum err err = ERR_OK;
    for (size_t i = slice_begins(&s->jobs, after); i<s->jobs.count && * left> 0 && !err; i++) {
        const struct memory_job *j = s->jobs.rows[i];
        if (j->deleted_at || shard_of(j->job->id, s->store.shards) != shard)
            continue;
        err = (*(store_each_job **)each)(context, j->job);
        --*left;
    }
    return err;
}

static enum err load_jobs(struct store_reader *r, const struct store_slice *slice,
                          store_each_job *each, void *context, struct fault *f)
{
    (void)f;
    return load(r, slice, load_jobs_of, &each, context);
}

static enum err get_job(struct store_reader *r, job_id id, struct job **out, struct fault *f)
{
    struct memory_store *s = enter(r);
    const struct memory_job *j = table_find(&s->jobs, id);
    if (!j || j->deleted_at)
        return leave(s, fault_set(f, ERR_NOT_FOUND, "there is no job %lld", (long long)id));
    *out = job_copy(j->job);
    return leave(s, ERR_OK);
}

// The job of which this member is this text; false: none is.
static bool find_job(const struct memory_store *s, size_t member, const char *text,
                     struct job **out)
{
    for (size_t i = 0; i < s->jobs.count; i++) {
        const struct memory_job *j = s->jobs.rows[i];
        const char *own = *(char **)((char *)j->job + member);
        if (j->deleted_at || !own || strcmp(own, text) != 0)
            continue;
        *out = job_copy(j->job);
        return true;
    }
    return false;
}

static enum err get_job_by_key(struct store_reader *r, const char *key, struct job **out,
                               struct fault *f)
{
    struct memory_store *s = enter(r);
    bool is_there = find_job(s, offsetof(struct job, key), key, out);
    return leave(s, is_there ? ERR_OK : fault_set(f, ERR_NOT_FOUND, "no job has the key %s", key));
}

static enum err get_job_by_ping_key(struct store_reader *r, const char *key, struct job **out,
                                    struct fault *f)
{
    struct memory_store *s = enter(r);
    bool is_there = find_job(s, offsetof(struct job, ping_key), key, out);
    return leave(s, is_there ? ERR_OK : fault_set(f, ERR_NOT_FOUND, "no job has the ping key"));
}

static enum err get_client_key(struct store_reader *r, const char *text, wall_ms now,
                               store_each_client_key *each, void *context, struct fault *f)
{
    struct memory_store *s = enter(r);
    const struct client_key *k = memory_client_key_find(s, text);
    if (!k || k->job == 0 || k->created_at < now - CLIENT_KEY_AGE_MS)
        return leave(s, fault_set(f, ERR_NOT_FOUND, "there is no such key"));
    struct client_key found = *k;
    found.execution.job = found.job;
    return leave(s, each(context, &found));
}

static enum err list_versions(struct store_reader *r, job_id job, store_each_version *each,
                              void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    const struct memory_job *j = table_find(&s->jobs, job);
    enum err err = ERR_OK;
    for (size_t i = 0; j && i < j->versions.count && !err; i++)
        err = each(context, &j->versions.rows[i]);
    return leave(s, err);
}

static enum err list_jobs(struct store_reader *r, const struct job_query *q, store_each_job *each,
                          void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    enum err err = ERR_OK;
    size_t left = q->limit;
    size_t first = q->after < INT64_MAX ? table_position(&s->jobs, q->after + 1) : s->jobs.count;
    for (size_t i = first; i < s->jobs.count && left > 0 && !err; i++) {
        const struct memory_job *j = s->jobs.rows[i];
        if (q->until && j->job->id > q->until)
            break;
        if (j->deleted_at || !job_query_matches(q, j->job))
            continue;
        err = each(context, j->job);
        left--;
    }
    return leave(s, err);
}

// The newest that is due; NULL when there is none.
static const struct execution *last_of(const struct memory_store *s, job_id job, wall_ms now)
{
    const struct execution *last = NULL;
    for (size_t i = 0; i < s->executions.count; i++) {
        const struct execution *e = &((const struct memory_execution *)s->executions.rows[i])->row;
        bool is_due = e->key.job == job && e->key.scheduled_at <= now;
        if (is_due && (!last || e->key.scheduled_at > last->key.scheduled_at ||
                       (e->key.scheduled_at == last->key.scheduled_at && e->id > last->id)))
            last = e;
    }
    return last;
}

struct search {
    struct memory_store *store;
    const struct job_query *query;
    store_each_found *each;
    void *context;
};

static void forget_long_texts(struct job *j)
{
    j->headers = j->body = j->tls_ca = j->tls_client_cert = j->tls_client_key = NULL;
}

static enum err found(void *context, const struct job *j)
{
    const struct search *search = context;
    const struct job_query *q = search->query;
    const struct execution *last = q->wants_last ? last_of(search->store, j->id, q->now) : NULL;
    struct job brief = *j;
    forget_long_texts(&brief);
    struct job_found result = {.job = &brief};
    if (last) {
        result.has_last = true;
        result.last_state = (enum execution_state)last->state;
        result.last_at = last->key.scheduled_at;
    }
    return search->each(search->context, &result);
}

static enum err find_jobs(struct store_reader *r, const struct job_query *q, store_each_found *each,
                          void *context, struct fault *f)
{
    struct search search = {((struct memory_reader *)r)->store, q, each, context};
    return list_jobs(r, q, found, &search, f);
}

static wall_ms changed_at(const struct memory_job *j)
{
    return MAX(j->job->updated_at, j->deleted_at);
}

static int compare_changes(const void *left, const void *right)
{
    const struct memory_job *a = *(const struct memory_job *const *)left;
    const struct memory_job *b = *(const struct memory_job *const *)right;
    wall_ms x = changed_at(a), y = changed_at(b);
    return x != y ? (x < y) - (x > y) : (a->job->id < b->job->id) - (a->job->id > b->job->id);
}

static enum err list_changed_jobs(struct store_reader *r, wall_ms since, size_t limit,
                                  store_each_changed *each, void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    const struct memory_job **changed = xcalloc(s->jobs.count, sizeof(struct memory_job *));
    size_t count = 0;
    for (size_t i = 0; i < s->jobs.count; i++)
        if (changed_at(s->jobs.rows[i]) >= since)
            changed[count++] = s->jobs.rows[i];
    qsort(changed, count, sizeof *changed, compare_changes);
    enum err err = ERR_OK;
    for (size_t i = 0; i < MIN(count, limit) && !err; i++) {
        struct job brief = *changed[i]->job;
        forget_long_texts(&brief);
        err = each(context, &(struct job_changed){&brief, changed[i]->deleted_at != 0});
    }
    free(changed);
    return leave(s, err);
}

// --- Executions ------------------------------------------------------------------------------

static enum err load_open_of(struct memory_store *s, uint32_t shard, int64_t after, size_t *left,
                             void *each, void *context)
{
    const struct table *t = &s->executions;
    enum err err = ERR_OK;
    for (size_t i = slice_begins(t, after); i<t->count && * left> 0 && !err; i++) {
        const struct execution *e = &((const struct memory_execution *)t->rows[i])->row;
        bool is_ours = shard_of(e->key.job, s->store.shards) == shard;
        bool is_found = e->lingers || e->key.scheduled_at >= s->shards[shard].open_from;
        if (!is_ours || e->completed_at || !is_found)
            continue;
        err = (*(store_each_execution **)each)(context, e);
        --*left;
    }
    return err;
}

static enum err load_open(struct store_reader *r, const struct store_slice *slice,
                          store_each_execution *each, void *context, struct fault *f)
{
    (void)f;
    return load(r, slice, load_open_of, &each, context);
}

static bool is_before(const struct execution *e, const struct execution_cursor *c)
{
    if (e->key.scheduled_at != c->scheduled_at)
        return e->key.scheduled_at < c->scheduled_at;
    return e->id < c->id;
}

static bool query_matches(const struct execution_query *q, const struct execution *e)
{
    return (q->job == 0 || q->job == e->key.job) &&
           (!q->states || (q->states & EXECUTION_BIT(e->state))) &&
           (q->trigger < 0 || q->trigger == e->trigger) && e->key.scheduled_at >= q->from &&
           e->key.scheduled_at <= q->to && is_before(e, &q->before) &&
           (!q->http_status || q->http_status == e->http_status) &&
           (!q->lateness_min_ms ||
            (e->started_at && execution_lateness_ms(e) >= q->lateness_min_ms));
}

static int compare_newest_first(const void *left, const void *right)
{
    const struct execution *a = *(const struct execution *const *)left;
    const struct execution *b = *(const struct execution *const *)right;
    const struct execution_cursor at = {b->key.scheduled_at, b->id};
    if (a->id == b->id)
        return 0;
    return is_before(a, &at) ? 1 : -1;
}

static enum err list_executions(struct store_reader *r, const struct execution_query *q,
                                store_each_execution *each, void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    const struct execution **found = xcalloc(s->executions.count, sizeof(struct execution *));
    size_t count = 0;
    for (size_t i = 0; i < s->executions.count; i++) {
        const struct memory_execution *e = s->executions.rows[i];
        if (query_matches(q, &e->row))
            found[count++] = &e->row;
    }
    qsort(found, count, sizeof *found, compare_newest_first);

    enum err err = ERR_OK;
    for (size_t i = 0; i < MIN(count, q->limit) && !err; i++)
        err = each(context, found[i]);
    free(found);
    return leave(s, err);
}

static enum err get_execution(struct store_reader *r, const struct execution_key *key,
                              store_each_execution *each, void *context, struct fault *f)
{
    struct memory_store *s = enter(r);
    const struct memory_execution *e = key_set_find(&s->keys, key);
    if (!e)
        return leave(
            s, fault_set(f, ERR_NOT_FOUND, "job %lld has no such execution", (long long)key->job));
    return leave(s, each(context, &e->row));
}

static enum err list_attempts(struct store_reader *r, const struct execution_place *of,
                              store_each_attempt *each, void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    const struct memory_execution *e = table_find(&s->executions, of->id);
    enum err err = ERR_OK;
    for (size_t i = 0; e && i < e->attempt_count && !err; i++)
        err = each(context, &e->attempts[i]);
    return leave(s, err);
}

static enum err count_executions(struct store_reader *r, wall_ms from, wall_ms to, int64_t *counts,
                                 struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    for (size_t i = 0; i < EXECUTION_STATES; i++)
        counts[i] = 0;
    for (size_t i = 0; i < s->executions.count; i++) {
        const struct memory_execution *e = s->executions.rows[i];
        if (e->row.key.scheduled_at >= from && e->row.key.scheduled_at <= to)
            counts[e->row.state]++;
    }
    return leave(s, ERR_OK);
}

static enum err sum_jobs(struct store_reader *r, int64_t created_by, struct job_sum *out,
                         struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    for (size_t i = 0; i < s->jobs.count; i++) {
        const struct memory_job *j = s->jobs.rows[i];
        if (j->deleted_at || j->job->created_by != created_by)
            continue;
        out->jobs++;
        out->bytes += j->job->texts_bytes;
    }
    return leave(s, ERR_OK);
}

// --- Alerts, and the rest --------------------------------------------------------------------

static bool alert_is_before(const struct alert *a, const struct alert_cursor *c)
{
    return a->created_at != c->created_at ? a->created_at < c->created_at : a->id < c->id;
}

static int compare_newest_alert_first(const void *left, const void *right)
{
    const struct alert *a = *(const struct alert *const *)left;
    const struct alert *b = *(const struct alert *const *)right;
    if (a->id == b->id)
        return 0;
    return alert_is_before(a, &(struct alert_cursor){b->created_at, b->id}) ? 1 : -1;
}

static bool alert_matches(const struct alert_query *q, const struct alert *a)
{
    return (q->job == 0 || a->job == q->job) &&
           (q->incident == 0 || a->incident_id == q->incident) &&
           (!q->kinds || (q->kinds & ALERT_BIT(a->kind))) && alert_is_before(a, &q->before);
}

static enum err list_alerts(struct store_reader *r, const struct alert_query *q,
                            store_each_alert *each, void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    const struct alert **found = xcalloc(s->alerts.count, sizeof(struct alert *));
    size_t count = 0;
    for (size_t i = 0; i < s->alerts.count; i++) {
        const struct alert *a = s->alerts.rows[i];
        if (alert_matches(q, a))
            found[count++] = a;
    }
    qsort(found, count, sizeof *found, compare_newest_alert_first);

    enum err err = ERR_OK;
    for (size_t i = 0; i < MIN(count, q->limit) && !err; i++)
        err = each(context, found[i]);
    free(found);
    return leave(s, err);
}

static enum err list_audit(struct store_reader *r, const struct audit_query *q,
                           store_each_audit *each, void *context, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    return leave(s, memory_list_audit(s, q, each, context));
}

static enum err get_alert(struct store_reader *r, int64_t id, store_each_alert *each, void *context,
                          struct fault *f)
{
    struct memory_store *s = enter(r);
    const struct alert *a = table_find(&s->alerts, id);
    if (!a)
        return leave(s, fault_set(f, ERR_NOT_FOUND, "there is no alert %lld", (long long)id));
    return leave(s, each(context, a));
}

static enum err read_progress(struct store_reader *r, job_id job, struct store_progress *out,
                              struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    *out = (struct store_progress){s->shards[shard_of(job, s->store.shards)], s->removed_to};
    return leave(s, ERR_OK);
}

// The greatest number that the shard has given.
static int64_t last_number(const struct table *t, uint32_t shard, uint32_t shards)
{
    for (size_t i = t->count; i-- > 0;)
        if (t->id_of(t->rows[i]) % shards == shard)
            return t->id_of(t->rows[i]) / shards;
    return 0;
}

static enum err read_last_ids(struct store_reader *r, const struct shard_set *of,
                              struct last_ids *out, struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    uint32_t shards = s->store.shards;
    for (uint32_t n = 0; n < shards; n++)
        if (shard_set_has(of, n))
            out[n] = (struct last_ids){last_number(&s->jobs, n, shards),
                                       last_number(&s->executions, n, shards),
                                       last_number(&s->alerts, n, shards)};
    return leave(s, ERR_OK);
}

static enum err read_shards(struct store_reader *r, const struct shard_set *of, struct shard *out,
                            struct fault *f)
{
    (void)f;
    struct memory_store *s = enter(r);
    for (uint32_t n = 0; n < s->store.shards; n++)
        if (shard_set_has(of, n))
            out[n] = s->shards[n];
    return leave(s, ERR_OK);
}

static void close_reader(struct store_reader *r)
{
    free(r);
}

static const struct store_reader_ops ops = {
    .close = close_reader,
    .load_jobs = load_jobs,
    .load_open = load_open,
    .read_last_ids = read_last_ids,
    .read_shards = read_shards,
    .list_audit = list_audit,
    .get_client_key = get_client_key,
    .get_job = get_job,
    .get_job_by_key = get_job_by_key,
    .get_job_by_ping_key = get_job_by_ping_key,
    .list_jobs = list_jobs,
    .find_jobs = find_jobs,
    .list_changed_jobs = list_changed_jobs,
    .list_versions = list_versions,
    .list_executions = list_executions,
    .get_execution = get_execution,
    .list_attempts = list_attempts,
    .list_alerts = list_alerts,
    .get_alert = get_alert,
    .count_executions = count_executions,
    .sum_jobs = sum_jobs,
    .read_progress = read_progress,
};

enum err memory_reader_open(struct store *store, struct store_reader **out, struct fault *f)
{
    (void)f;
    struct memory_reader *r = xcalloc(1, sizeof *r);
    r->reader.ops = &ops;
    r->store = (struct memory_store *)store;
    *out = &r->reader;
    return ERR_OK;
}
