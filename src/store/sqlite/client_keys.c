// SPDX-License-Identifier: MIT
// client_keys.c: what clients' Idempotency-Keys stood for.
//
// A key is written in the transaction of the change that it asked for, and forgotten when it is
// older than CLIENT_KEY_AGE_MS; an old one that nobody has swept away yet counts as forgotten, too.

#include "store/sqlite/sqlite_priv.h"

#include <string.h>

enum client_key_column { KEY = 1, DIGEST, JOB_ID, SCHEDULED_AT, SERIES, CREATED_AT };

enum err sqlite_put_client_key(struct sqlite_store *s, const struct client_key *k, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[CLIENT_KEY_PUT];
    sqlite3_bind_text(statement, KEY, k->text, -1, SQLITE_STATIC);
    sqlite3_bind_blob(statement, DIGEST, k->digest, sizeof k->digest, SQLITE_STATIC);
    sqlite3_bind_int64(statement, JOB_ID, k->job);
    sqlite3_bind_int64(statement, SCHEDULED_AT, k->execution.scheduled_at);
    sqlite3_bind_int64(statement, SERIES, k->execution.series);
    sqlite3_bind_int64(statement, CREATED_AT, k->created_at);
    return sqlite_run(s, CLIENT_KEY_PUT, f);
}

enum err sqlite_sweep_client_keys(struct sqlite_store *s, wall_ms now, size_t rows_max,
                                  struct fault *f)
{
    sqlite3_bind_int64(s->statements[CLIENT_KEYS_SWEEP], 1, now - CLIENT_KEY_AGE_MS);
    sqlite3_bind_int64(s->statements[CLIENT_KEYS_SWEEP], 2, (int64_t)rows_max);
    return sqlite_run(s, CLIENT_KEYS_SWEEP, f);
}

enum err sqlite_read_client_key(sqlite3_stmt *row, struct client_key *out, struct fault *f)
{
    *out = (struct client_key){
        .text = (const char *)sqlite3_column_text(row, KEY - 1),
        .job = sqlite3_column_int64(row, JOB_ID - 1),
        .execution = {.job = sqlite3_column_int64(row, JOB_ID - 1),
                      .scheduled_at = sqlite3_column_int64(row, SCHEDULED_AT - 1),
                      .series = sqlite3_column_int64(row, SERIES - 1)},
        .created_at = sqlite3_column_int64(row, CREATED_AT - 1),
    };
    const struct execution_key *k = &out->execution;
    if (k->job < 1 || k->job > JOB_ID_MAX || k->scheduled_at < 0 || k->scheduled_at > WALL_LAST)
        return fault_set(f, ERR_STORE_CORRUPT, "table client_keys holds a key of nothing");
    if (sqlite3_column_bytes(row, DIGEST - 1) != CLIENT_KEY_DIGEST_BYTES)
        return fault_set(f, ERR_STORE_CORRUPT, "table client_keys holds a digest of another size");
    memcpy(out->digest, sqlite3_column_blob(row, DIGEST - 1), CLIENT_KEY_DIGEST_BYTES);
    return ERR_OK;
}
