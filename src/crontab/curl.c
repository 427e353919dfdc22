// SPDX-License-Identifier: MIT
// curl.c: the options of curl that a job can do without or has a member for.

#include "crontab/crontab_priv.h"

#include <string.h>

// --- Options that are like no others -------------------------------------------------------------

static enum err set_output(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strcmp(value, "/dev/null") != 0 && strcmp(value, "-") != 0)
        return crontab__call_refuse(c, "it writes the answer to the file %.64s", value);
    return ERR_OK;
}

static enum err set_cookie(struct call *c, const struct option *o, const char *value)
{
    if (!strchr(value, '='))
        return crontab__call_refuse(c, "it reads cookies from the file %.64s", value);
    return crontab__set_header(c, o, value);
}

static enum err set_retry(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    return crontab__set_retries(c, value, 0);
}

static enum err set_body_in_query(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->body_in_query = true;
    return ERR_OK;
}

static enum err take_braces(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->takes_braces = true;
    return ERR_OK;
}

static enum err set_bearer(struct call *c, const struct option *o, const char *value)
{
    struct text header = {0};
    crontab__add(&header, "Bearer ");
    crontab__add(&header, value);
    enum err err = crontab__set_header(c, o, header.bytes);
    crontab__text_fini(&header);
    return err;
}

// A header line, but for "@file".
static enum err add_header(struct call *c, const struct option *o, const char *value)
{
    if (value[0] == '@')
        return crontab__call_refuse(c, "it reads headers from the file %.64s", value + 1);
    return crontab__add_header(c, o, value);
}

// --- The table -----------------------------------------------------------------------------------

static const struct option options[] = {
    // What a job has a member for.
    {0, "url", true, crontab__set_url, NULL},
    {'X', "request", true, crontab__set_method, NULL},
    {'H', "header", true, add_header, NULL},
    {'A', "user-agent", true, crontab__set_header, "User-Agent"},
    {'e', "referer", true, crontab__set_header, "Referer"},
    {'b', "cookie", true, set_cookie, "Cookie"},
    {'u', "user", true, crontab__set_user, NULL},
    {0, "basic", false, NULL, NULL},
    {0, "oauth2-bearer", true, set_bearer, "Authorization"},
    {'d', "data", true, crontab__data, NULL},
    {0, "data-ascii", true, crontab__data, NULL},
    {0, "data-raw", true, crontab__data_raw, NULL},
    {0, "data-binary", true, crontab__data_binary, NULL},
    {0, "data-urlencode", true, crontab__data_encoded, NULL},
    {0, "json", true, crontab__data_json, NULL},
    {'G', "get", false, set_body_in_query, NULL},
    {'m', "max-time", true, crontab__set_timeout, NULL},
    {0, "retry", true, set_retry, NULL},
    {'g', "globoff", false, take_braces, NULL},
    // What only changes what is printed or kept: a job keeps status and answer anyway.
    {'s', "silent", false, NULL, NULL},
    {'S', "show-error", false, NULL, NULL},
    {'f', "fail", false, NULL, NULL},
    {0, "fail-with-body", false, NULL, NULL},
    {'v', "verbose", false, NULL, NULL},
    {'i', "include", false, NULL, NULL},
    {'N', "no-buffer", false, NULL, NULL},
    {'#', "progress-bar", false, NULL, NULL},
    {0, "no-progress-meter", false, NULL, NULL},
    {'w', "write-out", true, NULL, NULL},
    {'o', "output", true, set_output, NULL},
    {0, "compressed", false, NULL, NULL},
    {0, "retry-connrefused", false, NULL, NULL},
    {0, "retry-all-errors", false, NULL, NULL},
    // What a job does otherwise.
    {'L', "location", false, crontab__note, "redirects are not followed (-L)"},
    {'k', "insecure", false, crontab__note, "certificates are always checked (-k)"},
    {0, "connect-timeout", true, crontab__note,
     "the timeout covers connecting (--connect-timeout)"},
    {0, "retry-delay", true, crontab__note, "retries wait 1, 2, 3 seconds (--retry-delay)"},
    {0, "retry-max-time", true, crontab__note, "every retry is made (--retry-max-time)"},
    // What a job cannot do.
    {'I', "head", false, crontab__cannot, "it sends HEAD (-I), which a job cannot"},
    {'F', "form", true, crontab__cannot, "it sends a multipart form (-F)"},
    {'T', "upload-file", true, crontab__cannot, "it sends a file (-T)"},
    {'O', "remote-name", false, crontab__cannot, "it writes the answer to a file (-O)"},
    {'K', "config", true, crontab__cannot, "it reads options from a file (-K)"},
    {'c', "cookie-jar", true, crontab__cannot, "it keeps cookies in a file (-c)"},
    {'n', "netrc", false, crontab__cannot, "it reads a password from a file (-n)"},
    {'x', "proxy", true, crontab__cannot, "it uses a proxy (-x)"},
    {'E', "cert", true, crontab__cannot, "it shows a certificate of its own (-E)"},
};

// curl makes several URLs of braces and brackets, but for those of an IPv6 address.
static enum err check_braces(const struct call *c)
{
    const char *scheme = strstr(c->url, "://");
    const char *rest = scheme ? scheme + 3 : c->url;
    if (*rest == '[')
        rest = strchr(rest, ']') ? strchr(rest, ']') + 1 : rest;
    if (!c->takes_braces && strpbrk(rest, "{}[]"))
        return crontab__call_refuse(c, "curl makes several URLs of the { } or [ ] in it");
    return ERR_OK;
}

static enum err finish(struct call *c)
{
    if (c->user && !strchr(c->user, ':'))
        return crontab__call_refuse(c, "curl would ask for the password of %.64s", c->user);
    return check_braces(c);
}

const struct program crontab__curl = {
    .name = "curl",
    .options = options,
    .option_count = COUNT_OF(options),
    .takes_equals = false,
    .finish = finish,
};
