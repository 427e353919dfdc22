// SPDX-License-Identifier: MIT
// retain.c: the oldest terminal executions go, with all that belongs to them (functions.c).

#include "store/postgres/postgres_priv.h"

static void add_age(struct parameters *p, const struct store_retention *r, wall_ms now)
{
    parameter_integer(p, now - r->age_ms);
    p->is_null[p->used - 1] = r->age_ms == 0;
}

enum err postgres_retain(struct store *store, const struct store_retention *r, wall_ms now,
                         size_t rows_max, size_t *removed, struct fault *f)
{
    struct postgres_store *s = (struct postgres_store *)store;
    struct parameters p = {0};
    PGresult *result = NULL;
    add_age(&p, r, now);
    parameter_integer(&p, r->executions_max);
    parameter_integer(&p, (int64_t)rows_max);
    parameter_integer(&p, now - CLIENT_KEY_AGE_MS);
    parameter_integer(&p, s->sweep_after);
    enum err err = link_run(
        &s->link, "SELECT gone, swept FROM carillon_retain_1($1, $2, $3, $4, $5)", &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    struct result_row row = {result, 0};
    *removed = (size_t)result_integer(&row, 0);
    s->sweep_after = result_integer(&row, 1);
    PQclear(result);
    return ERR_OK;
}
