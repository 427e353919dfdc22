// SPDX-License-Identifier: MIT
// registry_priv.h: how the parts of a registry in SQLite see each other: registry.c has the
// connection and the tokens, small.c the tables that are told by their columns, outbox.c
// deliveries.

#ifndef CARILLON_STORE_SQLITE_REGISTRY_PRIV_H
#define CARILLON_STORE_SQLITE_REGISTRY_PRIV_H

#include "store/sqlite/sqlite_priv.h"

enum token_statement {
    TOKEN_BEGIN,
    TOKEN_COMMIT,
    TOKEN_ROLLBACK,
    TOKEN_NAME_FIND,
    TOKEN_INSERT,
    TOKENS_SWEEP,
    TOKEN_AUDIT,
    TOKEN_REVOKE,
    TOKEN_FIND,
    TOKENS_LIST,
    TOKEN_TOUCH,
    TOKENS_COUNT,
    KEY_INSERT,
    KEY_FIND,
    TOKEN_STATEMENTS
};

// Statements about deliveries (outbox.c).
enum outbox_statement {
    OUTBOX_WAITING,
    OUTBOX_OF_DELIVERY,
    OUTBOX_TELL,
    OUTBOX_LINK,
    OUTBOX_SILENCES,
    OUTBOX_UNSILENCE,
    OUTBOX_COUNT,
    OUTBOX_OPEN,
    OUTBOX_SEAL,
    OUTBOX_TAKE_OVER,
    OUTBOX_OPENINGS,
    OUTBOX_ADVANCE,
    OUTBOX_ENDS,
    OUTBOX_END,
    OUTBOX_ACKNOWLEDGE,
    OUTBOX_ATTEMPT,
    OUTBOX_AFTER,
    OUTBOX_GIVE_UP,
    OUTBOX_PENDING,
    OUTBOX_LIST,
    OUTBOX_LIST_OF_ALERT,
    OUTBOX_ATTEMPTS,
    OUTBOX_STATEMENTS
};
extern const struct sql sqlite_outbox_sql[OUTBOX_STATEMENTS];
extern const struct store_outbox_ops sqlite_outbox;

struct sqlite_registry {
    struct store_registry registry;
    sqlite3 *db;
    int latch;
    sqlite3_stmt *statements[TOKEN_STATEMENTS];
    sqlite3_stmt *outbox[OUTBOX_STATEMENTS];
};

// A transaction. The end commits, or rolls back after an error, which it returns.
MUST_CHECK enum err sqlite_registry_begin(struct sqlite_registry *r, struct fault *f);
MUST_CHECK enum err sqlite_registry_end(struct sqlite_registry *r, enum err err, struct fault *f);
MUST_CHECK enum err sqlite_registry_audit(struct sqlite_registry *r, const struct audit_entry *e,
                                          struct fault *f);

// --- small.c: see struct store_registry_ops --------------------------------------------------

MUST_CHECK enum err sqlite_insert_row(struct store_registry *r, enum small_table t, const void *row,
                                      wall_ms gone_before, const struct audit_entry *e, int64_t *id,
                                      struct fault *f);
MUST_CHECK enum err sqlite_update_row(struct store_registry *r, enum small_table t, const void *row,
                                      const struct audit_entry *e, struct fault *f);
MUST_CHECK enum err sqlite_delete_row(struct store_registry *r, enum small_table t, int64_t id,
                                      const struct audit_entry *e, struct fault *f);
MUST_CHECK enum err sqlite_list_rows(struct store_registry *r, enum small_table t,
                                     store_each_row *each, void *context, struct fault *f);
MUST_CHECK enum err sqlite_note_channel(struct store_registry *r, int64_t id,
                                        const struct channel_note *n, struct fault *f);

#endif
