// SPDX-License-Identifier: MIT
// restore.c: `carillon restore FILE --db DB`: a backup in the place of the database.
//
// It holds the lock that a server holds, so neither a server nor another restore is there
// meanwhile.

#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cluster/cluster.h"
#include "store/move.h"
#include "store/sqlite.h"

#include <inttypes.h>
#include <sys/stat.h>

static const struct option options[] = {
    {"db", required_argument, NULL, 'd'},
    CLI_HELP,
    {0},
};

static const struct cli_command restore_command = {
    "restore",
    "Usage: carillon restore FILE [--db DB]\n"
    "Puts the backup FILE, which stays, in the place of the database DB (CARILLON_DB, or\n"
    "carillon.db), while no server is running on it. FILE is checked first. What was there,\n"
    "with its log, is kept as DB.replaced-TIME. When it is broken off, run it again.\n",
    options,
};

static int done(const char *path, const char *backup, const char *kept, dur_ms took)
{
    struct stat st;
    if (stat(path, &st) != 0)
        st.st_size = 0; // Somebody was quick to move it away.
    printf("%s: restored from %s, %" PRId64 " bytes in %" PRId64 " ms, checked\n", path, backup,
           (int64_t)st.st_size, took);
    if (kept)
        printf("%s: kept, with its log, as %s\n", path, kept);
    return 0;
}

static int restore(const char *path, const char *backup)
{
    struct fault f = {0};
    struct cluster *lock = NULL;
    char *kept = NULL;
    mono_ms begun = clock_mono_ms();
    if (store_place_is_url(path)) {
        cli__complain("restore",
                      "a database of PostgreSQL is restored by its own programs, while no node is "
                      "at work on it: pg_restore into an empty one, or the base backup and its log",
                      NULL);
        return EXIT_NO;
    }
    enum err err = cluster_solo_open(path, &lock, &f);
    if (!err)
        err = store_sqlite_restore(path, backup, &kept, &f);
    if (err)
        cli__complain("restore", f.text, NULL);
    else
        done(path, backup, kept, clock_mono_ms() - begun);
    cluster_close(lock);
    free(kept);
    return err ? EXIT_SERVER : 0;
}

int cli_restore(int argc, char **argv)
{
    const char *path = cli__default_db();
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&restore_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        path = optarg;
    }
    if (optind + 1 != argc)
        return cli__complain_usage(&restore_command, "one backup is expected");
    return restore(path, argv[optind]);
}
