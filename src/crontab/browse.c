// SPDX-License-Identifier: MIT
// browse.c: other programs that fetch a URL: GET and HEAD of libwww-perl, lynx, links, w3m, fetch.
//
// They are called for the sake of the request; what they would make of a page is of no interest.
// Text browsers ask for a terminal unless told to print.

#include "crontab/crontab_priv.h"

#include <stdio.h>

// --- Options -------------------------------------------------------------------------------------

static enum err print(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->prints = true;
    return ERR_OK;
}

// "30", "5m": libwww-perl knows units.
static enum err set_timeout(struct call *c, const struct option *o, const char *value)
{
    uint64_t ms;
    char seconds[32];
    if (!crontab__duration(value, true, &ms))
        return crontab__call_refuse(c, "'%.32s' is no timeout", value);
    snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)(ms / 1000));
    return crontab__set_timeout(c, o, seconds);
}

static const struct option lwp_options[] = {
    {'H', NULL, true, crontab__add_header, NULL},
    {'C', NULL, true, crontab__set_user, NULL},
    {'t', NULL, true, set_timeout, NULL},
    {'d', NULL, false, NULL, NULL}, // What is printed.
    {'u', NULL, false, NULL, NULL},
    {'U', NULL, false, NULL, NULL},
    {'s', NULL, false, NULL, NULL},
    {'S', NULL, false, NULL, NULL},
    {'e', NULL, false, NULL, NULL},
    {'E', NULL, false, NULL, NULL},
    {'a', NULL, false, NULL, NULL},
    {'f', NULL, false, NULL, NULL},
    {'P', NULL, false, crontab__note, "the server's own proxy counts (-P)"},
};

static const struct option lynx_options[] = {
    {0, "dump", false, print, NULL},
    {0, "source", false, print, NULL},
    {0, "head", false, crontab__ask_head, NULL},
    {0, "auth", true, crontab__set_user, NULL},
    {0, "useragent", true, crontab__set_header, "User-Agent"},
    {0, "connect_timeout", true, crontab__note, "the timeout covers connecting (-connect_timeout)"},
    {0, "read_timeout", true, crontab__set_timeout, NULL},
    {0, "accept_all_cookies", false, NULL, NULL},
    {0, "cookies", false, NULL, NULL},
    {0, "nolist", false, NULL, NULL},
    {0, "nonumbers", false, NULL, NULL},
    {0, "noprint", false, NULL, NULL},
    {0, "nopause", false, NULL, NULL},
    {0, "nomargins", false, NULL, NULL},
    {0, "nobold", false, NULL, NULL},
    {0, "nocolor", false, NULL, NULL},
    {0, "nostatus", false, NULL, NULL},
    {0, "stderr", false, NULL, NULL},
    {0, "force_html", false, NULL, NULL},
    {0, "hiddenlinks", true, NULL, NULL},
    {0, "width", true, NULL, NULL},
    {0, "term", true, NULL, NULL},
    {0, "reload", false, NULL, NULL},
};

static const struct option links_options[] = {
    {0, "dump", false, print, NULL},         {0, "source", false, print, NULL},
    {0, "no-references", false, NULL, NULL}, {0, "no-numbering", false, NULL, NULL},
    {0, "no-connect", false, NULL, NULL},
};

static const struct option w3m_options[] = {
    {0, "dump", false, print, NULL},
    {0, "dump_source", false, print, NULL},
    {0, "no-cookie", false, NULL, NULL},
};

static const struct option fetch_options[] = {
    {'q', "quiet", false, NULL, NULL},
    {'v', "verbose", false, NULL, NULL},
    {'o', "output", true, crontab__set_output, NULL},
    {'T', "timeout", true, crontab__set_timeout, NULL},
    {'a', "retry", false, crontab__note, "a job has three retries (-a)"},
    {0, "no-verify-peer", false, crontab__trust_all, NULL},
    {0, "user-agent", true, crontab__set_header, "User-Agent"},
    {'4', "ipv4-only", false, crontab__note, "the server chooses between IPv4 and IPv6 (-4)"},
    {'6', "ipv6-only", false, crontab__note, "the server chooses between IPv4 and IPv6 (-6)"},
};

// --- The whole -----------------------------------------------------------------------------------

// All of them follow redirects.
static enum err finish(struct call *c)
{
    if (c->user && !strchr(c->user, ':'))
        return crontab__call_refuse(c, "it has no password of %.64s", c->user);
    c->follows = true;
    c->redirects_max = JOB_MAX(redirects);
    return ERR_OK;
}

static enum err finish_lwp(struct call *c)
{
    c->has_method = true;
    c->method = c->program->method;
    return finish(c);
}

static enum err finish_browser(struct call *c)
{
    if (!c->prints)
        return crontab__call_refuse(c, "%s without -dump wants a terminal", c->program->name);
    c->has_method = c->asks_head;
    c->method = METHOD_HEAD;
    return finish(c);
}

static enum err finish_fetch(struct call *c)
{
    if (!c->drops_answer)
        crontab__call_note(c, "the answer is not saved as a file");
    return finish(c);
}

#define BROWSER(known, table)                                                                      \
    {                                                                                              \
        .name = known, OPTIONS(table), .takes_equals = true, .one_dash = true,                     \
        .finish = finish_browser                                                                   \
    }

const struct program crontab__browsers[] = {
    {.name = "GET", OPTIONS(lwp_options), .method = METHOD_GET, .finish = finish_lwp},
    {.name = "HEAD", OPTIONS(lwp_options), .method = METHOD_HEAD, .finish = finish_lwp},
    BROWSER("lynx", lynx_options),
    BROWSER("links", links_options),
    BROWSER("elinks", links_options),
    BROWSER("w3m", w3m_options),
    {.name = "fetch", OPTIONS(fetch_options), .takes_equals = true, .finish = finish_fetch},
};
const size_t crontab__browser_count = COUNT_OF(crontab__browsers);
