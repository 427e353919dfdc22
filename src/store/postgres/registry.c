// SPDX-License-Identifier: MIT
// registry.c: small tables in PostgreSQL, on a connection of its own.

#include "store/postgres/registry_priv.h"

#include <assert.h>
#include <stdio.h>

// $1: name, $2: digest, $3: scope, $4: tag, $5: created_at, $6: expires_at, $7: how many may be
// live, $8: what was over before this instant goes, $9: executions_per_second, $10: max_jobs, $11:
// max_bytes. The id; 0: the name is taken; -1: the limit.
static const char insert_function[] =
    "CREATE OR REPLACE FUNCTION carillon_token_3(text, bytea, text, text, bigint, bigint, bigint,"
    " bigint, bigint, bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS $body$ DECLARE live "
    "bigint; same bigint;"
    " new_id bigint; BEGIN"
    " LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE;"
    " SELECT count(*), count(*) FILTER (WHERE name = $1) INTO live, same FROM tokens"
    "  WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $5);"
    " IF same > 0 THEN RETURN 0; END IF; IF live >= $7 THEN RETURN -1; END IF;"
    " SELECT coalesce(max(id), 0) + 1 INTO new_id FROM tokens;"
    " INSERT INTO tokens (id, name, digest, scope, tag, created_at, expires_at,"
    "   executions_per_second, max_jobs, max_bytes)"
    "  VALUES (new_id, $1, $2, $3, $4, $5, $6, $9, $10, $11);"
    " DELETE FROM tokens WHERE revoked_at < $8 OR expires_at < $8;"
    " RETURN new_id; END $body$;\n";

const char *const postgres_registry_functions[] = {insert_function, NULL};

#define LIVE " revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)"

enum err postgres_registry_run(struct store_registry *r, const char *sql, struct parameters *p,
                               PGresult **out, struct fault *f)
{
    struct link *l = &((struct postgres_registry *)r)->link;
    enum err err = link_run(l, sql, p, out, f);
    parameters_fini(p);
    return err;
}

enum err postgres_registry_change(struct store_registry *r, const char *sql, struct parameters *p,
                                  PGresult **out, struct fault *f)
{
    struct link *l = &((struct postgres_registry *)r)->link;
    enum err err = postgres_registry_run(r, sql, p, out, f);
    if (err == ERR_STORE_AWAY && l->is_doubtful)
        return f ? f->code = ERR_DOUBT : ERR_DOUBT;
    if (!err && l->has_warned) {
        PQclear(*out);
        return fault_set(f, ERR_DOUBT, "the server gave up waiting for its replica");
    }
    return err;
}

void postgres_registry_audit(struct parameters *p, const struct audit_entry *e)
{
    parameter_integer(p, e->at);
    parameter_text(p, audit_action_name(e->action));
    parameter_text(p, e->subject);
    parameter_integer_or_null(p, e->by.token, 0);
    parameter_text(p, e->by.token_name);
    parameter_text(p, e->by.address);
    parameter_text(p, e->by.request_id);
    parameter_text(p, e->before);
    parameter_text(p, e->after);
    parameter_integer_or_null(p, e->job, 0);
}

// --- Changes ---------------------------------------------------------------------------------

static enum err insert_token(struct store_registry *r, const struct access_token *t,
                             const struct audit_entry *e, int64_t *id, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_text(&p, t->name);
    parameter_bytes(&p, t->digest, sizeof t->digest);
    parameter_text(&p, token_scope_name(t->scope));
    parameter_text(&p, t->tag);
    parameter_integer(&p, t->created_at);
    parameter_integer_or_null(&p, t->expires_at, WALL_NEVER);
    parameter_integer(&p, TOKENS_MAX);
    parameter_integer(&p, t->created_at - TOKEN_KEPT_MS);
    parameter_integer_or_null(&p, t->executions_per_second, 0);
    parameter_integer_or_null(&p, t->max_jobs, 0);
    parameter_integer_or_null(&p, t->max_bytes, 0);
    postgres_registry_audit(&p, e);
    enum err err = postgres_registry_change(
        r,
        "WITH t AS MATERIALIZED (SELECT carillon_token_3($1, $2, $3, $4, $5, "
        "$6, $7, $8, $9, $10, $11) AS id),"
        " a AS (" AUDIT_COLUMNS
        " $12, $13, $14, $15, $16, $17, $18, $19, $20, $21 FROM t WHERE id > 0)"
        " SELECT id FROM t",
        &p, &result, f);
    if (err)
        return err;
    int64_t made = result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    if (made == 0)
        return fault_set(f, ERR_EXISTS, "a token has this name");
    if (made < 0)
        return fault_set(f, ERR_LIMIT, "there are %d tokens already", TOKENS_MAX);
    *id = made;
    return ERR_OK;
}

static enum err revoke_token(struct store_registry *r, int64_t id, wall_ms now,
                             const struct audit_entry *e, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_integer(&p, id);
    parameter_integer(&p, now);
    postgres_registry_audit(&p, e);
    enum err err = postgres_registry_change(
        r,
        "WITH t AS (UPDATE tokens SET revoked_at = $2 WHERE id = $1"
        " AND revoked_at IS NULL RETURNING id), a AS (" AUDIT_COLUMNS
        " $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM t) SELECT id FROM t",
        &p, &result, f);
    if (err)
        return err;
    int found = PQntuples(result);
    PQclear(result);
    return found ? ERR_OK : fault_set(f, ERR_NOT_FOUND, "there is no such token");
}

// Waits neither for the disk nor for a replica: what is lost is the time of a use.
static enum err touch_token(struct store_registry *r, int64_t id, wall_ms at, const char *address,
                            struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_integer(&p, id);
    parameter_integer(&p, at);
    parameter_text(&p, address);
    enum err err =
        postgres_registry_run(r,
                              "UPDATE tokens SET last_used_at = $2, last_address = $3"
                              " FROM (SELECT set_config('synchronous_commit', 'off', true)) AS s"
                              " WHERE id = $1 AND coalesce(last_used_at, 0) < $2",
                              &p, &result, f);
    if (!err)
        PQclear(result);
    return err;
}

// --- Questions -------------------------------------------------------------------------------

static enum err tell_token(const struct result_row *r, store_each_token *each, void *context,
                           struct fault *f)
{
    struct access_token t = {0};
    int at = (int)token_rows.count;
    enum err err = result_read(&token_rows, r, &t, f);
    if (err)
        return err;
    if (PQgetlength(r->result, r->row, at) != TOKEN_DIGEST_BYTES)
        return fault_set(f, ERR_STORE_CORRUPT, "table tokens holds a digest of another size");
    memcpy(t.digest, PQgetvalue(r->result, r->row, at), TOKEN_DIGEST_BYTES);
    return each(context, &t);
}

static enum err ask(struct store_registry *registry, const char *rest, struct parameters *p,
                    store_each_token *each, void *context, int *found, struct fault *f)
{
    char names[512], sql[640];
    PGresult *result;
    row_names(&token_rows, names, sizeof names);
    snprintf(sql, sizeof sql, "SELECT %s, digest FROM tokens %s", names, rest);
    enum err err = postgres_registry_run(registry, sql, p, &result, f);
    if (err)
        return err;
    *found = PQntuples(result);
    struct result_row r = {result, 0};
    for (; r.row < *found && !err; r.row++)
        err = tell_token(&r, each, context, f);
    PQclear(result);
    return err;
}

static enum err find_token(struct store_registry *r, const uint8_t *digest, store_each_token *each,
                           void *context, struct fault *f)
{
    struct parameters p = {0};
    int found = 0;
    parameter_bytes(&p, digest, TOKEN_DIGEST_BYTES);
    enum err err = ask(r, "WHERE digest = $1", &p, each, context, &found, f);
    if (err || found > 0)
        return err;
    return fault_set(f, ERR_NOT_FOUND, "there is no such token");
}

static enum err list_tokens(struct store_registry *r, store_each_token *each, void *context,
                            struct fault *f)
{
    struct parameters p = {0};
    int found;
    return ask(r, "ORDER BY id", &p, each, context, &found, f);
}

static enum err count_tokens(struct store_registry *r, wall_ms now, struct token_counts *out,
                             struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_integer(&p, now);
    enum err err =
        postgres_registry_run(r,
                              "SELECT count(*), count(*) FILTER (WHERE" LIVE "),"
                              " count(*) FILTER (WHERE scope = 'admin' AND" LIVE ") FROM tokens",
                              &p, &result, f);
    if (err)
        return err;
    struct result_row row = {result, 0};
    *out = (struct token_counts){.all = result_integer(&row, 0),
                                 .live = result_integer(&row, 1),
                                 .admins = result_integer(&row, 2)};
    PQclear(result);
    return ERR_OK;
}

// --- The key of callbacks --------------------------------------------------------------------

static enum err insert_key(struct store_registry *r, const char *drawn, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_text(&p, drawn);
    enum err err = postgres_registry_change(r,
                                            "INSERT INTO callback_key (id, key) VALUES (1, $1)"
                                            " ON CONFLICT (id) DO NOTHING",
                                            &p, &result, f);
    if (!err)
        PQclear(result);
    return err;
}

// What another node has put there meanwhile is seen by a statement of its own.
static enum err callback_key(struct store_registry *r, const char *drawn, char *out,
                             struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    enum err err = insert_key(r, drawn, f);
    if (!err)
        err = postgres_registry_run(r, "SELECT key FROM callback_key WHERE id = 1", &p, &result, f);
    if (err)
        return err;
    err = registry_take_key(PQntuples(result) ? PQgetvalue(result, 0, 0) : NULL, out, f);
    PQclear(result);
    return err;
}

// --- Opening and closing ---------------------------------------------------------------------

static void close_registry(struct store_registry *registry)
{
    struct postgres_registry *r = (struct postgres_registry *)registry;
    link_fini(&r->link);
    free(r);
}

enum err postgres_registry_open(struct store *store, struct store_registry **out, struct fault *f)
{
    static const struct store_registry_ops ops = {
        .outbox = &postgres_outbox,
        .close = close_registry,
        .insert_token = insert_token,
        .revoke_token = revoke_token,
        .find_token = find_token,
        .list_tokens = list_tokens,
        .touch_token = touch_token,
        .count_tokens = count_tokens,
        .insert_row = postgres_insert_row,
        .update_row = postgres_update_row,
        .delete_row = postgres_delete_row,
        .list_rows = postgres_list_rows,
        .note_channel = postgres_note_channel,
        .callback_key = callback_key,
    };
    struct postgres_registry *r = xcalloc(1, sizeof *r);
    (void)f;
    r->registry.ops = &ops;
    link_init(&r->link, ((struct postgres_store *)store)->link.url);
    *out = &r->registry;
    return ERR_OK;
}
