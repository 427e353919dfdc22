// SPDX-License-Identifier: MIT
// codec.c: attempts and outcomes as bytes: a version, then each field of a table in its order, a
// number as eight bytes, a text as its length and itself. Numbers begin with the lowest byte.
//
// What later versions have added comes behind that, each with its name, and only where it says
// something: its name's length (1) and name, its value's length (4) and value. A reader passes over
// what it does not know, so that nodes and executors of neighbouring versions work together. Where
// that is not enough, the outcome tells what its sender has understood.

#include "dispatch/queue/codec_priv.h"

#include "base/callback.h"
#include "base/header.h"
#include "base/integer.h"
#include "base/url.h"
#include "base/utf8.h"
#include "dispatch/hops_priv.h"
#include "secrets/oauth.h"
#include "secrets/signing.h"

#include <string.h>

#define VERSION 2
#define NO_TEXT UINT32_MAX
#define DURATION_MAX 86400000
#define REDIRECTS_BYTES_MAX 8192

struct field {
    const char *name;
    size_t offset;
    size_t bytes;            // 0: a text.
    int64_t least, greatest; // A text has so many bytes.
    bool is_optional;        // A text that may be NULL.
};

#define NUMBER(type, member, least, greatest)                                                      \
    {                                                                                              \
#member, offsetof(type, member), sizeof(((type *)0)->member), (least), (greatest), false   \
    }
#define FLAG(type, member) NUMBER(type, member, 0, 1)
#define TEXT(type, member, greatest)                                                               \
    {                                                                                              \
#member, offsetof(type, member), 0, 0, (greatest), true                                    \
    }

static const struct field send_fields[] = {
    NUMBER(struct send, ticket, INT64_MIN, INT64_MAX),
    NUMBER(struct send, shard, 0, SHARDS_MAX - 1),
    NUMBER(struct send, request.method, 0, JOB_METHODS - 1),
    NUMBER(struct send, request.key.job, 1, JOB_ID_MAX),
    NUMBER(struct send, request.key.scheduled_at, 0, WALL_LAST),
    NUMBER(struct send, request.key.series, INT64_MIN, INT64_MAX),
    NUMBER(struct send, request.trigger, 0, EXECUTION_TRIGGERS - 1),
    NUMBER(struct send, request.attempt, 0, UINT16_MAX),
    NUMBER(struct send, request.timeout_ms, 1, JOB_MAX(timeout_ms)),
    NUMBER(struct send, request.epoch, 0, INT64_MAX),
    FLAG(struct send, request.repeatable),
    FLAG(struct send, request.body_is_json),
    FLAG(struct send, request.tls_verify),
    FLAG(struct send, request.fresh_connection),
    NUMBER(struct send, request.redirects, 0, JOB_MAX(redirects)),
    NUMBER(struct send, request.response_excerpt_bytes, 0, EXCERPT_BYTES_MAX),
    {"api", offsetof(struct send, request.api), 0, 1, URL_BYTES_MAX, false},
    TEXT(struct send, request.headers, HEADER_LINES_BYTES_MAX),
    TEXT(struct send, request.body, JOB_MAX(body)),
    TEXT(struct send, request.signing, SIGNING_LINES_BYTES_MAX),
    TEXT(struct send, request.tls_ca, JOB_MAX(tls_ca)),
    TEXT(struct send, request.origin, EXECUTION_ID_BYTES - 1),
};

static const struct field send_additions[] = {
    TEXT(struct send, request.oauth, OAUTH_TEXT_BYTES_MAX),
    TEXT(struct send, request.success_body, JOB_MAX(success_body)),
    TEXT(struct send, request.failure_body, JOB_MAX(failure_body)),
    TEXT(struct send, request.tls_client_cert, JOB_MAX(tls_client_cert)),
    TEXT(struct send, request.tls_client_key, SECRET_TLS_KEY_CHARS_MAX),
    TEXT(struct send, request.callback, CALLBACK_URL_BYTES - 1),
};

static const struct field outcome_fields[] = {
    NUMBER(struct outcome, ticket, INT64_MIN, INT64_MAX),
    NUMBER(struct outcome, kind, 0, OUTCOME_KINDS - 1),
    NUMBER(struct outcome, retry_after_ms, 0, DURATION_MAX),
    NUMBER(struct outcome, attempt.http_status, 0, 999),
    NUMBER(struct outcome, attempt.started_at, 0, WALL_LAST),
    NUMBER(struct outcome, attempt.duration_ms, 0, DURATION_MAX),
    NUMBER(struct outcome, attempt.dns_ms, -1, DURATION_MAX),
    NUMBER(struct outcome, attempt.connect_ms, -1, DURATION_MAX),
    NUMBER(struct outcome, attempt.tls_ms, -1, DURATION_MAX),
    NUMBER(struct outcome, attempt.first_byte_ms, -1, DURATION_MAX),
    FLAG(struct outcome, is_unheard),
    FLAG(struct outcome, attempt.response_truncated),
    FLAG(struct outcome, attempt.response_damaged),
    TEXT(struct outcome, location, HOPS_LOCATION_BYTES),
    TEXT(struct outcome, attempt.redirects, REDIRECTS_BYTES_MAX),
    TEXT(struct outcome, attempt.error, ERROR_TEXT_MAX - 1),
    TEXT(struct outcome, attempt.response, EXCERPT_BYTES_MAX),
};

static const struct field outcome_additions[] = {
    FLAG(struct outcome, body_is_judged),
    FLAG(struct outcome, asks_to_wait),
    TEXT(struct outcome, body_error, ERROR_TEXT_MAX - 1),
};

// A message: what it always has, and what was added later.
struct layout {
    const struct field *fields;
    size_t count;
    const struct field *additions;
    size_t addition_count;
};

static const struct layout send_layout = {send_fields, COUNT_OF(send_fields), send_additions,
                                          COUNT_OF(send_additions)};
static const struct layout outcome_layout = {outcome_fields, COUNT_OF(outcome_fields),
                                             outcome_additions, COUNT_OF(outcome_additions)};

// --- Writing -------------------------------------------------------------------------------------

static void put_number(struct request_text *out, uint64_t number, size_t bytes)
{
    char text[8];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)(number >> 8 * i);
    request_text_add(out, text, bytes);
}

static bool put_text(struct request_text *out, const struct field *f, const char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    bool fits = text ? (int64_t)bytes >= f->least && (int64_t)bytes <= f->greatest : f->is_optional;
    put_number(out, text ? bytes : NO_TEXT, 4);
    request_text_add(out, text ? text : "", bytes);
    return fits;
}

static bool put_field(struct request_text *out, const struct field *f, const char *from)
{
    if (f->bytes == 0)
        return put_text(out, f, *(const char *const *)(const void *)(from + f->offset));
    int64_t number = integer_load(from + f->offset, f->bytes);
    put_number(out, (uint64_t)number, 8);
    return f->least <= number && number <= f->greatest;
}

// False: the value is out of its bounds.
static bool put_addition(struct request_text *out, const struct field *f, const char *from)
{
    const char *at = from + f->offset;
    const char *text = f->bytes ? NULL : *(const char *const *)(const void *)at;
    if (f->bytes ? integer_load(at, f->bytes) == 0 : !text)
        return true;
    put_number(out, strlen(f->name), 1);
    request_text_add(out, f->name, strlen(f->name));
    if (text)
        return put_text(out, f, text);
    put_number(out, 8, 4);
    return put_field(out, f, from);
}

static bool put_fields(struct request_text *out, const struct layout *l, const void *from,
                       size_t before)
{
    bool fits = true;
    for (size_t i = 0; i < l->count && fits; i++)
        fits = put_field(out, &l->fields[i], from);
    for (size_t i = 0; i < l->addition_count && fits; i++)
        fits = put_addition(out, &l->additions[i], from);
    if (!fits) {
        out->count = before;
        out->bytes[before] = '\0';
    }
    return fits;
}

bool queue__encode_send(struct request_text *out, const char node[static QUEUE_NODE_BYTES],
                        const struct send *s)
{
    size_t before = out->count;
    put_number(out, VERSION, 1);
    request_text_add(out, node, QUEUE_NODE_BYTES - 1);
    return put_fields(out, &send_layout, s, before);
}

bool queue__encode_outcome(struct request_text *out, const struct outcome *o)
{
    size_t before = out->count;
    put_number(out, VERSION, 1);
    return put_fields(out, &outcome_layout, o, before);
}

// --- Reading -------------------------------------------------------------------------------------

// What is left to be read.
struct rest {
    const char *at;
    size_t bytes;
};

static bool take_number(struct rest *r, size_t bytes, uint64_t *out)
{
    uint64_t number = 0;
    if (r->bytes < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)(unsigned char)r->at[i] << 8 * i;
    r->at += bytes;
    r->bytes -= bytes;
    *out = number;
    return true;
}

static bool is_text(const char *text, size_t bytes)
{
    return !memchr(text, '\0', bytes) && utf8_span(text, bytes) == bytes;
}

static bool take_text(struct rest *r, const struct field *f, struct arena *texts, const char **out)
{
    uint64_t bytes;
    *out = NULL;
    if (!take_number(r, 4, &bytes))
        return false;
    if (bytes == NO_TEXT)
        return f->is_optional;
    if (bytes > r->bytes || (int64_t)bytes < f->least || (int64_t)bytes > f->greatest ||
        !is_text(r->at, bytes))
        return false;
    *out = arena_copy(texts, r->at, bytes);
    r->at += bytes;
    r->bytes -= bytes;
    return true;
}

static bool take_field(struct rest *r, const struct field *f, struct arena *texts, char *to)
{
    uint64_t bits;
    if (f->bytes == 0)
        return take_text(r, f, texts, (const char **)(void *)(to + f->offset));
    if (!take_number(r, 8, &bits))
        return false;
    int64_t number = (int64_t)bits;
    if (number < f->least || number > f->greatest)
        return false;
    integer_store(to + f->offset, f->bytes, number);
    return true;
}

static const struct field *find_addition(const struct layout *l, const char *name, size_t bytes)
{
    for (size_t i = 0; i < l->addition_count; i++)
        if (strlen(l->additions[i].name) == bytes && !memcmp(l->additions[i].name, name, bytes))
            return &l->additions[i];
    return NULL;
}

static bool take_addition(struct rest *r, const struct layout *l, struct arena *texts, char *to)
{
    uint64_t name_bytes, bytes;
    if (!take_number(r, 1, &name_bytes) || name_bytes == 0 || name_bytes > r->bytes)
        return false;
    const struct field *f = find_addition(l, r->at, (size_t)name_bytes);
    r->at += name_bytes;
    r->bytes -= (size_t)name_bytes;
    struct rest value = *r; // With its length.
    if (!take_number(r, 4, &bytes) || bytes > r->bytes)
        return false;
    r->at += bytes;
    r->bytes -= (size_t)bytes;
    if (!f)
        return true;
    bool is_number = f->bytes > 0;
    if (is_number && (bytes != 8 || !take_number(&value, 4, &bytes)))
        return false;
    return take_field(&value, f, texts, to);
}

static enum err take_fields(struct rest *r, const struct layout *l, struct arena *texts, void *to,
                            struct fault *f)
{
    for (size_t i = 0; i < l->count; i++)
        if (!take_field(r, &l->fields[i], texts, to))
            return fault_set(f, ERR_SYNTAX, "its %s is malformed", l->fields[i].name);
    while (r->bytes > 0)
        if (!take_addition(r, l, texts, to))
            return fault_set(f, ERR_SYNTAX, "what was added to it is malformed");
    return ERR_OK;
}

static enum err take_version(struct rest *r, struct fault *f)
{
    uint64_t version = 0;
    if (!take_number(r, 1, &version) || version != VERSION)
        return fault_set(f, ERR_SYNTAX, "version %u is unknown", (unsigned)version);
    return ERR_OK;
}

bool queue__is_node(const char *text, size_t bytes)
{
    return bytes == QUEUE_NODE_BYTES - 1 && strspn(text, "0123456789abcdef") >= bytes;
}

static enum err take_node(struct rest *r, char out[static QUEUE_NODE_BYTES], struct fault *f)
{
    size_t bytes = QUEUE_NODE_BYTES - 1;
    char node[QUEUE_NODE_BYTES] = "";
    memcpy(node, r->at, MIN(bytes, r->bytes));
    if (!queue__is_node(node, strlen(node)))
        return fault_set(f, ERR_SYNTAX, "its node is malformed");
    memcpy(out, node, sizeof node);
    r->at += bytes;
    r->bytes -= bytes;
    return ERR_OK;
}

// A job's own headers were checked when the job was made; these come from anywhere.
static enum err check_headers(const char *headers, struct fault *f)
{
    return headers && *headers ? header_check_lines(headers, f) : ERR_OK;
}

enum err queue__decode_send(const char *bytes, size_t count, struct queue_send *out,
                            struct fault *f)
{
    struct rest r = {bytes, count};
    struct queue_send s = {0};
    enum err err = take_version(&r, f);
    if (!err)
        err = take_node(&r, s.node, f);
    if (!err)
        err = take_fields(&r, &send_layout, &s.texts, &s.send, f);
    if (!err && check_headers(s.send.request.headers, f))
        err = ERR_SYNTAX;
    if (err)
        arena_clear(&s.texts);
    else
        *out = s;
    return err;
}

// An answer has a status and no error; anything else has an error.
static enum err check_outcome(const struct outcome *o, struct fault *f)
{
    bool is_answer = o->kind == OUTCOME_ANSWERED;
    if (is_answer != (o->attempt.error == NULL) || (is_answer && o->attempt.http_status < 100) ||
        (o->body_error && !is_answer))
        return fault_set(f, ERR_SYNTAX, "it contradicts itself");
    return ERR_OK;
}

enum err queue__decode_outcome(const char *bytes, size_t count, struct queue_outcome *out,
                               struct fault *f)
{
    struct rest r = {bytes, count};
    struct queue_outcome o = {0};
    enum err err = take_version(&r, f);
    if (!err)
        err = take_fields(&r, &outcome_layout, &o.texts, &o.outcome, f);
    if (!err)
        err = check_outcome(&o.outcome, f);
    if (err)
        arena_clear(&o.texts);
    else
        *out = o;
    return err;
}
