// SPDX-License-Identifier: MIT
// queries.c: questions, each asked over a connection of the pool.

#include "base/log.h"
#include "service/service_priv.h"

#include <inttypes.h>

// What a list leaves out is for the log: it is the operator's, not the client's.
static enum err ending(struct service_problem *p, enum err err, const struct fault *f)
{
    if (err)
        return service__refuse_err(p, err, f);
    if (f->code)
        log_warn("store.row_damaged", LOG_TEXT("detail", f->text));
    return ERR_OK;
}

// Runs one query of the store, which uses the names `reader` and `f`, over a borrowed connection.
#define ASK(s, p, query)                                                                           \
    do {                                                                                           \
        struct fault f = {0};                                                                      \
        struct store_reader *reader = service__reader_take(&(s)->readers);                         \
        enum err err = (query);                                                                    \
        service__reader_return(&(s)->readers, reader);                                             \
        return ending((p), err, &f);                                                               \
    } while (0)

// The same for a list, which may come from a replica unless it is one of a single job.
#define ASK_LIST(s, p, is_of_one, query)                                                           \
    do {                                                                                           \
        struct fault f = {0};                                                                      \
        struct readers *from = &(s)->readers;                                                      \
        struct store_reader *reader =                                                              \
            (is_of_one) ? service__reader_take(from) : service__list_reader_take((s), &from);      \
        enum err err = (query);                                                                    \
        service__reader_return(from, reader);                                                      \
        return ending((p), err, &f);                                                               \
    } while (0)

static enum err get_job(struct service *s, job_id id, struct job **out, struct service_problem *p)
{
    ASK(s, p, store_get_job(reader, id, out, &f));
}

enum err service_get_job(struct service *s, job_id id, struct job **out, struct service_problem *p)
{
    enum err err = get_job(s, id, out, p);
    if (err == ERR_STORE_CORRUPT)
        service_refuse(p, err, PROBLEM_DAMAGED, NULL,
                       "the row of job %" PRId64 " in the database is damaged; carillon doctor "
                       "says how",
                       id);
    return err;
}

enum err service_get_job_by_key(struct service *s, const char *key, struct job **out,
                                struct service_problem *p)
{
    ASK(s, p, store_get_job_by_key(reader, key, out, &f));
}

enum err service_get_job_by_ping_key(struct service *s, const char *key, struct job **out,
                                     struct service_problem *p)
{
    ASK(s, p, store_get_job_by_ping_key(reader, key, out, &f));
}

enum err service_list_jobs(struct service *s, const struct job_query *q, store_each_job *each,
                           void *context, struct service_problem *p)
{
    ASK(s, p, store_list_jobs(reader, q, each, context, &f));
}

enum err service_list_changed_jobs(struct service *s, wall_ms since, size_t limit,
                                   store_each_changed *each, void *context,
                                   struct service_problem *p)
{
    ASK_LIST(s, p, false, store_list_changed_jobs(reader, since, limit, each, context, &f));
}

enum err service_list_executions(struct service *s, const struct execution_query *q,
                                 store_each_execution *each, void *context,
                                 struct service_problem *p)
{
    ASK_LIST(s, p, q->job, store_list_executions(reader, q, each, context, &f));
}

enum err service_list_alerts(struct service *s, const struct alert_query *q, store_each_alert *each,
                             void *context, struct service_problem *p)
{
    ASK_LIST(s, p, q->job, store_list_alerts(reader, q, each, context, &f));
}

static enum err get_alert(struct service *s, int64_t id, store_each_alert *each, void *context,
                          struct service_problem *p)
{
    ASK(s, p, store_get_alert(reader, id, each, context, &f));
}

enum err service_get_alert(struct service *s, int64_t id, store_each_alert *each, void *context,
                           struct service_problem *p)
{
    enum err err = get_alert(s, id, each, context, p);
    if (err == ERR_NOT_FOUND)
        service_refuse(p, err, PROBLEM_NOT_FOUND, NULL, "there is no such alert");
    if (err == ERR_STORE_CORRUPT)
        service_refuse(p, err, PROBLEM_DAMAGED, NULL,
                       "the row of alert %" PRId64 " in the database is damaged; carillon doctor "
                       "says how",
                       id);
    return err;
}

enum err service_list_audit(struct service *s, const struct audit_query *q, store_each_audit *each,
                            void *context, struct service_problem *p)
{
    ASK(s, p, store_list_audit(reader, q, each, context, &f));
}

enum err service_count_executions(struct service *s, wall_ms since, wall_ms to,
                                  int64_t counts[static EXECUTION_STATES],
                                  struct service_problem *p)
{
    ASK_LIST(s, p, false, store_count_executions(reader, since, to, counts, &f));
}

// --- An execution with its attempts --------------------------------------------------------------

// Passes the execution on and remembers its place, by which its attempts are found.
struct found {
    store_each_execution *each;
    void *context;
    struct execution_place place;
};

static enum err found_execution(void *context, const struct execution *e)
{
    struct found *found = context;
    found->place = (struct execution_place){e->id, e->key.scheduled_at};
    return found->each(found->context, e);
}

static enum err read_execution(struct store_reader *reader, const struct execution_key *key,
                               struct found *found, store_each_attempt *each_attempt,
                               struct fault *f)
{
    enum err err = store_get_execution(reader, key, found_execution, found, f);
    if (err)
        return err;
    return store_list_attempts(reader, &found->place, each_attempt, found->context, f);
}

enum err service_get_execution(struct service *s, const struct execution_key *key,
                               store_each_execution *each, store_each_attempt *each_attempt,
                               void *context, struct service_problem *p)
{
    struct fault f = {0};
    struct found found = {.each = each, .context = context};
    struct store_reader *reader = service__reader_take(&s->readers);
    enum err err = read_execution(reader, key, &found, each_attempt, &f);
    service__reader_return(&s->readers, reader);
    if (err == ERR_NOT_FOUND)
        return service_refuse(p, err, PROBLEM_NOT_FOUND, NULL, "there is no such execution");
    return ending(p, err, &f);
}
