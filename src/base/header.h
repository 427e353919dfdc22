// SPDX-License-Identifier: MIT
// header.h: which header lines a job may send.
//
// A name is a token of RFC 9110; a value is UTF-8 without control characters, with spaces and tabs
// inside at most. So a header can never end a line and begin another. Host names a host, with or
// without a port, for virtual servers behind one address. Names which frame the message, name its
// hops or carry the identity of an execution are reserved: Carillon writes them itself.

#ifndef CARILLON_BASE_HEADER_H
#define CARILLON_BASE_HEADER_H

#include "base/err.h"

#include <stdbool.h>

#define HEADER_NAME_BYTES_MAX 256
#define HEADER_VALUE_BYTES_MAX 8192
#define HEADER_LINES_MAX 64
#define HEADER_LINES_BYTES_MAX 16384

// ERR_SYNTAX for a malformed name or value, ERR_LIMIT for one that is too long, ERR_FORBIDDEN for
// a reserved name. An empty value is fine.
MUST_CHECK enum err header_check(const char *name, const char *value, struct fault *f);

// The same for "Name: value\n" lines, as a job carries them; also ERR_LIMIT when there are too
// many.
MUST_CHECK enum err header_check_lines(const char *lines, struct fault *f);

bool header_is_reserved(const char *name); // Case does not matter.

#endif
