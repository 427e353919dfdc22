// SPDX-License-Identifier: MIT
// command_functions.c: what runs inside the server for commands of other nodes.
//
// Whoever locks several keys does so in order of their text, those of clients before those of jobs.
// Commits lock keys before commands, and only commands that are claimed; a withdrawal locks
// commands before keys, and only commands that are not. So no two transactions wait for each other.

#include "store/postgres/postgres_priv.h"

// The clock of the database, by which commands expire.
#define NOW_MS "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

#define TEXT_OF_NUMBER(number) TEXT_OF(number)
#define TEXT_OF(number) #number

// What an API server learns, or waits for, must be on the replica.
#define DURABLE                                                                                    \
    " PERFORM set_config('lock_timeout', '2s', true);"                                             \
    " IF current_setting('synchronous_commit') IN ('off', 'local') THEN"                           \
    "  PERFORM set_config('synchronous_commit', 'on', true); END IF;"

#define OLDEST_KEY " oldest bigint := now_on - " TEXT_OF_NUMBER(CLIENT_KEY_AGE_MS) ";"

// For each command its place in the arrays, its outcome as in store/commands.h, and what the
// key stood for. A command that is there already comes from a call that is repeated: it is touched,
// so that this transaction waits for the replica as the first one did. Between the insert that
// meets another's key and the look at that key, the key may have gone: then its command was refused
// or withdrawn, and the client may ask again.
//
// First all keys of clients, then all keys of jobs, then the commands. The key of a job may have no
// row though a job has it: the row was lost with a promotion, and is made again. What the
// repetition of a call has reserved for a command that is answered already is free again.
static const char put[] =
    "CREATE OR REPLACE FUNCTION carillon_put_1(uuid[], bigint[], bigint[], bytea[], text[],"
    " bytea[], text[]) RETURNS TABLE (place bigint, outcome bigint, job bigint, scheduled bigint,"
    "  series_of bigint) LANGUAGE plpgsql AS $body$"
    " DECLARE now_on bigint := " NOW_MS "; r record; k client_keys; j job_keys; is_own boolean;"
    "  has bigint; outcomes bigint[] := array_fill(0::bigint, ARRAY[cardinality($1)]);"
    "  jobs_of bigint[] := outcomes; times bigint[] := outcomes; numbers bigint[] := outcomes;"
    "  reserves boolean := false;" OLDEST_KEY " BEGIN" DURABLE
    " FOR r IN SELECT t.* FROM unnest($1, $3, $5, $6) WITH ORDINALITY"
    "   AS t(id, expires_at, key, digest, at)"
    "   WHERE t.key IS NOT NULL AND t.expires_at > now_on ORDER BY t.key, t.at LOOP"
    "  SELECT * INTO k FROM client_keys AS c WHERE c.key = r.key AND c.created_at >= oldest;"
    "  is_own := NOT FOUND;"
    "  IF is_own THEN INSERT INTO client_keys AS c (key, digest, job_id, scheduled_at, series,"
    "    created_at, command_id) VALUES (r.key, r.digest, 0, 0, 0, now_on, r.id)"
    "   ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, job_id = 0, scheduled_at = 0,"
    "    series = 0, created_at = now_on, command_id = r.id WHERE c.created_at < oldest;"
    "   is_own := FOUND;"
    "   SELECT * INTO k FROM client_keys AS c WHERE c.key = r.key; END IF;"
    "  IF NOT is_own THEN"
    "   IF k.key IS NULL THEN outcomes[r.at] := 2;"
    "   ELSIF k.digest <> r.digest THEN outcomes[r.at] := 3;"
    "   ELSIF k.job_id > 0 THEN outcomes[r.at] := 1; jobs_of[r.at] := k.job_id;"
    "    times[r.at] := k.scheduled_at; numbers[r.at] := k.series;"
    "   ELSIF k.command_id IS DISTINCT FROM r.id THEN outcomes[r.at] := 2; END IF;"
    "  END IF;"
    " END LOOP;"
    " FOR r IN SELECT t.* FROM unnest($1, $3, $5, $7) WITH ORDINALITY"
    "   AS t(id, expires_at, key, job_key, at) WHERE t.job_key IS NOT NULL"
    "   AND t.expires_at > now_on AND outcomes[t.at] = 0 ORDER BY t.job_key, t.at LOOP"
    "  INSERT INTO job_keys (key, command_id, job_id) VALUES (r.job_key, r.id, 0)"
    "   ON CONFLICT (key) DO NOTHING;"
    "  IF FOUND THEN reserves := true;"
    "   SELECT t.id INTO has FROM jobs AS t WHERE t.key = r.job_key AND t.deleted_at IS NULL;"
    "   IF FOUND THEN outcomes[r.at] := 5; jobs_of[r.at] := has;"
    "    UPDATE job_keys SET command_id = NULL, job_id = has WHERE key = r.job_key; END IF;"
    "  ELSE"
    "   SELECT * INTO j FROM job_keys AS c WHERE c.key = r.job_key;"
    "   IF j.command_id IS DISTINCT FROM r.id"
    "     AND NOT EXISTS (SELECT FROM commands AS c WHERE c.id = r.id) THEN"
    "    outcomes[r.at] := 5; jobs_of[r.at] := coalesce(j.job_id, 0); END IF;"
    "  END IF;"
    "  IF outcomes[r.at] = 5 THEN DELETE FROM client_keys AS c"
    "   WHERE c.key = r.key AND c.command_id = r.id AND c.job_id = 0; END IF;"
    " END LOOP;"
    " INSERT INTO commands AS c (id, shard, expires_at, body, client_key, job_key)"
    "  SELECT t.id, t.shard, t.expires_at, t.body, t.key, t.job_key"
    "   FROM unnest($1, $2, $3, $4, $5, $7) WITH ORDINALITY"
    "   AS t(id, shard, expires_at, body, key, job_key, at)"
    "   WHERE t.expires_at > now_on AND outcomes[t.at] = 0 ORDER BY t.at"
    "  ON CONFLICT (id) DO UPDATE SET shard = c.shard;"
    " IF reserves THEN DELETE FROM job_keys AS o USING unnest($1, $7) AS t(id, job_key)"
    "  JOIN commands AS c ON c.id = t.id WHERE c.replied_at IS NOT NULL"
    "   AND o.key = t.job_key AND o.command_id = t.id AND o.job_id = 0; END IF;"
    " RETURN QUERY SELECT t.at - 1, CASE WHEN t.expires_at <= now_on THEN 4 ELSE outcomes[t.at] "
    "END,"
    "   jobs_of[t.at], times[t.at], numbers[t.at]"
    "  FROM unnest($3) WITH ORDINALITY AS t(expires_at, at); END $body$;\n";

// Rows are found by their indexes whatever the statistics say: most commands have no key, and the
// planner takes a look whether any has one for a look through the table that soon meets one.
#define BY_INDEXES                                                                                 \
    " SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"               \
    " SET enable_bitmapscan = off"

// A command that is not there was put shortly before a promotion that lost it: should it come
// yet, it is known. What a refused command has reserved is free again, and so is the key of a job
// that was deleted ($9). No row of `job_keys` is made here, so that no key can make a commit fail.
static const char replies[] =
    "CREATE OR REPLACE FUNCTION carillon_replies_1(uuid[], bigint[], text[], bigint[], bigint[],"
    " bigint[], bigint[], bigint[], bigint[]) RETURNS bigint LANGUAGE plpgsql" BY_INDEXES
    " AS $body$ DECLARE changed bigint; BEGIN"
    " DELETE FROM client_keys WHERE key IN (SELECT k.key FROM unnest($1, $3) AS n(id, err)"
    "  JOIN commands c ON c.id = n.id JOIN client_keys k ON k.key = c.client_key"
    "  WHERE n.err <> 'OK' AND k.command_id = n.id ORDER BY k.key FOR UPDATE OF k);"
    " IF EXISTS (SELECT FROM commands WHERE id = ANY ($1) AND job_key IS NOT NULL) THEN"
    "  UPDATE job_keys AS k SET job_id = n.made FROM unnest($1, $3, $4) AS n(id, err, made)"
    "   JOIN commands c ON c.id = n.id"
    "   WHERE n.err = 'OK' AND k.key = c.job_key AND k.command_id = n.id;"
    "  DELETE FROM job_keys AS k USING unnest($1, $3) AS n(id, err) JOIN commands c ON c.id = n.id"
    "   WHERE n.err <> 'OK' AND k.key = c.job_key AND k.command_id = n.id;"
    " END IF;"
    " IF cardinality($9) > 0 THEN DELETE FROM job_keys AS k USING jobs AS j"
    "  WHERE j.id = ANY ($9) AND k.key = j.key AND k.job_id = j.id; END IF;"
    " INSERT INTO commands AS c (id, shard, err, job_id, version, scheduled_at, series, replied_at,"
    "   expires_at) SELECT n.*, n.replied_at FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
    "  AS n(id, shard, err, job_id, version, scheduled_at, series, replied_at) ORDER BY n.id"
    "  ON CONFLICT (id) DO UPDATE SET body = NULL, err = excluded.err, job_id = excluded.job_id,"
    "   version = excluded.version, scheduled_at = excluded.scheduled_at,"
    "   series = excluded.series, replied_at = excluded.replied_at WHERE c.replied_at IS NULL;"
    " GET DIAGNOSTICS changed = ROW_COUNT;"
    " IF changed <> cardinality($1) THEN RAISE EXCEPTION USING ERRCODE = 'CA001',"
    "  MESSAGE = 'a command has a reply already'; END IF;"
    " RETURN 0; END $body$;\n";

// $1, $2: the shards and epochs of the caller. $3: also what was claimed in them, with numbers
// above $4. At most $5. Of one who is not the owner any more nothing can be written, so a claim
// of such a caller is in vain, and does no harm.
static const char claim[] =
    "CREATE OR REPLACE FUNCTION carillon_claim_1(bigint[], bigint[], bigint, bigint, bigint)"
    " RETURNS TABLE (command uuid, shard_of bigint, epoch_of bigint, number_of bigint,"
    "  body_of bytea) LANGUAGE plpgsql" BY_INDEXES " AS $body$"
    " DECLARE now_on bigint := " NOW_MS "; ids uuid[]; epochs bigint[]; BEGIN" DURABLE
    " SELECT array_agg(t.id), array_agg(t.epoch) INTO ids, epochs"
    "  FROM (SELECT c.id, n.epoch FROM unnest($1, $2) AS n(shard, epoch)"
    "  JOIN commands c ON c.shard = n.shard AND c.replied_at IS NULL"
    "  WHERE (c.claimed_by IS NULL AND c.expires_at > now_on) OR c.claimed_by < n.epoch"
    "   OR ($3 = 1 AND c.claimed_by = n.epoch AND c.number > $4)"
    "  ORDER BY c.number LIMIT $5) AS t;"
    " IF ids IS NULL THEN RETURN; END IF;"
    " RETURN QUERY UPDATE commands c SET claimed_by = n.epoch"
    "  FROM unnest(ids, epochs) AS n(id, epoch) WHERE c.id = n.id AND c.replied_at IS NULL"
    "   AND (c.claimed_by IS NULL OR c.claimed_by <= n.epoch)"
    "  RETURNING c.id, c.shard, n.epoch, c.number, c.body; END $body$;\n";

static const char withdraw[] =
    "CREATE OR REPLACE FUNCTION carillon_withdraw_1(uuid) RETURNS bigint LANGUAGE plpgsql"
    " AS $body$ DECLARE reserved text; reserved_job text; gone bigint; BEGIN" DURABLE
    " DELETE FROM commands WHERE id = $1 AND claimed_by IS NULL AND replied_at IS NULL"
    "  RETURNING client_key, job_key INTO reserved, reserved_job;"
    " GET DIAGNOSTICS gone = ROW_COUNT;"
    " DELETE FROM client_keys WHERE gone = 1 AND key = reserved AND command_id = $1;"
    " DELETE FROM job_keys WHERE gone = 1 AND key = reserved_job AND command_id = $1;"
    " RETURN gone; END $body$;\n";

// $1: at most so many. What was answered before $2 goes as well: the first bytes of an id are
// its time, so the old ones are the first of the index. Rows that somebody is about to claim
// or to withdraw are left alone.
static const char tidy[] =
    "CREATE OR REPLACE FUNCTION carillon_tidy_1(bigint, bigint) RETURNS bigint LANGUAGE plpgsql"
    " SET enable_hashjoin = off SET enable_mergejoin = off AS $body$"
    " DECLARE now_on bigint := " NOW_MS "; ids uuid[]; gone bigint; more bigint; BEGIN"
    " PERFORM set_config('lock_timeout', '2s', true);"
    " SELECT array_agg(t.id) INTO ids FROM (SELECT id FROM commands WHERE replied_at IS NULL"
    "  AND claimed_by IS NULL AND expires_at <= now_on LIMIT $1 FOR UPDATE SKIP LOCKED) AS t;"
    " DELETE FROM client_keys k USING commands c WHERE c.id = ANY (ids)"
    "  AND k.key = c.client_key AND k.command_id = c.id;"
    " DELETE FROM job_keys k USING commands c WHERE c.id = ANY (ids)"
    "  AND k.key = c.job_key AND k.command_id = c.id;"
    " DELETE FROM commands WHERE id = ANY (ids);"
    " GET DIAGNOSTICS gone = ROW_COUNT;"
    " DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE replied_at < now_on - $2"
    "  AND id < (lpad(to_hex(now_on - $2), 12, '0') || '00000000000000000000')::uuid"
    "  ORDER BY id LIMIT $1 - gone FOR UPDATE SKIP LOCKED);"
    " GET DIAGNOSTICS more = ROW_COUNT;"
    " RETURN gone + more; END $body$;\n";

const char *const postgres_command_functions[] = {put, replies, claim, withdraw, tidy, NULL};
