// SPDX-License-Identifier: MIT
// ledger.h: the words of the record: jobs, executions, attempts, alerts, and their changes.
//
// What the store keeps, the core decides about and the API shows are the same things, so their
// types stand here, below all three: plain structs with the rules that hold for one of them alone
// (which states follow which, when a version of a job begins, how an id is written). Nothing here
// plans, sends or stores.
//
// Strings of a struct job or job_version are owned by it; those of all other structs are borrowed,
// in a batch from its arena.

#ifndef CARILLON_LEDGER_LEDGER_H
#define CARILLON_LEDGER_LEDGER_H

#include "base/enum_words.h"
#include "base/err.h"
#include "base/memory.h"
#include "base/time.h"
#include "base/token.h"
#include "cron/cron.h"

#include <stdbool.h>
#include <stdint.h>

typedef int64_t job_id; // Positive, given in order within its shard, never given twice.

// Every enum of the record and its words.
#define ENUM ENUM_DECLARE
#define VALUE ENUM_DECLARE_VALUE
#include "ledger/enums.def"
#undef ENUM
#undef VALUE

// --- Jobs ------------------------------------------------------------------------------------

#define JOB_ID_MAX ((int64_t)1 << 36) // Where jobs are found takes 16 MiB then, if they are few.
#define RUN_BYTES_MAX 36              // How the client of a heartbeat calls a run: a UUID.
#define PING_KEY_BYTES 40             // With the NUL; see service/ping_key.c.
#define JOB_REASON_BYTES 640          // A pause's reason, when the server itself gives it.

// A job as its client posted it: one row of table `jobs`. Owns its strings; NULL is "not given".
// Words of enums are held in a byte. What the members mean stands in ledger/job.def.
struct job {
#define JOB_MEMBER(member, type, initial, role) type member;
#include "ledger/job.def"
    char *damaged; // Not a column: the names of those that hold what no version writes, as
                   // "headers, tags", and are read as their defaults. NULL: none does.
};

// The bounds of its numbers, and the greatest length of its texts in bytes: JOB_MAX(timeout_ms).
enum {
#define JOB_NUMBER(member, type, initial, least, greatest, role, access)                           \
    JOB_MIN_##member = (least), JOB_MAX_##member = (greatest),
#define JOB_TEXT(member, form, greatest, role, access) JOB_MAX_##member = (greatest),
#include "ledger/job.def"
};
#define JOB_MIN(member) JOB_MIN_##member
#define JOB_MAX(member) JOB_MAX_##member

extern const struct job job_defaults;
struct job *job_new(void); // With the defaults of every policy; no strings.
struct job *job_copy(const struct job *j);
void job_free(struct job *j); // NULL is a no-op.

// Replaces a string member by a copy of `text` (NULL clears it).
void job_set_text(char **member, const char *text);

// The bytes of what its requests are made of (ROLE_REQUEST), each text with its end: what counts
// towards the limits of a server and of a token.
size_t job_texts_bytes(const struct job *j);

// The members as a table, in the order of job.def.
enum job_member_kind {
    MEMBER_NUMBER,
    MEMBER_FLAG,
    MEMBER_WORD,
    MEMBER_TIME,
    MEMBER_COUNT,
    MEMBER_TEXT,
    MEMBER_COMPUTED, // Not in struct job.
    MEMBER_KINDS
};
enum job_role { ROLE_OTHER, ROLE_TIMING, ROLE_PHASE, ROLE_STATE, ROLE_POLICY, ROLE_REQUEST };
enum job_access { ACCESS_CLIENT, ACCESS_SERVER, ACCESS_STAMPED, ACCESS_GIVEN, ACCESS_HIDDEN };
enum job_text {
    TEXT_SHORT,
    TEXT_LONG,
    TEXT_REQUIRED,
    TEXT_HEADERS,
    TEXT_PAYLOAD,
    TEXT_TAGS,
    TEXT_SIGNING,
    TEXT_SEALED,
    TEXT_OAUTH
};

struct job_member {
    const char *name;
    enum job_member_kind kind;
    enum job_role role;
    enum job_access access;
    size_t offset; // In struct job.
    size_t bytes;
    enum job_text form;             // TEXT
    bool is_optional;               // COUNT: not set at 0.
    int64_t least;                  // NUMBER
    int64_t greatest;               // NUMBER; TEXT: of its bytes, 0 when bounded elsewhere.
    const struct enum_words *words; // WORD
};

extern const struct job_member job_members[];
extern const size_t job_member_count;
const struct job_member *job_member_find(const char *name); // NULL when unknown.

char **job_text_at(const struct job_member *m, const struct job *j); // TEXT
// Of any kind but TEXT and COMPUTED.
int64_t job_integer(const struct job_member *m, const struct job *j);
void job_set_integer(const struct job_member *m, struct job *j, int64_t value);
void job_reset(const struct job_member *m, struct job *j); // To its default.
bool job_same_member(const struct job_member *m, const struct job *a, const struct job *b);

// Whether the jobs differ in what decides which occurrences they have while they are active.
bool job_timing_differs(const struct job *a, const struct job *b);

// Which instants of a schedule are occurrences of a job.
struct job_bounds {
    wall_ms start_at;
    wall_ms end_at;
    uint32_t max_runs;
    uint32_t unused; // Zero instead of padding, so that equal bounds are equal in memory.
};

struct job_bounds job_bounds_of(const struct job *j);
// The schedule's first instant after `after` within the bounds, for a job that has had `runs` runs;
// WALL_NEVER: there is none.
wall_ms job_bounds_next(const struct job_bounds *b, uint32_t runs, const struct cron_schedule *s,
                        const struct zone *z, wall_ms after);
// Whether the schedule has this instant, between start_at and end_at. How many runs the job has had
// by then is not asked.
bool job_bounds_have(const struct job_bounds *b, const struct cron_schedule *s,
                     const struct zone *z, wall_ms at);

// The statuses that count as success, 100 to 599: a bit each.
struct status_set {
    uint64_t bits[8];
};

extern const struct status_set status_set_2xx; // 200 to 299.

// Reads "200-299,304,410". ERR_SYNTAX or ERR_RANGE with a sentence in *f.
MUST_CHECK enum err status_set_parse(const char *text, struct status_set *out, struct fault *f);
bool status_set_has(const struct status_set *s, unsigned status);

// --- Versions of a job -----------------------------------------------------------------------
//
// What decided a job's occurrences, and since when. The store keeps a row for each version for as
// long as executions of its time are kept, so that anybody can compute again what the job owed.

struct job_version {
    job_id job;
    int64_t number;  // Counts the job's rows, from 1.
    int64_t version; // struct job.version: not every change of it alters occurrences.
    wall_ms from_at; // Holds for the instants after this one, until the next version begins.
#define JOB_OF_TIMING(member) __typeof__(((struct job *)0)->member) member;
#include "ledger/job.def"
    wall_ms paused_until;
    char *reason;  // Why it is paused; NULL when it is not, or nobody said.
    uint32_t runs; // When this version began.
    uint8_t phase; // enum job_phase
};

struct job_bounds job_version_bounds(const struct job_version *v);

// Whether `j` differs from `before` in what decides its occurrences.
bool job_version_begins(const struct job *before, const struct job *j);

// The versions of one job, in order of number. Owns their texts. Zeroed is empty.
struct job_versions {
    struct job_version *rows;
    size_t count;
    size_t capacity;
};

void job_versions_add(struct job_versions *l, const struct job_version *v); // Copies the texts.
// A version begins: the next number, and of the job what decides.
void job_versions_begin(struct job_versions *l, const struct job *j, wall_ms from_at,
                        enum job_phase phase);
// Forgets the versions which ended at or before this instant.
void job_versions_prune(struct job_versions *l, wall_ms before);
struct job_versions job_versions_copy(const struct job_versions *l);
void job_versions_fini(struct job_versions *l); // Leaves it empty.

// A version that can be asked for its occurrences: those of (version->from_at, until].
struct job_span {
    const struct job_version *version;
    wall_ms until;           // WALL_NEVER: it is the present one.
    const struct zone *zone; // The zone of its timezone. Set by the caller: finding a zone is I/O.
    struct cron_schedule schedule;
};

// Makes a span for each version, in the same order. The caller frees the array, before the list.
// What cron_parse says of a schedule that it cannot read.
MUST_CHECK enum err job_spans_new(const struct job_versions *l, struct job_span **out);

// The span's first occurrence after `after` that lies before `limit` or at it; else WALL_NEVER.
// `max_runs` is not looked at.
wall_ms job_span_next(const struct job_span *s, wall_ms after, wall_ms limit);

// --- Executions ------------------------------------------------------------------------------

#define EXECUTION_BIT(state) (1u << (state)) // In a set of states.

bool execution_state_is_terminal(enum execution_state s);
// Whether the table of allowed moves has this one.
bool execution_may_move(enum execution_state from, enum execution_state to);

// Whether executions of this trigger (-1: any) are none of the schedule.
bool execution_trigger_is_manual(int trigger);

// Which occurrence an execution carries out. `series` is the clock's generation for a scheduled
// one (0, raised only when a wrong clock is corrected), and -n for the manual execution number n.
struct execution_key {
    job_id job;
    wall_ms scheduled_at;
    int64_t series;
};

#define EXECUTION_ID_BYTES 72

// The public id: "<job>-<scheduled_at>", "-g<n>" added for a generation above 0, "<job>-m<n>" for a
// manual one.
void execution_id_format(const struct execution_key *k, char out[static EXECUTION_ID_BYTES]);
// The reverse; for a manual id `scheduled_at` is 0, since the id does not tell it. False when `id`
// is not the text that execution_id_format would write.
bool execution_id_parse(const char *id, struct execution_key *out);

#define ERROR_TEXT_MAX 256
#define NOTES_MAX 20       // Notes that are kept of an execution.
#define NOTE_TEXT_MAX 1000 // The text of each, and the error that a target tells.

// The record of carrying out one occurrence: one row of table `job_executions`. A MISSED row stands
// for every occurrence from scheduled_at to missed_to. Times that are not known are 0.
struct execution {
    int64_t id; // Row number, given in order of planning, never given twice.
    struct execution_key key;
    wall_ms due_at;       // When jitter shifts it; 0: at scheduled_at.
    wall_ms started_at;   // First byte of the first attempt.
    wall_ms completed_at; // 0 until terminal.
    wall_ms next_attempt_at;
    wall_ms missed_to;
    int64_t missed_count;
    // The node that had the attempt under way when it gave the shard back, and until when nobody
    // else may send: the attempt goes on there. NULL and 0: none is. Borrowed.
    const char *held_by;
    wall_ms held_until;
    // By when the target, which has taken the request, has to say how it ended; 0: it is not waited
    // for.
    wall_ms completion_deadline;
    // What the target has told of its work, the oldest first: lines "AT PERCENT TEXT", where
    // PERCENT may be "-". NULL: nothing. Borrowed.
    const char *notes;
    const char *error;        // The last failure, for people; NULL when none. Borrowed.
    const char *reason;       // Why MISSED or CANCELLED. Borrowed.
    const char *request_body; // The body that a trigger brought; NULL: the job's. Borrowed.
    const char *origin;   // REPLAY: the id of what it carries out again. NULL for others. Borrowed.
    uint16_t attempts;    // Started so far, as numbered in Carillon-Attempt.
    uint16_t retry_count; // Attempts made because the one before had failed.
    uint16_t recoveries;  // Times it was found unfinished at a start of the server.
    uint16_t http_status; // The status of the last answer; 0 when there was none.
    uint8_t state;        // enum execution_state
    uint8_t trigger;      // enum execution_trigger
    uint8_t completion;   // enum completion: of the last attempt.
    bool request_body_is_json;
    bool lingers; // Open, or until this very change, though scheduled before its shard's open_from.
                  // Readers do not tell.
    bool is_of_heartbeat; // Not a column: the core alone knows.
    bool damaged; // Not a column: some hold what no version writes, which `error` then tells.
};

// From when it was due to the first byte of its first attempt; only when it has started.
dur_ms execution_lateness_ms(const struct execution *e);

// An HTTP request: a row of table `job_attempts`, or, when it is the first of its execution,
// some columns of the execution's row. Phases that did not happen are -1.
struct attempt {
    int64_t execution_id; // struct execution.id
    wall_ms scheduled_at; // When the execution was scheduled, which tells where the row is. Readers
                          // do not.
    uint16_t number;
    uint16_t http_status; // From the first line of an answer, whatever came after; 0: none.
    wall_ms started_at;
    dur_ms duration_ms;
    int32_t dns_ms;
    int32_t connect_ms;
    int32_t tls_ms;
    int32_t first_byte_ms;
    bool response_truncated; // The end of the answer was not read: cut off, too late or too long.
    bool response_damaged;   // The rest of the answer could not be read: it is no HTTP.
    bool is_ping; // Not a column: of a heartbeat, whose note is the response. The core alone knows.
    // The redirects that were followed, a line for each: "302 http://where.it/led\n". The rest of
    // the attempt is about the last request. NULL when none was followed. Borrowed.
    const char *redirects;
    const char *error; // Borrowed; NULL when it succeeded.
    const char
        *response; // Excerpt of the body, valid UTF-8 or cut to it; NULL when none. Borrowed.
};

// What somebody should hear of, as facts: one row of table `alerts`. Room `alert` makes a sentence
// of them. What a kind does not use is 0 or NULL.
//
// - failure: attempts, last_error.
// - missed: from, count, and why as last_error; to is the end of a range, or 0 for one instant.
// - clock: to is when schedules go on that hold; after a correction, from is now and count is the
//   new generation.
// - target_down: attempts without an answer, the last_error, from when the first of them ended, and
//   the count of executions that wait.
// - target_up: from as of its target_down; to is when an answer came, or 0 when no job is left
// there.
// - job_unusable: why, as last_error; the count of jobs, when it is about the server.
// - channel_down: subject is the channel's name; attempts that failed in a row, the last_error, and
//   from when the channel fails.
// - channel_up: from as of its channel_down; to is when a message arrived.
// - store_stalled: from when to when nothing was written, and why at first, as last_error.
// - lease_lost: subject is the node's name; from when it was not heard of.
// - disk_low: subject is "disk"; count of bytes that are free, and from when.
// - disk_ok: the same, from as of its disk_low, and to.
// - job_paused: the count of executions that failed in a row, and the last_error.
// - failure_rate: count of the last `attempts` executions failed, and the last_error.
// - late: the execution was due at from and started at to.
// - slow: the execution started at from and ended at to.
// - silent: the last success was at from, or nobody had asked before.
// - flapping: count incidents began since from.
// - reminder, recovered: the incident began at from, and ended at to, 0: not yet; count is how many
//   executions were as its cause says; subject is the incident's cause.
struct alert {
    int64_t id;           // Given in order.
    job_id job;           // 0: the alert is about the server.
    int64_t execution_id; // struct execution.id; 0: the alert is about no execution.
    struct execution_key key;
    enum alert_kind kind;
    int64_t attempts;
    wall_ms created_at;
    wall_ms acknowledged_at; // When somebody first said that the alert was seen; 0: nobody has.
    wall_ms from;
    wall_ms to;
    int64_t count;
    int64_t incident_id; // The alert that opened the incident which this one belongs to, its own id
                         // if it did; 0: it belongs to none.
    int64_t silence_id;  // Which silence kept it from people; 0: none did.
    enum alert_telling telling;
    const char *subject;    // The origin of a target, or "clock"; NULL: the job, if any. Borrowed.
    const char *last_error; // Borrowed.
    const char *message;    // "", but for rows that hold a sentence instead of facts, as older
                            // versions wrote them. Borrowed.
};

// --- Incidents -------------------------------------------------------------------------------
//
// What is wrong with a job for one cause is an incident: from its first alert on until the job is
// well again. People are told of its beginning and of its end; alerts between belong to it and are
// told to nobody. A job has at most one open incident for each cause. Failures and missed
// occurrences are one cause: the job does not do its work.

struct incident {
    int64_t id;      // The alert that opened it; 0: none is open.
    wall_ms since;   // When that alert was raised.
    int64_t count;   // Executions that failed and occurrences that were missed: at the opening
                     // as many as it took, or were missed, and all since.
    int64_t good;    // Executions in a row that were well, up to now.
    wall_ms told_at; // When people were last told.
    int64_t is_acknowledged;
    int64_t
        is_flapping;   // The incident goes on, however the job does, until that is so for a while.
    wall_ms turned_at; // When it last went from failure to success, or back.
};

// All that is remembered of one job: its row has it as a text. Nothing but int64_t.
struct incidents {
    struct incident of[INCIDENT_CAUSES];
    int64_t openings;      // Incidents of CAUSE_FAILURE, of late,
    wall_ms openings_from; // from this one on.
    int64_t outcomes;      // alert_rate: a bit for each of the last executions, the lowest is the
                           // last one's; 1: it failed.
    wall_ms succeeded_at;  // alert_silent_s: the last success, or when the job was given that.
};

// How many of the last executions must fail for people to be told: "3/10".
struct failure_rate {
    uint32_t failures;
    uint32_t of; // 0: there is no such rule.
};

#define FAILURE_RATE_OF_MAX 60 // Bits of a positive int64_t.

// ERR_SYNTAX or ERR_RANGE with a sentence in *f. NULL is no rule.
MUST_CHECK enum err failure_rate_parse(const char *text, struct failure_rate *out, struct fault *f);

#define INCIDENTS_BYTES 1000

// NULL, and nothing in `out`, when there is nothing to remember; else `out`.
const char *incidents_format(const struct incidents *i, char out[static INCIDENTS_BYTES]);
// What cannot be read of the text is taken for nothing. NULL is nothing.
void incidents_parse(const char *text, struct incidents *out);

// --- Who changes things ----------------------------------------------------------------------

// Who asks for something, and from where. Texts are borrowed; NULL: not known.
struct actor {
    const char *token_name;
    int64_t token; // The id of the token; 0: none was given.
    const char *address;
    const char *request_id;
    int64_t max_jobs; // See struct access_token.
    int64_t max_bytes;
};

// A copy with its texts in one block, which the caller frees by free(). NULL gives an actor of whom
// nothing is known.
struct actor *actor_copy(const struct actor *a);

// What somebody has changed: one row of table `audit`, written in the transaction of the change
// itself, and never changed. `before` and `after` are JSON objects with the members that the change
// has altered, as they were and as they are; secrets are not in them. Texts are borrowed; NULL:
// there is none.
struct audit_entry {
    int64_t id; // Given by the store, in order of writing, never given twice.
    wall_ms at;
    struct actor by;
    enum audit_action action;
    job_id job;          // 0: the change is about no job.
    const char *subject; // What else it is about: the execution that was triggered or cancelled.
    const char *before;
    const char *after;
};

// --- Commands between nodes ------------------------------------------------------------------
//
// In a cluster a command is a row of the database: whoever asks writes it, and the owner of its
// shard takes it and writes the reply, in the batch of all that the command changes.

#define COMMAND_ID_BYTES 16

// Names a command for ever. Zeroed: the command is no row, but of a client of this very node.
struct command_id {
    uint8_t bytes[COMMAND_ID_BYTES];
};

bool command_id_is_set(const struct command_id *id);
bool command_ids_equal(const struct command_id *a, const struct command_id *b);

// What came of a command.
struct command_reply {
    struct command_id command;
    enum err err; // ERR_OK: it was carried out. Else nothing was changed.
    job_id job;   // ERR_RANGE: the id under which the job was judged.
    int64_t version;
    struct execution_key execution; // The execution of a trigger; else zeroed.
    wall_ms at;
};

// What a client's Idempotency-Key stood for: one row of table `client_keys`. Written in the batch
// of what the request changed, so that the same request, sent again after a lost answer, is known.
#define CLIENT_KEY_BYTES_MAX 255
#define CLIENT_KEY_DIGEST_BYTES 32
#define CLIENT_KEY_AGE_MS 86400000 // Then it may mean something else.

struct client_key {
    const char *text;                        // Borrowed.
    uint8_t digest[CLIENT_KEY_DIGEST_BYTES]; // SHA-256 of the request.
    job_id job;
    struct execution_key execution; // The execution of a trigger; else zeroed.
    wall_ms created_at;
    struct command_id command; // A cluster: which has reserved the key; `job` is 0 until its reply.
};

// --- Tokens ----------------------------------------------------------------------------------

#define TOKEN_NAME_BYTES_MAX 100
#define TOKEN_TAG_BYTES_MAX 64 // As of the tags of a job.
#define TOKENS_MAX 10000       // Live tokens at once.

// Who may use the API, and for what: one row of table `tokens`. The secret itself is kept nowhere.
struct access_token {
    int64_t id;
    const char *name;                   // Unique among those that are live.
    uint8_t digest[TOKEN_DIGEST_BYTES]; // SHA-256 of the secret.
    enum token_scope scope;
    const char *tag; // Only jobs that carry it are seen and changed; NULL: all.
    wall_ms created_at;
    wall_ms expires_at;             // WALL_NEVER: it does not.
    wall_ms revoked_at;             // 0: it is not.
    wall_ms last_used_at;           // 0: never. Within a minute.
    const char *last_address;       // From where; NULL: never used.
    uint32_t executions_per_second; // Executions that it may cause (access.h); 0: any.
    // How many of the jobs that it has created may be there at once, and how many bytes in them
    // (job_texts_bytes); 0: any.
    int64_t max_jobs;
    int64_t max_bytes;
};

#define TOKEN_EXECUTIONS_MAX 100000
#define TOKEN_JOBS_MAX 1000000000
#define TOKEN_JOBS_BYTES_MAX ((int64_t)1 << 40)

bool token_is_live(const struct access_token *t, wall_ms now);
// Whether the text may be a token's name or tag: 1 to `bytes_max` bytes of UTF-8 without control
// characters, which a terminal would obey that shows a list of tokens.
bool token_text_is_fine(const char *text, size_t bytes_max);

// --- Shards ----------------------------------------------------------------------------------
//
// A store has S shards, fixed when it is made, and a job belongs to one of them for ever. The
// owner of a shard alone writes its jobs, with their executions, attempts and alerts. A node may
// own all shards; the store of a single node has one shard.

#define SHARDS_MAX 256

// The row of a shard: who may write it, and what must survive beside its jobs. Zeroed but for its
// number when it is new. Ids are given in the shard: the nth of a kind is n * S + number.
struct shard {
    uint32_t number;
    wall_ms watermark;    // Every occurrence up to here exists as a row,
    job_id watermark_job; // and at watermark + 1 those of the jobs up to this id (0: of none).
    int64_t job_next;     // The next n to give; 0 counts as 1.
    int64_t execution_next;
    int64_t alert_next;
    int64_t epoch;      // Counts owners: one of an older epoch can write nothing any more.
    int64_t tick;       // Counts the batches that were written in this epoch.
    int64_t generation; // Counts corrections of a clock that was far ahead: the series of its keys.
    wall_ms corrected_at; // The last of them: later instants are those of this generation.
    wall_ms open_from;    // No execution scheduled before is open, but for those that linger.
};

uint32_t shard_of(job_id job, uint32_t shards);
int64_t shard_id(uint32_t number, int64_t n, uint32_t shards); // The nth id that the shard gives.

// Some of the shards.
struct shard_set {
    uint64_t bits[SHARDS_MAX / 64];
};
void shard_set_add(struct shard_set *s, uint32_t number);
bool shard_set_has(const struct shard_set *s, uint32_t number);

// --- What is to be made durable --------------------------------------------------------------

enum change_kind {
    CHANGE_SHARD,            // The row of a shard, as of the end of the batch.
    CHANGE_JOB_PUT,          // Insert or replace the whole row.
    CHANGE_JOB_STATE,        // The core itself finished, resumed or moved a job.
    CHANGE_VERSION,          // A version of the job begins, with the row as it has become so far.
    CHANGE_JOB_DELETE,       // The job goes; its executions stay until retention removes them.
    CHANGE_EXECUTION_INSERT, // Key and id are new: a second row for one key is our own mistake.
    CHANGE_EXECUTION_UPDATE, // Every column but those that are fixed with the row (due_at, trigger,
                             // body). The row is that with this id and this scheduled_at, which
                             // is 0 when the row was edited into none that can be.
    CHANGE_ATTEMPT,
    CHANGE_ALERT,
    CHANGE_AUDIT,
    CHANGE_ALERT_ACK,  // Somebody has seen the alert: its acknowledged_at, if that is not set. The
                       // alert may have gone meanwhile.
    CHANGE_CLIENT_KEY, // Insert, or replace one that is too old.
    CHANGE_REPLY       // To a command that is a row: once for each.
};

// What the core did to a job by itself.
enum job_move {
    JOB_MOVE_NONE,     // The job only counted.
    JOB_MOVE_FINISHED, // The schedule can fire no more.
    JOB_MOVE_PAUSED,   // See paused_reason.
    JOB_MOVE_RESUMED,  // The end of the pause has come.
};

struct job_state {
    job_id id;
#define JOB_TEXT(...)
#define JOB_OF_PHASE(member) __typeof__(((struct job *)0)->member) member;
#define JOB_OF_STATE JOB_OF_PHASE
#include "ledger/job.def"
    enum job_move move;        // For the log.
    const char *paused_reason; // NULL: as it was, while the job is not active. Borrowed.
    const char *trouble;       // As in struct job. Borrowed.
};

// Makes the job's row what CHANGE_JOB_STATE makes of it.
void job_apply_state(struct job *j, const struct job_state *s);

struct change {
    enum change_kind kind;
    uint32_t shard; // Whose change it is.
    union {
        struct shard row; // SHARD
        struct job *job;  // JOB_PUT: owned by the batch.
        struct job_state state;
        struct {
            job_id id;
            wall_ms at;
        } deleted;
        struct {
            int64_t id;
            wall_ms at;
        } ack; // ALERT_ACK
        struct {
            job_id id;
            wall_ms from_at; // See struct job_version.
            enum job_phase phase;
        } version;
        struct execution execution;
        struct attempt attempt;
        struct alert alert;
        struct audit_entry audit; // With an id of 0.
        struct client_key client_key;
        struct command_reply reply;
    };
};

// Changes that become durable together. Its strings live in its arena. With the changes of a shard
// goes its row, once, and the pair of epoch and tick in it tells the batch from all others: so
// whether it is durable can be asked when the answer of a commit was lost, and it is not written
// twice.
struct batch {
    uint64_t sequence; // Set by batch_new's caller: 1, 2, 3, ...
    struct change *changes;
    size_t count;
    size_t capacity;
    bool awaited; // A reply or a request waits for it, or soon will: hand it on at once.
    struct arena arena;
};

struct batch *batch_new(uint64_t sequence);
void batch_free(struct batch *b); // NULL is a no-op.
// Appends a zeroed change of this kind to the batch. It moves when another is appended.
struct change *batch_add(struct batch *b, enum change_kind kind);
// The row of this shard in the batch; NULL: it has none.
struct shard *batch_shard(const struct batch *b, uint32_t number);
// Takes out what is of this shard, which somebody else owns by now.
void batch_drop(struct batch *b, uint32_t shard);

#endif
