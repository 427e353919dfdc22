// SPDX-License-Identifier: MIT
// api_priv.h: what the files of the API share: requests, routes, problems, answers. JSON has
// json_priv.h, and lists have page_priv.h.
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
    const char *callback_key; // See struct api_options.
    const char *public_url;   // The same; "": not known.
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
    REFUSED_CALLBACK,
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
    bool knows_channels;            // The channels that the body names are there.
    json_t *made;                   // Keys that the change has made: told once. NULL: none.
    unsigned attempt; // The attempt whose callback the request brings; 0: it brings none.
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
// Whether If-Match, if there is one, names the version of what is no job: "channel".
enum err check_version(const struct api_request *r, int64_t version, const char *what,
                       struct problem *p);
// Answers 200 with the text and a tag of all of it, or 304 when If-None-Match has that tag. Takes
// it.
void answer_tagged(struct api_request *r, int64_t version, json_t *json);

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
// read nothing but their client's Idempotency-Key, or what its token has, do so only when there is
// one, or the token has a quota.
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
// Hands the request, whose body is read, to its handler, on a thread that may do what that does.
enum err request_run(struct api_request *r, struct problem *p);
// named_channels.c: whether the body names channels that nobody has looked up; and that look, after
// which request_run is called again.
bool request_names_channels(const struct api_request *r);
enum err request_check_channels(struct api_request *r, struct problem *p);
// admit.c: asks the room `access` who sends the request. When it is let in, at once or later,
// request_proceed is called. ERR_OK: the request is answered, or will be.
enum err request_admit(struct api_request *r, struct problem *p);
enum err request_proceed(struct api_request *r, struct problem *p);

// completion.c: whether the request is of the target of an attempt, and brings what it was given
// instead of a token; and whether that is good.
bool request_has_callback(const struct api_request *r);
enum err request_check_callback(struct api_request *r, struct problem *p);

// allowance.c: for a request that will carry something out, whether its token may cause one more
// execution now, and that it has caused so many in all.
// Before: counts the request against its token and its address, r->access.address.
enum err request_check_rate(struct api_request *r, struct problem *p);
enum err request_count_execution(struct api_request *r, struct problem *p);
void request_charge_executions(struct api_request *r, size_t count);

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

// openapi.c: the description of the API.
extern const char openapi_text[]; // Ends in NUL.
size_t openapi_bytes(void);

// --- The handlers --------------------------------------------------------------------------------

route_handler handle_index, handle_openapi;
route_handler handle_bulk, handle_test_job;
route_handler handle_create_job, handle_list_jobs, handle_get_job, handle_put_job, handle_patch_job,
    handle_delete_job, handle_get_job_by_key, handle_put_job_by_key, handle_delete_job_by_key,
    handle_pause_job, handle_resume_job, handle_trigger_job, handle_ping;
route_handler handle_job_executions, handle_executions, handle_execution, handle_cancel_execution,
    handle_complete_execution, handle_replay_execution, handle_replay_executions,
    handle_backfill_job, handle_recent_executions, handle_failed_executions;
route_handler handle_job_alerts, handle_alerts, handle_alert, handle_ack_alert;
route_handler handle_cluster, handle_health, handle_metrics_json, handle_metrics_text, handle_live,
    handle_ready;
route_handler handle_preview;
route_handler handle_export, handle_import;
route_handler handle_accept_clock, handle_audit;
route_handler handle_rotate_secrets;
route_handler handle_explain;
route_handler handle_list_tokens, handle_create_token, handle_revoke_token;
route_handler handle_list_channels, handle_get_channel, handle_create_channel, handle_put_channel,
    handle_delete_channel;
route_handler handle_test_channel, handle_channel_deliveries, handle_get_delivery;
route_handler handle_list_silences, handle_get_silence, handle_create_silence,
    handle_delete_silence;
route_handler handle_upcoming;
route_handler handle_events;

#endif
