// SPDX-License-Identifier: MIT
// utf8.h: which bytes are characters of UTF-8.
//
// Table 3-7 of the Unicode standard: the second byte of some has a narrower range, which keeps out
// overlong forms, surrogates and what lies beyond U+10FFFF. NUL is a character like any other.

#ifndef CARILLON_BASE_UTF8_H
#define CARILLON_BASE_UTF8_H

#include <stddef.h>

// How many bytes the character has that begins at `text`; 0 when none does, or when it is cut off.
size_t utf8_character(const char *text, size_t bytes);

// How many bytes of the text, from its beginning, are whole characters.
size_t utf8_span(const char *text, size_t bytes);

#endif
