// SPDX-License-Identifier: MIT
// origin.c: cuts host and port out of a URL by its delimiters alone.
//
// The scheme ends at "://", the authority at the first of "/?#", user information at the last "@",
// and the port follows the last ":" behind an IPv6 bracket. Everything else is left as it is.

#include "base/origin.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *prefix;
    const char *port;
} schemes[] = {
    {"http://", "80"},
    {"https://", "443"},
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t prefix_length(const char *text, const char *prefix)
{
    size_t n = 0;
    while (prefix[n] && lower(text[n]) == prefix[n])
        n++;
    return prefix[n] ? 0 : n;
}

struct span {
    const char *start;
    const char *end;
};

static struct span authority_of(const char *url, const char **default_port)
{
    struct span none = {url, url};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = prefix_length(url, schemes[i].prefix);
        if (n == 0)
            continue;
        struct span found = {url + n, url + n};
        while (*found.end && !strchr("/?#", *found.end))
            if (*found.end++ == '@')
                found.start = found.end;
        *default_port = schemes[i].port;
        return found;
    }
    return none;
}

// Where the port's colon stands, or the end of the authority.
static const char *port_colon(struct span authority)
{
    for (const char *p = authority.end; p > authority.start && p[-1] != ']'; p--)
        if (p[-1] == ':')
            return p - 1;
    return authority.end;
}

void url_origin(const char *url, char out[static ORIGIN_BYTES])
{
    out[0] = '\0';
    const char *default_port = "";
    struct span authority = authority_of(url, &default_port);
    const char *colon = port_colon(authority);

    size_t host_bytes = (size_t)(colon - authority.start);
    bool named = colon + 1 < authority.end; // An empty port is the usual one.
    const char *port = named ? colon + 1 : default_port;
    size_t port_bytes = named ? (size_t)(authority.end - port) : strlen(port);
    if (host_bytes == 0 || host_bytes + 1 + port_bytes >= ORIGIN_BYTES)
        return;

    for (size_t i = 0; i < host_bytes; i++)
        out[i] = lower(authority.start[i]);
    out[host_bytes] = ':';
    memcpy(out + host_bytes + 1, port, port_bytes);
    out[host_bytes + 1 + port_bytes] = '\0';
}

// By hand, since it is done for each attempt.
static void write_port(uint16_t port, char *out)
{
    char digits[5];
    size_t count = 0;
    for (; port > 0; port /= 10)
        digits[count++] = (char)('0' + port % 10);
    while (count > 0)
        *out++ = digits[--count];
    *out = '\0';
}

void url_origin_of(const struct url *u, char out[static ORIGIN_BYTES])
{
    bool is_ipv6 = strchr(u->host, ':');
    size_t bytes = strlen(u->host);
    char *at = out;
    if (is_ipv6)
        *at++ = '[';
    memcpy(at, u->host, bytes);
    at += bytes;
    if (is_ipv6)
        *at++ = ']';
    *at++ = ':';
    write_port(u->port, at);
}
