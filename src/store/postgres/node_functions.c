// SPDX-License-Identifier: MIT
// node_functions.c: what runs inside the server when nodes register, beat, and share the shards.
//
// Each is one message and one transaction, since a transaction of several would keep rows locked
// while its client stands still. What is decided by a row is decided after the row was locked, by a
// statement that began after that: an older snapshot may show the row of before.

#include "store/postgres/postgres_priv.h"

#define NOW_MS "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
#define NOW_US "floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// A node that is neither dead nor draining, or only the former.
#define LIVES(id) "EXISTS (SELECT FROM nodes WHERE nodes.id = " id " AND dead = 0)"
#define LIVES_ON(id) "EXISTS (SELECT FROM nodes WHERE nodes.id = " id " AND dead + draining = 0)"

// The next epoch of a row of shards or of leader, under the timeline `now_on`.
#define NEXT_EPOCH                                                                                 \
    "CASE WHEN timeline = now_on THEN epoch + 1 ELSE (((epoch >> 32) + 1) << 32) | 1 END"
#define NEXT_ID(column) column " = " column " + CASE WHEN timeline = now_on THEN 0 ELSE 1048576 END"

#define FREE_SHARDS "owner = NULL, epoch = epoch + 1"

static const char durably[] =
    "CREATE OR REPLACE FUNCTION carillon_durably_1() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN"
    " PERFORM set_config('lock_timeout', '2s', true);"
    " IF current_setting('synchronous_commit') IN ('off', 'local') THEN"
    "  PERFORM set_config('synchronous_commit', 'on', true); END IF; END $body$;\n";

// Nodes that are dead for a day are forgotten. A node that has registered and did not hear so
// registers again. The verdict: 0, another node has the name; 1, done; 2, the program is too old.
static const char enter[] =
    "CREATE OR REPLACE FUNCTION carillon_register_1(uuid, uuid, text, text, text, bigint, bigint,"
    " bigint, OUT verdict bigint, OUT twin text, OUT twin_beat bigint, OUT twin_ttl_ms bigint)"
    " LANGUAGE plpgsql AS $body$ DECLARE changed bigint; BEGIN"
    " PERFORM carillon_durably_1();"
    " IF $6 < (SELECT oldest_node FROM carillon) THEN verdict := 2; RETURN; END IF;"
    " UPDATE shards SET " FREE_SHARDS " WHERE owner = $2;"
    " UPDATE nodes SET dead = 1 WHERE id = $2;"
    " DELETE FROM nodes WHERE dead = 1 AND beat_at < " NOW_MS " - 86400000"
    "  AND NOT EXISTS (SELECT FROM shards WHERE owner = nodes.id);"
    " INSERT INTO nodes (id, name, role, version, works, ttl_ms, beat_at)"
    "  VALUES ($1, $3, $4, $5, $7, $8, " NOW_MS ") ON CONFLICT DO NOTHING;"
    " GET DIAGNOSTICS changed = ROW_COUNT;"
    " IF changed = 0 THEN UPDATE nodes SET beat = beat + 1 WHERE id = $1 AND dead = 0;"
    "  GET DIAGNOSTICS changed = ROW_COUNT; END IF;"
    " verdict := changed;"
    " IF changed = 0 THEN SELECT id::text, beat, ttl_ms INTO twin, twin_beat, twin_ttl_ms"
    "  FROM nodes WHERE name = $3 AND dead = 0; END IF; END $body$;\n";

// The verdict: 0, the node is dead; 1, done; 2, the program is too old.
static const char renew[] =
    "CREATE OR REPLACE FUNCTION carillon_renew_1(uuid, bigint, OUT verdict bigint,"
    " OUT clock_us bigint) LANGUAGE plpgsql AS $body$ BEGIN"
    " PERFORM carillon_durably_1();"
    " IF $2 < (SELECT oldest_node FROM carillon) THEN verdict := 2; RETURN; END IF;"
    " UPDATE nodes SET beat = beat + 1, beat_at = " NOW_MS " WHERE id = $1 AND dead = 0;"
    " GET DIAGNOSTICS verdict = ROW_COUNT; clock_us := " NOW_US "; END $body$;\n";

static const char leave[] =
    "CREATE OR REPLACE FUNCTION carillon_leave_1(uuid) RETURNS bigint LANGUAGE plpgsql AS $body$"
    " BEGIN PERFORM carillon_durably_1();"
    " UPDATE shards SET " FREE_SHARDS " WHERE owner = $1;"
    " UPDATE leader SET node = NULL WHERE node = $1;"
    " UPDATE nodes SET dead = 1, draining = 1 WHERE id = $1; RETURN 0; END $body$;\n";

static const char bury[] =
    "CREATE OR REPLACE FUNCTION carillon_bury_1(uuid, bigint) RETURNS bigint LANGUAGE plpgsql"
    " AS $body$ DECLARE changed bigint; BEGIN PERFORM carillon_durably_1();"
    " PERFORM 1 FROM nodes WHERE id = $1 AND beat = $2 AND dead = 0 FOR UPDATE SKIP LOCKED;"
    " IF NOT FOUND THEN RETURN 0; END IF;"
    " UPDATE nodes SET dead = 1 WHERE id = $1 AND beat = $2 AND dead = 0;"
    " GET DIAGNOSTICS changed = ROW_COUNT; RETURN changed; END $body$;\n";

static const char lead[] =
    "CREATE OR REPLACE FUNCTION carillon_lead_1(uuid) RETURNS bigint LANGUAGE plpgsql AS $body$"
    " DECLARE now_on bigint := carillon_timeline_1(); leads bigint; BEGIN"
    " PERFORM carillon_durably_1(); PERFORM 1 FROM leader FOR UPDATE;"
    " IF NOT " LIVES_ON("$1") " THEN RETURN 0; END IF;"
                              " UPDATE leader SET node = $1, epoch = " NEXT_EPOCH
                              ", timeline = now_on, since = " NOW_MS
                              "  WHERE node IS NULL OR NOT " LIVES_ON(
                                  "node") ";"
                                          " SELECT count(*) INTO leads FROM leader WHERE "
                                          "node = $1; RETURN leads; END $body$;\n";

// No shard of a database that is being moved, or was, is given to anybody: a node that was thought
// to be stopped may live on.
#define IS_MOVED "(SELECT state <> 'ready' FROM carillon)"

// The rows are locked first, and looked at again. What a commit that is under way has locked is
// left for the next time.
#define IS_FREE "(owner IS NULL OR NOT " LIVES("owner") ")"
static const char acquire[] =
    "CREATE OR REPLACE FUNCTION carillon_acquire_1(uuid, bigint) RETURNS SETOF shards"
    " LANGUAGE plpgsql AS $body$"
    " DECLARE now_on bigint := carillon_timeline_1(); able bigint[]; BEGIN"
    " PERFORM carillon_durably_1();"
    " IF NOT " LIVES_ON(
        "$1") " THEN RETURN; END IF;"
              " SELECT array_agg(f.id) INTO able FROM (SELECT id FROM shards WHERE " IS_FREE
              "  ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) AS f;"
              " RETURN QUERY UPDATE shards SET owner = $1, tick = 0, timeline = now_on,"
              "  epoch = " NEXT_EPOCH ", " NEXT_ID("job_next") ", " NEXT_ID(
                  "execution_next") ","
                                    "  " NEXT_ID(
                                        "alert_next") " WHERE id = ANY (able) AND NOT " IS_MOVED
                                                      " AND " IS_FREE " RETURNING *;"
                                                      " END $body$;\n";

static const char release[] =
    "CREATE OR REPLACE FUNCTION carillon_release_1(uuid, bigint[], bigint[], bigint) RETURNS bigint"
    " LANGUAGE plpgsql AS $body$ BEGIN PERFORM carillon_durably_1();"
    " IF $4 = 1 THEN UPDATE nodes SET draining = 1 WHERE id = $1 AND draining = 0; END IF;"
    " PERFORM 1 FROM shards WHERE id = ANY ($2) ORDER BY id FOR UPDATE;"
    " UPDATE shards SET " FREE_SHARDS " FROM unnest($2, $3) AS g(id, given)"
    "  WHERE shards.id = g.id AND owner = $1 AND epoch = given;"
    " RETURN 0; END $body$;\n";

// Returns the numbers of those that are not this node's.
static const char compare[] =
    "CREATE OR REPLACE FUNCTION carillon_compare_1(uuid, bigint[], bigint[]) RETURNS text"
    " LANGUAGE plpgsql AS $body$ DECLARE lost text; BEGIN PERFORM carillon_durably_1();"
    " PERFORM 1 FROM shards WHERE owner = $1 OR id = ANY ($2) ORDER BY id FOR UPDATE;"
    " SELECT string_agg(h.id::text, ' ') INTO lost FROM unnest($2, $3) AS h(id, epoch)"
    "  WHERE NOT EXISTS (SELECT FROM shards s WHERE s.id = h.id AND s.owner = $1"
    "   AND s.epoch = h.epoch);"
    " UPDATE shards SET " FREE_SHARDS " WHERE owner = $1 AND NOT EXISTS (SELECT FROM"
    "  unnest($2, $3) AS h(id, epoch) WHERE shards.id = h.id AND shards.epoch = h.epoch);"
    " RETURN lost; END $body$;\n";

const char *const postgres_node_functions[] = {durably, enter,   renew,   leave,   bury,
                                               lead,    acquire, release, compare, NULL};
