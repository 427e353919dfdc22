// SPDX-License-Identifier: MIT
// versions.c: after a commit, the last version of each job that it changes is what its row says.
//
// The core tells when a version begins, and stores only write it down. A version that it forgets
// would leave the row at odds with the last one.

#include "world.h"

#include <string.h>

struct last {
    const struct job *row; // NULL: the job is deleted.
    bool is_there;
    bool is_right;
};

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static enum job_phase phase_of(const struct job *j)
{
    if (!j)
        return JOB_DELETED;
    return j->is_active ? JOB_ACTIVE : j->finished ? JOB_FINISHED : JOB_PAUSED;
}

static bool decides_alike(const struct job_version *v, const struct job *j)
{
    return same_text(v->schedule, j->schedule) && same_text(v->timezone, j->timezone) &&
           v->start_at == j->start_at && v->end_at == j->end_at && v->max_runs == j->max_runs &&
           (v->phase != JOB_PAUSED ||
            (v->paused_until == j->paused_until && same_text(v->reason, j->paused_reason)));
}

static enum err see(void *context, const struct job_version *v)
{
    struct last *l = context;
    l->is_there = true;
    l->is_right = v->phase == phase_of(l->row) && (!l->row || decides_alike(v, l->row));
    return ERR_OK;
}

static void check_job(struct world *w, struct store_reader *r, job_id id)
{
    struct job *row = NULL;
    if (store_get_job(r, id, &row, NULL))
        row = NULL;
    struct last l = {.row = row};
    enum err err = store_list_versions(r, id, see, &l, NULL);
    if (err || (l.is_there && !l.is_right) || (row && !l.is_there))
        trace_fail(&w->trace, "the last version of job %lld is not what its row says",
                   (long long)id);
    job_free(row);
}

static job_id job_of_change(const struct change *c)
{
    switch (c->kind) {
    case CHANGE_JOB_PUT:
        return c->job->id;
    case CHANGE_JOB_STATE:
        return c->state.id;
    case CHANGE_JOB_DELETE:
        return c->deleted.id;
    default:
        return 0;
    }
}

void versions_check(struct world *w, struct batch *const *batches, size_t count)
{
    struct store_reader *r;
    if (store_reader_open(w->store, &r, NULL))
        return;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            job_id id = job_of_change(&batches[b]->changes[i]);
            if (id)
                check_job(w, r, id);
        }
    }
    store_reader_close(r);
}
