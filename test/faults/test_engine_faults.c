// SPDX-License-Identifier: MIT
// test_engine_faults.c: the real engine over a disk whose nth change fails, for every n.
//
// Clients hear "yes" only for what is durable, and nothing is sent whose row is not. While the disk
// is full they are refused, and it goes on by itself; when it breaks, store_lost is called. The
// targets are a dispatcher of the test's own.

#include "../contract/store_fixture.h"
#include "base/log.h"
#include "disk.h"
#include "dispatch/adapter_priv.h"
#include "engine/engine.h"
#include "hurry.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PATH "/tmp/carillon-engine-on-a-disk-in-memory.db"
#define JOBS 2
#define TRIGGERS 3

// --- Targets that answer 200 in the next turn ----------------------------------------------------

static struct {
    struct dispatch dispatch;
    struct loop *loop;
    struct loop_source source;
    dispatch_done *done;
    void *context;
    struct send waiting[TRIGGERS + 1];
    size_t waiting_count;
    struct execution_key sent[TRIGGERS + 1];
    size_t sent_count;
} targets;

static void targets_send(struct dispatch *d, const struct send *s)
{
    (void)d;
    const uint64_t one = 1;
    assert_true(targets.sent_count <= TRIGGERS);
    targets.sent[targets.sent_count++] = s->request.key;
    targets.waiting[targets.waiting_count++] = *s;
    assert_int_equal(write(targets.source.fd, &one, sizeof one), sizeof one);
}

static void targets_answer(void *context, uint32_t events)
{
    (void)context, (void)events;
    uint64_t ignored;
    assert_int_equal(read(targets.source.fd, &ignored, sizeof ignored), sizeof ignored);
    while (targets.waiting_count > 0) {
        const struct send *s = &targets.waiting[--targets.waiting_count];
        struct outcome o = {.ticket = s->ticket,
                            .shard = s->shard,
                            .epoch = s->request.epoch,
                            .kind = OUTCOME_ANSWERED,
                            .attempt = {.http_status = 200, .started_at = clock_wall_ms()}};
        targets.done(targets.context, &o);
    }
}

static void targets_cancel(struct dispatch *d, uint64_t ticket)
{
    (void)d, (void)ticket;
}

static size_t targets_in_flight(const struct dispatch *d)
{
    (void)d;
    return targets.waiting_count;
}

static void targets_close(struct dispatch *d)
{
    (void)d;
    loop_remove(targets.loop, &targets.source);
    close(targets.source.fd);
}

static enum err targets_open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                             void *context, struct dispatch **out, struct fault *f)
{
    static const struct dispatch_adapter adapter = {
        .close = targets_close,
        .send = targets_send,
        .cancel = targets_cancel,
        .in_flight = targets_in_flight,
    };
    (void)o;
    targets.dispatch.adapter = &adapter;
    targets.loop = l;
    targets.done = done;
    targets.context = context;
    targets.sent_count = targets.waiting_count = 0;
    targets.source = (struct loop_source){eventfd(0, EFD_CLOEXEC), targets_answer, NULL};
    *out = &targets.dispatch;
    return loop_add(l, &targets.source, EPOLLIN, f);
}

// --- The engine and its clients ------------------------------------------------------------------

static struct {
    struct store *store;
    struct engine *engine;
    atomic_uint lost;     // How often store_lost was called.
    atomic_uint said_yes; // Replies,
    atomic_uint said_no;  // also when it stops.
    unsigned asked;
    unsigned stalls;                          // In each of which somebody was refused at once.
    bool made[JOBS + 1];                      // By id: its creation was confirmed.
    struct execution_key triggered[TRIGGERS]; // Confirmed, too.
    size_t triggered_count;
} scene;

static void store_lost(const struct fault *f)
{
    (void)f;
    atomic_fetch_add(&scene.lost, 1);
}

static void reply_came(void *context, const struct reply *r)
{
    (void)context;
    job_free(r->row);
    if (r->err) {
        atomic_fetch_add(&scene.said_no, 1);
        return;
    }
    if (r->key.job)
        scene.triggered[scene.triggered_count++] = r->key;
    else
        scene.made[r->job] = true;
    atomic_fetch_add(&scene.said_yes, 1);
}

static void start(void)
{
    struct engine_options o = {.limits = core_limits_default,
                               .dispatch_open = targets_open,
                               .mails_max = 64,
                               .store_lost = store_lost};
    memset(&scene, 0, sizeof scene);
    disk_start();
    store_assert_ok(store_open(PATH, &scene.store, f));
    store_assert_ok(engine_open(&o, scene.store, &scene.engine, f));
    struct shard row;
    store_assert_ok(store_take_shard(scene.store, 0, &row, f));
    engine_shard_gained(scene.engine, &row);
    engine_lease(scene.engine, MONO_NEVER);
    store_assert_ok(engine_start(scene.engine, f));
}

// A full disk gets room once the engine has noticed, which by then refuses whoever asks.
static void make_room_when_stalled(void)
{
    if (!engine_status(scene.engine).store_stalled || !disk_plan_was_reached())
        return;
    struct command c = {.kind = COMMAND_TRIGGER, .id = 1};
    unsigned yes = atomic_load(&scene.said_yes);
    if (engine_submit(scene.engine, &c, reply_came, NULL) != ERR_STORE_FULL)
        fail_msg("the disk is full, and somebody is not refused");
    assert_int_equal(atomic_load(&scene.said_yes), yes);
    scene.stalls++;
    disk_plan(NULL);
}

// False when the store was lost first.
static bool wait_for_replies(void)
{
    while (atomic_load(&scene.said_yes) + atomic_load(&scene.said_no) < scene.asked) {
        if (atomic_load(&scene.lost))
            return false;
        make_room_when_stalled();
        sched_yield();
    }
    return true;
}

// Asks, and waits for the reply. A refusal because the disk is full is no reply: it asks again.
static bool ask(struct command c, const char *schedule)
{
    enum err err;
    do {
        if (schedule) {
            c.job = job_new();
            c.zone = zone_utc();
            job_set_text(&c.job->schedule, schedule);
            job_set_text(&c.job->timezone, "UTC");
            job_set_text(&c.job->api, "http://a/");
        }
        err = engine_submit(scene.engine, &c, reply_came, NULL);
        make_room_when_stalled();
    } while (err == ERR_STORE_FULL);
    assert_int_equal(err, ERR_OK);
    scene.asked++;
    return wait_for_replies();
}

// True when everything was confirmed.
static bool ask_for_all(void)
{
    const struct command create = {.kind = COMMAND_CREATE};
    const struct command trigger = {.kind = COMMAND_TRIGGER, .id = 1};
    bool goes_on = ask(create, "0 0 0 1 1 *") && ask(create, "0 0 0 1 1 *");
    for (unsigned i = 0; i < TRIGGERS && goes_on; i++)
        goes_on = ask(trigger, NULL);
    return goes_on;
}

// --- What is there afterwards --------------------------------------------------------------------

static void cut_power(void)
{
    const struct disk_plan off = {DISK_ON_EVERY, 1, true, DISK_DEAD};
    disk_plan(&off);
    store_close(scene.store);
    disk_cut_power(DISK_LOSES_ALL, 1);
    store_assert_ok(store_open(PATH, &scene.store, f));
}

static enum err find_success(void *context, const struct execution *e)
{
    *(unsigned *)context += e->state == EXECUTION_SUCCESS;
    return ERR_OK;
}

// What was confirmed, and the row of all that was sent. Returns the number of executions that have
// succeeded.
static unsigned check_rows(void)
{
    struct store_reader *r;
    unsigned successes = 0;
    store_assert_ok(store_reader_open(scene.store, &r, f));
    for (job_id id = 1; id <= JOBS; id++) {
        struct job *j = NULL;
        enum err err = store_get_job(r, id, &j, NULL);
        assert_true(err == ERR_OK || (err == ERR_NOT_FOUND && !scene.made[id]));
        job_free(j);
    }
    for (size_t i = 0; i < scene.triggered_count; i++)
        store_assert_ok(
            store_get_execution(r, &scene.triggered[i], find_success, &(unsigned){0}, f));
    for (size_t i = 0; i < targets.sent_count; i++)
        store_assert_ok(store_get_execution(r, &targets.sent[i], find_success, &successes, f));
    store_reader_close(r);
    return successes;
}

static void stop(void)
{
    store_close(scene.store);
    disk_stop();
}

// --- The tests -----------------------------------------------------------------------------------

static bool break_at(uint64_t nth)
{
    const struct disk_plan plan = {DISK_ON_CHANGES, nth, true, DISK_DEAD};
    start();
    disk_plan(&plan);
    bool all = ask_for_all();
    engine_stop(scene.engine);
    bool reached = disk_plan_was_reached();
    assert_true(all || scene.lost == 1);
    assert_int_equal(scene.said_yes + scene.said_no, scene.asked);
    cut_power();
    check_rows();
    stop();
    return reached;
}

static void a_broken_disk_confirms_only_what_is_there(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (break_at(nth))
        nth++;
    print_message("%llu changes of the disk\n", (unsigned long long)nth - 1);
    assert_true(nth > 50);
}

static bool fill_at(uint64_t nth, unsigned *stalls)
{
    const struct disk_plan plan = {DISK_ON(DISK_WRITE) | DISK_ON(DISK_SYNC), nth, true, DISK_FULL};
    start();
    disk_plan(&plan);
    assert_true(ask_for_all());
    assert_int_equal(scene.said_yes, scene.asked);
    assert_int_equal(engine_drain(scene.engine, 60000), 0);
    bool reached = scene.stalls > 0 || disk_plan_was_reached();
    disk_plan(NULL);
    engine_stop(scene.engine);
    *stalls += scene.stalls;
    assert_int_equal(scene.lost, 0);
    cut_power();
    assert_int_equal(check_rows(), TRIGGERS);
    assert_int_equal(targets.sent_count, TRIGGERS); // None was sent twice.
    stop();
    return reached;
}

static void a_full_disk_refuses_until_there_is_room(void **state)
{
    (void)state;
    uint64_t nth = 1;
    unsigned stalls = 0;
    while (fill_at(nth, &stalls))
        nth++;
    print_message("%llu writes and syncs, %u stalls\n", (unsigned long long)nth - 1, stalls);
    assert_true(stalls > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_disk_confirms_only_what_is_there),
        cmocka_unit_test(a_full_disk_refuses_until_there_is_room),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    hurry();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
