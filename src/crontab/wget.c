// SPDX-License-Identifier: MIT
// wget.c: the options of wget that a job can do without or has a member for.

#include "crontab/crontab_priv.h"

static enum err drop_answer(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    c->drops_answer = true;
    return ERR_OK;
}

// The short options of wget that have two letters: -nv, -nd and their like.
static enum err set_no(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strlen(value) != 1 || !strchr("vcdHp", *value))
        return crontab__call_refuse(c, "the option -n%.32s of wget is not known here", value);
    if (*value == 'c')
        crontab__call_note(c, "the call is made even if its file is there (-nc)");
    return ERR_OK;
}

// wget waits 1, 2, 3 seconds and so on, at most 10, unless --waitretry says how long.
static enum err set_tries(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    bool unlimited = strcmp(value, "0") == 0 || strcmp(value, "inf") == 0;
    c->retry_strategy = RETRY_LINEAR;
    c->retry_base_ms = 1000;
    if (c->retry_cap_ms == 0)
        c->retry_cap_ms = 10000;
    return crontab__set_retries(c, unlimited ? "1000000" : value, 1);
}

static enum err set_wait(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    uint64_t ms;
    if (!crontab__duration(value, true, &ms))
        return crontab__call_refuse(c, "'%.32s' is no number of seconds", value);
    c->retry_cap_ms = (uint32_t)MAX(1000, MIN(ms, JOB_MAX(retry_cap_ms)));
    return ERR_OK;
}

static enum err set_password(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    c->password = value;
    return ERR_OK;
}

static enum err add_no_cache(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    (void)value;
    enum err err = crontab__header(c, "Cache-Control", "no-cache");
    return err ? err : crontab__header(c, "Pragma", "no-cache");
}

// `-e` gives a line of .wgetrc, which may say anything.
static enum err execute(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strcmp(value, "robots=off") != 0)
        return crontab__call_refuse(c, "it gives wget the setting '%.64s'", value);
    return ERR_OK;
}

static enum err set_cookie_file(struct call *c, const struct option *o, const char *value)
{
    (void)o;
    if (strcmp(value, "/dev/null") != 0)
        return crontab__call_refuse(c, "it keeps cookies in the file %.64s", value);
    return ERR_OK;
}

// wget knows methods in any case.
static enum err set_method(struct call *c, const struct option *o, const char *value)
{
    char method[16];
    size_t bytes = MIN(strlen(value), sizeof method - 1);
    for (size_t i = 0; i < bytes; i++)
        method[i] = 'a' <= value[i] && value[i] <= 'z' ? (char)(value[i] - 'a' + 'A') : value[i];
    method[bytes] = '\0';
    return crontab__set_method(c, o, method);
}

static const struct option options[] = {
    // What a job has a member for.
    {0, "method", true, set_method, NULL},
    {0, "post-data", true, crontab__data_only, NULL},
    {0, "body-data", true, crontab__data_only, NULL},
    {0, "header", true, crontab__add_header, NULL},
    {'U', "user-agent", true, crontab__set_header, "User-Agent"},
    {0, "referer", true, crontab__set_header, "Referer"},
    {0, "no-cache", false, add_no_cache, NULL},
    {0, "spider", false, crontab__ask_head, NULL},
    {0, "user", true, crontab__set_user, NULL},
    {0, "http-user", true, crontab__set_user, NULL},
    {0, "password", true, set_password, NULL},
    {0, "http-password", true, set_password, NULL},
    {0, "http-passwd", true, set_password, NULL},
    {0, "auth-no-challenge", false, NULL, NULL},
    {'T', "timeout", true, crontab__set_timeout, NULL},
    {0, "read-timeout", true, crontab__set_timeout, NULL},
    {'t', "tries", true, set_tries, NULL},
    {0, "waitretry", true, set_wait, NULL},
    {0, "max-redirect", true, crontab__set_redirects, NULL},
    {0, "no-check-certificate", false, crontab__trust_all, NULL},
    // What only changes what is printed or kept: a job keeps status and answer anyway.
    {'q', "quiet", false, NULL, NULL},
    {'n', NULL, true, set_no, NULL},
    {0, "no-verbose", false, NULL, NULL},
    {'v', "verbose", false, NULL, NULL},
    {'d', "debug", false, NULL, NULL},
    {'S', "server-response", false, NULL, NULL},
    {0, "show-progress", false, NULL, NULL},
    {0, "progress", true, NULL, NULL},
    {'O', "output-document", true, crontab__set_output, NULL},
    {'o', "output-file", true, NULL, NULL},
    {'a', "append-output", true, NULL, NULL},
    {'P', "directory-prefix", true, NULL, NULL},
    {'x', "force-directories", false, NULL, NULL},
    {'E', "adjust-extension", false, NULL, NULL},
    {0, "no-directories", false, NULL, NULL},
    {0, "no-host-directories", false, NULL, NULL},
    {0, "cut-dirs", true, NULL, NULL},
    {0, "restrict-file-names", true, NULL, NULL},
    {0, "backups", true, NULL, NULL},
    {0, "content-disposition", false, NULL, NULL},
    {0, "content-on-error", false, NULL, NULL},
    {0, "trust-server-names", false, NULL, NULL},
    {0, "delete-after", false, drop_answer, NULL},
    {'N', "timestamping", false, crontab__note, "the call is made even if its file is new (-N)"},
    {0, "no-clobber", false, crontab__note,
     "the call is made even if its file is there (--no-clobber)"},
    {'c', "continue", false, crontab__note, "the whole answer is asked for (-c)"},
    // What makes no difference to the request.
    {'b', "background", false, NULL, NULL},
    {'e', "execute", true, execute, NULL},
    {0, "no-config", false, NULL, NULL},
    {0, "retry-connrefused", false, NULL, NULL},
    {0, "retry-on-host-error", false, NULL, NULL},
    {0, "retry-on-http-error", true, NULL, NULL},
    {0, "no-http-keep-alive", false, NULL, NULL},
    {0, "no-dns-cache", false, NULL, NULL},
    {0, "no-cookies", false, NULL, NULL},
    {0, "keep-session-cookies", false, NULL, NULL},
    {0, "save-cookies", true, set_cookie_file, NULL},
    {0, "no-hsts", false, NULL, NULL},
    {0, "hsts-file", true, NULL, NULL},
    {0, "no-iri", false, NULL, NULL},
    {0, "no-parent", false, NULL, NULL},
    {0, "no-passive-ftp", false, NULL, NULL},
    {0, "https-only", false, NULL, NULL},
    {0, "ignore-length", false, NULL, NULL},
    {0, "compression", true, NULL, NULL},
    {0, "quota", true, NULL, NULL},
    {'Q', NULL, true, NULL, NULL},
    {'w', "wait", true, NULL, NULL},
    {0, "random-wait", false, NULL, NULL},
    {'4', "inet4-only", false, crontab__note, "the server chooses between IPv4 and IPv6 (-4)"},
    {'6', "inet6-only", false, crontab__note, "the server chooses between IPv4 and IPv6 (-6)"},
    {0, "prefer-family", true, crontab__note,
     "the server chooses between IPv4 and IPv6 (--prefer-family)"},
    // What a job does otherwise.
    {0, "connect-timeout", true, crontab__note,
     "the timeout covers connecting (--connect-timeout)"},
    {0, "dns-timeout", true, crontab__note, "the timeout covers looking up (--dns-timeout)"},
    {0, "limit-rate", true, crontab__note, "the answer is read at full speed (--limit-rate)"},
    {0, "secure-protocol", true, crontab__note,
     "the server chooses the version of TLS (--secure-protocol)"},
    {0, "ciphers", true, crontab__note, "the server chooses ciphers (--ciphers)"},
    {0, "no-proxy", false, crontab__note, "the server's own proxy counts (--no-proxy)"},
    // What a job cannot do.
    {0, "post-file", true, crontab__cannot, "it sends a file (--post-file)"},
    {0, "body-file", true, crontab__cannot, "it sends a file (--body-file)"},
    {'i', "input-file", true, crontab__cannot, "it reads URLs from a file (-i)"},
    {'r', "recursive", false, crontab__cannot, "it fetches more than one URL (-r)"},
    {'m', "mirror", false, crontab__cannot, "it fetches more than one URL (-m)"},
    {'p', "page-requisites", false, crontab__cannot, "it fetches more than one URL (-p)"},
    {0, "load-cookies", true, crontab__cannot, "it reads cookies from a file (--load-cookies)"},
    {0, "certificate", true, crontab__cannot,
     "it shows a certificate of its own (--certificate); a job has tls_client_cert"},
    {0, "private-key", true, crontab__cannot,
     "it shows a certificate of its own (--private-key); a job has tls_client_key"},
    {0, "ca-certificate", true, crontab__cannot,
     "it trusts the certificates of a file (--ca-certificate); a job has tls_ca, a server "
     "--ca-file"},
    {0, "ca-directory", true, crontab__cannot,
     "it trusts the certificates of a folder (--ca-directory); a job has tls_ca, a server "
     "--ca-file"},
    {0, "bind-address", true, crontab__cannot, "it chooses its own address (--bind-address)"},
};

// --spider counts before --method, and saves nothing.
static void set_spider(struct call *c)
{
    c->has_method = true;
    c->method = METHOD_HEAD;
    c->drops_answer = true;
    crontab__call_note(c, "where HEAD is refused, a job does not ask again with GET (--spider)");
}

// After a redirect wget goes on with any of these methods as a job does.
static bool is_plain(enum job_method method)
{
    return method == METHOD_GET || method == METHOD_POST || method == METHOD_HEAD;
}

static enum err finish(struct call *c)
{
    if (c->asks_head)
        set_spider(c);
    if (c->user && !c->password)
        return crontab__call_refuse(c, "wget would look for the password of %.64s", c->user);
    if (c->has_body && c->has_method && c->method == METHOD_GET)
        return crontab__call_refuse(c, "wget sends no body with GET");
    if (!c->drops_answer)
        crontab__call_note(c, "the answer is not saved as a file");
    c->follows = true;
    if (!c->has_redirects_max)
        c->redirects_max = JOB_MAX(redirects);
    if (c->redirects_max > 0 && c->has_method && !is_plain(c->method))
        crontab__call_note(c, "after a 301, 302 or 303 a job asks with GET (--method)");
    return ERR_OK;
}

const struct program crontab__wget = {
    .name = "wget",
    OPTIONS(options),
    .takes_equals = true,
    .finish = finish,
};
