// SPDX-License-Identifier: MIT
// registry.c: small tables in SQLite, on a connection of its own.
//
// A second writer beside the writing thread: each change takes the latch (latch.c), then the
// database's write lock at once, and is over within a few milliseconds. The writing thread waits
// for that as it waits for other programs.

#include "store/sqlite/registry_priv.h"

#include <assert.h>
#include <string.h>

#define LIVE " (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1))"

static const struct sql token_sql[TOKEN_STATEMENTS] = {
    [TOKEN_BEGIN] = {"BEGIN IMMEDIATE", NULL, NULL},
    [TOKEN_COMMIT] = {"COMMIT", NULL, NULL},
    [TOKEN_ROLLBACK] = {"ROLLBACK", NULL, NULL},
    // How many are live, how many of them have the name, and the next id.
    [TOKEN_NAME_FIND] = {"SELECT count(*) FILTER (WHERE" LIVE "),"
                         " count(*) FILTER (WHERE name = ?2 AND" LIVE "),"
                         " coalesce(max(id), 0) + 1 FROM tokens",
                         NULL, NULL},
    [TOKEN_INSERT] = {"INSERT INTO tokens (%s, digest)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                      row_names, &token_rows},
    [TOKENS_SWEEP] = {"DELETE FROM tokens WHERE revoked_at < ?1 OR expires_at < ?1", NULL, NULL},
    [TOKEN_AUDIT] = {"%s", row_insert_sql, &audit_rows},
    [TOKEN_REVOKE] = {"UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
                      NULL, NULL},
    [TOKEN_FIND] = {"SELECT %s, digest FROM tokens WHERE digest = ?1", row_names, &token_rows},
    [TOKENS_LIST] = {"SELECT %s, digest FROM tokens ORDER BY id", row_names, &token_rows},
    [TOKEN_TOUCH] = {"UPDATE tokens SET last_used_at = ?2, last_address = ?3"
                     " WHERE id = ?1 AND coalesce(last_used_at, 0) < ?2",
                     NULL, NULL},
    [TOKENS_COUNT] = {"SELECT count(*), count(*) FILTER (WHERE" LIVE "),"
                      " count(*) FILTER (WHERE scope = 'admin' AND" LIVE ") FROM tokens",
                      NULL, NULL},
    [KEY_INSERT] = {"INSERT OR IGNORE INTO callback_key (id, key) VALUES (1, ?1)", NULL, NULL},
    [KEY_FIND] = {"SELECT key FROM callback_key WHERE id = 1", NULL, NULL},
};

static sqlite3_stmt *statement_of(struct store_registry *r, enum token_statement which)
{
    return ((struct sqlite_registry *)r)->statements[which];
}

static enum err run(struct sqlite_registry *r, enum token_statement which, struct fault *f)
{
    sqlite3_stmt *statement = r->statements[which];
    enum err err = ERR_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(r->db, "writing", f);
    sqlite3_reset(statement);
    return err;
}

enum err sqlite_registry_begin(struct sqlite_registry *r, struct fault *f)
{
    enum err err = sqlite_latch_take(r->latch, f);
    if (err)
        return err;
    err = run(r, TOKEN_BEGIN, f);
    if (err)
        sqlite_latch_release(r->latch);
    return err;
}

enum err sqlite_registry_end(struct sqlite_registry *r, enum err err, struct fault *f)
{
    if (!err)
        err = run(r, TOKEN_COMMIT, f);
    if (err && !sqlite3_get_autocommit(r->db)) { // SQLite rolls back some errors by itself.
        struct fault ignored;                    // The first error is the one to tell.
        if (run(r, TOKEN_ROLLBACK, &ignored))
            sqlite3_log(SQLITE_ERROR, "rollback failed: %s", ignored.text);
    }
    sqlite_latch_release(r->latch);
    return err;
}

// --- Changes ---------------------------------------------------------------------------------

static enum err check_name(struct sqlite_registry *r, const struct access_token *t, int64_t *id,
                           struct fault *f)
{
    sqlite3_stmt *statement = r->statements[TOKEN_NAME_FIND];
    enum err err = ERR_OK;
    sqlite3_bind_int64(statement, 1, t->created_at);
    sqlite3_bind_text(statement, 2, t->name, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_ROW)
        err = sqlite_fault(r->db, "reading", f);
    else if (sqlite3_column_int64(statement, 1) > 0)
        err = fault_set(f, ERR_EXISTS, "a token has this name");
    else if (sqlite3_column_int64(statement, 0) >= TOKENS_MAX)
        err = fault_set(f, ERR_LIMIT, "there are %d tokens already", TOKENS_MAX);
    else
        *id = sqlite3_column_int64(statement, 2);
    sqlite3_reset(statement);
    return err;
}

enum err sqlite_registry_audit(struct sqlite_registry *r, const struct audit_entry *e,
                               struct fault *f)
{
    row_bind(&audit_rows, r->statements[TOKEN_AUDIT], e);
    return run(r, TOKEN_AUDIT, f);
}

static enum err put(struct sqlite_registry *r, const struct access_token *t, struct fault *f)
{
    sqlite3_stmt *statement = r->statements[TOKEN_INSERT];
    row_bind(&token_rows, statement, t);
    sqlite3_bind_blob(statement, (int)token_rows.count + 1, t->digest, sizeof t->digest,
                      SQLITE_STATIC);
    enum err err = run(r, TOKEN_INSERT, f);
    if (err)
        return err;
    sqlite3_bind_int64(r->statements[TOKENS_SWEEP], 1, t->created_at - TOKEN_KEPT_MS);
    return run(r, TOKENS_SWEEP, f);
}

static enum err insert_token(struct store_registry *registry, const struct access_token *t,
                             const struct audit_entry *e, int64_t *id, struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    struct access_token own = *t;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    err = check_name(r, t, &own.id, f);
    if (!err)
        err = put(r, &own, f);
    if (!err)
        err = sqlite_registry_audit(r, e, f);
    err = sqlite_registry_end(r, err, f);
    if (!err)
        *id = own.id;
    return err;
}

static enum err revoke_token(struct store_registry *registry, int64_t id, wall_ms now,
                             const struct audit_entry *e, struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    sqlite3_bind_int64(r->statements[TOKEN_REVOKE], 1, id);
    sqlite3_bind_int64(r->statements[TOKEN_REVOKE], 2, now);
    err = run(r, TOKEN_REVOKE, f);
    if (!err && sqlite3_changes(r->db) == 0)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such token");
    if (!err)
        err = sqlite_registry_audit(r, e, f);
    return sqlite_registry_end(r, err, f);
}

// Without a wait for the disk: a commit of the writing thread takes it along.
static enum err touch_token(struct store_registry *registry, int64_t id, wall_ms at,
                            const char *address, struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    sqlite3_stmt *statement = r->statements[TOKEN_TOUCH];
    enum err err = sqlite_execute(r->db, "PRAGMA synchronous = NORMAL;", f);
    if (!err)
        err = sqlite_registry_begin(r, f);
    if (!err) {
        sqlite3_bind_int64(statement, 1, id);
        sqlite3_bind_int64(statement, 2, at);
        sqlite3_bind_text(statement, 3, address, -1, SQLITE_STATIC);
        err = sqlite_registry_end(r, run(r, TOKEN_TOUCH, f), f);
    }
    struct fault ignored;
    enum err back = sqlite_execute(r->db, "PRAGMA synchronous = FULL;", err ? &ignored : f);
    return err ? err : back;
}

// --- Questions -------------------------------------------------------------------------------

struct token_walk {
    struct walk walk;
    bool found;
    store_each_token *each;
    void *context;
};

static enum err visit_token(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct token_walk *w = (struct token_walk *)walk;
    struct access_token t = {0};
    enum err err = row_read(&token_rows, statement, &t, f);
    int at = (int)token_rows.count;
    if (err)
        return err;
    if (sqlite3_column_bytes(statement, at) != TOKEN_DIGEST_BYTES)
        return fault_set(f, ERR_STORE_CORRUPT, "table tokens holds a digest of another size");
    memcpy(t.digest, sqlite3_column_blob(statement, at), TOKEN_DIGEST_BYTES);
    w->found = true;
    return w->each(w->context, &t);
}

static enum err find_token(struct store_registry *r, const uint8_t *digest, store_each_token *each,
                           void *context, struct fault *f)
{
    struct token_walk w = {.walk = {.visit = visit_token}, .each = each, .context = context};
    sqlite3_stmt *statement = statement_of(r, TOKEN_FIND);
    sqlite3_bind_blob(statement, 1, digest, TOKEN_DIGEST_BYTES, SQLITE_STATIC);
    enum err err = sqlite_walk(((struct sqlite_registry *)r)->db, statement, &w.walk, f);
    if (err || w.found)
        return err;
    return fault_set(f, ERR_NOT_FOUND, "there is no such token");
}

static enum err list_tokens(struct store_registry *r, store_each_token *each, void *context,
                            struct fault *f)
{
    struct token_walk w = {.walk = {.visit = visit_token}, .each = each, .context = context};
    return sqlite_walk(((struct sqlite_registry *)r)->db, statement_of(r, TOKENS_LIST), &w.walk, f);
}

static enum err count_tokens(struct store_registry *r, wall_ms now, struct token_counts *out,
                             struct fault *f)
{
    sqlite3_stmt *statement = statement_of(r, TOKENS_COUNT);
    enum err err = ERR_OK;
    sqlite3_bind_int64(statement, 1, now);
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = (struct token_counts){.all = sqlite3_column_int64(statement, 0),
                                     .live = sqlite3_column_int64(statement, 1),
                                     .admins = sqlite3_column_int64(statement, 2)};
    else
        err = sqlite_fault(((struct sqlite_registry *)r)->db, "reading", f);
    sqlite3_reset(statement);
    return err;
}

// --- The key of callbacks --------------------------------------------------------------------

static enum err find_key(struct sqlite_registry *r, char *out, struct fault *f)
{
    sqlite3_stmt *statement = r->statements[KEY_FIND];
    bool is_there = sqlite3_step(statement) == SQLITE_ROW;
    const char *key = is_there ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    enum err err = registry_take_key(key, out, f);
    sqlite3_reset(statement);
    return err;
}

static enum err callback_key(struct store_registry *registry, const char *drawn, char *out,
                             struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    sqlite3_stmt *insert = r->statements[KEY_INSERT];
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    sqlite3_bind_text(insert, 1, drawn, -1, SQLITE_STATIC);
    err = run(r, KEY_INSERT, f);
    if (!err)
        err = find_key(r, out, f);
    return sqlite_registry_end(r, err, f);
}

// --- Opening and closing ---------------------------------------------------------------------

static void close_registry(struct store_registry *registry)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    for (size_t i = 0; i < TOKEN_STATEMENTS; i++)
        sqlite3_finalize(r->statements[i]);
    for (size_t i = 0; i < OUTBOX_STATEMENTS; i++)
        sqlite3_finalize(r->outbox[i]);
    int rc = sqlite3_close(r->db);
    assert(rc == SQLITE_OK);
    sqlite_latch_close(r->latch);
    free(r);
}

enum err sqlite_registry_open_beside(const char *path, struct store_registry **out, struct fault *f)
{
    static const struct store_registry_ops ops = {
        .outbox = &sqlite_outbox,
        .close = close_registry,
        .insert_token = insert_token,
        .revoke_token = revoke_token,
        .find_token = find_token,
        .list_tokens = list_tokens,
        .touch_token = touch_token,
        .count_tokens = count_tokens,
        .insert_row = sqlite_insert_row,
        .update_row = sqlite_update_row,
        .delete_row = sqlite_delete_row,
        .list_rows = sqlite_list_rows,
        .note_channel = sqlite_note_channel,
        .callback_key = callback_key,
    };
    static const char pragmas[] = "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                                  "PRAGMA cache_size = -256; PRAGMA mmap_size = 0;"
                                  "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;";
    struct sqlite_registry *r = xcalloc(1, sizeof *r);
    r->registry.ops = &ops;
    r->latch = sqlite_latch_open(path);
    enum err err = sqlite_connect(path, SQLITE_OPEN_READWRITE, &r->db, f);
    if (!err)
        err = sqlite_execute(r->db, pragmas, f);
    if (!err)
        err = sqlite_check_current(r->db, path, f);
    if (!err)
        err = sqlite_prepare_all(r->db, token_sql, TOKEN_STATEMENTS, r->statements, f);
    if (!err)
        err = sqlite_prepare_all(r->db, sqlite_outbox_sql, OUTBOX_STATEMENTS, r->outbox, f);
    if (err) {
        close_registry(&r->registry);
        return err;
    }
    *out = &r->registry;
    return ERR_OK;
}

enum err sqlite_registry_open(struct store *store, struct store_registry **out, struct fault *f)
{
    return sqlite_registry_open_beside(((struct sqlite_store *)store)->path, out, f);
}
