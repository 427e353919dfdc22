// SPDX-License-Identifier: MIT
// backup.c: `carillon backup FILE --db SRC`: a copy of the database, also of a running server's.

#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "store/move.h"
#include "store/sqlite.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option options[] = {
    {"db", required_argument, NULL, 'd'},
    CLI_HELP,
    {0},
};

static const struct cli_command backup_command = {
    "backup",
    "Usage: carillon backup FILE [--db SRC]\n"
    "Copies the database SRC (CARILLON_DB, or carillon.db) into the new file FILE, also\n"
    "while a server is running on it. carillon restore FILE puts it back.\n",
    options,
};

static int back_up(const char *path, const char *target)
{
    struct fault f = {0};
    struct stat st;
    if (store_place_is_url(path)) {
        cli__complain("backup",
                      "a database of PostgreSQL is backed up by its own programs: pg_dump "
                      "--format=custom, best on a replica, or pg_basebackup and its log",
                      NULL);
        return EXIT_NO;
    }
    if (access(path, F_OK) != 0)
        return cli__complain("backup", "there is no such database", path);
    mono_ms begun = clock_mono_ms();
    if (store_sqlite_backup(path, target, &f)) {
        cli__complain("backup", f.text, NULL);
        return EXIT_SERVER;
    }
    if (stat(target, &st) != 0)
        st.st_size = 0; // Somebody was quick to move it away.
    printf("%s: %" PRId64 " bytes in %" PRId64 " ms, checked\n", target, (int64_t)st.st_size,
           clock_mono_ms() - begun);
    return 0;
}

int cli_backup(int argc, char **argv)
{
    const char *path = cli__default_db();
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&backup_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        path = optarg;
    }
    if (optind + 1 != argc)
        return cli__complain_usage(&backup_command, "one new file is expected");
    return back_up(path, argv[optind]);
}
