// SPDX-License-Identifier: MIT
// commands.c: commands of other nodes in PostgreSQL: one call of a function for each
// (command_functions.c), on a connection of its own.

#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>

#define PREFIX "carillon-" // Begins the names of channels: others may use the database.

struct postgres_commands {
    struct store_commands commands;
    struct link link;
};

// The caller clears *out. ERR_DOUBT: the call may have had its effect.
static enum err run(struct store_commands *c, const char *sql, struct parameters *p, PGresult **out,
                    struct fault *f)
{
    struct link *l = &((struct postgres_commands *)c)->link;
    enum err err = link_run(l, sql, p, out, f);
    parameters_fini(p);
    if (err == ERR_STORE_AWAY && l->is_doubtful)
        return f ? f->code = ERR_DOUBT : ERR_DOUBT;
    if (!err && l->has_warned) {
        PQclear(*out);
        return fault_set(f, ERR_DOUBT, "the server gave up waiting for its replica");
    }
    return err;
}

static void read_id(const struct result_row *r, int column, struct command_id *out)
{
    assert(PQgetlength(r->result, r->row, column) == COMMAND_ID_BYTES);
    memcpy(out->bytes, PQgetvalue(r->result, r->row, column), COMMAND_ID_BYTES);
}

// --- The side that asks ----------------------------------------------------------------------

static void add_ids(struct parameters *p, const struct command_put *puts, size_t count)
{
    parameter_array_of_ids(p, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_bytes(p, puts[i].id.bytes, sizeof puts[i].id.bytes);
    parameter_array_end(p);
}

static void add_numbers(struct parameters *p, const struct command_put *puts, size_t count)
{
    parameter_array(p, false, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_integer(p, puts[i].shard);
    parameter_array_end(p);
    parameter_array(p, false, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_integer(p, puts[i].expires_at);
    parameter_array_end(p);
}

static void add_keys(struct parameters *p, const struct command_put *puts, size_t count)
{
    parameter_array(p, true, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_text(p, puts[i].key ? puts[i].key->text : NULL);
    parameter_array_end(p);
    parameter_array_of_bytes(p, count);
    for (size_t i = 0; i < count; i++) {
        if (puts[i].key)
            parameter_put_bytes(p, puts[i].key->digest, sizeof puts[i].key->digest);
        else
            parameter_put_null(p);
    }
    parameter_array_end(p);
}

static void add_job_keys(struct parameters *p, const struct command_put *puts, size_t count)
{
    parameter_array(p, true, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_text(p, puts[i].job_key);
    parameter_array_end(p);
}

static void add_bodies(struct parameters *p, const struct command_put *puts, size_t count)
{
    parameter_array_of_bytes(p, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_bytes(p, puts[i].body, puts[i].bytes);
    parameter_array_end(p);
}

static void read_outcome(const struct result_row *r, struct command_put *puts, size_t count)
{
    size_t at = (size_t)result_integer(r, 0);
    assert(at < count);
    struct command_put *p = &puts[at];
    p->outcome = (enum command_put_outcome)result_integer(r, 1);
    p->reply = (struct command_reply){.job = result_integer(r, 2)};
    p->reply.execution.job = p->reply.job;
    p->reply.execution.scheduled_at = result_integer(r, 3);
    p->reply.execution.series = result_integer(r, 4);
}

static enum err put(struct store_commands *c, struct command_put *puts, size_t count, wall_ms now,
                    struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    (void)now; // The database has a clock.
    add_ids(&p, puts, count);
    add_numbers(&p, puts, count);
    add_bodies(&p, puts, count);
    add_keys(&p, puts, count);
    add_job_keys(&p, puts, count);
    enum err err =
        run(c, "SELECT * FROM carillon_put_1($1, $2, $3, $4, $5, $6, $7)", &p, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    assert(PQntuples(result) == (int)count);
    for (; r.row < PQntuples(result); r.row++)
        read_outcome(&r, puts, count);
    PQclear(result);
    return ERR_OK;
}

static void tell_reply(const struct result_row *r, store_each_reply *each, void *context)
{
    const char *word = result_text(r, 1);
    enum err err = err_find(word ? word : "");
    struct command_reply reply = {.err = err < ERR_CODES ? err : ERR_UNSUPPORTED,
                                  .job = result_integer(r, 2),
                                  .version = result_integer(r, 3),
                                  .execution = {.job = result_integer(r, 2),
                                                .scheduled_at = result_integer(r, 4),
                                                .series = result_integer(r, 5)},
                                  .at = result_integer(r, 6)};
    read_id(r, 0, &reply.command);
    if (reply.execution.series == 0 && reply.execution.scheduled_at == 0)
        reply.execution = (struct execution_key){0};
    each(context, &reply);
}

// Nothing can have come of a call that only reads.
static enum err read_replies(struct store_commands *c, const struct command_id *ids, size_t count,
                             store_each_reply *each, void *context, struct fault *f)
{
    struct postgres_commands *own = (struct postgres_commands *)c;
    struct parameters p = {0};
    PGresult *result;
    parameter_array_of_ids(&p, count);
    for (size_t i = 0; i < count; i++)
        parameter_put_bytes(&p, ids[i].bytes, sizeof ids[i].bytes);
    parameter_array_end(&p);
    enum err err = link_run_settled(
        &own->link,
        "SELECT id, err, job_id, version, scheduled_at, series, replied_at FROM commands"
        " WHERE id = ANY ($1) AND replied_at IS NOT NULL",
        &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    assert((size_t)PQntuples(result) <= count);
    for (struct result_row r = {result, 0}; r.row < PQntuples(result); r.row++)
        tell_reply(&r, each, context);
    PQclear(result);
    return ERR_OK;
}

// Runs a function of one number.
static enum err run_number(struct store_commands *c, const char *sql, struct parameters *p,
                           int64_t *out, struct fault *f)
{
    PGresult *result;
    enum err err = run(c, sql, p, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    assert(PQntuples(result) == 1);
    *out = result_integer(&r, 0);
    PQclear(result);
    return ERR_OK;
}

static enum err withdraw(struct store_commands *c, const struct command_id *id, bool *withdrawn,
                         struct fault *f)
{
    struct parameters p = {0};
    int64_t gone;
    parameter_id(&p, id);
    enum err err = run_number(c, "SELECT carillon_withdraw_1($1)", &p, &gone, f);
    if (!err)
        *withdrawn = gone == 1;
    return err;
}

// --- The side of owners ----------------------------------------------------------------------

static int compare_rows(const void *left, const void *right)
{
    const struct command_row *a = left, *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

// UPDATE returns rows in no order.
static void tell_rows(const PGresult *result, store_each_command *each, void *context)
{
    struct result_row r = {result, 0};
    size_t count = (size_t)PQntuples(result);
    struct command_row *rows = xcalloc(count, sizeof *rows);
    for (; r.row < PQntuples(result); r.row++) {
        struct command_row *row = &rows[r.row];
        read_id(&r, 0, &row->id);
        row->shard = (uint32_t)result_integer(&r, 1);
        row->epoch = result_integer(&r, 2);
        row->number = result_integer(&r, 3);
        row->body = PQgetvalue(result, r.row, 4);
        row->bytes = (size_t)PQgetlength(result, r.row, 4);
    }
    qsort(rows, count, sizeof *rows, compare_rows);
    for (size_t i = 0; i < count; i++)
        each(context, &rows[i]);
    free(rows);
}

static enum err claim(struct store_commands *c, const struct command_claim *o, wall_ms now,
                      store_each_command *each, void *context, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    (void)now; // The database has a clock.
    parameter_array(&p, false, o->shard_count);
    for (size_t i = 0; i < o->shard_count; i++)
        parameter_put_integer(&p, o->shards[i].number);
    parameter_array_end(&p);
    parameter_array(&p, false, o->shard_count);
    for (size_t i = 0; i < o->shard_count; i++)
        parameter_put_integer(&p, o->shards[i].epoch);
    parameter_array_end(&p);
    parameter_integer(&p, o->again);
    parameter_integer(&p, o->after);
    parameter_integer(&p, (int64_t)o->limit);
    enum err err = run(c, "SELECT * FROM carillon_claim_1($1, $2, $3, $4, $5)", &p, &result, f);
    if (err)
        return err;
    tell_rows(result, each, context);
    PQclear(result);
    return ERR_OK;
}

static enum err tidy(struct store_commands *c, size_t rows_max, wall_ms now, size_t *removed,
                     struct fault *f)
{
    struct parameters p = {0};
    int64_t gone;
    (void)now; // The database has a clock.
    parameter_integer(&p, (int64_t)rows_max);
    parameter_integer(&p, COMMAND_KEPT_MS);
    enum err err = run_number(c, "SELECT carillon_tidy_1($1, $2)", &p, &gone, f);
    if (!err)
        *removed = (size_t)gone;
    return err;
}

// --- Wake-ups --------------------------------------------------------------------------------

static enum err listen_on(struct store_commands *c, const char *channel, struct fault *f)
{
    char sql[COMMANDS_CHANNEL_BYTES + 32];
    struct parameters none = {0};
    PGresult *result;
    snprintf(sql, sizeof sql, "LISTEN \"" PREFIX "%s\"", channel);
    enum err err = run(c, sql, &none, &result, f);
    if (!err)
        PQclear(result);
    return err;
}

// Nobody needs to know a wake-up after a crash.
static enum err notify(struct store_commands *c, const char *channel, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_text(&p, channel);
    enum err err = run(c,
                       "SELECT set_config('synchronous_commit', 'off', true),"
                       " pg_notify('" PREFIX "' || $1, '')",
                       &p, &result, f);
    if (!err)
        PQclear(result);
    return err;
}

static bool tell_wake_ups(PGconn *connection, store_heard *heard, void *context)
{
    bool is_any = false;
    for (PGnotify *n; (n = PQnotifies(connection)); is_any = true) {
        if (strncmp(n->relname, PREFIX, strlen(PREFIX)) == 0)
            heard(context, n->relname + strlen(PREFIX));
        PQfreemem(n);
    }
    return is_any;
}

static enum err hear(struct store_commands *c, int fd, dur_ms timeout_ms, store_heard *heard,
                     void *context, struct fault *f)
{
    struct link *l = &((struct postgres_commands *)c)->link;
    if (!l->connection)
        return fault_set(f, ERR_STORE_AWAY, "the connection has ended");
    if (tell_wake_ups(l->connection, heard, context))
        return ERR_OK;
    struct pollfd at[] = {{.fd = PQsocket(l->connection), .events = POLLIN},
                          {.fd = fd, .events = POLLIN}};
    int ready = poll(at, COUNT_OF(at), (int)timeout_ms);
    if (ready <= 0 || !at[0].revents)
        return ERR_OK;
    if (!PQconsumeInput(l->connection) || PQstatus(l->connection) != CONNECTION_OK) {
        link_cut(l);
        return fault_set(f, ERR_STORE_AWAY, "the connection has ended");
    }
    tell_wake_ups(l->connection, heard, context);
    return ERR_OK;
}

// --- Opening and closing ---------------------------------------------------------------------

static void close_commands(struct store_commands *c)
{
    struct postgres_commands *own = (struct postgres_commands *)c;
    link_fini(&own->link);
    free(own);
}

static const struct store_commands_ops ops = {
    .close = close_commands,
    .put = put,
    .read = read_replies,
    .withdraw = withdraw,
    .claim = claim,
    .tidy = tidy,
    .listen = listen_on,
    .notify = notify,
    .hear = hear,
};

enum err postgres_commands_open(struct store *store, struct store_commands **out, struct fault *f)
{
    (void)f;
    struct postgres_commands *c = xcalloc(1, sizeof *c);
    c->commands = (struct store_commands){&ops, store};
    link_init(&c->link, ((struct postgres_store *)store)->link.url);
    *out = &c->commands;
    return ERR_OK;
}
