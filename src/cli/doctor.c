// SPDX-License-Identifier: MIT
// doctor.c: `carillon doctor [FILE]`: is the database sound, and is there a record of everything
// that was owed?
//
// Only reads, beside a running server or without one. What is wrong is said line by line, up to a
// bound, and what to do about a damaged file at the end. After damage it looks no further, since
// what a damaged file says proves nothing.

#include "base/conceal.h"
#include "base/memory.h"
#include "cli/audit_priv.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "store/move.h"
#include "zones/zones.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define GAPS_SHOWN_MAX 100

struct doctor {
    const char *path;
    const char *check; // The one at hand.
    unsigned problems; // Problems found by this check.
    bool sound;
    bool damaged;
    struct audit audit;
    struct job_versions versions; // Versions of the job at hand.
    struct job_span *spans;       // NULL: it cannot be audited.
    struct store_progress progress;
};

static void problem(void *context, const char *what)
{
    struct doctor *d = context;
    d->problems++;
    d->sound = false;
    printf("PROBLEM  %s: %s\n", d->check, what);
}

static void end_check(const struct doctor *d)
{
    if (d->problems == 0)
        printf("ok       %s\n", d->check);
    fflush(stdout); // The next one may take long.
}

static enum err run_check(struct doctor *d, struct store_inspection *i, enum store_check c,
                          struct fault *f)
{
    d->check = store_check_name(c);
    d->problems = 0;
    enum err err = store_inspect(i, c, problem, d, f);
    if (c == STORE_CHECK_PAGES && d->problems > 0)
        d->damaged = true;
    if (!err)
        end_check(d);
    return err;
}

// --- The ledger ------------------------------------------------------------------------------

static void gap(void *context, job_id job, wall_ms at)
{
    struct doctor *d = context;
    char text[RFC3339_BYTES];
    d->sound = false;
    d->problems++;
    if (d->audit.totals.gaps > GAPS_SHOWN_MAX)
        return;
    wall_format(at, text);
    printf("GAP      job %" PRId64 " at %s: no row, and no missed range\n", job, text);
}

static enum err find_zones(struct doctor *d, const struct job_versions *l, struct fault *f)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < l->count && !err; i++)
        err = zone_find(l->rows[i].timezone, &d->spans[i].zone, f);
    return err;
}

// A job whose versions cannot be read here is a problem, and the next one is looked at.
static enum err begin_job(void *context, const struct job_versions *l,
                          const struct store_progress *p)
{
    struct doctor *d = context;
    struct fault f = {0};
    d->versions = job_versions_copy(l);
    enum err err = job_spans_new(&d->versions, &d->spans);
    if (err)
        fault_set(&f, err, "a schedule cannot be read");
    else
        err = find_zones(d, &d->versions, &f);
    if (!err) {
        audit_job_begin(&d->audit, d->spans, l->count, p);
        return ERR_OK;
    }
    char text[FAULT_TEXT_MAX + 80];
    snprintf(text, sizeof text, "job %" PRId64 " is not compared: %s", l->rows[0].job, f.text);
    problem(d, text);
    free(d->spans);
    d->spans = NULL;
    return ERR_OK;
}

static enum err see_record(void *context, const struct store_record *r)
{
    struct doctor *d = context;
    if (d->spans)
        audit_record(&d->audit, r);
    return ERR_OK;
}

static enum err end_job(void *context)
{
    struct doctor *d = context;
    if (d->spans)
        audit_job_end(&d->audit);
    free(d->spans);
    d->spans = NULL;
    job_versions_fini(&d->versions);
    return ERR_OK;
}

static enum err audit_ledger(struct doctor *d, struct store_inspection *i, struct fault *f)
{
    struct store_ledger_visitor visitor = {begin_job, see_record, end_job, d};
    d->check = "ledger";
    d->problems = 0;
    enum err err = store_inspect_ledger(i, &visitor, f);
    if (err) {
        (void)end_job(d); // The walk may have ended in the middle of one.
        return err;
    }
    const struct audit_totals *t = &d->audit.totals;
    if (t->gaps > GAPS_SHOWN_MAX)
        printf("GAP      and %" PRIu64 " more\n", t->gaps - GAPS_SHOWN_MAX);
    end_check(d);
    printf("jobs=%" PRIu64 " occurrences=%" PRIu64 " rows=%" PRIu64 " missed_ranges=%" PRIu64
           " gaps=%" PRIu64 "\n",
           t->jobs, t->occurrences, t->rows, t->missed_ranges, t->gaps);
    return ERR_OK;
}

// --- The command -----------------------------------------------------------------------------

static enum err examine(struct doctor *d, struct store_inspection *i, struct fault *f)
{
    enum err err = ERR_OK;
    for (enum store_check c = 0; c < STORE_CHECKS && !err && !d->damaged; c++)
        if (store_inspection_has(i, c))
            err = run_check(d, i, c, f);
    if (!err && !d->damaged)
        err = audit_ledger(d, i, f);
    return err;
}

static int verdict(struct doctor *d, enum err err, const struct fault *f)
{
    if (err) {
        printf("PROBLEM  %s\n", f->text);
        d->sound = false;
    }
    if (d->damaged && !err)
        printf("%s is damaged: restore a backup (as carillon backup makes them), or save what can "
               "be read with sqlite3 %s .dump (see docs/operations.md)\n",
               d->path, d->path);
    else if (d->damaged || err == ERR_STORE_CORRUPT)
        printf("%s is damaged\n", d->path); // What to do has been said.
    else
        printf("%s is %s\n", d->path, d->sound ? "sound" : "not sound");
    return d->sound ? 0 : EXIT_SERVER;
}

static const struct option options[] = {
    {"db", required_argument, NULL, 'd'},
    CLI_HELP,
    {0},
};

static const struct cli_command doctor_command = {
    "doctor",
    "Usage: carillon doctor [FILE | --db FILE]\n"
    "Is the database FILE (CARILLON_DB, or carillon.db) sound, and is there a record of\n"
    "everything that was owed? It only reads, also beside a running server. FILE may be the\n"
    "URL of a database of PostgreSQL, or of its replica (?target_session_attrs=any).\n"
    "Exit codes: 0 sound, 1 not sound, 2 wrong usage or no such file.\n",
    options,
};

// The file to look at, or NULL when the command is over; then *code is its exit code.
static const char *find_file(int argc, char **argv, int *code)
{
    const char *path = NULL;
    int option;
    cli__flags_begin();
    while ((option = cli__flag(&doctor_command, argc, argv, code)) != CLI_END) {
        if (option == CLI_OVER)
            return NULL;
        path = optarg;
    }
    int rest = argc - optind;
    if (rest > 1 || (rest == 1 && path)) {
        *code = cli__complain_usage(&doctor_command, "one file is expected");
        return NULL;
    }
    return path ? path : rest ? argv[optind] : cli__default_db();
}

// False: *code is the exit code.
static bool is_file(const char *path, int *code)
{
    struct stat st;
    if (stat(path, &st) != 0)
        *code = cli__complain("doctor", "there is no such file", path);
    else if (!S_ISREG(st.st_mode))
        *code = cli__complain("doctor", "this is no file but a folder or a device", path);
    else
        return true;
    return false;
}

int cli_doctor(int argc, char **argv)
{
    int code;
    const char *place = find_file(argc, argv, &code);
    if (!place || (!store_place_is_url(place) && !is_file(place, &code)))
        return code;
    char *shown = xstrdup(place);
    conceal_passwords(shown);
    struct doctor d = {.path = shown, .sound = true, .audit = {.gap = gap}};
    d.audit.context = &d;
    struct fault f = {0};
    struct store_inspection *i = NULL;
    enum err err = store_inspection_open(place, &i, &f);
    if (!err)
        err = examine(&d, i, &f);
    code = verdict(&d, err, &f);
    store_inspection_close(i);
    audit_fini(&d.audit);
    free(shown);
    return code;
}
