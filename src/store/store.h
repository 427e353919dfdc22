// SPDX-License-Identifier: MIT
// store.h: the port to durable memory: jobs, executions, attempts, alerts and the shards.
//
// Two sides. The *writer* side (struct store) belongs to one thread: it commits batches and takes
// shards. The *reader* side (struct store_reader) answers queries of the API from
// connections of its own; a reader belongs to one thread at a time and sees every commit that
// returned before the query began.
//
// Adapters: memory (store_memory_open, for tests and the simulator), sqlite and postgres. All pass
// one contract suite. What only a file of SQLite has, such as a backup, is behind a door of its
// own, store/sqlite.h; others are store/move.h and store/inspect.h.

#ifndef CARILLON_STORE_STORE_H
#define CARILLON_STORE_STORE_H

#include "ledger/ledger.h"

struct store;
struct store_reader;

struct store_retention {
    int64_t age_ms;         // Executions older than this go; 0 keeps them for ever.
    int64_t executions_max; // The oldest beyond this many go; 0: no bound.
    // While the database has more bytes in use than this the oldest go, whole days of them where it
    // keeps each day by itself, but never those of the present one; 0: no bound. Not kept to by a
    // store in memory.
    int64_t bytes_max;
    int64_t audit_age_ms; // Entries of the audit older than this go; 0 keeps them for ever.
};

// Opens the database at `place` by the adapter that its text asks for: "postgresql://" and
// "postgres://" are URLs of PostgreSQL, with SHARDS_MAX shards; a path is a file of SQLite.
// Creates the database when there is none and migrates an older one. Errors: ERR_UNSUPPORTED
// ("x://" with an `x` that no adapter is for), ERR_STORE_OPEN (unwritable path, database of another
// program), ERR_STORE_CORRUPT (damaged, or not a database), ERR_STORE_VERSION, ERR_BUSY (another
// program holds it), ERR_STORE_FULL, ERR_STORE_IO.
MUST_CHECK enum err store_open(const char *place, struct store **out, struct fault *f);
// A replica of a database, for readers alone. Nothing is connected to before a reader asks; a
// reader may ask again after ERR_STORE_AWAY. ERR_UNSUPPORTED: no URL of PostgreSQL.
MUST_CHECK enum err store_open_replica(const char *place, struct store **out, struct fault *f);
MUST_CHECK enum err store_memory_open(uint32_t shards, struct store **out, struct fault *f);

// Opens the database that a URL (or another connection string of libpq) names, and makes the tables
// with this number of shards when the database is empty. Several nodes may have one database open:
// each commits to the shards that it has taken. ERR_STORE_AWAY: the server cannot be reached.
// ERR_STORE_OPEN: PostgreSQL is older than 13, or the database is of another program, read-only,
// not in UTF-8, or has another number of shards. ERR_STORE_VERSION.
MUST_CHECK enum err store_postgres_open(const char *url, uint32_t shards, struct store **out,
                                        struct fault *f);

// A second store with the same rows, for a simulator that goes back to an earlier moment. Only of a
// store from store_memory_open or this; the caller closes both.
struct store *store_memory_clone(const struct store *s);

// Checkpoints and closes; readers must be closed before. NULL is a no-op.
void store_close(struct store *s);

// How a commit ended.
enum commit_outcome {
    COMMIT_DONE,   // All batches are durable: they survive power loss.
    COMMIT_AGAIN,  // Nothing can be written now: the very same call is to be made again, later.
    COMMIT_FENCED, // Some shards have another owner, or are not as the caller left them: nothing
                   // was written, and the call is to be made again without what is of these shards.
    COMMIT_LOST    // The store must not be used any more.
};

// Why it was not COMMIT_DONE. Starts zeroed.
struct commit_cause {
    struct fault fault;      // Never ERR_OK then. AGAIN: one that store_stall_find knows.
    struct shard_set fenced; // FENCED: these shards. Each has changes in the batches.
    bool is_doubtful;        // AGAIN: the answer was lost, so all may be durable all the same.
};

// Makes all batches durable in one transaction: all or none. Each has the row of every shard of
// which it has changes, and what was written already, by an earlier call whose answer was lost, is
// not written twice. So after COMMIT_AGAIN the call has the same batches, but for shards that were
// fenced. Terminal rows never change: an update of one, an insert whose key exists, or whose id
// exists at the same instant, or a change that refers to what is not there, is ERR_CONFLICT and
// nothing is written: COMMIT_LOST, since it shows a mistake of the caller.
MUST_CHECK enum commit_outcome store_commit(struct store *s, struct batch *const *batches,
                                            size_t count, struct commit_cause *cause);

// A cause of COMMIT_AGAIN in words (src/store/stalls.def).
struct store_stall {
    enum err cause;
    const char *event; // What the log calls it: "store.full".
    const char *what;  // "the disk is full"
    const char *until; // What ends it: "has room", as in "until it has room".
};
const struct store_stall *store_stall_find(enum err cause); // NULL: no cause of COMMIT_AGAIN.

// How many shards it has: one of SQLite 1, one in memory as many as it was opened with.
uint32_t store_shard_count(const struct store *s);

// The row of a shard as last committed.
MUST_CHECK enum err store_get_shard(struct store *s, uint32_t number, struct shard *out,
                                    struct fault *f);

// Makes the caller the owner of the shard: from when this returns ERR_OK on, which is durable, the
// shard is in a new epoch, and no commit of another owner can change it. *out is its row, of which
// the next commit has tick 1. ERR_STORE_FULL, ERR_BUSY: nothing was written, it may be tried again.
MUST_CHECK enum err store_take_shard(struct store *s, uint32_t number, struct shard *out,
                                     struct fault *f);

// Removes at most `rows_max` of the oldest terminal executions that the retention lets go, with
// their attempts and alerts, in a transaction of its own. Age counts from the end of an execution,
// order is that of the occurrences. The row of a deleted job goes after its last execution. A store
// that keeps each day by itself may let a day go as a whole, which counts as `rows_max`, and keeps
// it until the last of its rows may go. As many entries of the audit go beside, which count when
// they are more. *removed < rows_max: nothing more to do.
MUST_CHECK enum err store_retain(struct store *s, const struct store_retention *r, wall_ms now,
                                 size_t rows_max, size_t *removed, struct fault *f);

// Makes room for the days to come where the store keeps each day by itself, a step at a time, each
// a transaction of its own; *more: there may be another. What comes of a day that has no room yet
// is kept elsewhere, and moves there in such a step. Nothing to do for most adapters.
MUST_CHECK enum err store_make_days(struct store *s, wall_ms now, bool *more, struct fault *f);

// What the adapter has to do now and then beside its commits, such as moving a log that has grown
// into the database file; cheap when there is nothing to do. Called by the writing thread between
// commits.
MUST_CHECK enum err store_tidy(struct store *s, struct fault *f);

// The disk that the database lies on. False when that is not known, as of a store without one.
struct store_room {
    int64_t free_bytes;
    int64_t total_bytes;
};
MUST_CHECK bool store_measure_room(struct store *s, struct store_room *out);

// --- The writing thread ----------------------------------------------------------------------
//
// Adaptive group commit: it commits at once when idle, and whatever arrives during a commit joins
// the next one. Between commits it checkpoints and does its chores, in small steps.

struct store_writer;

// What was dropped of a shard that somebody else owns by now.
struct store_fencing {
    uint32_t shard;
    int64_t epoch;     // In which it was to be written: the writer's own, which has ended.
    uint64_t sequence; // From all batches up to this one.
    uint64_t
        doubtful; // Up to this one it is not known whether it was written before; 0: it was not.
};

// Called on the writing thread. `committed`: every batch up to `sequence` is durable, but for what
// was fenced; the batches themselves are freed by the writer. `stalled`: nothing can be written
// now; store_stall_find(f->code) has the words. The same batches, and no others, are tried again
// every second until `committed`; when the cause changes meanwhile, it is said again. Of batches up
// to `doubtful` (0: of none) it is not known whether they are durable. `fenced`: said whenever
// something is dropped, before `committed` of the same batches. What is put later for the shard and
// an epoch that has ended is dropped as well. `failed`: the store is lost; nothing more will be
// written, and what is still put is dropped. `room`: the disk has less left than the reserve, or
// again more; it is measured at the start, on the thread that starts the writer, and then between
// commits. May be NULL. `chore_failed`: a chore cannot be done, and is tried again each minute
// while commits go on; called on a thread of the writer. May be NULL.
struct store_writer_events {
    void (*committed)(void *context, uint64_t sequence);
    void (*stalled)(void *context, const struct fault *f, uint64_t doubtful);
    void (*fenced)(void *context, const struct store_fencing *x);
    void (*failed)(void *context, const struct fault *f);
    void (*room)(void *context, bool is_low, const struct store_room *room);
    void (*chore_failed)(void *context, const struct fault *f);
    void *context;
};

struct store_writer_options {
    struct store_retention retention;
    int64_t reserve_bytes; // Kept free on the disk; at most a tenth of it counts. 0: none.
};

MUST_CHECK enum err store_writer_start(struct store *s, const struct store_writer_options *o,
                                       const struct store_writer_events *events,
                                       struct store_writer **out, struct fault *f);

// Chores are what one node does for all: room for the days to come (store_make_days), and
// retention. They are on from the start where the store has one shard, and so one node; else off,
// until this says that the node is to do them. Two nodes that do them at once are a waste, and
// nothing worse. On any thread; a step that is under way ends by itself.
void store_writer_set_chores(struct store_writer *w, bool is_on);

// Takes the batch. Batches must come in order of their sequence, from one thread. Never blocks.
void store_writer_put(struct store_writer *w, struct batch *b);

// Commits what waits, then ends the thread. In a stall it tries once more, and drops
// what cannot be written: it was never confirmed. Called by the thread that puts. NULL is a no-op.
void store_writer_stop(struct store_writer *w);

// Commits and batches so far, and the time the last commit took.
struct store_writer_status {
    uint64_t commits;
    uint64_t batches;
    uint64_t changes;
    int64_t last_commit_us;
    int64_t longest_commit_us;
    enum err stalled;   // ERR_OK, or why nothing is written.
    bool is_low;        // Less of the disk is left than the reserve.
    int64_t free_bytes; // Free on the disk; -1: not known.
    int64_t reserve_bytes;
};
struct store_writer_status store_writer_status(struct store_writer *w); // Any thread.

// --- Queries ---------------------------------------------------------------------------------
//
// What callbacks get is borrowed for the call. They must not call the store or the reader. An error
// that a callback returns ends the list and is returned. ERR_TIMEOUT: it took longer than a query
// may, 10 s. ERR_STORE_AWAY: a server of a database cannot be reached, or gave no answer in 5 s.
//
// A row that no server has written, because somebody edited it by hand, is ERR_STORE_CORRUPT where
// it was asked for. A list of executions, attempts or alerts leaves such rows out and returns
// ERR_OK; f->code and f->text then tell of one of them, so *f must be zeroed before. A job comes as
// far as its row can be read, and its `damaged` tells the rest.

// What callbacks of jobs and executions get.
typedef enum err store_each_job(void *context, const struct job *j);
typedef enum err store_each_execution(void *context, const struct execution *e);

MUST_CHECK enum err store_reader_open(struct store *s, struct store_reader **out,
                                      struct fault *f); // Any thread.
void store_reader_close(struct store_reader *r);        // NULL is a no-op.

// By how much what is read may be older than the primary's; 0 where there is no replica.
MUST_CHECK enum err store_read_lag(struct store_reader *r, dur_ms *out, struct fault *f);

// A part of what shards hold, for whoever has taken them: the rows of one shard with ids above
// `after`, then all those of further ones, in order of their shards and then of their ids, at most
// `limit`; when fewer come, these were the last. So shards can be loaded in slices, on any thread,
// while others are at work, and many that hold little cost no more than one.
struct store_slice {
    uint32_t shard;
    int64_t after;
    const struct shard_set *further; // All above `shard`. NULL: none.
    size_t limit;
};

// Calls back for each job that is not deleted, and for each execution that is not terminal and
// lingers, or was scheduled at its shard's open_from or later. Rows that were edited by hand come
// as far as they can be read: see `damaged` of each.
MUST_CHECK enum err store_load_jobs(struct store_reader *r, const struct store_slice *s,
                                    store_each_job *each, void *context, struct fault *f);
MUST_CHECK enum err store_load_open(struct store_reader *r, const struct store_slice *s,
                                    store_each_execution *each, void *context, struct fault *f);

// The greatest n of the ids that the shard has given, for deleted jobs too; 0: none. The next ones
// of its row lie above them, unless one or the other was edited by hand.
struct last_ids {
    int64_t job;
    int64_t execution;
    int64_t alert;
};
MUST_CHECK enum err store_read_last_ids(struct store_reader *r, uint32_t shard,
                                        struct last_ids *out, struct fault *f);
// The same of several at once, each into the element with its number; the others stay.
MUST_CHECK enum err store_read_last_ids_of(struct store_reader *r, const struct shard_set *of,
                                           struct last_ids out[static SHARDS_MAX], struct fault *f);

// The row of a shard as last committed, by anybody: its epoch tells whether somebody has taken it.
MUST_CHECK enum err store_read_shard(struct store_reader *r, uint32_t shard, struct shard *out,
                                     struct fault *f);
MUST_CHECK enum err store_read_shards(struct store_reader *r, const struct shard_set *of,
                                      struct shard out[static SHARDS_MAX], struct fault *f);

// The caller owns *out (job_free). ERR_NOT_FOUND for an unknown or deleted job.
MUST_CHECK enum err store_get_job(struct store_reader *r, job_id id, struct job **out,
                                  struct fault *f);

// The same for the job that has this key; ERR_NOT_FOUND when none has.
MUST_CHECK enum err store_get_job_by_key(struct store_reader *r, const char *key, struct job **out,
                                         struct fault *f);

// The same for the heartbeat that has this ping_key.
MUST_CHECK enum err store_get_job_by_ping_key(struct store_reader *r, const char *key,
                                              struct job **out, struct fault *f);

// Whether a job's tags, as its row has them (NULL: none), have this one.
bool job_tags_have(const char *tags, const char *tag);

struct job_query {
    const char *text; // Part of name, api or schedule; a to z in either case. NULL: all.
    const char *tag;  // A tag of the job, exactly. NULL: all.
    int is_active;    // -1: all, 0, 1.
    job_id after;     // Jobs with a larger id, ascending; 0 for the first page.
    job_id until;     // Jobs with no larger id than this; 0: no end.
    size_t limit;
    bool wants_last; // store_find_jobs: with the last execution,
    wall_ms now;     // which is the newest that is not after this instant.
};
MUST_CHECK enum err store_list_jobs(struct store_reader *r, const struct job_query *q,
                                    store_each_job *each, void *context, struct fault *f);

// Whether an index finds what the query lets through; else every job is looked at.
bool store_has_index_for(const struct store_reader *r, const struct job_query *q);

// The same for a search among many jobs, of which few will be shown.
struct job_found {
    const struct job *job; // Without what may be long: headers, body and all of TLS are NULL.
    bool has_last;         // The job has an execution, and the query wants to know.
    enum execution_state last_state;
    wall_ms last_at; // scheduled_at
};
typedef enum err store_each_found(void *context, const struct job_found *j);
MUST_CHECK enum err store_find_jobs(struct store_reader *r, const struct job_query *q,
                                    store_each_found *each, void *context, struct fault *f);

// Jobs that were created, changed or deleted at `since` or later, the last one first. A job that
// was deleted is told of for as long as its row is kept.
struct job_changed {
    const struct job *job; // As of struct job_found.
    bool is_deleted;
};
typedef enum err store_each_changed(void *context, const struct job_changed *j);
MUST_CHECK enum err store_list_changed_jobs(struct store_reader *r, wall_ms since, size_t limit,
                                            store_each_changed *each, void *context,
                                            struct fault *f);

// A position in a list that runs from the newest to the oldest.
struct execution_cursor {
    wall_ms scheduled_at; // WALL_NEVER for the first page.
    int64_t id;           // INT64_MAX for the first page.
};

struct execution_query {
    job_id job;           // 0: of every job, also of deleted ones.
    unsigned states;      // EXECUTION_BIT of each state that is wanted; 0: any.
    int trigger;          // -1: any, else enum execution_trigger.
    wall_ms from;         // scheduled_at >= from.
    wall_ms to;           // scheduled_at <= to. Callers pass now to leave out what is only planned.
    uint16_t http_status; // The last answer has this status; 0: any, or none.
    dur_ms lateness_min_ms; // Started so late or later; 0: any, or not started.
    struct execution_cursor before;
    size_t limit;
};
// Newest first by (scheduled_at, id).
MUST_CHECK enum err store_list_executions(struct store_reader *r, const struct execution_query *q,
                                          store_each_execution *each, void *context,
                                          struct fault *f);

// `key` as execution_id_parse gives it (a manual key lacks scheduled_at). Borrowed for the call of
// `each`, which is called once. ERR_NOT_FOUND when there is no such row.
MUST_CHECK enum err store_get_execution(struct store_reader *r, const struct execution_key *key,
                                        store_each_execution *each, void *context, struct fault *f);

// Where the rows of an execution are: a database may keep each day by itself.
struct execution_place {
    int64_t id; // struct execution.id
    wall_ms scheduled_at;
};

// In order of their number.
typedef enum err store_each_attempt(void *context, const struct attempt *a);
MUST_CHECK enum err store_list_attempts(struct store_reader *r, const struct execution_place *of,
                                        store_each_attempt *each, void *context, struct fault *f);

// A position in a list of alerts. The alert that was there may have gone since.
struct alert_cursor {
    wall_ms created_at; // WALL_NEVER for the first page.
    int64_t id;         // INT64_MAX for the first page.
};

#define ALERT_BIT(kind) (1u << (kind)) // In a set of kinds.

struct alert_query {
    job_id job;       // 0: of every job.
    int64_t incident; // 0: of any, or of none.
    unsigned kinds;   // ALERT_BIT of each kind that is wanted; 0: any.
    struct alert_cursor before;
    size_t limit;
};

// Newest first by (created_at, id): shards count their own ids, which are in no order of time.
typedef enum err store_each_alert(void *context, const struct alert *a);
MUST_CHECK enum err store_list_alerts(struct store_reader *r, const struct alert_query *q,
                                      store_each_alert *each, void *context, struct fault *f);

// `each` is called once. ERR_NOT_FOUND: there is no such alert.
MUST_CHECK enum err store_get_alert(struct store_reader *r, int64_t id, store_each_alert *each,
                                    void *context, struct fault *f);

// A position in the audit. The entry that was there may have gone since.
struct audit_cursor {
    wall_ms at; // WALL_NEVER for the first page.
    int64_t id; // INT64_MAX for the first page.
};

struct audit_query {
    int action;        // -1: any, else enum audit_action.
    job_id job;        // 0: of any job, or of none.
    const char *token; // The name of a token, exactly; NULL: any, or none.
    wall_ms from;      // at >= from.
    wall_ms to;        // at <= to.
    struct audit_cursor before;
    size_t limit;
};
// Newest first by (at, id). Rows that were edited by hand are left out, as of the lists above.
typedef enum err store_each_audit(void *context, const struct audit_entry *e);
MUST_CHECK enum err store_list_audit(struct store_reader *r, const struct audit_query *q,
                                     store_each_audit *each, void *context, struct fault *f);

// What the key stood for; its text is borrowed for the call of `each`, which is called once.
// ERR_NOT_FOUND for an unknown one, and for one older than CLIENT_KEY_AGE_MS at `now`.
typedef enum err store_each_client_key(void *context, const struct client_key *k);
MUST_CHECK enum err store_get_client_key(struct store_reader *r, const char *text, wall_ms now,
                                         store_each_client_key *each, void *context,
                                         struct fault *f);

// Executions by state whose occurrence lies in [from, to], for the metrics of the API.
MUST_CHECK enum err store_count_executions(struct store_reader *r, wall_ms from, wall_ms to,
                                           int64_t counts[static EXECUTION_STATES],
                                           struct fault *f);

// The jobs that a token has created and that are not deleted, and the bytes in them.
struct job_sum {
    int64_t jobs;
    int64_t bytes; // See job_texts_bytes.
};
MUST_CHECK enum err store_sum_jobs(struct store_reader *r, int64_t created_by, struct job_sum *out,
                                   struct fault *f);

// --- The history of jobs ---------------------------------------------------------------------
//
// A commit that changes what decides a job's occurrences also writes a row about the version that
// begins; see struct job_version. Versions go with their job, or when retention has passed them.

// In order of number; also those of a deleted job, for as long as its row is there. None: there is
// no such job.
typedef enum err store_each_version(void *context, const struct job_version *v);
MUST_CHECK enum err store_list_versions(struct store_reader *r, job_id job,
                                        store_each_version *each, void *context, struct fault *f);

struct store_progress {
    struct shard shard; // The job's shard, as last committed.
    wall_ms removed_to; // Executions up to this instant may have gone by retention; 0: none.
};
MUST_CHECK enum err store_read_progress(struct store_reader *r, job_id job,
                                        struct store_progress *out, struct fault *f);

#endif
