// SPDX-License-Identifier: MIT
// audit.c: what somebody has changed, written with the change, listed by whatever is asked for.
//
// Of the filters the one that leaves the fewest rows chooses the index; the others are looked at in
// each row that comes by.

#include "store/sqlite/reader_priv.h"

enum err sqlite_put_audit(struct sqlite_store *s, const struct audit_entry *e, struct fault *f)
{
    row_bind(&audit_rows, s->statements[AUDIT_INSERT], e);
    return sqlite_run(s, AUDIT_INSERT, f);
}

enum err sqlite_sweep_audit(struct sqlite_store *s, wall_ms before, size_t rows_max,
                            size_t *removed, struct fault *f)
{
    sqlite3_bind_int64(s->statements[AUDIT_SWEEP], 1, before);
    sqlite3_bind_int64(s->statements[AUDIT_SWEEP], 2, (int64_t)rows_max);
    enum err err = sqlite_run(s, AUDIT_SWEEP, f);
    if (!err)
        *removed = (size_t)sqlite3_changes(s->db);
    return err;
}

struct audit_walk {
    struct walk walk;
    store_each_audit *each;
    void *context;
};

static enum err visit_entry(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct audit_walk *w = (struct audit_walk *)walk;
    struct audit_entry e = {0};
    enum err err;
    if (!walk_read(walk, &audit_rows, statement, &e, &err, f))
        return err;
    return w->each(w->context, &e);
}

static enum query which_query(const struct audit_query *q)
{
    if (q->job)
        return AUDIT_OF_JOB;
    if (q->token)
        return AUDIT_OF_TOKEN;
    return q->action >= 0 ? AUDIT_OF_ACTION : AUDIT_OF_ALL;
}

enum err sqlite_list_audit(struct store_reader *reader, const struct audit_query *q,
                           store_each_audit *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    enum query which = which_query(q);
    sqlite3_stmt *statement = r->queries[which];
    struct audit_walk w = {{.visit = visit_entry, .leaves_out = true}, each, context};
    sqlite3_bind_int64(statement, 1, q->from);
    sqlite3_bind_int64(statement, 2, MIN(q->to, q->before.at));
    sqlite3_bind_int64(statement, 3, q->before.at);
    sqlite3_bind_int64(statement, 4, q->before.id);
    sqlite3_bind_int64(statement, 5, q->job);
    sqlite3_bind_text(statement, 6, q->token, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 7,
                      q->action < 0 ? NULL : enum_word(&audit_action_words, q->action), -1,
                      SQLITE_STATIC);
    sqlite3_bind_int64(statement, 8, (int64_t)MIN(q->limit, (size_t)INT32_MAX));
    return sqlite_walk_query(r, which, &w.walk, f);
}
