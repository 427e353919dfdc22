// SPDX-License-Identifier: MIT
// move.c: `carillon move FROM TO`: a whole database from a file to PostgreSQL, or back.
//
// It holds the lock of the file, so no server is at work on that meanwhile; of nodes that are at
// work on PostgreSQL the store knows. What is copied is said table by table, with the time it took.

#include "store/move.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cluster/cluster.h"
#include "zones/zones.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define SAY_EACH_MS 2000

static const struct option options[] = {
    {"take-back", no_argument, NULL, 'b'},
    CLI_HELP,
    {0},
};

static const struct cli_command move_command = {
    "move",
    "Usage: carillon move FROM TO [--take-back]\n"
    "Moves a whole database that no server is at work on: from a file (FROM) into an empty\n"
    "database of PostgreSQL (TO, a URL), or from PostgreSQL into a file that is not there yet.\n"
    "Every id stays the same, and no occurrence is lost or sent twice. FROM is not opened by a\n"
    "server from then on. When it is broken off, run it again.\n\n"
    "  --take-back  instead ends a move from FROM to TO that was broken off, so that FROM can\n"
    "               be used again\n",
    options,
};

struct mover {
    mono_ms begun; // The move.
    mono_ms since; // The table at hand.
    mono_ms said;
    int64_t rows;      // Rows of the tables before.
    const char *table; // At hand.
};

static int64_t per_second(int64_t rows, dur_ms took)
{
    return rows * 1000 / MAX(took, 1);
}

static void copied(void *context, const char *table, int64_t rows, bool is_done)
{
    struct mover *m = context;
    mono_ms now = clock_mono_ms();
    if (table != m->table) {
        m->table = table;
        m->since = m->said;
    }
    if (!is_done && now - m->said < SAY_EACH_MS)
        return;
    dur_ms took = now - m->since;
    printf("%-22s %10" PRId64 " rows%s, %" PRId64 ".%03d s, %" PRId64 " rows/s\n", table, rows,
           is_done ? "" : " so far", took / 1000, (int)(took % 1000), per_second(rows, took));
    fflush(stdout);
    m->said = now;
    m->rows += is_done ? rows : 0;
}

// Whether the latest version has the instant. Without its zone nobody can tell.
static bool owes(void *context, const struct job_versions *l, wall_ms at)
{
    struct job_span *spans = NULL;
    bool has = true;
    (void)context;
    if (job_spans_new(l, &spans))
        return true;
    struct job_span *last = &spans[l->count - 1];
    bool is_active = last->version->phase == JOB_ACTIVE;
    if (is_active && zone_find(last->version->timezone, &last->zone, NULL) == ERR_OK)
        has = job_span_next(last, at - 1, at) == at;
    free(spans);
    return has;
}

static int done(const struct mover *m, const char *from, const char *to, enum store_moved how)
{
    dur_ms took = clock_mono_ms() - m->begun;
    const char *end = store_place_is_url(to) ? "the database" : to;
    if (how == STORE_MOVED_ALREADY)
        printf("the move was complete but for its mark; it is marked now\n");
    else
        printf("moved: %" PRId64 " rows in %" PRId64 ".%03d s, %" PRId64 " rows/s\n", m->rows,
               took / 1000, (int)(took % 1000), per_second(m->rows, took));
    printf("start %s %s from now on; %s is not opened any more\n",
           store_place_is_url(to) ? "nodes on" : "a server on", end,
           store_place_is_url(from) ? "PostgreSQL" : from);
    return 0;
}

static enum err lock(const char *from, const char *to, struct cluster **out, struct fault *f)
{
    const char *path = store_place_is_url(from) ? to : from;
    if (path == from && access(path, F_OK) != 0)
        return fault_set(f, ERR_STORE_OPEN, "there is no such database: %s", path);
    return cluster_solo_open(path, out, f);
}

static int move(const char *from, const char *to, bool takes_back)
{
    struct mover m = {.begun = clock_mono_ms()};
    struct store_move job = {.from = from, .to = to, .copied = copied, .owes = owes, .context = &m};
    struct fault f = {0};
    struct cluster *held = NULL;
    enum store_moved how = STORE_MOVED;
    m.said = m.begun;
    enum err err = lock(from, to, &held, &f);
    if (!err)
        err = takes_back ? store_move_take_back(from, to, &f) : store_move(&job, &how, &f);
    cluster_close(held);
    if (err) {
        cli__complain("move", f.text, NULL);
        return EXIT_SERVER;
    }
    if (!takes_back)
        return done(&m, from, to, how);
    printf("taken back: start on %s as before\n",
           store_place_is_url(from) ? "the database of PostgreSQL" : from);
    return 0;
}

int cli_move(int argc, char **argv)
{
    bool takes_back = false;
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&move_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        takes_back = true;
    }
    if (optind + 2 != argc)
        return cli__complain_usage(&move_command, "two databases are expected, FROM and TO");
    const char *from = argv[optind], *to = argv[optind + 1];
    if (store_place_is_url(from) == store_place_is_url(to))
        return cli__complain_usage(
            &move_command, "one of the two is a file, and the other a URL: postgresql://...");
    return move(from, to, takes_back);
}
