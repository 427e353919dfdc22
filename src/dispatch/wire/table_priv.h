// SPDX-License-Identifier: MIT
// table_priv.h: finds an object by its text. Entries are embedded; their owners keep them alive.

#ifndef CARILLON_DISPATCH_WIRE_TABLE_PRIV_H
#define CARILLON_DISPATCH_WIRE_TABLE_PRIV_H

#include <stddef.h>
#include <stdint.h>

struct table_entry {
    struct table_entry *next;
    const char *key; // Lives as long as the entry.
    uint64_t hash;
};

// Zeroed is empty.
struct table {
    struct table_entry **buckets;
    size_t bucket_count; // A power of two.
    size_t count;
};

void table__fini(struct table *t); // The entries stay their owners'.

struct table_entry *table__find(const struct table *t, const char *key); // May be NULL.
void table__add(struct table *t, struct table_entry *e);                 // The key must be new.
void table__remove(struct table *t, struct table_entry *e);

#endif
