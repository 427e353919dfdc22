// SPDX-License-Identifier: MIT
// audit.c: what is recorded of a change: who, which action, and the members of the job as they were
// and as they are.
//
// Of an update these are the members that it alters, of a new or a deleted job all that have
// another value than their default. Values look as the API shows them, but for two things: a secret
// is {"secret":true}, and a long text is its length and its SHA-256. So an entry is small, and
// holds nothing that could be misused.

#include "base/utf8.h"
#include "service/service_priv.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define TEXT_BYTES_MAX 1024 // A longer text is told by its length and its digest.
#define SEALED "sealed:v1:" // So begins a secret that is kept encrypted.
#define DIGEST_BYTES 32

static json_t *secret(void)
{
    return json_pack("{s:b}", "secret", 1);
}

static json_t *summary(const char *text, size_t bytes)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST_BYTES + 1] = "";
    EVP_Digest(text, bytes, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return json_pack("{s:I, s:s}", "bytes", (json_int_t)bytes, "sha256", hex);
}

// A row that was edited may hold what is no UTF-8: the text ends there.
static json_t *text_value(const char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    if (!text)
        return json_null();
    if (strstr(text, SEALED))
        return secret();
    return bytes > TEXT_BYTES_MAX ? summary(text, bytes)
                                  : json_stringn(text, utf8_span(text, bytes));
}

// Headers that identify a client, whoever gave them as no secret.
static bool is_credential(const char *name)
{
    static const char *const names[] = {"Authorization", "Proxy-Authorization", "Cookie",
                                        "X-Api-Key"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static void add_header(void *context, const char *name, const char *value)
{
    json_object_set_new(context, name, is_credential(name) ? secret() : text_value(value));
}

static json_t *headers_value(const struct job *j)
{
    json_t *o = json_object();
    service_each_header(j, add_header, o);
    return o;
}

static json_t *json_value(const char *text)
{
    bool is_short = text && strlen(text) <= TEXT_BYTES_MAX && !strstr(text, SEALED);
    json_t *value = is_short ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return value ? value : text_value(text);
}

static json_t *time_value(wall_ms at)
{
    char text[RFC3339_BYTES];
    if (at == 0 || at == WALL_NEVER)
        return json_null();
    wall_format(at, text);
    return json_string(text);
}

static json_t *text_member(const struct job_member *m, const struct job *j)
{
    const char *text = *job_text_at(m, j);
    if (m->form == TEXT_HEADERS)
        return headers_value(j);
    bool is_json = m->form == TEXT_TAGS || (m->form == TEXT_PAYLOAD && j->body_is_json);
    return is_json ? json_value(text) : text_value(text);
}

static json_t *value_of(const struct job_member *m, const struct job *j)
{
    switch (m->kind) {
    case MEMBER_TEXT:
        return text_member(m, j);
    case MEMBER_WORD:
        return json_string(enum_word(m->words, (int)job_integer(m, j)));
    case MEMBER_FLAG:
        return json_boolean(job_integer(m, j));
    case MEMBER_TIME:
        return time_value(job_integer(m, j));
    default:
        return json_integer(job_integer(m, j));
    }
}

static bool is_same(const struct job_member *m, const struct job *a, const struct job *b)
{
    bool same_form =
        m->form != TEXT_PAYLOAD || m->kind != MEMBER_TEXT || a->body_is_json == b->body_is_json;
    return same_form && job_same_member(m, a, b);
}

// The client's members of `j` that differ from those of `other`, as a JSON object.
static char *difference(const struct job *j, const struct job *other)
{
    json_t *o = json_object();
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->access == ACCESS_CLIENT && m->kind != MEMBER_COMPUTED && !is_same(m, j, other))
            json_object_set_new(o, m->name, value_of(m, j));
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

// The body that a trigger sends instead of the job's.
static char *own_body(const char *body, bool is_json)
{
    json_t *o = json_object();
    json_object_set_new(o, "body", is_json ? json_value(body) : text_value(body));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static char *text_of(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static char *origin_of(const struct service_change *c)
{
    char id[EXECUTION_ID_BYTES];
    execution_id_format(&c->execution, id);
    json_t *o = json_object();
    json_object_set_new(o, "origin", json_string(id));
    return text_of(o);
}

static char *range_of(const struct service_change *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "from", time_value(c->from));
    json_object_set_new(o, "to", time_value(c->to));
    json_object_set_new(o, "count", json_integer(c->count));
    return text_of(o);
}

static enum audit_action action_of(const struct service_change *c)
{
    static const enum audit_action updates[] = {[UPDATE_EDIT] = AUDIT_JOB_UPDATE,
                                                [UPDATE_PAUSE] = AUDIT_JOB_PAUSE,
                                                [UPDATE_RESUME] = AUDIT_JOB_RESUME};
    static const enum audit_action actions[] = {
        [COMMAND_CREATE] = AUDIT_JOB_CREATE,           [COMMAND_DELETE] = AUDIT_JOB_DELETE,
        [COMMAND_TRIGGER] = AUDIT_JOB_TRIGGER,         [COMMAND_REPLAY] = AUDIT_EXECUTION_REPLAY,
        [COMMAND_BACKFILL] = AUDIT_JOB_BACKFILL,       [COMMAND_CANCEL] = AUDIT_EXECUTION_CANCEL,
        [COMMAND_COMPLETE] = AUDIT_EXECUTION_COMPLETE, [COMMAND_ACCEPT_CLOCK] = AUDIT_CLOCK_ACCEPT,
        [COMMAND_ACK_ALERT] = AUDIT_ALERT_ACK};
    return c->kind == COMMAND_UPDATE ? updates[c->update] : actions[c->kind];
}

void service__audit_drop(struct service_change *c)
{
    free((char *)(uintptr_t)c->audit.before);
    free((char *)(uintptr_t)c->audit.after);
    c->audit.before = c->audit.after = NULL;
}

// A deleted job that cannot be read has no `before`.
void service__audit_make(struct service_change *c)
{
    bool changes_job = c->kind == COMMAND_UPDATE || c->kind == COMMAND_DELETE;
    const struct job *before = changes_job ? c->before : NULL;
    service__audit_drop(c);
    c->audit.by = *c->by;
    c->audit.action = action_of(c);
    if (c->kind == COMMAND_ACK_ALERT)
        c->audit.subject = c->text; // The number of the alert.
    if (before)
        c->audit.before = difference(before, c->row ? c->row : &job_defaults);
    if (c->row)
        c->audit.after = difference(c->row, before ? before : &job_defaults);
    else if (c->kind == COMMAND_TRIGGER && c->text)
        c->audit.after = own_body(c->text, c->text_is_json);
    else if (c->kind == COMMAND_REPLAY)
        c->audit.after = origin_of(c);
    else if (c->kind == COMMAND_BACKFILL)
        c->audit.after = range_of(c);
}
