// SPDX-License-Identifier: MIT
// versions.c: versions of jobs whose rows were edited by hand.
//
// The core says when a version of a job begins (CHANGE_VERSION). Operators edit the table of jobs
// while no server is at work on it, and of that the core hears nothing: the row then says what no
// version does. After a start the versions are written down, in steps between commits, each from
// its row's own effective_from on; until then whoever lists the versions is shown the missing one
// as if it were there.

#include "store/sqlite/sqlite_priv.h"

#define EDITS_STEP_JOBS 4000 // Some milliseconds.

// The statement's only number, or 0 for NULL.
static enum err read_number(struct sqlite_store *s, enum statement which, int64_t *out,
                            struct fault *f)
{
    sqlite3_stmt *statement = s->statements[which];
    enum err err = ERR_OK;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        err = sqlite_fault(s->db, "reading", f);
    sqlite3_reset(statement);
    return err;
}

static void bind(struct sqlite_store *s, enum statement which, int64_t first, int64_t second)
{
    sqlite3_bind_int64(s->statements[which], 1, first);
    sqlite3_bind_int64(s->statements[which], 2, second);
}

enum err sqlite_note_edits(struct sqlite_store *s, struct fault *f)
{
    int64_t last = 0, edited = 0; // Found first: a step that has nothing to write needs no lock.
    if (s->edits_after == JOB_ID_MAX)
        return ERR_OK;
    enum err err = ERR_OK;
    if (s->edits_after == 0) // Each row is read once: pages kept would only take memory.
        err = sqlite_execute(s->db, SQLITE_WALK_CACHE, f);
    bind(s, EDITS_STEP, s->edits_after, EDITS_STEP_JOBS);
    if (!err)
        err = read_number(s, EDITS_STEP, &last, f);
    bind(s, EDITS_FIND, s->edits_after, last);
    if (!err)
        err = read_number(s, EDITS_FIND, &edited, f);
    bind(s, EDITS_PUT, s->edits_after, last);
    if (!err && edited)
        err = sqlite_run(s, EDITS_PUT, f);
    if (!err)
        s->edits_after = last ? last : JOB_ID_MAX;
    if (!err && !last)
        err = sqlite_execute(s->db, SQLITE_WRITER_CACHE, f);
    return err;
}
