// SPDX-License-Identifier: MIT
// integer.h: integers of a size that a table knows, as the members of structs that rows are read
// to.
//
// Smaller ones are unsigned, but for those of four bytes, whose values all lie below INT32_MAX.

#ifndef CARILLON_BASE_INTEGER_H
#define CARILLON_BASE_INTEGER_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t integer_load(const void *at, size_t bytes)
{
    switch (bytes) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        return *(const uint16_t *)at;
    case 4:
        return *(const int32_t *)at;
    default:
        return *(const int64_t *)at;
    }
}

static inline void integer_store(void *at, size_t bytes, int64_t value)
{
    switch (bytes) {
    case 1:
        *(uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(int32_t *)at = (int32_t)value;
        break;
    default:
        *(int64_t *)at = value;
    }
}

#endif
