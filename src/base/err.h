// SPDX-License-Identifier: MIT
// err.h: how a function says that it failed.
//
// A fallible function returns `enum err`; ERR_OK is zero, so `if (err)` reads well. The story for
// a person goes into the caller's `struct fault`, which may be NULL when nobody will read it.
// Outputs change only on success. `assert` is for our own mistakes and stays on in release.

#ifndef CARILLON_BASE_ERR_H
#define CARILLON_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum err {
#define ERR(name, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_CODES
};

#define FAULT_TEXT_MAX 320

// What went wrong, in words. Starts zeroed: `struct fault f = {0};`.
struct fault {
    enum err code;
    char text[FAULT_TEXT_MAX]; // A line without a full stop, cut when too long.
};

// Fills *f (when not NULL) and returns `code`, so that a caller can write
// `return fault_set(f, ERR_SYNTAX, "...")`.
enum err fault_set(struct fault *f, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);

// The name of a code as it stands in err.def ("NOT_FOUND") and what it means in a few words.
const char *err_name(enum err code);
const char *err_text(enum err code);

// The code of a name; ERR_CODES when none has it.
enum err err_find(const char *name);

#endif
