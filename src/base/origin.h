// SPDX-License-Identifier: MIT
// origin.h: which server a URL speaks to, as a short text that can be a key.
//
// Pure: no library, no I/O, so that the core can count the requests under way per server. A URL is
// not judged here; url_check (base/url.h) does that before a URL is ever stored.

#ifndef CARILLON_BASE_ORIGIN_H
#define CARILLON_BASE_ORIGIN_H

#include "base/url.h"

#include <stddef.h>

#define ORIGIN_BYTES 272 // A host of 255 bytes in brackets, ":65535", the terminating NUL.

// Writes "host:port": the host in lower case (an IPv6 address in its brackets), the port always
// there. Something that is no http or https URL, or whose host is too long, gives "".
void url_origin(const char *url, char out[static ORIGIN_BYTES]);
// The same of a URL that has been read.
void url_origin_of(const struct url *u, char out[static ORIGIN_BYTES]);

#endif
