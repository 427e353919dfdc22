// SPDX-License-Identifier: MIT
// reader_executions.c: executions and their attempts, listed, found and counted.

#include "store/sqlite/reader_priv.h"

// The index that leaves the fewest rows to look at.
static enum query choose_query(const struct execution_query *q)
{
    static const unsigned open =
        EXECUTION_BIT(EXECUTION_PENDING) | EXECUTION_BIT(EXECUTION_RUNNING);
    static const unsigned failed = EXECUTION_BIT(EXECUTION_FAILED) |
                                   EXECUTION_BIT(EXECUTION_MISSED) |
                                   EXECUTION_BIT(EXECUTION_CANCELLED);
    bool of_job = q->job != 0;
    if (q->states && !(q->states & ~open))
        return EXECUTIONS_OPEN;
    if (q->states && !(q->states & ~failed))
        return of_job ? EXECUTIONS_FAILED_OF_JOB : EXECUTIONS_FAILED;
    if (execution_trigger_is_manual(q->trigger))
        return of_job ? EXECUTIONS_MANUAL_OF_JOB : EXECUTIONS_MANUAL;
    return of_job ? EXECUTIONS_OF_JOB : EXECUTIONS_OF_ALL;
}

static void bind_word(sqlite3_stmt *statement, int at, const char *word)
{
    sqlite3_bind_text(statement, at, word, -1, SQLITE_STATIC); // NULL binds NULL.
}

enum err sqlite_list_executions(struct store_reader *reader, const struct execution_query *q,
                                store_each_execution *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    enum query which = choose_query(q);
    sqlite3_stmt *statement = r->queries[which];
    struct execution_walk w = execution_walk(each, context);
    w.walk.leaves_out = true;
    int trigger = q->trigger;
    sqlite3_bind_int64(statement, 1, q->from);
    sqlite3_bind_int64(statement, 2, MIN(q->to, q->before.scheduled_at));
    sqlite3_bind_int64(statement, 3, q->before.scheduled_at);
    sqlite3_bind_int64(statement, 4, q->before.id);
    sqlite_bind_set(statement, 5, q->states, &execution_state_words);
    bind_word(statement, 6,
              trigger < 0 ? NULL : execution_trigger_name((enum execution_trigger)trigger));
    sqlite3_bind_int64(statement, 7, q->job);
    sqlite3_bind_int64(statement, 8, sqlite_limit(q->limit));
    sqlite3_bind_int64(statement, 9, q->http_status);
    sqlite3_bind_int64(statement, 10, q->lateness_min_ms);
    return sqlite_walk_query(r, which, &w.walk, f);
}

enum err sqlite_get_execution(struct store_reader *reader, const struct execution_key *key,
                              store_each_execution *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    enum query which = key->series < 0 ? EXECUTION_GET_MANUAL : EXECUTION_GET;
    sqlite3_stmt *statement = r->queries[which];
    struct execution_walk w = execution_walk(each, context);
    sqlite3_bind_int64(statement, 1, key->job);
    if (key->series >= 0)
        sqlite3_bind_int64(statement, 2, key->scheduled_at);
    sqlite3_bind_int64(statement, 3, key->series);
    enum err err = sqlite_walk_query(r, which, &w.walk, f);
    if (!err && !w.found)
        err = fault_set(f, ERR_NOT_FOUND, "job %lld has no such execution", (long long)key->job);
    return err;
}

struct attempt_walk {
    struct walk walk;
    const struct row_map *map;
    store_each_attempt *each;
    void *context;
};

static enum err visit_attempt(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct attempt_walk *w = (struct attempt_walk *)walk;
    struct attempt a = {.number = ATTEMPT_IN_ROW};
    enum err err;
    return walk_read(walk, w->map, statement, &a, &err, f) ? w->each(w->context, &a) : err;
}

enum err sqlite_list_attempts(struct store_reader *reader, const struct execution_place *of,
                              store_each_attempt *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    struct attempt_walk w = {.walk = {.visit = visit_attempt, .leaves_out = true},
                             .map = &first_attempt_rows,
                             .each = each,
                             .context = context};
    sqlite3_bind_int64(r->queries[ATTEMPT_FIRST_GET], 1, of->id);
    enum err err = sqlite_walk_query(r, ATTEMPT_FIRST_GET, &w.walk, f);
    if (err)
        return err;
    w.map = &attempt_rows;
    sqlite3_bind_int64(r->queries[ATTEMPTS_LIST], 1, of->id);
    return sqlite_walk_query(r, ATTEMPTS_LIST, &w.walk, f);
}

struct count_walk {
    struct walk walk;
    int64_t counts[EXECUTION_STATES];
};

static enum err visit_count(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct count_walk *w = (struct count_walk *)walk;
    const char *word = (const char *)sqlite3_column_text(statement, 0);
    int state;
    if (enum_find(&execution_state_words, word, &state))
        w->counts[state] = sqlite3_column_int64(statement, 1);
    else
        fault_set(f, ERR_STORE_CORRUPT, "table job_executions holds the status '%s'", word);
    return ERR_OK;
}

enum err sqlite_count_executions(struct store_reader *reader, wall_ms from, wall_ms to,
                                 int64_t *counts, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    struct count_walk w = {.walk = {.visit = visit_count}};
    sqlite3_bind_int64(r->queries[EXECUTIONS_COUNT], 1, from);
    sqlite3_bind_int64(r->queries[EXECUTIONS_COUNT], 2, to);
    enum err err = sqlite_walk_query(r, EXECUTIONS_COUNT, &w.walk, f);
    for (size_t i = 0; i < EXECUTION_STATES && !err; i++)
        counts[i] = w.counts[i];
    return err;
}
