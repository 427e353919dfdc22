// SPDX-License-Identifier: MIT
// json_job.c: a job as JSON, both ways, from one table of its members.
//
// Each member has a kind, and each kind knows how to decode, encode and reset it. Bounds of numbers
// and the meaning of texts are the service's business; here only the form is judged.

#include "api/api_priv.h"
#include "base/near.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum member_kind {
    MEMBER_TEXT,
    MEMBER_NUMBER,
    MEMBER_CHOICE,
    MEMBER_BOOL,
    MEMBER_TIME,
    MEMBER_COUNT, // int64_t; only the server sets it.
    MEMBER_HEADERS,
    MEMBER_PAYLOAD,
    MEMBER_TAGS,
    MEMBER_COMPUTED, // Not in struct job: added where it is known.
    MEMBER_KINDS
};

struct member {
    const char *name;
    enum member_kind kind;
    size_t offset;                  // In struct job.
    const struct enum_words *words; // CHOICE
    bool read_only;
};

#define AT(member) offsetof(struct job, member)

static const struct member members[] = {
    {"id", MEMBER_COUNT, AT(id), NULL, true},
    {"jobId", MEMBER_COMPUTED, 0, NULL, true},
    {"name", MEMBER_TEXT, AT(name), NULL, false},
    {"schedule", MEMBER_TEXT, AT(schedule), NULL, false},
    {"api", MEMBER_TEXT, AT(api), NULL, false},
    {"type", MEMBER_CHOICE, AT(type), &job_type_words, false},
    {"timezone", MEMBER_TEXT, AT(timezone), NULL, false},
    {"dst_gap", MEMBER_CHOICE, AT(dst_gap), &cron_gap_words, false},
    {"dst_fold", MEMBER_CHOICE, AT(dst_fold), &cron_fold_words, false},
    {"method", MEMBER_CHOICE, AT(method), &job_method_words, false},
    {"headers", MEMBER_HEADERS, AT(headers), NULL, false},
    {"body", MEMBER_PAYLOAD, AT(body), NULL, false},
    {"is_active", MEMBER_BOOL, AT(is_active), NULL, false},
    {"finished", MEMBER_BOOL, AT(finished), NULL, true},
    {"timeout_ms", MEMBER_NUMBER, AT(timeout_ms), NULL, false},
    {"max_retries", MEMBER_NUMBER, AT(max_retries), NULL, false},
    {"retry_strategy", MEMBER_CHOICE, AT(retry_strategy), &retry_strategy_words, false},
    {"retry_base_ms", MEMBER_NUMBER, AT(retry_base_ms), NULL, false},
    {"retry_cap_ms", MEMBER_NUMBER, AT(retry_cap_ms), NULL, false},
    {"catch_up", MEMBER_CHOICE, AT(catch_up), &catch_up_words, false},
    {"catch_up_window_s", MEMBER_NUMBER, AT(catch_up_window_s), NULL, false},
    {"max_in_flight", MEMBER_NUMBER, AT(max_in_flight), NULL, false},
    {"overlap", MEMBER_CHOICE, AT(overlap), &overlap_words, false},
    {"jitter_ms", MEMBER_NUMBER, AT(jitter_ms), NULL, false},
    {"start_at", MEMBER_TIME, AT(start_at), NULL, false},
    {"end_at", MEMBER_TIME, AT(end_at), NULL, false},
    {"max_runs", MEMBER_NUMBER, AT(max_runs), NULL, false},
    {"runs", MEMBER_NUMBER, AT(runs), NULL, true},
    {"success_status", MEMBER_TEXT, AT(success_status), NULL, false},
    {"permanent_4xx", MEMBER_BOOL, AT(permanent_4xx), NULL, false},
    {"alert_after", MEMBER_NUMBER, AT(alert_after), NULL, false},
    {"redirects", MEMBER_NUMBER, AT(redirects), NULL, false},
    {"tls_verify", MEMBER_BOOL, AT(tls_verify), NULL, false},
    {"tls_ca", MEMBER_TEXT, AT(tls_ca), NULL, false},
    {"fresh_connection", MEMBER_BOOL, AT(fresh_connection), NULL, false},
    {"response_excerpt_bytes", MEMBER_NUMBER, AT(response_excerpt_bytes), NULL, false},
    {"tags", MEMBER_TAGS, AT(tags), NULL, false},
    {"paused_reason", MEMBER_TEXT, AT(paused_reason), NULL, false},
    {"paused_until", MEMBER_TIME, AT(paused_until), NULL, false},
    {"damaged", MEMBER_COMPUTED, 0, NULL, true},
    {"created_at", MEMBER_TIME, AT(created_at), NULL, true},
    {"updated_at", MEMBER_TIME, AT(updated_at), NULL, true},
    {"version", MEMBER_COUNT, AT(version), NULL, true},
    {"schedule_words", MEMBER_COMPUTED, 0, NULL, true},
    {"schedule_normalized", MEMBER_COMPUTED, 0, NULL, true},
    {"next_run", MEMBER_COMPUTED, 0, NULL, true},
    {"next_runs", MEMBER_COMPUTED, 0, NULL, true},
    {"last_execution", MEMBER_COMPUTED, 0, NULL, true},
};

static void *member_at(const struct member *m, const struct job *j)
{
    return (char *)j + m->offset;
}

// The kinds of text are all held as a string.
static char **text_at(const struct member *m, const struct job *j)
{
    return member_at(m, j);
}

// --- Each kind, from JSON ------------------------------------------------------------------------
//
// The value is not null. `merge` matters to headers only.

static enum err decode_text(const struct member *m, const json_t *value, bool merge, struct job *j,
                            struct problem *p)
{
    (void)merge;
    if (!json_is_string(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be a string", m->name);
    job_set_text(text_at(m, j), json_string_value(value));
    return ERR_OK;
}

static const struct service_number *number_of(const struct member *m)
{
    const struct service_number *n = service_number_find(m->name);
    assert(n && n->offset == m->offset);
    return n;
}

static enum err decode_number(const struct member *m, const json_t *value, bool merge,
                              struct job *j, struct problem *p)
{
    (void)merge;
    if (!json_is_integer(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be an integer", m->name);
    return service_number_set(number_of(m), j, json_integer_value(value), &p->what);
}

static enum err decode_choice(const struct member *m, const json_t *value, bool merge,
                              struct job *j, struct problem *p)
{
    (void)merge;
    int choice;
    if (json_is_string(value) && enum_find(m->words, json_string_value(value), &choice)) {
        *(uint8_t *)member_at(m, j) = (uint8_t)choice;
        return ERR_OK;
    }
    char list[96];
    enum_list(m->words, list, sizeof list);
    return refuse_field(p, ERR_SYNTAX, m->name, "%s must be %s", m->name, list);
}

static enum err decode_bool(const struct member *m, const json_t *value, bool merge, struct job *j,
                            struct problem *p)
{
    (void)merge;
    if (!json_is_boolean(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "%s must be true or false", m->name);
    *(bool *)member_at(m, j) = json_is_true(value);
    return ERR_OK;
}

static enum err decode_time(const struct member *m, const json_t *value, bool merge, struct job *j,
                            struct problem *p)
{
    (void)merge;
    return time_read(value, m->name, member_at(m, j), p);
}

static enum err decode_header(const char *name, const json_t *value, bool merge, struct job *j,
                              struct problem *p)
{
    if (json_is_string(value) || (merge && json_is_null(value)))
        return service_set_header(j, name, json_string_value(value), &p->what);
    refuse_field(p, ERR_SYNTAX, "headers", "the value of a header must be a string");
    service_problem_within(&p->what, name);
    return ERR_SYNTAX;
}

static void count_header(void *context, const char *name, const char *value)
{
    (void)name;
    (void)value;
    ++*(size_t *)context;
}

static enum err decode_headers(const struct member *m, const json_t *value, bool merge,
                               struct job *j, struct problem *p)
{
    if (!json_is_object(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "headers must be an object of strings");
    // Each is looked up among the others; a merge may remove as many as it adds.
    if (json_object_size(value) > 2 * SERVICE_HEADERS_MAX)
        return refuse_field(p, ERR_LIMIT, m->name, "a job has at most %d headers",
                            SERVICE_HEADERS_MAX);
    if (!merge)
        job_set_text(&j->headers, NULL);
    const char *name;
    json_t *text;
    json_object_foreach((json_t *)value, name, text) {
        enum err err = decode_header(name, text, merge, j, p);
        if (err)
            return err;
    }
    size_t count = 0;
    service_each_header(j, count_header, &count);
    if (!merge && count < json_object_size(value))
        return refuse_field(p, ERR_SYNTAX, m->name,
                            "headers names one header twice; case does not matter");
    return ERR_OK;
}

static enum err decode_payload(const struct member *m, const json_t *value, bool merge,
                               struct job *j, struct problem *p)
{
    (void)merge;
    (void)p;
    char *payload = member_payload(value, &j->body_is_json);
    job_set_text(text_at(m, j), payload);
    free(payload);
    return ERR_OK;
}

// What the tags may be is the service's business, which reads this text.
static enum err decode_tags(const struct member *m, const json_t *value, bool merge, struct job *j,
                            struct problem *p)
{
    (void)merge;
    if (!json_is_array(value))
        return refuse_field(p, ERR_SYNTAX, m->name, "tags must be an array of strings");
    char *text = json_dumps(value, JSON_COMPACT);
    job_set_text(text_at(m, j), text);
    free(text);
    return ERR_OK;
}

// --- Each kind, to JSON --------------------------------------------------------------------------

static json_t *encode_text(const struct member *m, const struct job *j)
{
    return json_text(*text_at(m, j));
}

// As it came: a text as a string, anything else as itself. A string that came as JSON, by an older
// version, cannot be told from a text; and what JSON cannot hold exactly is shown as a text.
static json_t *encode_payload(const struct member *m, const struct job *j)
{
    const int strict = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
    const char *body = *text_at(m, j);
    json_t *value = body && j->body_is_json ? json_loads(body, strict, NULL) : NULL;
    if (value && !json_is_string(value))
        return value;
    json_decref(value);
    return json_text(body);
}

static json_t *encode_number(const struct member *m, const struct job *j)
{
    return json_integer(service_number_get(number_of(m), j));
}

static json_t *encode_choice(const struct member *m, const struct job *j)
{
    return json_string(enum_word(m->words, *(const uint8_t *)member_at(m, j)));
}

static json_t *encode_bool(const struct member *m, const struct job *j)
{
    return json_boolean(*(const bool *)member_at(m, j));
}

static json_t *encode_time(const struct member *m, const struct job *j)
{
    return json_time(*(const wall_ms *)member_at(m, j));
}

static json_t *encode_count(const struct member *m, const struct job *j)
{
    return json_integer(*(const int64_t *)member_at(m, j));
}

static void encode_header(void *context, const char *name, const char *value)
{
    json_object_set_new(context, name, json_text(value));
}

static json_t *encode_headers(const struct member *m, const struct job *j)
{
    (void)m;
    json_t *o = json_object();
    service_each_header(j, encode_header, o);
    return o;
}

static json_t *encode_tags(const struct member *m, const struct job *j)
{
    const char *tags = *text_at(m, j);
    json_t *array = tags ? json_loads(tags, 0, NULL) : NULL;
    if (json_is_array(array))
        return array;
    json_decref(array); // NULL, or somebody has edited the row.
    return json_array();
}

// --- All kinds -----------------------------------------------------------------------------------

static const struct {
    enum err (*decode)(const struct member *m, const json_t *value, bool merge, struct job *j,
                       struct problem *p);
    json_t *(*encode)(const struct member *m, const struct job *j);
    size_t bytes; // In struct job; 0 for texts, which are held as a string.
} kinds[MEMBER_KINDS] = {
    [MEMBER_TEXT] = {decode_text, encode_text, 0},
    [MEMBER_NUMBER] = {decode_number, encode_number, SIZE_MAX}, // The number's row knows it.
    [MEMBER_CHOICE] = {decode_choice, encode_choice, sizeof(uint8_t)},
    [MEMBER_BOOL] = {decode_bool, encode_bool, sizeof(bool)},
    [MEMBER_TIME] = {decode_time, encode_time, sizeof(wall_ms)},
    [MEMBER_COUNT] = {NULL, encode_count, sizeof(int64_t)},
    [MEMBER_HEADERS] = {decode_headers, encode_headers, 0},
    [MEMBER_PAYLOAD] = {decode_payload, encode_payload, 0},
    [MEMBER_TAGS] = {decode_tags, encode_tags, 0},
    [MEMBER_COMPUTED] = {NULL, NULL, 0},
};

static void member_reset(const struct member *m, struct job *j)
{
    struct job *defaults = job_new();
    size_t bytes = kinds[m->kind].bytes;
    if (m->kind == MEMBER_NUMBER)
        bytes = number_of(m)->bytes;
    if (bytes > 0)
        memcpy(member_at(m, j), member_at(m, defaults), bytes);
    else
        job_set_text(text_at(m, j), *text_at(m, defaults));
    if (m->kind == MEMBER_PAYLOAD)
        j->body_is_json = defaults->body_is_json;
    job_free(defaults);
}

// --- A job ---------------------------------------------------------------------------------------

static const struct member *member_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    }
    return NULL;
}

// What other schedulers call these, where no letter is alike.
static const struct {
    const char *theirs;
    const char *ours;
} aliases[] = {
    {"url", "api"},          {"uri", "api"},
    {"endpoint", "api"},     {"target", "api"},
    {"webhook", "api"},      {"cron", "schedule"},
    {"tz", "timezone"},      {"payload", "body"},
    {"data", "body"},        {"enabled", "is_active"},
    {"paused", "is_active"}, {"retries", "max_retries"},
    {"labels", "tags"},      {"concurrency", "overlap"},
};

// Only what a client may set: nobody means the others.
static const char *member_meant(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (strcasecmp(aliases[i].theirs, name) == 0)
            return aliases[i].ours;
    }
    struct near n = near_to(name);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (!members[i].read_only)
            near_see(&n, members[i].name);
    }
    return n.best;
}

// What only the server sets, in a job that a client has read and sends back.
static const struct {
    const char *name;
    enum { FOR_EVER, OF_THIS_VERSION } how; // How long the value stays.
} lasting[] = {
    {"id", FOR_EVER},
    {"jobId", FOR_EVER},
    {"created_at", FOR_EVER},
    {"version", OF_THIS_VERSION},
    {"updated_at", OF_THIS_VERSION},
};

static bool is_as_sent(const struct member *m, const json_t *value, const struct job *j)
{
    json_t *own = kinds[m->kind].encode ? kinds[m->kind].encode(m, j) : json_integer(j->id);
    bool same = json_equal(own, value);
    json_decref(own);
    return same;
}

// Another id is a mistake, and an older version means that somebody changed the job meanwhile. What
// is passed over follows from the rest, or changes while the job runs.
static enum err decode_read_only(const struct member *m, const json_t *value, struct job *j,
                                 struct problem *p)
{
    size_t i = 0;
    while (i < COUNT_OF(lasting) && strcmp(lasting[i].name, m->name) != 0)
        i++;
    if (strcmp(m->name, "finished") == 0)
        j->finished = json_is_true(value); // The service knows whether it is.
    if (i == COUNT_OF(lasting) || is_as_sent(m, value, j))
        return ERR_OK;
    if (lasting[i].how == OF_THIS_VERSION)
        return service_refuse(&p->what, ERR_CONFLICT, PROBLEM_VERSION, m->name,
                              "%s is not that of the job, which is at version %" PRId64
                              "; read it again, or leave %s out",
                              m->name, j->version, m->name);
    return refuse_field(p, ERR_FORBIDDEN, m->name,
                        "%s is not that of the job, and only the server "
                        "sets it",
                        m->name);
}

static enum err decode_member(const char *name, const json_t *value, enum job_decoding how,
                              struct job *j, struct problem *p)
{
    const struct member *m = member_named(name);
    if (!m)
        return refuse_unknown_field(p, name, member_meant(name));
    if (m->read_only && how == JOB_REPLACE)
        return decode_read_only(m, value, j, p);
    if (m->read_only)
        return refuse_field(p, ERR_FORBIDDEN, name, "only the server sets %s", name);
    if (!json_is_null(value))
        return kinds[m->kind].decode(m, value, how == JOB_MERGE, j, p);
    member_reset(m, j);
    return ERR_OK;
}

// The default of catch_up follows from the type, so it can be known only at the end.
static void default_catch_up(const json_t *object, enum job_decoding how, struct job *j)
{
    const json_t *value = json_object_get(object, "catch_up");
    if (json_is_null(value) || (!value && how == JOB_CREATE))
        j->catch_up = (uint8_t)service_catch_up_default(j->type);
}

enum err job_decode(const json_t *object, enum job_decoding how, struct job *j, struct problem *p)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        enum err err = decode_member(name, value, how, j, p);
        if (err)
            return err;
    }
    default_catch_up(object, how, j);
    return ERR_OK;
}

// Whether the list "headers, tags" has this name.
static bool list_has(const char *list, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += strspn(at, ", ");
        if (strncmp(at, name, bytes) == 0 && (at[bytes] == ',' || !at[bytes]))
            return true;
    }
    return false;
}

enum err job_decode_repair(const json_t *object, const struct job *j, struct problem *p)
{
    for (size_t i = 0; j->damaged && i < COUNT_OF(members); i++) {
        const struct member *m = &members[i];
        if (m->read_only || !list_has(j->damaged, m->name) || json_object_get(object, m->name))
            continue;
        return refuse_field(p, ERR_UNUSABLE, m->name,
                            "%s of the job is damaged in the database, and must be given too",
                            m->name);
    }
    return ERR_OK;
}

json_t *json_job(const struct job *j)
{
    json_t *o = json_object();
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (kinds[members[i].kind].encode)
            json_object_set_new(o, members[i].name, kinds[members[i].kind].encode(&members[i], j));
    }
    if (j->is_active) // A pause that ended by itself has left its reason behind.
        json_object_set_new(o, "paused_reason", json_null());
    if (j->max_runs == 0) // Nobody counts them then.
        json_object_set_new(o, "runs", json_null());
    if (j->damaged)
        json_object_set_new(o, "damaged", json_string(j->damaged));
    return o;
}

json_t *json_job_writable(const struct job *j)
{
    json_t *o = json_job(j);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (members[i].read_only)
            json_object_del(o, members[i].name);
    }
    return o;
}

json_t *json_job_listed(const struct job *j, wall_ms next, const struct execution *last)
{
    json_t *o = json_job(j);
    json_object_set_new(o, "next_run", json_time(next));
    json_object_set_new(o, "last_execution", last ? json_execution(last) : json_null());
    return o;
}

static void add_schedule(json_t *o, const struct job *j, const struct service_schedule *s)
{
    wall_ms runs[SERVICE_NEXT_RUNS];
    size_t count = service_next_runs(j, s, clock_wall_ms(), SERVICE_NEXT_RUNS, runs);
    char words[CRON_WORDS_BYTES];
    cron_explain(&s->compiled, words, sizeof words);
    json_object_set_new(o, "schedule_words", json_text(words));
    json_object_set_new(o, "schedule_normalized", json_text(s->normal));
    json_object_set_new(o, "next_run", json_time(count ? runs[0] : WALL_NEVER));
    json_object_set_new(o, "next_runs", json_times(runs, count));
}

// The schedule of a row that was edited by hand. The same members are always there.
static void add_no_schedule(json_t *o)
{
    json_object_set_new(o, "schedule_words", json_null());
    json_object_set_new(o, "schedule_normalized", json_null());
    json_object_set_new(o, "next_run", json_null());
    json_object_set_new(o, "next_runs", json_array());
}

json_t *json_job_ahead(const struct job *j, const struct service_schedule *s)
{
    json_t *o = json_job(j);
    struct service_schedule own;
    if (!s && service_read_schedule(j, &own))
        s = &own;
    if (s)
        add_schedule(o, j, s);
    else
        add_no_schedule(o);
    return o;
}
