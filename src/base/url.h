// SPDX-License-Identifier: MIT
// url.h: the one place that decides whether a text is the URL of a target.
//
// Strict, because two programs that read one URL differently are how requests end up somewhere
// nobody meant: http or https, a host, optionally a port, path and query, and nothing in a form
// that needs interpretation. Names outside ASCII must be given in their "xn--" form.

#ifndef CARILLON_BASE_URL_H
#define CARILLON_BASE_URL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define URL_BYTES_MAX 8000
#define URL_HOST_BYTES_MAX 253

struct url {
    bool https;
    uint16_t port;                     // 80 or 443 when the URL names none.
    bool is_address;                   // The host is an IPv4 or IPv6 address.
    char host[URL_HOST_BYTES_MAX + 1]; // In lower case; an IPv6 address without its brackets.
    uint16_t target_at; // Where path and query begin in the text that was read: at "/", "?" or the
                        // end. What is asked for begins with "/" in any case.
};

// ERR_SYNTAX with a sentence that says what is wrong and, where it helps, what to write instead;
// ERR_LIMIT for a URL that is too long.
MUST_CHECK enum err url_parse(const char *text, struct url *out, struct fault *f);
// The same by our own rules alone, without asking libcurl: for a sender that goes by this very
// reading. Allocates nothing.
MUST_CHECK enum err url_read(const char *text, struct url *out, struct fault *f);
MUST_CHECK enum err url_check(const char *text, struct fault *f);

// For a URL as a client wrote it: what can stand in no URL but can be meant by one, bytes beyond
// ASCII and spaces inside path and query, is percent-encoded, as browsers do it. *out, which is
// then what url_check accepts, is the caller's to free. Errors are those of url_parse, and name the
// place in `text`.
MUST_CHECK enum err url_accept(const char *text, char **out, struct fault *f);
// The same, and what url_parse makes of *out.
MUST_CHECK enum err url_accept_parsed(const char *text, char **out, struct url *parsed,
                                      struct fault *f);

#endif
