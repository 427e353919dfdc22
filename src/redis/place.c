// SPDX-License-Identifier: MIT
// place.c: reads the URL of a server of Redis.
//
// A URL may hold a password, and what is wrong with it may be that the password was not encoded. So
// no complaint quotes any part of a URL.

#define _GNU_SOURCE // memrchr
#include "redis/redis_priv.h"

#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 6379
#define DATABASE_MAX 65535

static const struct {
    const char *prefix;
    bool tls;
    bool is_socket;
} schemes[] = {
    {"redis://", false, false},
    {"rediss://", true, false},
    {"unix://", false, true},
};

// A part of the URL.
struct part {
    const char *at;
    size_t bytes;
};

static int hex_digit(char c)
{
    if ('0' <= c && c <= '9')
        return c - '0';
    char small = (char)(c | 0x20);
    return 'a' <= small && small <= 'f' ? small - 'a' + 10 : -1;
}

// Takes the percent-encoding out. False: malformed, a control character, or too long.
static bool decode(struct part p, char *out, size_t out_bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < p.bytes; i++) {
        int c = (unsigned char)p.at[i];
        if (c == '%') {
            int high = i + 2 < p.bytes ? hex_digit(p.at[i + 1]) : -1;
            int low = i + 2 < p.bytes ? hex_digit(p.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        }
        if (c < ' ' || c == 0x7f || used + 1 >= out_bytes)
            return false;
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return true;
}

static bool read_number(struct part p, unsigned long greatest, unsigned long *out)
{
    unsigned long value = 0;
    if (p.bytes == 0 || p.bytes > 6)
        return false;
    for (size_t i = 0; i < p.bytes; i++) {
        if (p.at[i] < '0' || p.at[i] > '9')
            return false;
        value = value * 10 + (unsigned long)(p.at[i] - '0');
    }
    if (value > greatest)
        return false;
    *out = value;
    return true;
}

static enum err read_database(struct part p, struct redis_place *out, struct fault *f)
{
    unsigned long database;
    if (!read_number(p, DATABASE_MAX, &database))
        return fault_set(f, ERR_SYNTAX, "the database in the URL of Redis is a number, 0 if none");
    out->database = (unsigned)database;
    return ERR_OK;
}

// "[[user]:password@]". *rest is what stands behind.
static enum err read_user(const char *text, struct redis_place *out, const char **rest,
                          struct fault *f)
{
    const char *end = text + strcspn(text, "/?");
    if (out->is_socket) // The path may have an @ as well, behind the first slash.
        end = strchr(text, '/') ? strchr(text, '/') : text + strlen(text);
    const char *at = memrchr(text, '@', (size_t)(end - text));
    *rest = at ? at + 1 : text;
    if (!at)
        return ERR_OK;
    const char *colon = memchr(text, ':', (size_t)(at - text));
    if (!colon)
        return fault_set(f, ERR_SYNTAX,
                         "the URL of Redis has a user without a password; a "
                         "password alone is written :password@");
    if (!decode((struct part){text, (size_t)(colon - text)}, out->user, sizeof out->user) ||
        !decode((struct part){colon + 1, (size_t)(at - colon - 1)}, out->password,
                sizeof out->password))
        return fault_set(f, ERR_SYNTAX,
                         "user or password in the URL of Redis is too long, or not well encoded");
    return ERR_OK;
}

static enum err read_host(struct part p, struct redis_place *out, struct fault *f)
{
    unsigned long port = PORT_DEFAULT;
    struct part host = p;
    const char *end = p.at + p.bytes;
    const char *bracket = p.bytes && *p.at == '[' ? memchr(p.at, ']', p.bytes) : NULL;
    const char *colon =
        memchr(bracket ? bracket : p.at, ':', (size_t)(end - (bracket ? bracket : p.at)));
    if (colon)
        host.bytes = (size_t)(colon - p.at);
    if (bracket)
        host = (struct part){p.at + 1, (size_t)(bracket - p.at - 1)};
    bool behind = !bracket || bracket + 1 == end || bracket + 1 == colon;
    if (colon && (!read_number((struct part){colon + 1, (size_t)(end - colon - 1)}, 65535, &port) ||
                  port == 0))
        return fault_set(f, ERR_SYNTAX,
                         "the port in the URL of Redis is no number from 1 to 65535");
    if (host.bytes == 0 || !behind || memchr(host.at, '%', host.bytes) ||
        !decode(host, out->host, sizeof out->host))
        return fault_set(f, ERR_SYNTAX, "the URL of Redis has no usable host");
    out->port = (uint16_t)port;
    return ERR_OK;
}

// "host[:port][/database]"
static enum err read_network(const char *rest, struct redis_place *out, struct fault *f)
{
    size_t bytes = strcspn(rest, "/");
    enum err err = read_host((struct part){rest, bytes}, out, f);
    const char *database = rest + bytes + (rest[bytes] == '/');
    if (err || !*database)
        return err;
    return read_database((struct part){database, strlen(database)}, out, f);
}

// "/path[?db=database]"
static enum err read_socket(const char *rest, struct redis_place *out, struct fault *f)
{
    size_t bytes = strcspn(rest, "?");
    const size_t most = 108; // sun_path of an address, with its NUL.
    if (*rest != '/' || !decode((struct part){rest, bytes}, out->host, most))
        return fault_set(f, ERR_SYNTAX,
                         "unix:// needs the absolute path of a socket, "
                         "of at most 107 bytes");
    if (!rest[bytes])
        return ERR_OK;
    const char *query = rest + bytes + 1;
    if (strncmp(query, "db=", 3) != 0)
        return fault_set(f, ERR_SYNTAX, "behind the path of a unix:// URL only ?db=N may stand");
    return read_database((struct part){query + 3, strlen(query + 3)}, out, f);
}

enum err redis__place_parse(const char *url, struct redis_place *out, struct fault *f)
{
    struct redis_place p = {0};
    const char *rest = NULL;
    for (size_t i = 0; i < COUNT_OF(schemes) && !rest; i++)
        if (strncmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            p.tls = schemes[i].tls;
            p.is_socket = schemes[i].is_socket;
            rest = url + strlen(schemes[i].prefix);
        }
    if (!rest)
        return fault_set(f, ERR_SYNTAX,
                         "the URL of Redis begins with redis://, rediss:// or unix://");
    enum err err = read_user(rest, &p, &rest, f);
    if (!err)
        err = p.is_socket ? read_socket(rest, &p, f) : read_network(rest, &p, f);
    if (!err)
        *out = p;
    return err;
}
