// SPDX-License-Identifier: MIT
// inspect.c: the front of the door for who looks into a database from outside.

#include "store/move.h"
#include "store/store_priv.h"

#include <assert.h>

static const char *const names[STORE_CHECKS] = {
    [STORE_CHECK_PAGES] = "pages",       [STORE_CHECK_SCHEMA] = "tables and indexes",
    [STORE_CHECK_ROWS] = "rows",         [STORE_CHECK_REFERENCES] = "references",
    [STORE_CHECK_PROMISES] = "promises",
};

const char *store_check_name(enum store_check c)
{
    assert(c < STORE_CHECKS);
    return names[c];
}

enum err store_inspection_open(const char *place, struct store_inspection **out, struct fault *f)
{
    return store_place_is_url(place) ? postgres_inspection_open(place, out, f)
                                     : sqlite_inspection_open(place, out, f);
}

void store_inspection_close(struct store_inspection *i)
{
    if (i)
        i->ops->close(i);
}

bool store_inspection_has(const struct store_inspection *i, enum store_check c)
{
    assert(c < STORE_CHECKS);
    return i->ops->has[c];
}

enum err store_inspect(struct store_inspection *i, enum store_check c, store_finding *found,
                       void *context, struct fault *f)
{
    assert(store_inspection_has(i, c));
    return i->ops->inspect(i, c, found, context, f);
}

enum err store_inspect_ledger(struct store_inspection *i, const struct store_ledger_visitor *v,
                              struct fault *f)
{
    return i->ops->inspect_ledger(i, v, f);
}
