// SPDX-License-Identifier: MIT
// service_priv.h: what the files of the service share: the pool of readers, changes, checks.

#ifndef CARILLON_SERVICE_SERVICE_PRIV_H
#define CARILLON_SERVICE_SERVICE_PRIV_H

#include "base/mailbox.h"
#include "base/url.h"
#include "service/service.h"

#include <pthread.h>
#include <stdatomic.h>

// How often a change is made anew because something else changed the job: the job itself, when a
// pause ends or a target is gone. Changes by clients take turns.
#define CHANGE_TRIES_MAX 8
#define CHANGE_BUCKETS 4096

// --- readers.c: connections that are lent to whoever asks ----------------------------------------

struct readers {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct store_reader **idle;
    size_t idle_count;
    size_t count;
};

enum err service__readers_open(struct readers *r, struct store *s, size_t count, struct fault *f);
void service__readers_close(struct readers *r);               // All must have been returned.
struct store_reader *service__reader_take(struct readers *r); // Waits until one is idle.
void service__reader_return(struct readers *r, struct store_reader *reader);

// --- lists.c: the same for lists, which may come from a replica ----------------------------------

struct lists {
    bool has_replica;
    struct readers readers; // Connections to the replica.
    pthread_mutex_t lock;   // Guards what follows.
    mono_ms next_probe;
    dur_ms lag_ms; // -1: the replica is not to be asked, or there is none.
    bool told_away;
};

MUST_CHECK enum err service__lists_open(struct lists *l, struct store *replica, size_t count,
                                        struct fault *f);
void service__lists_close(struct lists *l);
// To be given back to *from.
struct store_reader *service__list_reader_take(struct service *s, struct readers **from);

// --- questions.c: threads that ask ---------------------------------------------------------------

struct question {
    service_question *ask;
    void *context;
};

struct questions {
    pthread_mutex_t lock; // Guards all that follows.
    pthread_cond_t came;  // A question, or the end.
    struct question *ring;
    size_t first;
    size_t count;
    size_t max;
    size_t idle; // Threads that wait.
    bool ending;
    pthread_t *threads;
    size_t thread_count;
};

enum err service__questions_open(struct questions *q, size_t threads, size_t max, struct fault *f);
void service__questions_close(struct questions *q); // What waits is asked before.

// --- upcoming.c: forecasts that are kept for the next page
// ----------------------------------------

#define FORECASTS_KEPT 4

// A forecast of the jobs that a filter lets through.
struct kept_forecast {
    struct forecast *forecast; // NULL: there is none yet.
    char *text;                // The filter; NULL: all.
    char *tag;
    unsigned readers; // Who list from the forecast now: it must not go.
    bool is_old;      // The last reader frees it.
    mono_ms good_until;
    mono_ms used_at;
};

struct forecasts {
    pthread_mutex_t lock;
    bool is_making; // By one thread at a time.
    struct kept_forecast *kept[FORECASTS_KEPT];
};

void service__forecasts_init(struct forecasts *f);
void service__forecasts_fini(struct forecasts *f);

// --- quota.c: what tokens with a quota have ------------------------------------------------------

// What a change does to the jobs of one token; either number may be negative.
struct quota_claim {
    int64_t token;
    struct job_sum change;
    uint64_t reads; // See quota.c.
    bool is_held;
};
enum quota_end { QUOTA_NOT_MADE, QUOTA_MADE, QUOTA_IN_DOUBT };

// What the store has of a token's jobs. On the thread of whoever takes a claim.
typedef enum err quota_read(void *context, int64_t token, struct job_sum *out,
                            struct service_problem *p);
struct quotas *service__quotas_new(quota_read *read, void *context, bool is_shared);
void service__quotas_free(struct quotas *q); // No claim is held. NULL is a no-op.
// Takes all claims, of which no two are of one token, or none: PROBLEM_QUOTA, or why the store
// cannot be read. Only what `by` adds to its own jobs can be refused.
enum err service__quotas_take(struct quotas *q, const struct actor *by, struct quota_claim *claims,
                              size_t count, mono_ms now, struct service_problem *p);
// The change is over. Claims that are not held are passed over.
void service__quotas_settle(struct quotas *q, struct quota_claim *claims, size_t count,
                            enum quota_end end);

// --- The service itself --------------------------------------------------------------------------

struct service {
    struct engine *engine;
    service_submit *submit; // NULL: engine_submit.
    void *submit_context;
    struct readers readers;
    struct lists lists;
    struct questions questions;
    struct forecasts forecasts;
    struct quotas *quotas;
    // Changes whose reply has come or whose turn it is, and at the end the order to end.
    struct mailbox *mailbox;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t left; // The last change, after service_stop.
    bool stopping;
    bool settled;   // The thread has ended.
    size_t changes; // Under way: each has room in the mailbox.
    size_t changes_max;
    uint32_t shards;
    service_attempt *attempt;
    void *attempt_context;
    const struct address_policy *targets; // Borrowed; NULL: every address will do.
    // Changes whose turn it is, by job or by a job's key.
    struct service_change *turns[CHANGE_BUCKETS];
    struct service_change *keyed[CHANGE_BUCKETS]; // Changes under way that have a key.
};

// --- change.c: one change on its way -------------------------------------------------------------

// What the check has read of a job's texts, for all who need it later.
struct service_reading {
    struct service_schedule schedule;
    struct url url;
};

// What the log calls a change of a job.
enum update_kind { UPDATE_EDIT, UPDATE_PAUSE, UPDATE_RESUME };

struct service_change {
    struct mail mail;
    struct service *service;
    service_done *done;
    void *context;

    // What the client asked for.
    struct actor *by; // Owned.
    enum command_kind kind;
    job_id id;
    int64_t version_expected; // 0: any.
    char *job_key;            // CREATE, `by_key`: the key of the job; NULL: it has none. Owned.
    bool by_key; // The job that has the key is updated, or created: `kind` becomes the one or the
                 // other.
    service_edit *edit; // UPDATE; NULL: a pause or a resumption.
    bool resumes;       // A resumption: the job must be able to fire afterwards.
    char *text;         // TRIGGER: the body. Pause: the reason. COMPLETE, NOTE: what was told.
    bool text_is_json;
    uint16_t attempt;               // COMPLETE, NOTE: as of struct command.
    bool has_failed;                // COMPLETE
    enum ping_kind ping;            // PING: what it says, with the note in `text`,
    uint32_t exit_status;           // of what ran,
    char *run;                      // and how its client calls that. Owned.
    wall_ms until;                  // Pause.
    struct service_bulk *bulk;      // BULK. Owned.
    job_id alert_job;               // ACK_ALERT: the alert's job; 0: none.
    int64_t incident_id;            // ACK_ALERT: its incident; 0: none.
    struct execution_key execution; // CANCEL, REPLAY.
    wall_ms from, to;               // BACKFILL: the range,
    uint32_t count;                 // and how many occurrences it has.
    enum execution_state state;     // The state of that execution, when it was looked at.
    struct client_key key; // Text (borrowed until `done` is called, NULL: no key) and digest.

    // The place among the changes under way (turns.c).
    bool has_key;                      // The change is in service.keyed.
    struct service_change *keyed_next; // In service.keyed.
    bool has_turn; // UPDATE, or with a job's key: the change is in service.turns.
    struct service_change *turn_next; // In service.turns.
    struct service_change *behind;    // The next change that waits for its turn.
    struct service_change
        *last_behind; // The last of those that wait, when this change has the turn.

    // What the stages make of the wish.
    struct job *before; // UPDATE: as the job stands. DELETE: as it stood; NULL: it is unreadable.
    struct job *row; // CREATE (the draft), UPDATE: what the job is to be; until it is handed over.
    bool must_fire;  // UPDATE: the row must have an occurrence ahead.
    enum update_kind update;
    struct service_reading reading;
    bool schedule_is_known;   // The core uses reading.schedule as it stands.
    struct audit_entry audit; // What is recorded of the change. Owns `before` and `after`.

    // What it does to the jobs of tokens; none twice.
    struct quota_claim *claims;
    size_t claim_count;
    size_t claim_capacity;

    // What became of the change.
    unsigned tries;
    bool replayed; // The change was done before, for the same key.
    bool replied;  // Else it is in the mailbox because it is its turn.
    struct reply reply;
};

// Sends a change on its way, or to wait for its turn: one with this service, `done`, context and
// wish, and nothing else. Takes what the wish points to, also on failure.
enum err service__change_start(const struct service_change *wish, struct service_problem *p);
// The change's turn has come. On failure it is still the caller's.
enum err service__change_begin(struct service_change *c, struct service_problem *p);
// Checks the change and hands it over, also when that is done anew. As above.
enum err service__change_make(struct service_change *c, struct service_problem *p);
// Frees the change, which has been answered or refused, and lets who waits behind it begin.
void service__change_end(struct service_change *c);

// change_key.c: as a change carries it. NULL: none.
struct client_key service__key_of(const struct service_key *key);
// What was done before with the client's key, if it has one: the reply is filled in
// and `replayed` set.
// Why the key keeps the change from being made: its first request is not over, or was another one.
enum err service__refuse_key(struct service_problem *p, bool is_busy);
enum err service__key_look_up(struct service_change *c, struct service_problem *p);
// Whether something was done with the key before, wherever that is found out; false if the store
// cannot say.
bool service__key_is_known(struct service_change *c);

// change_row.c: makes the row that the change asks for, if it asks for one.
enum err service__change_row(struct service_change *c, struct service_problem *p);
// The job `owner` has the key that the change's job was to have.
enum err service__refuse_job_key(const struct service_change *c, job_id owner,
                                 struct service_problem *p);

// replays.c: looks at what is to be carried out again: an execution, or a range of a job.
enum err service__find_origin(struct service_change *c, struct service_problem *p);
enum err service__count_backfill(struct service_change *c, struct service_problem *p);

// bulk.c: several changes in one.
struct service_bulk *service__bulk_new(struct service_operation *operations, size_t count,
                                       size_t *failed);
void service__bulk_free(struct service_bulk *b); // NULL is a no-op.
// Makes the parts, and the command of them.
enum err service__bulk_check(struct service_change *c, struct command *out,
                             struct service_problem *p);
void service__bulk_succeed(struct service_change *c);
void service__bulk_refuse(struct service_change *c, struct service_problem *p);
void service__bulk_count(const struct service_change *c, size_t counts[static SERVICE_OPERATIONS]);

// change_check.c: makes the command that the change asks for. Its job, the row, is the caller's.
enum err service__change_check(struct service_change *c, struct command *out,
                               struct service_problem *p);

// audit.c: what is to be recorded of the change, as soon as its row is complete; anew when it is
// made anew.
void service__audit_make(struct service_change *c);
void service__audit_drop(struct service_change *c);

// change_quota.c: what the part of a change, or the change itself, makes of a job; `after` NULL:
// the job is deleted.
void service__quota_note(struct service_change *c, const struct service_change *part,
                         const struct job *after);
// Takes what was noted, or refuses.
enum err service__quota_take(struct service_change *c, struct service_problem *p);
// Notes nothing more: the change is over, before its client hears of it, or is made anew.
void service__quota_settle(struct service_change *c);
quota_read service__quota_read; // The context is the service.

// change_command.c: hands the command over to the engine. Takes its job, also on failure.
enum err service__change_command(struct service_change *c, const struct command *command,
                                 struct service_problem *p);
void service__change_to_thread(
    struct service_change *c); // The service's thread goes on with the change.

// change_reply.c: the service's thread.
void *service__work(void *service);

// turns.c: changes by job and by key, under the service's lock.
//
// False: another update of the job, or another change with the job's key, is under way, and the
// change waits behind it.
bool service__turn_take(struct service_change *c);
// The change is over. Returns the one whose turn it is now, or NULL.
struct service_change *service__turn_pass(struct service_change *c);
// False: another change with this key is under way.
bool service__key_take(struct service_change *c);
void service__key_leave(struct service_change *c);

// --- log.c ---------------------------------------------------------------------------------------

void service__log_success(const struct service_change *c); // Once the change is durable.
enum update_kind service__update_kind(const struct job *before, const struct job *after);

// --- problem.c -----------------------------------------------------------------------------------

// What an error of the store or the engine means to the client. `p` always gets a kind. The story
// in *f is for the log; NULL when there is none.
enum err service__refuse_err(struct service_problem *p, enum err err, const struct fault *f);
enum err service__refuse_version(struct service_problem *p);

// --- check*.c: whether a job is acceptable -------------------------------------------------------

// What a job is judged by.
struct job_check {
    const struct job *before; // As the job stands: what was not touched is not judged again, by the
                              // present time or by `targets`. NULL: a new job.
    const struct address_policy *targets; // NULL: all may be called.
    bool must_fire;                       // An occurrence must lie ahead, whatever was touched.
    wall_ms now;
};

// Checks every member, and reads the schedule and the URL. Whether a new job whose schedule has an
// `H` ever fires is left to the core, which gives it its id.
enum err service__check_job(struct job *j, const struct job_check *c, struct service_reading *out,
                            struct service_problem *p);
// check_kind.c: a heartbeat gets its ping_key here.
enum err service__check_kind(struct job *j, const struct job_check *c, struct service_problem *p);
enum err service__draw_ping_key(struct job *j, struct service_problem *p);
enum err service__check_schedule(struct job *j, const struct job_check *c,
                                 struct service_schedule *out, struct service_problem *p);
// Puts the URL into the form in which it is kept: as it is sent, percent-encoded.
enum err service__check_url(struct job *j, const struct job_check *c, struct url *out,
                            struct service_problem *p);
// The URL of the token server of a job that has one.
enum err service__check_token_url(const struct job *j, const struct job_check *c,
                                  struct service_problem *p);
enum err service__check_texts(const struct job *j, struct service_problem *p);
enum err service__check_numbers(const struct job *j, struct service_problem *p);
enum err service__check_tags(const struct job *j, struct service_problem *p); // And alert_channels.
enum err service__check_body(const char *body, struct service_problem *p);
// Why the job, under the id that it has, would never run. Always an error.
enum err service__refuse_vain(const struct job *j, wall_ms now, struct service_problem *p);

// Reads schedule and zone. The problem points at the member which is wrong.
enum err service__read_schedule(const char *schedule, const char *zone_text,
                                const struct cron_options *o, struct service_schedule *out,
                                struct service_problem *p);
enum err service__check_can_fire(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                                 struct service_problem *p);

// --- explain.c gathers the facts, judge.c judges them --------------------------------------------

// What is known of one instant of a job. Borrowed for the call.
struct explain_facts {
    wall_ms at;
    wall_ms now;
    const struct job_span *spans; // Spans of all versions that are known; at least one.
    size_t span_count;
    uint32_t runs_left;                // Runs that max_runs leaves from the watermark on.
    const struct execution *execution; // The execution of `at`; NULL: there is none.
    const struct execution *missed;    // A MISSED range that reaches over `at`; NULL: none.
    struct store_progress progress;
    const struct host_down *down;   // Nothing answers where the job calls; NULL: nothing is known.
    const struct host_paced *paced; // Executions wait for its rate, which is the job's; or NULL.
    enum err store_stalled;         // ERR_OK, or why nothing is written.
    bool draining;
    dur_ms grace_ms; // So long an occurrence waits for its ping; 0: the job is no heartbeat.
};

// Pure. Sets what it has to say; the execution, its strings and the next runs are the caller's.
void service__judge(const struct explain_facts *f, struct explanation *out);
// The same about the job as it is now, rather than about an occurrence: `previous` and `next` are
// the instants of its schedule around `at`, also while it is paused.
void service__judge_present(const struct explain_facts *f, struct explanation *out);

// spans.c: instants of the job's versions. 0 and WALL_NEVER: there is none.
const struct job_span *service__span_at(const struct explain_facts *f, wall_ms at); // Or NULL.
const struct job_span *service__span_last(const struct explain_facts *f);
wall_ms service__next_of(const struct explain_facts *f, wall_ms after);
wall_ms service__previous_of(const struct explain_facts *f, wall_ms before);
// Whether the version's schedule names the instant, whatever else there is about the version.
bool service__is_scheduled(const struct job_span *s, wall_ms at);
// The same as if the job had never been paused.
wall_ms service__scheduled_up_to(const struct explain_facts *f, wall_ms at);
wall_ms service__scheduled_after(const struct explain_facts *f, wall_ms at);

#endif
