// SPDX-License-Identifier: MIT
// json_member.c: one member of a job as JSON, both ways.
//
// Bounds of numbers and the meaning of texts are the service's business; here only the form is
// judged.

#include "api/api_priv.h"
#include "api/json_priv.h"

// --- Each kind, from JSON ------------------------------------------------------------------------
//
// The value is not null.

static enum err decode_text(const struct job_member *m, const json_t *value,
                            const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    if (!json_is_string(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be a string", m->name);
    job_set_text(job_text_at(m, j), json_string_value(value));
    return ERR_OK;
}

static enum err decode_number(const struct job_member *m, const json_t *value,
                              const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    if (!json_is_integer(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be an integer", m->name);
    return service_set_number(m, j, json_integer_value(value), &p->what);
}

static enum err decode_word(const struct job_member *m, const json_t *value,
                            const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    int word;
    if (json_is_string(value) && enum_find(m->words, json_string_value(value), &word)) {
        job_set_integer(m, j, word);
        return ERR_OK;
    }
    char list[96];
    enum_list(m->words, list, sizeof list);
    return refuse_field(p, ERR_SYNTAX, m->name, "%s must be %s", m->name, list);
}

static enum err decode_flag(const struct job_member *m, const json_t *value,
                            const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    if (!json_is_boolean(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be true or false", m->name);
    job_set_integer(m, j, json_is_true(value));
    return ERR_OK;
}

static enum err decode_time(const struct job_member *m, const json_t *value,
                            const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    wall_ms at;
    enum err err = time_read(value, m->name, &at, p);
    if (!err)
        job_set_integer(m, j, at);
    return err;
}

static enum err decode_header(const char *name, const json_t *value, const struct job *before,
                              const struct job_reading *how, struct job *j, struct problem *p)
{
    bool removes = how->how == JOB_MERGE && json_is_null(value);
    if (json_is_object(value) || (json_is_string(value) && header_is_to_be_sealed(how, name)))
        return secret_header_decode(name, value, before, how, j, p);
    if (removes || json_is_string(value))
        return header_decode(name, json_string_value(value), j, p);
    refuse_field(p, ERR_SYNTAX, "headers",
                 "the value of a header must be a string, or {\"secret\": a string}");
    service_problem_within(&p->what, name);
    return ERR_SYNTAX;
}

static void count_header(void *context, const char *name, const char *value)
{
    (void)name;
    (void)value;
    ++*(size_t *)context;
}

// Headers of which two have one name are fewer than were sent.
static enum err check_once(const struct job_member *m, const json_t *value,
                           const struct job_reading *how, const struct job *j, struct problem *p)
{
    size_t count = 0;
    service_each_header(j, count_header, &count);
    if (how->how == JOB_MERGE || count >= json_object_size(value))
        return ERR_OK;
    return refuse_field(p, ERR_SYNTAX, m->name,
                        "headers names one header twice; case does not matter");
}

static enum err decode_headers(const struct job_member *m, const json_t *value,
                               const struct job_reading *how, struct job *j, struct problem *p)
{
    if (!json_is_object(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "headers must be an object of strings");
    // Each is looked up among the others; a merge may remove as many as it adds.
    if (json_object_size(value) > 2 * SERVICE_HEADERS_MAX)
        return refuse_field(p, ERR_LIMIT, m->name, "a job has at most %d headers",
                            SERVICE_HEADERS_MAX);
    struct job before = {.headers = xstrdup(j->headers)};
    if (how->how != JOB_MERGE)
        job_set_text(&j->headers, NULL);
    enum err err = ERR_OK;
    const char *name;
    json_t *text;
    json_object_foreach((json_t *)value, name, text) {
        if (!err)
            err = decode_header(name, text, &before, how, j, p);
    }
    free(before.headers);
    return err ? err : check_once(m, value, how, j, p);
}

static enum err decode_payload(const struct job_member *m, const json_t *value,
                               const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    (void)p;
    char **text = job_text_at(m, j);
    free(*text);
    *text = member_payload(value, &j->body_is_json);
    return ERR_OK;
}

// What the tags may be is the service's business, which reads this text.
static enum err decode_tags(const struct job_member *m, const json_t *value,
                            const struct job_reading *how, struct job *j, struct problem *p)
{
    (void)how;
    if (!json_is_array(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be an array of strings", m->name);
    char **text = job_text_at(m, j);
    free(*text);
    *text = json_dumps(value, JSON_COMPACT);
    return ERR_OK;
}

// --- Each kind, to JSON --------------------------------------------------------------------------

static json_t *encode_text(const struct job_member *m, const struct job *j)
{
    return json_text(*job_text_at(m, j));
}

// As it came: a text as a string, anything else as itself. A string that came as JSON, by an older
// version, cannot be told from a text; and what JSON cannot hold exactly is shown as a text.
static json_t *encode_payload(const struct job_member *m, const struct job *j)
{
    const int strict = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
    const char *body = *job_text_at(m, j);
    json_t *value = body && j->body_is_json ? json_loads(body, strict, NULL) : NULL;
    if (value && !json_is_string(value))
        return value;
    json_decref(value);
    return json_text(body);
}

static json_t *encode_number(const struct job_member *m, const struct job *j)
{
    return json_integer(job_integer(m, j));
}

static json_t *encode_count(const struct job_member *m, const struct job *j)
{
    int64_t value = job_integer(m, j);
    return m->is_optional && value == 0 ? json_null() : json_integer(value);
}

static json_t *encode_word(const struct job_member *m, const struct job *j)
{
    return json_string(enum_word(m->words, (int)job_integer(m, j)));
}

static json_t *encode_flag(const struct job_member *m, const struct job *j)
{
    return json_boolean(job_integer(m, j));
}

static json_t *encode_time(const struct job_member *m, const struct job *j)
{
    return json_time(job_integer(m, j));
}

static void encode_header(void *context, const char *name, const char *value)
{
    json_object_set_new(context, name, json_header_value(value));
}

static json_t *encode_headers(const struct job_member *m, const struct job *j)
{
    (void)m;
    json_t *o = json_object();
    service_each_header(j, encode_header, o);
    return o;
}

static json_t *encode_tags(const struct job_member *m, const struct job *j)
{
    const char *tags = *job_text_at(m, j);
    json_t *array = tags ? json_loads(tags, 0, NULL) : NULL;
    if (json_is_array(array))
        return array;
    json_decref(array); // NULL, or somebody has edited the row.
    return json_array();
}

// --- All kinds -----------------------------------------------------------------------------------

struct codec {
    enum err (*decode)(const struct job_member *m, const json_t *value,
                       const struct job_reading *how, struct job *j, struct problem *p);
    json_t *(*encode)(const struct job_member *m, const struct job *j);
};

static const struct codec kinds[MEMBER_KINDS] = {
    [MEMBER_NUMBER] = {decode_number, encode_number},
    [MEMBER_FLAG] = {decode_flag, encode_flag},
    [MEMBER_WORD] = {decode_word, encode_word},
    [MEMBER_TIME] = {decode_time, encode_time},
    [MEMBER_COUNT] = {NULL, encode_count}, // Only the server writes them.
    [MEMBER_TEXT] = {decode_text, encode_text},
};

// Texts that are no strings in JSON, or not always.
static const struct codec forms[] = {
    [TEXT_HEADERS] = {decode_headers, encode_headers},
    [TEXT_PAYLOAD] = {decode_payload, encode_payload},
    [TEXT_TAGS] = {decode_tags, encode_tags},
    [TEXT_SIGNING] = {signing_decode, signing_encode},
    [TEXT_SEALED] = {tls_key_decode, tls_key_encode},
    [TEXT_OAUTH] = {oauth_decode, oauth_encode},
};

static const struct codec *codec_of(const struct job_member *m)
{
    bool has_form = m->kind == MEMBER_TEXT && forms[m->form].decode;
    return has_form ? &forms[m->form] : &kinds[m->kind];
}

enum err job_member_decode(const struct job_member *m, const json_t *value,
                           const struct job_reading *how, struct job *j, struct problem *p)
{
    if (!json_is_null(value))
        return codec_of(m)->decode(m, value, how, j, p);
    job_reset(m, j);
    if (m->form == TEXT_PAYLOAD)
        j->body_is_json = false;
    return ERR_OK;
}

json_t *json_job_member(const struct job_member *m, const struct job *j)
{
    return codec_of(m)->encode(m, j);
}
