// SPDX-License-Identifier: MIT
// base64.h: bytes as base64 (RFC 4648, 4: with padding), and back.
//
// Reading is strict: one text for any bytes. Blanks, missing padding and bits that stand for
// nothing are refused, so that two readers cannot understand a text differently.

#ifndef CARILLON_BASE_BASE64_H
#define CARILLON_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#define BASE64_CHARS(bytes) (((bytes) + 2) / 3 * 4) // Without the NUL.
#define BASE64_BYTES(chars) ((chars) / 4 * 3)       // At most so many.

// Writes the text and a NUL: BASE64_CHARS(count) + 1 bytes.
void base64_write(const void *bytes, size_t count, char *out);

// Reads `chars` characters into `out`, which has room for BASE64_BYTES(chars). False: it is not
// base64, and `out` holds anything. An empty text is no bytes.
bool base64_read(const char *text, size_t chars, void *out, size_t *count);

#endif
