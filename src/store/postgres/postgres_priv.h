// SPDX-License-Identifier: MIT
// postgres_priv.h: how the parts of the PostgreSQL adapter see each other.
//
// link.c talks to the server within a time, parameters.c and rows.c make and read what goes over
// the connection, schema.c has the tables, functions.c what runs inside the server, open.c opens
// and closes, commit.c writes, load.c loads, days.c makes the partitions, retain.c removes old
// rows, versions.c sees to edited jobs, reader.c and reader_jobs.c answer queries. nodes.c and
// commands.c are the doors of the cluster, with node_functions.c and command_functions.c in the
// server. registry.c has small tables. copy.c takes many rows at once, for move.c, one end of a
// move.

#ifndef CARILLON_STORE_POSTGRES_PRIV_H
#define CARILLON_STORE_POSTGRES_PRIV_H

#include "store/columns_priv.h"

#include <libpq-fe.h>

#define POSTGRES_CALL_MS 5000     // A call of the server may take so long.
#define POSTGRES_MIGRATE_MS 60000 // A change of the tables may take so long.
#define POSTGRES_OLDEST 130000    // PostgreSQL 13
#define NODE_PROTOCOL 1           // Raised when nodes of before cannot work beside this one.
#define POSTGRES_FILLED "35"      // Percent of a page of job_executions with rows ahead of time.
#define POSTGRES_DAY_MS 86400000
#define POSTGRES_LATE_MS 3600000 // Executions that end so long after their day keep it longer.

// --- Parameters (parameters.c) ---------------------------------------------------------------

#define PARAMETERS_MAX 256

// The parameters of one statement, all in binary. Zeroed is empty.
struct parameters {
    char *bytes; // All values, one after the other.
    size_t count;
    size_t capacity;
    int used;
    Oid types[PARAMETERS_MAX];
    size_t begins[PARAMETERS_MAX];
    size_t lengths[PARAMETERS_MAX];
    bool is_null[PARAMETERS_MAX];
};

void parameters_fini(struct parameters *p);
void parameter_integer(struct parameters *p, int64_t value);
void parameter_integer_or_null(struct parameters *p, int64_t value, int64_t null);
void parameter_text(struct parameters *p, const char *text); // NULL is NULL.
void parameter_bytes(struct parameters *p, const void *bytes, size_t count);
// An array of `count` elements, each of which is put with one of the functions after these.
void parameter_array(struct parameters *p, bool of_texts, size_t count);
void parameter_array_of_bytes(struct parameters *p, size_t count);
void parameter_array_of_ids(struct parameters *p, size_t count);
void parameter_id(struct parameters *p, const struct command_id *id);
void parameter_put_bytes(struct parameters *p, const void *bytes, size_t count); // Also an id.
void parameter_put_null(struct parameters *p);
void parameter_put_integer(struct parameters *p, int64_t value);
void parameter_put_text(struct parameters *p, const char *text); // NULL is NULL.
void parameter_array_end(struct parameters *p);
// An array for each column of the map from `first` on. A row that is NULL has only NULLs.
void parameter_rows(struct parameters *p, const struct row_map *m, size_t first,
                    const void *const *rows, size_t count);

// A parameter for each column of the map from `first` on; the map has no duration.
void parameter_row(struct parameters *p, const struct row_map *m, size_t first, const void *row);

// --- The hosts of a URL (hosts.c) ------------------------------------------------------------

enum { HOSTS_HOST, HOSTS_HOSTADDR, HOSTS_PORT, HOSTS_LISTS };

// Zeroed: none, and hosts_fini is a no-op.
struct hosts {
    char *lists[HOSTS_LISTS]; // As in the URL, separated by commas; NULL: it has none.
    unsigned count;           // 1, unless the URL names several.
};

void hosts_init(struct hosts *h, const char *url);
void hosts_fini(struct hosts *h);
void hosts_turn(struct hosts *h); // The first host becomes the last.

// --- The connection (link.c) -----------------------------------------------------------------

struct link {
    char *url;
    struct hosts hosts; // The first of them is tried first.
    dur_ms call_ms;     // A call may take so long.
    PGconn *connection; // NULL: there is none; the next call makes one.
    bool has_warned;    // The server sent a warning during the last call.
    bool is_doubtful;   // The last call was sent, and its answer was lost.
    bool is_misrouted;  // The last call met a partition that was just made: it may be repeated.
    unsigned made;      // Connections so far.
    unsigned settled;   // The last of them on which a commit was seen to reach the replica.
    size_t unsent;      // Bytes of a copy that may not have left yet.
};

void link_init(struct link *l, const char *url);
void link_fini(struct link *l);
void link_cut(struct link *l);
// ERR_STORE_AWAY, ERR_STORE_OPEN (read-only).
MUST_CHECK enum err link_connect(struct link *l, struct fault *f);
// Runs one statement. Rows come in binary; the caller clears *out. Any ERR_STORE_AWAY has closed
// the connection. `p` may be NULL.
MUST_CHECK enum err link_run(struct link *l, const char *sql, const struct parameters *p,
                             PGresult **out, struct fault *f);
// Runs one statement whose rows are told to clients, as link_run, and never shows what may not be
// on the replica: ERR_STORE_AWAY.
MUST_CHECK enum err link_run_settled(struct link *l, const char *sql, const struct parameters *p,
                                     PGresult **out, struct fault *f);
// Several statements without parameters or rows, as one transaction.
MUST_CHECK enum err link_script(struct link *l, const char *sql, struct fault *f);

// What calls are made of. Each connects first, or stops at the deadline: false, and link_lost says
// why and closes the connection.
MUST_CHECK enum err link_begin(struct link *l, struct fault *f);
MUST_CHECK bool link_flush(struct link *l, mono_ms deadline); // Until all has been sent.
MUST_CHECK bool link_wait(struct link *l, mono_ms deadline);  // Until something comes.
MUST_CHECK bool link_next(struct link *l, mono_ms deadline,
                          PGresult **out); // NULL after the last one.
enum err link_lost(struct link *l, mono_ms deadline, struct fault *f);
// The first result that is an error, else the last one.
MUST_CHECK enum err link_receive(struct link *l, mono_ms deadline, PGresult **out, struct fault *f);
MUST_CHECK enum err link_judge(struct link *l, PGresult *result, struct fault *f);

// --- Copies (copy.c) -------------------------------------------------------------------------

#define LINK_UNSENT_MAX 65536

// Begins "COPY ... FROM STDIN"; then lines are put, until the end says how many the server took.
MUST_CHECK enum err link_copy_in(struct link *l, const char *sql, struct fault *f);
MUST_CHECK enum err link_copy_put(struct link *l, const char *line, size_t bytes, struct fault *f);
MUST_CHECK enum err link_copy_end(struct link *l, int64_t *rows, struct fault *f);
// Runs "COPY ... TO STDOUT". Each line is passed with its newline, and may be written into.
typedef enum err link_line(void *context, char *line, size_t bytes, struct fault *f);
MUST_CHECK enum err link_copy_out(struct link *l, const char *sql, link_line *each, void *context,
                                  int64_t *rows, struct fault *f);

// --- Rows (rows.c) ---------------------------------------------------------------------------

// A row of a result.
struct result_row {
    const PGresult *result;
    int row;
};

int64_t result_integer(const struct result_row *r, int column);  // NULL is 0.
const char *result_text(const struct result_row *r, int column); // NULL is NULL.
read_cell result_cell;
MUST_CHECK enum err result_read(const struct row_map *m, const struct result_row *r, void *row,
                                struct fault *f);
// The row of a shard: its columns are those of SHARD_COLUMNS.
#define SHARD_COLUMNS                                                                              \
    "id, watermark, watermark_job, job_next, execution_next, alert_next, epoch, tick, generation," \
    " corrected_at, open_from"
#define SHARD_COLUMN_COUNT 11
void result_shard(const struct result_row *r, struct shard *out);

// --- The schema (schema.c, functions.c) ------------------------------------------------------

// Makes or migrates the tables and checks that they are this program's. A new database gets so many
// shards, and one that is there must have as many.
MUST_CHECK enum err postgres_prepare(struct link *l, uint32_t shards, struct fault *f);
// The same for a move: the tables of an empty database, made in one transaction with `more`; and
// what a server must be. Without a look at the mark of moves.
MUST_CHECK enum err postgres_prepare_marked(struct link *l, uint32_t shards, const char *more,
                                            struct fault *f);
// ERR_STORE_OPEN: the rows are elsewhere, or not here yet (move.c).
MUST_CHECK enum err postgres_check_moved(struct link *l, struct fault *f);
extern const int postgres_schema_version; // The newest.
// The text that creates the functions; the caller frees it.
char *postgres_functions(void);
// Parts of that, with NULL at the end; each from the file of its name.
extern const char *const postgres_day_functions[];
extern const char *const postgres_retain_functions[];
extern const char *const postgres_version_functions[];
extern const char *const postgres_node_functions[];
extern const char *const postgres_command_functions[];
extern const char *const postgres_registry_functions[];

// The version that a row of `jobs` stands for, as a row of `job_versions`, when it is none that is
// there: somebody edited the row by hand. To be followed by " AND ..." or nothing.
#define POSTGRES_DECIDES "schedule, timezone, dst_gap, dst_fold, start_at, end_at, max_runs"
#define POSTGRES_VERSION_COLUMNS                                                                   \
    "job_id, number, version, from_at, phase, " POSTGRES_DECIDES ", runs, paused_until, reason"
#define POSTGRES_PHASE                                                                             \
    "CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN is_active = 1 THEN 'active'"             \
    " WHEN finished = 1 THEN 'finished' ELSE 'paused' END"
#define POSTGRES_WHEN_PAUSED(column) "CASE WHEN " POSTGRES_PHASE " = 'paused' THEN " column " END"
#define POSTGRES_EDITED_VERSION                                                                    \
    "SELECT id AS job_id, 1 + coalesce((SELECT max(number) FROM job_versions"                      \
    "  WHERE job_id = jobs.id), 0) AS number, version,"                                            \
    " CASE WHEN deleted_at IS NOT NULL THEN deleted_at"                                            \
    "  WHEN finished = 1 THEN greatest(effective_from, updated_at) ELSE effective_from END"        \
    "  AS from_at, " POSTGRES_PHASE " AS phase, " POSTGRES_DECIDES ", runs,"                       \
    " " POSTGRES_WHEN_PAUSED(                                                                      \
        "paused_until") " AS paused_until,"                                                        \
                        " " POSTGRES_WHEN_PAUSED(                                                  \
                            "paused_reason") " AS reason"                                          \
                                             " FROM jobs WHERE NOT EXISTS (SELECT FROM (SELECT * " \
                                             "FROM job_versions WHERE job_id = jobs.id"            \
                                             "  ORDER BY number DESC LIMIT 1) AS v WHERE "         \
                                             "(v.phase, v.schedule, v.timezone, v.dst_gap,"        \
                                             "  v.dst_fold, v.start_at, v.end_at, v.max_runs, "    \
                                             "v.paused_until, v.reason) IS NOT DISTINCT"           \
                                             "  FROM (" POSTGRES_PHASE                             \
                                             ", jobs.schedule, jobs.timezone, jobs.dst_gap, "      \
                                             "jobs.dst_fold,"                                      \
                                             "  jobs.start_at, jobs.end_at, "                      \
                                             "jobs.max_runs, " POSTGRES_WHEN_PAUSED(               \
                                                 "jobs.paused_until") ","                          \
                                                                      "  " POSTGRES_WHEN_PAUSED(   \
                                                                          "jobs.paused_reason") "))"

// --- The store -------------------------------------------------------------------------------

struct postgres_store {
    struct store store;
    struct link link;
    struct link chores; // For what goes on beside commits: partitions and retention.
    job_id edits_after; // Where the search for edited jobs goes on,
    mono_ms edits_at;   // and when.
    job_id sweep_after; // Where the search for jobs without rows goes on.
    bool is_replica;    // Readers connect when they ask.
};

MUST_CHECK enum commit_outcome postgres_commit(struct store *store, struct batch *const *batches,
                                               size_t count, struct commit_cause *cause);
// Removes entries of before, at most `rows_max`, on the connection for chores.
MUST_CHECK enum err postgres_sweep_audit(struct postgres_store *s, wall_ms before, size_t rows_max,
                                         size_t *removed, struct fault *f);
MUST_CHECK enum err postgres_retain(struct store *store, const struct store_retention *r,
                                    wall_ms now, size_t rows_max, size_t *removed, struct fault *f);
MUST_CHECK enum err postgres_commands_open(struct store *store, struct store_commands **out,
                                           struct fault *f);
MUST_CHECK enum err postgres_registry_open(struct store *store, struct store_registry **out,
                                           struct fault *f);
// A step of going through the jobs, when it is time for one.
MUST_CHECK enum err postgres_note_edits(struct postgres_store *s, struct fault *f);
MUST_CHECK enum err postgres_make_days(struct store *store, wall_ms now, bool *more,
                                       struct fault *f);
MUST_CHECK enum err postgres_reader_open(struct store *store, struct store_reader **out,
                                         struct fault *f);

#endif
