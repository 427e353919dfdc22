// SPDX-License-Identifier: MIT
// audit.c: what somebody has changed: the list, and its end. It is written by commit.c.

#include "store/postgres/reader_priv.h"

struct audit_walk {
    struct walk walk;
    store_each_audit *each;
    void *context;
};

static enum err visit_entry(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct audit_walk *w = (struct audit_walk *)walk;
    struct audit_entry e = {0};
    if (result_read(&audit_rows, r, &e, f) != ERR_OK)
        return ERR_OK; // A list leaves out what was edited; *f tells.
    return w->each(w->context, &e);
}

static void add_filters(char *sql, struct parameters *p, const struct audit_query *q)
{
    if (q->job) {
        parameter_integer(p, q->job);
        row_append(sql, SQL_BYTES, " AND job_id = $%d", p->used);
    }
    if (q->token) {
        parameter_text(p, q->token);
        row_append(sql, SQL_BYTES, " AND token_name = $%d", p->used);
    }
    if (q->action >= 0) {
        parameter_text(p, enum_word(&audit_action_words, q->action));
        row_append(sql, SQL_BYTES, " AND action = $%d", p->used);
    }
}

enum err postgres_list_audit(struct store_reader *reader, const struct audit_query *q,
                             store_each_audit *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct audit_walk w = {{.visit = visit_entry}, each, context};
    struct parameters p = {0};
    reader_select(sql, &audit_rows, " WHERE at BETWEEN $1 AND $2 AND (at, id) < ($3, $4)");
    parameter_integer(&p, q->from);
    parameter_integer(&p, q->to);
    parameter_integer(&p, q->before.at);
    parameter_integer(&p, q->before.id);
    add_filters(sql, &p, q);
    parameter_integer(&p, (int64_t)MIN(q->limit, (size_t)INT32_MAX));
    row_append(sql, SQL_BYTES, " ORDER BY at DESC, id DESC LIMIT $%d", p.used);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}

enum err postgres_sweep_audit(struct postgres_store *s, wall_ms before, size_t rows_max,
                              size_t *removed, struct fault *f)
{
    static const char sql[] =
        "WITH gone AS (DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1"
        " ORDER BY at, id LIMIT $2) RETURNING 1) SELECT count(*) FROM gone";
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_integer(&p, before);
    parameter_integer(&p, (int64_t)rows_max);
    enum err err = link_run(&s->chores, sql, &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    *removed = (size_t)result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    return ERR_OK;
}
