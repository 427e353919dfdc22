// SPDX-License-Identifier: MIT
// store_priv.h: what an adapter of the store implements, and what adapters share.
//
// store.c is the front: it checks what holds for every adapter and calls through the tables below.
// An adapter embeds struct store (and struct store_reader) as its first member.

#ifndef CARILLON_STORE_STORE_PRIV_H
#define CARILLON_STORE_STORE_PRIV_H

#include "store/channels.h"
#include "store/commands.h"
#include "store/inspect.h"
#include "store/outbox.h"
#include "store/registry.h"
#include "store/store.h"

struct store_ops {
    bool chores_beside; // make_days and retain may be called beside all else, on one other thread.
    void (*close)(struct store *s);
    enum commit_outcome (*commit)(struct store *s, struct batch *const *batches, size_t count,
                                  struct commit_cause *cause);
    enum err (*get_shard)(struct store *s, uint32_t number, struct shard *out, struct fault *f);
    enum err (*take_shard)(struct store *s, uint32_t number, struct shard *out, struct fault *f);
    enum err (*retain)(struct store *s, const struct store_retention *r, wall_ms now,
                       size_t rows_max, size_t *removed, struct fault *f);
    enum err (*make_days)(struct store *s, wall_ms now, bool *more,
                          struct fault *f);                        // NULL: nothing to do.
    enum err (*tidy)(struct store *s, struct fault *f);            // NULL: nothing to do.
    bool (*measure_room)(struct store *s, struct store_room *out); // NULL: it is not known.
    enum err (*reader_open)(struct store *s, struct store_reader **out, struct fault *f);
    // NULL: a store for one node, whose batches hold no replies.
    enum err (*commands_open)(struct store *s, struct store_commands **out, struct fault *f);
    enum err (*registry_open)(struct store *s, struct store_registry **out, struct fault *f);
};

struct store {
    const struct store_ops *ops;
    uint32_t shards; // From when it is open.
};

struct store_commands_ops {
    void (*close)(struct store_commands *c);
    enum err (*put)(struct store_commands *c, struct command_put *puts, size_t count, wall_ms now,
                    struct fault *f);
    enum err (*read)(struct store_commands *c, const struct command_id *ids, size_t count,
                     store_each_reply *each, void *context, struct fault *f);
    enum err (*withdraw)(struct store_commands *c, const struct command_id *id, bool *withdrawn,
                         struct fault *f);
    enum err (*claim)(struct store_commands *c, const struct command_claim *o, wall_ms now,
                      store_each_command *each, void *context, struct fault *f);
    enum err (*tidy)(struct store_commands *c, size_t rows_max, wall_ms now, size_t *removed,
                     struct fault *f);
    enum err (*listen)(struct store_commands *c, const char *channel, struct fault *f);
    enum err (*notify)(struct store_commands *c, const char *channel, struct fault *f);
    enum err (*hear)(struct store_commands *c, int fd, dur_ms timeout_ms, store_heard *heard,
                     void *context, struct fault *f);
};

struct store_commands {
    const struct store_commands_ops *ops;
    struct store *store;
};

// What people are told (outbox.h). Its checks are made.
struct store_outbox_ops {
    enum err (*waiting)(struct store_registry *r, size_t limit, store_each_outbox_alert *each,
                        void *context, struct fault *f);
    enum err (*of_delivery)(struct store_registry *r, int64_t delivery, int64_t after, size_t limit,
                            store_each_outbox_alert *each, void *context, struct fault *f);
    enum err (*settle)(struct store_registry *r, int64_t epoch, const struct outbox_settlement *s,
                       struct fault *f);
    enum err (*silences)(struct store_registry *r, uint64_t closing, int64_t *ids, size_t ids_max,
                         size_t *count, struct fault *f);
    enum err (*unsilence)(struct store_registry *r, int64_t epoch, int64_t silence,
                          uint64_t closing, struct fault *f);
    enum err (*count)(struct store_registry *r, struct outbox_counts *out, struct fault *f);
    enum err (*open)(struct store_registry *r, int64_t epoch, struct delivery *d, struct fault *f);
    enum err (*seal)(struct store_registry *r, int64_t epoch, int64_t id,
                     const struct delivery_seal *s, struct fault *f);
    enum err (*openings)(struct store_registry *r, int64_t after, size_t limit,
                         store_each_opening *each, void *context, struct fault *f);
    enum err (*advance)(struct store_registry *r, int64_t epoch, int64_t delivery, bool *moved,
                        struct fault *f);
    enum err (*ends)(struct store_registry *r, int64_t delivery, size_t limit,
                     store_each_outbox_alert *each, void *context, struct fault *f);
    enum err (*follow)(struct store_registry *r, int64_t epoch, const struct opening_follow *w,
                       struct delivery *d, struct fault *f);
    enum err (*record)(struct store_registry *r, int64_t epoch, const struct delivery_attempt *a,
                       const struct delivery_after *after, struct fault *f);
    enum err (*give_up)(struct store_registry *r, int64_t epoch, int64_t id, const char *why,
                        wall_ms now, struct fault *f);
    enum err (*pending)(struct store_registry *r, store_each_delivery *each, void *context,
                        struct fault *f);
    enum err (*list)(struct store_registry *r, const struct delivery_query *q,
                     store_each_delivery *each, void *context, struct fault *f);
    enum err (*attempts)(struct store_registry *r, int64_t delivery,
                         store_each_delivery_attempt *each, void *context, struct fault *f);
};

// Small tables whose rows are told by their columns alone (columns_priv.h).
enum small_table { SMALL_CHANNELS, SMALL_SILENCES, SMALL_TABLES };
typedef enum err store_each_row(void *context, const void *row);

// Small tables (registry.h, channels.h). An adapter embeds struct store_registry.
struct store_registry_ops {
    const struct store_outbox_ops *outbox;
    void (*close)(struct store_registry *r);
    // The entry of the audit is written with the change.
    enum err (*insert_token)(struct store_registry *r, const struct access_token *t,
                             const struct audit_entry *e, int64_t *id, struct fault *f);
    enum err (*revoke_token)(struct store_registry *r, int64_t id, wall_ms now,
                             const struct audit_entry *e, struct fault *f);
    enum err (*find_token)(struct store_registry *r, const uint8_t *digest, store_each_token *each,
                           void *context, struct fault *f);
    enum err (*list_tokens)(struct store_registry *r, store_each_token *each, void *context,
                            struct fault *f);
    enum err (*touch_token)(struct store_registry *r, int64_t id, wall_ms at, const char *address,
                            struct fault *f);
    enum err (*count_tokens)(struct store_registry *r, wall_ms now, struct token_counts *out,
                             struct fault *f);
    // The id of `row` is not looked at. Rows that were over before `gone_before` go with the
    // change.
    enum err (*insert_row)(struct store_registry *r, enum small_table t, const void *row,
                           wall_ms gone_before, const struct audit_entry *e, int64_t *id,
                           struct fault *f);
    // Makes the row that has the version before this one into this. ERR_CONFLICT: there is none.
    enum err (*update_row)(struct store_registry *r, enum small_table t, const void *row,
                           const struct audit_entry *e, struct fault *f);
    // ERR_NOT_FOUND.
    enum err (*delete_row)(struct store_registry *r, enum small_table t, int64_t id,
                           const struct audit_entry *e, struct fault *f);
    enum err (*list_rows)(struct store_registry *r, enum small_table t, store_each_row *each,
                          void *context, struct fault *f);
    enum err (*note_channel)(struct store_registry *r, int64_t id, const struct channel_note *n,
                             struct fault *f);
    enum err (*callback_key)(struct store_registry *r, const char *drawn, char *out,
                             struct fault *f);
};

// For callback_key: what the table holds.
MUST_CHECK enum err registry_take_key(const char *stored, char out[static CALLBACK_KEY_BYTES],
                                      struct fault *f);

struct store_registry {
    const struct store_registry_ops *ops;
};

MUST_CHECK enum err sqlite_registry_open_beside(const char *path, struct store_registry **out,
                                                struct fault *f);

struct store_reader_ops {
    bool filters_are_indexed; // Lists of jobs by tag and by is_active.
    void (*close)(struct store_reader *r);
    enum err (*load_jobs)(struct store_reader *r, const struct store_slice *s, store_each_job *each,
                          void *context, struct fault *f);
    enum err (*load_open)(struct store_reader *r, const struct store_slice *s,
                          store_each_execution *each, void *context, struct fault *f);
    enum err (*read_last_ids)(struct store_reader *r, const struct shard_set *of,
                              struct last_ids *out, struct fault *f);
    enum err (*read_shards)(struct store_reader *r, const struct shard_set *of, struct shard *out,
                            struct fault *f);
    enum err (*get_job)(struct store_reader *r, job_id id, struct job **out, struct fault *f);
    enum err (*get_job_by_key)(struct store_reader *r, const char *key, struct job **out,
                               struct fault *f);
    enum err (*get_job_by_ping_key)(struct store_reader *r, const char *key, struct job **out,
                                    struct fault *f);
    enum err (*list_jobs)(struct store_reader *r, const struct job_query *q, store_each_job *each,
                          void *context, struct fault *f);
    enum err (*find_jobs)(struct store_reader *r, const struct job_query *q, store_each_found *each,
                          void *context, struct fault *f);
    enum err (*list_changed_jobs)(struct store_reader *r, wall_ms since, size_t limit,
                                  store_each_changed *each, void *context, struct fault *f);
    enum err (*list_versions)(struct store_reader *r, job_id job, store_each_version *each,
                              void *context, struct fault *f);
    enum err (*list_executions)(struct store_reader *r, const struct execution_query *q,
                                store_each_execution *each, void *context, struct fault *f);
    enum err (*get_execution)(struct store_reader *r, const struct execution_key *key,
                              store_each_execution *each, void *context, struct fault *f);
    enum err (*list_attempts)(struct store_reader *r, const struct execution_place *of,
                              store_each_attempt *each, void *context, struct fault *f);
    enum err (*list_alerts)(struct store_reader *r, const struct alert_query *q,
                            store_each_alert *each, void *context, struct fault *f);
    enum err (*get_alert)(struct store_reader *r, int64_t id, store_each_alert *each, void *context,
                          struct fault *f);
    enum err (*list_audit)(struct store_reader *r, const struct audit_query *q,
                           store_each_audit *each, void *context, struct fault *f);
    enum err (*get_client_key)(struct store_reader *r, const char *text, wall_ms now,
                               store_each_client_key *each, void *context, struct fault *f);
    enum err (*count_executions)(struct store_reader *r, wall_ms from, wall_ms to, int64_t *counts,
                                 struct fault *f);
    enum err (*sum_jobs)(struct store_reader *r, int64_t created_by, struct job_sum *out,
                         struct fault *f);
    enum err (*read_lag)(struct store_reader *r, dur_ms *out, struct fault *f); // NULL: none ever.
    enum err (*read_progress)(struct store_reader *r, job_id job, struct store_progress *out,
                              struct fault *f);
};

struct store_reader {
    const struct store_reader_ops *ops;
};

// A look from outside (inspect.h). An adapter embeds struct store_inspection.
struct store_inspection_ops {
    void (*close)(struct store_inspection *i);
    enum err (*inspect)(struct store_inspection *i, enum store_check c, store_finding *found,
                        void *context, struct fault *f);
    enum err (*inspect_ledger)(struct store_inspection *i, const struct store_ledger_visitor *v,
                               struct fault *f);
    bool has[STORE_CHECKS];
};
struct store_inspection {
    const struct store_inspection_ops *ops;
};
MUST_CHECK enum err sqlite_inspection_open(const char *path, struct store_inspection **out,
                                           struct fault *f);
MUST_CHECK enum err postgres_inspection_open(const char *url, struct store_inspection **out,
                                             struct fault *f);

// What the rows of shards in a commit say of it (fence.c), where `rows` are the store's own, by
// number. FENCE_SHUT: nothing may be written, and *lost are the shards because of which.
enum fence {
    FENCE_NONE,   // There is nothing to write.
    FENCE_OPEN,   // The batch is to be written.
    FENCE_REPLAY, // The batch was written before.
    FENCE_SHUT
};
enum fence store_fence(const struct shard *rows, uint32_t count, struct batch *const *batches,
                       size_t batch_count, struct shard_set *lost);
enum err store_fence_cause(const struct shard_set *lost, struct commit_cause *cause); // ERR_FENCED

// The outcome of a commit that ended with this error.
enum commit_outcome commit_outcome_of(enum err err);

// Whether a job that is not deleted belongs into the list that `q` asks for; `after` and `limit`
// are the adapter's. An adapter that asks its database row by row uses the two rules that it is
// made of: adapters cannot disagree about what "text" and "tag" mean.
bool job_text_has_part(const char *text, const char *part);
bool job_query_matches(const struct job_query *q, const struct job *j);

#endif
