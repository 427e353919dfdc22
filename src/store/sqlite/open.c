// SPDX-License-Identifier: MIT
// open.c: opening and closing the database, and what its errors mean.
//
// WAL with synchronous=FULL: a commit is one append and one fsync. Nobody but the writing
// connection checkpoints, since a checkpoint that races a commit of another connection can damage
// the log in the SQLite versions of our time.
//
// Memory is chosen, not left to defaults: the writer may hold 64 MiB of pages, the leaves of the
// index by job for some ten thousand jobs. Nothing is mapped: a mapped file turns a failing disk
// into SIGBUS, which cannot be reported.

#include "store/sqlite/sqlite_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char writer_pragmas[] = "PRAGMA page_size = 4096;"
                                     "PRAGMA foreign_keys = ON;"
                                     "PRAGMA temp_store = MEMORY;"
                                     "PRAGMA mmap_size = 0;"
                                     "PRAGMA secure_delete = FAST;" SQLITE_WRITER_CACHE;

static const char reader_pragmas[] = "PRAGMA query_only = ON;"
                                     "PRAGMA temp_store = MEMORY;"
                                     "PRAGMA cache_size = -8192;"
                                     "PRAGMA mmap_size = 0;";

static bool means_full(int system_errno)
{
    return system_errno == ENOSPC || system_errno == EDQUOT;
}

// SQLite's own sqlite3_system_errno is not told when a COMMIT fails: it would still name the cause
// of some earlier error, and a broken disk pass for a full one.
enum err sqlite_fault(sqlite3 *db, const char *what, struct fault *f)
{
    int system_errno = errno;
    const char *path = sqlite3_db_filename(db, "main");
    switch (sqlite3_errcode(db) & 0xff) {
    case SQLITE_CONSTRAINT:
        return fault_set(f, ERR_CONFLICT, "%s", sqlite3_errmsg(db));
    case SQLITE_FULL:
        return fault_set(f, ERR_STORE_FULL, "the disk is full: %s cannot grow", path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: // The log: others held it whenever SQLite looked.
        return fault_set(f, ERR_BUSY, "%s is locked by another program", path);
    case SQLITE_INTERRUPT:
        return fault_set(f, ERR_TIMEOUT, "the query took too long: ask for less");
    case SQLITE_CORRUPT:
        return fault_set(f, ERR_STORE_CORRUPT, "%s is damaged (%s): " SQLITE_HELP_DAMAGED, path,
                         sqlite3_errmsg(db));
    case SQLITE_NOTADB:
        return fault_set(f, ERR_STORE_CORRUPT,
                         "%s is not a database, or its beginning is damaged: choose another path, "
                         "or " SQLITE_HELP_DAMAGED,
                         path);
    case SQLITE_CANTOPEN: // The log or its index.
    case SQLITE_IOERR:
        if (means_full(system_errno))
            return fault_set(f, ERR_STORE_FULL, "the disk is full: %s cannot grow", path);
        return fault_set(f, ERR_STORE_IO, "reading or writing %s failed: %s", path,
                         system_errno ? strerror(system_errno) : sqlite3_errmsg(db));
    default:
        return fault_set(f, ERR_STORE_IO, "%s: %s (%s)", path, sqlite3_errmsg(db), what);
    }
}

// Says what a person would want to know before SQLite says "unable to open database file". The
// folder must be writable, since the log lies beside the database.
enum err sqlite_check_path(const char *path, struct fault *f)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return fault_set(f, ERR_STORE_OPEN, "%s is a folder, not a database file", path);
        if (!S_ISREG(st.st_mode))
            return fault_set(f, ERR_STORE_OPEN, "%s is not a regular file", path);
        if (access(path, R_OK | W_OK) != 0)
            return fault_set(f, ERR_STORE_OPEN, "cannot read and write %s: %s", path,
                             strerror(errno));
    }
    char *copy = xstrdup(path);
    const char *folder = dirname(copy);
    enum err err = ERR_OK;
    if (stat(folder, &st) != 0 || access(folder, W_OK | X_OK) != 0)
        err = fault_set(f, ERR_STORE_OPEN, "cannot create files in the folder %s: %s", folder,
                        strerror(errno));
    free(copy);
    return err;
}

// SQLite would create the file with what the umask leaves of 0644; the log and its index then get
// the file's own mode. The database holds the credentials of all jobs: it is its owner's alone. One
// that is there is left as it is, and not even opened, since closing a descriptor would give up the
// locks that another connection of this process has on it.
static enum err create_file(const char *path, struct fault *f)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (means_full(errno))
        return fault_set(f, ERR_STORE_FULL, "the disk is full: %s cannot be created", path);
    else if (errno != EEXIST)
        return fault_set(f, ERR_STORE_OPEN, "cannot create %s: %s", path, strerror(errno));
    return ERR_OK;
}

// Counting every allocation takes a lock that all connections would share. Must come before the
// first use of SQLite; when it comes too late it is refused, which only costs time.
static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err sqlite_connect(const char *path, int flags, sqlite3 **out, struct fault *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);

    int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK && means_full(errno))
        return fault_set(f, ERR_STORE_FULL, "the disk is full: %s cannot be created", path);
    if (rc != SQLITE_OK)
        return fault_set(f, ERR_STORE_OPEN, "cannot open %s: %s", path, sqlite3_errmsg(*out));
    sqlite3_busy_timeout(*out, SQLITE_LOCK_WAIT_MS);
    return ERR_OK;
}

// The log mode is a property of the file; the others are of the connection.
static enum err enter_wal(sqlite3 *db, const char *path, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(db, "PRAGMA journal_mode = WAL", &statement, f);
    if (err)
        return err;
    if (sqlite3_step(statement) != SQLITE_ROW)
        err = sqlite_fault(db, "entering WAL mode", f);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
        err = fault_set(f, ERR_STORE_OPEN,
                        "%s cannot have a write-ahead log there: use a local disk", path);
    sqlite3_finalize(statement);
    if (!err)
        err = sqlite_execute(db, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;", f);
    return err;
}

static void close_store(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    int rc = sqlite3_close(s->db); // The last connection checkpoints and removes the log.
    assert(rc == SQLITE_OK);
    sqlite_latch_close(s->latch);
    free(s->path);
    free(s);
}

// The row has one writer, so what was committed last is what it holds.
static enum err get_shard(struct store *store, uint32_t number, struct shard *out, struct fault *f)
{
    (void)number;
    (void)f;
    *out = ((struct sqlite_store *)store)->progress.shard;
    return ERR_OK;
}

static enum err tidy(struct store *store, struct fault *f)
{
    enum err err = sqlite_checkpoint(store, f);
    return err ? err : sqlite_note_edits((struct sqlite_store *)store, f);
}

static const struct store_ops ops = {
    .close = close_store,
    .commit = sqlite_commit,
    .get_shard = get_shard,
    .take_shard = sqlite_take_shard,
    .retain = sqlite_retain,
    .tidy = tidy,
    .measure_room = sqlite_measure_room,
    .reader_open = sqlite_reader_open,
    .registry_open = sqlite_registry_open,
};

static enum err read_progress(struct sqlite_store *s, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[PROGRESS_GET];
    enum err err;
    if (sqlite3_step(statement) == SQLITE_ROW)
        err = row_read(&progress_rows, statement, &s->progress, f);
    else
        err = sqlite_fault(s->db, "reading the progress", f);
    sqlite3_reset(statement);
    return err;
}

static enum err open_store(struct sqlite_store *s, struct fault *f)
{
    enum err err = sqlite_check_path(s->path, f);
    if (!err)
        err = sqlite_restore_finish(s->path, f);
    if (!err)
        err = create_file(s->path, f);
    if (!err)
        err = sqlite_connect(s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->db, f);
    if (!err)
        err = sqlite_execute(s->db, writer_pragmas, f);
    if (!err)
        err = sqlite_check_version(s->db, s->path, f); // Before anything is changed.
    if (!err)
        err = enter_wal(s->db, s->path, f);
    if (!err)
        err = sqlite_migrate(s->db, sqlite_schema_version, f);
    if (!err)
        err = sqlite_prepare_all(s->db, writer_sql, STATEMENTS, s->statements, f);
    if (!err)
        err = read_progress(s, f);
    if (!err)
        err = sqlite_log_start(s, f);
    return err;
}

enum err sqlite_open_marked(const char *path, struct store **out, struct fault *f)
{
    struct sqlite_store *s = xcalloc(1, sizeof *s);
    s->store.ops = &ops;
    s->store.shards = 1;
    s->path = xstrdup(path);
    s->latch = sqlite_latch_open(path);
    s->reader_time_ms = SQLITE_READER_TIME_MS;

    enum err err = open_store(s, f);
    if (err) {
        close_store(&s->store);
        return err;
    }
    *out = &s->store;
    return ERR_OK;
}

enum err store_sqlite_open(const char *path, struct store **out, struct fault *f)
{
    struct store *s;
    enum err err = sqlite_open_marked(path, &s, f);
    if (err)
        return err;
    err = sqlite_check_moved((struct sqlite_store *)s, f);
    if (err)
        close_store(s);
    else
        *out = s;
    return err;
}

enum err sqlite_connect_reader(const char *path, sqlite3 **out, struct fault *f)
{
    enum err err = sqlite_connect(path, SQLITE_OPEN_READONLY, out, f);
    if (!err)
        err = sqlite_execute(*out, reader_pragmas, f);
    return err;
}
