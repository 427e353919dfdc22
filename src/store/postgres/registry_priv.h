// SPDX-License-Identifier: MIT
// registry_priv.h: how the parts of a registry in PostgreSQL see each other: registry.c has the
// connection and the tokens, small.c the tables that are told by their columns, outbox.c
// deliveries.

#ifndef CARILLON_STORE_POSTGRES_REGISTRY_PRIV_H
#define CARILLON_STORE_POSTGRES_REGISTRY_PRIV_H

#include "store/postgres/postgres_priv.h"

extern const struct store_outbox_ops postgres_outbox; // outbox.c

struct postgres_registry {
    struct store_registry registry;
    struct link link;
};

// The caller clears *out; the parameters are freed. ERR_DOUBT: the call may have had its effect.
MUST_CHECK enum err postgres_registry_run(struct store_registry *r, const char *sql,
                                          struct parameters *p, PGresult **out, struct fault *f);
// The same for a change.
MUST_CHECK enum err postgres_registry_change(struct store_registry *r, const char *sql,
                                             struct parameters *p, PGresult **out, struct fault *f);

// Writes the entry of the audit; what stands behind it are the numbers of the entry's parameters.
#define AUDIT_COLUMNS                                                                              \
    " INSERT INTO audit (at, action, subject, token_id, token_name, address, request_id, before,"  \
    " after, job_id) SELECT "
#define AUDIT_PARAMETERS 10
void postgres_registry_audit(struct parameters *p, const struct audit_entry *e);

// --- small.c: see struct store_registry_ops --------------------------------------------------

MUST_CHECK enum err postgres_insert_row(struct store_registry *r, enum small_table t,
                                        const void *row, wall_ms gone_before,
                                        const struct audit_entry *e, int64_t *id, struct fault *f);
MUST_CHECK enum err postgres_update_row(struct store_registry *r, enum small_table t,
                                        const void *row, const struct audit_entry *e,
                                        struct fault *f);
MUST_CHECK enum err postgres_delete_row(struct store_registry *r, enum small_table t, int64_t id,
                                        const struct audit_entry *e, struct fault *f);
MUST_CHECK enum err postgres_list_rows(struct store_registry *r, enum small_table t,
                                       store_each_row *each, void *context, struct fault *f);
MUST_CHECK enum err postgres_note_channel(struct store_registry *r, int64_t id,
                                          const struct channel_note *n, struct fault *f);

#endif
