// SPDX-License-Identifier: MIT
// copy.c: many rows of a table at once, by COPY: a line of text for each.
//
// Whoever sends waits until the server has taken what was sent, so that nothing piles up. No step
// may take longer than POSTGRES_MIGRATE_MS; the whole may take as long as it takes.

#include "store/postgres/postgres_priv.h"

static mono_ms next_deadline(void)
{
    return clock_mono_ms() + POSTGRES_MIGRATE_MS;
}

static enum err start(struct link *l, const char *sql, ExecStatusType expected, struct fault *f)
{
    PGresult *result = NULL;
    enum err err = link_begin(l, f);
    if (err)
        return err;
    mono_ms deadline = next_deadline();
    if (!PQsendQuery(l->connection, sql) || !link_flush(l, deadline) ||
        !link_next(l, deadline, &result))
        return link_lost(l, deadline, f);
    err = PQresultStatus(result) == expected ? ERR_OK : link_judge(l, result, f);
    PQclear(result);
    return err;
}

enum err link_copy_in(struct link *l, const char *sql, struct fault *f)
{
    return start(l, sql, PGRES_COPY_IN, f);
}

enum err link_copy_put(struct link *l, const char *line, size_t bytes, struct fault *f)
{
    mono_ms deadline = next_deadline();
    int taken;
    while ((taken = PQputCopyData(l->connection, line, (int)bytes)) == 0)
        if (!link_flush(l, deadline))
            return link_lost(l, deadline, f);
    l->unsent += bytes;
    if (taken > 0 && l->unsent < LINK_UNSENT_MAX)
        return ERR_OK;
    l->unsent = 0;
    return taken > 0 && link_flush(l, deadline) ? ERR_OK : link_lost(l, deadline, f);
}

// Reads on to the end of the statement, and says how many rows it was about.
static enum err finish(struct link *l, int64_t *rows, struct fault *f)
{
    PGresult *result = NULL;
    enum err err = link_receive(l, next_deadline(), &result, f);
    if (err)
        return err;
    err = link_judge(l, result, f);
    if (!err)
        *rows = strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return err;
}

enum err link_copy_end(struct link *l, int64_t *rows, struct fault *f)
{
    mono_ms deadline = next_deadline();
    int ended;
    l->unsent = 0;
    while ((ended = PQputCopyEnd(l->connection, NULL)) == 0)
        if (!link_flush(l, deadline))
            return link_lost(l, deadline, f);
    if (ended < 0 || !link_flush(l, deadline))
        return link_lost(l, deadline, f);
    return finish(l, rows, f);
}

// A line of the answer; NULL after the last one.
static enum err next_line(struct link *l, char **line, int *bytes, struct fault *f)
{
    mono_ms deadline = next_deadline();
    while ((*bytes = PQgetCopyData(l->connection, line, 1)) == 0)
        if (!link_wait(l, deadline))
            return link_lost(l, deadline, f);
    return ERR_OK; // -1: the end, -2: an error, which the result tells.
}

enum err link_copy_out(struct link *l, const char *sql, link_line *each, void *context,
                       int64_t *rows, struct fault *f)
{
    char *line = NULL;
    int bytes = 0;
    enum err err = start(l, sql, PGRES_COPY_OUT, f);
    while (!err && !(err = next_line(l, &line, &bytes, f)) && bytes > 0) {
        err = each(context, line, (size_t)bytes, f);
        PQfreemem(line);
        line = NULL;
    }
    if (err) {
        link_cut(l); // The rest of the rows would come.
        return err;
    }
    return finish(l, rows, f);
}
