// SPDX-License-Identifier: MIT
// nodes.c: the nodes and their shards (store/nodes.h), by the functions of node_functions.c.

#include "store/nodes.h"
#include "store/postgres/postgres_priv.h"

#include <assert.h>

enum verdict { VERDICT_REFUSED, VERDICT_DONE, VERDICT_TOO_OLD };

struct nodes {
    struct link link;
};

struct nodes *nodes_new(const char *url, dur_ms call_ms)
{
    struct nodes *n = xcalloc(1, sizeof *n);
    assert(call_ms > 0);
    link_init(&n->link, url);
    n->link.call_ms = MIN(call_ms, POSTGRES_CALL_MS);
    return n;
}

void nodes_free(struct nodes *n)
{
    if (!n)
        return;
    link_fini(&n->link);
    free(n);
}

// --- Calls -----------------------------------------------------------------------------------

// A wait for the replica that was given up is a lost answer.
static enum err run(struct nodes *n, const char *sql, struct parameters *p, PGresult **out,
                    struct fault *f)
{
    enum err err = link_run(&n->link, sql, p, out, f);
    parameters_fini(p);
    if (err || !n->link.has_warned)
        return err;
    PQclear(*out);
    return fault_set(f, ERR_STORE_AWAY, "the server gave up waiting for its replica");
}

// A statement whose result is one integer.
static enum err run_integer(struct nodes *n, const char *sql, struct parameters *p, int64_t *out,
                            struct fault *f)
{
    PGresult *result = NULL;
    enum err err = run(n, sql, p, &result, f);
    if (err)
        return err;
    assert(PQntuples(result) == 1);
    *out = result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    return ERR_OK;
}

static void copy_text(char *out, size_t bytes, const struct result_row *r, int column)
{
    const char *text = result_text(r, column);
    size_t length = text ? strlen(text) : 0;
    length = MIN(length, bytes - 1);
    if (length > 0)
        memcpy(out, text, length);
    out[length] = '\0';
}

static void parameter_shards(struct parameters *p, const struct node_shards *s)
{
    parameter_array(p, false, s->count);
    for (size_t i = 0; i < s->count; i++)
        parameter_put_integer(p, s->numbers[i]);
    parameter_array_end(p);
    parameter_array(p, false, s->count);
    for (size_t i = 0; i < s->count; i++)
        parameter_put_integer(p, s->epochs[i]);
    parameter_array_end(p);
}

// --- This node's row -------------------------------------------------------------------------

static enum err too_old(struct fault *f)
{
    return fault_set(f, ERR_STORE_VERSION,
                     "the database is for newer nodes of Carillon than this one, which is version "
                     "%s: install the version of the others",
                     CARILLON_VERSION);
}

static enum err judge_register(const struct result_row *r, const struct node *self,
                               struct node *twin, struct fault *f)
{
    int64_t verdict = result_integer(r, 0);
    if (verdict == VERDICT_DONE)
        return ERR_OK;
    if (verdict == VERDICT_TOO_OLD)
        return too_old(f);
    *twin = (struct node){.beat = result_integer(r, 2), .ttl_ms = result_integer(r, 3)};
    copy_text(twin->id, sizeof twin->id, r, 1);
    return fault_set(f, ERR_EXISTS,
                     "another node of the cluster has the name '%s': give this one a name of its "
                     "own with --node-name",
                     self->name);
}

enum err nodes_register(struct nodes *n, const struct node *self, const char *before,
                        struct node *twin, struct fault *f)
{
    static const char sql[] = "SELECT * FROM carillon_register_1($1::uuid, $2::uuid, $3, $4, $5,"
                              " $6, $7, $8)";
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_text(&p, self->id);
    parameter_text(&p, before);
    parameter_text(&p, self->name);
    parameter_text(&p, self->role);
    parameter_text(&p, self->version);
    parameter_integer(&p, NODE_PROTOCOL);
    parameter_integer(&p, self->works);
    parameter_integer(&p, self->ttl_ms);
    enum err err = run(n, sql, &p, &result, f);
    if (err)
        return err;
    err = judge_register(&(struct result_row){result, 0}, self, twin, f);
    PQclear(result);
    return err;
}

enum err nodes_renew(struct nodes *n, const char *id, int64_t *clock_us, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_text(&p, id);
    parameter_integer(&p, NODE_PROTOCOL);
    enum err err = run(n, "SELECT * FROM carillon_renew_1($1::uuid, $2)", &p, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    int64_t verdict = result_integer(&r, 0);
    if (verdict == VERDICT_DONE)
        *clock_us = result_integer(&r, 1);
    PQclear(result);
    if (verdict == VERDICT_TOO_OLD)
        return too_old(f);
    return verdict == VERDICT_DONE
               ? ERR_OK
               : fault_set(f, ERR_CLOSED, "other nodes have declared this one dead");
}

enum err nodes_leave(struct nodes *n, const char *id, struct fault *f)
{
    struct parameters p = {0};
    int64_t ignored;
    parameter_text(&p, id);
    return run_integer(n, "SELECT carillon_leave_1($1::uuid)", &p, &ignored, f);
}

// --- All of them -----------------------------------------------------------------------------

// What is said of all together stands in each row; a row without a node has NULL in its second
// part.
static const char look[] =
    "SELECT a.*, l.node::text, l.epoch, n.id::text, n.name, n.role, n.version, n.ttl_ms, n.works, "
    "n.draining, n.beat,"
    "  (SELECT count(*) FROM shards WHERE owner = n.id)"
    " FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
    "  carillon_timeline_1(), count(*), count(*) FILTER (WHERE owner IS NULL OR NOT EXISTS (SELECT"
    "   FROM nodes WHERE nodes.id = shards.owner AND dead = 0)),"
    "  count(*) FILTER (WHERE owner = $1::uuid),"
    "  coalesce(sum(epoch) FILTER (WHERE owner = $1::uuid) % 9223372036854775808, 0)::bigint"
    "  FROM shards) AS a(clock_us, timeline, shards, unowned, own, own_epochs)"
    " CROSS JOIN leader AS l LEFT JOIN nodes n ON n.dead = 0 ORDER BY n.name, n.id";
enum { NODE_AT = 8 };

static void read_node(const struct result_row *r, struct node *out)
{
    copy_text(out->id, sizeof out->id, r, NODE_AT);
    copy_text(out->name, sizeof out->name, r, NODE_AT + 1);
    copy_text(out->role, sizeof out->role, r, NODE_AT + 2);
    copy_text(out->version, sizeof out->version, r, NODE_AT + 3);
    out->ttl_ms = result_integer(r, NODE_AT + 4);
    out->works = result_integer(r, NODE_AT + 5) != 0;
    out->is_draining = result_integer(r, NODE_AT + 6) != 0;
    out->beat = result_integer(r, NODE_AT + 7);
    out->shards = (uint32_t)result_integer(r, NODE_AT + 8);
}

static void read_view(const PGresult *result, struct nodes_view *out)
{
    struct result_row r = {result, 0};
    int count = PQntuples(result);
    assert(count > 0);
    *out = (struct nodes_view){.nodes = xcalloc((size_t)count, sizeof *out->nodes),
                               .clock_us = result_integer(&r, 0),
                               .timeline = result_integer(&r, 1),
                               .shards = (uint32_t)result_integer(&r, 2),
                               .unowned = (uint32_t)result_integer(&r, 3),
                               .own = (uint32_t)result_integer(&r, 4),
                               .own_epochs = result_integer(&r, 5),
                               .leader_epoch = result_integer(&r, 7)};
    copy_text(out->leader, sizeof out->leader, &r, 6);
    for (; r.row < count && result_text(&r, NODE_AT); r.row++)
        read_node(&r, &out->nodes[out->count++]);
}

enum err nodes_look(struct nodes *n, const char *id, struct nodes_view *out, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_text(&p, id);
    enum err err = run(n, look, &p, &result, f);
    if (err)
        return err;
    read_view(result, out);
    PQclear(result);
    return ERR_OK;
}

void nodes_view_fini(struct nodes_view *v)
{
    free(v->nodes);
    *v = (struct nodes_view){0};
}

enum err nodes_bury(struct nodes *n, const char *id, int64_t beat, bool *done, struct fault *f)
{
    struct parameters p = {0};
    int64_t buried = 0;
    parameter_text(&p, id);
    parameter_integer(&p, beat);
    enum err err = run_integer(n, "SELECT carillon_bury_1($1::uuid, $2)", &p, &buried, f);
    if (!err)
        *done = buried == 1;
    return err;
}

enum err nodes_lead(struct nodes *n, const char *id, bool *leads, struct fault *f)
{
    struct parameters p = {0};
    int64_t count = 0;
    parameter_text(&p, id);
    enum err err = run_integer(n, "SELECT carillon_lead_1($1::uuid)", &p, &count, f);
    if (!err)
        *leads = count == 1;
    return err;
}

// A row without a replica when there is none.
static const char replicas[] =
    "SELECT application_name, sync_state,"
    " coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), -1)::bigint,"
    " CASE WHEN replay_lsn IS NULL THEN -1"
    "  ELSE coalesce(extract(epoch FROM replay_lag) * 1000, 0) END::bigint, s.standbys,"
    " (pid IS NOT NULL)::int::bigint"
    " FROM (SELECT current_setting('synchronous_standby_names')) AS s(standbys)"
    " LEFT JOIN pg_stat_replication ON true ORDER BY application_name, pid";
enum { STANDBYS_AT = 4, IS_REPLICA_AT = 5 };

static void read_replica(const struct result_row *r, struct node_replica *out)
{
    copy_text(out->name, sizeof out->name, r, 0);
    copy_text(out->sync, sizeof out->sync, r, 1);
    out->lag_bytes = result_integer(r, 2);
    out->lag_ms = result_integer(r, 3);
}

enum err nodes_list_replicas(struct nodes *n, struct node_replica **out, size_t *count,
                             char standbys[static NODE_STANDBYS_BYTES], struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    enum err err = run(n, replicas, &p, &result, f);
    if (err)
        return err;
    assert(PQntuples(result) > 0);
    *count = 0;
    *out = xcalloc((size_t)PQntuples(result), sizeof **out);
    struct result_row r = {result, 0};
    copy_text(standbys, NODE_STANDBYS_BYTES, &r, STANDBYS_AT);
    for (; r.row < PQntuples(result) && result_integer(&r, IS_REPLICA_AT); r.row++)
        read_replica(&r, &(*out)[(*count)++]);
    PQclear(result);
    return ERR_OK;
}

// --- Shards ----------------------------------------------------------------------------------

enum err nodes_acquire(struct nodes *n, const char *id, size_t limit,
                       struct shard rows[static SHARDS_MAX], size_t *count, struct fault *f)
{
    static const char sql[] = "SELECT " SHARD_COLUMNS " FROM carillon_acquire_1($1::uuid, $2)"
                              " ORDER BY id";
    struct parameters p = {0};
    PGresult *result = NULL;
    assert(limit > 0 && limit <= SHARDS_MAX);
    parameter_text(&p, id);
    parameter_integer(&p, (int64_t)limit);
    enum err err = run(n, sql, &p, &result, f);
    if (err)
        return err;
    *count = (size_t)PQntuples(result);
    assert(*count <= limit);
    for (struct result_row r = {result, 0}; r.row < PQntuples(result); r.row++) {
        result_shard(&r, &rows[r.row]);
        assert(rows[r.row].number < SHARDS_MAX && rows[r.row].tick == 0);
    }
    PQclear(result);
    return ERR_OK;
}

enum err nodes_release(struct nodes *n, const char *id, const struct node_shards *shards,
                       bool drains, struct fault *f)
{
    struct parameters p = {0};
    int64_t ignored;
    parameter_text(&p, id);
    parameter_shards(&p, shards);
    parameter_integer(&p, drains);
    return run_integer(n, "SELECT carillon_release_1($1::uuid, $2, $3, $4)", &p, &ignored, f);
}

enum err nodes_compare(struct nodes *n, const char *id, const struct node_shards *held,
                       struct shard_set *lost, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_text(&p, id);
    parameter_shards(&p, held);
    enum err err = run(n, "SELECT carillon_compare_1($1::uuid, $2, $3)", &p, &result, f);
    if (err)
        return err;
    const char *list = result_text(&(struct result_row){result, 0}, 0);
    *lost = (struct shard_set){0};
    while (list && *list) {
        char *next;
        shard_set_add(lost, (uint32_t)strtoul(list, &next, 10));
        list = next;
    }
    PQclear(result);
    return ERR_OK;
}
