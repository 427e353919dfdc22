// SPDX-License-Identifier: MIT
// versions.c: versions of jobs whose rows were edited by hand.
//
// The core says when a version of a job begins (CHANGE_VERSION). Operators edit the table of jobs
// while no node has the job's shard, and of that the core hears nothing: the row then says what no
// version does. One of the chores goes through the jobs, a few at a time and without an end, and
// writes those versions down, each from its row's own effective_from on; until then whoever lists
// the versions is shown the missing one as if it were there.

#include "store/postgres/postgres_priv.h"

#define EDITS_STEP_JOBS 4000 // Some milliseconds.
#define EDITS_PAUSE_MS 5000

// $1: the job after which to look, $2: at how many. The last one; 0: the end. The owner of a shard
// numbers versions as well, so its row is locked as for a commit.
static const char note_edits[] =
    "CREATE OR REPLACE FUNCTION carillon_edits_1(bigint, bigint) RETURNS bigint LANGUAGE plpgsql"
    " AS $body$ DECLARE last bigint; n bigint; shard bigint; BEGIN"
    " PERFORM set_config('lock_timeout', '100ms', true);"
    " SELECT max(id) INTO last FROM (SELECT id FROM jobs WHERE id > $1 ORDER BY id LIMIT $2) AS j;"
    " SELECT shards INTO n FROM carillon;"
    " FOR shard IN SELECT DISTINCT job_id % n AS s FROM (" POSTGRES_EDITED_VERSION
    "   AND id > $1 AND id <= last) AS e ORDER BY s LOOP"
    "  PERFORM 1 FROM shards WHERE id = shard FOR UPDATE;"
    "  INSERT INTO job_versions (" POSTGRES_VERSION_COLUMNS ") " POSTGRES_EDITED_VERSION
    "   AND id > $1 AND id <= last AND id % n = shard; END LOOP;"
    " RETURN coalesce(last, 0); EXCEPTION WHEN lock_not_available OR deadlock_detected THEN"
    " RETURN $1; END $body$;\n";

const char *const postgres_version_functions[] = {note_edits, NULL};

enum err postgres_note_edits(struct postgres_store *s, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    if (clock_mono_ms() < s->edits_at)
        return ERR_OK;
    parameter_integer(&p, s->edits_after);
    parameter_integer(&p, EDITS_STEP_JOBS);
    enum err err = link_run(&s->chores, "SELECT carillon_edits_1($1, $2)", &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    s->edits_after = result_integer(&(struct result_row){result, 0}, 0);
    s->edits_at = clock_mono_ms() + EDITS_PAUSE_MS;
    PQclear(result);
    return ERR_OK;
}
