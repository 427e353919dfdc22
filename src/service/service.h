// SPDX-License-Identifier: MIT
// service.h: what clients can ask for, without a word of HTTP.
//
// A change (create, update, pause, resume, delete, trigger) is checked on the caller's thread,
// handed to the engine as a command, and answered later on the service's own thread, when it is
// durable. Updates of one job take turns: each is made from the job as the one before has left it,
// so that clients who change a job at once need not try again and lose nothing. Questions are
// answered on the caller's thread, from a small pool of read-only connections; service_ask brings a
// caller that must not wait for one onto a thread that may.
//
// Any thread may call any function, but for opening and closing.

#ifndef CARILLON_SERVICE_SERVICE_H
#define CARILLON_SERVICE_SERVICE_H

#include "base/address_policy.h"
#include "core/core.h"
#include "engine/engine.h"
#include "store/store.h"

#define SERVICE_HEADERS_MAX 50
#define SERVICE_HEADERS_BYTES_MAX (16 * 1024)
#define SERVICE_TAGS_MAX 20
#define SERVICE_TAG_BYTES_MAX 64
#define SERVICE_CHANNELS_MAX 10 // In alert_channels of a job.

struct service;

// --- Problems ----------------------------------------------------------------------------------

enum problem_kind {
    PROBLEM_NONE,
    PROBLEM_FIELD,    // A member is missing, of the wrong form or out of range.
    PROBLEM_SCHEDULE, // With the position in the text, what was expected, and a hint.
    PROBLEM_TIMEZONE, // The hint names the nearest ones.
    PROBLEM_URL,
    PROBLEM_TARGET, // The URL's address is one that this server must not call.
    PROBLEM_HEADER,
    PROBLEM_NOT_FOUND,
    PROBLEM_VERSION,    // The job is not at the version which the client expects.
    PROBLEM_CONTENDED,  // The job kept changing by itself; trying again may help.
    PROBLEM_KEY_BUSY,   // The client's own first request with this key is not over.
    PROBLEM_KEY_REUSED, // The client used this key for something else.
    PROBLEM_JOB_KEY,    // Another job has this `key`.
    PROBLEM_TOKEN_NAME, // Another token has this name.
    PROBLEM_CHANNEL,    // Another channel has this name, or is the default one.
    PROBLEM_LIMIT,      // There are as many jobs as the server may have.
    PROBLEM_QUOTA,      // The token has as many jobs, or bytes in them, as it may have.
    PROBLEM_BUSY,       // Too many changes are under way; trying again helps.
    PROBLEM_CLOSED,     // The server is shutting down.
    PROBLEM_AWAY,       // The job is not on this node, or not yet; trying again helps.
    PROBLEM_STORE_LOW,  // What is left of the disk is kept for executions.
    PROBLEM_STORE_FULL, // The disk is full; nothing can be written now.
    PROBLEM_OVER,       // The execution has ended.
    PROBLEM_NOT_OVER,   // The execution has not ended.
    PROBLEM_COMPLETION, // The execution does not wait for what its target says.
    PROBLEM_SHARDS,     // The jobs are of several shards.
    PROBLEM_RANGE,      // The execution stands for a range of occurrences.
    PROBLEM_HEARTBEAT,  // The job calls nobody, so nothing of it can be carried out.
    PROBLEM_UNUSABLE,   // The job's row in the database cannot be used as it is.
    PROBLEM_STORE_BUSY, // Another program holds the database; trying again helps.
    PROBLEM_STORE_AWAY, // The database cannot be reached; trying again helps.
    PROBLEM_MOVED,      // Another node owns the job by now; nothing was changed.
    PROBLEM_DOUBT,      // The answer of the database was lost: the change may have been made.
    PROBLEM_STORE,      // Reading or writing the database failed.
    PROBLEM_DAMAGED,    // A row of the database is none that a server has written.
    PROBLEM_KINDS
};

// Why something was refused. Texts may be empty; none has a full stop at its end.
struct service_problem {
    enum problem_kind kind;
    const char *code;  // For a schedule what cron_code_name says. NULL for all else.
    bool has_position; // `position` and `length` count bytes of the member's text.
    size_t position;
    size_t length;
    char pointer[128]; // JSON pointer of the member: "/schedule", "/headers/X-Token".
    char detail[FAULT_TEXT_MAX];
    char expected[96];
    char hint[256];
};

// Fills *p and returns `code`, so that a check can say `return service_refuse(p, ...)`. `member` is
// the name of the member, or NULL; it is escaped as a JSON pointer demands.
enum err service_refuse(struct service_problem *p, enum err code, enum problem_kind kind,
                        const char *member, const char *format, ...) PRINTF_LIKE(5, 6);

// The problem lies in a part of the member: appends it to the pointer.
void service_problem_within(struct service_problem *p, const char *part);

// --- Opening and closing -------------------------------------------------------------------------

// Hands a change over, as engine_submit does: see there.
typedef enum err service_submit(void *context, const struct command *c, engine_reply *done,
                                void *reply_context);

// Makes one attempt at once, outside of the engine. What the request borrows is copied. `done` is
// called once if ERR_OK is returned, on any thread; its texts are borrowed for the call. ERR_LIMIT:
// too many are under way; ERR_CLOSED.
typedef void service_outcome(void *context, const struct outcome *o);
typedef enum err service_attempt(void *context, const struct send *s, service_outcome *done,
                                 void *done_context);

struct service_options {
    size_t readers;       // Threads for questions, each with a connection of its own.
    size_t questions_max; // Questions that may wait for one of them.
    size_t changes_max;   // Under way at once; beyond it they are refused with PROBLEM_BUSY.
    const struct address_policy *targets; // Which addresses may be called. NULL: all. Borrowed.
    // A replica, which lists may come from that are not of one job. NULL: there is none. It stays
    // the caller's.
    struct store *replica;
    // How changes get to the owner of their job, which may be another node: what a client's key
    // stands for is then found out on the way (reply.source), and the job is read once the change
    // is made. NULL: they go to the engine.
    service_submit *submit;
    void *submit_context;
    service_attempt *attempt; // For tests of drafts.
    void *attempt_context;
};

// Store and engine stay the caller's.
MUST_CHECK enum err service_open(const struct service_options *o, struct store *s, struct engine *e,
                                 struct service **out, struct fault *f);

// From its return on no command reaches the engine: changes are refused with PROBLEM_CLOSED.
// To be called before engine_stop. Questions go on.
void service_stop(struct service *s);

// Answers every change whose reply has come and ends the thread. To be called after service_stop
// and engine_stop. Questions go on.
void service_settle(struct service *s);

// Settles if need be, waits for the questions that are left and closes the readers. To be called
// when nobody asks any more. NULL is a no-op.
void service_close(struct service *s);

// --- Questions on a thread of their own ----------------------------------------------------------

// Called once, on one of the threads for questions. May call everything but opening and closing.
typedef void service_question(void *context);

// ERR_LIMIT: as many wait as may, and it will not be called.
MUST_CHECK enum err service_ask(struct service *s, service_question *ask, void *context);

// --- Changes -------------------------------------------------------------------------------------

// What became of a change. Borrowed for the call of `done`.
struct service_result {
    const struct service_problem *problem;   // NULL: it is done and durable.
    const struct job *job;                   // As it stands now; NULL unless a job was changed.
    const struct service_schedule *schedule; // The schedule of `job`; NULL: it cannot be read.
    struct execution_key execution;          // The execution of a trigger, or that was cancelled.
    uint32_t count;                          // How many executions a backfill has made.
    bool created;                            // The job is new.
    bool replayed;                           // The change was done before, for the same key.
};

// Called exactly once, on the service's thread, if the change was accepted. Must not block.
typedef void service_done(void *context, const struct service_result *r);

// Each of these returns ERR_OK when `done` will be called; else *p says why and it will not be.
// `by` says who asks; it is copied, and NULL when nobody is known. `version_expected` 0 accepts any
// version.

// What a client sends so that a request which it repeats is not carried out twice: the same text
// with the same digest within a day is answered as the first time. The text is borrowed until
// `done` is called, or until the change is refused.
struct service_key {
    const char *text;                        // 1 to CLIENT_KEY_BYTES_MAX bytes; NULL: no key.
    uint8_t digest[CLIENT_KEY_DIGEST_BYTES]; // SHA-256 of all that the request asks for.
};

// Takes `draft`, also on failure. `key` may be NULL: none.
MUST_CHECK enum err service_create_job(struct service *s, const struct actor *by, struct job *draft,
                                       const struct service_key *key, service_done *done,
                                       void *context, struct service_problem *p);

// Whether service_create_job would accept the draft, as far as the draft itself goes. Writes
// nothing and fills in the draft's time zone when it has none.
MUST_CHECK enum err service_check_job(const struct service *s, struct job *draft,
                                      struct service_problem *p);

// Whether the server may call the URL, which is well formed, of the member `member`: its port, and
// its host, if that is an address. `any_port`: the URL stands for a server of another protocol.
MUST_CHECK enum err service_check_target(const struct service *s, const char *member,
                                         const char *url, bool any_port, struct service_problem *p);

// Applies the client's wish to the job as it stands: on the caller's thread, or on the service's
// when other updates of the job come before. It may be called more than once.
typedef enum err service_edit(void *context, struct job *j, struct service_problem *p);

// `context` goes to `edit` and to `done`. A finished job counts as active when `edit` sees it, so
// that a new schedule starts it again; `edit` may set `finished` to what the client believes.
MUST_CHECK enum err service_update_job(struct service *s, const struct actor *by, job_id id,
                                       int64_t version_expected, service_edit *edit,
                                       service_done *done, void *context,
                                       struct service_problem *p);

// The same for the job that has this key. When there is none, it is created: the edit gets a new
// job, whose id is 0, and the result says so. Of two that come at once, one creates and the other
// updates. The key is copied.
MUST_CHECK enum err service_put_job_by_key(struct service *s, const struct actor *by,
                                           const char *key, int64_t version_expected,
                                           service_edit *edit, service_done *done, void *context,
                                           struct service_problem *p);

// `reason` may be NULL. `until` WALL_NEVER: until it is resumed. Pausing a paused job replaces
// both.
MUST_CHECK enum err service_pause_job(struct service *s, const struct actor *by, job_id id,
                                      int64_t version_expected, const char *reason, wall_ms until,
                                      service_done *done, void *context, struct service_problem *p);
MUST_CHECK enum err service_resume_job(struct service *s, const struct actor *by, job_id id,
                                       int64_t version_expected, service_done *done, void *context,
                                       struct service_problem *p);
MUST_CHECK enum err service_delete_job(struct service *s, const struct actor *by, job_id id,
                                       int64_t version_expected, service_done *done, void *context,
                                       struct service_problem *p);

// What is asked of one job among several.
enum service_operation_kind {
    OPERATION_CREATE,
    OPERATION_UPDATE,
    OPERATION_PAUSE,
    OPERATION_RESUME,
    OPERATION_DELETE,
    SERVICE_OPERATIONS
};

struct service_operation {
    enum service_operation_kind kind;
    job_id id;          // CREATE: set once the job is there.
    int64_t version;    // Set once the change is made; 0: not known, or the job is gone.
    service_edit *edit; // CREATE (of a new job, whose id is 0), UPDATE; with this context.
    void *context;
    const char *reason; // PAUSE; as for service_pause_job.
    wall_ms until;
};

// Makes all of the changes, which are of different jobs, or none. The operations are the caller's
// until `done`, and so is *failed: which of them the problem is about; `count`: no single one.
// PROBLEM_SHARDS. `key` may be NULL. Asks the database on the caller's thread.
MUST_CHECK enum err service_change_jobs(struct service *s, const struct actor *by,
                                        struct service_operation *operations, size_t count,
                                        size_t *failed, const struct service_key *key,
                                        service_done *done, void *context,
                                        struct service_problem *p);

// Runs the job now, also when it is paused. `body`, which came as JSON or as a text, replaces the
// job's own; NULL keeps it. Takes it, also on failure. `key` may be NULL: none.
MUST_CHECK enum err service_trigger_job(struct service *s, const struct actor *by, job_id id,
                                        char *body, bool is_json, const struct service_key *key,
                                        service_done *done, void *context,
                                        struct service_problem *p);

// Tells a heartbeat of what it waits for. The note is taken, also on failure; `run` is copied. The
// result has the execution that the ping is for.
struct service_ping {
    job_id job;
    enum ping_kind kind;
    uint32_t exit_status; // PING_FAIL: or 0.
    const char *run;      // A UUID, or NULL.
    char *note;           // Or NULL.
};
MUST_CHECK enum err service_ping(struct service *s, const struct actor *by,
                                 const struct service_ping *ping, service_done *done, void *context,
                                 struct service_problem *p);
bool service_is_ping_key(const char *text); // Whether the text has the form of one.

// Carries an execution that is over out again, as a new one that names it, or what it names itself.
// PROBLEM_NOT_OVER; PROBLEM_RANGE: it is MISSED for more than one occurrence. `key` may be NULL.
// Asks the database on the caller's thread, as the next ones do.
MUST_CHECK enum err service_replay_execution(struct service *s, const struct actor *by,
                                             const struct execution_key *origin,
                                             const struct service_key *key, service_done *done,
                                             void *context, struct service_problem *p);

// Carries out all occurrences of the job's present schedule from `from` to `to`, which lies in the
// past: all or, beyond BACKFILL_MAX, none. The result has the first execution. `key` may be NULL.
MUST_CHECK enum err service_backfill_job(struct service *s, const struct actor *by, job_id id,
                                         wall_ms from, wall_ms to, const struct service_key *key,
                                         service_done *done, void *context,
                                         struct service_problem *p);

// What that would carry out.
#define OCCURRENCES_COUNTED_MAX 100000
struct occurrences {
    uint32_t count;
    bool more; // Than were counted.
    wall_ms first;
    wall_ms last; // The last one that was counted.
};
MUST_CHECK enum err service_count_occurrences(struct service *s, job_id id, wall_ms from,
                                              wall_ms to, struct occurrences *out,
                                              struct service_problem *p);

// No further attempt of the execution is made; one that is under way is cut. An execution that is
// over: PROBLEM_OVER. Asks the database on the caller's thread.
MUST_CHECK enum err service_cancel_execution(struct service *s, const struct actor *by,
                                             const struct execution_key *key, service_done *done,
                                             void *context, struct service_problem *p);

// The target of an attempt tells how it ended, or how far it has come.
struct service_completion {
    uint16_t attempt; // 0: a person says so of the attempt that is waited for.
    bool is_note;     // Else it has ended,
    bool has_failed;  // and how.
    // Note: "PERCENT TEXT", of one line; else what went wrong, or NULL. Taken, also on failure.
    char *text;
};

// What the target has said before is done. PROBLEM_COMPLETION: the execution does not wait for
// this; PROBLEM_OVER. Asks the database on the caller's thread.
MUST_CHECK enum err service_complete_execution(struct service *s, const struct actor *by,
                                               const struct execution_key *key,
                                               const struct service_completion *what,
                                               service_done *done, void *context,
                                               struct service_problem *p);

// Says that the clock is right, when a clock that was ahead holds the schedules: they go on at
// once. The result has neither job nor execution.
MUST_CHECK enum err service_accept_clock(struct service *s, const struct actor *by,
                                         service_done *done, void *context,
                                         struct service_problem *p);

// Says that somebody has seen the alert, of which id, job and incident_id count. It belongs to the
// shard that has given its id, whose owner writes it. The first one to say so counts; for others
// the result is the same. That there is such an alert the caller has to know. Nobody is reminded of
// its incident any more. The result has neither job nor execution.
MUST_CHECK enum err service_ack_alert(struct service *s, const struct actor *by,
                                      const struct alert *a, service_done *done, void *context,
                                      struct service_problem *p);

// Makes an attempt of a draft, at once and by this server. Nothing of it is kept.
#define SERVICE_TRIAL_MS_MAX 60000 // Longer timeouts of a draft are cut to this.
struct service_trial {
    const struct attempt *attempt; // Borrowed.
    bool success;                  // The draft takes the answer for one.
};
typedef void service_tried(void *context, const struct service_trial *t);
// Takes `draft`, also on failure. `done` is called on a thread of its own. PROBLEM_BUSY.
MUST_CHECK enum err service_test_job(struct service *s, struct job *draft, service_tried *done,
                                     void *context, struct service_problem *p);

// --- Questions -----------------------------------------------------------------------------------
//
// PROBLEM_NOT_FOUND, PROBLEM_STORE and PROBLEM_DAMAGED are all that can go wrong. Lists leave out
// what is damaged.

// How old such lists are at the moment that come from a replica; -1: they come from the primary.
dur_ms service_lists_age(struct service *s);

// The caller owns *out (job_free).
MUST_CHECK enum err service_get_job(struct service *s, job_id id, struct job **out,
                                    struct service_problem *p);
MUST_CHECK enum err service_get_job_by_key(struct service *s, const char *key, struct job **out,
                                           struct service_problem *p);
MUST_CHECK enum err service_get_job_by_ping_key(struct service *s, const char *key,
                                                struct job **out, struct service_problem *p);
MUST_CHECK enum err service_list_jobs(struct service *s, const struct job_query *q,
                                      store_each_job *each, void *context,
                                      struct service_problem *p);
// As store_list_changed_jobs.
MUST_CHECK enum err service_list_changed_jobs(struct service *s, wall_ms since, size_t limit,
                                              store_each_changed *each, void *context,
                                              struct service_problem *p);
// The same with what each job did last and does next, in an order of the client's choice.
enum job_order { JOBS_BY_ID, JOBS_BY_NEXT_RUN, JOBS_BY_LAST_RUN, JOB_ORDERS };

#define BROWSE_LOOKED_AT_MAX 20000 // Jobs in one call, by id: the next call goes on from there.
#define BROWSE_SORTED_MAX 100000   // Jobs that can be brought into another order.

// A position in such a list: the instant that the order goes by (0 by id), and the id.
struct browse_cursor {
    wall_ms at;
    job_id id; // 0: the beginning.
};

struct browse_query {
    struct job_query jobs; // text, tag, is_active, now; the rest is not looked at.
    const char *also_tag;  // Another tag that the jobs carry; NULL: any, or none.
    unsigned last_states;  // EXECUTION_BIT of the states of the last execution; 0: any, or none.
    wall_ms next_before;   // The next run is before this instant; WALL_NEVER: any, or none.
    enum job_order order;
    bool descending; // Jobs without such an instant come last either way.
    struct browse_cursor after;
    size_t limit; // So many jobs, and one more if there is one; at least 1.
};

struct browsed_job {
    const struct job *job;
    const struct execution *last; // NULL: none is due yet.
    wall_ms next;                 // WALL_NEVER: it does not run any more, or not for now.
    struct browse_cursor cursor;
};
typedef enum err service_each_browsed(void *context, const struct browsed_job *j);

// *rest becomes the position from which a further call goes on, when this one looked at as many
// jobs as it may before `limit` of them were found; else its id is 0. ERR_LIMIT with PROBLEM_FIELD:
// there are too many jobs to bring them into order.
MUST_CHECK enum err service_browse_jobs(struct service *s, const struct browse_query *q,
                                        service_each_browsed *each, void *context,
                                        struct browse_cursor *rest, struct service_problem *p);
MUST_CHECK enum err service_list_executions(struct service *s, const struct execution_query *q,
                                            store_each_execution *each, void *context,
                                            struct service_problem *p);

// Calls `each` once for the execution, then `each_attempt` for its attempts in order.
MUST_CHECK enum err service_get_execution(struct service *s, const struct execution_key *key,
                                          store_each_execution *each,
                                          store_each_attempt *each_attempt, void *context,
                                          struct service_problem *p);

MUST_CHECK enum err service_list_alerts(struct service *s, const struct alert_query *q,
                                        store_each_alert *each, void *context,
                                        struct service_problem *p);
// As store_list_audit; never from a replica.
MUST_CHECK enum err service_list_audit(struct service *s, const struct audit_query *q,
                                       store_each_audit *each, void *context,
                                       struct service_problem *p);
MUST_CHECK enum err service_get_alert(struct service *s, int64_t id, store_each_alert *each,
                                      void *context, struct service_problem *p);
MUST_CHECK enum err service_count_executions(struct service *s, wall_ms from, wall_ms to,
                                             int64_t counts[static EXECUTION_STATES],
                                             struct service_problem *p);

// What jobs will do, in order of time, as far as is known now.
#define UPCOMING_RULES_MAX 100000 // Different schedules, of all jobs that are listed.

struct upcoming_place {
    wall_ms at; // At least 0.
    job_id job;
};

struct upcoming_query {
    const char *text; // As of struct job_query.
    const char *tag;
    struct upcoming_place after; // Only later ones: WALL_NEVER for the first page, from now on.
    wall_ms until;               // WALL_NEVER: no end.
};

struct upcoming_run {
    struct upcoming_place place;
    const char *name; // The name of the job; NULL: it has none.
};
typedef enum err service_each_upcoming(void *context, const struct upcoming_run *run);

// Calls back for each run, until that returns an error, which is returned. *as_of is when the jobs
// were read: that takes long when there are many, so it may be up to ten times as long ago.
// ERR_BUSY with PROBLEM_BUSY: they are being read for somebody else. ERR_LIMIT with PROBLEM_FIELD:
// there are too many rules, or runs to count.
MUST_CHECK enum err service_list_upcoming(struct service *s, const struct upcoming_query *q,
                                          service_each_upcoming *each, void *context,
                                          wall_ms *as_of, struct service_problem *p);

// --- Why did it not run? -------------------------------------------------------------------------

#define SERVICE_NEXT_RUNS 5

enum explain_verdict {
    EXPLAIN_ACTIVE, // The job itself, not an occurrence, is explained.
    EXPLAIN_NOT_SCHEDULED,
    EXPLAIN_RAN, // Or it is running: see the execution.
    EXPLAIN_SKIPPED,
    EXPLAIN_MISSED,
    EXPLAIN_CANCELLED,
    EXPLAIN_PAUSED,
    EXPLAIN_NOT_YET_CREATED,
    EXPLAIN_DELETED,
    EXPLAIN_FINISHED,
    EXPLAIN_HELD_BY_CLOCK,
    EXPLAIN_WAITING, // Due, but held back.
    EXPLAIN_PLANNED, // To come, and its row is written.
    EXPLAIN_FUTURE,  // To come.
    EXPLAIN_EXPIRED, // Older than what retention keeps.
    EXPLAIN_LOST,    // Owed, and nothing accounts for it: never, if the promises hold.
    EXPLAIN_VERDICTS
};
const char *explain_verdict_name(enum explain_verdict v); // "not_scheduled"

// What became of one instant of a job, or will. Owns its texts.
struct explanation {
    wall_ms at; // Floored to the second: no occurrence lies between seconds.
    enum explain_verdict verdict;
    char detail[640];           // A sentence without a full stop.
    wall_ms previous;           // The job's last occurrence before `at`; 0: none is known.
    wall_ms next;               // The job's first occurrence after `at`; WALL_NEVER: none is known.
    wall_ms since;              // Where a pause, a missed range or a hold ends; 0: does not apply.
    wall_ms until;              // WALL_NEVER: does not apply, or not known.
    char *reason;               // Why the job is paused; NULL when nobody said.
    struct execution execution; // The execution of `at`. All zero: there is none.
    wall_ms runs[SERVICE_NEXT_RUNS]; // The next ones from now on.
    size_t run_count;
};

// Also for a deleted job, for as long as its rows are kept. The caller frees *out.
MUST_CHECK enum err service_explain(struct service *s, job_id id, wall_ms at,
                                    struct explanation **out, struct service_problem *p);
// What the job is up to now: active, paused (since when, and why), finished, deleted or held by the
// clock. `previous` is the last instant of its schedule up to now and `next` the first one after
// now, whether it ran or will run there or not: ask service_explain. There is no execution.
MUST_CHECK enum err service_explain_job(struct service *s, job_id id, struct explanation **out,
                                        struct service_problem *p);
void explanation_free(struct explanation *e); // NULL is a no-op.

// --- Schedules -----------------------------------------------------------------------------------

// A job's schedule, read: what its occurrences are, and its normal form, with `H` as it stands for
// the job's id.
struct service_schedule {
    struct cron_schedule compiled;
    const struct zone *zone; // NULL: it cannot be read on this server any more.
    char normal[CRON_NORMAL_BYTES];
};

// Reads that of a job which is stored. False when it is none, as after an edit of the database.
bool service_read_schedule(const struct job *j, struct service_schedule *out);

// The next instants at which the job will run, up to `count`; none when it is not active. Returns
// how many. `s` is its schedule. Needs no database.
size_t service_next_runs(const struct job *j, const struct service_schedule *s, wall_ms now,
                         size_t count, wall_ms *out);

// What a schedule would do, for somebody who is about to write it.
#define SERVICE_PREVIEW_RUNS_MAX 100

struct service_preview {
    char words[CRON_WORDS_BYTES];
    char normal[CRON_NORMAL_BYTES];
    bool fixed;
    bool oneshot;
    const struct zone *zone;
    wall_ms runs[SERVICE_PREVIEW_RUNS_MAX];
    size_t run_count;
    struct cron_warning warnings[CRON_WARNING_CODES];
    size_t warning_count;
};

// `zone_text` NULL means UTC; runs are those after `from`. Writes nothing, reads no database.
MUST_CHECK enum err service_preview_schedule(const char *schedule, const char *zone_text,
                                             wall_ms from, size_t count,
                                             struct service_preview *out,
                                             struct service_problem *p);

// --- Members of a job ----------------------------------------------------------------------------

// Sets a member that is a number; PROBLEM_FIELD when `value` is out of its bounds.
MUST_CHECK enum err service_set_number(const struct job_member *m, struct job *j, int64_t value,
                                       struct service_problem *p);

// Adds the header to the job, or replaces the one of this name; `value` NULL removes it. Case does
// not matter. PROBLEM_HEADER when name or value may not be sent. A job's headers must be changed by
// this function alone, or all be cleared.
MUST_CHECK enum err service_set_header(struct job *j, const char *name, const char *value,
                                       struct service_problem *p);

typedef void service_header(void *context, const char *name, const char *value);
void service_each_header(const struct job *j, service_header *each, void *context);

// What `catch_up` is when the client does not say: all for ATLEAST_ONCE, none for ATMOST_ONCE.
enum catch_up service_catch_up_default(enum job_type type);

#endif
