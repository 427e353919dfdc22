// SPDX-License-Identifier: MIT
// channels.c: the front of the door for channels and silences: what holds for every adapter.
//
// There are so few rows that each change looks at all of them first, and says what is in its way.
// Between that look and the change somebody else may have come: the adapters refuse what two of
// them would then break, by unique indexes and by the version of the row.

#include "store/channels.h"
#include "store/store_priv.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// --- The audit -------------------------------------------------------------------------------

static json_t *time_json(wall_ms at)
{
    char text[RFC3339_BYTES];
    if (at == WALL_NEVER)
        return json_null();
    wall_format(at, text);
    return json_string(text);
}

static json_t *kinds_json(uint64_t kinds)
{
    json_t *list = json_array();
    for (int kind = 0; kind < ALERT_KINDS; kind++)
        if (kinds & ALERT_KIND_BIT(kind))
            json_array_append_new(list, json_string(alert_kind_name((enum alert_kind)kind)));
    return list;
}

static void set_json(json_t *o, const char *name, const char *text)
{
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    if (value)
        json_object_set_new(o, name, value);
}

static void set_text(json_t *o, const char *name, const char *text)
{
    if (text)
        json_object_set_new(o, name, json_string(text));
}

static json_t *channel_json(const struct channel *c)
{
    json_t *o = json_object();
    set_text(o, "name", c->name);
    set_text(o, "kind", channel_kind_name(c->kind));
    set_json(o, "settings", c->config);
    if (c->secrets)
        json_object_set_new(o, "secrets", json_pack("{s:b}", "secret", 1));
    if (c->kinds)
        json_object_set_new(o, "kinds", kinds_json(c->kinds));
    set_json(o, "tags", c->tags);
    set_json(o, "jobs", c->jobs);
    json_object_set_new(o, "is_default", json_boolean(c->is_default));
    json_object_set_new(o, "is_enabled", json_boolean(c->is_enabled));
    return o;
}

static json_t *silence_json(const struct silence *s)
{
    json_t *o = json_object();
    if (s->job)
        json_object_set_new(o, "job_id", json_integer(s->job));
    set_text(o, "tag", s->tag);
    if (s->kinds)
        json_object_set_new(o, "kinds", kinds_json(s->kinds));
    json_object_set_new(o, "from", time_json(s->from));
    if (s->until != WALL_NEVER)
        json_object_set_new(o, "until", time_json(s->until));
    set_text(o, "schedule", s->schedule);
    set_text(o, "timezone", s->timezone);
    if (s->duration_s)
        json_object_set_new(o, "duration_s", json_integer(s->duration_s));
    set_text(o, "reason", s->reason);
    return o;
}

// The caller frees it.
static char *print(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static struct audit_entry entry_of(const struct actor *by, enum audit_action action, wall_ms at,
                                   const char *subject)
{
    struct audit_entry e = {.at = at, .action = action, .subject = subject};
    if (by)
        e.by = *by;
    return e;
}

// --- All channels, before a change -----------------------------------------------------------

struct census {
    const struct channel *c; // The channel to be put; a new one has the id 0.
    size_t count;
    bool found;
    int64_t version;    // The version of the channel found.
    json_t *before;     // What the audit tells of it.
    char *secrets;      // Sealed, as that channel has them.
    char *name;         // The name of that channel.
    bool has_name;      // Another has the name.
    char *default_name; // Another is the default one.
};

static void census_fini(struct census *n)
{
    json_decref(n->before);
    free(n->secrets);
    free(n->name);
    free(n->default_name);
}

static enum err see(void *context, const void *row)
{
    struct census *n = context;
    const struct channel *c = row;
    n->count++;
    if (c->id == n->c->id) {
        n->found = true;
        n->version = c->version;
        n->before = channel_json(c);
        n->secrets = xstrdup(c->secrets);
        n->name = xstrdup(c->name);
        return ERR_OK;
    }
    n->has_name = n->has_name || (n->c->name && strcmp(c->name, n->c->name) == 0);
    if (c->is_default && n->c->is_default && !n->default_name)
        n->default_name = xstrdup(c->name);
    return ERR_OK;
}

static enum err take_census(struct store_registry *r, const struct channel *c, struct census *n,
                            struct fault *f)
{
    *n = (struct census){.c = c};
    return r->ops->list_rows(r, SMALL_CHANNELS, see, n, f);
}

static enum err check_others(const struct census *n, struct fault *f)
{
    if (n->has_name)
        return fault_set(f, ERR_EXISTS, "another channel has this name");
    if (n->default_name)
        return fault_set(f, ERR_EXISTS, "the channel \"%s\" is the default one: only one can be",
                         n->default_name);
    return ERR_OK;
}

// --- Channels --------------------------------------------------------------------------------

static enum err insert(struct store_registry *r, const struct actor *by, const struct channel *c,
                       int64_t *id, struct fault *f)
{
    struct audit_entry e = entry_of(by, AUDIT_CHANNEL_CREATE, c->created_at, c->name);
    char *after = print(channel_json(c));
    e.after = after;
    enum err err = r->ops->insert_row(r, SMALL_CHANNELS, c, 0, &e, id, f);
    free(after);
    return err;
}

enum err store_channel_insert(struct store_registry *r, const struct actor *by,
                              const struct channel *c, int64_t *id, struct fault *f)
{
    struct census n;
    struct channel own = *c;
    assert(c->name && *c->name && c->config && c->created_at > 0 && c->updated_at > 0);
    own.id = own.failing_since = own.delivered_at = 0;
    own.last_error = NULL;
    own.version = 1;
    enum err err = take_census(r, &own, &n, f);
    if (!err)
        err = check_others(&n, f);
    if (!err && n.count >= CHANNEL_COUNT_MAX)
        err = fault_set(f, ERR_LIMIT, "there are %d channels already", CHANNEL_COUNT_MAX);
    if (!err)
        err = insert(r, by, &own, id, f);
    census_fini(&n);
    return err;
}

// Leaves in both what differs.
static void keep_changes(json_t *before, json_t *after, bool has_new_secrets)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(after, next, key, value)
    {
        bool is_same = json_equal(json_object_get(before, key), value);
        if (!is_same || (has_new_secrets && strcmp(key, "secrets") == 0))
            continue;
        json_object_del(before, key);
        json_object_del(after, key);
    }
}

static bool texts_differ(const char *a, const char *b)
{
    return !a != !b || (a && strcmp(a, b) != 0);
}

static enum err update(struct store_registry *r, const struct actor *by, const struct channel *c,
                       const struct census *n, struct fault *f)
{
    struct audit_entry e = entry_of(by, AUDIT_CHANNEL_UPDATE, c->updated_at, c->name);
    json_t *before = json_incref(n->before), *after = channel_json(c);
    keep_changes(before, after, texts_differ(n->secrets, c->secrets));
    char *was = print(before), *is = print(after);
    e.before = was;
    e.after = is;
    enum err err = r->ops->update_row(r, SMALL_CHANNELS, c, &e, f);
    free(was);
    free(is);
    return err;
}

enum err store_channel_update(struct store_registry *r, const struct actor *by,
                              const struct channel *c, struct fault *f)
{
    struct census n;
    struct channel own = *c;
    assert(c->id > 0 && c->name && *c->name && c->config && c->updated_at > 0);
    own.version++;
    enum err err = take_census(r, c, &n, f);
    if (!err && !n.found)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such channel");
    if (!err && n.version != c->version)
        err = fault_set(f, ERR_CONFLICT, "the channel has changed meanwhile");
    if (!err)
        err = check_others(&n, f);
    if (!err)
        err = update(r, by, &own, &n, f);
    census_fini(&n);
    return err;
}

enum err store_channel_delete(struct store_registry *r, const struct actor *by, int64_t id,
                              wall_ms now, struct fault *f)
{
    struct census n;
    assert(now > 0);
    enum err err = take_census(r, &(struct channel){.id = id}, &n, f);
    if (!err && !n.found)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such channel");
    if (!err) {
        struct audit_entry e = entry_of(by, AUDIT_CHANNEL_DELETE, now, n.name);
        char *before = print(json_incref(n.before));
        e.before = before;
        err = r->ops->delete_row(r, SMALL_CHANNELS, id, &e, f);
        free(before);
    }
    census_fini(&n);
    return err;
}

// Rows of one table, passed on as what they are.
struct listing {
    int64_t id; // 0: all.
    bool found;
    store_each_channel *channel;
    store_each_silence *silence;
    void *context;
};

static enum err pass(void *context, const void *row)
{
    struct listing *l = context;
    if (l->id && *(const int64_t *)row != l->id)
        return ERR_OK;
    l->found = true;
    return l->channel ? l->channel(l->context, row) : l->silence(l->context, row);
}

enum err store_channel_get(struct store_registry *r, int64_t id, store_each_channel *each,
                           void *context, struct fault *f)
{
    struct listing l = {.id = id, .channel = each, .context = context};
    enum err err = r->ops->list_rows(r, SMALL_CHANNELS, pass, &l, f);
    return err || l.found ? err : fault_set(f, ERR_NOT_FOUND, "there is no such channel");
}

enum err store_channel_list(struct store_registry *r, store_each_channel *each, void *context,
                            struct fault *f)
{
    struct listing l = {.channel = each, .context = context};
    return r->ops->list_rows(r, SMALL_CHANNELS, pass, &l, f);
}

enum err store_channel_note(struct store_registry *r, int64_t id, const struct channel_note *n,
                            struct fault *f)
{
    return r->ops->note_channel(r, id, n, f);
}

// --- Silences --------------------------------------------------------------------------------

struct silence_census {
    int64_t id; // Looked for.
    wall_ms now;
    size_t live;
    char *before; // NULL: there is none with the id.
    char *reason;
    job_id job;
};

static enum err see_silence(void *context, const void *row)
{
    struct silence_census *n = context;
    const struct silence *s = row;
    n->live += s->until > n->now;
    if (s->id == n->id) {
        n->before = print(silence_json(s));
        n->reason = xstrdup(s->reason);
        n->job = s->job;
    }
    return ERR_OK;
}

enum err store_silence_insert(struct store_registry *r, const struct actor *by,
                              const struct silence *s, int64_t *id, struct fault *f)
{
    struct silence_census n = {.now = s->created_at};
    assert(s->reason && s->created_at > 0 && s->from < s->until);
    assert(s->until != WALL_NEVER || s->schedule);
    assert(!s->schedule || s->duration_s > 0);
    enum err err = r->ops->list_rows(r, SMALL_SILENCES, see_silence, &n, f);
    if (!err && n.live >= SILENCE_COUNT_MAX)
        err = fault_set(f, ERR_LIMIT, "there are %d silences already", SILENCE_COUNT_MAX);
    if (err)
        return err;
    struct audit_entry e = entry_of(by, AUDIT_SILENCE_CREATE, s->created_at, s->reason);
    char *after = print(silence_json(s));
    e.after = after;
    e.job = s->job;
    struct silence own = *s;
    own.id = 0;
    err = r->ops->insert_row(r, SMALL_SILENCES, &own, s->created_at - SILENCE_KEPT_MS, &e, id, f);
    free(after);
    return err;
}

enum err store_silence_delete(struct store_registry *r, const struct actor *by, int64_t id,
                              wall_ms now, struct fault *f)
{
    struct silence_census n = {.id = id, .now = now};
    assert(now > 0);
    enum err err = r->ops->list_rows(r, SMALL_SILENCES, see_silence, &n, f);
    if (!err && !n.before)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such silence");
    if (!err) {
        struct audit_entry e = entry_of(by, AUDIT_SILENCE_DELETE, now, n.reason);
        e.before = n.before;
        e.job = n.job;
        err = r->ops->delete_row(r, SMALL_SILENCES, id, &e, f);
    }
    free(n.before);
    free(n.reason);
    return err;
}

enum err store_silence_get(struct store_registry *r, int64_t id, store_each_silence *each,
                           void *context, struct fault *f)
{
    struct listing l = {.id = id, .silence = each, .context = context};
    enum err err = r->ops->list_rows(r, SMALL_SILENCES, pass, &l, f);
    return err || l.found ? err : fault_set(f, ERR_NOT_FOUND, "there is no such silence");
}

enum err store_silence_list(struct store_registry *r, store_each_silence *each, void *context,
                            struct fault *f)
{
    struct listing l = {.silence = each, .context = context};
    return r->ops->list_rows(r, SMALL_SILENCES, pass, &l, f);
}
