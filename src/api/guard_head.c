// SPDX-License-Identifier: MIT
// guard_head.c: the rules for request lines and headers.
//
// What is refused here is legal nowhere, or legal in a way that servers and proxies are known to
// read differently. The rules are those of RFC 9110 and RFC 9112 without their tolerances.

#include "api/guard_priv.h"

#include "base/err.h"

#include <string.h>
#include <strings.h>

// --- Kinds of characters -------------------------------------------------------------------------

static bool is_letter_or_digit(char c)
{
    return ('0' <= c && c <= '9') || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

// The characters of a header's name, "tchar" in the grammar of HTTP.
static bool is_name_char(char c)
{
    return is_letter_or_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

// A method is a token too, but libraries disagree whether "head" is HEAD, which decides whether an
// answer has a body. All registered methods are in capitals.
static bool is_method_char(char c)
{
    return is_name_char(c) && !('a' <= c && c <= 'z');
}

// What a host and its port are made of: no user, no path, no white space.
static bool is_authority_char(char c)
{
    return is_letter_or_digit(c) || is_one_of(c, "-._~%!$&'()*+,;=:[]");
}

static bool is_target_char(char c)
{
    return is_authority_char(c) || is_one_of(c, "/?@");
}

static size_t span(const char *text, size_t bytes, bool (*is_kind)(char))
{
    size_t n = 0;
    while (n < bytes && is_kind(text[n]))
        n++;
    return n;
}

// --- The request line ----------------------------------------------------------------------------

// "http://host:port/path": what a client sends when it takes us for a proxy.
static bool absolute_target(struct guard *g, const char *target, size_t bytes,
                            struct guard_refusal *r)
{
    const char *authority = target + strlen("http://");
    size_t length = span(authority, bytes - strlen("http://"), is_authority_char);
    if (length == 0 || length > GUARD_AUTHORITY_BYTES_MAX)
        return guard__refuse(r, 400, "the request target names no host");
    if (length < bytes - strlen("http://") && !is_one_of(authority[length], "/?"))
        return guard__refuse(r, 400, "the request target is not valid");
    memcpy(g->head.authority, authority, length);
    return true;
}

static bool check_target(struct guard *g, bool options, const char *target, size_t bytes,
                         struct guard_refusal *r)
{
    if (bytes > g->limits.uri_bytes_max)
        return guard__refuse(r, 414, "the request target is too long");
    if (span(target, bytes, is_target_char) < bytes)
        return guard__refuse(r, 400,
                             "the request target contains a character that must be encoded");
    if (bytes > strlen("http://") && strncasecmp(target, "http://", strlen("http://")) == 0)
        return absolute_target(g, target, bytes, r);
    bool asterisk = options && bytes == 1 && target[0] == '*';
    if (!asterisk && (bytes == 0 || target[0] != '/'))
        return guard__refuse(r, 400, "the request target must begin with a slash");
    return true;
}

bool guard__request_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    size_t method = span(line, bytes, is_method_char);
    if (method == 0 || method > GUARD_METHOD_BYTES_MAX || line[method] != ' ')
        return guard__refuse(r, 400, "the request does not begin with a method");

    const char *target = line + method + 1;
    const char *space = strchr(target, ' ');
    const char *version = space ? space + 1 : "";
    g->head.http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    size_t length = space ? (size_t)(space - target) : bytes - method - 1;
    if (length > g->limits.uri_bytes_max)
        return guard__refuse(r, 414, "the request target is too long");
    if (!g->head.http_1_0 && strcmp(version, "HTTP/1.1") != 0)
        return guard__refuse(r, 400, "the HTTP version must be HTTP/1.0 or HTTP/1.1");

    bool options = method == strlen("OPTIONS") && memcmp(line, "OPTIONS", method) == 0;
    return check_target(g, options, target, length, r);
}

// --- Headers that matter -------------------------------------------------------------------------

static bool check_content_length(struct guard *g, const char *value, size_t bytes,
                                 struct guard_refusal *r)
{
    uint64_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (value[i] < '0' || value[i] > '9' || i == 18) // 18 digits cannot overflow.
            return guard__refuse(r, 400, "Content-Length must be a plain number");
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    if (bytes == 0)
        return guard__refuse(r, 400, "Content-Length must be a plain number");
    g->head.content_length = length;
    return true;
}

static bool check_transfer_encoding(struct guard *g, const char *value, size_t bytes,
                                    struct guard_refusal *r)
{
    if (bytes != strlen("chunked") || strncasecmp(value, "chunked", bytes) != 0)
        return guard__refuse(r, 400, "Transfer-Encoding must be chunked, and nothing else");
    g->head.chunked = true;
    return true;
}

static bool check_host(struct guard *g, const char *value, size_t bytes, struct guard_refusal *r)
{
    if (bytes > GUARD_AUTHORITY_BYTES_MAX || span(value, bytes, is_authority_char) < bytes)
        return guard__refuse(r, 400, "Host is not a host name or address");
    memcpy(g->head.host, value, bytes);
    return true;
}

enum { SEEN_CONTENT_LENGTH, SEEN_TRANSFER_ENCODING, SEEN_HOST };

// Headers that may come once only. Of two, one reader would take the first, another the last.
static const struct single_header {
    const char *name;
    const char *repeated;
    bool (*check)(struct guard *g, const char *value, size_t bytes, struct guard_refusal *r);
} single_headers[] = {
    [SEEN_CONTENT_LENGTH] = {"Content-Length", "Content-Length came twice", check_content_length},
    [SEEN_TRANSFER_ENCODING] = {"Transfer-Encoding", "Transfer-Encoding came twice",
                                check_transfer_encoding},
    [SEEN_HOST] = {"Host", "Host came twice", check_host},
    {"Content-Type", "Content-Type came twice", NULL},
    {"Content-Encoding", "Content-Encoding came twice", NULL},
    {"Authorization", "Authorization came twice", NULL},
    {"Expect", "Expect came twice", NULL},
    {"Idempotency-Key", "Idempotency-Key came twice", NULL},
    {"If-Match", "If-Match came twice", NULL},
    {"X-Request-Id", "X-Request-Id came twice", NULL},
};

static const struct single_header *single_header_find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < COUNT_OF(single_headers); i++) {
        const char *candidate = single_headers[i].name;
        if (strlen(candidate) == bytes && strncasecmp(candidate, name, bytes) == 0)
            return &single_headers[i];
    }
    return NULL;
}

static bool seen(const struct guard *g, unsigned which)
{
    return g->head.seen & (1U << which);
}

// --- Header lines --------------------------------------------------------------------------------

// Checks the form of a line and finds its value, without the white space around it.
static bool split_header(struct guard *g, const char *line, size_t bytes, size_t *name_bytes,
                         const char **value, size_t *value_bytes, struct guard_refusal *r)
{
    if (++g->head.headers > g->limits.headers_max)
        return guard__refuse(r, 431, "there are too many headers");
    if (line[0] == ' ' || line[0] == '\t')
        return guard__refuse(r, 400, "a header is continued on the next line");
    size_t name = span(line, bytes, is_name_char);
    if (is_one_of(line[name], " \t"))
        return guard__refuse(r, 400, "white space stands before a header's colon");
    if (name == 0 || line[name] != ':')
        return guard__refuse(r, 400, "a header has no valid name");

    size_t from = name + 1;
    size_t to = bytes;
    while (from < to && is_one_of(line[from], " \t"))
        from++;
    while (from < to && is_one_of(line[to - 1], " \t"))
        to--;
    *name_bytes = name;
    *value = line + from;
    *value_bytes = to - from;
    return true;
}

bool guard__header_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
    if (!split_header(g, line, bytes, &name_bytes, &value, &value_bytes, r))
        return false;

    const struct single_header *single = single_header_find(line, name_bytes);
    if (!single)
        return true;
    unsigned which = (unsigned)(single - single_headers);
    if (seen(g, which))
        return guard__refuse(r, 400, single->repeated);
    g->head.seen |= 1U << which;
    return !single->check || single->check(g, value, value_bytes, r);
}

// A trailer comes too late to say anything about the request; nobody reads it.
bool guard__trailer_line(struct guard *g, const char *line, size_t bytes, struct guard_refusal *r)
{
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
    if (!split_header(g, line, bytes, &name_bytes, &value, &value_bytes, r))
        return false;
    if (single_header_find(line, name_bytes))
        return guard__refuse(r, 400, "a trailer has the name of a header that cannot come late");
    return true;
}

bool guard__head_end(struct guard *g, struct guard_refusal *r)
{
    const struct guard_head *head = &g->head;
    if (!head->http_1_0 && !seen(g, SEEN_HOST))
        return guard__refuse(r, 400, "Host is missing");
    if (head->authority[0] != '\0' && strcasecmp(head->authority, head->host) != 0)
        return guard__refuse(r, 400, "Host differs from the host of the request target");
    if (head->chunked && head->http_1_0)
        return guard__refuse(r, 400, "Transfer-Encoding needs HTTP/1.1");
    if (head->chunked && seen(g, SEEN_CONTENT_LENGTH))
        return guard__refuse(r, 400, "Content-Length and Transfer-Encoding came together");
    if (head->content_length > g->limits.body_bytes_max)
        return guard__refuse(r, 413, "the body is too long");
    return true;
}
