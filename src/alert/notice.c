// SPDX-License-Identifier: MIT
// notice.c: a notice as JSON, and back.
//
// Each text of a notice and of an item is a row of a table, so that packing, reading and freeing
// know the same ones.

#include "alert/notice.h"

#include "alert/prose_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define ENUM ENUM_DEFINE
#define VALUE ENUM_DEFINE_VALUE
#include "alert/notice.def"

static const struct text_member {
    const char *name;
    size_t offset;
    size_t bytes_max;
    bool is_required;
    bool is_line; // Line ends become spaces.
} notice_texts[] =
    {
        {"title", offsetof(struct notice, title), NOTICE_TITLE_BYTES_MAX, true, true},
        {"text", offsetof(struct notice, text), NOTICE_TEXT_BYTES_MAX, false, false},
        {"dedup_key", offsetof(struct notice, dedup_key), NOTICE_KEY_BYTES_MAX, false, true},
        {"link", offsetof(struct notice, link), NOTICE_LINK_BYTES_MAX, false, true},
},
  item_texts[] = {
      {"job_name", offsetof(struct notice_item, job_name), NOTICE_NAME_BYTES_MAX, false, true},
      {"message", offsetof(struct notice_item, sentence), NOTICE_SENTENCE_BYTES_MAX, true, false},
      {"execution_id", offsetof(struct notice_item, execution), EXECUTION_ID_BYTES, false, true},
      {"link", offsetof(struct notice_item, link), NOTICE_LINK_BYTES_MAX, false, true},
};

static char **text_at(const struct text_member *m, const void *owner)
{
    return (char **)((char *)(uintptr_t)owner + m->offset);
}

// --- Packing -------------------------------------------------------------------------------------

static json_t *pack_text(const char *text, const struct text_member *m)
{
    if (!text)
        return m->is_required ? json_string("") : json_null();
    struct prose p;
    prose_init(&p, m->is_line ? &prose_line : &prose_plain, m->bytes_max);
    prose_say(&p, text);
    char *clean = prose_take(&p);
    json_t *value = json_string(clean);
    free(clean);
    assert(value); // Only text that is no UTF-8 is refused.
    return value;
}

static void pack_texts(json_t *to, const void *owner, const struct text_member *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_object_set_new(to, m[i].name, pack_text(*text_at(&m[i], owner), &m[i]));
}

static json_t *pack_id(int64_t id)
{
    return id ? json_integer(id) : json_null();
}

static json_t *pack_time(wall_ms at)
{
    char text[RFC3339_BYTES];
    wall_format(MIN(MAX(at, 0), WALL_LAST), text);
    return json_string(text);
}

static json_t *pack_item(const struct notice_item *i)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_integer(i->alert));
    json_object_set_new(object, "kind", json_string(alert_kind_name(i->kind)));
    json_object_set_new(object, "job_id", pack_id(i->job));
    json_object_set_new(object, "incident_id", pack_id(i->incident));
    json_object_set_new(object, "at", pack_time(i->at));
    pack_texts(object, i, item_texts, COUNT_OF(item_texts));
    return object;
}

static json_t *pack_counts(const struct notice *n)
{
    json_t *object = json_object();
    for (size_t i = 0; i < n->count_count; i++)
        json_object_set_new(object, alert_kind_name(n->counts[i].kind),
                            json_integer(n->counts[i].count));
    return object;
}

char *notice_pack(const struct notice *n)
{
    json_t *object = json_object();
    json_object_set_new(object, "version", json_integer(NOTICE_VERSION));
    json_object_set_new(object, "delivery_id", pack_id(n->delivery));
    json_object_set_new(object, "at", pack_time(n->at));
    json_object_set_new(object, "event", json_string(notice_event_name(n->event)));
    json_object_set_new(object, "severity", json_string(notice_severity_name(n->severity)));
    pack_texts(object, n, notice_texts, COUNT_OF(notice_texts));
    json_object_set_new(object, "count", json_integer(n->count));
    json_object_set_new(object, "counts", pack_counts(n));
    json_t *items = json_array();
    for (size_t i = 0; i < n->item_count && i < NOTICE_ITEMS_MAX; i++)
        json_array_append_new(items, pack_item(&n->items[i]));
    json_object_set_new(object, "alerts", items);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    assert(text);
    return text;
}

// --- Reading -------------------------------------------------------------------------------------

static enum err refuse(const char *name, struct fault *f)
{
    return fault_set(f, ERR_SYNTAX, "the notice's \"%s\" is not as it must be", name);
}

static enum err read_texts(const json_t *from, void *owner, const struct text_member *m,
                           size_t count, struct fault *f)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(from, m[i].name);
        bool is_absent = !value || json_is_null(value);
        if (is_absent ? m[i].is_required
                      : !json_is_string(value) || json_string_length(value) > m[i].bytes_max)
            return refuse(m[i].name, f);
        *text_at(&m[i], owner) = xstrdup(json_string_value(value));
    }
    return ERR_OK;
}

// What is absent or null is 0.
static enum err read_integer(const json_t *from, const char *name, int64_t *out, struct fault *f)
{
    const json_t *value = json_object_get(from, name);
    bool is_absent = !value || json_is_null(value);
    if (!is_absent && (!json_is_integer(value) || json_integer_value(value) < 0))
        return refuse(name, f);
    *out = is_absent ? 0 : json_integer_value(value);
    return ERR_OK;
}

static enum err read_time(const json_t *from, wall_ms *out, struct fault *f)
{
    const json_t *value = json_object_get(from, "at");
    const char *text = json_string_value(value);
    return text && wall_parse(text, json_string_length(value), out) ? ERR_OK : refuse("at", f);
}

static enum err read_word(const json_t *from, const char *name, const struct enum_words *words,
                          int *out, struct fault *f)
{
    const char *word = json_string_value(json_object_get(from, name));
    return word && enum_find(words, word, out) ? ERR_OK : refuse(name, f);
}

static enum err read_item(const json_t *from, struct notice_item *out, struct fault *f)
{
    enum err err = read_integer(from, "id", &out->alert, f);
    if (!err)
        err = read_integer(from, "job_id", &out->job, f);
    if (!err)
        err = read_integer(from, "incident_id", &out->incident, f);
    if (!err)
        err = read_time(from, &out->at, f);
    return err ? err : read_texts(from, out, item_texts, COUNT_OF(item_texts), f);
}

static enum err read_items(const json_t *array, struct notice *n, struct fault *f)
{
    size_t index;
    const json_t *value;
    if (!json_is_array(array) || json_array_size(array) > NOTICE_ITEMS_MAX)
        return refuse("alerts", f);
    n->items = xcalloc(NOTICE_ITEMS_MAX, sizeof *n->items);
    json_array_foreach(array, index, value) {
        int kind;
        const char *word = json_string_value(json_object_get(value, "kind"));
        if (!word)
            return refuse("kind", f);
        if (!enum_find(&alert_kind_words, word, &kind))
            continue;
        struct notice_item *item = &n->items[n->item_count++];
        item->kind = (enum alert_kind)kind;
        enum err err = read_item(value, item, f);
        if (err)
            return err;
    }
    return ERR_OK;
}

// The members of an object differ, so no kind comes twice.
static enum err read_counts(json_t *object, struct notice *n, struct fault *f)
{
    const char *word;
    json_t *value;
    if (!json_is_object(object))
        return refuse("counts", f);
    json_object_foreach(object, word, value) {
        int kind;
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return refuse("counts", f);
        if (enum_find(&alert_kind_words, word, &kind))
            n->counts[n->count_count++] = (struct notice_count){.kind = (enum alert_kind)kind,
                                                                .count = json_integer_value(value)};
    }
    return ERR_OK;
}

static enum err read_head(const json_t *from, struct notice *n, struct fault *f)
{
    int event = 0, severity = 0;
    int64_t version = 0;
    enum err err = read_integer(from, "version", &version, f);
    if (!err && version > NOTICE_VERSION)
        return fault_set(f, ERR_UNSUPPORTED, "a newer version wrote the notice");
    if (!err && version != NOTICE_VERSION)
        return refuse("version", f);
    if (!err)
        err = read_integer(from, "delivery_id", &n->delivery, f);
    if (!err)
        err = read_integer(from, "count", &n->count, f);
    if (!err)
        err = read_time(from, &n->at, f);
    if (!err)
        err = read_word(from, "event", &notice_event_words, &event, f);
    if (!err)
        err = read_word(from, "severity", &notice_severity_words, &severity, f);
    n->event = (enum notice_event)event;
    n->severity = (enum notice_severity)severity;
    return err;
}

enum err notice_unpack(const char *json, struct notice *out, struct fault *f)
{
    struct notice n = {0};
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    enum err err = json_is_object(object)
                       ? read_head(object, &n, f)
                       : fault_set(f, ERR_SYNTAX, "the notice is no JSON object");
    if (!err)
        err = read_texts(object, &n, notice_texts, COUNT_OF(notice_texts), f);
    if (!err)
        err = read_counts(json_object_get(object, "counts"), &n, f);
    if (!err)
        err = read_items(json_object_get(object, "alerts"), &n, f);
    json_decref(object);
    if (err)
        notice_clear(&n);
    else
        *out = n;
    return err;
}

// --- All the rest --------------------------------------------------------------------------------

static void free_texts(void *owner, const struct text_member *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(*text_at(&m[i], owner));
}

void notice_clear(struct notice *n)
{
    for (size_t i = 0; i < n->item_count; i++)
        free_texts(&n->items[i], item_texts, COUNT_OF(item_texts));
    free(n->items);
    free_texts(n, notice_texts, COUNT_OF(notice_texts));
    *n = (struct notice){0};
}

void notice_key(const struct notice *n, char out[static NOTICE_KEY_BYTES_MAX + 1])
{
    if (n->dedup_key)
        snprintf(out, NOTICE_KEY_BYTES_MAX + 1, "%s", n->dedup_key);
    else
        snprintf(out, NOTICE_KEY_BYTES_MAX + 1, "carillon-delivery-%" PRId64, n->delivery);
}
