// SPDX-License-Identifier: MIT
// api_priv.h: what the files of the API share: requests, routes, problems, JSON.
//
// A request lives from the server's call until its answer. A handler either answers it (or hands
// it to the service, which answers later) and returns ERR_OK, or returns an error and leaves the
// problem to its caller, who answers it. After ERR_OK the request must not be touched.

#ifndef CARILLON_API_API_PRIV_H
#define CARILLON_API_API_PRIV_H

#include "access/access.h"
#include "api/api.h"
#include "api/server_priv.h"
#include "api/web_priv.h"

#include <jansson.h>
#include <stdatomic.h>

struct api {
    struct server *server;
    struct service *service;
    struct access *access;
    struct observer *observer;
    const char *version;
    const char *probes_only; // See struct api_options.
    const struct secret_ring *secrets;
    bool (*database_is_away)(void *context);
    void *context;
    struct web_names names;
    struct events *events;          // NULL: the node answers probes only.
    struct web_names observe_names; // At the door to observe.
    atomic_bool retiring;           // A load balancer is to look elsewhere.
    atomic_bool draining;           // Changes are refused.
    atomic_uint imports;            // Under way.
    atomic_uint exports;            // The same, of whole ones.
};

// --- problem.c: everything that can be refused, as application/problem+json ----------------------

// What the API itself refuses; what the service refuses has its own kinds.
enum api_refusal {
    REFUSED_BY_SERVICE, // See what.kind.
    REFUSED_JSON,
    REFUSED_PARAMETER,
    REFUSED_NOT_FOUND,
    REFUSED_METHOD,
    REFUSED_MEDIA_TYPE,
    REFUSED_DRAINING,
    REFUSED_HOST,
    REFUSED_SITE,
    REFUSED_LOOP,
    REFUSED_MISSING_TOKEN,
    REFUSED_TOKEN,
    REFUSED_SCOPE,
    REFUSED_NO_TOKENS,
    REFUSED_FAILING,
    REFUSED_RATE,
    REFUSALS
};

struct problem {
    enum api_refusal refusal;
    struct service_problem what;
    char allow[64];         // REFUSED_METHOD: for the header Allow.
    unsigned retry_after_s; // REFUSED_FAILING, REFUSED_RATE.
    enum token_scope scope; // REFUSED_SCOPE: the scope that is needed.
};

// Fills *p and returns `code`, like service_refuse.
enum err refuse(struct problem *p, enum err code, enum api_refusal refusal, const char *member,
                const char *format, ...) PRINTF_LIKE(5, 6);
// The same for a member of a JSON body.
#define refuse_field(p, code, member, ...)                                                         \
    service_refuse(&(p)->what, (code), PROBLEM_FIELD, (member), __VA_ARGS__)

// `meant` is the known name that is most like `name`; NULL: none is.
enum err refuse_unknown_field(struct problem *p, const char *name, const char *meant);
enum err refuse_unknown_parameter(struct problem *p, const char *name, const char *meant);

unsigned problem_status(const struct problem *p);
const char *problem_retry_after(const struct problem *p); // Seconds, as text; or NULL.
#define PROBLEM_CHALLENGE_BYTES 96
// What WWW-Authenticate says; false: the problem needs none.
bool problem_challenge(const struct problem *p, char out[static PROBLEM_CHALLENGE_BYTES]);
json_t *problem_json(const struct problem *p, const char *request_id);
// For requests that the server refuses before there is an exchange (server_error_body).
char *problem_refusal_body(void *api, const struct refusal *r, size_t *bytes);

#define PROBLEM_CONTENT_TYPE "application/problem+json"

// --- request.c: a request and its answer ---------------------------------------------------------

struct route;

struct api_request {
    struct api *api;
    struct exchange *exchange;
    const struct route *route;
    struct actor actor;             // Who asks. The texts are the exchange's and the question's.
    struct access_question access;  // What the room `access` is asked, and says.
    job_id job;                     // What :job of the route stands for.
    struct execution_key execution; // What :execution of the route stands for.
    int64_t alert;                  // What :alert of the route stands for.
    json_t *body;                   // An object, or NULL when there was none.
    bool merge;                     // A change of a job: PATCH rather than PUT.
    bool pretty;                    // JSON of the answer is indented.
    json_t *made;                   // Keys that the change has made: told once. NULL: none.
    // Of a change: makes the answer.
    void (*succeed)(struct api_request *r, const struct service_result *result);
    char key[2 * CLIENT_KEY_DIGEST_BYTES + 1]; // Idempotency-Key of a token with a tag.
};

// The body as JSON takes many times the memory of its text: not to be held while a change is under
// way. The text stays, in the exchange.
void request_drop_body(struct api_request *r);

// Each ends the request. `json` is taken.
// Says how old the list is, when it came from a replica.
void answer_add_age(struct api_request *r);
void answer_json(struct api_request *r, unsigned status, json_t *json);
void answer_text(struct api_request *r, unsigned status, const char *content_type, char *text,
                 size_t bytes);
// The same with a text that lives for ever.
void answer_static(struct api_request *r, unsigned status, const char *content_type,
                   const char *text, size_t bytes);
void answer_nothing(struct api_request *r, unsigned status);
// Begins a streaming answer and frees the request; the exchange goes on (server_priv.h).
void answer_stream(struct api_request *r, unsigned status, const char *content_type,
                   const struct exchange_stream_calls *calls);
void answer_problem(struct api_request *r, const struct problem *p);

// etag.c: the versions of jobs, as clients hand them back.
void add_etag(struct api_request *r, int64_t version);
bool etag_is_among(
    const char *tag,
    const char *list); // Whether the list of If-None-Match has the tag; "W/" does not count.
// The version that If-Match asks for: 0 when it asks for none.
enum err expected_version(struct api_request *r, int64_t *version, struct problem *p);
// Answers 200 with the text and a tag of all of it, or 304 when If-None-Match has that tag. Takes
// it.
void answer_tagged(struct api_request *r, int64_t version, json_t *json);

// executions.c: the filters of GET /executions.
enum err query_executions(struct api_request *r, size_t limit, struct execution_query *out,
                          struct problem *p);

// --- change_decode.c: what a request asks to be changed ------------------------------------------
//
// Each reads all that the request says of it, so that r->body is not needed any more. `key` is that
// of the header Idempotency-Key; its text is NULL when there is none, and else the request's.

// The draft of a job is the caller's.
enum err decode_create(struct api_request *r, struct job **draft, struct service_key *key,
                       struct problem *p);

// A service_edit: whatever PUT (r->merge: PATCH) says of the job. Called whenever the change has to
// be made from the job as it stands.
enum err decode_edit(void *request, struct job *j, struct service_problem *p);

struct pause {
    const char *reason; // Borrowed from r->body, or NULL.
    wall_ms until;      // WALL_NEVER: until the job is resumed.
};
enum err decode_pause(struct api_request *r, struct pause *out, struct problem *p);
enum err check_pause(const struct pause *w, struct problem *p);   // For every route that pauses.
enum err decode_resume(struct api_request *r, struct problem *p); // Nothing may be said.

struct trigger {
    char *body; // The caller's; NULL: the job's own.
    bool is_json;
};
enum err decode_trigger(struct api_request *r, struct trigger *out, struct service_key *key,
                        struct problem *p);

struct backfill {
    wall_ms from, to;
    bool dry_run;
};
enum err decode_backfill(struct api_request *r, struct backfill *out, struct service_key *key,
                         struct problem *p);
// The header alone.
enum err decode_client_key(struct api_request *r, struct service_key *key, struct problem *p);

// --- change_answer.c: what became of a change ----------------------------------------------------

// A service_done: calls r->succeed, or answers the problem.
void change_done(void *request, const struct service_result *result);

// For r->succeed.
void answer_created(struct api_request *r, const struct service_result *result);
void answer_changed(struct api_request *r, const struct service_result *result);
void answer_put(struct api_request *r,
                const struct service_result *result); // The one or the other.
void answer_deleted(struct api_request *r, const struct service_result *result);
void answer_triggered(struct api_request *r, const struct service_result *result);
void answer_backfilled(struct api_request *r, const struct service_result *result);

// --- router.c, routes.c: which handler a request belongs to --------------------------------------

typedef enum err route_handler(struct api_request *r, struct problem *p);

enum body_need { BODY_NONE, BODY_OPTIONAL, BODY_REQUIRED, BODY_OWN /* The handler reads it. */ };

// Whether the handler reads the database, and so has to run on a thread for questions. Changes that
// read nothing but their client's Idempotency-Key do so only when there is one.
enum asking { ASKS_NEVER, ASKS_FOR_KEY, ASKS_ALWAYS };

// What a token that is bound to a tag may see of it. Whoever adds a route and does not know says
// BOUND_NEVER.
enum bound {
    BOUND_NEVER,     // Nothing: the route tells of jobs of all tags.
    BOUND_FREE,      // All: the route tells of no job.
    BOUND_JOB,       // The path's :job, if that carries the tag.
    BOUND_EXECUTION, // The path's :execution, if its job does.
    BOUND_ALERT,     // The path's :alert, if its job does; none about the server.
    BOUND_KEY,       // The job with the path's :key, if that does, or a new one.
    BOUND_PARAMETER, // What is of the job of the parameter job_id, which must be there.
    BOUND_OWN        // The handler itself looks at request_tag.
};

struct route {
    const char *method;
    const char *pattern; // ":job", ":execution" and ":alert" stand for an id.
    route_handler *handle;
    const char *const *parameters; // Names of the query's parameters, ending in NULL; NULL: none.
    enum body_need body;
    bool changes; // Refused while the server drains.
    enum asking asks;
    enum token_scope scope; // What a token needs; SCOPE_NONE: nobody is asked for one.
    enum bound bound;
};

extern const struct route routes[];
extern const char
    *const parameters_of_all[]; // What every route takes beside its own; ends in NULL.
extern const size_t route_count;

// Finds the route by method and path and reads the ids. REFUSED_NOT_FOUND or REFUSED_METHOD.
enum err route_find(struct api_request *r, struct problem *p);
// Whether the path of `x` has the form of `pattern`.
bool route_matches(const char *pattern, const struct exchange *x);
// Refuses a request that does not name this server, and one that a web page of another site makes
// its visitor's browser send (web_priv.h).
enum err request_check_site(const struct api_request *r, struct problem *p);
// Refuses a change that a job asks for: one that creates or triggers jobs could breed without
// bound.
enum err request_check_loop(const struct api_request *r, struct problem *p);
// admit.c: asks the room `access` who sends the request. When it is let in, at once or later,
// request_proceed is called. ERR_OK: the request is answered, or will be.
enum err request_admit(struct api_request *r, struct problem *p);
enum err request_proceed(struct api_request *r, struct problem *p);

// bound.c: tokens that are bound to a tag.
const char *request_tag(const struct api_request *r); // NULL: every job.
// Whether the request's job has to be looked at first, on a thread for questions; and that look.
bool request_is_bound(const struct api_request *r);
enum err request_check_bound(const struct api_request *r, struct problem *p);
// A new job gets the tag.
enum err bound_add_tag(const struct api_request *r, struct job *j, struct problem *p);
// For an edit: the job as it was, and as it becomes.
enum err bound_check_edit(const struct api_request *r, const struct job *before, struct job *after,
                          struct problem *p);
// For an answer that shows the job as it stands, which may be later than the change.
enum err bound_check_answer(const struct api_request *r, const struct job *j, struct problem *p);
// Refuses parameters that the route does not know and those given twice.
enum err route_check_parameters(const struct api_request *r, struct problem *p);

// --- json_read.c: bodies, strictly ---------------------------------------------------------------

#define JSON_DEPTH_MAX 32
#define JSON_BRACKETS_MAX 50000 // Objects and arrays in one body.

// The value is the caller's (json_decref).
enum err json_read(const char *text, size_t bytes, json_t **out, struct problem *p);
// Reads r->body as the route needs it; what is compressed is refused.
enum err body_read(struct api_request *r, struct problem *p);
// Reads r->body, which must be there.
enum err body_read_object(struct api_request *r, struct problem *p);
bool body_has_type(const struct api_request *r, const char *type); // Parameters do not count.

// Members of an object. Absent and null leave *out alone. `members` ends in NULL.
enum err members_check(const json_t *object, const char *const *members, struct problem *p);
enum err member_text(const json_t *object, const char *name, const char **out, struct problem *p);
enum err member_time(const json_t *object, const char *name, wall_ms *out, struct problem *p);
enum err member_flag(const json_t *object, const char *name, bool *out, struct problem *p);
enum err member_integer(const json_t *object, const char *name, int64_t min, int64_t max,
                        int64_t *out, struct problem *p);
// The same for a value that is there.
enum err time_read(const json_t *value, const char *name, wall_ms *out, struct problem *p);
// A text as it is; any other value as compact JSON. The caller frees it; NULL for null and absent.
// *is_json: it was no text.
char *member_payload(const json_t *value, bool *is_json);

// --- json_write.c --------------------------------------------------------------------------------

json_t *json_text(const char *text); // NULL gives null; cut at the first byte that is no UTF-8.
json_t *json_time(wall_ms at);       // null for 0 and WALL_NEVER.
json_t *json_times(const wall_ms *at, size_t count);
json_t *json_execution(const struct execution *e);
json_t *json_attempt(const struct attempt *a);
json_t *json_alert(const struct alert *a);
json_t *json_execution_id(const struct execution_key *k);

// --- How a job is read ---------------------------------------------------------------------------

enum job_decoding {
    JOB_CREATE,  // What only the server sets is refused.
    JOB_REPLACE, // A client may send what it got: what only the server sets must be as it is, but
                 // for what changes by itself.
    JOB_MERGE    // Headers are merged one by one; what only the server sets is refused.
};

struct job_reading {
    enum job_decoding how;
    const struct secret_ring *secrets; // NULL: secrets are refused.
    bool settles; // Who reads knows only later what job there is: see secret_headers_settle.
    json_t *made; // An array for keys that are made here; NULL: none may be made.
};

// --- json_secret.c: values of headers that are secrets -------------------------------------------
//
// Secret is what comes as {"secret": TEXT}, and the value of a header whose name says so, if there
// is a key. It is sealed here, at the door, and from then on {"secret": true} for every client, who
// may send that back to leave it as it is.

#define SECRET_HEADER_BYTES_MAX 6000 // Sealed, it is still a value that a header may have.

// Whether a value in clear is sealed: the name is that of a credential, and there is a key.
bool header_is_to_be_sealed(const struct job_reading *how, const char *name);
// Sets a header to a value in clear; NULL removes it.
enum err header_decode(const char *name, const char *value, struct job *j, struct problem *p);
// Sets a header to a secret: a text, {"secret": TEXT}, or {"secret": true}, which keeps that of
// `before`.
enum err secret_header_decode(const char *name, const json_t *value, const struct job *before,
                              const struct job_reading *how, struct job *j, struct problem *p);
json_t *json_header_value(const char *value);
// Seals what stands in clear under the name of a credential.
enum err secret_headers_seal(const struct job_reading *how, struct job *j,
                             struct service_problem *p);
// Gives the headers of *j that were read with `settles`, and are to be kept, the values that they
// have in `before`, which may be NULL. Keys that sign likewise.
enum err secret_headers_settle(struct job *j, const struct job *before, struct service_problem *p);
// Seals with the first key what is sealed with another, or stands in clear under the name of a
// credential.
enum err secret_headers_renew(const struct job_reading *how, struct job *j,
                              struct service_problem *p);
// Refuses a job that would send to another server a secret which nobody has given for that: whoever
// may change a job must not get to read its secrets.
enum err secret_headers_check_target(const struct job *before, const struct job *j,
                                     struct service_problem *p);

// --- json_signing.c: keys that sign requests -----------------------------------------------------
//
// A client says them as "whsec_..." or "whsk_...", has them made with "new" or "new-ed25519", and
// reads and sends back {"id": ...} for those that the job has. What is made is told once, in the
// answer to the change.

enum err signing_decode(const struct job_member *m, const json_t *value,
                        const struct job_reading *how, struct job *j, struct problem *p);
json_t *signing_encode(const struct job_member *m, const struct job *j);
// Puts those that were made into a job as it is shown.
void signing_show_made(json_t *job, const json_t *made);
// Seals with the first key of the ring those that are sealed with another.
enum err signing_renew(const struct secret_ring *secrets, struct job *j, struct service_problem *p);
// The same as secret_headers_settle, for the keys that sign.
enum err signing_settle(struct job *j, const struct job *before, struct service_problem *p);

// --- json_member.c: one member of a job, any but a computed one ----------------------------------

// Null sets the default. On failure *j is half changed.
enum err job_member_decode(const struct job_member *m, const json_t *value,
                           const struct job_reading *how, struct job *j, struct problem *p);
json_t *json_job_member(const struct job_member *m, const struct job *j);

// --- json_job.c: all members of a job ------------------------------------------------------------

// Sets what `object` has; null sets the default. On failure *j is half changed.
enum err job_decode(const json_t *object, const struct job_reading *how, struct job *j,
                    struct problem *p);

// Whether the object gives every member of the job that is damaged in the database: what the others
// should be, nobody has said.
enum err job_decode_repair(const json_t *object, const struct job *j, struct problem *p);
json_t *json_job(const struct job *j);
// The same with its schedule in words and its next runs. `s`: the schedule, read; NULL: it cannot
// be.
json_t *json_job_ahead(const struct job *j, const struct service_schedule *s);
// As lists have it, with its next run and its last execution (NULL: none).
json_t *json_job_listed(const struct job *j, wall_ms next, const struct execution *last);
// Only what a client may set: JOB_CREATE makes the same job of it.
json_t *json_job_writable(const struct job *j);

// --- cursor.c, query.c, page.c: lists ------------------------------------------------------------

// A position in a list, as clients see it: opaque text with a check.
enum cursor_kind {
    CURSOR_JOBS = 1,
    CURSOR_EXECUTIONS,
    CURSOR_ALERTS_BY_ID, // Older versions gave these; they are refused.
    CURSOR_JOBS_BY_NEXT_RUN,
    CURSOR_JOBS_BY_LAST_RUN,
    CURSOR_ALERTS,
    CURSOR_AUDIT,
    CURSOR_UPCOMING
};

struct cursor {
    int64_t at; // For executions and runs to come scheduled_at, for alerts created_at, for entries
                // of the audit their time, for jobs in another order the instant, else 0.
    int64_t id;
};

#define CURSOR_BYTES 32

void cursor_format(enum cursor_kind kind, const struct cursor *c, char out[static CURSOR_BYTES]);
bool cursor_parse(enum cursor_kind kind, const char *text, struct cursor *out);

// Parameters of the query; what is absent leaves *out alone.
#define LIMIT_MAX 500
enum err query_limit(const struct api_request *r, size_t *out, struct problem *p);
enum err query_cursor(const struct api_request *r, enum cursor_kind kind, struct cursor *out,
                      struct problem *p);
enum err query_time(const struct api_request *r, const char *name, wall_ms *out, struct problem *p);
// `pretty`, `pretty=true` and the like: r->pretty.
enum err query_pretty(struct api_request *r, struct problem *p);
// true, 1, false or 0.
enum err query_flag(const struct api_request *r, const char *name, int *out, struct problem *p);
enum err query_choice(const struct api_request *r, const char *name, const struct enum_words *w,
                      int *out, struct problem *p);
// "A,B": the bit of each, 1 << value.
enum err query_choices(const struct api_request *r, const char *name, const struct enum_words *w,
                       unsigned *out, struct problem *p);
enum err query_job_id(const struct api_request *r, const char *name, job_id *out,
                      struct problem *p);
// Within these bounds, of which the least is above 0.
enum err query_number(const struct api_request *r, const char *name, int64_t least,
                      int64_t greatest, int64_t *out, struct problem *p);
const char *query_text(const struct api_request *r, const char *name); // NULL when absent.
bool job_id_parse(const char *text, job_id *out);

// A page of a list: so many items, and no more than PAGE_BYTES_MAX of them unless the first alone
// is longer. Items are text as soon as they are added. The query asks for one row more than the
// page has, to see if there is more; its callback ends the list with ERR_LIMIT when the page is
// full.
#define PAGE_BYTES_MAX (8 * 1024 * 1024)

struct page {
    enum cursor_kind kind;
    size_t limit;
    size_t count;
    size_t bytes; // Bytes of the items.
    FILE *out;
    char *text;
    size_t text_bytes;
    struct cursor last; // The position of the last item.
    bool more;
    const char *beside_name; // See page_add_time; NULL: none.
    wall_ms beside_at;
    bool is_of_all; // The list is not one of a single job, so that a replica may have answered.
};

// `name` is that of the list in the answer.
void page_begin(struct page *page, enum cursor_kind kind, const char *name, size_t limit);
// False when the page is full; the row need not be looked at.
bool page_has_room(struct page *page);
// Takes the item. ERR_LIMIT: it is left for the next page.
enum err page_add(struct page *page, json_t *item, struct cursor at);
// The list goes on behind this position, whatever the last item is.
void page_end_at(struct page *page, struct cursor at);
// A member of the answer beside the list.
void page_add_time(struct page *page, const char *name, wall_ms at);
// Answers {"<name>": [...], "next_cursor": ...} and a Link header. With an error other than that of
// a full page it frees the page and returns the error.
enum err page_end(struct api_request *r, struct page *page, enum err err);
// Names the page that follows, in a header of the answer to be.
void page_add_link(struct api_request *r, const char *cursor);

// pretty.c: indents JSON that comes in pieces. Starts zeroed; the text is the caller's.
struct json_indenter {
    unsigned depth;
    bool is_opened; // The last sign has opened an object or array.
    bool is_in_text;
    bool is_escaped;
};
char *json_indent(struct json_indenter *in, const char *text, size_t bytes, size_t *out_bytes);

// openapi.c: the description of the API.
extern const char openapi_text[]; // Ends in NUL.
size_t openapi_bytes(void);

// --- The handlers --------------------------------------------------------------------------------

route_handler handle_index, handle_openapi;
route_handler handle_bulk, handle_test_job;
route_handler handle_create_job, handle_list_jobs, handle_get_job, handle_put_job, handle_patch_job,
    handle_delete_job, handle_get_job_by_key, handle_put_job_by_key, handle_delete_job_by_key,
    handle_pause_job, handle_resume_job, handle_trigger_job;
route_handler handle_job_executions, handle_executions, handle_execution, handle_cancel_execution,
    handle_replay_execution, handle_replay_executions, handle_backfill_job,
    handle_recent_executions, handle_failed_executions;
route_handler handle_job_alerts, handle_alerts, handle_alert, handle_ack_alert;
route_handler handle_cluster, handle_health, handle_metrics_json, handle_metrics_text, handle_live,
    handle_ready;
route_handler handle_preview;
route_handler handle_export, handle_import;
route_handler handle_accept_clock, handle_audit;
route_handler handle_rotate_secrets;
route_handler handle_explain;
route_handler handle_list_tokens, handle_create_token, handle_revoke_token;
route_handler handle_upcoming;
route_handler handle_events;

#endif
