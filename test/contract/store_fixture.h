// SPDX-License-Identifier: MIT
// store_fixture.h: a store of any adapter for one test, and short ways to fill and read it.

#ifndef CARILLON_TEST_STORE_FIXTURE_H
#define CARILLON_TEST_STORE_FIXTURE_H

#include "store/store.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "shard_rows.h"

#define STORE_T0 1700000000000 // Where the tests' time begins.

struct store_adapter {
    const char *name;
    enum err (*open)(const char *path, struct store **out, struct fault *f);
    bool is_durable; // Opening the same path again finds what was there.
    bool is_server;  // The path is a URL.
};

enum { STORE_MEMORY, STORE_SQLITE, STORE_POSTGRES }; // Their places in store_adapters.

extern const struct store_adapter store_adapters[];
extern const size_t store_adapter_count;

struct store_fixture {
    const struct store_adapter *adapter;
    struct store *store;
    struct store_reader *reader;
    uint64_t sequence;
    struct shard shard; // Goes into each batch.
    char folder[64];
    char path[96];
};

struct store_fixture *store_fixture_new(const struct store_adapter *adapter);
void store_fixture_free(struct store_fixture *x);

// As after a restart: closes and opens again. A memory store is replaced by its clone.
void store_reopen(struct store_fixture *x);

#define store_assert_ok(call)                                                                      \
    do {                                                                                           \
        struct fault fault_ = {0};                                                                 \
        struct fault *f = &fault_;                                                                 \
        enum err err_ = (call);                                                                    \
        if (err_)                                                                                  \
            fail_msg("%s: %s (%s)", #call, err_name(err_), fault_.text);                           \
    } while (0)

// --- Writing ---------------------------------------------------------------------------------

struct batch *store_batch(struct store_fixture *x);
struct change *store_add(struct batch *b, enum change_kind kind);

void store_add_job(struct batch *b, job_id id); // A plain active job named "job <id>".
void store_add_version(struct batch *b, job_id id, wall_ms from_at, enum job_phase phase);
struct execution store_execution(int64_t id, job_id job, wall_ms scheduled_at); // PENDING
struct execution store_finished(struct execution e, enum execution_state state);
void store_add_insert(struct batch *b, struct execution e);
void store_add_update(struct batch *b, struct execution e);
// An attempt of an execution of store_fill, or one that has a change in the batch.
void store_add_attempt(struct batch *b, int64_t execution_id, uint16_t number);
void store_add_alert(struct batch *b, int64_t id, const struct execution *e);

// Commits and frees the batch.
enum err store_try(struct store_fixture *x, struct batch *b);
void store_must(struct store_fixture *x, struct batch *b);

// A job and executions 1 to `count` of it, one a second from STORE_T0 + 1 s on, PENDING.
void store_fill(struct store_fixture *x, job_id job, int64_t count);

// --- Reading ---------------------------------------------------------------------------------

#define STORE_IDS_MAX 20000

struct store_ids {
    size_t count;
    int64_t ids[STORE_IDS_MAX];
};

// All executions, newest first, for a test to narrow down.
struct execution_query store_all_executions(void);
void store_list_ids(struct store_fixture *x, const struct execution_query *q,
                    struct store_ids *out);
void store_list_job_ids(struct store_fixture *x, const struct job_query *q, struct store_ids *out);
// `before`: the id of an alert of store_add_alert, or INT64_MAX.
void store_alert_ids(struct store_fixture *x, job_id job, int64_t before, size_t limit,
                     struct store_ids *out);
extern const struct alert_cursor store_newest_alerts;
void store_open_ids(struct store_fixture *x, struct store_ids *out);
struct execution_place store_place_of(struct store_fixture *x, int64_t execution_id);
size_t store_attempt_count(struct store_fixture *x, int64_t execution_id);
// The execution with this key, with strings of its own; freed by the second.
struct execution *store_read_execution(struct store_fixture *x, struct execution_key key);
void store_free_execution(struct execution *e);

#define store_assert_ids(found, ...)                                                               \
    store_check_ids((found), (const int64_t[]){0, ##__VA_ARGS__},                                  \
                    sizeof((const int64_t[]){0, ##__VA_ARGS__}) / sizeof(int64_t), __FILE__,       \
                    __LINE__)
// `expected` starts with an element that does not count.
void store_check_ids(const struct store_ids *found, const int64_t *expected, size_t count,
                     const char *file, int line);

void store_assert_same_text(const char *a, const char *b);
void store_assert_same_job(const struct job *a, const struct job *b);
void store_assert_same_execution(const struct execution *a, const struct execution *b);
void store_assert_same_attempt(const struct attempt *a, const struct attempt *b);

// Everything a reader can see, as text, so that two stores can be compared. The caller frees it.
char *store_dump(struct store_fixture *x);

#endif
