// SPDX-License-Identifier: MIT
// tables.c: rows in order of id, executions by key, and who owns which string.

#include "store/memory/memory_priv.h"

#include <assert.h>
#include <string.h>

// --- Tables ----------------------------------------------------------------------------------

size_t table_position(const struct table *t, int64_t id)
{
    size_t low = 0;
    size_t high = t->count;
    if (t->count > 0 && t->id_of(t->rows[t->count - 1]) < id)
        return t->count; // Ids are given in order, so this is nearly always so.
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->id_of(t->rows[middle]) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void *table_find(const struct table *t, int64_t id)
{
    size_t at = table_position(t, id);
    return at < t->count && t->id_of(t->rows[at]) == id ? t->rows[at] : NULL;
}

void table_insert(struct table *t, void *row)
{
    size_t at = table_position(t, t->id_of(row));
    assert(at == t->count || t->id_of(t->rows[at]) != t->id_of(row));
    assert(at == 0 || t->id_of(t->rows[at - 1]) < t->id_of(row));
    t->rows = grow(t->rows, t->count, &t->capacity, sizeof *t->rows);
    memmove(t->rows + at + 1, t->rows + at, (t->count - at) * sizeof *t->rows);
    t->rows[at] = row;
    t->count++;
}

void *table_take(struct table *t, int64_t id)
{
    size_t at = table_position(t, id);
    assert(at < t->count && t->id_of(t->rows[at]) == id);
    void *row = t->rows[at];
    t->count--;
    memmove(t->rows + at, t->rows + at + 1, (t->count - at) * sizeof *t->rows);
    return row;
}

// --- Keys ------------------------------------------------------------------------------------

static bool keys_equal(const struct execution_key *a, const struct execution_key *b)
{
    return a->job == b->job && a->series == b->series &&
           (a->series < 0 || a->scheduled_at == b->scheduled_at);
}

static uint64_t mix(uint64_t hash, int64_t value)
{
    hash = (hash ^ (uint64_t)value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static size_t slot_of(const struct key_set *s, const struct execution_key *key)
{
    uint64_t hash = mix(mix(0, key->job), key->series);
    if (key->series >= 0)
        hash = mix(hash, key->scheduled_at);
    return (size_t)hash & (s->slot_count - 1);
}

static size_t next_slot(const struct key_set *s, size_t slot)
{
    return (slot + 1) & (s->slot_count - 1);
}

struct memory_execution *key_set_find(const struct key_set *s, const struct execution_key *key)
{
    if (s->slot_count == 0)
        return NULL;
    for (size_t i = slot_of(s, key); s->slots[i]; i = next_slot(s, i))
        if (keys_equal(&s->slots[i]->row.key, key))
            return s->slots[i];
    return NULL;
}

static void place(struct key_set *s, struct memory_execution *e)
{
    assert(s->used < s->slot_count); // There is an empty slot to end at.
    size_t i = slot_of(s, &e->row.key);
    while (s->slots[i])
        i = next_slot(s, i);
    s->slots[i] = e;
}

void key_set_insert(struct key_set *s, struct memory_execution *e)
{
    if (2 * (s->used + 1) > s->slot_count) {
        struct key_set larger = {.slot_count = MAX(64, 2 * s->slot_count), .used = s->used};
        larger.slots = xcalloc(larger.slot_count, sizeof(struct memory_execution *));
        for (size_t i = 0; i < s->slot_count; i++)
            if (s->slots[i])
                place(&larger, s->slots[i]);
        free(s->slots);
        *s = larger;
    }
    place(s, e);
    s->used++;
}

void key_set_remove(struct key_set *s, struct memory_execution *e)
{
    size_t i = slot_of(s, &e->row.key);
    assert(s->used > 0 && key_set_find(s, &e->row.key) == e);
    while (s->slots[i] != e)
        i = next_slot(s, i);
    s->slots[i] = NULL;
    s->used--;
    // What stands behind the gap may have been pushed there by it.
    for (i = next_slot(s, i); s->slots[i]; i = next_slot(s, i)) {
        struct memory_execution *moved = s->slots[i];
        s->slots[i] = NULL;
        place(s, moved);
    }
}

// --- Strings ---------------------------------------------------------------------------------

// The strings of these structs are const where they are borrowed; here they are our own.
static void drop(const char *text)
{
    free((void *)(uintptr_t)text);
}

struct execution execution_own(const struct execution *e)
{
    struct execution copy = *e;
    copy.error = xstrdup(e->error);
    copy.reason = xstrdup(e->reason);
    copy.request_body = xstrdup(e->request_body);
    copy.held_by = xstrdup(e->held_by);
    copy.origin = xstrdup(e->origin);
    copy.notes = xstrdup(e->notes);
    return copy;
}

void execution_disown(struct execution *e)
{
    drop(e->error);
    drop(e->reason);
    drop(e->request_body);
    drop(e->held_by);
    drop(e->origin);
    drop(e->notes);
}

struct attempt attempt_own(const struct attempt *a)
{
    struct attempt copy = *a;
    copy.error = xstrdup(a->error);
    copy.response = xstrdup(a->response);
    copy.redirects = xstrdup(a->redirects);
    return copy;
}

void attempt_disown(struct attempt *a)
{
    drop(a->error);
    drop(a->response);
    drop(a->redirects);
}

struct memory_execution *memory_execution_new(const struct execution *e)
{
    struct memory_execution *new = xcalloc(1, sizeof *new);
    new->row = execution_own(e);
    return new;
}

void memory_execution_free(struct memory_execution *e)
{
    for (size_t i = 0; i < e->attempt_count; i++)
        attempt_disown(&e->attempts[i]);
    free(e->attempts);
    execution_disown(&e->row);
    free(e);
}

struct memory_job *memory_job_new(const struct job *j)
{
    struct memory_job *new = xcalloc(1, sizeof *new);
    new->job = job_copy(j);
    return new;
}

void memory_job_disown(struct memory_job *j)
{
    job_free(j->job);
    job_versions_fini(&j->versions);
}

struct alert *alert_new(const struct alert *a)
{
    struct alert *new = xmalloc(sizeof *new);
    *new = *a;
    new->subject = xstrdup(a->subject);
    new->last_error = xstrdup(a->last_error);
    new->message = xstrdup(a->message);
    return new;
}

void alert_free(struct alert *a)
{
    drop(a->subject);
    drop(a->last_error);
    drop(a->message);
    free(a);
}

// --- All of them -----------------------------------------------------------------------------

static int64_t job_row_id(const void *row)
{
    return ((const struct memory_job *)row)->job->id;
}

static int64_t execution_row_id(const void *row)
{
    return ((const struct memory_execution *)row)->row.id;
}

static int64_t alert_row_id(const void *row)
{
    return ((const struct alert *)row)->id;
}

static int64_t audit_row_id(const void *row)
{
    return ((const struct audit_entry *)row)->id;
}

void memory_tables_init(struct memory_store *s)
{
    s->jobs.id_of = job_row_id;
    s->executions.id_of = execution_row_id;
    s->alerts.id_of = alert_row_id;
    s->audit.id_of = audit_row_id;
    memory_small_init(s);
}

struct client_key *memory_client_key_find(const struct memory_store *s, const char *text)
{
    for (size_t i = 0; i < s->client_key_count; i++)
        if (strcmp(s->client_keys[i].text, text) == 0)
            return &s->client_keys[i];
    return NULL;
}

void memory_client_key_put(struct memory_store *s, const struct client_key *k)
{
    struct client_key *place = memory_client_key_find(s, k->text);
    if (!place) {
        s->client_keys = grow(s->client_keys, s->client_key_count, &s->client_key_capacity,
                              sizeof *s->client_keys);
        place = &s->client_keys[s->client_key_count++];
        place->text = NULL;
    }
    char *text = xstrdup(k->text);
    free((char *)place->text);
    *place = *k;
    place->text = text;
}

void memory_client_keys_sweep(struct memory_store *s, wall_ms before)
{
    for (size_t i = s->client_key_count; i-- > 0;) {
        if (s->client_keys[i].created_at >= before)
            continue;
        free((char *)s->client_keys[i].text);
        s->client_keys[i] = s->client_keys[--s->client_key_count];
    }
}

static struct memory_execution *copy_execution(const struct memory_execution *from)
{
    struct memory_execution *copy = memory_execution_new(&from->row);
    copy->attempts = xcalloc(from->attempt_count, sizeof *copy->attempts);
    copy->attempt_count = copy->attempt_capacity = from->attempt_count;
    for (size_t i = 0; i < from->attempt_count; i++)
        copy->attempts[i] = attempt_own(&from->attempts[i]);
    return copy;
}

void memory_tables_copy(struct memory_store *to, const struct memory_store *from)
{
    for (size_t i = 0; i < from->jobs.count; i++) {
        const struct memory_job *j = from->jobs.rows[i];
        struct memory_job *copy = xmalloc(sizeof *copy);
        *copy =
            (struct memory_job){job_copy(j->job), j->deleted_at, job_versions_copy(&j->versions)};
        table_insert(&to->jobs, copy);
    }
    for (size_t i = 0; i < from->executions.count; i++) {
        struct memory_execution *copy = copy_execution(from->executions.rows[i]);
        table_insert(&to->executions, copy);
        key_set_insert(&to->keys, copy);
    }
    for (size_t i = 0; i < from->alerts.count; i++)
        table_insert(&to->alerts, alert_new(from->alerts.rows[i]));
    memory_audit_copy(to, from);
    for (size_t i = 0; i < from->client_key_count; i++)
        memory_client_key_put(to, &from->client_keys[i]);
    for (uint32_t i = 0; i < from->store.shards; i++)
        to->shards[i] = from->shards[i];
    memory_commands_copy(to, from);
    memory_tokens_copy(to, from);
    memory_deliveries_copy(to, from);
    memory_small_copy(to, from);
    memcpy(to->callback_key, from->callback_key, sizeof to->callback_key);
    to->removed_to = from->removed_to;
}

void memory_tables_free(struct memory_store *s)
{
    for (size_t i = 0; i < s->jobs.count; i++) {
        memory_job_disown(s->jobs.rows[i]);
        free(s->jobs.rows[i]);
    }
    for (size_t i = 0; i < s->executions.count; i++)
        memory_execution_free(s->executions.rows[i]);
    for (size_t i = 0; i < s->alerts.count; i++)
        alert_free(s->alerts.rows[i]);
    memory_audit_sweep(s, WALL_NEVER, SIZE_MAX);
    memory_client_keys_sweep(s, WALL_NEVER);
    memory_commands_free(s);
    memory_tokens_free(s);
    memory_deliveries_free(s);
    memory_small_free(s);
    free(s->client_keys);
    free(s->jobs.rows);
    free(s->executions.rows);
    free(s->alerts.rows);
    free(s->audit.rows);
    free(s->keys.slots);
    free(s->shards);
}
