// SPDX-License-Identifier: MIT
// backup.c: `carillon backup FILE --db SRC`: a copy of the database, also of a running server's.

#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "store/store.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB_DEFAULT "carillon.db" // As of carillon serve.

static const struct option options[] = {
    {"db", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int usage(FILE *to, int code)
{
    fprintf(to, "Usage: carillon backup FILE [--db SRC]\n"
                "Copies the database SRC (CARILLON_DB, or " DB_DEFAULT
                ") into the new file FILE, also\n"
                "while a server is running on it. To restore, stop the server and put FILE in its "
                "place.\n");
    return code;
}

static int back_up(const char *path, const char *target)
{
    struct fault f = {0};
    struct stat st;
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
    const char *path = getenv("CARILLON_DB");
    if (!path || !*path)
        path = DB_DEFAULT;
    int option;
    optind = 0; // glibc: start over, and let flags stand before or after the file.
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == 'h')
            return usage(stdout, 0);
        if (option != 'd') {
            cli__complain("backup", option == ':' ? "a value is missing after" : "unknown flag",
                          argv[optind - 1]);
            return usage(stderr, EXIT_INVALID);
        }
        path = optarg;
    }
    if (optind + 1 != argc)
        return usage(stderr, EXIT_INVALID);
    return back_up(path, argv[optind]);
}
