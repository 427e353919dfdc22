// SPDX-License-Identifier: MIT
// web_priv.h: which requests are a web page's, and which pages may ask.
//
// A browser sends whatever a page asks for to every address that it can reach, to the loopback of
// its own machine too; only what comes back may be hidden from the page. Three headers that a page
// cannot choose tell what is going on:
//
//   Host             whom the browser thinks it talks to. A page of evil.example whose name has
//   been
//                    made to lead here (DNS rebinding) may read the answers, since to the browser
//                    both are one site; but the name it used stands here. An address in figures
//                    cannot be made to lead elsewhere.
//   Origin           the site of the page that asks for a change or wants to read; "null" when the
//                    browser hides the site.
//   Sec-Fetch-Site   whether page and server are one site; newer browsers send it to addresses that
//                    they trust.
//
// So a request must name this server by a name that it has, and must not come from a page of
// another site. A link that somebody follows is no such page.

#ifndef CARILLON_API_WEB_PRIV_H
#define CARILLON_API_WEB_PRIV_H

#include "base/err.h"
#include "base/url.h"

#include <stdbool.h>
#include <stdint.h>

#define WEB_NAMES_MAX 64

// "host" or "host:port" as in a header.
struct web_authority {
    char host[URL_HOST_BYTES_MAX + 1]; // In lower case; an IPv6 address without its brackets.
    uint16_t port;                     // 0: none is named.
};

bool web_authority_read(const char *text, struct web_authority *out);

// The names of this server, beside addresses in figures and "localhost".
struct web_names {
    bool any;    // Every name will do: "*".
    bool beyond; // The server listens beyond loopback: every address in figures will do.
    size_t count;
    struct web_authority list[WEB_NAMES_MAX];
};

// `allowed` is a list separated by commas: "cron.example.org, carillon:3000". ERR_SYNTAX names the
// entry that is no name, or says that there are too many.
MUST_CHECK enum err web_names_parse(const char *listen_host, const char *allowed,
                                    struct web_names *out, struct fault *f);

// Whether a request may name the server so. An entry without a port stands for every port.
bool web_names_have(const struct web_names *n, const char *host);

// Whether a page of this origin ("http://127.0.0.1:3000") is the server's own: it was asked for by
// the name that the request has in Host (NULL: there is none), or by one of the list. There an
// entry without a port means the port that its scheme has.
bool web_origin_is_own(const struct web_names *n, const char *origin, const char *host);

#endif
