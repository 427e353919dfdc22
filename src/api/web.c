// SPDX-License-Identifier: MIT
// web.c: names of this server, and the sites of pages, compared.

#include "api/web_priv.h"
#include "base/address_policy.h"

#include <string.h>
#include <strings.h>

// --- "host:port" ---------------------------------------------------------------------------------

static char lower(char c)
{
    return 'A' <= c && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_host_char(char c)
{
    return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '-' || c == '.' || c == '_';
}

// ":3000" or nothing; a colon alone says no more than nothing.
static bool read_port(const char *text, uint16_t *out)
{
    unsigned port = 0;
    *out = 0;
    if (!*text)
        return true;
    for (const char *c = text + 1; *c; c++) {
        if (*c < '0' || *c > '9' || (port = port * 10 + (unsigned)(*c - '0')) > UINT16_MAX)
            return false;
    }
    *out = (uint16_t)port;
    return *text == ':';
}

static bool copy_host(const char *text, size_t bytes, struct web_authority *out)
{
    if (bytes == 0 || bytes >= sizeof out->host)
        return false;
    for (size_t i = 0; i < bytes; i++)
        out->host[i] = lower(text[i]);
    out->host[bytes] = '\0';
    return true;
}

static bool read_ipv6(const char *text, struct web_authority *out)
{
    union address a;
    const char *close = strchr(text, ']');
    return close && copy_host(text + 1, (size_t)(close - text - 1), out) &&
           address_read(out->host, &a) && a.any.sa_family == AF_INET6 &&
           read_port(close + 1, &out->port);
}

static bool read_name(const char *text, struct web_authority *out)
{
    size_t bytes = strcspn(text, ":");
    bool dot = bytes > 1 && text[bytes - 1] == '.'; // "localhost." is the same name.
    if (!copy_host(text, bytes - (dot ? 1 : 0), out))
        return false;
    for (const char *c = out->host; *c; c++) {
        if (!is_host_char(*c))
            return false;
    }
    return read_port(text + bytes, &out->port);
}

bool web_authority_read(const char *text, struct web_authority *out)
{
    return *text == '[' ? read_ipv6(text, out) : read_name(text, out);
}

// --- The names of this server --------------------------------------------------------------------

static bool is_loopback(const char *host)
{
    union address a;
    if (strcmp(host, "localhost") == 0)
        return true;
    return address_read(host, &a) && strcmp(address_class(&a.any), "loopback") == 0;
}

static enum err add_name(struct web_names *n, const char *name, struct fault *f)
{
    if (strcmp(name, "*") == 0) {
        n->any = true;
        return ERR_OK;
    }
    if (n->count == WEB_NAMES_MAX)
        return fault_set(f, ERR_SYNTAX, "allowed_hosts: more than %d names", WEB_NAMES_MAX);
    if (web_authority_read(name, &n->list[n->count])) {
        n->count++;
        return ERR_OK;
    }
    return fault_set(f, ERR_SYNTAX,
                     "allowed_hosts: \"%.64s\" is neither a name such as cron.example.org nor a "
                     "name with a port",
                     name);
}

enum err web_names_parse(const char *listen_host, const char *allowed, struct web_names *out,
                         struct fault *f)
{
    *out = (struct web_names){.beyond = !is_loopback(listen_host)};
    enum err err = ERR_OK;
    for (const char *at = allowed; *at && !err;) {
        char name[URL_HOST_BYTES_MAX + 16];
        size_t bytes = strcspn(at, ", \t");
        if (bytes >= sizeof name)
            return fault_set(f, ERR_SYNTAX, "allowed_hosts: \"%.64s...\" is too long", at);
        memcpy(name, at, bytes);
        name[bytes] = '\0';
        if (bytes > 0)
            err = add_name(out, name, f);
        at += bytes + strspn(at + bytes, ", \t");
    }
    return err;
}

// Beyond loopback a probe knows only the address of the machine, and a router in between may have
// changed that, too.
static bool is_own_address(const struct web_names *n, const char *host)
{
    union address a;
    return is_loopback(host) || (n->beyond && address_read(host, &a));
}

bool web_names_have(const struct web_names *n, const char *host)
{
    struct web_authority given;
    if (!web_authority_read(host, &given))
        return false;
    if (n->any || is_own_address(n, given.host))
        return true;
    for (size_t i = 0; i < n->count; i++) {
        const struct web_authority *own = &n->list[i];
        if (strcmp(own->host, given.host) == 0 && (!own->port || own->port == given.port))
            return true;
    }
    return false;
}

// --- The sites of pages --------------------------------------------------------------------------

// The port is the scheme's own where none is named.
static bool read_origin(const char *text, struct web_authority *out, uint16_t *scheme_port)
{
    bool plain = strncasecmp(text, "http://", 7) == 0;
    bool secure = strncasecmp(text, "https://", 8) == 0;
    if ((!plain && !secure) || !web_authority_read(text + (plain ? 7 : 8), out))
        return false;
    *scheme_port = plain ? 80 : 443;
    out->port = out->port ? out->port : *scheme_port;
    return true;
}

static bool is_site(const struct web_authority *own, const struct web_authority *origin,
                    uint16_t scheme_port)
{
    uint16_t port = own->port ? own->port : scheme_port;
    return strcmp(own->host, origin->host) == 0 && port == origin->port;
}

bool web_origin_is_own(const struct web_names *n, const char *origin, const char *host)
{
    struct web_authority given, asked;
    uint16_t scheme_port;
    if (!read_origin(origin, &given, &scheme_port))
        return false; // "null", an extension of the browser, nonsense.
    if (host && web_authority_read(host, &asked) && is_site(&asked, &given, scheme_port))
        return true;
    for (size_t i = 0; i < n->count; i++) {
        if (is_site(&n->list[i], &given, scheme_port))
            return true;
    }
    return false;
}
