// SPDX-License-Identifier: MIT
// url.c: libcurl's parser, fenced in.
//
// libcurl may send the requests, so its reading of a URL counts. But it is made to forgive: it
// takes "http:/host", "127.1" or a name with "%41" in it and makes something of them. So the text
// is first cut up and judged here, by rules that leave nothing to be guessed; then libcurl reads
// it, and must have come to the same host and port.

#include "base/url.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LABEL_BYTES_MAX 63

// A URL cut up; pieces point into the text.
struct cut {
    bool https;
    const char *host; // Without brackets.
    size_t host_bytes;
    bool bracketed;
    const char *port; // NULL: none given.
    size_t port_bytes;
    const char *rest; // Path and query.
};

// --- Characters ----------------------------------------------------------------------------------

// A stretch of a text.
struct stretch {
    size_t from;
    size_t to;
};

static bool is_encoded(unsigned char c)
{
    return c > 127 || c == ' ';
}

// Bytes of `encodable` that url_accept encodes are passed over.
static enum err check_characters(const char *text, struct stretch encodable, struct fault *f)
{
    size_t bytes = strlen(text);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_encoded(c) && encodable.from <= i && i < encodable.to)
            continue;
        if (c > 127)
            return fault_set(
                f, ERR_SYNTAX,
                "byte %zu of the URL is not ASCII; write an international host name in "
                "its xn--... form",
                i + 1);
        if (c <= ' ' || c == 127)
            return fault_set(f, ERR_SYNTAX,
                             "byte %zu of the URL is a %s; percent-encode it as %%%02X", i + 1,
                             c == ' ' ? "space" : "control character", c);
        if (c == '\\')
            return fault_set(f, ERR_SYNTAX,
                             "byte %zu of the URL is a backslash; use / or percent-encode it",
                             i + 1);
        if (c == '#')
            return fault_set(f, ERR_SYNTAX,
                             "the URL has a fragment (#...), which is never sent; leave it out");
    }
    return ERR_OK;
}

// --- Cutting up ----------------------------------------------------------------------------------

static enum err cut_host(const char *p, const char *end, struct cut *c, struct fault *f)
{
    c->bracketed = *p == '[';
    const char *close = c->bracketed ? memchr(p, ']', (size_t)(end - p)) : NULL;
    if (c->bracketed && !close)
        return fault_set(f, ERR_SYNTAX, "the [ before the host has no ]");

    c->host = p + c->bracketed;
    const char *after;
    if (c->bracketed) {
        c->host_bytes = (size_t)(close - c->host);
        after = close + 1;
    } else {
        const char *colon = memchr(p, ':', (size_t)(end - p));
        after = colon ? colon : end;
        c->host_bytes = (size_t)(after - p);
    }
    if (after < end && *after != ':')
        return fault_set(f, ERR_SYNTAX, "only a port may follow the ] of the host");
    c->port = after < end ? after + 1 : NULL;
    c->port_bytes = c->port ? (size_t)(end - c->port) : 0;
    if (c->host_bytes == 0)
        return fault_set(f, ERR_SYNTAX, "the URL has no host");
    return ERR_OK;
}

static enum err cut_up(const char *text, struct cut *c, struct fault *f)
{
    bool http = strncasecmp(text, "http://", 7) == 0;
    c->https = strncasecmp(text, "https://", 8) == 0;
    if (!http && !c->https)
        return fault_set(f, ERR_SYNTAX, "the URL must begin with http:// or https://");

    const char *authority = text + (c->https ? 8 : 7);
    const char *end = authority + strcspn(authority, "/?");
    if (memchr(authority, '@', (size_t)(end - authority)))
        return fault_set(f, ERR_SYNTAX,
                         "the URL carries a user name or password; send an Authorization header "
                         "instead");
    c->rest = end;
    return cut_host(authority, end, c, f);
}

// --- Port ----------------------------------------------------------------------------------------

static enum err read_port(const struct cut *c, uint16_t *out, struct fault *f)
{
    if (c->port_bytes == 0) { // "http://host:/" is "http://host/" (RFC 3986, 6.2.3).
        *out = c->https ? 443 : 80;
        return ERR_OK;
    }
    unsigned long port = 0;
    bool good = c->port_bytes <= 5 && c->port[0] != '0';
    for (size_t i = 0; i < c->port_bytes && good; i++) {
        good = '0' <= c->port[i] && c->port[i] <= '9';
        port = port * 10 + (unsigned long)(c->port[i] - '0');
    }
    if (!good || port > UINT16_MAX)
        return fault_set(f, ERR_SYNTAX, "the port must be a number from 1 to 65535, not \"%.*s\"",
                         (int)MIN(c->port_bytes, 32), c->port);
    *out = (uint16_t)port;
    return ERR_OK;
}

// --- Host ----------------------------------------------------------------------------------------

static bool is_letter_or_digit(char c)
{
    return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9');
}

static bool is_digits(const char *p, size_t bytes)
{
    return bytes > 0 && strspn(p, "0123456789") >= bytes;
}

// Whether some program would take the name for a number: its last label is one, decimal,
// hexadecimal or octal. "127.1", "0x7f000001" and "2130706433" all are 127.0.0.1 to somebody.
static bool looks_numeric(const char *host)
{
    size_t bytes = strlen(host);
    if (host[bytes - 1] == '.')
        bytes--;
    const char *label = host + bytes;
    while (label > host && label[-1] != '.')
        label--;
    return is_digits(label, (size_t)(host + bytes - label)) || strncmp(label, "0x", 2) == 0;
}

// Letters, digits, hyphens and, since container networks use them, underscores; labels of 1 to 63
// bytes. One full stop at the end is allowed: it keeps a resolver from trying search domains.
static enum err check_name(const char *host, struct fault *f)
{
    size_t label_bytes = 0;
    for (const char *p = host; *p; p++) {
        if (*p == '.' && label_bytes == 0)
            return fault_set(f, ERR_SYNTAX, "the host name has an empty part between full stops");
        if (*p != '.' && !is_letter_or_digit(*p) && !strchr("-_", *p))
            return fault_set(f, ERR_SYNTAX,
                             "the host name has a %c in it; letters, digits, -, _ and full stops "
                             "are possible",
                             *p);
        label_bytes = *p == '.' ? 0 : label_bytes + 1;
        if (label_bytes > LABEL_BYTES_MAX)
            return fault_set(f, ERR_SYNTAX, "a part of the host name is longer than %d bytes",
                             LABEL_BYTES_MAX);
    }
    return ERR_OK;
}

static enum err check_ipv6(const char *host, struct fault *f)
{
    struct in6_addr address;
    if (strchr(host, '%'))
        return fault_set(f, ERR_SYNTAX, "an IPv6 address with a zone cannot be a target");
    if (inet_pton(AF_INET6, host, &address) != 1)
        return fault_set(f, ERR_SYNTAX, "[%s] is no IPv6 address", host);
    return ERR_OK;
}

static enum err check_host(const char *host, bool bracketed, bool *is_address, struct fault *f)
{
    struct in_addr address;
    *is_address = bracketed || inet_pton(AF_INET, host, &address) == 1;
    if (bracketed)
        return check_ipv6(host, f);
    if (*is_address)
        return ERR_OK;
    enum err err = check_name(host, f);
    if (!err && looks_numeric(host))
        err = fault_set(f, ERR_SYNTAX,
                        "the host %.64s looks like a number; write an IPv4 address as four decimal "
                        "numbers, like 192.0.2.1",
                        host);
    return err;
}

static enum err read_host(const struct cut *c, struct url *u, struct fault *f)
{
    if (c->host_bytes > URL_HOST_BYTES_MAX)
        return fault_set(f, ERR_SYNTAX, "the host has %zu bytes, the limit is %d", c->host_bytes,
                         URL_HOST_BYTES_MAX);
    for (size_t i = 0; i < c->host_bytes; i++) {
        char l = c->host[i];
        u->host[i] = 'A' <= l && l <= 'Z' ? (char)(l - 'A' + 'a') : l;
    }
    u->host[c->host_bytes] = '\0';
    return check_host(u->host, c->bracketed, &u->is_address, f);
}

// --- The second opinion --------------------------------------------------------------------------

static bool same_host(const char *theirs, const struct url *u)
{
    size_t bytes = strlen(theirs);
    bool bracketed = theirs[0] == '[';
    if (!bracketed)
        return strcasecmp(theirs, u->host) == 0;
    struct in6_addr a;
    struct in6_addr b;
    char text[URL_HOST_BYTES_MAX + 1];
    if (bytes < 2 || bytes - 2 > URL_HOST_BYTES_MAX)
        return false;
    memcpy(text, theirs + 1, bytes - 2);
    text[bytes - 2] = '\0';
    return inet_pton(AF_INET6, text, &a) == 1 && inet_pton(AF_INET6, u->host, &b) == 1 &&
           memcmp(&a, &b, sizeof a) == 0;
}

static enum err ask_libcurl(const char *text, const struct url *u, struct fault *f)
{
    char *host = NULL;
    char *port = NULL;
    CURLU *parser = curl_url();
    CURLUcode code = parser ? curl_url_set(parser, CURLUPART_URL, text, CURLU_DISALLOW_USER)
                            : CURLUE_OUT_OF_MEMORY;
    if (!code)
        code = curl_url_get(parser, CURLUPART_HOST, &host, 0);
    if (!code)
        code = curl_url_get(parser, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);

    enum err err = ERR_OK;
    if (code)
        err = fault_set(f, ERR_SYNTAX, "the URL is malformed: %s", curl_url_strerror(code));
    else if (!same_host(host, u) || strtoul(port, NULL, 10) != u->port)
        err = fault_set(f, ERR_SYNTAX, "the URL can be read in two ways");
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parser);
    return err;
}

enum err url_read(const char *text, struct url *out, struct fault *f)
{
    struct cut c = {0};
    struct url u;
    size_t bytes = strlen(text);
    if (bytes > URL_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "the URL has %zu bytes, the limit is %d", bytes,
                         URL_BYTES_MAX);
    enum err err = check_characters(text, (struct stretch){0}, f);
    if (!err)
        err = cut_up(text, &c, f);
    if (!err)
        err = read_host(&c, &u, f);
    if (!err)
        err = read_port(&c, &u.port, f);
    if (err)
        return err;
    u.https = c.https;
    u.target_at = (uint16_t)(c.rest - text);
    *out = u;
    return ERR_OK;
}

enum err url_parse(const char *text, struct url *out, struct fault *f)
{
    struct url u;
    enum err err = url_read(text, &u, f);
    if (!err)
        err = ask_libcurl(text, &u, f);
    if (!err)
        *out = u;
    return err;
}

enum err url_check(const char *text, struct fault *f)
{
    struct url u;
    return url_parse(text, &u, f);
}

// --- As clients write it -------------------------------------------------------------------------

// Path and query, without spaces at the end: nobody means those.
static struct stretch encodable_of(const char *text)
{
    const char *authority = strstr(text, "://");
    size_t end = strlen(text);
    while (end > 0 && text[end - 1] == ' ')
        end--;
    if (!authority)
        return (struct stretch){0};
    size_t host = (size_t)(authority + 3 - text);
    return (struct stretch){host + strcspn(text + host, "/?"), end};
}

static char *encode(const char *text, struct stretch encodable)
{
    size_t bytes = strlen(text);
    char *out = xmalloc(3 * bytes + 1);
    char *at = out;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_encoded(c) && encodable.from <= i && i < encodable.to)
            at += sprintf(at, "%%%02X", c);
        else
            *at++ = (char)c;
    }
    *at = '\0';
    return out;
}

enum err url_accept_parsed(const char *text, char **out, struct url *parsed, struct fault *f)
{
    struct stretch encodable = encodable_of(text);
    enum err err = check_characters(text, encodable, f);
    if (err)
        return err;
    char *encoded = encode(text, encodable);
    err = url_parse(encoded, parsed, f);
    if (err)
        free(encoded);
    else
        *out = encoded;
    return err;
}

enum err url_accept(const char *text, char **out, struct fault *f)
{
    struct url ignored;
    return url_accept_parsed(text, out, &ignored, f);
}
