// SPDX-License-Identifier: MIT
// maintain.c: what the writing side does between commits: old rows go, the log is folded in.

#include "store/sqlite/sqlite_priv.h"

#include <sys/statvfs.h>

// The more of the log is folded in at once, the fewer times a page that changes often is written;
// the longer it gets, the longer a step holds up the commits and the more a start has to replay.
#define CHECKPOINT_PAGES 2048
#define CHECKPOINT_PAGES_MIN 64 // However little room there is.
#define LOG_PAGES_MAX 16384     // 64 MiB: then the file is cut, if no reader is in the way.
#define PAGE_BYTES 4096

// What one step of retention has removed so far.
struct removal {
    size_t count;
    wall_ms to; // The latest instant among them.
};

// Collects the oldest terminal rows which lie before `before`, at most `ids_max`.
static enum err find_old(struct sqlite_store *s, wall_ms before, size_t ids_max, int64_t *ids,
                         struct removal *found, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[RETAIN_FIND];
    sqlite3_bind_int64(statement, 1, before);
    sqlite3_bind_int64(statement, 2, (int64_t)ids_max);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        ids[found->count++] = sqlite3_column_int64(statement, 0);
        found->to = MAX(found->to, sqlite3_column_int64(statement, 1));
    }
    enum err err = rc == SQLITE_DONE ? ERR_OK : sqlite_fault(s->db, "looking for old rows", f);
    sqlite3_reset(statement);
    return err;
}

static enum err run_with_id(struct sqlite_store *s, enum statement which, int64_t id,
                            struct fault *f)
{
    sqlite3_bind_int64(s->statements[which], 1, id);
    return sqlite_run(s, which, f);
}

static enum err remove_execution(struct sqlite_store *s, int64_t id, struct fault *f)
{
    enum err err = run_with_id(s, RETAIN_ATTEMPTS, id, f);
    if (!err)
        err = run_with_id(s, RETAIN_ALERTS, id, f);
    if (!err)
        err = run_with_id(s, RETAIN_EXECUTION, id, f);
    return err;
}

// Adds what it removed to *removed.
static enum err remove_old(struct sqlite_store *s, wall_ms before, size_t rows_max,
                           struct removal *removed, struct fault *f)
{
    int64_t *ids = xcalloc(rows_max, sizeof *ids);
    struct removal found = {.to = removed->to};
    enum err err = find_old(s, before, rows_max, ids, &found, f);
    for (size_t i = 0; i < found.count && !err; i++)
        err = remove_execution(s, ids[i], f);
    free(ids);
    removed->count += found.count;
    removed->to = found.to;
    return err;
}

static enum err remove_by_age(struct sqlite_store *s, enum statement which, wall_ms before,
                              size_t rows_max, struct fault *f)
{
    sqlite3_bind_int64(s->statements[which], 1, before);
    sqlite3_bind_int64(s->statements[which], 2, (int64_t)rows_max);
    return sqlite_run(s, which, f);
}

// Alerts about no execution, such as those of the clock, go by age alone, as deliveries do.
static enum err remove_loose(struct sqlite_store *s, wall_ms before, size_t rows_max,
                             struct fault *f)
{
    enum err err = remove_by_age(s, RETAIN_LOOSE_ALERTS, before, rows_max, f);
    return err ? err : remove_by_age(s, RETAIN_DELIVERIES, before, rows_max, f);
}

// How many of the oldest rows make up what is beyond `bytes_max`, if all bytes are those of
// executions: when others take much of the room, several steps get there. Pages that nothing is on
// do not count: the file keeps them for later rows.
static enum err count_excess(struct sqlite_store *s, int64_t bytes_max, int64_t rows, int64_t *out,
                             struct fault *f)
{
    int64_t pages = 0, free_pages = 0;
    enum err err = sqlite_number(s->db, "PRAGMA page_count", &pages, f);
    if (!err)
        err = sqlite_number(s->db, "PRAGMA freelist_count", &free_pages, f);
    int64_t used = (pages - free_pages) * PAGE_BYTES;
    int64_t each = MAX(used / MAX(rows, 1), 1);
    *out = used > bytes_max ? (used - bytes_max) / each + 1 : 0;
    return err;
}

static enum err remove_bytes(struct sqlite_store *s, int64_t bytes_max, size_t rows_max,
                             struct removal *removed, struct fault *f)
{
    int64_t rows = s->progress.executions - (int64_t)removed->count;
    int64_t excess = 0;
    enum err err = count_excess(s, bytes_max, rows, &excess, f);
    size_t room = rows_max - removed->count;
    if (err || excess == 0 || room == 0)
        return err;
    return remove_old(s, WALL_NEVER, MIN((size_t)excess, room), removed, f);
}

static enum err remove_excess(struct sqlite_store *s, int64_t executions_max, size_t rows_max,
                              struct removal *removed, struct fault *f)
{
    int64_t excess = s->progress.executions - (int64_t)removed->count - executions_max;
    if (excess <= 0)
        return ERR_OK;
    size_t room = rows_max - removed->count;
    return remove_old(s, WALL_NEVER, MIN((size_t)excess, room), removed, f);
}

static enum err remove_by_rules(struct sqlite_store *s, const struct store_retention *r,
                                wall_ms now, size_t rows_max, struct removal *removed,
                                struct fault *f)
{
    enum err err = ERR_OK;
    if (r->age_ms > 0)
        err = remove_old(s, now - r->age_ms, rows_max, removed, f);
    if (r->age_ms > 0 && !err)
        err = remove_loose(s, now - r->age_ms, rows_max, f);
    if (r->executions_max > 0 && !err)
        err = remove_excess(s, r->executions_max, rows_max, removed, f);
    if (r->bytes_max > 0 && !err)
        err = remove_bytes(s, r->bytes_max, rows_max, removed, f);
    return err;
}

// Looks at the next few deleted jobs, and lets those go which have no execution left.
static enum err sweep_jobs(struct sqlite_store *s, size_t rows_max, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[SWEEP_FIND];
    sqlite3_bind_int64(statement, 1, s->sweep_after);
    sqlite3_bind_int64(statement, 2, (int64_t)rows_max);
    job_id *ids = xcalloc(rows_max, sizeof *ids);
    size_t found = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        ids[found++] = sqlite3_column_int64(statement, 0);
    enum err err = rc == SQLITE_DONE ? ERR_OK : sqlite_fault(s->db, "looking for deleted jobs", f);
    sqlite3_reset(statement);

    for (size_t i = 0; i < found && !err; i++) {
        err = run_with_id(s, SWEEP_ALERTS, ids[i], f);
        if (!err)
            err = run_with_id(s, SWEEP_JOB, ids[i], f);
    }
    s->sweep_after = found == rows_max ? ids[found - 1] : 0; // From the start again.
    free(ids);
    return err;
}

enum err sqlite_retain(struct store *store, const struct store_retention *r, wall_ms now,
                       size_t rows_max, size_t *removed, struct fault *f)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    struct progress_row row = s->progress;
    struct removal gone = {.to = row.removed_to};
    size_t entries = 0;
    enum err err = sqlite_begin(s, f);
    if (err)
        return err;
    err = remove_by_rules(s, r, now, rows_max, &gone, f);
    row.executions -= (int64_t)gone.count;
    row.removed_to = gone.to;
    if (!err && gone.count > 0)
        err = sqlite_put_progress(s, &row, f);
    if (!err && gone.count < rows_max)
        err = sweep_jobs(s, rows_max, f);
    if (!err)
        err = sqlite_sweep_client_keys(s, now, rows_max, f);
    if (!err && r->audit_age_ms > 0)
        err = sqlite_sweep_audit(s, now - r->audit_age_ms, rows_max, &entries, f);
    err = sqlite_end(s, err, f);
    if (err)
        return err;
    s->progress = row;
    *removed = MAX(gone.count, entries);
    return ERR_OK;
}

// SQLite calls this after each commit with the length of the log. It is shorter than before when
// the commit started the log anew.
static int note_log(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct sqlite_store *s = context;
    if (pages < s->log_pages)
        s->log_pages_done = 0;
    s->log_pages = pages;
    return SQLITE_OK;
}

// PASSIVE folds in what no reader still needs, and waits for nobody. TRUNCATE also cuts the file,
// which needs a moment without readers: with a waiting time of zero it never waits for one.
static enum err fold_log(struct sqlite_store *s, int mode, struct fault *f)
{
    int pages = 0;
    int done = 0;
    if (!sqlite_latch_try(s->latch)) // The next time will do.
        return ERR_OK;
    sqlite3_busy_timeout(s->db, 0);
    int rc = sqlite3_wal_checkpoint_v2(s->db, "main", mode, &pages, &done);
    sqlite3_busy_timeout(s->db, SQLITE_LOCK_WAIT_MS);
    sqlite_latch_release(s->latch);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        return sqlite_fault(s->db, "folding in the log", f);
    if (pages >= 0) { // -1: the other program that checkpoints at this moment knows.
        s->log_pages = pages;
        s->log_pages_done = done;
    }
    return ERR_OK;
}

enum err sqlite_log_start(struct sqlite_store *s, struct fault *f)
{
    sqlite3_wal_hook(s->db, note_log, s);
    return fold_log(s, SQLITE_CHECKPOINT_TRUNCATE, f); // What a crash left behind.
}

// Folded in, a log may make the database grow by its own length, and both lie on one disk: it may
// take a quarter of the room that is left.
int sqlite_log_pages_max(uint64_t free_bytes)
{
    uint64_t pages = MIN(free_bytes / PAGE_BYTES / 4, CHECKPOINT_PAGES);
    return (int)MAX(pages, CHECKPOINT_PAGES_MIN);
}

bool sqlite_measure_room(struct store *store, struct store_room *out)
{
    struct statvfs disk;
    if (statvfs(((const struct sqlite_store *)store)->path, &disk) != 0)
        return false;
    out->free_bytes = (int64_t)MIN((uint64_t)disk.f_bavail * disk.f_frsize, INT64_MAX);
    out->total_bytes = (int64_t)MIN((uint64_t)disk.f_blocks * disk.f_frsize, INT64_MAX);
    return true;
}

static int log_pages_max(struct sqlite_store *s)
{
    struct store_room room;
    if (!sqlite_measure_room(&s->store, &room))
        return CHECKPOINT_PAGES; // Only a guess would be lost.
    return sqlite_log_pages_max((uint64_t)room.free_bytes);
}

enum err sqlite_make_room(struct sqlite_store *s, struct fault *f)
{
    return fold_log(s, SQLITE_CHECKPOINT_TRUNCATE, f);
}

// Where there is little room the log is also cut, so that the database can have what it took.
enum err sqlite_checkpoint(struct store *store, struct fault *f)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    int waiting = s->log_pages - s->log_pages_done;
    if (waiting < CHECKPOINT_PAGES_MIN)
        return ERR_OK;
    int most = log_pages_max(s);
    if (waiting < most)
        return ERR_OK;
    bool cuts = s->log_pages >= LOG_PAGES_MAX || most < CHECKPOINT_PAGES;
    return fold_log(s, cuts ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, f);
}
