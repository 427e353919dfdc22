// SPDX-License-Identifier: MIT
// retain.c: the oldest terminal executions go, with all that belongs to them.

#include "store/memory/memory_priv.h"

static bool is_older(const struct execution *a, const struct execution *b)
{
    if (a->key.scheduled_at != b->key.scheduled_at)
        return a->key.scheduled_at < b->key.scheduled_at;
    return a->id < b->id;
}

// The oldest terminal execution that lies wholly before `before`, or NULL.
static struct memory_execution *find_oldest(const struct memory_store *s, wall_ms before)
{
    struct memory_execution *oldest = NULL;
    for (size_t i = 0; i < s->executions.count; i++) {
        struct memory_execution *e = s->executions.rows[i];
        bool is_over = e->row.completed_at && e->row.completed_at < before;
        if (is_over && e->row.key.scheduled_at < before &&
            (!oldest || is_older(&e->row, &oldest->row)))
            oldest = e;
    }
    return oldest;
}

static void remove_alerts(struct memory_store *s, int64_t execution_id)
{
    for (size_t i = s->alerts.count; i-- > 0;) {
        struct alert *a = s->alerts.rows[i];
        if (a->execution_id == execution_id)
            alert_free(table_take(&s->alerts, a->id));
    }
}

// Alerts about no execution, such as those of the clock, go by age alone.
static void remove_loose_alerts(struct memory_store *s, wall_ms before)
{
    for (size_t i = s->alerts.count; i-- > 0;) {
        struct alert *a = s->alerts.rows[i];
        if (a->execution_id == 0 && a->created_at < before)
            alert_free(table_take(&s->alerts, a->id));
    }
}

static void remove_alerts_of_job(struct memory_store *s, job_id job)
{
    for (size_t i = s->alerts.count; i-- > 0;) {
        struct alert *a = s->alerts.rows[i];
        if (a->job == job)
            alert_free(table_take(&s->alerts, a->id));
    }
}

static bool has_executions(const struct memory_store *s, job_id job)
{
    for (size_t i = 0; i < s->executions.count; i++)
        if (((const struct memory_execution *)s->executions.rows[i])->row.key.job == job)
            return true;
    return false;
}

static void remove_deleted_jobs(struct memory_store *s)
{
    for (size_t i = s->jobs.count; i-- > 0;) {
        struct memory_job *j = s->jobs.rows[i];
        if (!j->deleted_at || has_executions(s, j->job->id))
            continue;
        remove_alerts_of_job(s, j->job->id);
        table_take(&s->jobs, j->job->id);
        memory_job_disown(j);
        free(j);
    }
}

static size_t remove_old(struct memory_store *s, wall_ms before, size_t rows_max)
{
    size_t removed = 0;
    struct memory_execution *e;
    while (removed < rows_max && (e = find_oldest(s, before)) != NULL) {
        s->removed_to = MAX(s->removed_to, MAX(e->row.key.scheduled_at, e->row.missed_to));
        remove_alerts(s, e->row.id);
        table_take(&s->executions, e->row.id);
        key_set_remove(&s->keys, e);
        memory_execution_free(e);
        removed++;
    }
    return removed;
}

static size_t remove_excess(struct memory_store *s, int64_t executions_max, size_t rows_max)
{
    int64_t excess = (int64_t)s->executions.count - executions_max;
    if (executions_max == 0 || excess <= 0)
        return 0;
    return remove_old(s, WALL_NEVER, MIN((size_t)excess, rows_max));
}

enum err memory_retain(struct store *store, const struct store_retention *r, wall_ms now,
                       size_t rows_max, size_t *removed, struct fault *f)
{
    (void)f;
    struct memory_store *s = (struct memory_store *)store;
    size_t gone = 0, entries = 0;
    pthread_mutex_lock(&s->lock);
    if (r->age_ms > 0) {
        gone = remove_old(s, now - r->age_ms, rows_max);
        remove_loose_alerts(s, now - r->age_ms);
        memory_deliveries_sweep(s, now - r->age_ms);
    }
    memory_client_keys_sweep(s, now - CLIENT_KEY_AGE_MS);
    gone += remove_excess(s, r->executions_max, rows_max - gone);
    if (gone < rows_max)
        remove_deleted_jobs(s);
    if (r->audit_age_ms > 0)
        entries = memory_audit_sweep(s, now - r->audit_age_ms, rows_max);
    pthread_mutex_unlock(&s->lock);
    *removed = MAX(gone, entries);
    return ERR_OK;
}
