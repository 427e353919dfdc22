// SPDX-License-Identifier: MIT
// audit.c: what somebody has changed, in order of id, which is that of writing.

#include "store/memory/memory_priv.h"

#include <string.h>

static void insert(struct memory_store *s, const struct audit_entry *e, int64_t id)
{
    struct audit_entry *own = xmalloc(sizeof *own);
    *own = *e;
    own->id = id;
    own->by.token_name = xstrdup(e->by.token_name);
    own->by.address = xstrdup(e->by.address);
    own->by.request_id = xstrdup(e->by.request_id);
    own->subject = xstrdup(e->subject);
    own->before = xstrdup(e->before);
    own->after = xstrdup(e->after);
    table_insert(&s->audit, own);
}

static void entry_free(struct audit_entry *e)
{
    const char *const texts[] = {e->by.token_name, e->by.address, e->by.request_id,
                                 e->subject,       e->before,     e->after};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free((char *)(uintptr_t)texts[i]);
    free(e);
}

void memory_audit_put(struct memory_store *s, const struct audit_entry *e)
{
    insert(s, e, ++s->audit_last);
}

size_t memory_audit_sweep(struct memory_store *s, wall_ms before, size_t rows_max)
{
    size_t removed = 0;
    for (size_t i = s->audit.count; i-- > 0 && removed < rows_max;) {
        struct audit_entry *e = s->audit.rows[i];
        if (e->at >= before)
            continue;
        entry_free(table_take(&s->audit, e->id));
        removed++;
    }
    return removed;
}

void memory_audit_copy(struct memory_store *to, const struct memory_store *from)
{
    for (size_t i = 0; i < from->audit.count; i++) {
        const struct audit_entry *e = from->audit.rows[i];
        insert(to, e, e->id);
    }
    to->audit_last = from->audit_last;
}

static bool is_before(const struct audit_entry *e, const struct audit_cursor *c)
{
    return e->at != c->at ? e->at < c->at : e->id < c->id;
}

static bool matches(const struct audit_entry *e, const struct audit_query *q)
{
    if (q->action >= 0 && (int)e->action != q->action)
        return false;
    if (q->job && e->job != q->job)
        return false;
    if (q->token && (!e->by.token_name || strcmp(e->by.token_name, q->token) != 0))
        return false;
    return q->from <= e->at && e->at <= q->to && is_before(e, &q->before);
}

static int compare_newest_first(const void *left, const void *right)
{
    const struct audit_entry *a = *(const struct audit_entry *const *)left;
    const struct audit_entry *b = *(const struct audit_entry *const *)right;
    return is_before(a, &(struct audit_cursor){b->at, b->id}) ? 1 : -1;
}

enum err memory_list_audit(const struct memory_store *s, const struct audit_query *q,
                           store_each_audit *each, void *context)
{
    const struct audit_entry **found = xcalloc(s->audit.count, sizeof(struct audit_entry *));
    size_t count = 0;
    for (size_t i = 0; i < s->audit.count; i++)
        if (matches(s->audit.rows[i], q))
            found[count++] = s->audit.rows[i];
    qsort(found, count, sizeof *found, compare_newest_first);

    enum err err = ERR_OK;
    for (size_t i = 0; i < MIN(count, q->limit) && !err; i++)
        err = each(context, found[i]);
    free(found);
    return err;
}
