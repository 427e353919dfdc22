// SPDX-License-Identifier: MIT
// channels.c: the handlers of channels: list, one, create, change, delete.
//
// A secret setting is sealed on its way in, and stands as {"secret": true} wherever a channel is
// shown. A change that does not say what it is keeps it, unless the channel would carry it to
// another server: who may change a channel must not get to read its secrets.

#include "store/channels.h"
#include "alert/channel_form.h"
#include "api/json_priv.h"
#include "api/registry_priv.h"
#include "base/near.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CHANNEL_JOBS_MAX 100

struct channel_errand {
    struct errand errand;
    int64_t id;
    struct channel row;      // The row to be written, with these texts:
    char *texts[5];          // Name, settings, secrets, tags, jobs.
    struct problem *problem; // Where a callback puts what it refuses.
};

enum { NAME, CONFIG, SECRETS, TAGS, JOBS };

static void free_errand(struct errand *errand)
{
    struct channel_errand *e = (struct channel_errand *)errand;
    for (size_t i = 0; i < COUNT_OF(e->texts); i++)
        free(e->texts[i]);
    free(e);
}

static struct channel_errand *errand_new(struct api_request *r, errand_act *act)
{
    struct channel_errand *e = xcalloc(1, sizeof *e);
    e->errand = (struct errand){.request = r,
                                .act = act,
                                .free = free_errand,
                                .what = "channels",
                                .taken = PROBLEM_CHANNEL};
    return e;
}

// --- As JSON -------------------------------------------------------------------------------------

static json_t *array_or_empty(const char *text)
{
    json_t *array = text ? json_loads(text, 0, NULL) : NULL;
    return array ? array : json_array();
}

json_t *json_alert_kinds(uint64_t kinds)
{
    json_t *list = json_array();
    for (int kind = 0; kind < ALERT_KINDS; kind++)
        if (kinds & ALERT_KIND_BIT(kind))
            json_array_append_new(list, json_string(alert_kind_name((enum alert_kind)kind)));
    return list;
}

static json_t *channel_json(const struct channel *c)
{
    json_t *o = json_object(), *filters = json_object();
    json_t *settings = json_loads(c->config, 0, NULL);
    json_object_set_new(filters, "kinds", json_alert_kinds(c->kinds));
    json_object_set_new(filters, "tags", array_or_empty(c->tags));
    json_object_set_new(filters, "jobs", array_or_empty(c->jobs));
    json_object_set_new(o, "id", json_integer(c->id));
    json_object_set_new(o, "name", json_text(c->name));
    json_object_set_new(o, "kind", json_string(channel_kind_name(c->kind)));
    json_object_set_new(o, "settings", settings ? settings : json_object());
    json_object_set_new(o, "filters", filters);
    json_object_set_new(o, "is_default", json_boolean(c->is_default));
    json_object_set_new(o, "is_enabled", json_boolean(c->is_enabled));
    json_object_set_new(o, "created_at", json_time(c->created_at));
    json_object_set_new(o, "updated_at", json_time(c->updated_at));
    json_object_set_new(o, "version", json_integer(c->version));
    json_object_set_new(o, "failing_since", json_time(c->failing_since));
    json_object_set_new(o, "last_error", json_text(c->last_error));
    json_object_set_new(o, "delivered_at", json_time(c->delivered_at));
    return o;
}

// --- Filters -------------------------------------------------------------------------------------

static const char *const filter_members[] = {"kinds", "tags", "jobs", NULL};

// `member` of the object `within`, or of the body.
static enum err refuse_part(struct problem *p, enum err err, const char *within, const char *member,
                            const char *why)
{
    if (!within)
        return refuse_field(p, err, member, "%s %s", member, why);
    service_refuse(&p->what, err, PROBLEM_FIELD, within, "%s.%s %s", within, member, why);
    service_problem_within(&p->what, member);
    return err;
}

enum err alert_kinds_read(const json_t *object, const char *within, uint64_t *out,
                          struct problem *p)
{
    const json_t *list = json_object_get(object, "kinds"), *word;
    size_t i;
    uint64_t kinds = 0;
    if (list && !json_is_null(list) && !json_is_array(list))
        return refuse_part(p, ERR_SYNTAX, within, "kinds", "must be an array of kinds of alerts");
    json_array_foreach(list, i, word) {
        int kind;
        if (!json_is_string(word) || !enum_find(&alert_kind_words, json_string_value(word), &kind))
            return refuse_part(p, ERR_RANGE, within, "kinds", "holds what is no kind of alerts");
        kinds |= ALERT_KIND_BIT(kind);
    }
    *out = kinds;
    return ERR_OK;
}

static bool is_tag(const json_t *v)
{
    return json_is_string(v) && token_text_is_fine(json_string_value(v), SERVICE_TAG_BYTES_MAX);
}

static bool is_job_id(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= JOB_ID_MAX;
}

// An empty list is none.
static enum err read_list(const json_t *filters, const char *name, size_t count_max,
                          bool (*is_fine)(const json_t *v), const char *why, char **out,
                          struct problem *p)
{
    const json_t *list = json_object_get(filters, name), *value;
    size_t i;
    bool fine =
        !list || json_is_null(list) || (json_is_array(list) && json_array_size(list) <= count_max);
    json_array_foreach(list, i, value)
        fine = fine && is_fine(value);
    if (!fine)
        return refuse_part(p, ERR_RANGE, "filters", name, why);
    *out = json_array_size(list) > 0 ? json_dumps(list, JSON_COMPACT) : NULL;
    return ERR_OK;
}

static enum err read_filters(struct channel_errand *e, const json_t *filters, struct problem *p)
{
    if (!json_is_object(filters))
        return refuse_field(p, ERR_SYNTAX, "filters", "filters must be an object");
    enum err err = members_check(filters, filter_members, p);
    if (!err)
        err = alert_kinds_read(filters, "filters", &e->row.kinds, p);
    if (!err)
        err =
            read_list(filters, "tags", SERVICE_TAGS_MAX, is_tag,
                      "must be an array of up to 20 strings of 1 to 64 bytes", &e->texts[TAGS], p);
    return err ? err
               : read_list(filters, "jobs", CHANNEL_JOBS_MAX, is_job_id,
                           "must be an array of up to 100 ids of jobs", &e->texts[JOBS], p);
}

// --- Settings ------------------------------------------------------------------------------------

static enum err refuse_setting(struct problem *p, enum err err, const char *name, const char *why)
{
    service_refuse(&p->what, err, PROBLEM_FIELD, "settings", "settings.%.40s: %s", name, why);
    service_problem_within(&p->what, name);
    return err;
}

// What channel_settings says begins with the name of the member.
static enum err refuse_settings(struct problem *p, enum err err, const struct fault *f)
{
    char name[64] = "";
    size_t chars = strcspn(f->text, ":,");
    if (chars < sizeof name && f->text[chars])
        snprintf(name, sizeof name, "%.*s", (int)chars, f->text);
    service_refuse(&p->what, err, PROBLEM_FIELD, "settings", "%s%s",
                   strcmp(name, "settings") == 0 ? "" : "settings.", f->text);
    if (*name && strcmp(name, "settings") != 0)
        service_problem_within(&p->what, name);
    return err;
}

static bool is_mark(const json_t *value)
{
    return json_object_size(value) == 1 && json_is_true(json_object_get(value, "secret"));
}

// A setting that decides where secrets go, as it holds without being given.
static const char *place_of(const struct channel_member *m, const json_t *settings)
{
    const char *given = json_string_value(json_object_get(settings, m->name));
    return given ? given : m->initial;
}

static bool is_same_place(const struct channel_member *m, const json_t *a, const json_t *b)
{
    const char *before = place_of(m, a), *after = place_of(m, b);
    if (!before || !after)
        return before == after;
    return strcmp(before, after) == 0 ||
           (m->form == SETTING_URL && api_is_same_server(before, after));
}

static bool moves(enum channel_kind kind, const json_t *before, const json_t *after)
{
    size_t count;
    const struct channel_member *m = channel_members(kind, &count);
    for (size_t i = 0; i < count; i++) {
        bool is_place = m[i].form == SETTING_URL || m[i].form == SETTING_HOST ||
                        m[i].form == SETTING_WORD; // A region; whether a connection is secured.
        if (is_place && !m[i].is_secret && !is_same_place(&m[i], before, after))
            return true;
    }
    const json_t *was = json_object_get(before, "port"), *is = json_object_get(after, "port");
    return was != is && !json_equal(was, is);
}

// Puts what is kept of `before` into the settings. null is: not given.
static enum err keep_secrets(enum channel_kind kind, const json_t *before, json_t *settings,
                             const char **kept, struct problem *p)
{
    size_t count;
    const struct channel_member *m = channel_members(kind, &count);
    for (size_t i = 0; i < count; i++) {
        const json_t *given = json_object_get(settings, m[i].name);
        json_t *old = json_object_get(before, m[i].name);
        if (json_is_null(given)) {
            json_object_del(settings, m[i].name);
        } else if (m[i].is_secret && (!given || is_mark(given))) {
            if (given && !old)
                return refuse_setting(p, ERR_NOT_FOUND, m[i].name,
                                      "nobody has said what it is; send it");
            if (old) {
                json_object_set(settings, m[i].name, old);
                *kept = m[i].name;
            }
        }
    }
    return ERR_OK;
}

static enum err check_place(const struct channel_errand *e, const struct channel_member *m,
                            const json_t *value, struct problem *p)
{
    char url[URL_BYTES_MAX + 16];
    const char *text = json_string_value(value);
    bool is_host = m->form == SETTING_HOST;
    snprintf(url, sizeof url, is_host ? strchr(text, ':') ? "http://[%s]" : "http://%s" : "%s",
             text);
    enum err err =
        service_check_target(e->errand.request->api->service, "settings", url, is_host, &p->what);
    if (err)
        service_problem_within(&p->what, m->name);
    return err;
}

// Whether the server may call where the settings lead.
static enum err check_places(const struct channel_errand *e, const json_t *settings,
                             struct problem *p)
{
    size_t count;
    enum err err = ERR_OK;
    const struct channel_member *m = channel_members(e->row.kind, &count);
    for (size_t i = 0; i < count && !err; i++) {
        const json_t *value = json_object_get(settings, m[i].name);
        if (value && (m[i].form == SETTING_URL || m[i].form == SETTING_HOST))
            err = check_place(e, &m[i], value, p);
    }
    return err;
}

static enum err split_settings(struct channel_errand *e, const json_t *settings, struct problem *p)
{
    const struct secret_ring *ring = e->errand.request->api->secrets;
    json_t *config, *secrets;
    struct fault f = {0};
    enum err err = channel_settings(e->row.kind, settings, &config, &secrets, &f);
    if (err)
        return refuse_settings(p, err, &f);
    err = check_places(e, settings, p);
    if (!err && secrets && !ring)
        err = refuse_field(p, ERR_UNSUPPORTED, "settings", "settings: %s", SECRET_NO_KEY);
    free(e->texts[SECRETS]);
    free(e->texts[CONFIG]);
    e->texts[SECRETS] = !err && secrets ? channel_seal(ring, config, secrets) : NULL;
    e->texts[CONFIG] = json_dumps(config, JSON_COMPACT);
    json_decref(config);
    json_decref(secrets);
    return err;
}

// `before` is NULL for a new channel.
static enum err read_settings(struct channel_errand *e, const json_t *given,
                              const struct channel *before, struct problem *p)
{
    struct fault f = {0};
    const char *kept = NULL;
    json_t *old = NULL;
    if (!json_is_object(given))
        return refuse_field(p, ERR_SYNTAX, "settings", "settings must be an object");
    if (before && channel_open(e->errand.request->api->secrets, before, &old, &f))
        return refuse_field(p, ERR_UNSUPPORTED, "settings",
                            "the secrets of the channel cannot be opened: %s", f.text);
    json_t *settings = json_copy((json_t *)(uintptr_t)given);
    enum err err = keep_secrets(e->row.kind, old, settings, &kept, p);
    if (!err)
        err = split_settings(e, settings, p);
    if (!err && kept && moves(e->row.kind, old, settings))
        err = refuse_setting(p, ERR_FORBIDDEN, kept,
                             "it was given for another server; send it again");
    if (!err && old && json_equal(old, settings) && before->secrets &&
        secret_is_current(e->errand.request->api->secrets, before->secrets,
                          strlen(before->secrets))) { // Nothing new: sealed as it was.
        free(e->texts[SECRETS]);
        e->texts[SECRETS] = xstrdup(before->secrets);
    }
    json_decref(settings);
    json_decref(old);
    return err;
}

// --- The body ------------------------------------------------------------------------------------

static enum err read_kind(struct channel_errand *e, const json_t *body,
                          const struct channel *before, struct problem *p)
{
    char list[160];
    const char *word = NULL;
    int kind = 0;
    enum err err = member_text(body, "kind", &word, p);
    if (err || (before && !word))
        return err;
    enum_list(&channel_kind_words, list, sizeof list);
    if (!word || !enum_find(&channel_kind_words, word, &kind))
        return refuse_field(p, ERR_RANGE, "kind", "kind must be %s", list);
    if (before && before->kind != (enum channel_kind)kind)
        return refuse_field(p, ERR_CONFLICT, "kind",
                            "the kind of a channel does not change: make another channel");
    e->row.kind = (enum channel_kind)kind;
    return ERR_OK;
}

static enum err read_name(struct channel_errand *e, const json_t *body,
                          const struct channel *before, struct problem *p)
{
    const char *name = NULL;
    enum err err = member_text(body, "name", &name, p);
    if (err || (before && !name))
        return err;
    if (!name || !token_text_is_fine(name, CHANNEL_NAME_BYTES_MAX))
        return refuse_field(p, ERR_RANGE, "name",
                            "name must have 1 to %d bytes, without control characters",
                            CHANNEL_NAME_BYTES_MAX);
    free(e->texts[NAME]);
    e->texts[NAME] = xstrdup(name);
    return ERR_OK;
}

static enum err read_members(struct channel_errand *e, const json_t *body,
                             const struct channel *before, struct problem *p)
{
    const json_t *settings = json_object_get(body, "settings");
    const json_t *filters = json_object_get(body, "filters");
    enum err err = read_name(e, body, before, p);
    if (!err)
        err = read_kind(e, body, before, p);
    if (!err && !before && !settings)
        err = refuse_field(p, ERR_SYNTAX, "settings", "settings is required");
    if (!err)
        err = member_flag(body, "is_default", &e->row.is_default, p);
    if (!err)
        err = member_flag(body, "is_enabled", &e->row.is_enabled, p);
    if (!err && filters && !json_is_null(filters)) {
        free(e->texts[TAGS]);
        free(e->texts[JOBS]);
        e->texts[TAGS] = e->texts[JOBS] = NULL;
        err = read_filters(e, filters, p);
    }
    if (!err && settings)
        err = read_settings(e, settings, before, p);
    return err;
}

// Makes the row from the body, and from what was before.
static enum err apply(struct channel_errand *e, const struct channel *before, struct problem *p)
{
    const char *const texts[] = {before ? before->name : NULL, before ? before->config : NULL,
                                 before ? before->secrets : NULL, before ? before->tags : NULL,
                                 before ? before->jobs : NULL};
    wall_ms now = clock_wall_ms();
    e->row = before ? *before : (struct channel){.is_enabled = true, .created_at = now};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        e->texts[i] = xstrdup(texts[i]);
    enum err err = read_members(e, e->errand.request->body, before, p);
    e->row.name = e->texts[NAME];
    e->row.config = e->texts[CONFIG];
    e->row.secrets = e->texts[SECRETS];
    e->row.tags = e->texts[TAGS];
    e->row.jobs = e->texts[JOBS];
    e->row.updated_at = now;
    return err;
}

// --- Lists ---------------------------------------------------------------------------------------

static enum err add(void *list, const struct channel *c)
{
    json_array_append_new(list, channel_json(c));
    return ERR_OK;
}

static enum err list(struct errand *e, struct store_registry *registry, struct problem *p,
                     struct fault *f)
{
    json_t *channels = json_array();
    enum err err = store_channel_list(registry, add, channels, f);
    (void)p;
    if (err)
        json_decref(channels);
    else
        answer_json(e->request, 200, json_pack("{s:o}", "channels", channels));
    return err;
}

enum err handle_list_channels(struct api_request *r, struct problem *p)
{
    return errand_hand_on(&errand_new(r, list)->errand, p);
}

static enum err keep(void *json, const struct channel *c)
{
    *(json_t **)json = channel_json(c);
    return ERR_OK;
}

// Answers with the channel as it stands.
static enum err show(struct channel_errand *e, struct store_registry *registry, unsigned status,
                     struct fault *f)
{
    json_t *json = NULL;
    enum err err = store_channel_get(registry, e->id, keep, &json, f);
    if (err)
        return err;
    add_etag(e->errand.request, json_integer_value(json_object_get(json, "version")));
    answer_json(e->errand.request, status, json);
    return ERR_OK;
}

static enum err get(struct errand *e, struct store_registry *registry, struct problem *p,
                    struct fault *f)
{
    (void)p;
    return show((struct channel_errand *)e, registry, 200, f);
}

static enum err hand_on_with_id(struct api_request *r, errand_act *act, struct problem *p)
{
    struct channel_errand *e = errand_new(r, act);
    enum err err = errand_id(r, "channel", &e->id, p);
    if (!err)
        return errand_hand_on(&e->errand, p);
    errand_free(&e->errand);
    return err;
}

enum err handle_get_channel(struct api_request *r, struct problem *p)
{
    return hand_on_with_id(r, get, p);
}

// --- Changes -------------------------------------------------------------------------------------

static enum err create(struct errand *errand, struct store_registry *registry, struct problem *p,
                       struct fault *f)
{
    struct channel_errand *e = (struct channel_errand *)errand;
    struct api_request *r = errand->request;
    char location[48];
    enum err err = apply(e, NULL, p);
    if (!err)
        err = store_channel_insert(registry, &r->actor, &e->row, &e->id, f);
    if (err)
        return err;
    snprintf(location, sizeof location, "/channels/%" PRId64, e->id);
    exchange_add_header(r->exchange, "Location", location);
    errand_log("channel.created", r, "channel", e->id);
    return show(e, registry, 201, f);
}

enum err handle_create_channel(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {"name",       "kind",       "settings", "filters",
                                          "is_default", "is_enabled", NULL};
    enum err err = members_check(r->body, members, p);
    return err ? err : errand_hand_on(&errand_new(r, create)->errand, p);
}

static enum err change(void *context, const struct channel *c)
{
    struct channel_errand *e = context;
    enum err err = check_version(e->errand.request, c->version, "channel", e->problem);
    return err ? err : apply(e, c, e->problem);
}

static enum err put(struct errand *errand, struct store_registry *registry, struct problem *p,
                    struct fault *f)
{
    struct channel_errand *e = (struct channel_errand *)errand;
    struct api_request *r = errand->request;
    e->problem = p;
    enum err err = store_channel_get(registry, e->id, change, e, f);
    if (!err)
        err = store_channel_update(registry, &r->actor, &e->row, f);
    if (err)
        return err;
    errand_log("channel.updated", r, "channel", e->id);
    return show(e, registry, 200, f);
}

// What the server sets may be sent back, as it was read.
enum err handle_put_channel(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {
        "name",          "kind",       "settings",     "filters",    "is_default",
        "is_enabled",    "id",         "created_at",   "updated_at", "version",
        "failing_since", "last_error", "delivered_at", NULL};
    enum err err = members_check(r->body, members, p);
    return err ? err : hand_on_with_id(r, put, p);
}

static enum err look_at_version(void *context, const struct channel *c)
{
    struct channel_errand *e = context;
    return check_version(e->errand.request, c->version, "channel", e->problem);
}

static enum err delete (struct errand *errand, struct store_registry *registry, struct problem *p,
                        struct fault *f) {
    struct channel_errand *e = (struct channel_errand *)errand;
    struct api_request *r = errand->request;
    e->problem = p;
    enum err err = store_channel_get(registry, e->id, look_at_version, e, f);
    if (!err) err = store_channel_delete(registry, &r->actor, e->id, clock_wall_ms(), f);
    if (err) return err;
    errand_log("channel.deleted", r, "channel", e->id);
    answer_nothing(r, 204);
    return ERR_OK;
}

enum err handle_delete_channel(struct api_request *r, struct problem *p)
{
    return hand_on_with_id(r, delete, p);
}
