// SPDX-License-Identifier: MIT
// sqlite_priv.h: how the parts of the SQLite adapter see each other.
//
// open.c opens and closes, schema.c migrates, versions.c finds edits, rows.c maps rows to structs,
// statements.c has the SQL of the writing
// side, commit.c writes, maintain.c retains and
// checkpoints, walk.c goes through results, reader.c queries, search.c searches, filter.c says
// which jobs a list wants. copy.c copies a database, for backup.c and restore.c; inspect.c and
// inspect_rows.c look into one, both beside a server that may be at work on it. move.c is one end
// of a move.

#ifndef CARILLON_STORE_SQLITE_PRIV_H
#define CARILLON_STORE_SQLITE_PRIV_H

#include "store/columns_priv.h"
#include "store/sqlite.h"
#include "store/store_priv.h"

#include <sqlite3.h>

#define SQLITE_WRITER_CACHE "PRAGMA cache_size = -65536;" // In KiB.
#define SQLITE_WALK_CACHE "PRAGMA cache_size = -1024;"    // While each row is read once.
#define SQLITE_LOCK_WAIT_MS 5000 // For other programs that look into the database.

#define SQLITE_READER_TIME_MS 10000

// Which rows are in the indexes of failed ones. Not IN (...), for which SQLite builds a temporary
// table for every row that is written: that doubles the cost of an execution.
#define SQLITE_FAILED "(status = 'FAILED' OR status = 'MISSED' OR status = 'CANCELLED')"

// --- Versions of jobs (versions.c) -----------------------------------------------------------

// Columns of `jobs` that stand in `job_versions` under the same names, in this order.
#define SQLITE_DECIDES "schedule, timezone, dst_gap, dst_fold, start_at, end_at, max_runs"
#define SQLITE_VERSION_COLUMNS                                                                     \
    "job_id, number, version, from_at, phase, " SQLITE_DECIDES ", runs, paused_until, reason"
// The number of the next version of the row of `jobs` at hand.
#define SQLITE_VERSION_NEXT                                                                        \
    "1 + coalesce((SELECT max(number) FROM job_versions WHERE job_id = jobs.id), 0)"
// The version that a row of `jobs` stands for, as a row of `job_versions`, when it is none that is
// there: somebody edited the row by hand. To be followed by " AND ..." or nothing.
#define SQLITE_EDITED_VERSION                                                                      \
    "SELECT id AS job_id, " SQLITE_VERSION_NEXT " AS number, version,"                             \
    " CASE WHEN deleted_at THEN deleted_at WHEN finished THEN max(effective_from, updated_at)"     \
    " ELSE effective_from END AS from_at, " SQLITE_PHASE " AS phase, " SQLITE_DECIDES ", runs,"    \
    " iif(" SQLITE_PHASE " = 'paused', paused_until, NULL) AS paused_until,"                       \
    " iif(" SQLITE_PHASE " = 'paused', paused_reason, NULL) AS reason"                             \
    " FROM jobs WHERE (" SQLITE_PHASE ", " SQLITE_DECIDES ", iif(" SQLITE_PHASE                    \
    " = 'paused', paused_until, NULL)"                                                             \
    ", iif(" SQLITE_PHASE " = 'paused', paused_reason, NULL)) IS NOT"                              \
    " (SELECT phase, " SQLITE_DECIDES ", paused_until, reason FROM job_versions"                   \
    " WHERE job_id = jobs.id ORDER BY number DESC LIMIT 1)"
#define SQLITE_PHASE                                                                               \
    "CASE WHEN deleted_at THEN 'deleted' WHEN is_active THEN 'active'"                             \
    " WHEN finished THEN 'finished' ELSE 'paused' END"
// The versions of job ?1, with that of an edited row.
#define SQLITE_VERSIONS_OF_JOB                                                                     \
    "SELECT %s FROM (SELECT " SQLITE_VERSION_COLUMNS " FROM job_versions WHERE job_id = ?1"        \
    " UNION ALL " SQLITE_EDITED_VERSION " AND id = ?1) ORDER BY number"

// A step of going through the jobs once after the start: gives each row that was edited by hand
// its version, so that what comes later is not taken for what the edit decided.
struct sqlite_store;
MUST_CHECK enum err sqlite_note_edits(struct sqlite_store *s, struct fault *f);

// Where open executions are found: those that do not linger, and those that do. Each is a WHERE, to
// be gone on with by AND.
#define SQLITE_OPEN_SINCE_MARK                                                                     \
    " INDEXED BY idx_job_executions_scheduled_at WHERE completed_at IS NULL"                       \
    " AND scheduled_at >= (SELECT open_from FROM progress)"                                        \
    " AND id NOT IN (SELECT execution_id FROM lingering_executions)"
#define SQLITE_OPEN_LINGERING                                                                      \
    " WHERE completed_at IS NULL AND id IN (SELECT execution_id FROM lingering_executions)"

// --- Rows (rows.c) ---------------------------------------------------------------------------

extern const struct row_map progress_rows;

// The one row of table `progress`: that of the only shard, and what retention remembers.
struct progress_row {
    int64_t id; // 1
    struct shard shard;
    int64_t executions; // Rows of job_executions, so that retention by count need not count.
    wall_ms removed_to; // The latest instant of which retention has removed a row.
};

// Writes "INSERT INTO table (a, b) VALUES (?1, ?2)", and "a = ?1, b = ?2" for the columns that may
// change.
void row_insert_sql(const struct row_map *m, char *out, size_t bytes);
void row_upsert_sql(const struct row_map *m, char *out, size_t bytes); // On conflict of the key.
void row_assignments(const struct row_map *m, char *out, size_t bytes);
void row_assignments_with_first(const struct row_map *m, char *out, size_t bytes);

// Binds members to the parameters ?1, ?2, ...; text is borrowed until the statement is reset.
void row_bind(const struct row_map *m, sqlite3_stmt *statement, const void *row);

// Reads the results of a SELECT of the columns into *row. Text is borrowed until the next step.
// ERR_STORE_CORRUPT for a word or a number that this program cannot have written.
MUST_CHECK enum err row_read(const struct row_map *m, sqlite3_stmt *statement, void *row,
                             struct fault *f);

// Reads a column alone; false, and the member stays as it was, for what row_read has
// ERR_STORE_CORRUPT.
MUST_CHECK bool row_read_cell(const struct row_map *m, size_t i, void *statement, void *row);

// Calls back with a sentence for each row that holds what row_read would refuse, and job_row_read
// reads as something else (inspect_rows.c).
typedef void row_finding(void *context, const char *what);
MUST_CHECK enum err sqlite_each_bad_row(sqlite3 *db, row_finding *found, void *context,
                                        struct fault *f);

// What to do about a damaged file, as the end of a sentence. Not `.recover`: the sqlite3 command of
// Debian 12 has it, but was built without what it needs.
#define SQLITE_HELP_DAMAGED                                                                        \
    "restore a backup (as carillon backup makes them), or save what can be read with sqlite3 "     \
    "FILE "                                                                                        \
    ".dump (see docs/operations.md)"

// --- Opening and errors (open.c, schema.c, statements.c) -------------------------------------

// Whether a database is at `path`, or could be made there. ERR_STORE_OPEN tells why not.
MUST_CHECK enum err sqlite_check_path(const char *path, struct fault *f);

// A statement to prepare. "%s" in `sql` stands for what `make` says of `map`; both may be NULL.
struct sql {
    const char *sql;
    void (*make)(const struct row_map *m, char *out, size_t bytes);
    const struct row_map *map;
};

// The statements of the writing side; statements.c has their text.
enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    JOB_PUT,
    JOB_STATE,
    JOB_DELETE,
    VERSION_PUT,
    VERSIONS_PRUNE,
    VERSIONS_CORRECT,
    EDITS_STEP,
    EDITS_FIND,
    EDITS_PUT,
    EXECUTION_INSERT,
    EXECUTION_UPDATE,
    EXECUTION_UPDATE_WITH_FIRST,
    ATTEMPT_FIRST,
    ATTEMPT_INSERT,
    ALERT_INSERT,
    AUDIT_INSERT,
    AUDIT_SWEEP,
    ALERT_ACK,
    CLIENT_KEY_PUT,
    CLIENT_KEYS_SWEEP,
    PROGRESS_GET,
    PROGRESS_PUT,
    LINGER_PUT,
    LINGER_DELETE,
    RETAIN_FIND,
    RETAIN_ATTEMPTS,
    RETAIN_ALERTS,
    RETAIN_EXECUTION,
    RETAIN_LOOSE_ALERTS,
    RETAIN_DELIVERIES,
    SWEEP_FIND,
    SWEEP_ALERTS,
    SWEEP_JOB,
    STATEMENTS
};

extern const struct sql writer_sql[STATEMENTS];

struct sqlite_store {
    struct store store;
    char *path;
    int latch; // See latch.c.
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct progress_row progress; // As last committed.
    dur_ms reader_time_ms;        // What one query of a reader may take.
    job_id edits_after; // Where the search for edited jobs goes on; JOB_ID_MAX: it is over.
    job_id sweep_after; // Where the search for jobs without rows goes on.
    int log_pages;      // In the write-ahead log after the last commit,
    int log_pages_done; // of which these are in the database file, too.
};

// Turns SQLite's last error on `db` into one of ours, with `what` was being done. To be called at
// once, while errno is that of the call to the system which failed, if one has.
enum err sqlite_fault(sqlite3 *db, const char *what, struct fault *f);

MUST_CHECK enum err sqlite_execute(sqlite3 *db, const char *sql, struct fault *f);
MUST_CHECK enum err sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out,
                                   struct fault *f);
MUST_CHECK enum err sqlite_prepare_all(sqlite3 *db, const struct sql *sql, size_t count,
                                       sqlite3_stmt **out, struct fault *f);

// Steps a statement that returns no rows, and resets it.
MUST_CHECK enum err sqlite_run(struct sqlite_store *s, enum statement which, struct fault *f);

// Reads a number from a query without parameters, such as a PRAGMA.
MUST_CHECK enum err sqlite_number(sqlite3 *db, const char *sql, int64_t *out, struct fault *f);

// ERR_STORE_VERSION for a newer database, ERR_STORE_OPEN for one of another program.
MUST_CHECK enum err sqlite_check_version(sqlite3 *db, const char *path, struct fault *f);
// The same, and ERR_STORE_OPEN for an older or an empty one: for those who may not migrate.
MUST_CHECK enum err sqlite_check_current(sqlite3 *db, const char *path, struct fault *f);
// The same, and ERR_STORE_OPEN for an empty one only.
MUST_CHECK enum err sqlite_check_ours(sqlite3 *db, const char *path, struct fault *f);
extern const int sqlite_schema_version;                                   // The newest.
MUST_CHECK enum err sqlite_migrate(sqlite3 *db, int to, struct fault *f); // Up to this version.

// *out is to be closed also after a failure.
MUST_CHECK enum err sqlite_connect(const char *path, int flags, sqlite3 **out, struct fault *f);
MUST_CHECK enum err sqlite_connect_reader(const char *path, sqlite3 **out, struct fault *f);

// Opens a database also when a move has marked it; and ERR_STORE_OPEN for such a one (move.c).
MUST_CHECK enum err sqlite_open_marked(const char *path, struct store **out, struct fault *f);
MUST_CHECK enum err sqlite_check_moved(struct sqlite_store *s, struct fault *f);

// --- Small tables (registry.c, latch.c) ------------------------------------------------------

MUST_CHECK enum err sqlite_registry_open(struct store *store, struct store_registry **out,
                                         struct fault *f);
// The latch of the database at `path`; -1: there can be none.
int sqlite_latch_open(const char *path);
void sqlite_latch_close(int latch);
MUST_CHECK bool sqlite_latch_try(int latch); // False: somebody else has it now.
MUST_CHECK enum err sqlite_latch_take(int latch, struct fault *f);
void sqlite_latch_release(int latch);

// --- Copies (copy.c, backup.c, restore.c) ----------------------------------------------------

struct stat;
struct sqlite_copy {
    const char *from;
    const char *to;           // Must not be there.
    const char *check;        // A PRAGMA that answers "ok", asked of the copy.
    const struct stat *owner; // Whose the copy is to be; NULL: whoever makes it.
    bool older;               // The source may be of an older version.
};
// When it returns ERR_OK the copy is whole, checked and on the disk; its name may not be. Else it
// is not there.
MUST_CHECK enum err sqlite_copy(const struct sqlite_copy *what, struct fault *f);

// "cannot WHAT PATH: ...", with errno.
enum err sqlite_system_fault(const char *what, const char *path, struct fault *f);
MUST_CHECK enum err sqlite_sync_folder(const char *path,
                                       struct fault *f); // The folder of the file `path`.

// Goes on with a restore that was broken off, if one was. The caller has the database's lock.
MUST_CHECK enum err sqlite_restore_finish(const char *path, struct fault *f);
// ERR_STORE_OPEN if one was broken off: for those who may not go on with it.
MUST_CHECK enum err sqlite_check_whole(const char *path, struct fault *f);
// Where what was there is kept; the caller frees it.
char *sqlite_restore_kept(const char *path, const char *suffix);

// --- Keys of clients (client_keys.c) ---------------------------------------------------------

MUST_CHECK enum err sqlite_put_client_key(struct sqlite_store *s, const struct client_key *k,
                                          struct fault *f);
MUST_CHECK enum err sqlite_sweep_client_keys(struct sqlite_store *s, wall_ms now, size_t rows_max,
                                             struct fault *f);
MUST_CHECK enum err sqlite_read_client_key(sqlite3_stmt *row, struct client_key *out,
                                           struct fault *f);

// --- What somebody has changed (audit.c) -------------------------------------------------------

MUST_CHECK enum err sqlite_put_audit(struct sqlite_store *s, const struct audit_entry *e,
                                     struct fault *f);
// Removes entries of before, at most `rows_max`.
MUST_CHECK enum err sqlite_sweep_audit(struct sqlite_store *s, wall_ms before, size_t rows_max,
                                       size_t *removed, struct fault *f);

// --- Writing (commit.c, coalesce.c, maintain.c) ----------------------------------------------

MUST_CHECK enum commit_outcome sqlite_commit(struct store *store, struct batch *const *batches,
                                             size_t count, struct commit_cause *cause);
MUST_CHECK enum err sqlite_take_shard(struct store *store, uint32_t number, struct shard *out,
                                      struct fault *f);
MUST_CHECK enum err sqlite_put_progress(struct sqlite_store *s, const struct progress_row *p,
                                        struct fault *f);
MUST_CHECK enum err sqlite_retain(struct store *store, const struct store_retention *r, wall_ms now,
                                  size_t rows_max, size_t *removed, struct fault *f);
MUST_CHECK enum err sqlite_log_start(struct sqlite_store *s, struct fault *f); // Once, at open.
MUST_CHECK enum err sqlite_checkpoint(struct store *store, struct fault *f);
// When the disk is full: folds the log in and cuts it, as far as readers and the disk let it.
MUST_CHECK enum err sqlite_make_room(struct sqlite_store *s, struct fault *f);
bool sqlite_measure_room(struct store *store, struct store_room *out);
// How long the log may get on a disk with so much room before it is folded in.
int sqlite_log_pages_max(uint64_t free_bytes);

MUST_CHECK enum err sqlite_begin(struct sqlite_store *s, struct fault *f);
// Commits, or rolls back when `err` is set or the commit fails; returns the first error.
MUST_CHECK enum err sqlite_end(struct sqlite_store *s, enum err err, struct fault *f);

// --- Reading (walk.c, reader.c) ---------------------------------------------------------------

// Goes through the rows of a statement and resets it. `visit` reads the row at hand and may set
// is_done to end early. Embedded as the first member of what `visit` needs.
struct walk {
    enum err (*visit)(struct walk *w, sqlite3_stmt *statement, struct fault *f);
    bool is_done;
    bool leaves_out; // A row that row_read cannot read is left out; *f then tells of it.
};
// row_read for a visit. False: the row is not to be looked at, and *err is what the visit returns.
bool walk_read(struct walk *w, const struct row_map *m, sqlite3_stmt *statement, void *row,
               enum err *err, struct fault *f);
MUST_CHECK enum err sqlite_walk(sqlite3 *db, sqlite3_stmt *statement, struct walk *w,
                                struct fault *f);

struct job_walk {
    struct walk walk;
    const struct job_query *query; // NULL: every job.
    size_t left;                   // How many more are wanted; 0 without a query: all.
    store_each_job *each;
    void *context;
};
struct execution_walk {
    struct walk walk;
    bool found;
    size_t left; // How many more are wanted; 0: all.
    store_each_execution *each;
    void *context;
};
struct version_walk {
    struct walk walk;
    store_each_version *each;
    void *context;
};
struct version_walk version_walk(store_each_version *each, void *context);
struct job_walk job_walk(const struct job_query *q, store_each_job *each, void *context);
struct execution_walk execution_walk(store_each_execution *each, void *context);

// As a start reads it: a row that is damaged comes as far as it can be read. At most `left` of
// them.
struct execution_walk open_walk(size_t left, store_each_execution *each, void *context);
MUST_CHECK enum err sqlite_reader_open(struct store *store, struct store_reader **out,
                                       struct fault *f);

#endif
