// SPDX-License-Identifier: MIT
// memory_priv.h: how the parts of the memory adapter see each other.
//
// memory.c opens, clones and closes, tables.c holds the rows, commit.c changes them (and takes
// changes back), commands.c has commands of other nodes, registry.c tokens, small.c the
// other small tables, outbox.c deliveries, retain.c removes old rows, query.c answers queries.

#ifndef CARILLON_STORE_MEMORY_PRIV_H
#define CARILLON_STORE_MEMORY_PRIV_H

#include "store/store_priv.h"

#include <pthread.h>

struct memory_job {
    struct job *job;
    wall_ms deleted_at; // 0: it is there.
    struct job_versions versions;
};

// An execution with its attempts, in order of their number. Owns all its strings.
struct memory_execution {
    struct execution row;
    struct attempt *attempts;
    size_t attempt_count;
    size_t attempt_capacity;
};

// Rows in order of id. Every element is allocated for itself and starts with an int64_t id, or with
// a pointer to something that does; `id_of` knows.
struct table {
    void **rows;
    size_t count;
    size_t capacity;
    int64_t (*id_of)(const void *row);
};

// A set of executions by key: open addressing, linear probing. A manual execution is known by
// (job, series) alone, as its public id is.
struct key_set {
    struct memory_execution **slots;
    size_t slot_count; // A power of two, or 0.
    size_t used;
};

// A command, and its reply when it has one. Owns body and keys.
struct memory_command {
    struct command_id id;
    uint32_t shard;
    int64_t number;
    void *body;
    size_t bytes;
    char *key;     // The client's; NULL: none.
    char *job_key; // The key of the job to be created; NULL: none.
    wall_ms expires_at;
    int64_t claimed_by; // The epoch; 0: nobody.
    bool is_replied;
    struct command_reply reply;
};

// A delivery with its alerts, in order of id, and its attempts. Owns all its strings.
struct memory_delivery {
    struct delivery row;
    char *dedup_key;       // Under which it keeps incidents open; NULL: none.
    int64_t watched_alert; // From which of its alerts on; 0: nothing is open.
    bool is_acknowledged;  // The channel knows that somebody looks after them.
    int64_t *alerts;
    size_t alert_count;
    size_t alert_capacity;
    struct delivery_attempt *attempts;
    size_t attempt_capacity;
};

struct memory_store {
    struct store store;
    pthread_mutex_t lock; // Readers live on other threads.
    struct table jobs;    // struct memory_job
    struct table executions;
    struct table alerts; // struct alert
    struct table audit;  // struct audit_entry
    int64_t audit_last;  // The last id that an entry got.
    struct key_set keys;
    struct client_key *client_keys; // In no order. Own their texts.
    size_t client_key_count;
    size_t client_key_capacity;
    struct memory_command *commands; // In order of number.
    size_t command_count;
    size_t command_capacity;
    int64_t command_number;            // The last that was given.
    struct memory_commands *listeners; // All that are open.
    struct access_token *tokens;       // In order of id. Own their texts.
    size_t token_count;
    size_t token_capacity;
    struct memory_delivery *deliveries; // In order of id.
    size_t delivery_count;
    size_t delivery_capacity;
    int64_t delivery_last;            // The last id that was given.
    struct table small[SMALL_TABLES]; // union small_row
    int64_t small_last[SMALL_TABLES]; // The last id that a row got.
    struct shard *shards;             // By number; store.shards of them.
    wall_ms removed_to;               // The latest instant of which retention has removed a row.
    char callback_key[CALLBACK_KEY_BYTES]; // "": none yet.
};

// --- tables.c --------------------------------------------------------------------------------

void *table_find(const struct table *t, int64_t id); // NULL when there is none.
// The position of the first row with an id of at least `id`.
size_t table_position(const struct table *t, int64_t id);
void table_insert(struct table *t, void *row); // The id must be new.
void *table_take(struct table *t, int64_t id); // Removes it and hands it over.

struct memory_execution *key_set_find(const struct key_set *s, const struct execution_key *key);
void key_set_insert(struct key_set *s, struct memory_execution *e);
void key_set_remove(struct key_set *s, struct memory_execution *e);

// Copies of the struct with strings of its own, and their end.
struct execution execution_own(const struct execution *e);
void execution_disown(struct execution *e);
struct attempt attempt_own(const struct attempt *a);
void attempt_disown(struct attempt *a);
struct memory_execution *memory_execution_new(const struct execution *e);
void memory_execution_free(struct memory_execution *e);
struct memory_job *memory_job_new(const struct job *j);
void memory_job_disown(struct memory_job *j); // Frees what it holds, not the struct.
struct alert *alert_new(const struct alert *a);
void alert_free(struct alert *a);

void memory_audit_put(struct memory_store *s, const struct audit_entry *e); // Gives it an id.
// Removes entries of before, at most `rows_max`; says how many.
size_t memory_audit_sweep(struct memory_store *s, wall_ms before, size_t rows_max);
void memory_audit_copy(struct memory_store *to, const struct memory_store *from);
// Under the store's lock.
MUST_CHECK enum err memory_list_audit(const struct memory_store *s, const struct audit_query *q,
                                      store_each_audit *each, void *context);

struct client_key *memory_client_key_find(const struct memory_store *s, const char *text);
void memory_client_key_put(struct memory_store *s, const struct client_key *k);
void memory_client_keys_sweep(struct memory_store *s, wall_ms before);

struct memory_command *memory_command_find(const struct memory_store *s,
                                           const struct command_id *id);
struct memory_command *memory_command_add(struct memory_store *s, const struct command_id *id);
void memory_command_remove(struct memory_store *s, struct memory_command *row);
// The key that the command has reserved, if it has one, is free again.
void memory_reservation_remove(struct memory_store *s, const struct memory_command *row);
void memory_commands_copy(struct memory_store *to, const struct memory_store *from);
void memory_commands_free(struct memory_store *s);

void memory_tokens_copy(struct memory_store *to, const struct memory_store *from);
void memory_tokens_free(struct memory_store *s);

// small.c
void memory_small_init(struct memory_store *s);
void memory_small_copy(struct memory_store *to, const struct memory_store *from);
void memory_small_free(struct memory_store *s);

extern const struct store_outbox_ops memory_outbox;
void memory_deliveries_copy(struct memory_store *to, const struct memory_store *from);
void memory_deliveries_free(struct memory_store *s);
void memory_deliveries_sweep(struct memory_store *s, wall_ms before); // What is over.

void memory_tables_init(struct memory_store *s);
void memory_tables_copy(struct memory_store *to, const struct memory_store *from);
void memory_tables_free(struct memory_store *s);

// --- The port --------------------------------------------------------------------------------

MUST_CHECK enum commit_outcome memory_commit(struct store *store, struct batch *const *batches,
                                             size_t count, struct commit_cause *cause);
MUST_CHECK enum err memory_retain(struct store *store, const struct store_retention *r, wall_ms now,
                                  size_t rows_max, size_t *removed, struct fault *f);
MUST_CHECK enum err memory_reader_open(struct store *store, struct store_reader **out,
                                       struct fault *f);
MUST_CHECK enum err memory_commands_open(struct store *store, struct store_commands **out,
                                         struct fault *f);
MUST_CHECK enum err memory_registry_open(struct store *store, struct store_registry **out,
                                         struct fault *f);

// The store of a registry, locked; and its unlocking, which returns `err`.
struct memory_store *memory_registry_lock(struct store_registry *r);
enum err memory_registry_unlock(struct memory_store *s, enum err err);
MUST_CHECK enum err memory_insert_row(struct store_registry *r, enum small_table t, const void *row,
                                      wall_ms gone_before, const struct audit_entry *e, int64_t *id,
                                      struct fault *f);
MUST_CHECK enum err memory_update_row(struct store_registry *r, enum small_table t, const void *row,
                                      const struct audit_entry *e, struct fault *f);
MUST_CHECK enum err memory_delete_row(struct store_registry *r, enum small_table t, int64_t id,
                                      const struct audit_entry *e, struct fault *f);
MUST_CHECK enum err memory_list_rows(struct store_registry *r, enum small_table t,
                                     store_each_row *each, void *context, struct fault *f);
MUST_CHECK enum err memory_note_channel(struct store_registry *r, int64_t id,
                                        const struct channel_note *n, struct fault *f);

#endif
