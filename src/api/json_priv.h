// SPDX-License-Identifier: MIT
// json_priv.h: JSON as the API reads and writes it: bodies of requests, and everything of the
// ledger that an answer shows.

#ifndef CARILLON_API_JSON_PRIV_H
#define CARILLON_API_JSON_PRIV_H

#include "api/api_priv.h"

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
json_t *json_progress(const char *notes); // The notes of an execution; NULL: none.
json_t *json_attempt(const struct attempt *a);
json_t *json_alert(const struct alert *a);
json_t *json_incidents(const struct job *j); // The open ones.
json_t *json_execution_id(const struct execution_key *k);

struct delivery;
json_t *json_delivery(const struct delivery *d); // Without its message and its attempts.
json_t *json_alert_kinds(uint64_t kinds);        // A set of kinds of alerts, as an array of words.
// The reverse: member `kinds` of the object, which is the member `within` of the body, or the body.
// Absent and null are the empty set.
enum err alert_kinds_read(const json_t *object, const char *within, uint64_t *out,
                          struct problem *p);

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
    bool moves;   // Set by job_decode: the job calls another server than before.
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
// have in `before`, which may be NULL. Keys that sign and the OAuth client likewise.
enum err secret_headers_settle(struct job *j, const struct job *before, struct service_problem *p);
// Seals with the first key what is sealed with another, or stands in clear under the name of a
// credential.
enum err secret_headers_renew(const struct job_reading *how, struct job *j,
                              struct service_problem *p);
// Refuses a job that would send to another server a secret which nobody has given for that: whoever
// may change a job must not get to read its secrets.
enum err secret_headers_check_target(const struct job *before, const struct job *j,
                                     struct service_problem *p);
// Whether a request to `b` goes to the same server as one to `a`, in the same way. A `b` that is no
// URL is refused by others.
bool api_is_same_server(const char *a, const char *b);

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

// --- json_tls_key.c: the private key of a client certificate -------------------------------------
//
// A client says it as a text in PEM, and reads and sends back {"secret": true}.

enum err tls_key_decode(const struct job_member *m, const json_t *value,
                        const struct job_reading *how, struct job *j, struct problem *p);
json_t *tls_key_encode(const struct job_member *m, const struct job *j);
// When all members are read: the key that is to be kept becomes that of `before`, which may be
// NULL. Refuses one that is not the certificate's, and one that nobody has given for the server
// which is now the target.
enum err tls_key_settle(const struct secret_ring *secrets, struct job *j, const struct job *before,
                        struct service_problem *p);
bool tls_key_is_old(const struct secret_ring *secrets, const struct job *j);
// Seals it with the first key of the ring when it is sealed with another.
enum err tls_key_renew(const struct secret_ring *secrets, struct job *j, struct service_problem *p);

// --- json_oauth.c: the OAuth client of a job -----------------------------------------------------

enum err oauth_decode(const struct job_member *m, const json_t *value,
                      const struct job_reading *how, struct job *j, struct problem *p);
json_t *oauth_encode(const struct job_member *m, const struct job *j);
// Whether the client's secret is sealed with another key than the first of the ring.
bool oauth_has_old_key(const struct secret_ring *secrets, const struct job *j);
// Seals it with the first then.
enum err oauth_renew(const struct secret_ring *secrets, struct job *j, struct service_problem *p);
// The same as secret_headers_settle and secret_headers_check_target, which call these.
enum err oauth_settle(struct job *j, const struct job *before, struct service_problem *p);
enum err oauth_check_target(const struct job *before, const struct job *j,
                            struct service_problem *p);

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
// be. `base`: the public_url of struct api_options.
json_t *json_job_ahead(const struct job *j, const struct service_schedule *s, const char *base);
// As lists have it, with its next run and its last execution (NULL: none).
json_t *json_job_listed(const struct job *j, wall_ms next, const struct execution *last);
// Only what a client may set: JOB_CREATE makes the same job of it.
json_t *json_job_writable(const struct job *j);

// --- pretty.c --------------------------------------------------------------------------------

// Indents JSON that comes in pieces. Starts zeroed; the text is the caller's.
struct json_indenter {
    unsigned depth;
    bool is_opened; // The last sign has opened an object or array.
    bool is_in_text;
    bool is_escaped;
};
char *json_indent(struct json_indenter *in, const char *text, size_t bytes, size_t *out_bytes);

#endif
