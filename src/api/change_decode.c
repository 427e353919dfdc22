// SPDX-License-Identifier: MIT
// change_decode.c: what a request asks to be changed: its body and its Idempotency-Key.
//
// The same key with the same method, target and body is the same request, repeated; its answer is
// that of the first time, marked by the header Idempotency-Replayed. Tokens that are bound to a tag
// have their keys for themselves: what one team asked for is not told to another.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

// --- The key -------------------------------------------------------------------------------------

static bool is_key(const char *text)
{
    size_t bytes = strlen(text);
    for (const char *c = text; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return false;
    return bytes >= 1 && bytes <= CLIENT_KEY_BYTES_MAX;
}

// A part of what the same request has in common.
struct part {
    const void *at;
    uint64_t bytes; // Hashed before the part, so that parts cannot be shifted into each other.
};

static bool hash_part(EVP_MD_CTX *hash, const struct part *part)
{
    return EVP_DigestUpdate(hash, &part->bytes, sizeof part->bytes) &&
           EVP_DigestUpdate(hash, part->at, part->bytes);
}

static void digest_parts(const struct part *parts, size_t count,
                         uint8_t out[static CLIENT_KEY_DIGEST_BYTES])
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool done = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    for (size_t i = 0; i < count; i++)
        done = done && hash_part(hash, &parts[i]);
    done = done && EVP_DigestFinal_ex(hash, out, NULL);
    assert(done); // Only memory can be missing, and then the x-functions stop us as well.
    EVP_MD_CTX_free(hash);
}

static void digest(struct exchange *x, uint8_t out[static CLIENT_KEY_DIGEST_BYTES])
{
    size_t bytes;
    const char *method = exchange_method(x);
    const char *target = exchange_target(x);
    const char *body = exchange_body(x, &bytes);
    const struct part parts[] = {{method, strlen(method)}, {target, strlen(target)}, {body, bytes}};
    digest_parts(parts, COUNT_OF(parts), out);
}

// The key as it is kept: for a token that is bound to a tag, a digest of both, as hexadecimal.
static const char *own_key(struct api_request *r, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[CLIENT_KEY_DIGEST_BYTES];
    const char *tag = request_tag(r);
    if (!tag)
        return text;
    const struct part parts[] = {{tag, strlen(tag)}, {text, strlen(text)}};
    digest_parts(parts, COUNT_OF(parts), raw);
    for (size_t i = 0; i < sizeof r->key; i++)
        r->key[i] = i == 2 * sizeof raw ? '\0' : digits[raw[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return r->key;
}

enum err decode_client_key(struct api_request *r, struct service_key *key, struct problem *p)
{
    const char *text = exchange_header(r->exchange, "Idempotency-Key");
    *key = (struct service_key){0};
    if (!text)
        return ERR_OK;
    if (!is_key(text))
        return service_refuse(&p->what, ERR_SYNTAX, PROBLEM_HEADER, NULL,
                              "Idempotency-Key must be 1 to %d visible ASCII characters",
                              CLIENT_KEY_BYTES_MAX);
    key->text = own_key(r, text);
    digest(r->exchange, key->digest);
    return ERR_OK;
}

// --- A range in the past -------------------------------------------------------------------------

enum err decode_backfill(struct api_request *r, struct backfill *out, struct service_key *key,
                         struct problem *p)
{
    static const char *const members[] = {"from", "to", "dry_run", NULL};
    *out = (struct backfill){.from = -1, .to = -1};
    enum err err = members_check(r->body, members, p);
    if (!err)
        err = member_time(r->body, "from", &out->from, p);
    if (!err)
        err = member_time(r->body, "to", &out->to, p);
    if (!err)
        err = member_flag(r->body, "dry_run", &out->dry_run, p);
    if (err)
        return err;
    if (out->from < 0 || out->to < 0)
        return refuse_field(p, ERR_SYNTAX, out->from < 0 ? "from" : "to", "%s is missing",
                            out->from < 0 ? "from" : "to");
    if (out->to < out->from)
        return refuse_field(p, ERR_RANGE, "to", "to lies before from");
    if (out->to > clock_wall_ms())
        return refuse_field(p, ERR_RANGE, "to", "to lies in the future");
    request_drop_body(r);
    return decode_client_key(r, key, p);
}

// --- The body ------------------------------------------------------------------------------------

// What an earlier reading of the same body has made is forgotten.
static json_t *begin_making(struct api_request *r)
{
    json_decref(r->made);
    r->made = json_array();
    return r->made;
}

enum err decode_create(struct api_request *r, struct job **out, struct service_key *key,
                       struct problem *p)
{
    struct job *draft = job_new();
    struct job_reading how = {
        .how = JOB_CREATE, .secrets = r->api->secrets, .made = begin_making(r)};
    enum err err = job_decode(r->body, &how, draft, p);
    if (!err)
        err = bound_add_tag(r, draft, p);
    if (!err)
        err = decode_client_key(r, key, p);
    if (err) {
        job_free(draft);
        return err;
    }
    request_drop_body(r);
    *out = draft;
    return ERR_OK;
}

// A job that is put by its key may be a new one.
static enum job_decoding how_to_decode(const struct api_request *r, const struct job *j)
{
    if (j->id == 0)
        return JOB_CREATE;
    return r->merge ? JOB_MERGE : JOB_REPLACE;
}

// Called whenever the change has to be merged into the job as it stands: seldom more than once, so
// the body is then read again from its text.
enum err decode_edit(void *request, struct job *j, struct service_problem *p)
{
    struct api_request *r = request;
    struct problem problem = {0};
    struct job_reading how = {
        .how = how_to_decode(r, j), .secrets = r->api->secrets, .made = begin_making(r)};
    struct job before = {.id = j->id,
                         .api = xstrdup(j->api),
                         .headers = xstrdup(j->headers),
                         .oauth = xstrdup(j->oauth),
                         .tags = xstrdup(j->tags)};
    enum err err = r->body ? ERR_OK : body_read_object(r, &problem);
    if (!err)
        err = job_decode(r->body, &how, j, &problem);
    if (!err)
        err = secret_headers_check_target(&before, j, &problem.what);
    free(before.api);
    free(before.headers);
    free(before.oauth);
    if (!err)
        err = bound_check_edit(r, &before, j, &problem);
    free(before.tags);
    if (!err)
        err = job_decode_repair(r->body, j, &problem);
    if (err)
        *p = problem.what;
    request_drop_body(r);
    return err;
}

// The service would name the members of a job that these become.
enum err check_pause(const struct pause *w, struct problem *p)
{
    size_t bytes = w->reason ? strlen(w->reason) : 0;
    if (bytes > JOB_MAX(paused_reason))
        return refuse_field(p, ERR_LIMIT, "reason", "reason has %zu bytes; at most %d are allowed",
                            bytes, JOB_MAX(paused_reason));
    if (w->until <= clock_wall_ms())
        return refuse_field(p, ERR_RANGE, "until", "until lies in the past");
    return ERR_OK;
}

enum err decode_pause(struct api_request *r, struct pause *out, struct problem *p)
{
    static const char *const members[] = {"reason", "until", NULL};
    *out = (struct pause){.until = WALL_NEVER};
    enum err err = r->body ? members_check(r->body, members, p) : ERR_OK;
    if (!err && r->body)
        err = member_text(r->body, "reason", &out->reason, p);
    if (!err && r->body)
        err = member_time(r->body, "until", &out->until, p);
    return err ? err : check_pause(out, p);
}

enum err decode_resume(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {NULL};
    return r->body ? members_check(r->body, members, p) : ERR_OK;
}

enum err decode_trigger(struct api_request *r, struct trigger *out, struct service_key *key,
                        struct problem *p)
{
    static const char *const members[] = {"body", NULL};
    enum err err = r->body ? members_check(r->body, members, p) : ERR_OK;
    if (!err)
        err = decode_client_key(r, key, p);
    if (err)
        return err;
    out->body = member_payload(json_object_get(r->body, "body"), &out->is_json);
    request_drop_body(r);
    return ERR_OK;
}
