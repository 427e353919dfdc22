// SPDX-License-Identifier: MIT
// story.c: tells the story to the store under test and to the one that measures it, and sees to it
// that they agree.

#include "story.h"

#include "../contract/store_fixture.h"
#include "store/sqlite/sqlite_priv.h"
#include "story_priv.h"

#include <string.h>

#define PATH "/tmp/carillon-on-a-disk-in-memory.db"
#define STEPS_AFTER_MISHAP 2 // With its own: life goes on, and the rest has been told before.

static struct {
    const struct story_turn *turn;
    struct store *store;
    struct store_reader *reader;
    struct store *measure;
    struct store_reader *measure_reader;
    const struct story_step *step; // At hand.
    bool was_recovered;            // By a start after the mishap.
    struct story_end end;
} story;

// --- Calls of the store ----------------------------------------------------------------------

static void begin_call(void)
{
    if (story.turn->before_call)
        story.turn->before_call();
}

static void end_call(void)
{
    if (story.turn->after_call)
        story.turn->after_call();
}

static void close_store(void)
{
    begin_call();
    store_reader_close(story.reader);
    store_close(story.store);
    end_call();
    story.reader = NULL;
    story.store = NULL;
}

static enum err reopen_store(struct fault *f)
{
    close_store();
    begin_call();
    enum err err = store_open(PATH, &story.store, f);
    if (!err)
        err = store_reader_open(story.store, &story.reader, f);
    end_call();
    if (err)
        close_store();
    return err;
}

static enum err change(struct fault *f)
{
    begin_call();
    enum err err = story.step->change(story.store, f);
    end_call();
    return err;
}

// Folds all of the log in and cuts it, which else is done only when it has grown by 64 MiB.
static enum err fold(struct fault *f)
{
    ((struct sqlite_store *)story.store)->log_pages = 1 << 20;
    begin_call();
    enum err err = store_tidy(story.store, f);
    end_call();
    return err;
}

// --- Comparing -------------------------------------------------------------------------------

static char found[STORY_PICTURE_BYTES];
static char expected[STORY_PICTURE_BYTES];

static void measure(void)
{
    store_assert_ok(story_picture(story.measure, story.measure_reader, expected, f));
}

static bool agrees(void)
{
    measure();
    store_assert_ok(story_picture(story.store, story.reader, found, f));
    return strcmp(found, expected) == 0;
}

static enum err read_all(struct fault *f)
{
    begin_call();
    enum err err = story_picture(story.store, story.reader, found, f);
    end_call();
    measure();
    if (!err && strcmp(found, expected) != 0)
        fail_msg("what was read is\n%s\nand not\n%s", found, expected);
    return err;
}

// What is open, and no start would find it.
static const char unfound[] = "SELECT count(*) FROM job_executions WHERE completed_at IS NULL"
                              " AND scheduled_at < (SELECT open_from FROM progress) AND id NOT IN"
                              " (SELECT execution_id FROM lingering_executions)";

static void check_integrity(void)
{
    struct sqlite_store *s = (struct sqlite_store *)story.store;
    sqlite3_stmt *statement;
    int64_t rows;
    store_assert_ok(sqlite_prepare(s->db, "PRAGMA integrity_check", &statement, f));
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    store_assert_ok(sqlite_number(s->db, "SELECT count(*) FROM job_executions", &rows, f));
    assert_int_equal(s->progress.executions, rows);
    store_assert_ok(sqlite_number(s->db, unfound, &rows, f));
    assert_int_equal(rows, 0);
}

// --- A mishap --------------------------------------------------------------------------------

// Which errors may tell of what goes wrong.
static void check_error(enum err err, const struct fault *f)
{
    const struct disk_plan *p = &story.turn->plan;
    assert_int_equal(err, f->code);
    assert_string_not_equal(f->text, "");
    bool fits = err == ERR_STORE_IO || err == ERR_STORE_OPEN;
    if (p->nth > 0 && p->failure == DISK_FULL)
        fits = err == ERR_STORE_FULL;
    if (p->nth > 0 && p->failure == DISK_BUSY)
        fits = err == ERR_BUSY;
    if (!fits)
        fail_msg("%s: %s (%s)", story.step->name, err_name(err), f->text);
    story.end.reported = true;
}

// From here on nothing goes wrong any more.
static void heal(void)
{
    static struct story_turn well;
    story.end.reached |= disk_plan_was_reached();
    well = (struct story_turn){.power_is_cut = story.turn->power_is_cut,
                               .loss = story.turn->loss,
                               .random = story.turn->random};
    story.turn = &well;
    disk_plan(NULL);
}

static void start_again(void)
{
    if (story.turn->power_is_cut)
        disk_cut_power(story.turn->loss, story.turn->random);
    store_assert_ok(reopen_store(f));
    check_integrity();
    story.was_recovered = true;
}

static enum err do_step(struct fault *f)
{
    switch (story.step->kind) {
    case STEP_CHANGE:
        return change(f);
    case STEP_READ:
        return read_all(f);
    case STEP_FOLD:
        return fold(f);
    default:
        return reopen_store(f);
    }
}

// The step at hand is done to the measure, where it cannot fail.
static void acknowledge(void)
{
    struct fault f = {0};
    if (story.step->kind == STEP_CHANGE)
        assert_int_equal(story.step->change(story.measure, &f), story.step->expected);
}

static void do_step_well(void)
{
    struct fault f = {0};
    assert_int_equal(do_step(&f), story.step->expected);
}

// A change that was under way is there as a whole, or not at all.
static void settle(void)
{
    if (story.step->kind == STEP_CHANGE && agrees())
        do_step_well();
    acknowledge();
    story.end.lost = !agrees();
}

// "Nothing was written and the same call may be tried again."
static bool may_try_again(enum err err)
{
    bool is_alive = story.turn->plan.failure != DISK_DEAD;
    bool is_unharmed = err == ERR_STORE_FULL || err == ERR_BUSY || story.step->kind == STEP_READ;
    return is_unharmed && is_alive && story.store;
}

static void go_on_with_the_store(void)
{
    heal();
    assert_true(agrees());
    do_step_well();
    acknowledge();
    assert_true(agrees());
}

static void go_on_with_a_new_start(void)
{
    close_store();
    heal();
    start_again();
    settle();
}

static void step_failed(enum err err, const struct fault *f)
{
    bool again = may_try_again(err);
    check_error(err, f);
    if (again)
        go_on_with_the_store();
    else
        go_on_with_a_new_start();
}

// --- Telling ---------------------------------------------------------------------------------

static void tell_step(void)
{
    struct fault f = {0};
    enum err err = do_step(&f);
    if (err == story.step->expected)
        acknowledge();
    else
        step_failed(err, &f);
}

static void begin(const struct story_turn *t)
{
    story.turn = t;
    story.end = (struct story_end){0};
    story.was_recovered = false;
    store_assert_ok(store_memory_open(1, &story.measure, f));
    store_assert_ok(store_reader_open(story.measure, &story.measure_reader, f));
    disk_plan(&t->plan);
}

// The plan may still come true in the last close; after a mishap that the store has survived, the
// power goes before. A start costs more than all the rest, so none is made when there was one after
// the mishap.
static void finish(void)
{
    const struct disk_plan off = {DISK_ON_EVERY, 1, true, DISK_DEAD};
    if (!story.was_recovered) {
        if (story.turn->power_is_cut && story.end.reported)
            disk_plan(&off);
        close_store();
        heal();
        start_again();
    }
    story.end.lost = story.end.lost || !agrees();
    close_store();
    store_reader_close(story.measure_reader);
    store_close(story.measure);
}

struct story_end story_tell(const struct story_turn *t)
{
    unsigned steps_after = 0;
    begin(t);
    for (size_t i = 0; i < story_step_count && !story.end.lost; i++) {
        story.step = &story_steps[i];
        tell_step();
        steps_after += story.end.reported;
        if (steps_after == STEPS_AFTER_MISHAP)
            break;
    }
    finish();
    return story.end;
}

bool story_survives_death(void)
{
    disk_bury();
    heal();
    story.store = NULL;
    story.reader = NULL;
    start_again();
    settle();
    return !story.end.lost;
}
