// SPDX-License-Identifier: MIT
// small.c: small tables that are told by their columns alone, in memory.

#include "store/columns_priv.h"
#include "store/memory/memory_priv.h"

#include <assert.h>

// --- Rows ------------------------------------------------------------------------------------

static void own(enum small_table which, union small_row *row)
{
    const struct row_map *m = small_tables[which].map;
    for (size_t i = 0; i < m->count; i++)
        if (m->columns[i].cell == CELL_TEXT)
            column_set_text(&m->columns[i], row, xstrdup(column_text(&m->columns[i], row)));
}

static void disown(enum small_table which, union small_row *row)
{
    const struct row_map *m = small_tables[which].map;
    for (size_t i = 0; i < m->count; i++)
        if (m->columns[i].cell == CELL_TEXT)
            free((char *)(uintptr_t)column_text(&m->columns[i], row));
}

static void row_free(enum small_table which, union small_row *row)
{
    disown(which, row);
    free(row);
}

static union small_row row_of(enum small_table which, const void *row)
{
    union small_row copy = {0};
    if (which == SMALL_CHANNELS)
        copy.channel = *(const struct channel *)row;
    else
        copy.silence = *(const struct silence *)row;
    return copy;
}

static union small_row *row_new(enum small_table which, const void *row)
{
    union small_row *copy = xmalloc(sizeof *copy);
    *copy = row_of(which, row);
    own(which, copy);
    return copy;
}

static int64_t id_of(const void *row)
{
    return ((const union small_row *)row)->id;
}

void memory_small_init(struct memory_store *s)
{
    for (size_t t = 0; t < SMALL_TABLES; t++)
        s->small[t].id_of = id_of;
}

void memory_small_copy(struct memory_store *to, const struct memory_store *from)
{
    for (enum small_table t = 0; t < SMALL_TABLES; t++) {
        for (size_t i = 0; i < from->small[t].count; i++)
            table_insert(&to->small[t], row_new(t, from->small[t].rows[i]));
        to->small_last[t] = from->small_last[t];
    }
}

void memory_small_free(struct memory_store *s)
{
    for (enum small_table t = 0; t < SMALL_TABLES; t++) {
        for (size_t i = 0; i < s->small[t].count; i++)
            row_free(t, s->small[t].rows[i]);
        free(s->small[t].rows);
    }
}

// --- The port --------------------------------------------------------------------------------

static void sweep(struct memory_store *s, wall_ms before)
{
    struct table *t = &s->small[SMALL_SILENCES];
    for (size_t i = t->count; i-- > 0;) {
        const union small_row *row = t->rows[i];
        if (row->silence.until < before)
            row_free(SMALL_SILENCES, table_take(t, row->id));
    }
}

enum err memory_insert_row(struct store_registry *r, enum small_table which, const void *row,
                           wall_ms gone_before, const struct audit_entry *e, int64_t *id,
                           struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    union small_row *own_row = row_new(which, row);
    (void)f;
    own_row->id = ++s->small_last[which];
    table_insert(&s->small[which], own_row);
    sweep(s, gone_before);
    memory_audit_put(s, e);
    *id = own_row->id;
    return memory_registry_unlock(s, ERR_OK);
}

enum err memory_update_row(struct store_registry *r, enum small_table which, const void *row,
                           const struct audit_entry *e, struct fault *f)
{
    const struct channel *c = row;
    assert(which == SMALL_CHANNELS);
    struct memory_store *s = memory_registry_lock(r);
    union small_row *old = table_find(&s->small[which], c->id);
    if (!old || old->channel.version + 1 != c->version)
        return memory_registry_unlock(s,
                                      fault_set(f, ERR_CONFLICT, "the row has changed meanwhile"));
    union small_row next = row_of(which, row);
    next.channel.kind = old->channel.kind;
    next.channel.created_at = old->channel.created_at;
    next.channel.failing_since = old->channel.failing_since;
    next.channel.last_error = old->channel.last_error;
    next.channel.delivered_at = old->channel.delivered_at;
    own(which, &next);
    disown(which, old);
    *old = next;
    memory_audit_put(s, e);
    return memory_registry_unlock(s, ERR_OK);
}

enum err memory_delete_row(struct store_registry *r, enum small_table which, int64_t id,
                           const struct audit_entry *e, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    if (!table_find(&s->small[which], id))
        return memory_registry_unlock(s, fault_set(f, ERR_NOT_FOUND, "there is no such row"));
    row_free(which, table_take(&s->small[which], id));
    memory_audit_put(s, e);
    return memory_registry_unlock(s, ERR_OK);
}

enum err memory_list_rows(struct store_registry *r, enum small_table which, store_each_row *each,
                          void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; i < s->small[which].count && !err; i++)
        err = each(context, s->small[which].rows[i]);
    return memory_registry_unlock(s, err);
}

enum err memory_note_channel(struct store_registry *r, int64_t id, const struct channel_note *n,
                             struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    union small_row *row = table_find(&s->small[SMALL_CHANNELS], id);
    (void)f;
    if (row) {
        free((char *)(uintptr_t)row->channel.last_error);
        row->channel.last_error = xstrdup(n->last_error);
        row->channel.failing_since = n->failing_since;
        if (n->delivered_at)
            row->channel.delivered_at = n->delivered_at;
    }
    return memory_registry_unlock(s, ERR_OK);
}
