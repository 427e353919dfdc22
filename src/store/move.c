// SPDX-License-Identifier: MIT
// move.c: the steps of a move, in the order that lets it be broken off anywhere.
//
//     source ready           the target is looked at: nothing is written when it does not fit
//     source leaving         no server starts on it any more
//     target arriving        no node starts on it yet; the tables are copied, one after the other
//     target ready           the last commit
//     source left
//
// The mark has an id, which both ends know, and so the same call can tell how far it came. A copy
// that was broken off is begun again: what the target had of it goes first. A file that is the
// target has another name until it is whole, and so needs no mark before.

#include "store/move_priv.h"
#include "store/store_priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char *const tables[] = {
#define MOVED(table) #table,
#include "store/moved.def"
};

static const char *const states[MOVE_STATES] = {
    [MOVE_READY] = "ready", [MOVE_ARRIVING] = "arriving", [MOVE_LEAVING] = "leaving",
    [MOVE_LEFT] = "left",   [MOVE_DROPPED] = "dropped",
};

const char *move_state_name(enum move_state s)
{
    assert(s < MOVE_STATES);
    return states[s];
}

enum err move_mark_set(struct move_mark *m, const char *state, const char *id, const char *place,
                       struct fault *f)
{
    *m = (struct move_mark){.state = MOVE_STATES};
    for (enum move_state s = 0; s < MOVE_STATES; s++)
        if (state && strcmp(state, states[s]) == 0)
            m->state = s;
    if (m->state == MOVE_STATES)
        return fault_set(f, ERR_STORE_CORRUPT, "the mark of moves holds '%.40s'",
                         state ? state : "NULL");
    snprintf(m->id, sizeof m->id, "%s", id ? id : "");
    snprintf(m->place, sizeof m->place, "%s", place ? place : "");
    return ERR_OK;
}

enum err move_mark_refuse(const struct move_mark *m, const char *own, struct fault *f)
{
    switch (m->state) {
    case MOVE_LEAVING:
        return fault_set(f, ERR_STORE_OPEN,
                         "%s is being moved to %s, and the move has not ended: run carillon move "
                         "again, or with --take-back to stay here",
                         own, m->place);
    case MOVE_LEFT:
        return fault_set(f, ERR_STORE_OPEN,
                         "%s was moved to %s: start there, or move that back into a new database",
                         own, m->place);
    case MOVE_ARRIVING:
        return fault_set(f, ERR_STORE_OPEN,
                         "%s is being filled by a move from %s, which has not ended", own,
                         m->place);
    case MOVE_DROPPED:
        return fault_set(f, ERR_STORE_OPEN,
                         "%s holds a part of a move from %s, which was taken back: use another",
                         own, m->place);
    default:
        return ERR_OK;
    }
}

bool store_place_is_url(const char *place)
{
    return strncmp(place, "postgresql://", 13) == 0 || strncmp(place, "postgres://", 11) == 0;
}

// --- Tables ----------------------------------------------------------------------------------

// A table on its way.
struct transfer {
    const struct store_move *move;
    const char *table;
    move_each_line *put;
    void *target;
    int64_t rows;
};

static enum err pass(void *context, char *line, size_t bytes, struct fault *f)
{
    struct transfer *t = context;
    enum err err = t->put(t->target, line, bytes, f);
    t->rows++;
    if (t->rows % 1024 == 0)
        t->move->copied(t->move->context, t->table, t->rows, false);
    return err;
}

static bool has_column(const struct move_columns *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->names[i], name) == 0)
            return true;
    return false;
}

// A column of PostgreSQL that means nothing in a file, or tells there of another row.
static bool stays(const char *table, const char *column)
{
#define DERIVED(of, name, id) STAYS(of, name)
#define STAYS(of, name)                                                                            \
    if (strcmp(table, #of) == 0 && strcmp(column, #name) == 0)                                     \
        return true;
#include "store/moved.def"
    return false;
}

static void add_derived(const char *table, struct move_columns *c)
{
#define DERIVED(of_table, name, id)                                                                \
    if (strcmp(table, #of_table) == 0) {                                                           \
        assert(c->count < MOVE_COLUMNS_MAX);                                                       \
        snprintf(c->names[c->count], MOVE_NAME_BYTES, "%s", #name);                                \
        c->of[c->count++] = #id;                                                                   \
    }
#include "store/moved.def"
}

static enum err compare_columns(const char *table, const struct move_columns *a,
                                const struct move_columns *b, struct fault *f)
{
    for (size_t i = 0; i < a->count; i++)
        if (!has_column(b, a->names[i]) && !stays(table, a->names[i]))
            return fault_set(f, ERR_STORE_VERSION, "only one of the databases has %s.%s", table,
                             a->names[i]);
    return ERR_OK;
}

// The columns that a table has at both ends. A column that only one of them knew would be lost.
static enum err find_columns(struct move_file *file, struct move_server *server, const char *table,
                             struct move_columns *out, struct fault *f)
{
    struct move_columns others;
    enum err err = sqlite_move_columns(file, table, out, f);
    if (!err)
        err = postgres_move_columns(server, table, &others, f);
    if (!err)
        err = compare_columns(table, out, &others, f);
    return err ? err : compare_columns(table, &others, out, f);
}

static enum err copy_up(const struct store_move *m, struct move_file *file,
                        struct move_server *server, const char *table, struct fault *f)
{
    struct transfer t = {m, table, postgres_move_write, server, 0};
    struct move_columns columns;
    int64_t taken = 0;
    enum err err = find_columns(file, server, table, &columns, f);
    add_derived(table, &columns);
    if (!err)
        err = postgres_move_write_begin(server, table, &columns, f);
    if (!err)
        err = sqlite_move_read(file, table, &columns, pass, &t, f);
    if (!err)
        err = postgres_move_write_end(server, &taken, f);
    if (!err && taken != t.rows)
        err = fault_set(f, ERR_STORE_IO, "%s: %" PRId64 " rows were sent, and %" PRId64 " arrived",
                        table, t.rows, taken);
    if (!err)
        m->copied(m->context, table, t.rows, true);
    return err;
}

static enum err copy_down(const struct store_move *m, struct move_server *server,
                          struct move_file *file, const char *table, int64_t *rows, struct fault *f)
{
    struct transfer t = {m, table, sqlite_move_write, file, 0};
    struct move_columns columns;
    enum err err = find_columns(file, server, table, &columns, f);
    if (!err)
        err = sqlite_move_write_begin(file, table, &columns, f);
    if (!err)
        err = postgres_move_read(server, table, &columns, pass, &t, f);
    if (!err)
        err = sqlite_move_write_end(file, f);
    if (!err)
        m->copied(m->context, table, t.rows, true);
    *rows = t.rows;
    return err;
}

// --- Both ends -------------------------------------------------------------------------------

static enum err make_id(char out[static MOVE_ID_BYTES], struct fault *f)
{
    unsigned char bytes[(MOVE_ID_BYTES - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return fault_set(f, ERR_SYSTEM, "there is no randomness: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return ERR_OK;
}

// The whole path of a file that need not be there.
static enum err file_place(const char *path, char out[static MOVE_PLACE_BYTES], struct fault *f)
{
    char folder[PATH_MAX];
    char *copy = xstrdup(path), *other = xstrdup(path);
    enum err err = ERR_OK;
    if (!realpath(dirname(copy), folder))
        err = fault_set(f, ERR_STORE_OPEN, "there is no folder for %s: %s", path, strerror(errno));
    else if (snprintf(out, MOVE_PLACE_BYTES, "%s/%s", strcmp(folder, "/") ? folder : "",
                      basename(other)) >= MOVE_PLACE_BYTES)
        err = fault_set(f, ERR_RANGE, "the path %s is too long", path);
    free(copy);
    free(other);
    return err;
}

static enum err place_of(const char *place, char out[static MOVE_PLACE_BYTES], struct fault *f)
{
    return store_place_is_url(place) ? postgres_move_place(place, out, f)
                                     : file_place(place, out, f);
}

// What the source's mark says of a move to this place. `is_begun`: it is the one to go on with.
static enum err judge_source(const struct move_mark *mark, const char *from, const char *place,
                             bool *is_begun, struct fault *f)
{
    *is_begun = mark->state == MOVE_LEAVING && strcmp(mark->place, place) == 0;
    if (mark->state == MOVE_READY || *is_begun)
        return ERR_OK;
    return move_mark_refuse(mark, from, f);
}

static enum err not_begun(const char *from, const char *to, struct fault *f)
{
    return fault_set(f, ERR_CONFLICT, "no move from %s to %s is under way", from, to);
}

static enum err is_over(const char *from, const char *to, struct fault *f)
{
    return fault_set(f, ERR_CONFLICT,
                     "the move from %s is finished: %s may have been in use since; move it back "
                     "into a new database instead",
                     from, to);
}

// --- Up: a file to a server ------------------------------------------------------------------

struct up {
    const struct store_move *move;
    struct move_file *file;
    struct move_server *server;
    struct move_mark mark;   // What the ends are to say of it.
    struct move_look target; // As it was found.
    char from[MOVE_PLACE_BYTES];
    char to[MOVE_PLACE_BYTES];
};

static enum err open_up(struct up *u, struct fault *f)
{
    enum err err = place_of(u->move->from, u->from, f);
    if (!err)
        err = place_of(u->move->to, u->to, f);
    if (!err)
        err = sqlite_move_open(u->move->from, &u->file, f);
    if (!err)
        err = postgres_move_open(u->move->to, &u->server, f);
    return err ? err : postgres_move_look(u->server, &u->target, f);
}

static bool is_of_this_move(const struct move_look *l, const struct move_mark *mark)
{
    return l->is_ours && mark->id[0] && strcmp(l->mark.id, mark->id) == 0;
}

static enum err mark_source(struct up *u, enum move_state state, struct fault *f)
{
    struct move_mark mark = u->mark;
    mark.state = state;
    snprintf(mark.place, sizeof mark.place, "%s", u->to);
    return sqlite_move_set_mark(u->file, &mark, f);
}

static enum err mark_target(struct up *u, struct fault *f)
{
    struct move_mark mark = u->mark;
    mark.state = MOVE_ARRIVING;
    snprintf(mark.place, sizeof mark.place, "%s", u->from);
    enum err err = u->target.is_empty ? postgres_move_make(u->server, &mark, f)
                                      : postgres_move_empty(u->server, &u->target.mark, &mark, f);
    if (!err)
        err = postgres_move_look(u->server, &u->target, f);
    if (!err && !is_of_this_move(&u->target, &mark))
        err = fault_set(f, ERR_CONFLICT, "somebody else has made tables in %s meanwhile", u->to);
    return err;
}

static enum err fill_server(struct up *u, struct fault *f)
{
    struct shard one, rows[SHARDS_MAX];
    struct store_progress_all progress;
    enum err err = mark_target(u, f);
    if (!err)
        err = sqlite_move_days(u->file, postgres_move_make_day, u->server, f);
    for (size_t i = 0; i < COUNT_OF(tables) && !err; i++)
        err = copy_up(u->move, u->file, u->server, tables[i], f);
    if (!err)
        err = sqlite_move_days(u->file, postgres_move_end_day, u->server, f);
    if (!err)
        err = sqlite_move_progress(u->file, &one, &progress, f);
    if (err)
        return err;
    move_shards_up(&one, rows, SHARDS_MAX);
    return postgres_move_arrive(u->server, &u->mark, rows, SHARDS_MAX, &progress, f);
}

// A target that can be filled: nothing is there, or what is left of a move.
static enum err judge_target(const struct up *u, bool is_begun, struct fault *f)
{
    const struct move_look *t = &u->target;
    bool is_left_over =
        t->is_ours && (t->mark.state == MOVE_DROPPED || (is_begun && is_of_this_move(t, &u->mark)));
    if (t->is_empty || is_left_over)
        return ERR_OK;
    if (t->mark.state == MOVE_ARRIVING)
        return move_mark_refuse(&t->mark, u->to, f);
    return fault_set(f, ERR_STORE_OPEN, "%s has tables of Carillon already: make an empty database",
                     u->to);
}

static enum err run_up(struct up *u, enum store_moved *out, struct fault *f)
{
    bool is_begun = false;
    enum err err = sqlite_move_mark(u->file, &u->mark, f);
    if (!err)
        err = judge_source(&u->mark, u->from, u->to, &is_begun, f);
    if (!err)
        err = judge_target(u, is_begun, f);
    if (!err && !is_begun)
        err = make_id(u->mark.id, f);
    if (!err && !is_begun)
        err = mark_source(u, MOVE_LEAVING, f);
    if (err)
        return err;
    *out = is_begun && is_of_this_move(&u->target, &u->mark) && u->target.mark.state == MOVE_READY
               ? STORE_MOVED_ALREADY
               : STORE_MOVED;
    if (*out == STORE_MOVED)
        err = fill_server(u, f);
    return err ? err : mark_source(u, MOVE_LEFT, f);
}

// Whether the target is such that nothing of the move can ever become of it.
static enum err drop_target(struct up *u, struct fault *f)
{
    if (!is_of_this_move(&u->target, &u->mark) || u->target.mark.state == MOVE_DROPPED)
        return ERR_OK;
    struct move_mark mark = u->mark;
    mark.state = MOVE_DROPPED;
    snprintf(mark.place, sizeof mark.place, "%s", u->from);
    if (u->target.mark.state != MOVE_ARRIVING)
        return is_over(u->from, u->to, f);
    return postgres_move_turn(u->server, &mark, MOVE_ARRIVING, f);
}

static enum err take_back_up(struct up *u, struct fault *f)
{
    bool is_begun = false;
    enum err err = sqlite_move_mark(u->file, &u->mark, f);
    if (!err && u->mark.state == MOVE_LEFT)
        err = is_over(u->from, u->to, f);
    if (!err)
        err = judge_source(&u->mark, u->from, u->to, &is_begun, f);
    if (!err && !is_begun)
        err = not_begun(u->from, u->to, f);
    if (!err)
        err = drop_target(u, f);
    return err ? err : mark_source(u, MOVE_READY, f);
}

// --- Down: a server to a file ----------------------------------------------------------------

struct down {
    const struct store_move *move;
    struct move_server *server;
    struct move_file *file;
    struct move_mark mark;
    char from[MOVE_PLACE_BYTES];
    char to[MOVE_PLACE_BYTES];
    char partial[MOVE_PLACE_BYTES + 16]; // The name of the file until it is whole.
};

static enum err open_down(struct down *d, struct fault *f)
{
    struct move_look look = {0};
    enum err err = place_of(d->move->from, d->from, f);
    if (!err)
        err = place_of(d->move->to, d->to, f);
    if (!err)
        err = postgres_move_open(d->move->from, &d->server, f);
    if (!err)
        err = postgres_move_look(d->server, &look, f);
    if (!err && look.is_empty)
        err = fault_set(f, ERR_STORE_OPEN, "%s is empty: it is no database of Carillon", d->from);
    d->mark = look.mark;
    snprintf(d->partial, sizeof d->partial, "%s.moving", d->to);
    return err;
}

// Whether the target is there and whole.
static enum err find_file(struct down *d, bool *is_whole, struct fault *f)
{
    struct move_file *file;
    struct move_mark mark;
    *is_whole = false;
    if (access(d->to, F_OK) != 0)
        return ERR_OK;
    enum err err = sqlite_move_open(d->to, &file, f);
    if (err)
        return err;
    err = sqlite_move_mark(file, &mark, f);
    sqlite_move_close(file);
    *is_whole = !err && strcmp(mark.id, d->mark.id) == 0;
    if (!err && !*is_whole)
        err = fault_set(f, ERR_EXISTS, "%s is there already: give the name of a new file", d->to);
    return err;
}

static enum err leave_server(struct down *d, struct fault *f)
{
    enum err err = postgres_move_check_idle(d->server, f);
    if (!err)
        err = postgres_move_check_answered(d->server, f);
    if (!err)
        err = make_id(d->mark.id, f);
    d->mark.state = MOVE_LEAVING;
    snprintf(d->mark.place, sizeof d->mark.place, "%s", d->to);
    return err ? err : postgres_move_turn(d->server, &d->mark, MOVE_READY, f);
}

// Shards of several generations of the clock become one. An open row that is still to come, with a
// key of another generation, would be taken for one that was begun.
static enum err check_generations(const struct shard *rows, wall_ms ahead, wall_ms now,
                                  struct fault *f)
{
    bool differ = false;
    for (uint32_t n = 1; n < SHARDS_MAX; n++)
        differ |= rows[n].generation != rows[0].generation;
    if (!differ || ahead <= now)
        return ERR_OK;
    return fault_set(f, ERR_CONFLICT,
                     "the clock was corrected for some of the shards, and executions are planned "
                     "%" PRId64 " s ahead: run the move again after that",
                     (ahead - now) / 1000 + 1);
}

static enum err settle_file(struct down *d, int64_t executions, struct fault *f)
{
    struct shard one, rows[SHARDS_MAX];
    struct store_progress_all progress;
    wall_ms planned_to = 0, ahead = 0, now = clock_wall_ms();
    enum err err = postgres_move_shards(d->server, rows, SHARDS_MAX, &progress, f);
    if (!err)
        err = sqlite_move_last(d->file, &planned_to, &ahead, f);
    if (!err)
        err = check_generations(rows, ahead, now, f);
    if (err)
        return err;
    move_shards_down(rows, SHARDS_MAX, planned_to, &one);
    progress.executions = executions;
    err = sqlite_move_settle(d->file, d->move, rows, SHARDS_MAX, &one, now, f);
    struct move_mark mark = d->mark;
    mark.state = MOVE_READY;
    snprintf(mark.place, sizeof mark.place, "%s", d->from);
    return err ? err : sqlite_move_finish(d->file, &one, &progress, &mark, d->to, f);
}

static enum err fill_file(struct down *d, struct fault *f)
{
    int64_t executions = 0;
    unlink(d->partial); // What is left of a copy that was broken off.
    enum err err = sqlite_move_make(d->partial, &d->file, f);
    for (size_t i = 0; i < COUNT_OF(tables) && !err; i++) {
        int64_t rows;
        err = copy_down(d->move, d->server, d->file, tables[i], &rows, f);
        executions += strcmp(tables[i], "job_executions") == 0 ? rows : 0;
    }
    return err ? err : settle_file(d, executions, f);
}

static enum err run_down(struct down *d, enum store_moved *out, struct fault *f)
{
    bool is_begun = false, is_whole = false;
    enum err err = judge_source(&d->mark, d->from, d->to, &is_begun, f);
    if (!err && !is_begun)
        d->mark.id[0] = '\0'; // The mark was of an earlier move.
    if (!err && !is_begun && access(d->to, F_OK) == 0)
        err = fault_set(f, ERR_EXISTS, "%s is there already: give the name of a new file", d->to);
    if (!err && is_begun)
        err = find_file(d, &is_whole, f);
    if (!err && !is_begun)
        err = leave_server(d, f);
    if (err)
        return err;
    *out = is_whole ? STORE_MOVED_ALREADY : STORE_MOVED;
    if (!is_whole)
        err = fill_file(d, f);
    d->mark.state = MOVE_LEFT;
    return err ? err : postgres_move_turn(d->server, &d->mark, MOVE_LEAVING, f);
}

static enum err take_back_down(struct down *d, struct fault *f)
{
    bool is_begun = false, is_whole = false;
    enum err err = ERR_OK;
    if (d->mark.state == MOVE_LEFT)
        err = is_over(d->from, d->to, f);
    if (!err)
        err = judge_source(&d->mark, d->from, d->to, &is_begun, f);
    if (!err && !is_begun)
        err = not_begun(d->from, d->to, f);
    if (!err)
        err = find_file(d, &is_whole, f);
    if (!err && is_whole)
        err = is_over(d->from, d->to, f);
    if (err)
        return err;
    unlink(d->partial);
    d->mark.state = MOVE_READY;
    return postgres_move_turn(d->server, &d->mark, MOVE_LEAVING, f);
}

// --- The door --------------------------------------------------------------------------------

static enum err go_up(const struct store_move *m, bool takes_back, enum store_moved *out,
                      struct fault *f)
{
    struct up u = {.move = m};
    enum err err = open_up(&u, f);
    if (!err)
        err = takes_back ? take_back_up(&u, f) : run_up(&u, out, f);
    sqlite_move_close(u.file);
    postgres_move_close(u.server);
    return err;
}

static enum err go_down(const struct store_move *m, bool takes_back, enum store_moved *out,
                        struct fault *f)
{
    struct down d = {.move = m};
    enum err err = open_down(&d, f);
    if (!err)
        err = takes_back ? take_back_down(&d, f) : run_down(&d, out, f);
    sqlite_move_close(d.file);
    postgres_move_close(d.server);
    return err;
}

enum err store_move(const struct store_move *m, enum store_moved *out, struct fault *f)
{
    assert(store_place_is_url(m->from) != store_place_is_url(m->to));
    return store_place_is_url(m->to) ? go_up(m, false, out, f) : go_down(m, false, out, f);
}

enum err store_move_take_back(const char *from, const char *to, struct fault *f)
{
    struct store_move m = {.from = from, .to = to};
    return store_place_is_url(to) ? go_up(&m, true, NULL, f) : go_down(&m, true, NULL, f);
}
