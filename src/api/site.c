// SPDX-License-Identifier: MIT
// site.c: refuses requests that web pages of other sites make browsers send (web_priv.h says how
// they are known), and those of jobs.
//
// The site is asked for before the route is found and before the body is read: a page of another
// site learns nothing, not even which jobs there are.

#include "api/api_priv.h"

#include <string.h>
#include <strings.h>

static const struct web_names *names_at_door(const struct api_request *r)
{
    bool observes = exchange_door(r->exchange) == DOOR_OBSERVE;
    return observes ? &r->api->observe_names : &r->api->names;
}

static enum err check_host(const struct api_request *r, struct problem *p)
{
    const char *host = exchange_header(r->exchange, "Host");
    if (!host || web_names_have(names_at_door(r), host)) // Every browser sends it.
        return ERR_OK;
    return refuse(p, ERR_FORBIDDEN, REFUSED_HOST, NULL,
                  "this server is not called '%.64s'; if that is its name, start it with "
                  "--allowed-hosts",
                  host);
}

static bool is_one_of(const char *value, const char *a, const char *b)
{
    return strcasecmp(value, a) == 0 || strcasecmp(value, b) == 0;
}

static bool has(const struct api_request *r, const char *header, const char *value)
{
    const char *given = exchange_header(r->exchange, header);
    return given && strcasecmp(given, value) == 0;
}

// Somebody follows a link to this server, or writes its address: the answer is the new page.
static bool is_navigation(const struct api_request *r)
{
    return strcmp(exchange_method(r->exchange), "GET") == 0 &&
           has(r, "Sec-Fetch-Mode", "navigate") && has(r, "Sec-Fetch-Dest", "document");
}

// A page that came in clear may be of whoever sits between, who must not reach what TLS protects.
// Without TLS the page may have come through a proxy that has it.
static bool is_own_origin(const struct api_request *r, const char *origin)
{
    if (exchange_is_tls(r->exchange) && strncasecmp(origin, "https:", 6) != 0)
        return false;
    return web_origin_is_own(names_at_door(r), origin, exchange_header(r->exchange, "Host"));
}

// Pages cannot forge either header. A client that is no browser sends neither.
static bool is_foreign(const struct api_request *r)
{
    const char *origin = exchange_header(r->exchange, "Origin");
    const char *site = exchange_header(r->exchange, "Sec-Fetch-Site");
    if (origin && !is_own_origin(r, origin))
        return true;
    return site && !is_one_of(site, "same-origin", "none") && !is_navigation(r);
}

enum err request_check_site(const struct api_request *r, struct problem *p)
{
    enum err err = check_host(r, p);
    if (err || !is_foreign(r))
        return err;
    return refuse(p, ERR_FORBIDDEN, REFUSED_SITE, NULL,
                  "a web page of another site asked for this; nothing was done");
}

// Every request to a target carries this header.
enum err request_check_loop(const struct api_request *r, struct problem *p)
{
    const char *job = exchange_header(r->exchange, "Carillon-Job");
    if (!job || !r->route->changes)
        return ERR_OK;
    return refuse(p, ERR_FORBIDDEN, REFUSED_LOOP, NULL,
                  "this is a request of job %.20s; jobs may not change jobs", job);
}
