// SPDX-License-Identifier: MIT
// core.h: planning, attempts, retries and limits as a pure state machine over the ledger.
//
// The core is told what happened and what time it is, and answers with what should be done. It does
// no I/O, reads no clock, draws no randomness and takes no lock, so a simulator can run days of
// traffic and crashes through this very code. One thread uses it at a time.
//
// The idea: a schedule is a pure function, so nothing stores a "next run". One number is
// remembered, the watermark W: every occurrence up to W exists as a row. Planning inserts the rows
// of (W, W'] a little ahead of time and moves W to W', in one batch. After a crash planning goes on
// from W. Restart, catch-up after downtime and normal running are the same code.
//
// Durability: the core appends changes to the batch it is given; the caller makes batches durable
// in order, each whole or not at all, and says so with EVENT_RECORDED. No request is sent for an
// execution whose row is not durable; replies to commands wait for their batch.
//
//                   plan                    instant, room              2xx
//   occurrence ---------------> PENDING --------------------> RUNNING -----> SUCCESS
//        |                         |                          |     |
//        | too old                 | edited, paused, deleted  |     | attempts exhausted
//        v                         v                          |     v
//      MISSED (a range)        CANCELLED <--------------------+   FAILED + alert
//                              SKIPPED     paused between attempts, replaced

#ifndef CARILLON_CORE_CORE_H
#define CARILLON_CORE_CORE_H

#include "base/err.h"
#include "base/origin.h"
#include "base/time.h"
#include "cron/cron.h"
#include "ledger/ledger.h"

#include <stdbool.h>
#include <stdint.h>

// --- Events ----------------------------------------------------------------------------------

enum outcome_kind {
    OUTCOME_ANSWERED, // A complete response head came; see http_status.
    OUTCOME_NOT_SENT, // Failed before the first request byte: DNS, refused, TLS, policy.
    OUTCOME_LOST,     // Failed after it: reset, closed, malformed answer, timeout.
    OUTCOME_HELD,     // Not sent, by this machine's want or its lease: no attempt at all.
    OUTCOME_KINDS
};

// How one attempt ended. Strings are borrowed for the call.
struct outcome {
    uint64_t ticket; // These three from struct send. An outcome of another epoch than the present
    uint32_t shard;  // one is dropped: it is not for this owner any more, even if this node has the
    int64_t epoch;   // shard again.
    enum outcome_kind kind;
    dur_ms retry_after_ms;  // From the answer's Retry-After; 0 when there was none.
    const char *location;   // Where an answer 3xx leads, to be shown. NULL when none.
    const char *body_error; // ANSWERED: how the body breaks a rule of the job, as the end of a
                            // sentence about the answer; NULL: it breaks none.
    bool body_is_judged;    // ANSWERED, and the job has rules for the body: they were looked at.
    bool asks_to_wait;      // ANSWERED 202 to a request with a callback: the target will say later
                            // how it ended.
    bool is_unheard;        // LOST: nobody knows what the target did; NOT_SENT: no request could
                            // be made of the job. The target is not to blame.
    struct attempt attempt; // execution_id and number are filled in by the core.
};

enum command_kind {
    COMMAND_CREATE,
    COMMAND_UPDATE,
    COMMAND_DELETE,
    COMMAND_TRIGGER,
    COMMAND_ACCEPT_CLOCK, // The clock is right now: go on at once, whatever the watermark says.
    COMMAND_BULK,         // Several of the three above, of one shard: all or none.
    COMMAND_REPLAY,       // An execution that is over, carried out again.
    COMMAND_BACKFILL,     // Occurrences of a past range. ERR_RANGE: there is none.
    COMMAND_CANCEL,       // No further attempt of an execution. ERR_NOT_FOUND: it is over.
    // Somebody has seen the alert `id`. An alert belongs to the shard that has given its id, so
    // that its owner alone writes it, but no core knows alerts: who asks has looked that there is
    // one, and says which job and incident it belongs to. Nobody is reminded of that any more.
    COMMAND_ACK_ALERT,
    // The target of an attempt says how it ended, or how far it has come. ERR_CONFLICT: the
    // execution is over, and its row says how. ERR_EXISTS: it does not wait for this: another
    // attempt was begun since, or the target has said the opposite.
    COMMAND_COMPLETE,
    COMMAND_NOTE,
    COMMAND_RAISE_ALERT, // About the server, by a part of it that is not the core.
    // A heartbeat is pinged. The execution that it is for is in the reply.
    COMMAND_PING,
    // From the node that gave the shard back, not from a client: an attempt that went on there has
    // ended. ERR_NOT_FOUND: nobody waits for that attempt any more.
    COMMAND_OUTCOME
};

// What a client asked for, validated.
struct command {
    enum command_kind kind;
    uint32_t shard;                 // CREATE, ACCEPT_CLOCK, RAISE_ALERT: which one; else the job's.
    job_id id;                      // The job, for most kinds; ACK_ALERT: the alert.
    job_id alert_job;               // ACK_ALERT: the alert's job, which is of its shard; 0: none.
    int64_t incident_id;            // ACK_ALERT: struct alert.incident_id.
    struct execution_key execution; // CANCEL, REPLAY.
    int64_t version_expected;       // UPDATE, DELETE: 0 accepts any.
    const struct job *before; // UPDATE: the job at version_expected. Borrowed. NULL: not known.
    struct job *job;          // Taken by the core. id, version and the times are filled in.
    const struct zone *zone;  // CREATE, UPDATE: of job->timezone.
    // CREATE, UPDATE: job->schedule, compiled for the job's id. Borrowed. NULL: the core compiles
    // it, as for a new job whose schedule has an `H`.
    const struct cron_schedule *schedule;
    // CREATE, UPDATE: what was read of job->api. Borrowed. NULL: the core cuts its host out.
    const struct url *url;
    wall_ms from;     // BACKFILL: from this instant
    wall_ms to;       // to this one,
    uint32_t count;   // and no more than so many.
    const char *body; // TRIGGER, REPLAY: overrides the job's; NULL: the job's own. PING: the note
                      // that comes with it, or NULL. Borrowed.
    bool body_is_json;
    enum ping_kind ping;                 // PING: what it says;
    uint32_t exit_status;                // FAIL: of what ran, or 0;
    const char *run;                     // how its client calls the run, or NULL. Borrowed.
    const struct client_key *client_key; // What makes rows: text and digest; or NULL. Borrowed.
    // Who asks for it and what changes: recorded with the effects, once the core has filled in
    // when, about which job, and the execution of a trigger, a replay or a cancellation. NULL:
    // nothing is recorded. Borrowed.
    const struct audit_entry *audit;
    // Not zeroed: the command is a row of the store, claimed in this epoch of its shard. It is
    // refused with ERR_AWAY in another one. Its reply is recorded with its effects.
    struct command_id command_id;
    int64_t epoch;
    struct command
        *parts; // BULK: CREATE, UPDATE, DELETE, each job once. Borrowed; their jobs taken.
    size_t part_count;
    enum err refusal; // The reply to a row that cannot be read. ERR_OK: the command is judged.
    // COMPLETE, NOTE, of `execution`: which attempt; 0: the one that is waited for. The body is
    // what went wrong, or NULL; of a note it is "PERCENT TEXT", a line.
    uint16_t attempt;
    bool has_failed; // COMPLETE
    // OUTCOME: how the attempt ended, with its execution_id and number; ticket, shard and epoch say
    // nothing. Borrowed, with its texts.
    const struct outcome *outcome;
    // RAISE_ALERT: its facts: kind, subject, attempts, last_error, from, to. Borrowed, with its
    // texts, until the reply.
    const struct alert *alert;
    void *token; // Comes back in the reply.
};

// A command that came from another node, as bytes, with all that it points to but its zone, which
// is NULL. What a reader does not know is passed over, and what a writer did not know has its
// default, so that versions of the program understand each other.
struct letter {
    struct command command; // The job is the letter's, until somebody takes it and leaves NULL.
    struct job *before;     // As far as the core asks of it.
    char *body;
    char *run;
    struct client_key client_key; // Owns its text.
    struct audit_entry audit;     // Owns its texts.
    struct outcome outcome;       // Owns its texts,
    struct alert alert;           // as does this.
    struct letter **parts;        // The letters of command.parts.
};

#define LETTER_BYTES_MAX (8 << 20) // A command with the longest job has about half a MiB.

// The caller frees *bytes.
void letter_pack(const struct command *c, char **bytes, size_t *count);
// ERR_SYNTAX: the bytes are no command, or one that this version cannot carry out.
MUST_CHECK enum err letter_unpack(const void *bytes, size_t count, struct letter **out,
                                  struct fault *f);
void letter_free(struct letter *p); // NULL is a no-op.

#define BULK_MAX 1000      // Parts of one command.
#define BACKFILL_MAX 10000 // Occurrences that one command carries out again.

enum event_kind {
    EVENT_TICK, // Time passed, or there is more to do.
    EVENT_COMMAND,
    EVENT_OUTCOME,
    EVENT_RECORDED, // Batches up to `sequence` are durable.
    EVENT_STORE,    // Nothing can be written now, and why, or it can be again: `cause`.
    EVENT_DISK,     // Only the reserve of the disk is left, or there is more again.
    EVENT_DRAIN,    // No attempt starts any more; commands but reads are refused with ERR_CLOSED.
    // A shard is ours from now on: its row as it was taken. What it holds comes next, from
    // core_add_job and core_add_execution, as fast as may be, and then EVENT_SHARD_LOADED.
    EVENT_SHARD_GAINED,
    // All was added, and the shard was still ours after the last of it had been read: it goes on
    // where the last owner ended, within some ticks.
    EVENT_SHARD_LOADED,
    EVENT_SHARD_LOST, // Somebody else may have it. Its jobs are forgotten, its flights cancelled.
    // Somebody else is to have it, in an orderly way. Its jobs are forgotten, and nothing more of
    // it starts; its flights go on, and their rows say so. The batch of this step is the last that
    // has changes of it: once that is durable, the next owner may take it.
    EVENT_SHARD_GIVE_BACK,
    EVENT_LEASE, // No attempt starts at `until` or later. Before the first one none does.
    EVENT_ZONE   // A zone was read again: jobs of `zone_old` use `zone_new`, all after some ticks.
};

struct event {
    enum event_kind kind;
    union {
        struct shard shard;    // SHARD_GAINED
        uint32_t shard_number; // SHARD_LOADED, SHARD_LOST
        struct {
            uint32_t shard;
            const char *node;      // This one, for the rows of its flights. Borrowed.
            wall_ms flights_until; // Then the last of them is cancelled.
        } give_back;               // SHARD_GIVE_BACK
        mono_ms until;             // LEASE; MONO_NEVER: it does not end.
        struct command *command;
        const struct outcome *outcome;
        uint64_t sequence;
        enum err cause; // STORE: ERR_OK: batches are written again.
        struct {
            bool is_low;
            int64_t free_bytes;
        } disk; // DISK
        struct {
            const struct zone *zone_old;
            const struct zone *zone_new;
        };
    };
};

// --- Actions ---------------------------------------------------------------------------------

// What an attempt sends. Borrowed until the next core_step.
struct request {
    const char *api;
    const char *headers;         // "Name: value\n" lines, or NULL.
    const char *body;            // NULL: the default body; "": none.
    const char *signing;         // Keys that sign the request, sealed (secrets/signing.h), or NULL.
    const char *oauth;           // The OAuth client of the job (secrets/oauth.h), or NULL.
    const char *bearer;          // The access token, once dispatch has one; NULL from the core.
    const char *tls_ca;          // PEM certificates to trust beside the server's own, or NULL.
    const char *tls_client_cert; // PEM certificates to show to the target, and the private key of
    const char *tls_client_key;  // the first, sealed; or both NULL.
    const char *success_body;    // What the answer's body must have (base/body_rule.h), or NULL,
    const char *failure_body;    // and what it must not have.
    enum job_method method;
    struct execution_key key;
    const char *origin;   // REPLAY: the id of the execution that is carried out again. Or NULL.
    const char *callback; // Where the target may say later how it ended: a secret. The core leaves
                          // NULL, and says in wants_callback whether there is to be one.
    enum execution_trigger trigger;
    unsigned attempt;
    dur_ms timeout_ms;
    int64_t epoch;   // The shard's: tells a receiver which of two senders is the later one.
    bool is_trial;   // The attempt is of no job, and has an id of its own kind.
    bool repeatable; // The job runs at least once: what is known not to have arrived is sent again.
    bool is_plain;   // For no execution, whose headers it lacks: for a token, or for people. All of
                     // it is secret, and its headers are complete but for User-Agent.
    bool body_is_json;
    bool wants_callback;
    bool tls_verify;
    bool fresh_connection;
    uint8_t redirects;               // So many are followed.
    uint32_t response_excerpt_bytes; // At most so much of the body comes back in the outcome.
};

// Every send is answered by exactly one EVENT_OUTCOME with its ticket.
struct send {
    uint64_t ticket;
    uint32_t shard;
    mono_ms not_after; // No request leaves at this instant or later; 0: at any time.
    struct request request;
};

// Where a reply comes from, when keys are looked for as a command is sent to another node: the core
// only ever says the first.
enum reply_source {
    REPLY_OF_CORE,
    REPLY_OF_BEFORE, // The key stood for the same request: what that one got.
    REPLY_KEY_BUSY,  // ERR_EXISTS: the first request with this key is not over,
    REPLY_KEY_OTHER, // or was another one.
    REPLY_JOB_KEY    // ERR_EXISTS: `job` has the key of the job that was to be created.
};

// Held until its batch is durable.
struct reply {
    void *token;
    enum reply_source source;
    enum err err; // NOT_FOUND, CONFLICT (version), LIMIT, CLOSED, UNUSABLE, FORBIDDEN (a heartbeat
                  // sends nothing), RANGE (it would never run), AWAY (its shard is not ours, or not
                  // loaded yet), or of cron_parse.
    job_id job;   // BULK: the first new one, its nth the nth id behind it; else the one it named.
    int64_t version;          // BULK, refused: the place of the part that was.
    struct execution_key key; // TRIGGER, REPLAY, CANCEL, PING; the first one of BACKFILL.
    bool is_recorded;         // The batch holds the reply: the command is a row of the store.
    // CREATE, UPDATE: the job as its row will be once the batch is durable; when it was refused
    // with RANGE, what was asked for, under the id for which it was judged. The owner of a row that
    // was taken out of the list leaves NULL there.
    struct job *row;
};

// An attempt has ended whose shard was given back: for its new owner, as COMMAND_OUTCOME. The texts
// are those of the event.
struct handoff {
    job_id job;
    struct outcome outcome; // With execution_id and number.
};

// What core_step answers. The caller empties the lists after acting on them.
struct actions {
    struct batch *batch; // In: an open batch to append to.
    struct send *sends;
    size_t send_count;
    size_t send_capacity;
    uint64_t *cancels; // Tickets of sends that are no longer wanted; their outcome still comes.
    size_t cancel_count;
    size_t cancel_capacity;
    struct reply *replies;
    size_t reply_count;
    size_t reply_capacity;
    struct handoff *handoffs;
    size_t handoff_count;
    size_t handoff_capacity;
    wall_ms wake_wall; // Tick at the earlier of both; WALL_NEVER, MONO_NEVER: no need.
    mono_ms wake_mono;
    bool is_planning; // What the next tick plans belongs together with what this one has.
};

void actions_clear(struct actions *a); // Empties the lists, and frees rows that nobody took; leaves
                                       // the batch alone.
void actions_free(struct actions *a);

// --- The machine -----------------------------------------------------------------------------

struct core_limits {
    uint32_t shards;             // How many the store has.
    dur_ms lookahead_ms;         // Rows are planned at most so far ahead of now; default 2500,
    dur_ms gather_ms;            // and the first of several by so much less; default 1000:
    uint32_t gather_max;         // not all of them, when there are more than this; default 32768.
    uint32_t in_flight_max;      // Attempts at once, in all; default 16384.
    uint32_t host_in_flight_max; // Per target host and port; default 1024.
    uint32_t
        host_rate_max; // Requests a second to one, of jobs without a rate of their own; 0: any.
    uint32_t jobs_max;
    uint64_t texts_bytes_max; // URLs, headers, bodies and certificates of all jobs; default 2^29.
    uint32_t open_max; // Executions that are not terminal; a host may have as many as are free.
    uint32_t step_max; // Rows planned in one tick; the rest follows at once.
    uint32_t due_max;  // The same for instants and retries that are due: requests wait for them.
    dur_ms doubt_ms; // A lease and 10 s: requests that left in this time before a shard was gained
                     // may be unknown to a database that was replaced; default 15000.
    dur_ms late_ms;  // An occurrence planned later than this counts as missed by downtime.
    uint32_t
        breaker_losses; // Attempts in a row without an answer that open a host's breaker; 0: never.
};

extern const struct core_limits core_limits_default;

struct core;

struct core *core_new(const struct core_limits *limits);
void core_free(struct core *c); // NULL is a no-op.

// Between EVENT_SHARD_GAINED and EVENT_SHARD_LOADED: every job of the shard, then every execution
// that is not terminal, in order of id; other events may come between them. The job is borrowed for
// the call; `zone` is the one of its timezone. ERR_LIMIT beyond jobs_max, or what cron_parse says
// of its schedule; an execution whose job was not added is cancelled.
MUST_CHECK enum err core_add_job(struct core *c, const struct job *j, const struct zone *zone);
MUST_CHECK enum err core_add_execution(struct core *c, const struct execution *e);

// Instead of core_add_job: a job that cannot be used as it is. It can be updated and deleted, and
// is else inactive; if it was to run, that is written down, with the reason and an alert.
// NULL: it is beyond jobs_max, of which one alert tells for all.
void core_add_unusable(struct core *c, const struct job *j, const char *reason);

// Whether the shard takes commands: it is ours, and what it holds goes on.
bool core_has_shard(const struct core *c, uint32_t number);
// The row of a shard that is ours as it stands: what changed last may not be written yet.
struct shard core_shard(const struct core *c, uint32_t number);
int64_t core_epoch(const struct core *c, uint32_t shard); // In which it is ours; 0: it is not.

void core_step(struct core *c, const struct event *e, struct now now, struct actions *out);

// For tests: asserts what must hold between two steps, of every job, gate and execution.
void core_check(struct core *c);

// Calls back once for each time zone that a job uses.
typedef void core_each_zone(void *context, const struct zone *z);
void core_zones(const struct core *c, core_each_zone *each, void *context);

// A target host where nothing answers: its breaker opened, and has not been closed for long.
struct host_down {
    wall_ms since; // The first attempt without an answer ended then.
    uint32_t open; // Executions of its jobs that are not terminal.
    char origin[ORIGIN_BYTES];
};

#define HOSTS_DOWN_SHOWN 8

// A target host for which executions wait, since requests leave for it at a limited rate.
struct host_paced {
    uint32_t rate;    // Requests a second, of jobs with this rate.
    uint32_t waiting; // Executions.
    char origin[ORIGIN_BYTES];
};

#define HOSTS_PACED_SHOWN 4

// Gauges of the machine as it stands, for health and metrics.
struct core_status {
    uint32_t shards;   // How many are ours.
    wall_ms watermark; // The least of those that are planned; 0: none is.
    uint64_t jobs;
    uint64_t jobs_active;
    uint64_t open;             // Executions that are not terminal.
    uint64_t in_flight;        // Attempts on the wire, also of shards that were given back.
    uint64_t elsewhere;        // Attempts that are under way at the last owners of their shards.
    uint64_t waiting;          // Due, but held back by a limit;
    uint64_t waiting_for_rate; // so many of them by the rate of their host.
    uint64_t retrying;         // Between two attempts.
    uint64_t awaiting;         // Taken by their targets, which have yet to say how they ended.
    enum err halted;           // Why the store takes no writes; ERR_OK: it does.
    bool draining;
    uint32_t hosts_down;
    struct host_down down[HOSTS_DOWN_SHOWN];    // The first of them; the rest is unset.
    uint32_t host_rate_max;                     // As in struct core_limits.
    uint32_t hosts_paced;                       // A host counts once for each rate.
    struct host_paced paced[HOSTS_PACED_SHOWN]; // The first of them; the rest is unset.
};

struct core_status core_status(const struct core *c);

// Whether COMMAND_OUTCOME of this attempt, of which its execution_id and number count, would end
// it.
bool core_awaits(struct core *c, job_id job, const struct attempt *a);

// Which execution an outcome is of that has not been told yet, and the number of its attempt.
// False: it would be dropped.
bool core_flight(const struct core *c, const struct outcome *o, struct execution_key *key,
                 unsigned *attempt);

#endif
