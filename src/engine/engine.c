// SPDX-License-Identifier: MIT
// engine.c: the turn of the crank.
//
// A turn: wait for something to happen (mail, a finished request, a timer); tell the core each
// thing; tell it the time; hand what it wants recorded to the store in one batch, at once or with
// that of the next turns; set the timers.
// Requests go to the dispatcher as soon as the core asks for them.

#define _GNU_SOURCE // pthread_setname_np

#include "engine/engine_priv.h"

#include "base/metrics.h"
#include "zones/zones.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define GATHER_MS 5
#define GATHER_CHANGES 512
#define HELD_TOLD_MS 60000

// --- One step of the core ---

struct now engine__now(struct engine *e)
{
    if (e->now.wall == 0)
        e->now = clock_now();
    return e->now;
}

// The batch that must be durable before the client hears of it; 0: none, since it was refused or
// nothing has changed. A conflict waits for what it conflicts with, so that its client then reads
// the job as it has become.
static uint64_t batch_awaited_by(struct engine *e, const struct reply *r)
{
    bool is_empty = e->batch->count == 0;
    if (r->err == ERR_CONFLICT) {
        e->batch->awaited |= !is_empty;
        return e->batch->sequence - is_empty;
    }
    return (r->err && !r->is_recorded) || is_empty ? 0 : e->batch->sequence;
}

static void perform(struct engine *e)
{
    struct actions *a = &e->actions;
    for (size_t i = 0; i < a->send_count; i++)
        engine__send(e, &a->sends[i]);
    for (size_t i = 0; i < a->cancel_count; i++)
        dispatch_cancel(e->dispatch, a->cancels[i]);
    metric_add(METRIC_attempts_started, (int64_t)a->send_count);
    for (size_t i = 0; i < a->reply_count; i++) {
        uint64_t awaited = batch_awaited_by(e, &a->replies[i]);
        if (awaited > e->recorded)
            engine__hold_reply(&e->held, awaited, engine__shard_of(e, &a->replies[i]),
                               &a->replies[i]);
        else
            engine__answer(&a->replies[i]);
        a->replies[i].row = NULL; // Moved.
    }
    for (size_t i = 0; i < a->handoff_count; i++)
        engine__hand_off(e, &a->handoffs[i]);
    actions_clear(a);
}

void engine__step(struct engine *e, const struct event *event)
{
    size_t before = e->batch->count;
    e->actions.batch = e->batch;
    core_step(e->core, event, engine__now(e), &e->actions);
    engine__count_changes(&e->held, e->batch, before);
    perform(e);
}

// Told once a minute: while a shortage lasts there may be thousands.
static void note_held(struct engine *e, const struct outcome *o)
{
    const char *error = o->attempt.error ? o->attempt.error : "";
    struct now now = engine__now(e);
    metric_add(METRIC_attempts_held, 1);
    if (e->held_told == 0 || now.mono - e->held_told >= HELD_TOLD_MS) {
        log_warn("dispatch.held", LOG_TEXT("error", error));
        e->held_told = now.mono;
    }
    pthread_mutex_lock(&e->lock);
    e->status.held_at = now.wall;
    snprintf(e->status.held_by, sizeof e->status.held_by, "%s", error);
    pthread_mutex_unlock(&e->lock);
}

static void outcome(void *context, const struct outcome *o)
{
    struct engine *e = context;
    engine__trace_outcome(e->core, o);
    if (o->kind == OUTCOME_HELD)
        note_held(e, o);
    engine__step(e, &(struct event){.kind = EVENT_OUTCOME, .outcome = o});
}

// --- Mail ---

// On either of the two threads.
static void note_begun(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->has_begun = true;
    pthread_cond_broadcast(&e->turned);
    pthread_mutex_unlock(&e->lock);
}

static void set_stalled(struct engine *e, enum err cause)
{
    e->stalled = cause;
    atomic_store(&e->refuse_writes, cause);
    engine__step(e, &(struct event){.kind = EVENT_STORE, .cause = cause});
}

static void recorded(struct engine *e, uint64_t sequence)
{
    if (e->stalled) {
        log_info("store.recovered", LOG_INT("sequence", sequence));
        set_stalled(e, ERR_OK);
    }
    assert(e->recorded < sequence && sequence < e->batch->sequence); // Once, and handed over.
    e->recorded = sequence;
    e->doubtful = 0;
    engine__step(e, &(struct event){.kind = EVENT_RECORDED, .sequence = sequence});
    engine__release(&e->held, sequence);
    engine__give_recorded(e);
    note_begun(e);
}

static void stalled(struct engine *e, const struct engine_mail *m)
{
    e->doubtful = m->sequence;
    set_stalled(e, m->cause);
    note_begun(e);
}

// The store has said so, and the cluster may not know yet.
void engine__tell_fenced(struct engine *e, uint32_t shard, int64_t epoch)
{
    log_warn("shard.fenced", LOG_INT("shard", shard), LOG_INT("epoch", epoch));
    if (e->shard_fenced)
        e->shard_fenced(e->context, shard, epoch);
}

// Nobody hears that it happened, neither client nor alert: it did not, or nobody here can know.
static void fenced(struct engine *e, const struct store_fencing *x)
{
    metric_add(METRIC_ticks_fenced, 1);
    engine__refuse_fenced(&e->held, x);
    if (core_epoch(e->core, x->shard) == x->epoch)
        engine__shard_lost(e, x->shard);
    else if (engine__give_fenced(e, x->shard, x->epoch)) // Flights of it are cancelled.
        engine__step(e, &(struct event){.kind = EVENT_SHARD_LOST, .shard_number = x->shard});
    engine__tell_fenced(e, x->shard, x->epoch);
    note_begun(e);
}

// The dispatcher first, since the core may send at once.
static void set_lease(struct engine *e, mono_ms until)
{
    dispatch_set_lease(e->dispatch, until);
    engine__step(e, &(struct event){.kind = EVENT_LEASE, .until = until});
}

struct zone_list {
    const struct zone **zones;
    size_t count;
    size_t capacity;
};

static void list_zone(void *context, const struct zone *z)
{
    struct zone_list *l = context;
    l->zones = grow(l->zones, l->count, &l->capacity, sizeof *l->zones);
    l->zones[l->count++] = z;
}

// The cache has new rules for some names: tells the core which zone has become which.
static void swap_zones(struct engine *e)
{
    struct zone_list l = {0};
    core_zones(e->core, list_zone, &l);
    for (size_t i = 0; i < l.count; i++) {
        const struct zone *now;
        if (zone_find(zone_name(l.zones[i]), &now, NULL) || now == l.zones[i])
            continue;
        log_info("zone.changed", LOG_TEXT("timezone", zone_name(now)));
        engine__step(e,
                     &(struct event){.kind = EVENT_ZONE, .zone_old = l.zones[i], .zone_new = now});
    }
    free(l.zones);
}

static void hand_over(struct engine *e)
{
    uint64_t sequence = e->batch->sequence;
    store_writer_put(e->writer, e->batch);
    e->batch = batch_new(sequence + 1);
    e->hand_over_at = MONO_NEVER;
}

// Without a shard there is nothing to write.
static void begin(struct engine *e)
{
    engine__begin(e);
    if (e->batch->count > 0)
        hand_over(e);
    else
        note_begun(e);
    engine__release_commands(e);
}

// Commands are refused from now on, also those that were held back.
static void drain(struct engine *e)
{
    e->draining = true;
    engine__step(e, &(struct event){.kind = EVENT_DRAIN});
    engine__release_commands(e);
}

static void open_mail(struct engine *e, struct engine_mail *m)
{
    switch (m->kind) {
    case MAIL_COMMAND: // Freed with its reply.
        engine__command(e, m);
        return;
    case MAIL_RECORDED:
        recorded(e, m->sequence);
        break;
    case MAIL_STALLED:
        stalled(e, m);
        break;
    case MAIL_ROOM:
        engine__step(
            e, &(struct event){.kind = EVENT_DISK,
                               .disk = {.is_low = m->room_is_low, .free_bytes = m->free_bytes}});
        break;
    case MAIL_FENCED:
        fenced(e, &m->fencing);
        break;
    case MAIL_SHARD_GAINED:
        engine__shard_gained(e, &m->row);
        break;
    case MAIL_SHARD_LOST:
        engine__shard_lost(e, m->shard);
        break;
    case MAIL_GIVE_BACK:
        engine__give_back(e, m->shard, m->flights_ms);
        break;
    case MAIL_PART:
        engine__part(e, m->part);
        m->part = NULL; // Taken.
        break;
    case MAIL_START:
        engine__start_asked(e);
        break;
    case MAIL_BEGIN:
        begin(e);
        break;
    case MAIL_LEASE:
        set_lease(e, m->until);
        break;
    case MAIL_ZONES:
        swap_zones(e);
        break;
    case MAIL_DRAIN:
        drain(e);
        break;
    case MAIL_STOP:
        e->stopping = true;
        break;
    }
    engine__mail_free(m);
}

static void mail_came(void *context, uint32_t events)
{
    (void)events;
    struct engine *e = context;
    for (struct mail *m = mailbox_take(e->mailbox), *next; m; m = next) {
        next = m->next;
        open_mail(e, (struct engine_mail *)m);
    }
}

// --- The turn ---

// A commit costs as much as some hundred changes. So what nobody waits for, which is how executions
// ended and rows whose instant is far away, is gathered for a moment. It is no less safe for that:
// a crash in that moment finds the execution as one in the moment of the commit would. Rows that
// are planned in one go stay together.
static bool is_gathered(const struct engine *e)
{
    bool is_large = e->batch->count >= GATHER_CHANGES || e->now.mono >= e->hand_over_at;
    return is_large && !e->actions.is_planning;
}

static void flush(struct engine *e)
{
    const struct batch *b = e->batch;
    if (b->count == 0)
        return; // Nothing to record.
    if (e->hand_over_at == MONO_NEVER)
        e->hand_over_at = e->now.mono + GATHER_MS;
    if (b->awaited || is_gathered(e) || e->stopping)
        hand_over(e);
}

// Before it has started, only that it is loading.
static void publish_loading(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->status.loading = (uint32_t)e->loading;
    pthread_mutex_unlock(&e->lock);
}

static void publish(struct engine *e)
{
    struct core_status s = core_status(e->core);
    metric_set(METRIC_jobs, (int64_t)s.jobs);
    metric_set(METRIC_jobs_active, (int64_t)s.jobs_active);
    metric_set(METRIC_executions_open, (int64_t)s.open);
    metric_set(METRIC_attempts_in_flight, (int64_t)s.in_flight);
    metric_set(METRIC_executions_waiting, (int64_t)s.waiting);
    metric_set(METRIC_executions_waiting_for_rate, (int64_t)s.waiting_for_rate);
    metric_set(METRIC_executions_retrying, (int64_t)s.retrying);
    metric_set(METRIC_executions_awaiting, (int64_t)s.awaiting);
    metric_set(METRIC_hosts_down, (int64_t)s.hosts_down);
    metric_set(METRIC_watermark, s.watermark);
    if (e->begun.wall)
        engine__log_caught_up(e, s.watermark);
    pthread_mutex_lock(&e->lock);
    e->status.core = s;
    e->status.turned_at = e->now.wall;
    e->status.store_stalled = e->stalled;
    pthread_cond_broadcast(&e->turned);
    pthread_mutex_unlock(&e->lock);
}

static void turn(struct engine *e, int timeout_ms)
{
    bool tracing = log_enabled(LOG_LEVEL_DEBUG);
    e->now = (struct now){0};
    if (tracing)
        log_hold(); // A single write for the lines of a turn.
    loop_turn(e->loop, timeout_ms);
    engine__step(e, &(struct event){.kind = EVENT_TICK});
    engine__look_at_settling(e);
    flush(e);
    engine__log_losses(e);
    publish_loading(e);
    if (e->has_started)
        publish(e);
    if (tracing)
        log_release();
}

// A wall clock that is followed moves with its offset only, which is looked at with each turn; a
// lease that was renewed makes one.
static void set_timers(struct engine *e)
{
    wall_ms wall = e->actions.wake_wall;
    mono_ms mono = MIN(e->actions.wake_mono, e->hand_over_at);
    if (clock_is_followed()) {
        mono = MIN(mono, clock_mono_at(wall));
        wall = WALL_NEVER;
    }
    engine__timer_set(&e->wall_timer, wall);
    engine__timer_set(&e->mono_timer, mono);
}

static void *run(void *context)
{
    struct engine *e = context;
    while (!e->stopping) {
        bool busy = e->actions.wake_wall <= e->now.wall || e->actions.wake_mono <= e->now.mono;
        if (!busy)
            set_timers(e);
        turn(e, busy ? 0 : -1);
    }
    return NULL;
}

// --- Start ---

static enum err open_parts(struct engine *e, const struct engine_options *o, struct fault *f)
{
    enum err err = loop_open(&e->loop, f);
    if (!err)
        err = mailbox_open(o->mails_max, &e->mailbox, f);
    if (!err)
        err = engine__timer_open(&e->wall_timer, e->loop, CLOCK_REALTIME, f);
    if (!err)
        err = engine__timer_open(&e->mono_timer, e->loop, CLOCK_BOOTTIME, f);
    if (err)
        return err;
    e->mail_source =
        (struct loop_source){.fd = mailbox_fd(e->mailbox), .ready = mail_came, .context = e};
    err = loop_add(e->loop, &e->mail_source, EPOLLIN, f);
    if (!err)
        err = o->dispatch_open(e->loop, &o->dispatch, outcome, e, &e->dispatch, f);
    return err;
}

static void store_stalled(void *context, const struct fault *f, uint64_t doubtful)
{
    log_error(store_stall_find(f->code)->event, LOG_TEXT("detail", f->text));
    engine__post_stalled(context, f->code, doubtful);
}

static void store_room_changed(void *context, bool is_low, const struct store_room *room)
{
    struct engine *e = context;
    atomic_store(&e->room_is_low, is_low);
    if (is_low)
        log_warn("store.low", LOG_INT("disk_free_bytes", room->free_bytes));
    else
        log_info("store.room", LOG_INT("disk_free_bytes", room->free_bytes));
    engine__post_room(e, is_low, room->free_bytes);
}

static void store_failed(void *context, const struct fault *f)
{
    struct engine *e = context;
    note_begun(e);
    log_error("store.lost", LOG_TEXT("error", err_text(f->code)), LOG_TEXT("detail", f->text));
    e->store_lost(f);
}

static void chore_failed(void *context, const struct fault *f)
{
    (void)context;
    log_warn("store.chore_failed", LOG_TEXT("error", err_text(f->code)),
             LOG_TEXT("detail", f->text));
}

static struct engine *engine_new(const struct engine_options *o, struct store *s)
{
    struct engine *e = xcalloc(1, sizeof *e);
    e->store = s;
    e->store_lost = o->store_lost;
    e->store_options = o->store;
    e->callback_base = o->callback_base;
    e->callback_key = o->callback_key;
    e->node = o->node;
    e->shard_fenced = o->shard_fenced;
    e->shard_given_back = o->shard_given_back;
    e->outcome_elsewhere = o->outcome_elsewhere;
    e->shard_loaded = o->shard_loaded;
    e->context = o->context;
    e->mails_max = o->mails_max;
    e->loader = engine__loader_new(e);
    struct core_limits limits = o->limits;
    limits.shards = store_shard_count(s);
    e->core = core_new(&limits);
    e->batch = batch_new(1);
    e->hand_over_at = MONO_NEVER;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->turned, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return e;
}

enum err engine_open(const struct engine_options *o, struct store *s, struct engine **out,
                     struct fault *f)
{
    assert(o->store_lost);
    struct engine *e = engine_new(o, s);
    enum err err = open_parts(e, o, f);
    if (err) {
        engine_stop(e);
        return err;
    }
    *out = e;
    return ERR_OK;
}

static enum err start_writer(struct engine *e, struct fault *f)
{
    const struct store_writer_events events = {.committed = engine__post_recorded,
                                               .stalled = store_stalled,
                                               .fenced = engine__post_fenced,
                                               .failed = store_failed,
                                               .room = store_room_changed,
                                               .chore_failed = chore_failed,
                                               .context = e};
    struct store_writer *w;
    enum err err = store_writer_start(e->store, &e->store_options, &events, &w, f);
    if (err)
        return err;
    pthread_mutex_lock(&e->lock);
    e->writer = w;
    if (e->leads)
        store_writer_set_chores(w, true);
    pthread_mutex_unlock(&e->lock);
    return ERR_OK;
}

void engine_leader(struct engine *e, bool leads)
{
    pthread_mutex_lock(&e->lock);
    e->leads = leads;
    if (e->writer)
        store_writer_set_chores(e->writer, leads);
    pthread_mutex_unlock(&e->lock);
}

static enum err start_thread(struct engine *e, struct fault *f)
{
    int problem = pthread_create(&e->thread, NULL, run, e);
    if (problem)
        return fault_set(f, ERR_SYSTEM, "cannot start the engine's thread: %s", strerror(problem));
    pthread_setname_np(e->thread, "engine");
    e->thread_runs = true;
    return ERR_OK;
}

// Until all that was gained is read. Nothing is sent or written meanwhile.
static enum err wait_for_load(struct engine *e, struct fault *f)
{
    engine__post(e, MAIL_START);
    pthread_mutex_lock(&e->lock);
    while (!e->start_is_ready)
        pthread_cond_wait(&e->turned, &e->lock);
    const struct fault found = e->start_fault;
    pthread_mutex_unlock(&e->lock);
    return found.code ? fault_set(f, found.code, "%s", found.text) : ERR_OK;
}

static void wait_until_begun(struct engine *e)
{
    engine__post(e, MAIL_BEGIN);
    pthread_mutex_lock(&e->lock);
    while (e->status.turned_at == 0 || !e->has_begun)
        pthread_cond_wait(&e->turned, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

enum err engine_start(struct engine *e, struct fault *f)
{
    assert(!e->writer && !e->thread_runs);
    enum err err = engine__loader_start(e->loader, f);
    if (!err)
        err = start_thread(e, f);
    if (!err)
        err = wait_for_load(e, f);
    if (!err)
        err = start_writer(e, f);
    if (!err)
        wait_until_begun(e);
    return err;
}

struct engine_status engine_status(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct engine_status s = e->status;
    struct store_writer *w = e->writer;
    pthread_mutex_unlock(&e->lock);
    if (w)
        s.store = store_writer_status(w);
    return s;
}

// --- End ---

struct timespec engine__deadline(struct timespec now, dur_ms wait_ms)
{
    int64_t ns = now.tv_nsec + wait_ms % 1000 * 1000000;
    return (struct timespec){.tv_sec = now.tv_sec + (time_t)(wait_ms / 1000 + ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

size_t engine_drain(struct engine *e, dur_ms timeout_ms)
{
    engine__post(e, MAIL_DRAIN);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct timespec until = engine__deadline(now, timeout_ms);
    pthread_mutex_lock(&e->lock);
    while (!e->status.core.draining || e->status.core.in_flight > 0)
        if (pthread_cond_timedwait(&e->turned, &e->lock, &until) != 0)
            break;
    size_t left = (size_t)e->status.core.in_flight;
    pthread_mutex_unlock(&e->lock);
    return left;
}

static void stop_thread(struct engine *e)
{
    if (!e->thread_runs)
        return;
    engine__post(e, MAIL_STOP);
    pthread_join(e->thread, NULL);
}

// The engine's thread has ended. A core that drains refuses late commands, and lets nothing go that
// has waited for the last commits.
static void open_late_mail(struct engine *e)
{
    e->now = (struct now){0};
    e->stopping = true; // No shard comes any more.
    drain(e);
    store_writer_stop(e->writer); // The last commits still post their mail.
    mailbox_shut(e->mailbox);
    mail_came(e, 0);
}

void engine_stop(struct engine *e)
{
    if (!e)
        return;
    stop_thread(e);
    engine__loader_stop(e->loader);
    if (e->mailbox)
        open_late_mail(e);
    engine__refuse_held(&e->held, e->doubtful);
    dispatch_close(e->dispatch);
    if (e->loop) {
        engine__timer_close(&e->wall_timer, e->loop);
        engine__timer_close(&e->mono_timer, e->loop);
    }
    mailbox_close(e->mailbox);
    loop_close(e->loop);
    engine__loader_free(e->loader);
    core_free(e->core);
    batch_free(e->batch);
    actions_free(&e->actions);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->turned);
    free(e);
}
