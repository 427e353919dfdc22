// SPDX-License-Identifier: MIT
// test_restore_faults.c: a restore that is killed, or whose nth system call fails, for every n.
//
// The database that is replaced has its last job in its log alone, as after a crash; the backup has
// fewer jobs. Whatever happens in the middle, the next start finds all that the old database had or
// all that the backup has, never some of each; and another restore ends what the first has begun,
// with the old database, log and all, under its own name.

#define _GNU_SOURCE // RTLD_NEXT

#include "../contract/store_fixture.h"

#include "base/memory.h"
#include "store/inspect.h"
#include "store/sqlite.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD_JOBS 3
#define BACKUP_JOBS 1

// --- Failing calls -------------------------------------------------------------------------------

enum mishap { KILLED, FAILS };

static struct {
    bool watching;
    enum mishap mishap;
    unsigned nth;
    unsigned calls;
} plan;

// Whether this call is the one that fails; the process may end here.
static bool is_mishap(void)
{
    if (!plan.watching || ++plan.calls != plan.nth)
        return false;
    if (plan.mishap == KILLED)
        _exit(9);
    errno = EIO;
    return true;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int rename(const char *from, const char *to)
{
    return is_mishap() ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return is_mishap() ? -1 : REAL(unlink)(path);
}

int fsync(int fd)
{
    return is_mishap() ? -1 : REAL(fsync)(fd);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    return is_mishap() ? -1 : REAL(write)(fd, bytes, count);
}

// --- The folder ----------------------------------------------------------------------------------

static struct {
    char folder[64];
    char db[96];
    char backup[96];
} place;

// In the folder.
static void run(const char *command)
{
    char line[400];
    snprintf(line, sizeof line, "cd %s && %s", place.folder, command);
    assert_int_equal(system(line), 0);
}

static void add_jobs(struct store *s, job_id first, job_id last)
{
    struct batch *b = batch_new(1);
    for (job_id id = first; id <= last; id++)
        store_add_job(b, id);
    shard_row(b, 0)->job_next = last + 1;
    store_assert_ok(shard_rows_commit(s, &b, 1, f));
    batch_free(b);
}

// The last jobs are in the log alone: whoever wrote them died.
static void make_old(void)
{
    struct store *s;
    pid_t child = fork();
    if (child == 0) {
        store_assert_ok(store_sqlite_open(place.db, &s, f));
        add_jobs(s, BACKUP_JOBS + 1, OLD_JOBS);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int make_place(void **state)
{
    struct store *s;
    (void)state;
    snprintf(place.folder, sizeof place.folder, "/tmp/carillon-restore-XXXXXX");
    assert_non_null(mkdtemp(place.folder));
    snprintf(place.db, sizeof place.db, "%s/a.db", place.folder);
    snprintf(place.backup, sizeof place.backup, "%s/backup", place.folder);
    store_assert_ok(store_sqlite_open(place.db, &s, f));
    add_jobs(s, 1, BACKUP_JOBS);
    store_close(s);
    store_assert_ok(store_sqlite_backup(place.db, place.backup, f));
    make_old();
    run("mkdir template && cp -p a.db a.db-* template");
    return 0;
}

static int remove_place(void **state)
{
    (void)state;
    run("rm -r \"$PWD\"");
    return 0;
}

// As it was before the restore.
static void begin_again(void)
{
    run("rm -f a.db* && cp -p template/* .");
}

static enum err count_job(void *count, const struct job *j)
{
    assert_null(j->damaged);
    ++*(unsigned *)count;
    return ERR_OK;
}

static unsigned jobs_in(const char *path)
{
    struct store *s;
    unsigned count = 0;
    store_assert_ok(store_sqlite_open(path, &s, f));
    struct store_reader *r;
    const struct store_slice all = {.limit = SIZE_MAX};
    store_assert_ok(store_reader_open(s, &r, f));
    store_assert_ok(store_load_jobs(r, &all, count_job, &count, f));
    store_reader_close(r);
    store_close(s);
    return count;
}

static bool is_kept(const char *name)
{
    const char *end = strrchr(name, '-');
    bool part = end && (strcmp(end, "-wal") == 0 || strcmp(end, "-shm") == 0);
    return strncmp(name, "a.db.replaced-", 14) == 0 && !part;
}

// How many databases with so many jobs are kept under names of their own.
static unsigned count_kept(unsigned jobs)
{
    struct dirent **names;
    unsigned found = 0;
    int count = scandir(place.folder, &names, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", place.folder, names[i]->d_name);
        found += is_kept(names[i]->d_name) && jobs_in(path) == jobs;
        free(names[i]);
    }
    free(names);
    return found;
}

// --- Restores that are broken off ----------------------------------------------------------------

// In a process of its own. Returns whether the mishap came.
static bool restore_with(enum mishap mishap, unsigned nth)
{
    pid_t child = fork();
    if (child == 0) {
        char *kept = NULL;
        struct fault f = {0};
        plan.mishap = mishap;
        plan.nth = nth;
        plan.watching = true;
        enum err err = store_sqlite_restore(place.db, place.backup, &kept, &f);
        plan.watching = false;
        free(kept);
        _exit(plan.calls < nth ? 0 : err ? 1 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) != 0;
}

static void restore_again(void)
{
    char *kept = NULL;
    store_assert_ok(store_sqlite_restore(place.db, place.backup, &kept, f));
    assert_non_null(kept);
    free(kept);
}

static void check_whole_and_kept(void)
{
    assert_int_equal(jobs_in(place.db), BACKUP_JOBS);
    assert_int_equal(count_kept(OLD_JOBS), 1);
}

// Nothing of the restore itself is left in the folder.
static void check_clean(void)
{
    static const char *const leftovers[] = {".restore", ".restoring"};
    for (size_t i = 0; i < COUNT_OF(leftovers); i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof path, "%s%s", place.db, leftovers[i]);
        assert_int_not_equal(stat(path, &st), 0);
    }
}

static void a_start_finds_one_or_the_other(enum mishap mishap, unsigned nth)
{
    begin_again();
    restore_with(mishap, nth);
    unsigned jobs = jobs_in(place.db);
    if (jobs == BACKUP_JOBS) {
        check_whole_and_kept();
    } else {
        assert_int_equal(jobs, OLD_JOBS);
        assert_int_equal(count_kept(OLD_JOBS), 0);
    }
    restore_again();
    assert_int_equal(jobs_in(place.db), BACKUP_JOBS);
}

static void another_restore_ends_it(enum mishap mishap, unsigned nth)
{
    begin_again();
    restore_with(mishap, nth);
    restore_again();
    check_whole_and_kept();
    check_clean();
}

static void break_off_at_every_call(enum mishap mishap)
{
    unsigned nth = 0;
    bool reached;
    do {
        begin_again();
        reached = restore_with(mishap, ++nth);
        if (!reached) {
            check_whole_and_kept();
            check_clean();
        }
        a_start_finds_one_or_the_other(mishap, nth);
        another_restore_ends_it(mishap, nth);
    } while (reached);
    print_message("%u calls\n", nth - 1);
    assert_true(nth > 15);
}

static void a_restore_that_is_killed_leaves_no_mix(void **state)
{
    (void)state;
    break_off_at_every_call(KILLED);
}

static void a_restore_that_fails_leaves_no_mix(void **state)
{
    (void)state;
    break_off_at_every_call(FAILS);
}

// Who may not write cannot end it, and would look at half of it.
static void others_are_told_of_a_restore_that_was_broken_off(void **state)
{
    (void)state;
    unsigned told = 0;
    for (unsigned nth = 1; nth < 30; nth++) {
        struct store_inspection *i = NULL;
        struct fault f = {0};
        begin_again();
        if (!restore_with(KILLED, nth))
            break;
        enum err err = store_inspection_open(place.db, &i, &f);
        told += err == ERR_STORE_OPEN && strstr(f.text, "a restore of ") != NULL;
        store_inspection_close(i);
    }
    assert_true(told > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restore_that_is_killed_leaves_no_mix, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_restore_that_fails_leaves_no_mix, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(others_are_told_of_a_restore_that_was_broken_off,
                                        make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
