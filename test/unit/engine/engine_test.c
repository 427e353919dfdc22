// SPDX-License-Identifier: MIT
// engine_test.c: the played store and targets, and the clients that wait.

#include "engine_test.h"

#include "../../contract/shard_rows.h"

#include "alert/alert.h"
#include "zones/zones.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define RESERVE_BYTES 1000000

struct rig rig = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void rig_note(unsigned *counter)
{
    pthread_mutex_lock(&rig.lock);
    ++*counter;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

void alert_raise(const struct alert *a)
{
    (void)a;
    rig_note(&rig.alerts);
}

// --- The store -----------------------------------------------------------------------------------

static enum commit_outcome played_commit(struct store *s, struct batch *const *batches,
                                         size_t count, struct commit_cause *cause)
{
    (void)s;
    pthread_mutex_lock(&rig.lock);
    rig.commits++;
    pthread_cond_broadcast(&rig.changed);
    while (rig.gate_is_shut)
        pthread_cond_wait(&rig.changed, &rig.lock);
    enum err err = rig.commit_answer;
    cause->is_doubtful = rig.commit_is_doubtful;
    if (err == ERR_FENCED)
        rig.commit_answer = ERR_OK; // What is left of the batches is taken.
    pthread_mutex_unlock(&rig.lock);
    if (!err)
        return store_commit(rig.inner, batches, count, cause);
    if (err == ERR_FENCED)
        shard_set_add(&cause->fenced, 0);
    return commit_outcome_of(fault_set(&cause->fault, err, "as played"));
}

static enum err played_take_shard(struct store *s, uint32_t number, struct shard *out,
                                  struct fault *f)
{
    (void)s;
    return store_take_shard(rig.inner, number, out, f);
}

// --- Its readers ---------------------------------------------------------------------------------

struct played_reader {
    struct store_reader reader;
    struct store_reader *inner;
};

static struct store_reader *inner_of(struct store_reader *r)
{
    return ((struct played_reader *)r)->inner;
}

static void played_reader_close(struct store_reader *r)
{
    store_reader_close(inner_of(r));
    free(r);
}

static enum err played_load_jobs(struct store_reader *r, const struct store_slice *s,
                                 store_each_job *each, void *context, struct fault *f)
{
    enum err err = store_load_jobs(inner_of(r), s, each, context, f);
    pthread_mutex_lock(&rig.lock);
    rig.reads++;
    pthread_cond_broadcast(&rig.changed);
    while (rig.reading_is_shut)
        pthread_cond_wait(&rig.changed, &rig.lock);
    enum err played = rig.read_answer;
    pthread_mutex_unlock(&rig.lock);
    return played ? fault_set(f, played, "as played") : err;
}

static enum err played_load_open(struct store_reader *r, const struct store_slice *s,
                                 store_each_execution *each, void *context, struct fault *f)
{
    return store_load_open(inner_of(r), s, each, context, f);
}

static enum err played_read_last_ids(struct store_reader *r, const struct shard_set *of,
                                     struct last_ids *out, struct fault *f)
{
    return store_read_last_ids_of(inner_of(r), of, out, f);
}

static enum err played_read_shards(struct store_reader *r, const struct shard_set *of,
                                   struct shard *out, struct fault *f)
{
    return store_read_shards(inner_of(r), of, out, f);
}

static enum err played_reader_open(struct store *s, struct store_reader **out, struct fault *f)
{
    static const struct store_reader_ops ops = {
        .close = played_reader_close,
        .load_jobs = played_load_jobs,
        .load_open = played_load_open,
        .read_last_ids = played_read_last_ids,
        .read_shards = played_read_shards,
    };
    (void)s;
    struct played_reader *r = xcalloc(1, sizeof *r);
    r->reader.ops = &ops;
    *out = &r->reader;
    return store_reader_open(rig.inner, &r->inner, f);
}

static enum err played_retain(struct store *s, const struct store_retention *r, wall_ms now,
                              size_t rows_max, size_t *removed, struct fault *f)
{
    (void)s, (void)r, (void)now, (void)rows_max, (void)f;
    *removed = 0;
    return ERR_OK;
}

static bool played_measure_room(struct store *s, struct store_room *out)
{
    (void)s;
    pthread_mutex_lock(&rig.lock);
    *out = (struct store_room){.free_bytes = rig.free_bytes, .total_bytes = 100 * RESERVE_BYTES};
    pthread_mutex_unlock(&rig.lock);
    return out->free_bytes > 0;
}

static const struct store_ops played_ops = {
    .commit = played_commit,
    .take_shard = played_take_shard,
    .reader_open = played_reader_open,
    .retain = played_retain,
    .measure_room = played_measure_room,
};

// --- Start and end -------------------------------------------------------------------------------

static void store_lost(const struct fault *f)
{
    fail_msg("the store is lost: %s", f->text);
}

static void shard_fenced(void *context, uint32_t shard, int64_t epoch)
{
    (void)shard;
    assert_ptr_equal(context, &rig);
    pthread_mutex_lock(&rig.lock);
    rig.fenced_epoch = epoch;
    pthread_mutex_unlock(&rig.lock);
    rig_note(&rig.fenced);
}

static void shard_given_back(void *context, uint32_t shard, int64_t epoch)
{
    (void)shard;
    assert_ptr_equal(context, &rig);
    pthread_mutex_lock(&rig.lock);
    rig.given_epoch = epoch;
    pthread_mutex_unlock(&rig.lock);
    rig_note(&rig.given_back);
}

static void outcome_elsewhere(void *context, const struct command *c)
{
    assert_ptr_equal(context, &rig);
    assert_int_equal(c->kind, COMMAND_OUTCOME);
    pthread_mutex_lock(&rig.lock);
    rig.handed_job = c->id;
    rig.handed = c->outcome->attempt;
    rig.handed.error = rig.handed.response = rig.handed.redirects = NULL;
    pthread_mutex_unlock(&rig.lock);
    rig_note(&rig.handed_off);
}

void rig_gain(uint32_t shard)
{
    struct shard row;
    assert_int_equal(store_take_shard(&rig.store, shard, &row, NULL), ERR_OK);
    engine_shard_gained(rig.engine, &row);
}

bool rig_open(void)
{
    const struct engine_options o = {.limits = core_limits_default,
                                     .dispatch_open = rig_targets_open,
                                     .store.reserve_bytes = RESERVE_BYTES,
                                     .mails_max = RIG_MAILS_MAX,
                                     .store_lost = store_lost,
                                     .shard_fenced = shard_fenced,
                                     .node = "this node",
                                     .shard_given_back = shard_given_back,
                                     .outcome_elsewhere = outcome_elsewhere,
                                     .context = &rig};
    if (engine_open(&o, &rig.store, &rig.engine, NULL))
        return false;
    if (rig.store.shards == 1)
        rig_gain(0);
    return true;
}

bool rig_start(void)
{
    if (!rig_open())
        return false;
    engine_lease(rig.engine, MONO_NEVER);
    return engine_start(rig.engine, NULL) == ERR_OK;
}

int rig_setup_store(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    rig.store.ops = &played_ops;
    rig.store.shards = 1;
    rig.gate_is_shut = false;
    rig.commit_answer = ERR_OK;
    rig.commit_is_doubtful = false;
    rig.reading_is_shut = false;
    rig.read_answer = ERR_OK;
    rig.commits = rig.alerts = rig.sends = rig.cancels = rig.reads = rig.fenced = 0;
    rig.given_back = rig.handed_off = 0;
    rig.free_bytes = 0;
    return store_memory_open(1, &rig.inner, NULL) ? 1 : 0;
}

int rig_setup_shards(void **state)
{
    if (rig_setup_store(state))
        return 1;
    store_close(rig.inner);
    rig.store.shards = RIG_SHARDS;
    return store_memory_open(RIG_SHARDS, &rig.inner, NULL) ? 1 : 0;
}

int rig_setup(void **state)
{
    return rig_setup_store(state) || !rig_start();
}

int rig_setup_held(void **state)
{
    if (rig_setup_store(state))
        return 1;
    struct batch *b = batch_new(1);
    shard_row(b, 0)->watermark = clock_wall_ms() + 1800000;
    enum err err = shard_rows_commit(rig.inner, &b, 1, NULL);
    batch_free(b);
    return err || !rig_start();
}

void rig_stop(void)
{
    engine_stop(rig.engine);
    rig.engine = NULL;
}

static bool has_engine_thread(void)
{
    bool found = false;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; (d = readdir(tasks));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", d->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(name, sizeof name, file))
            found = found || strcmp(name, "engine\n") == 0;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return found;
}

static void *open_gate_late(void *unused)
{
    while (has_engine_thread())
        sched_yield();
    rig_shut_gate(false);
    return unused;
}

void rig_stop_during_commit(void)
{
    pthread_t other;
    assert_true(has_engine_thread());
    assert_int_equal(pthread_create(&other, NULL, open_gate_late, NULL), 0);
    rig_stop();
    pthread_join(other, NULL);
}

int rig_teardown(void **state)
{
    (void)state;
    rig_stop();
    store_close(rig.inner);
    return 0;
}

void rig_set_commit_answer(enum err err)
{
    pthread_mutex_lock(&rig.lock);
    rig.commit_answer = err;
    pthread_mutex_unlock(&rig.lock);
}

void rig_shut_gate(bool shut)
{
    pthread_mutex_lock(&rig.lock);
    rig.gate_is_shut = shut;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

void rig_shut_reading(bool shut)
{
    pthread_mutex_lock(&rig.lock);
    rig.reading_is_shut = shut;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

void rig_set_read_answer(enum err err)
{
    pthread_mutex_lock(&rig.lock);
    rig.read_answer = err;
    pthread_mutex_unlock(&rig.lock);
}

static void wait_for(const unsigned *counter, unsigned count)
{
    pthread_mutex_lock(&rig.lock);
    while (*counter < count)
        pthread_cond_wait(&rig.changed, &rig.lock);
    pthread_mutex_unlock(&rig.lock);
}

void rig_wait_for_commits(unsigned count)
{
    wait_for(&rig.commits, count);
}

void rig_wait_for_alerts(unsigned count)
{
    wait_for(&rig.alerts, count);
}

void rig_wait_for_reads(unsigned count)
{
    wait_for(&rig.reads, count);
}

void rig_wait_for_fenced(unsigned count)
{
    wait_for(&rig.fenced, count);
}

void rig_wait_for_given_back(unsigned count)
{
    wait_for(&rig.given_back, count);
}

void rig_wait_for_handed_off(unsigned count)
{
    wait_for(&rig.handed_off, count);
}

// --- Clients -------------------------------------------------------------------------------------

struct job *rig_job(const char *schedule)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, schedule);
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a/");
    return j;
}

static void reply_came(void *context, const struct reply *r)
{
    struct answer *a = context;
    a->reply = *r;
    a->row = r->row;
    rig_note(&a->count);
}

enum err rig_submit(const struct command *c, struct answer *a)
{
    *a = (struct answer){0};
    return engine_submit(rig.engine, c, reply_came, a);
}

// The gate holds back whatever else the engine commits meanwhile, which would be the first to
// stall.
void rig_submit_unwritten(const struct command *c, struct answer *a, enum err commit_answer)
{
    rig_shut_gate(true);
    assert_int_equal(rig_submit(c, a), ERR_OK);
    rig_set_commit_answer(commit_answer);
    rig_shut_gate(false);
}

void rig_wait_for(struct answer *a)
{
    pthread_mutex_lock(&rig.lock);
    while (a->count == 0)
        pthread_cond_wait(&rig.changed, &rig.lock);
    assert_int_equal(a->count, 1);
    pthread_mutex_unlock(&rig.lock);
}

bool rig_has(struct answer *a)
{
    pthread_mutex_lock(&rig.lock);
    bool has = a->count > 0;
    pthread_mutex_unlock(&rig.lock);
    return has;
}

job_id rig_create(const char *schedule)
{
    struct answer a;
    const struct command create = {
        .kind = COMMAND_CREATE, .job = rig_job(schedule), .zone = zone_utc()};
    assert_int_equal(rig_submit(&create, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    job_free(a.row);
    return a.reply.job;
}

void rig_trigger(job_id id)
{
    struct answer a;
    const struct command trigger = {.kind = COMMAND_TRIGGER, .id = id};
    assert_int_equal(rig_submit(&trigger, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
}
