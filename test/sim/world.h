// SPDX-License-Identifier: MIT
// world.h: everything there is in a simulated world: clocks, nodes, a disk, targets, clients.
//
// One thread moves it from event to event. The real core runs inside each node; around it stand the
// parts of the program that wait, send and store, played from the seed: a writer that commits in
// groups and takes its time, requests that are answered, refused, lost or left hanging. The ledger,
// the targets, the clients that change their jobs, and the clocks that drift and step are the same
// for all nodes. Death comes at any moment, and what only a process knows dies with it.

#ifndef CARILLON_SIM_WORLD_H
#define CARILLON_SIM_WORLD_H

#include "dice.h"
#include "errands.h"
#include "happening.h"
#include "history.h"
#include "ledger.h"
#include "sim.h"
#include "trace.h"

#include "core/core.h"
#include "store/store.h"

#define NODES_MAX SIM_OWNERS_MAX
#define HOSTS 3
#define FLIGHTS_MAX 256
#define QUEUE_MAX 4096
#define PARTINGS_MAX 64
#define TASKS 6 // So many run elsewhere at once, and ping.
#define WORDS_MAX 256
#define MOVE_FLIGHTS_MS 3600000 // No attempt takes longer.
#define DRAIN_MS 5000
// Where lateness is measured, so many rows at most are planned in a tick, and each takes so long.
#define CALM_STEP_MAX 5
#define CALM_ROW_MS 10
#define COMMIT_MS_MAX 3 // A commit on a disk that is well.
#define JITTERS 1024

// A request on the wire.
struct flight {
    bool used;
    uint64_t ticket;
    uint32_t shard;
    int64_t epoch;
    struct execution_key key;
    unsigned attempt;
    char host;
    wall_ms started_at;
    mono_ms ends_at;
    enum outcome_kind kind;
    unsigned status;
    dur_ms retry_after_ms;
    bool reaches; // The target takes it in.
    bool asks_to_wait;
    bool deadly; // The process dies of it.
    bool catch_up;
    bool cancelled;       // The core does not want it any more.
    bool lost;            // The shard is lost to the node: nobody learns what comes of the request.
    bool parted;          // The shard was given back, and the request goes on
    mono_ms parted_until; // for so long at most,
    dur_ms parted_ahead;  // by a wall clock that was so far ahead of the monotonic one.
    enum happening as;
};

// How a target behaves for a while.
enum mood {
    MOOD_WELL,
    MOOD_SLOW,
    MOOD_FAILING,
    MOOD_REFUSING,
    MOOD_HANGING,
    MOOD_RESETTING,
    MOOD_BUSY, // Asks to come back later.
    MOOD_GONE,
    MOOD_MIXED,
    MOOD_DEADLY
};

// What the core's breaker should think of a target in this life.
struct host {
    uint32_t losses; // Attempts in a row without an answer.
    dur_ms wait_ms;
    mono_ms closed_until;
    bool told;          // An alert said that nothing answers, and none yet that something does.
    bool uncertain;     // The core may remember more of it.
    mono_ms rate_at;    // The last request left then; 0: none has in this life.
    int64_t rate_level; // What its bucket then had, in thousandths.
};

// What holds once its batch is durable: what a client was promised, and what the core did by itself
// that changes what is owed.
enum promise_kind {
    PROMISE_VERSION,
    PROMISE_EVENT,
    PROMISE_TRIGGER,
    PROMISE_CANCEL,
    PROMISE_PING,
    PROMISE_WORD,
    PROMISE_CORRECTION
};

struct promise {
    enum promise_kind kind;
    uint64_t sequence;
    job_id job;
    size_t errand;            // By which it was asked for; 0: none.
    struct execution_key key; // TRIGGER, CANCEL, PING, WORD
    enum ping_kind ping;      // PING: what it says, at `now`,
    dur_ms grace;             // when this was its job's grace.
    unsigned attempt;         // WORD: about this one.
    bool has_failed;          // WORD
    struct version version;   // VERSION, by a client; EVENT, by the core itself.
    unsigned shard;           // CORRECTION: of this one;
    int64_t series;           // the new one,
    wall_ms now;              // which begins here.
};

// When a row with jitter was due: the same in every life.
struct jitter {
    struct execution_key key;
    uint32_t jitter_ms;
    wall_ms due_at;
};

// An outcome on its way to the new owner of its shard.
struct parting {
    bool used;
    mono_ms at;
    job_id job;
    struct flight flight;
    struct outcome outcome;
};

// What a task that runs elsewhere does next.
struct task {
    mono_ms at;
    job_id job; // Which watches it; 0: none.
    enum ping_kind kind;
    char run; // The name of its run; 0: none.
};

// While nobody can have heard a ping, on the wall clock.
struct deafness {
    wall_ms from;
    wall_ms to;
};

// What a target is going to say of an attempt, until that is answered.
struct word {
    bool used;
    mono_ms at;
    struct execution_key key;
    unsigned attempt; // 0: the one that is waited for.
    bool has_failed;
    unsigned tries;
};

enum life { LIFE_UP, LIFE_DRAINING, LIFE_DOWN };

// What a node knows of a shard, from when it gains it until it loses it.
struct tenure {
    bool held;
    bool fed;        // The core has all that the shard holds,
    bool loaded;     // and has settled it.
    bool given;      // Not held any more, but what is written for it is not durable yet.
    unsigned number; // Counts all tenures in this world, from 1.
    int64_t epoch;
    mono_ms gained_at;
    mono_ms loads_at;     // When the next slice comes,
    job_id jobs_to;       // after these jobs
    int64_t rows_to;      // and these executions.
    wall_ms seen;         // The latest wall time that it may have had before.
    int64_t series;       // The generation,
    wall_ms corrected_at; // which began then.
    wall_ms listens_from; // When it was loaded.
    wall_ms hold_told;    // The watermark of the hold that an alert told of.
};

// A shard as it is, whatever the nodes know of that.
struct shard_seen {
    struct node *owner;    // Who took it, and has not given it back; NULL: nobody.
    unsigned incarnation;  // The incarnation of the owner.
    mono_ms free_at;       // Others may take it then.
    wall_ms latest;        // The latest wall time of this generation.
    wall_ms latest_before; // The same, before a correction that is not durable yet.
    int64_t series;        // This generation, durable or not.
};

// A machine: a process, which lives and dies, with its core, its writer and its requests.
struct node {
    struct world *world;
    unsigned number;

    // The node's place among the nodes.
    unsigned incarnation; // Counts all processes of this world: the node is registered so.
    bool is_buried;       // Others took it for dead; it does not know that yet.
    mono_ms lease_until;  // The node sends nothing from then on.
    bool was_late;        // Before this step the lease was over.
    mono_ms renews_at;
    mono_ms balances_at;
    mono_ms cut_until; // The node does not reach the database.
    mono_ms stops_at;
    mono_ms stopped_until; // The node stands still, and knows nothing of that.

    // The process.
    enum life life;
    struct core *core;
    struct actions out;
    uint64_t sequence;
    mono_ms alarm_at;        // A clock that steps wakes it; MONO_NEVER.
    mono_ms life_changes_at; // DOWN: starts. DRAINING: gives up waiting. UP: dies.
    bool doomed;             // Dies before the end of this step.

    // What is to be expected of it.
    dur_ms wall_ahead;    // Wall minus monotonic clock, at the last step.
    wall_ms seen;         // The latest wall time of its generation that this life knows of.
    mono_ms looks_at;     // When it is to look again, as it said in its last step,
    wall_ms looked_at;    // which was then.
    struct deafness late; // The node stood still.
    struct deafness full; // The disk was.
    struct tenure tenures[SHARDS_PLAYED];
    uint8_t *states; // The state of each execution of the node's shards, durable or not, by id.
    size_t state_count;
    size_t state_capacity;
    uint32_t open;                // Executions that are not terminal.
    struct host hosts[HOSTS + 1]; // The last one is none: what heartbeats call.
    struct promise promises[QUEUE_MAX];
    size_t promised;

    // The writer: batches in order, of which the first `committing` are being written.
    struct batch *queue[QUEUE_MAX];
    size_t queued;
    size_t committing;
    mono_ms commit_at;
    bool is_applied;       // What is being written is durable,
    bool is_answered;      // and the answer is there, though nobody may have heard it:
    struct shard_set lost; // these have another owner.
    bool stalled;
    bool was_stalled; // Before this step.
    bool disk_lost;   // Nothing is written any more; the process is about to end.

    // Commands: those that were claimed, in order.
    mono_ms claims_at; // MONO_NEVER: there is nothing to claim.
    bool claims_again; // The answer to a claim was lost, or a shard is new.
    struct claimed claimed[CLAIMED_MAX];
    size_t claimed_count;

    // The requests under way.
    struct flight flights[FLIGHTS_MAX + 1]; // The last one is never used.
    size_t flight_end;                      // The places from here on are free.
};

struct world {
    struct dice dice;
    struct trace trace;
    struct store *store;
    struct ledger ledger;
    struct history history;
    struct now now;
    bool faults;         // Crashes, slow disks, bad targets.
    bool calm;           // Bad targets and busy clients, but no other fault.
    bool has_heartbeats; // Some jobs call nobody, and are pinged.
    bool has_servers;    // Clients speak to API servers, not to owners.
    bool was_calm;       // The same, also when all is healed in the end.
    bool has_waits;      // Some targets ask to wait.
    struct core_limits limits;

    // The clocks: the wall clock drifts and steps, the monotonic one does not.
    bool clock_steps; // In this world at all.
    int64_t drift_ppm;
    int64_t drift_rest;
    mono_ms clock_changes_at;
    bool went_back; // At least once.

    struct node nodes[NODES_MAX];
    size_t node_count;
    dur_ms lease_ms;
    unsigned incarnations; // So far, of all nodes.
    unsigned tenures;

    // What is to be expected of all lives.
    struct shard_seen shards[SHARDS_PLAYED];
    struct jitter jitters[JITTERS]; // A cache.

    // Targets and clients.
    enum mood moods[HOSTS];
    mono_ms mood_changes_at;
    mono_ms command_at;
    bool is_asking;              // This step is a command,
    enum command_kind asking;    // of this kind,
    job_id asked_job;            // about this one (0: about none),
    unsigned asked_shard;        // of this shard,
    struct version asked;        // and this is the version it makes.
    dur_ms asked_wait_ms;        // The target that answers asks for this one.
    const struct flight *ending; // The flight of which a node hears in this step.
    bool is_delivering;          // This step tells an owner what was handed off.
    struct parting partings[PARTINGS_MAX];
    struct task tasks[TASKS];
    struct word words[WORDS_MAX];
    struct errands errands; // Only several nodes have any.
    job_id gone;            // The job whose target just said 410 for good; 0: none.

    dur_ms spent_ms; // On what was planned, since time passed last.

    // For the report.
    uint64_t events;
    struct tally happened;
};

static inline void count(struct world *w, enum happening h)
{
    w->happened.of[h]++;
}

// clocks.c: the passing of time.
void clocks_init(struct world *w);
void clocks_pass(struct world *w, dur_ms d);
void clocks_change(struct world *w);
dur_ms clocks_lateness(struct world *w); // How much later than it should something happens.

// node.c: one node: its process, its death and its start.
void node_start(struct node *n);
void node_die(struct node *n);
void node_drain(struct node *n);
void node_drained(struct node *n); // Ends a drain if it is complete, or has taken too long.
void node_step(struct node *n, const struct event *e);
void node_tick(struct node *n);
void node_flush(struct node *n); // The turn is over: its batch goes to the writer.
mono_ms node_wakes_at(const struct node *n);
const struct zone *node_zone(const struct job *j);
void node_fini(struct node *n);

// The node's own of this job's shard.
const struct tenure *node_tenure(const struct node *n, job_id job);
wall_ms node_seen(const struct node *n, job_id job); // The latest wall time that it knows of.

// Whether another one has taken the shard, and the node does not know it.
bool node_is_stale(const struct node *n, unsigned shard);
bool node_goes_on(const struct node *n); // The node lives, and does not stand still.
void node_gain(struct node *n, unsigned shard);
void node_load(struct node *n); // Another slice of what it has gained.
mono_ms node_loads_at(const struct node *n);
void node_lose(struct node *n,
               unsigned shard); // The node hears that another one has taken the shard.
// To whoever takes it; what is under way goes on for at most so long.
void node_give(struct node *n, unsigned shard, dur_ms flights_ms);

// cluster.c: which node owns which shard, and until when.
void cluster_enter(struct node *n); // At its start.
void cluster_leave(struct node *n); // In order.
void cluster_renew(struct node *n);
void cluster_balance(struct node *n);
void cluster_stop(struct node *n);
void cluster_give_all(struct node *n); // To other nodes, if there are any.
void cluster_release(struct node *n, unsigned shard);

// writer.c: what a node has to write.
void writer_put(struct node *n, struct batch *b); // Takes it.
void writer_commit(struct node *n);               // The commit that is under way ends.
mono_ms writer_wakes_at(const struct node *n);
void writer_lose(struct node *n, unsigned shard); // Nothing of it is written any more.
bool writer_has(const struct node *n, unsigned shard);
void writer_hand_over(struct node *n); // What was given back and is written, others may take.
void writer_die(struct node *n);       // The process dies: some of it survives.
void writer_stop(struct node *n);      // In order: all of it does.
void writer_drop(struct node *n);      // None of it.

// observe.c: what a step wrote, against what was to be expected of it.
struct before {
    size_t changes;
    bool stepped_back;
    bool loaded[SHARDS_PLAYED];
    wall_ms watermarks[SHARDS_PLAYED];
    int64_t series[SHARDS_PLAYED];
};
struct before observe_before(struct node *n);
void observe_step(struct node *n, const struct event *e, const struct before *b);
void observe_start(struct node *n); // A life begins.
void observe_gain(struct node *n, unsigned shard);
void observe_lose(struct node *n, unsigned shard);
bool observe_is_over(const struct node *n, int64_t execution); // As the core now sees it.
bool observe_is(const struct node *n, int64_t execution, enum execution_state state);

// wire.c: requests and targets.
void wire_send(struct node *n, const struct send *s);
// Whether the request is one of those that leave fresh occurrences their places.
bool is_in_catch_up(const struct request *q);
void wire_cancel(struct node *n, uint64_t ticket);
void wire_end(struct node *n, struct flight *f);
bool wire_has(const struct node *n, unsigned shard);
// What is under way of it goes on, for so long at most.
void wire_part(struct node *n, unsigned shard, dur_ms flights_ms);
// The target that was waited for said that it failed.
void wire_learn_said(struct node *n, struct row *r);
// An owner hears how a request ended that another node has sent.
void wire_learn(struct node *n, const struct flight *f);
// Whether the request of this execution is under way at a node which gave its shard back, and all
// can know that: who takes the shard goes by the wall clock.
bool wire_is_elsewhere(struct world *w, const struct row *r);
void wire_lose(struct node *n, unsigned shard);
void wire_check_lost(struct node *n); // What is lost is given up.
void wire_cut(struct node *n);        // The process died: nobody hears the answers.
void wire_change_moods(struct world *w);
// A failed attempt was just heard of, and this is what the core makes of it.
void wire_check_wait(struct node *n, const struct execution *e);
struct flight *wire_next(struct node *n); // The one that ends first, or NULL.
struct flight *wire_find(struct node *n, const struct execution_key *key); // NULL: none.

// post.c: outcomes that were handed off, on their way to the new owner.
void post_take(struct node *n, const struct handoff *h);
mono_ms post_wakes_at(const struct world *w);
void post_deliver(struct world *w); // The first.

// tasks.c: what is watched by heartbeats.
mono_ms tasks_wake_at(struct world *w);
void tasks_ping(struct world *w); // The first.

// heartbeat_rules.c: what must hold of heartbeats. Steps write from change `from` on.
void heart_hear(struct node *n, const struct command *c, const struct reply *r, size_t from);
void heart_keep(struct world *w, const struct promise *p);
void heart_check(struct node *n, const struct execution *e); // As the row is about to be.
void heart_check_send(struct node *n, job_id job);
void heart_listen(struct node *n, const struct event *e); // A step was made,
void heart_look(struct node *n, const struct event *e);   // and was looked at.

// words.c: what targets say of attempts that have ended, or not yet.
void words_take(struct world *w, struct flight *f); // The target takes the request in.
mono_ms words_wake_at(struct world *w);
void words_say(struct world *w); // The first.
// What was said is answered, and not said again.
void words_answer(struct world *w, const struct execution_key *key, bool has_failed);

// wait_rules.c: executions that wait for their targets.
enum completion wait_word(const struct node *n, const struct row *r); // About the last attempt.
bool wait_is_on(const struct node *n, const struct row *r);
uint32_t wait_count(struct node *n, job_id job);
void wait_ask(struct node *n, struct row *r, dur_ms wait); // The target did, and was heard.
void wait_forget(struct deliveries *d);                    // Another attempt leaves.
void wait_hear(struct node *n, const struct command *c, enum err err);
void wait_keep(struct world *w, const struct promise *p);
void wait_check(struct node *n, const struct execution *e); // As the row is about to be.
void wait_check_send(struct node *n, const struct row *r);

// send_rules.c: what must hold when a request leaves.
void send_check(struct node *n, const struct send *s, const struct row *r, char host);
void rate_start(struct node *n);

// overlap_rules.c: the same, of jobs whose executions must not overlap.
void overlap_check(struct node *n, const struct row *r);

// breaker.c: a host that does not answer is left in peace.
void breaker_learn(struct node *n, const struct flight *f);
void breaker_check(struct node *n, char host);
void breaker_doubt(struct node *n);             // Before a step.
void breaker_forget(struct node *n, char host); // If no job calls it any more.
void breaker_start(struct node *n);
void breaker_leave(struct node *n); // A shard is being lost, and jobs with it.
void breaker_left(struct node *n);  // The breaker was left.
void breaker_hear(struct node *n, const struct alert *a); // An alert of the core.
void breaker_check_told(struct node *n);

// room_rules.c: an occurrence is given up since too much is open at its host.
void room_check(struct node *n, const struct execution *e, bool is_late); // Before it ends.

// wishes.c: what clients want their jobs to be.
void wish_job(struct world *w, struct version *v);
void wish_change(struct world *w, struct version *v);
void wish_pause(struct world *w, struct version *v);

// client.c: commands.
#define BACKFILL_PLAYED_MAX 10
// Whether the command asks for executions that are manual.
bool makes_executions(enum command_kind kind);
void client_command(struct world *w);
// Where one finds somebody who has the shard, or believes it has. NULL: nobody.
struct node *client_find_owner(struct world *w, unsigned shard);
void client_hear(struct node *n, const struct reply *r);

// promise.c: what was promised, and what of it is durable.
struct promise *promise_add(struct node *n, enum promise_kind kind, job_id job);
void promise_keep(struct node *n, uint64_t sequence); // Durable up to there.
void promise_lose(struct node *n, unsigned shard);
void promise_forget(struct node *n); // The rest never happened.
// The job as the core now has it, durable or not; NULL: unknown.
const struct version *promise_last(const struct node *n, job_id id);

// account.c: what a job owes.
struct owed {
    int64_t series;
    wall_ms at;
    const struct version *version;
    bool certain;            // Else it is owed only if there is a record of it.
    const struct row *range; // The MISSED range that covers it, or NULL.
};

struct account {
    struct world *w;
    job_id job;
    const struct job_history *history;
    struct owed *owed; // In order of series and time.
    size_t count;
    size_t capacity;
};

void account_open(struct account *a, struct world *w, job_id job, wall_ms until);
void account_close(struct account *a);
struct owed *account_find(const struct account *a, const struct execution_key *key); // Or NULL.
// Whether the job had used up its max_runs by then.
bool account_is_excused(const struct world *w, job_id job, const struct owed *o);

// heartbeat_rules.c: what is wrong with a row of a heartbeat; NULL: nothing is.
const char *heart_find_fault(const struct account *a, const struct row *r, wall_ms until);

// versions.c: after a commit, the last version of each job that changed is what its row says.
void versions_check(struct world *w, struct batch *const *batches, size_t count);

// coverage.c: I2, after every commit: up to the watermark every occurrence has its record.
void coverage_check(struct world *w);

// checker.c: at the end, everything owed up to `until` is compared with the ledger.
uint64_t checker_run(struct world *w, wall_ms until); // How much was owed.

#endif
