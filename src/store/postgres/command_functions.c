// SPDX-License-Identifier: MIT
// command_functions.c: what runs inside the server for commands of other nodes.
//
// Whoever locks several client keys does so in order of their text. Commits lock keys before
// commands, and only commands that are claimed; a withdrawal locks commands before keys, and only
// commands that are not. So no two transactions wait for each other.

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

// For each command its place in the arrays, its outcome as in store/commands.h, and what the
// key stood for. A command that is there already comes from a call that is repeated: it is touched,
// so that this transaction waits for the replica as the first one did. Between the insert that
// meets another's key and the look at that key, the key may have gone: then its command was refused
// or withdrawn, and the client may ask again.
static const char put[] =
    "CREATE OR REPLACE FUNCTION carillon_put_1(uuid[], bigint[], bigint[], bytea[], text[],"
    " bytea[]) RETURNS TABLE (place bigint, outcome bigint, job bigint, scheduled bigint,"
    "  series_of bigint) LANGUAGE plpgsql AS $body$"
    " DECLARE now_on bigint := " NOW_MS "; r record; k client_keys; is_own boolean;"
    "  oldest bigint := now_on - " TEXT_OF_NUMBER(
        CLIENT_KEY_AGE_MS) "; BEGIN" DURABLE
                           " FOR r IN SELECT * FROM unnest($1, $2, $3, $4, $5, $6)"
                           "  WITH ORDINALITY AS t(id, shard, expires_at, body, key, digest, "
                           "at) ORDER BY t.key, t.at LOOP"
                           "  place := r.at - 1; outcome := 0; job := 0; scheduled := 0; "
                           "series_of := 0;"
                           "  IF r.expires_at <= now_on THEN outcome := 4;"
                           "  ELSIF r.key IS NOT NULL THEN"
                           "   SELECT * INTO k FROM client_keys AS c WHERE c.key = r.key AND "
                           "c.created_at >= oldest;"
                           "   is_own := NOT FOUND;"
                           "   IF is_own THEN INSERT INTO client_keys AS c (key, digest, "
                           "job_id, scheduled_at, series, created_at,"
                           "     command_id) VALUES (r.key, r.digest, 0, 0, 0, now_on, r.id)"
                           "    ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, "
                           "job_id = 0, scheduled_at = 0,"
                           "     series = 0, created_at = now_on, command_id = r.id"
                           "    WHERE c.created_at < oldest;"
                           "    is_own := FOUND;"
                           "    SELECT * INTO k FROM client_keys AS c WHERE c.key = r.key; END "
                           "IF;"
                           "   IF NOT is_own THEN"
                           "    IF k.key IS NULL THEN outcome := 2;"
                           "    ELSIF k.digest <> r.digest THEN outcome := 3;"
                           "    ELSIF k.job_id > 0 THEN outcome := 1; job := k.job_id; "
                           "scheduled := k.scheduled_at;"
                           "     series_of := k.series;"
                           "    ELSIF k.command_id IS DISTINCT FROM r.id THEN outcome := 2; "
                           "END IF;"
                           "   END IF;"
                           "  END IF;"
                           "  IF outcome = 0 THEN"
                           "   INSERT INTO commands AS c (id, shard, expires_at, body, "
                           "client_key)"
                           "    VALUES (r.id, r.shard, r.expires_at, r.body, r.key)"
                           "    ON CONFLICT (id) DO UPDATE SET shard = c.shard;"
                           "  END IF;"
                           "  RETURN NEXT;"
                           " END LOOP; END $body$;\n";

// A command that is not there was put shortly before a promotion that lost it: should it come
// yet, it is known. What a refused command has reserved is free again.
static const char replies[] =
    "CREATE OR REPLACE FUNCTION carillon_replies_1(uuid[], bigint[], text[], bigint[], bigint[],"
    " bigint[], bigint[], bigint[]) RETURNS bigint LANGUAGE plpgsql AS $body$"
    " DECLARE changed bigint; BEGIN"
    " DELETE FROM client_keys WHERE key IN (SELECT k.key FROM unnest($1, $3) AS n(id, err)"
    "  JOIN commands c ON c.id = n.id JOIN client_keys k ON k.key = c.client_key"
    "  WHERE n.err <> 'OK' AND k.command_id = n.id ORDER BY k.key FOR UPDATE OF k);"
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
// of such a caller is in vain, and does no harm. The rows are found by their index whatever the
// statistics say, a shard after the other.
static const char claim[] =
    "CREATE OR REPLACE FUNCTION carillon_claim_1(bigint[], bigint[], bigint, bigint, bigint)"
    " RETURNS TABLE (command uuid, shard_of bigint, epoch_of bigint, number_of bigint,"
    "  body_of bytea) LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off"
    " SET enable_mergejoin = off SET enable_bitmapscan = off AS $body$"
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
    " AS $body$ DECLARE reserved text; gone bigint; BEGIN" DURABLE
    " DELETE FROM commands WHERE id = $1 AND claimed_by IS NULL AND replied_at IS NULL"
    "  RETURNING client_key INTO reserved;"
    " GET DIAGNOSTICS gone = ROW_COUNT;"
    " DELETE FROM client_keys WHERE gone = 1 AND key = reserved AND command_id = $1;"
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
    " DELETE FROM commands WHERE id = ANY (ids);"
    " GET DIAGNOSTICS gone = ROW_COUNT;"
    " DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE replied_at < now_on - $2"
    "  AND id < (lpad(to_hex(now_on - $2), 12, '0') || '00000000000000000000')::uuid"
    "  ORDER BY id LIMIT $1 - gone FOR UPDATE SKIP LOCKED);"
    " GET DIAGNOSTICS more = ROW_COUNT;"
    " RETURN gone + more; END $body$;\n";

const char *const postgres_command_functions[] = {put, replies, claim, withdraw, tidy, NULL};
