// SPDX-License-Identifier: MIT
// move_priv.h: what the two ends of a move are asked for, and what goes between them.
//
// move.c has the order of the steps, move_shards.c computes where the shards go on, move_line.c
// makes and reads the lines in which rows travel: the text format of PostgreSQL's COPY, a line for
// each row. The ends are sqlite/move.c and postgres/move.c. The columns of a table are those that
// the databases themselves name, so a new one travels like all others.

#ifndef CARILLON_STORE_MOVE_PRIV_H
#define CARILLON_STORE_MOVE_PRIV_H

#include "store/move.h"

// --- The mark --------------------------------------------------------------------------------

enum move_state {
    MOVE_READY,    // Nothing of a move is under way here.
    MOVE_ARRIVING, // The rows of another database are being copied here.
    MOVE_LEAVING,  // The rows are being copied from here.
    MOVE_LEFT,     // All has been copied from here.
    MOVE_DROPPED,  // What had been copied here is of no use: the source took it back.
    MOVE_STATES
};

#define MOVE_ID_BYTES 33
#define MOVE_PLACE_BYTES 512

// What a database says of the last move that it took part in. Both ends have the same id.
struct move_mark {
    enum move_state state;
    char id[MOVE_ID_BYTES];       // "" when there was none.
    char place[MOVE_PLACE_BYTES]; // The other end, without a password.
};

const char *move_state_name(enum move_state s);
enum err move_mark_set(struct move_mark *m, const char *state, const char *id, const char *place,
                       struct fault *f); // From what a database holds. NULL is "".
// The mark keeps servers away: ERR_STORE_OPEN says where the rows are and what to do. `own`: the
// database itself.
MUST_CHECK enum err move_mark_refuse(const struct move_mark *m, const char *own, struct fault *f);

// --- Lines (move_line.c) ---------------------------------------------------------------------

struct move_line {
    char *bytes;
    size_t count;
    size_t capacity;
};

void move_line_null(struct move_line *l);
void move_line_integer(struct move_line *l, int64_t value);
void move_line_text(struct move_line *l, const char *text, size_t bytes);
void move_line_bytes(struct move_line *l, const void *bytes, size_t count);
void move_line_end(struct move_line *l); // Behind the last cell.
// The next cell of a line that ends with its newline, without its escapes, which are replaced in
// place. *cell is NULL for NULL. False: there is none.
bool move_line_next(char **rest, char **cell, size_t *bytes);

typedef enum err move_each_line(void *context, char *line, size_t bytes, struct fault *f);

// --- Tables ----------------------------------------------------------------------------------

#define MOVE_COLUMNS_MAX 80
#define MOVE_NAME_BYTES 64

struct move_columns {
    char names[MOVE_COLUMNS_MAX][MOVE_NAME_BYTES];
    // NULL, or of a column that is that of an execution: the column which names the execution.
    const char *of[MOVE_COLUMNS_MAX];
    size_t count;
};

// --- The shards (move_shards.c) --------------------------------------------------------------

struct store_progress_all {
    wall_ms removed_to;
    int64_t executions; // Rows.
};

// The rows of `count` shards that go on where the only one ended.
void move_shards_up(const struct shard *one, struct shard *rows, uint32_t count);
// The only shard, which goes on where the last of them ended. `planned_to`: no row is scheduled
// later.
void move_shards_down(const struct shard *rows, uint32_t count, wall_ms planned_to,
                      struct shard *one);
// Up to which instant each occurrence of this job has its row.
wall_ms move_planned_to(const struct shard *s, job_id job);

// --- A file (sqlite/move.c) ------------------------------------------------------------------

struct move_file;
// An old one is migrated.
MUST_CHECK enum err sqlite_move_open(const char *path, struct move_file **out, struct fault *f);
// A new one, which stands for nothing until sqlite_move_finish.
MUST_CHECK enum err sqlite_move_make(const char *path, struct move_file **out, struct fault *f);
void sqlite_move_close(struct move_file *m); // NULL is a no-op.
MUST_CHECK enum err sqlite_move_mark(struct move_file *m, struct move_mark *out, struct fault *f);
MUST_CHECK enum err sqlite_move_set_mark(struct move_file *m, const struct move_mark *mark,
                                         struct fault *f);
MUST_CHECK enum err sqlite_move_columns(struct move_file *m, const char *table,
                                        struct move_columns *out, struct fault *f);
MUST_CHECK enum err sqlite_move_progress(struct move_file *m, struct shard *one,
                                         struct store_progress_all *out, struct fault *f);
MUST_CHECK enum err sqlite_move_read(struct move_file *m, const char *table,
                                     const struct move_columns *columns, move_each_line *each,
                                     void *context, struct fault *f);
// Rows are put between begin and end.
MUST_CHECK enum err sqlite_move_write_begin(struct move_file *m, const char *table,
                                            const struct move_columns *columns, struct fault *f);
MUST_CHECK enum err sqlite_move_write(void *file, char *line, size_t bytes, struct fault *f);
MUST_CHECK enum err sqlite_move_write_end(struct move_file *m, struct fault *f);
// Calls back for each day, counted from 1970, for which executions are scheduled.
typedef enum err move_each_day(void *context, int64_t day, struct fault *f);
MUST_CHECK enum err sqlite_move_days(struct move_file *m, move_each_day *each, void *context,
                                     struct fault *f);
// What of the shards' rows has no place in the only one goes into those of the jobs.
MUST_CHECK enum err sqlite_move_settle(struct move_file *m, const struct store_move *move,
                                       const struct shard *rows, uint32_t count,
                                       const struct shard *one, wall_ms now, struct fault *f);
// The latest instant for which a row is scheduled; 0: there is none. *ahead: of those still open.
MUST_CHECK enum err sqlite_move_last(struct move_file *m, wall_ms *planned, wall_ms *ahead,
                                     struct fault *f);
// Writes the progress and the mark, and gives the file its name, durably.
MUST_CHECK enum err sqlite_move_finish(struct move_file *m, const struct shard *one,
                                       const struct store_progress_all *p,
                                       const struct move_mark *mark, const char *path,
                                       struct fault *f);

// --- A server (postgres/move.c) --------------------------------------------------------------

struct move_server;

struct move_look {
    bool is_empty; // Nothing is there.
    bool is_ours;  // The tables are those of this program, of this version and with all shards.
    struct move_mark mark;
};

MUST_CHECK enum err postgres_move_open(const char *url, struct move_server **out, struct fault *f);
void postgres_move_close(struct move_server *m); // NULL is a no-op.
// The URL without the password; ERR_SYNTAX.
MUST_CHECK enum err postgres_move_place(const char *url, char out[static MOVE_PLACE_BYTES],
                                        struct fault *f);
MUST_CHECK enum err postgres_move_look(struct move_server *m, struct move_look *out,
                                       struct fault *f);
// ERR_BUSY: nodes are at work on it.
MUST_CHECK enum err postgres_move_check_idle(struct move_server *m, struct fault *f);
// ERR_BUSY: changes that clients asked for are still to be carried out by a node.
MUST_CHECK enum err postgres_move_check_answered(struct move_server *m, struct fault *f);
// Makes the tables of an empty database with this mark, or empties those of a move that is begun
// again.
MUST_CHECK enum err postgres_move_make(struct move_server *m, const struct move_mark *mark,
                                       struct fault *f);
MUST_CHECK enum err postgres_move_empty(struct move_server *m, const struct move_mark *before,
                                        const struct move_mark *mark, struct fault *f);
MUST_CHECK enum err postgres_move_columns(struct move_server *m, const char *table,
                                          struct move_columns *out, struct fault *f);
// Makes the place for the executions of a day; and, once they are there, says until when it stays.
MUST_CHECK enum err postgres_move_make_day(void *server, int64_t day, struct fault *f);
MUST_CHECK enum err postgres_move_end_day(void *server, int64_t day, struct fault *f);
MUST_CHECK enum err postgres_move_write_begin(struct move_server *m, const char *table,
                                              const struct move_columns *columns, struct fault *f);
MUST_CHECK enum err postgres_move_write(void *server, char *line, size_t bytes, struct fault *f);
MUST_CHECK enum err postgres_move_write_end(struct move_server *m, int64_t *rows, struct fault *f);
MUST_CHECK enum err postgres_move_read(struct move_server *m, const char *table,
                                       const struct move_columns *columns, move_each_line *each,
                                       void *context, struct fault *f);
MUST_CHECK enum err postgres_move_shards(struct move_server *m, struct shard *rows, uint32_t count,
                                         struct store_progress_all *out, struct fault *f);
// The last commit of a move to this database: from now on nodes may start on it.
MUST_CHECK enum err postgres_move_arrive(struct move_server *m, const struct move_mark *mark,
                                         const struct shard *rows, uint32_t count,
                                         const struct store_progress_all *p, struct fault *f);
// From one state to another, when the mark is still that of this move; leaving takes the shards
// from whoever has them. ERR_CONFLICT: it is another by now.
MUST_CHECK enum err postgres_move_turn(struct move_server *m, const struct move_mark *mark,
                                       enum move_state from, struct fault *f);

#endif
