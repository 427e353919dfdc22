// SPDX-License-Identifier: MIT
// header.c: the table of reserved names, and what names and values may be made of.

#include "base/header.h"

#include "base/url.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER_HOST_BYTES_MAX (URL_HOST_BYTES_MAX + 8) // Brackets and ":65535".

static const struct {
    const char *name; // With "*" at its end: every name that begins so.
    const char *reason;
} reserved[] = {
    {"Content-Length", "it follows from the body"},
    {"Transfer-Encoding", "it frames the message"},
    {"Trailer", "it frames the message"},
    {"TE", "it is between Carillon and the next hop"},
    {"Connection", "it is between Carillon and the next hop"},
    {"Keep-Alive", "it is between Carillon and the next hop"},
    {"Upgrade", "it is between Carillon and the next hop"},
    {"HTTP2-Settings", "it is between Carillon and the next hop"},
    {"Expect", "the body is sent at once"},
    {"Proxy-*", "it is meant for a proxy"},
    {"Idempotency-Key", "it carries the identity of the execution"},
    {"webhook-*", "it carries the identity of the execution"},
    {"Carillon-*", "it carries the identity of the execution"},
    {"traceparent", "it carries the identity of the execution"},
};

static const char *reason_reserved(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(reserved); i++) {
        size_t bytes = strlen(reserved[i].name);
        bool prefix = reserved[i].name[bytes - 1] == '*';
        if (prefix ? strncasecmp(name, reserved[i].name, bytes - 1) == 0
                   : strcasecmp(name, reserved[i].name) == 0)
            return reserved[i].reason;
    }
    return NULL;
}

bool header_is_reserved(const char *name)
{
    return reason_reserved(name) != NULL;
}

static bool is_token_byte(char c)
{
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static enum err check_name(const char *name, struct fault *f)
{
    if (!*name)
        return fault_set(f, ERR_SYNTAX, "a header has no name");
    size_t bytes = strlen(name);
    if (bytes > HEADER_NAME_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "a header name has %zu bytes, the limit is %d", bytes,
                         HEADER_NAME_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++)
        if (!is_token_byte(name[i]))
            return fault_set(f, ERR_SYNTAX,
                             "byte %zu of a header name (0x%02x) is neither a letter, a digit nor "
                             "one of !#$%%&'*+-.^_`|~",
                             i + 1, (unsigned char)name[i]);
    const char *reason = reason_reserved(name);
    if (reason)
        return fault_set(f, ERR_FORBIDDEN, "the header %.64s is set by Carillon: %s", name, reason);
    return ERR_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum err check_value(const char *name, const char *value, struct fault *f)
{
    size_t bytes = strlen(value);
    if (bytes > HEADER_VALUE_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "the value of header %.64s has %zu bytes, the limit is %d",
                         name, bytes, HEADER_VALUE_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 127)
            return fault_set(
                f, ERR_SYNTAX,
                "byte %zu of the value of header %.64s is a control character (0x%02x)", i + 1,
                name, c);
    }
    if (utf8_span(value, bytes) < bytes)
        return fault_set(f, ERR_SYNTAX, "the value of header %.64s is not UTF-8", name);
    if (bytes > 0 && (is_blank(value[0]) || is_blank(value[bytes - 1])))
        return fault_set(f, ERR_SYNTAX, "the value of header %.64s begins or ends with a blank",
                         name);
    return ERR_OK;
}

// A host and perhaps a port, as they would stand in a URL.
static enum err check_host(const char *value, struct fault *f)
{
    char url[HEADER_HOST_BYTES_MAX + sizeof "http://"];
    struct fault own = {0};
    struct url u;
    enum err err = ERR_SYNTAX;
    if (strlen(value) <= HEADER_HOST_BYTES_MAX && !strpbrk(value, "/?")) {
        snprintf(url, sizeof url, "http://%s", value);
        err = url_read(url, &u, &own);
    }
    return err ? fault_set(f, err, "the value of header Host is no host with or without a port%s%s",
                           *own.text ? ": " : "", own.text)
               : ERR_OK;
}

enum err header_check(const char *name, const char *value, struct fault *f)
{
    enum err err = check_name(name, f);
    if (!err)
        err = check_value(name, value, f);
    if (!err && strcasecmp(name, "Host") == 0)
        err = check_host(value, f);
    return err;
}

static enum err check_line(const char *line, size_t bytes, struct fault *f)
{
    char name[HEADER_NAME_BYTES_MAX + 1];
    char value[HEADER_VALUE_BYTES_MAX + 1];
    const char *colon = memchr(line, ':', bytes);
    if (!colon)
        return fault_set(f, ERR_SYNTAX, "a header line has no colon: %.*s", (int)MIN(bytes, 64),
                         line);
    size_t name_bytes = (size_t)(colon - line);
    const char *start = colon + 1 + (colon + 1 < line + bytes && colon[1] == ' ');
    size_t value_bytes = (size_t)(line + bytes - start);
    if (name_bytes >= sizeof name || value_bytes >= sizeof value)
        return fault_set(f, ERR_LIMIT,
                         "a header line has %zu bytes; the name may have %d, the "
                         "value %d",
                         bytes, HEADER_NAME_BYTES_MAX, HEADER_VALUE_BYTES_MAX);
    memcpy(name, line, name_bytes);
    name[name_bytes] = '\0';
    memcpy(value, start, value_bytes);
    value[value_bytes] = '\0';
    return header_check(name, value, f);
}

enum err header_check_lines(const char *lines, struct fault *f)
{
    size_t bytes = strlen(lines);
    if (bytes > HEADER_LINES_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "the headers have %zu bytes, the limit is %d", bytes,
                         HEADER_LINES_BYTES_MAX);
    size_t count = 0;
    enum err err = ERR_OK;
    while (*lines && !err) {
        size_t n = strcspn(lines, "\n");
        if (++count > HEADER_LINES_MAX)
            return fault_set(f, ERR_LIMIT, "there are more than %d headers", HEADER_LINES_MAX);
        err = check_line(lines, n, f);
        lines += n + (lines[n] == '\n');
    }
    return err;
}
