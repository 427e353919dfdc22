// SPDX-License-Identifier: MIT
// core_priv.h: how the core sees itself: jobs, open executions, gates.
//
// A job is in the plan agenda at its next occurrence that has no row yet. An execution is *open*
// until it is terminal, and in exactly one place, its phase; place.c has the table of moves:
//
//   NEW          nowhere yet: it was just opened
//   LOADED       in queue `loaded` of its shard, until that is settled
//   PLANNED      in agenda `instants`, until its instant comes
//   JUDGED       in agenda `judged`: its instant has come, and its job is about to change
//   UNRECORDED   in queue `unrecorded`, until the batch with its row or claim is durable
//   WAITING      in the queue of the gate that holds it back
//   ASIDE        in agenda `aside`: it has left a gate's queue, since its job changes
//   FLYING       in queue `flying`: a request is on the wire
//   LONG_FLYING  in queue `long_flying`: the same, and RUNNING stands in the row
//   AWAITING     in agenda `awaiting`: the target has taken the request, and is to say how it ends
//   BACKOFF      in agenda `retries`
//   EXPECTED     in agenda `expected`: of a heartbeat, whose ping may come
//   ENDED        nowhere: its row is terminal, and it is about to be freed
//   GONE         nowhere: its shard was lost, and it is about to be freed
//
// Gates are passed in one order (job, pace, host, all) and kept until the attempt ends, so that
// nothing can wait in a circle.

#ifndef CARILLON_CORE_CORE_PRIV_H
#define CARILLON_CORE_CORE_PRIV_H

#include "agenda/agenda.h"
#include "base/intern.h"
#include "base/origin.h"
#include "core/core.h"

#include <sys/queue.h>

#define RECOVERIES_MAX 3
#define CAUTION_MS 1000 // Before another attempt of what was under way at a crash, at least.
#define RUNNING_WRITE_DELAY_MS 1000 // Shorter flights end before their RUNNING needs a write.
#define PROGRESS_WRITE_MS 60000     // An idle watermark is written this often.
#define CLOCK_STEP_MS 500           // Less is slewing.
#define CLOCK_HOLD_MS_MAX 3600000   // A clock further back than this is corrected, not waited for.
#define BREAKER_PROBES 8            // So many may try when it is half open.
#define BREAKER_OPEN_MS_MIN 1000
#define BREAKER_OPEN_MS_MAX 5000
#define BREAKER_CALM_MS 10000 // Answers for so long end an outage.
#define HOLD_MS_MIN 250       // How long an attempt waits that this machine could not make,
#define HOLD_MS_MAX 5000      // doubled up to this.

enum phase {
    PHASE_NEW,
    PHASE_LOADED,
    PHASE_PLANNED,
    PHASE_JUDGED, // Up to here it is not begun.
    PHASE_UNRECORDED,
    PHASE_WAITING,
    PHASE_ASIDE,
    PHASE_FLYING,
    PHASE_LONG_FLYING,
    PHASE_ELSEWHERE, // The attempt is under way at the last owner of the shard.
    PHASE_AWAITING,
    PHASE_BACKOFF,
    PHASE_EXPECTED,
    PHASE_ENDED,
    PHASE_GONE,
    PHASES
};

// What executions wait in, first come, first served.
struct queue {
    struct open *first;
    struct open *last;
};

enum lane { LANE_FRESH, LANE_CATCH_UP, LANES };

// A limit on how many attempts are under way at once. Catch-up gets at most a quarter of it, so
// that fresh occurrences stay on time.
struct gate {
    uint32_t limit;
    uint32_t in_flight;
    uint32_t in_flight_catch_up;
    bool is_host;   // Embedded in a struct host, whose breaker counts too.
    bool is_pace;   // Embedded in a struct pace, whose tokens count alone.
    bool is_serial; // The gate of a job whose executions must not overlap.
    uint32_t in_flight_replays;
    struct queue waiting[LANES];
    struct gate *next_free; // Links gates of jobs that are not in use.
};

enum gate_kind { GATE_JOB, GATE_PACE, GATE_HOST, GATE_ALL, GATES };

// How many requests a second leave for a host, of the jobs with this rate (pace.c).
struct pace {
    struct pace *next; // Another rate of the host.
    struct host *host;
    TAILQ_ENTRY(pace) entry; // In core.paced while executions wait here.
    struct agenda_node due; // When the next may pass, or the bucket of a host without jobs is full.
    struct gate gate;
    mono_ms at;        // The bucket had
    int64_t level;     // so many thousandths of a token then.
    uint32_t rate;     // Tokens a second; the bucket holds as many.
    uint32_t reserved; // Tokens of executions that have passed and not left.
    uint32_t waiting;  // Executions that wait here.
    uint32_t users;    // Executions that point here.
    bool is_listed;
};

TAILQ_HEAD(pace_list, pace);

// A target host and port. Lives as long as a job points to it, and until its paces are full. When
// nothing answers there for many attempts in a row its breaker opens: attempts wait, then a few
// probe, until one is answered.
struct host {
    struct host *next;          // In its bucket.
    struct host *next_down;     // In core.down.
    struct agenda_node breaker; // At the end of the wait, or of the calm after it.
    mono_ms closed_until;       // No attempt starts before.
    wall_ms down_since;         // When the outage began that an alert told of; 0: none.
    wall_ms lost_from;          // The first loss in a row.
    dur_ms wait_ms;             // The last wait; doubles.
    uint32_t losses;            // Attempts in a row without an answer.
    uint32_t open;              // Executions of its jobs.
    uint32_t hash;
    uint32_t users;
    struct pace *paces; // Rates in use there.
    struct gate gate;
    char origin[ORIGIN_BYTES];
};

// What decides which occurrences a job has. Interned, and so shared by all jobs whose timing is
// equal: immutable.
struct timing {
    struct cron_schedule schedule;
    const struct zone *zone;
    struct job_bounds bounds;
};

enum {
    POLICY_BYTES = 0
#define JOB_NUMBER(member, type, initial, least, greatest, role, access)                           \
    +(ROLE_##role == ROLE_POLICY ? 4 : 0)
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) +1
#include "ledger/job.def"
};

// How a job's executions are carried out: numbers in four bytes, words and flags in one. Interned
// like the timing.
struct policy {
    struct status_set success_status;
    struct failure_rate alert_rate;
#define JOB_FLAG(...)
#define JOB_WORD(...)
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) uint32_t member;
#include "ledger/job.def"
#define JOB_NUMBER(...)
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) uint8_t member;
#include "ledger/job.def"
    uint8_t unused[8 - POLICY_BYTES % 8]; // Zero instead of padding.
};

// What is wrong with a job, or must be remembered of it; most jobs have none.
struct trouble {
    struct incidents now;
    struct core_job *job;
    struct agenda_node due; // In core.troubles, when something of it comes with time.
    bool is_changed;        // Since it was last recorded.
};

struct core_job {
    job_id id;
    int64_t version;
    wall_ms effective_from;
    wall_ms changed_at; // What was due by then is owed by the rules of the version before.
    wall_ms paused_until;
    const struct timing *timing; // Interned in `timings`.
    const struct policy *policy; // Interned in `policies`.
    struct host *host;
    struct open *first_open;
    struct trouble *trouble; // Owned; NULL: there is nothing to remember.
    struct gate *gate; // From its first attempt on for as long as executions are open; else NULL.
    // The texts of the request, in one allocation, which api points to.
#define JOB_OF_REQUEST(member) const char *member;
#include "ledger/job.def"
    uint32_t texts_bytes;      // The size of that allocation.
    struct agenda_node plan;   // At its next occurrence without a row.
    struct agenda_node resume; // At paused_until.
    uint32_t runs;             // Runs of max_runs that are used up by what is planned or was begun.
    uint32_t plan_version;     // Counts changes of what decides its occurrences.
    uint16_t failures;
    bool active;
    bool deleted;
    bool exhausted; // The schedule has no further instant.
    bool finished;
    bool unusable; // Neither its schedule nor its request can be believed; never active.
};

struct open {
    struct execution record;
    struct core_job *job;
    struct host *host;     // From the gate of its pace to the end of the attempt.
    struct pace *pace;     // The same; NULL: its requests leave at any rate.
    struct open *job_next; // In job->first_open.
    struct open *job_previous;
    struct queue *queue; // The one it is in, or NULL. place.c alone moves it.
    struct open *queue_next;
    struct open *queue_previous;
    struct agenda_node due;  // In the agenda of its phase.
    struct open *fresh_next; // In the shard's list, linger.c.
    struct open *fresh_previous;
    uint64_t sequence; // The batch that must be durable before it goes on.
    mono_ms sent_at;
    uint32_t index;  // In the pool; half of the ticket.
    uint32_t flight; // The number of its last attempt among all; the other half.
    uint32_t plan_version;
    uint8_t phase; // enum phase; place.c alone sets it.
    uint8_t lane;
    uint8_t job_lane; // At the job's gate, where a queue has one order only.
    uint8_t gates_passed;
    bool replaced; // By a later execution: whatever comes of its flight but success is CANCELLED.
    bool careful;  // Recovered: perhaps sent before, so claimed durably before it is sent again.
    bool retrying; // The coming attempt is made because the last one failed.
    bool retried;  // The same of the attempt under way.
    uint8_t holds; // In a row: attempts that this machine could not make.
    bool counted;  // The execution uses up one of the job's max_runs.
    bool claimed;  // The claim for the coming attempt is written.
    bool reserved; // A token of its pace is, for the request to come.
    bool is_fresh; // In the list of linger.c.
    char *error;   // Owned; record.error points here.
    char *body;    // Owned; record.request_body points here.
    char *held_by; // Owned; record.held_by points here.
    char *notes;   // Owned; record.notes points here.
    char *run;     // Owned; EXPECTED: the run that was started, as its client names it, or NULL.
};

struct pool {
    struct open **chunks;
    size_t chunk_count;
    struct open *free; // Linked by queue_next.
    size_t used;
};

#define JOB_PAGE 32     // Jobs to a page,
#define JOB_FOLDER 1024 // and pages to a folder.

// Jobs by id.
struct job_folder;
struct job_table {
    struct job_folder **folders;
    size_t folder_count;
    uint64_t count;
};

struct zone_change {
    const struct zone *from;
    const struct zone *to;
};

// Zones with new rules.
struct rezoning {
    struct zone_change *changes; // All since the start, in order of time.
    size_t count;
    size_t capacity;
    job_id next; // The jobs before this one have been told; 0: all have.
};

// How far planning has come, and what comes next. Shards that have caught up share one: what is due
// next is due next for all of them, so one agenda and one pair do, and few rows of shards change.
// One that was just gained has a front of its own, as after a restart, until it is where they are;
// meanwhile they are not held up.
struct front {
    struct agenda *plan; // Jobs, on the wall clock.
    wall_ms watermark;   // See struct shard.
    job_id watermark_job;
    wall_ms held_until; // The end of the hold that was last announced.
    uint32_t shards;    // Whose it is.
    bool is_planning;   // The last tick left some, as it may plan no more at once.
    size_t gathered;    // Rows since the first of these.
};

enum shard_state {
    SHARD_AWAY,
    SHARD_LOADING,  // What it holds comes in.
    SHARD_SETTLING, // How that goes on is decided.
    SHARD_BEHIND,   // The shard has a front of its own.
    SHARD_STEADY
};

// The steps of settling, each a walk.
enum settling { SETTLE_PAUSES, SETTLE_EXECUTIONS, SETTLE_PLAN, SETTLED };

struct unusable;

// The open executions of a shard that do not linger, in order of id; see linger.c.
struct fresh {
    struct open *first;
    struct open *last;
    int64_t older_to;   // An id.
    wall_ms older_from; // The least instant of those up to that id,
    wall_ms newer_from; // and of those behind it.
};

struct core_shard {
    struct shard row; // The row's watermark is that of the front, and set when the row is written.
    struct front *front; // NULL: it is away.
    struct front own;
    enum shard_state state;
    enum settling settling;
    job_id walked;       // Where the walk is.
    struct queue loaded; // Executions in order of id.
    struct fresh fresh;
    struct unusable *unusable; // Jobs of which it has to tell when it settles.
    struct unusable *unusable_last;
    struct core_shard *next; // In the list of its state: `settling`, or `behind`.
    uint64_t batch;          // The batch that has its row,
    size_t place;            // and where there.
    bool touched;            // In this step.
    struct core_shard *touched_next;
    TAILQ_ENTRY(core_shard) entry; // In core.settled.
    wall_ms written_at;
    wall_ms doubt_from; // The database may have lost requests that left after this instant, and
    wall_ms doubt_to;   // not after this one; 0: it has lost none.
    wall_ms seen;       // The latest wall time of an owner before; what lies before may have ended.
    wall_ms heard_from; // Pings may not have been heard before.
};

TAILQ_HEAD(shard_list, core_shard);

#define HOST_BUCKETS 4096
#define PARTED_BUCKETS 1024

// Attempts that go on after their shard was given back (part.c).
struct parted;
struct parted_flights {
    struct parted *buckets[PARTED_BUCKETS]; // By the number of the flight.
    struct agenda *ends;                    // When each is cancelled, on the monotonic clock.
};

#define UNTOLD_MAX 8

// What the machine below has been like, and what of that is still to be told.
struct machine {
    wall_ms stalled_from; // Nothing could be written then, for the first time,
    mono_ms stalled_since;
    enum err stall;   // for this reason.
    wall_ms low_from; // Only the reserve of the disk is left since then; 0: there is more.
    struct alert untold[UNTOLD_MAX];
    size_t untold_count;
};

struct core {
    struct core_limits limits;
    struct job_table jobs;
    struct intern timings;
    struct intern policies;
    struct rezoning rezoning;
    struct host *hosts[HOST_BUCKETS];
    struct host *down; // Hosts of which an alert told, the latest first.
    struct pool pool;
    struct agenda *resumes; // Paused jobs, on the wall clock.
    struct agenda
        *troubles; // Jobs of whose incidents something comes with time, on the wall clock.
    struct agenda *instants; // Open executions, on the wall clock.
    struct agenda *judged;   // What is due of a job that is about to change; empty otherwise.
    struct agenda *aside;    // What is open of a job whose places at gates change; empty otherwise.
    struct agenda *retries;  // Open executions, on the monotonic clock.
    struct agenda *breakers; // Hosts, on the monotonic clock.
    struct agenda *paces;    // The same.
    struct pace_list paced;  // Paces where executions wait, in the order in which that began.
    struct agenda *expected; // Open executions of heartbeats, on the wall clock.
    struct agenda *elsewhere;   // Open executions, on the wall clock.
    uint64_t counted_elsewhere; // So many of them have passed the gates.
    struct agenda *awaiting;    // Open executions, on the monotonic clock.
    struct parted_flights parted;
    struct queue unrecorded;
    struct queue flying;         // In order of sent_at, for less than RUNNING_WRITE_DELAY_MS.
    struct queue long_flying;    // Attempts whose RUNNING has been written.
    struct core_job nobody;      // The job of loaded executions whose own is deleted.
    struct gate gate;            // All attempts.
    struct gate *free_gates;     // What jobs gave back, for the next ones.
    struct core_shard *shards;   // By number, limits.shards of them.
    struct front steady;         // The front of the shards that have caught up.
    struct core_shard *settling; // The first is at work.
    struct core_shard *behind;
    struct core_shard *touched;
    struct shard_list settled; // From the one whose row was written longest ago.
    uint32_t shards_ours;
    uint32_t flights; // So far.
    mono_ms lease;    // No attempt starts then, or later.
    dur_ms
        wall_ahead; // Wall minus monotonic clock, when last looked at; moves when the clock steps.
    wall_ms seen;   // The latest wall time ever: what lies before may have ended already.
    wall_ms heard_from; // When writing went on last: pings before were refused.
    // The former texts of jobs that just changed: requests of that step borrow them.
    char **lent_texts;
    size_t lent_count;
    size_t lent_capacity;
    uint64_t recorded; // Batches up to this one are durable.
    uint64_t jobs_active;
    uint64_t texts_bytes; // The texts of all jobs.
    uint64_t waiting_count;
    struct machine machine;
    enum err halted; // See struct core_status.
    bool draining;
    bool more; // This tick left work undone.

    // What follows holds for the current step only.
    struct now now;
    struct actions *out;
};

// check.c
void core__check_door(struct core *c);

// actions.c
struct send *core__send(struct actions *a);
void core__cancel_send(struct actions *a, uint64_t ticket);
struct reply *core__reply(struct actions *a);
struct handoff *core__handoff(struct actions *a);

// jobs.c
struct core_job *core__job_find(struct core *c, job_id id);   // NULL when unknown or deleted.
struct core_job *core__job_insert(struct core *c, job_id id); // A place for it, zeroed but for id.
void core__job_remove(struct core *c, struct core_job *j);    // The place is free again.
// In order of id, also deleted ones; after NULL comes the first, after the last one NULL.
struct core_job *core__job_next(const struct core *c, const struct core_job *j);
struct core_job *core__job_from(const struct core *c,
                                job_id id); // The first with at least this id.
void core__jobs_free(struct core *c);

// table.c
struct host *core__host_take(struct core *c, const char *origin);
void core__host_release(struct core *c, struct host *h);
struct open *core__open_new(struct core *c, struct core_job *j);
void core__open_free(struct core *c, struct open *o);
struct open *core__open_of_outcome(const struct core *c,
                                   const struct outcome *out); // NULL: it is to be dropped.
struct open *core__open_of_key(const struct core *c,
                               const struct execution_key *key); // NULL: there is none.
uint64_t core__ticket(const struct open *o);
struct open *core__open_of(struct agenda_node *n); // `n` is the member `due`.
void core__tables_free(struct core *c);

// queue.c
void core__queue_put(struct queue *q, struct open *o);
// Behind `previous`, which is in the queue; NULL: as the first.
void core__queue_put_behind(struct queue *q, struct open *previous, struct open *o);
void core__queue_leave(struct open *o); // No-op when it is in none.

// place.c: the only way of an execution from one place to another.
void core__enter(struct core *c, struct open *o, enum phase to);
// Into a phase that is an agenda, until `at`.
void core__enter_until(struct core *c, struct open *o, enum phase to, int64_t at);
void core__open_check(struct core *c, const struct open *o); // Asserts what its phase allows.

// linger.c: before which instant nothing is open.
void core__linger_loaded(struct core *c, struct open *o);
void core__linger_insert(struct core *c, struct open *o); // The row is about to be written.
void core__linger_update(struct core *c, struct open *o); // The same.
void core__linger_end(struct core *c, struct open *o);
// Before the row of the shard is written: more changes of it, and what its mark is then.
void core__linger_waiting(struct core *c, struct core_shard *s);
wall_ms core__open_from(struct core_shard *s);

// record.c: what goes into the batch.
// A change of this shard, which must be ours; its row goes with it.
struct change *core__change(struct core *c, struct core_shard *s, enum change_kind kind);
void core__touch(struct core *c, struct core_shard *s); // Writes the shard's row alone.
int64_t core__next_id(const struct core *c, const struct core_shard *s, int64_t *counter);
void core__record_insert(struct core *c, struct open *o);
void core__record_update(struct core *c, struct open *o);
void core__record_lingering(struct core *c, const struct open *o); // No attempt waits for that.
void core__record_attempt(struct core *c, const struct open *o, const struct attempt *a);
// `facts`: the kind, what belongs to it, and whether people are told; texts are copied. Returns the
// alert's id.
#define INCIDENT_OPENED (-1) // As an incident_id: the alert's own.
int64_t core__record_alert(struct core *c, const struct execution *e, const struct alert *facts);
// About the server, for people: it goes to a shard that has one, or to any (NULL).
void core__record_server_alert(struct core *c, struct core_shard *s, const struct alert *facts);
// What of its row the core itself changes. `reason`: why it is paused, when that changes.
struct job_state core__job_state(struct core *c, const struct core_job *j, const char *reason);
void core__record_job_state(struct core *c, const struct core_job *j);
// A version of the job begins, with its row as it is recorded so far.
void core__record_version(struct core *c, const struct core_job *j);
// The core itself has paused, resumed or finished the job: its row, and the version that begins.
void core__record_job_move(struct core *c, const struct core_job *j, enum job_move move,
                           const char *reason); // The reason of a pause; copied. NULL for others.
// The command was carried out.
void core__record_audit(struct core *c, struct core_shard *s, const struct command *cmd,
                        const struct reply *r);
void core__record_client_key(struct core *c, const struct command *cmd, const struct reply *r);
// The reply to a command that is a row, of this shard.
void core__record_reply(struct core *c, struct core_shard *s, const struct command *cmd,
                        const struct reply *r);
void core__record_shards(struct core *c); // At the end of a step.

// configure.c
// Within the limits, and with the timing that was read of `from`.
enum err core__job_add(struct core *c, const struct job *from, const struct timing *timing,
                       const struct url *url, struct core_job **out);
void core__job_forget(struct core *c, struct core_job *j); // Frees it; it has no open execution.
void core__job_set_zone(struct core *c, struct core_job *j, const struct zone *zone);
// `compiled`: the schedule of `from`; NULL: it is compiled here. What cron_parse says of it.
enum err core__timing_read(const struct job *from, const struct zone *zone,
                           const struct cron_schedule *compiled, struct timing *out);
// Whether the row's texts are within the bound of all jobs' texts, or no longer than those of the
// job (NULL: it is new), so that a job can always be made smaller.
uint64_t core__texts_growth(const struct core_job *j, const struct job *from);
bool core__texts_fit(const struct core *c, const struct core_job *j, const struct job *from);
// Makes the job what the row says. `url`: what was read of its api; NULL: its host is cut out here.
// Whether that alters which occurrences there are.
bool core__job_configure(struct core *c, struct core_job *j, const struct job *from,
                         const struct timing *timing, const struct url *url);

// unusable.c
void core__unusable_settle(struct core *c, struct core_shard *s); // Before anything is planned.
void core__unusable_free(struct core_shard *s);

// command.c
void core__command(struct core *c, struct command *cmd);
// Whether the parts of a bulk would be accepted, without a change; and then they are.
enum err core__part_check(struct core *c, struct command *part, uint32_t new_before);
void core__part_act(struct core *c, struct command *part, struct reply *r);

// bulk.c
void core__bulk(struct core *c, struct command *cmd, struct reply *r);

// replay.c
bool core__is_replay(const struct open *o);
void core__replay(struct core *c, struct core_job *j, const struct command *cmd, struct reply *r);
void core__backfill(struct core *c, struct core_job *j, const struct command *cmd, struct reply *r);

// cancel.c
enum err core__cancel_on_request(struct core *c, const struct execution_key *key);
const char *core__cancel_reason_of(const char *text); // NULL: the text is none.

// lifecycle.c
void core__job_begin(struct core *c, struct core_job *j); // The version that it has become.
void core__job_settle(struct core *c,
                      struct core_job *j); // The version that ends, before a change.
void core__job_settle_open(struct core *c, struct core_job *j); // After an execution left it.
void core__job_drop_unowed(struct core *c, struct core_job *j, wall_ms until);
// No attempt of the job starts any more, which is inactive or deleted.
void core__job_stop(struct core *c, struct core_job *j, const char *reason);
void core__job_watch_pause(struct core *c, struct core_job *j); // The job's row has come in.
// The server pauses the job, and why; a no-op when it is not active.
void core__job_pause(struct core *c, struct core_job *j, const char *reason);
void core__job_plan_beyond_watermark(struct core *c, struct core_job *j);
void core__resume_due(struct core *c);
// From where on a change of the job holds.
wall_ms core__job_change_begins(const struct core *c, const struct core_job *j);

// incident.c
// An occurrence was given up: its alert, with the facts.
void core__incident_missed(struct core *c, struct core_job *j, const struct execution *e,
                           const struct alert *facts);
// An execution has ended, and its job's failures in a row are counted: its alerts.
void core__incident_learn(struct core *c, const struct open *o);
// After either, and when a row has come in or was changed: what has changed is recorded, if nothing
// else has done so, and what comes with time is waited for.
void core__incident_settle(struct core *c, struct core_job *j);
void core__incident_load(struct core_job *j, const char *text);
void core__incident_forget(struct core *c, struct core_job *j);
const char *core__incidents_text(struct core *c, const struct core_job *j); // In the batch's arena.
// Somebody has seen an alert of this incident.
void core__incident_acknowledge(struct core *c, struct core_job *j, int64_t incident_id);
void core__incidents_due(struct core *c);

// plan.c
bool core__is_planned(const struct core *c, wall_ms at, job_id id);
void core__plan(struct core *c);
void core__plan_schedule(struct core *c, struct core_job *j, wall_ms after);
// The first occurrence after `after` of a job that has used up `runs`; WALL_NEVER: none.
wall_ms core__timing_next(const struct timing *t, uint32_t runs, wall_ms after);
bool core__is_begun(const struct open *o); // The run counts, whatever becomes of the job.
void core__give_back_run(struct core *c,
                         struct open *o); // The run counts no more towards max_runs.
void core__plan_own(struct core *c, struct core_job *j, wall_ms until);
wall_ms core__plan_wake(const struct core *c);
bool core__plan_gathers(const struct core *c); // The rows of the next tick belong to those of this.

// rezone.c
void core__rezone(struct core *c, const struct zone *from, const struct zone *to);
void core__rezone_on(struct core *c);                                          // At every tick.
const struct zone *core__zone_now(const struct core *c, const struct zone *z); // By new rules.

// shard.c
struct core_shard *core__shard_of(const struct core *c, job_id job);
bool core__shard_is_settled(
    const struct core_shard *s); // A settled shard takes commands, and is planned.
void core__shard_gain(struct core *c, const struct shard *row);
void core__shard_loaded(struct core *c, uint32_t number);
void core__shard_lose(struct core *c, uint32_t number);
void core__shard_forget(struct core *c, struct core_shard *s); // All that it holds.
// The shard's first job with at least this id, also a deleted one; NULL: there is none.
struct core_job *core__shard_job_from(const struct core *c, const struct core_shard *s, job_id id);
void core__shards_settle(struct core *c); // At every tick, a bounded part.
void core__shards_join(struct core *c);   // Shards which have caught up, after planning.
wall_ms core__seen(const struct core *c, job_id job);
// Calls back for every job that is not deleted and of this front, in order of id.
void core__each_job(struct core *c, const struct front *f,
                    void (*each)(struct core *c, struct core_job *j));

// clock.c
void core__clock_watch(struct core *c);                    // At every step.
void core__clock_at_gain(struct core *c, struct front *f); // With the watermark of the last owner.
// What is ahead of the clock is given up, in all shards of the front.
void core__clock_correct(struct core *c, struct front *f);

// overlap.c: false when the execution ended here.
bool core__admit(struct core *c, struct open *o);

// breaker.c
bool core__breaker_holds(const struct core *c, const struct gate *g);
bool core__breaker_is_open(const struct core *c, const struct host *h); // Also while a few try.
// An attempt was answered, or (`lost`: why) was not.
void core__breaker_learn(struct core *c, struct host *h, const char *lost);
void core__breaker_forget(struct core *c, struct host *h); // The last job has left it.
void core__breakers_due(struct core *c);

// machine.c
void core__store_changed(struct core *c, enum err cause);                 // As EVENT_STORE says,
void core__disk_changed(struct core *c, bool is_low, int64_t free_bytes); // and EVENT_DISK.
void core__machine_tell(struct core *c); // At every step, if there is a shard to write to.

// pace.c
bool core__pace_allows(const struct core *c, struct gate *g, enum lane lane);
uint32_t core__rate_of(const struct core *c, const struct core_job *j); // 0: any.
void core__pace_set_out(struct core *c, struct open *o);                // For its host.
void core__pace_join(struct core *c, struct open *o);  // The execution waits at its pace,
void core__pace_part(struct core *c, struct open *o);  // and no more.
void core__pace_reserve(struct open *o);               // The execution has passed.
void core__pace_spend(struct core *c, struct open *o); // The request leaves.
void core__pace_leave(struct core *c, struct open *o); // The attempt is over, or sets out anew.
void core__paces_due(struct core *c);
bool core__paces_linger(struct core *c, struct host *h); // Whether an unused host is kept.
void core__paces_free(struct host *h);                   // With the core.
void core__paces_list(const struct core *c, struct core_status *s);

// execute.c
wall_ms core__due_at(const struct open *o);
struct open *core__open_plan(struct core *c, struct core_job *j, const struct execution *row);
void core__job_judge_due(struct core *c, struct core_job *j, wall_ms until);
const char *core__not_owed(const struct open *o);
const char *core__stopped(const struct open *o); // Why no attempt may start any more, or NULL.
void core__due(struct core *c);
void core__recorded(struct core *c, uint64_t sequence);
void core__advance(struct core *c, struct open *o);
void core__finish(struct core *c, struct open *o, enum execution_state state, const char *error,
                  const char *reason);
void core__cancel(struct core *c, struct open *o, const char *reason);
void core__miss(struct core *c, struct open *o, const char *reason);
void core__write_running(struct core *c);
void core__claim_flights(struct core *c, struct core_job *j);
void core__set_state(struct open *o, enum execution_state to);
void core__set_error(struct open *o, const char *error); // Copied.
bool core__is_flying(const struct open *o);
bool core__is_sent(const struct open *o);      // And no outcome has come, whoever sent it.
bool core__is_at_target(const struct open *o); // Sent, or taken by the target.

// outcome.c
void core__outcome(struct core *c, const struct outcome *o);
void core__attempt_ended(struct core *c, struct open *o, const struct outcome *out);
void core__hold(struct core *c, struct open *o, const char *error); // The attempt was not made.
// The attempt has ended otherwise than well: the next one comes, or the execution ends.
void core__failed(struct core *c, struct open *o, const struct outcome *out, const char *error);
void core__fail(struct core *c, struct open *o, const char *error); // No further attempt comes.

// completion.c
bool core__is_completed(const struct open *o); // While its last attempt was under way.
void core__conclude_completed(struct core *c, struct open *o);
bool core__is_to_wait(const struct open *o, const struct outcome *out);
void core__await_completion(struct core *c, struct open *o);
void core__completion_loaded(struct core *c, struct open *o); // By what its row says.
enum err core__complete(struct core *c, const struct command *cmd);
enum err core__note(struct core *c, const struct command *cmd);
void core__completions_due(struct core *c);

void core__fail(struct core *c, struct open *o, const char *error); // And perhaps pauses the job.

// heartbeat.c
#define UNHEARD "nobody listened for its ping: the server was down, or stood still"
bool core__is_heartbeat(const struct core_job *j);
// Whether the execution has begun to wait before its instant.
bool core__is_early(const struct core *c, const struct open *o);
void core__heartbeat_expect(struct core *c, struct open *o); // The instant has come.
void core__heartbeat_recover(struct core *c, struct open *o);
void core__heartbeats_regrace(struct core *c, struct core_job *j);
void core__heartbeats_due(struct core *c);
void core__ping(struct core *c, struct core_job *j, const struct command *cmd, struct reply *r);

// gate.c
bool core__gates_pass(struct core *c, struct open *o); // False: it waits in a gate's queue.
// All of them, whether there is room or not: the attempt is under way already.
void core__gates_take(struct core *c, struct open *o);
void core__gate_take_job(struct core *c, struct open *o);             // The gate of its job alone.
struct queue *core__gate_queue(struct core *c, const struct open *o); // The queue of the next gate.
void core__gates_release(struct core *c, struct open *o, unsigned keep); // Keeps the first `keep`.
void core__gates_pump(struct core *c, struct gate *g);
void core__gate_resize(struct core *c,
                       struct core_job *j); // The job's policy may have another limit.
void core__gate_give(struct core *c, struct core_job *j); // The job has no open execution.
void core__gates_free(struct core *c);
void core__gates_change_host(struct core *c, struct core_job *j);
uint32_t core__lane_share(uint32_t limit, enum lane lane);

// room.c
#define NO_ROOM "no room: too many executions are open at its host"
bool core__has_room(const struct core *c, const struct host *h, enum lane lane);
// For so many more, behind what is there.
bool core__has_room_behind(const struct core *c, const struct host *h, uint32_t more);
bool core__finds_room(const struct core *c, const struct open *o);  // At its instant.
bool core__plan_waits(const struct core *c, const struct front *f); // For room.

// recover.c
// Which was loaded, or whose attempt elsewhere has not ended in time.
void core__recover(struct core *c, struct open *o);

// part.c
void core__shard_give_back(struct core *c, const struct event *e);
// A flight of a shard that was given back; false: there is none of this ticket.
bool core__parted_outcome(struct core *c, const struct outcome *out);
void core__parted_due(struct core *c);
void core__parted_cancel(struct core *c, uint32_t shard);
size_t core__parted_count(const struct core *c);
void core__parted_init(struct core *c);
void core__parted_fini(struct core *c);

#define OUTCOME_TELL_MS 2000 // For the outcome of an attempt to reach the new owner.

// elsewhere.c
void core__elsewhere_loaded(struct core *c, struct open *o); // By what its row says.
bool core__is_replaced_elsewhere(const struct open *o);
enum err core__outcome_elsewhere(struct core *c, const struct command *cmd);
void core__elsewhere_due(struct core *c);
void core__forget_elsewhere(struct core *c, struct open *o); // Before the execution is gone.
void core__come_back(struct core *c, struct open *o);        // The attempt is nobody's any more.

#endif
