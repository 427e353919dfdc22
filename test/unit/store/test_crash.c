// SPDX-License-Identifier: MIT
// test_crash.c: what was confirmed survives kill -9, and batches are whole.
//
// A child commits batch after batch and writes the number of each to a pipe once store_commit has
// returned. It is killed at a random moment, in the midst of writing. Whoever opens the database
// then finds every batch up to some number, that number is at least the last one confirmed, and the
// next child goes on from there.

#include "../../contract/shard_rows.h"
#include "store/store.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define KILLS 25

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random % below;
}

// Batch n inserts (n * 37) % 90 + 1 executions, ends those of the batch before, and sets the
// watermark to n: all of it can be computed from n.
static int64_t rows_in(int64_t n)
{
    return n * 37 % 90 + 1;
}

static struct change *add(struct batch *b, enum change_kind kind)
{
    b->changes = grow(b->changes, b->count, &b->capacity, sizeof *b->changes);
    struct change *c = &b->changes[b->count++];
    *c = (struct change){.kind = kind};
    return c;
}

static void add_job(struct batch *b)
{
    struct job *j = job_new();
    j->id = 1;
    job_set_text(&j->schedule, "* * * * * *");
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a/");
    add(b, CHANGE_JOB_PUT)->job = j;
}

static struct batch *make_batch(int64_t n, int64_t execution_next)
{
    struct batch *b = batch_new((uint64_t)n);
    if (n == 1)
        add_job(b);
    for (int64_t i = 0; n > 1 && i < rows_in(n - 1); i++) {
        int64_t id = execution_next - 1 - i;
        add(b, CHANGE_EXECUTION_UPDATE)->execution = (struct execution){
            .id = id,
            .key = {.job = 1, .scheduled_at = id},
            .started_at = 1,
            .completed_at = n,
            .state = EXECUTION_SUCCESS,
        };
        add(b, CHANGE_ATTEMPT)->attempt =
            (struct attempt){.execution_id = id, .scheduled_at = id, .number = 1};
    }
    for (int64_t i = 0; i < rows_in(n); i++)
        add(b, CHANGE_EXECUTION_INSERT)->execution = (struct execution){
            .id = execution_next + i, .key = {.job = 1, .scheduled_at = execution_next + i}};
    shard_row(b, 0)->watermark = n;
    shard_row(b, 0)->execution_next = execution_next + rows_in(n);
    return b;
}

// The child. Never returns; what goes wrong is seen by the parent as a missing number.
static void write_until_killed(const char *path, int confirm_fd)
{
    struct store *s;
    struct fault f = {0};
    struct shard p;
    if (store_open(path, &s, &f) || store_get_shard(s, 0, &p, &f))
        _exit(1);
    int64_t next = MAX(p.execution_next, 1);
    for (int64_t n = p.watermark + 1;; n++) {
        struct batch *b = make_batch(n, next);
        if (shard_rows_commit(s, &b, 1, &f) || store_tidy(s, &f))
            _exit(2);
        next = shard_row(b, 0)->execution_next;
        batch_free(b);
        if (write(confirm_fd, &n, sizeof n) != sizeof n)
            _exit(3);
    }
}

// Kills the child some time after it has confirmed `confirmations`, at a moment that depends on how
// the machine happens to run both. Returns the last number that was confirmed.
static int64_t run_and_kill(const char *path, uint64_t confirmations)
{
    int ends[2];
    int64_t confirmed = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(path, ends[1]);
    close(ends[1]);
    for (uint64_t i = 0; i < confirmations; i++)
        assert_int_equal(read(ends[0], &confirmed, sizeof confirmed), sizeof confirmed);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &confirmed, sizeof confirmed) == sizeof confirmed)
        ; // What it still said before it died.
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return confirmed;
}

static enum err check_finished(void *context, const struct execution *e)
{
    int64_t *expected_id = context;
    assert_int_equal(e->id, (*expected_id)--);
    return ERR_OK;
}

static enum err count_row(void *context, const struct execution *e)
{
    (void)e;
    ++*(int64_t *)context;
    return ERR_OK;
}

// Everything of batches 1 to the watermark is there, and nothing else.
static int64_t check_database(const char *path)
{
    struct store *s;
    struct store_reader *r;
    struct shard p;
    struct fault f = {0};
    assert_int_equal(store_open(path, &s, &f), ERR_OK);
    assert_int_equal(store_reader_open(s, &r, &f), ERR_OK);
    assert_int_equal(store_get_shard(s, 0, &p, &f), ERR_OK);

    int64_t rows = 0;
    for (int64_t n = 1; n <= p.watermark; n++)
        rows += rows_in(n);
    assert_int_equal(p.execution_next, rows + 1);
    int64_t newest = rows;
    struct execution_query all = {
        .trigger = -1,
        .to = WALL_NEVER,
        .before = {WALL_NEVER, INT64_MAX},
        .limit = SIZE_MAX,
    };
    assert_int_equal(store_list_executions(r, &all, check_finished, &newest, &f), ERR_OK);
    assert_int_equal(newest, 0);
    int64_t open = 0;
    assert_int_equal(
        store_load_open(r, &(struct store_slice){.limit = SIZE_MAX}, count_row, &open, &f), ERR_OK);
    assert_int_equal(open, rows_in(p.watermark));

    store_reader_close(r);
    store_close(s);
    return p.watermark;
}

static void confirmed_batches_survive_kill_9(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252;
    char folder[] = "/tmp/carillon-crash-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/carillon.db", folder);
    int64_t before = 0;
    for (int i = 0; i < KILLS; i++) {
        int64_t confirmed = run_and_kill(path, 1 + draw(&random, 12));
        int64_t found = check_database(path);
        assert_true(confirmed > before);
        assert_true(found >= confirmed);
        assert_true(found <= confirmed + 1); // At most the one that was being written.
        before = found;
    }
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(confirmed_batches_survive_kill_9)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
