// SPDX-License-Identifier: MIT
// ascii.h: character classes of ASCII, whatever the locale. <ctype.h> asks the process's.

#ifndef CARILLON_BASE_ASCII_H
#define CARILLON_BASE_ASCII_H

#include <stdbool.h>

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static inline bool ascii_is_letter(char c)
{
    return ascii_upper(c) >= 'A' && ascii_upper(c) <= 'Z';
}

#endif
