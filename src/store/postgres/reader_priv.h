// SPDX-License-Identifier: MIT
// reader_priv.h: a reading connection, which reader.c and reader_jobs.c share.

#ifndef CARILLON_STORE_POSTGRES_READER_PRIV_H
#define CARILLON_STORE_POSTGRES_READER_PRIV_H

#include "store/postgres/postgres_priv.h"

#define SQL_BYTES 8192 // A statement has room in so many.

struct reader {
    struct store_reader reader;
    struct link link;
    uint32_t shards;
    bool is_replica; // Nothing can be written there, and nothing is shown that is not on it.
};

static inline struct reader *self(struct store_reader *r)
{
    return (struct reader *)r;
}

// Goes through the rows of a result. `visit` may set is_done to end early.
struct walk {
    enum err (*visit)(struct walk *w, struct result_row *r, struct fault *f);
    bool is_done;
};

// Runs a query, shows its rows to `w`, and frees the parameters.
MUST_CHECK enum err reader_ask(struct reader *r, const char *sql, struct parameters *p,
                               struct walk *w, struct fault *f);

// Writes "SELECT a, b FROM table" and the rest to `out`, which has SQL_BYTES.
void reader_select(char *out, const struct row_map *m, const char *rest);

MUST_CHECK enum err postgres_load_jobs(struct store_reader *reader, const struct store_slice *slice,
                                       store_each_job *each, void *context, struct fault *f);
MUST_CHECK enum err postgres_load_open(struct store_reader *reader, const struct store_slice *slice,
                                       store_each_execution *each, void *context, struct fault *f);
MUST_CHECK enum err postgres_read_last_ids(struct store_reader *reader, const struct shard_set *of,
                                           struct last_ids *out, struct fault *f);
MUST_CHECK enum err postgres_read_shards(struct store_reader *reader, const struct shard_set *of,
                                         struct shard *out, struct fault *f);
MUST_CHECK enum err postgres_get_job(struct store_reader *reader, job_id id, struct job **out,
                                     struct fault *f);
MUST_CHECK enum err postgres_get_job_by_key(struct store_reader *reader, const char *key,
                                            struct job **out, struct fault *f);
MUST_CHECK enum err postgres_get_job_by_ping_key(struct store_reader *reader, const char *key,
                                                 struct job **out, struct fault *f);
MUST_CHECK enum err postgres_list_jobs(struct store_reader *reader, const struct job_query *q,
                                       store_each_job *each, void *context, struct fault *f);
MUST_CHECK enum err postgres_list_changed_jobs(struct store_reader *reader, wall_ms since,
                                               size_t limit, store_each_changed *each,
                                               void *context, struct fault *f);
enum err postgres_find_jobs(struct store_reader *reader, const struct job_query *q,
                            store_each_found *each, void *context, struct fault *f);
MUST_CHECK enum err postgres_list_versions(struct store_reader *reader, job_id job,
                                           store_each_version *each, void *context,
                                           struct fault *f);
MUST_CHECK enum err postgres_list_audit(struct store_reader *reader, const struct audit_query *q,
                                        store_each_audit *each, void *context, struct fault *f);
MUST_CHECK enum err postgres_read_progress(struct store_reader *reader, job_id job,
                                           struct store_progress *out, struct fault *f);

#endif
