// SPDX-License-Identifier: MIT
// curl.c: the options of curl that a job can do without or has a member for.

#include "crontab/crontab_priv.h"

// --- Options that are like no others -------------------------------------------------------------

static enum err set_cookie(struct call *c, const struct option *o, const char *value)
{
    if (!strchr(value, '='))
        return crontab__call_refuse(c, "it reads cookies from the file %.64s", value);
    return crontab__set_header(c, o, value);
}

static enum err set_cookie_jar(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strcmp(value, "/dev/null") != 0 && strcmp(value, "-") != 0)
        return crontab__call_refuse(c, "it keeps cookies in the file %.64s", value);
    return ERR_OK;
}

// curl waits 1, 2, 4 seconds and so on, at most 10 minutes, unless --retry-delay says how long.
static enum err set_retry(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (c->retry_base_ms == 0) {
        c->retry_strategy = RETRY_EXPONENTIAL;
        c->retry_base_ms = 1000;
        c->retry_cap_ms = 600000;
    }
    return crontab__set_retries(c, value, 0);
}

static enum err set_retry_delay(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    uint64_t ms;
    if (!crontab__duration(value, false, &ms))
        return crontab__call_refuse(c, "'%.32s' is no number of seconds", value);
    if (ms == 0)
        return ERR_OK; // As without it.
    if (ms > JOB_MAX(retry_cap_ms))
        crontab__call_note(c, "a retry comes after an hour at the latest (--retry-delay)");
    c->retry_strategy = RETRY_FIXED;
    c->retry_base_ms = c->retry_cap_ms = (uint32_t)MIN(ms, JOB_MAX(retry_cap_ms));
    return ERR_OK;
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

static enum err keep_dots(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->keeps_dots = true;
    return ERR_OK;
}

static enum err follow(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->follows = true;
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

static enum err set_range(struct call *c, const struct option *o, const char *value)
{
    struct text header = {0};
    crontab__add(&header, "bytes=");
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
    {'r', "range", true, set_range, "Range"},
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
    {'I', "head", false, crontab__ask_head, NULL},
    {'m', "max-time", true, crontab__set_timeout, NULL},
    {0, "retry", true, set_retry, NULL},
    {0, "retry-delay", true, set_retry_delay, NULL},
    {'L', "location", false, follow, NULL},
    {0, "location-trusted", false, follow, NULL},
    {0, "max-redirs", true, crontab__set_redirects, NULL},
    {'k', "insecure", false, crontab__trust_all, NULL},
    {'g', "globoff", false, take_braces, NULL},
    {0, "path-as-is", false, keep_dots, NULL},
    // What only changes what is printed or kept: a job keeps status and answer anyway.
    {'s', "silent", false, NULL, NULL},
    {'S', "show-error", false, NULL, NULL},
    {'f', "fail", false, NULL, NULL},
    {0, "fail-with-body", false, NULL, NULL},
    {0, "fail-early", false, NULL, NULL},
    {'v', "verbose", false, NULL, NULL},
    {'i', "include", false, NULL, NULL},
    {0, "show-headers", false, NULL, NULL},
    {'N', "no-buffer", false, NULL, NULL},
    {'#', "progress-bar", false, NULL, NULL},
    {0, "no-progress-meter", false, NULL, NULL},
    {0, "styled-output", false, NULL, NULL},
    {'w', "write-out", true, NULL, NULL},
    {'o', "output", true, crontab__set_output, NULL},
    {'D', "dump-header", true, crontab__set_output, NULL},
    {0, "stderr", true, crontab__set_output, NULL},
    {0, "trace", true, crontab__set_output, NULL},
    {0, "trace-ascii", true, crontab__set_output, NULL},
    {0, "trace-time", false, NULL, NULL},
    {'R', "remote-time", false, NULL, NULL},
    {0, "create-dirs", false, NULL, NULL},
    // What makes no difference to the request.
    {'q', "disable", false, NULL, NULL},
    {0, "compressed", false, NULL, NULL},
    {0, "retry-connrefused", false, NULL, NULL},
    {0, "retry-all-errors", false, NULL, NULL},
    {'0', "http1.0", false, crontab__note, "a job speaks HTTP/1.1 (--http1.0)"},
    {0, "http1.1", false, NULL, NULL},
    {0, "http2", false, crontab__note, "a job speaks HTTP/1.1 (--http2)"},
    {0, "http2-prior-knowledge", false, crontab__note, "a job speaks HTTP/1.1 (--http2)"},
    {0, "http3", false, crontab__note, "a job speaks HTTP/1.1 (--http3)"},
    {'1', "tlsv1", false, NULL, NULL},
    {0, "tlsv1.0", false, NULL, NULL},
    {0, "tlsv1.1", false, NULL, NULL},
    {0, "tlsv1.2", false, NULL, NULL},
    {0, "tlsv1.3", false, NULL, NULL},
    {0, "ssl-reqd", false, NULL, NULL},
    {0, "ssl-no-revoke", false, NULL, NULL},
    {0, "no-sessionid", false, NULL, NULL},
    {0, "no-alpn", false, NULL, NULL},
    {0, "no-npn", false, NULL, NULL},
    {0, "no-keepalive", false, NULL, NULL},
    {0, "keepalive-time", true, NULL, NULL},
    {0, "tcp-nodelay", false, NULL, NULL},
    {0, "tcp-fastopen", false, NULL, NULL},
    {0, "expect100-timeout", true, NULL, NULL},
    {0, "proto", true, NULL, NULL},
    {0, "proto-redir", true, NULL, NULL},
    {'j', "junk-session-cookies", false, NULL, NULL},
    {'c', "cookie-jar", true, set_cookie_jar, NULL},
    {'4', "ipv4", false, crontab__note, "the server chooses between IPv4 and IPv6 (-4)"},
    {'6', "ipv6", false, crontab__note, "the server chooses between IPv4 and IPv6 (-6)"},
    // What a job does otherwise.
    {0, "connect-timeout", true, crontab__note,
     "the timeout covers connecting (--connect-timeout)"},
    {0, "retry-max-time", true, crontab__note, "every retry is made (--retry-max-time)"},
    {'y', "speed-time", true, crontab__note, "a slow answer has until the timeout (-y)"},
    {'Y', "speed-limit", true, crontab__note, "a slow answer has until the timeout (-Y)"},
    {0, "limit-rate", true, crontab__note, "the answer is read at full speed (--limit-rate)"},
    {0, "max-filesize", true, crontab__note, "a long answer is no failure (--max-filesize)"},
    {0, "ciphers", true, crontab__note, "the server chooses ciphers (--ciphers)"},
    {0, "tls-max", true, crontab__note, "the server chooses the version of TLS (--tls-max)"},
    {0, "noproxy", true, crontab__note, "the server's own proxy counts (--noproxy)"},
    {0, "post301", false, crontab__note, "after a 301 a job asks with GET (--post301)"},
    {0, "post302", false, crontab__note, "after a 302 a job asks with GET (--post302)"},
    {0, "post303", false, crontab__note, "after a 303 a job asks with GET (--post303)"},
    // What a job cannot do.
    {'F', "form", true, crontab__cannot, "it sends a multipart form (-F)"},
    {0, "form-string", true, crontab__cannot, "it sends a multipart form (--form-string)"},
    {'T', "upload-file", true, crontab__cannot, "it sends a file (-T)"},
    {'O', "remote-name", false, crontab__cannot, "it writes the answer to a file (-O)"},
    {'J', "remote-header-name", false, crontab__cannot, "it writes the answer to a file (-J)"},
    {'C', "continue-at", true, crontab__cannot, "it continues a file (-C)"},
    {'z', "time-cond", true, crontab__cannot, "it asks for what is newer than a file (-z)"},
    {'K', "config", true, crontab__cannot, "it reads options from a file (-K)"},
    {'n', "netrc", false, crontab__cannot, "it reads a password from a file (-n)"},
    {0, "netrc-file", true, crontab__cannot, "it reads a password from a file (--netrc-file)"},
    {'x', "proxy", true, crontab__cannot, "it uses a proxy (-x), which a server has for all jobs"},
    {0, "socks5", true, crontab__cannot, "it uses a proxy (--socks5)"},
    {0, "socks5-hostname", true, crontab__cannot, "it uses a proxy (--socks5-hostname)"},
    {'E', "cert", true, crontab__cannot,
     "it shows a certificate of its own (-E); a job has tls_client_cert"},
    {0, "key", true, crontab__cannot,
     "it shows a certificate of its own (--key); a job has tls_client_key"},
    {0, "cacert", true, crontab__cannot,
     "it trusts the certificates of a file (--cacert); a job has tls_ca, a server --ca-file"},
    {0, "capath", true, crontab__cannot,
     "it trusts the certificates of a folder (--capath); a job has tls_ca, a server --ca-file"},
    {0, "digest", false, crontab__cannot, "it answers a challenge (--digest)"},
    {0, "ntlm", false, crontab__cannot, "it answers a challenge (--ntlm)"},
    {0, "negotiate", false, crontab__cannot, "it answers a challenge (--negotiate)"},
    {0, "anyauth", false, crontab__cannot, "it answers a challenge (--anyauth)"},
    {0, "resolve", true, crontab__cannot, "it names an address for a host (--resolve)"},
    {0, "connect-to", true, crontab__cannot, "it calls another host (--connect-to)"},
    {0, "interface", true, crontab__cannot, "it chooses its own address (--interface)"},
    {0, "unix-socket", true, crontab__cannot, "it calls a socket of the machine (--unix-socket)"},
    {0, "next", false, crontab__cannot, "it makes more than one call (--next)"},
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
    if (c->asks_head && !c->has_method) {
        c->has_method = true;
        c->method = METHOD_HEAD;
    }
    if (c->follows && !c->has_redirects_max)
        c->redirects_max = JOB_MAX(redirects);
    if (c->follows && c->has_method && c->method != METHOD_GET && c->method != METHOD_HEAD)
        crontab__call_note(c, "after a 301, 302 or 303 a job asks with GET (-X with -L)");
    return check_braces(c);
}

const struct program crontab__curl = {
    .name = "curl",
    OPTIONS(options),
    .finish = finish,
};
