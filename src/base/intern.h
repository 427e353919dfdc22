// SPDX-License-Identifier: MIT
// intern.h: equal values are kept once.
//
// A table of values of one size. Taking a value gives the one copy of all that equal it, so holders
// may compare pointers instead of values. A copy is immutable and lives until as many have released
// it as had taken it. Values are compared byte by byte: they must have no padding, or zeroed one.
// Nothing that can be observed depends on the order inside, so values may hold addresses. One
// thread uses a table at a time.

#ifndef CARILLON_BASE_INTERN_H
#define CARILLON_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct interned;

struct intern {
    size_t value_bytes;
    struct interned **buckets;
    size_t bucket_count; // 0 or a power of two.
    size_t count;        // Different values.
};

void intern_init(struct intern *t, size_t value_bytes); // A multiple of 8.
void intern_fini(struct intern *t);                     // All copies go, also those still taken.

// The shared copy of *value, which is aligned to 8 and owned by the table.
const void *intern_take(struct intern *t, const void *value);
// Calls back for each copy, in no particular order. `each` must not take or release any.
typedef void intern_each_value(void *context, const void *copy);
void intern_each(const struct intern *t, intern_each_value *each, void *context);
// Gives back what intern_take returned. NULL is a no-op.
void intern_release(struct intern *t, const void *copy);

#endif
