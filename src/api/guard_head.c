// SPDX-License-Identifier: MIT
// guard_head.c: the rules for request lines and headers.
//
// What is refused here is legal nowhere, or legal in a way that servers and proxies are known to
// read differently. The rules are those of RFC 9110 and RFC 9112 without their tolerances.

#include "api/guard_priv.h"

#include "base/err.h"
#include "base/memory.h"

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

static uint32_t offset(const struct guard *g, const char *at)
{
    return (uint32_t)(at - g->text);
}

// "http://host:port/path": what a client sends when it takes us for a proxy.
static bool absolute_target(struct guard *g, const char *target, size_t bytes)
{
    const char *authority = target + strlen("http://");
    size_t length = span(authority, bytes - strlen("http://"), is_authority_char);
    if (length == 0 || length > GUARD_AUTHORITY_BYTES_MAX)
        return guard__refuse(g, 400, "the request target names no host");
    if (length < bytes - strlen("http://") && !is_one_of(authority[length], "/?"))
        return guard__refuse(g, 400, "the request target is not valid");
    g->head.authority = offset(g, authority);
    g->head.authority_bytes = (uint32_t)length;
    return true;
}

static bool check_target(struct guard *g, bool options, const char *target, size_t bytes)
{
    if (bytes > g->limits.uri_bytes_max)
        return guard__refuse(g, 414, "the request target is too long");
    if (span(target, bytes, is_target_char) < bytes)
        return guard__refuse(g, 400,
                             "the request target contains a character that must be encoded");
    if (bytes > strlen("http://") && strncasecmp(target, "http://", strlen("http://")) == 0)
        return absolute_target(g, target, bytes);
    bool asterisk = options && bytes == 1 && target[0] == '*';
    if (!asterisk && (bytes == 0 || target[0] != '/'))
        return guard__refuse(g, 400, "the request target must begin with a slash");
    return true;
}

bool guard__request_line(struct guard *g, size_t bytes)
{
    char *line = g->text + g->line;
    size_t method = span(line, bytes, is_method_char);
    if (method == 0 || method > GUARD_METHOD_BYTES_MAX || line[method] != ' ')
        return guard__refuse(g, 400, "the request does not begin with a method");

    char *target = line + method + 1;
    char *space = strchr(target, ' ');
    const char *version = space ? space + 1 : "";
    g->head.http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    size_t length = space ? (size_t)(space - target) : bytes - method - 1;
    if (length > g->limits.uri_bytes_max)
        return guard__refuse(g, 414, "the request target is too long");
    if (!g->head.http_1_0 && strcmp(version, "HTTP/1.1") != 0)
        return guard__refuse(g, 400, "the HTTP version must be HTTP/1.0 or HTTP/1.1");

    line[method] = '\0';
    *space = '\0';
    g->head.method = offset(g, line);
    g->head.target = offset(g, target);
    return check_target(g, strcmp(line, "OPTIONS") == 0, target, length);
}

// --- Headers that matter -------------------------------------------------------------------------

// A header's value: without the white space around it, and whether there was some behind it.
struct value {
    const char *text; // Followed by NUL.
    size_t bytes;
    bool padded;
};

static bool check_content_length(struct guard *g, const struct value *v)
{
    uint64_t length = 0;
    for (size_t i = 0; i < v->bytes; i++) {
        if (v->text[i] < '0' || v->text[i] > '9' || i == 18) // 18 digits cannot overflow.
            return guard__refuse(g, 400, "Content-Length must be a plain number");
        length = length * 10 + (uint64_t)(v->text[i] - '0');
    }
    if (v->bytes == 0)
        return guard__refuse(g, 400, "Content-Length must be a plain number");
    if (v->padded)
        return guard__refuse(g, 400, "white space stands behind the value of Content-Length");
    g->head.content_length = length;
    return true;
}

// HTTP allows white space behind a value, but there are servers and proxies that compare the value
// with it, find something other than "chunked", and read another body.
static bool check_transfer_encoding(struct guard *g, const struct value *v)
{
    if (strcasecmp(v->text, "chunked") != 0)
        return guard__refuse(g, 400, "Transfer-Encoding must be chunked, and nothing else");
    if (v->padded)
        return guard__refuse(g, 400, "white space stands behind the value of Transfer-Encoding");
    g->head.chunked = true;
    return true;
}

static bool check_host(struct guard *g, const struct value *v)
{
    if (v->bytes > GUARD_AUTHORITY_BYTES_MAX ||
        span(v->text, v->bytes, is_authority_char) < v->bytes)
        return guard__refuse(g, 400, "Host is not a host name or address");
    g->head.host = offset(g, v->text);
    return true;
}

static bool check_expect(struct guard *g, const struct value *v)
{
    g->head.wants_continue = strcasecmp(v->text, "100-continue") == 0;
    return true;
}

enum { SEEN_CONTENT_LENGTH, SEEN_TRANSFER_ENCODING, SEEN_HOST };

// Headers that may come once only. Of two, one reader would take the first, another the last.
static const struct single_header {
    const char *name;
    const char *repeated;
    bool (*check)(struct guard *g, const struct value *v);
} single_headers[] = {
    [SEEN_CONTENT_LENGTH] = {"Content-Length", "Content-Length came twice", check_content_length},
    [SEEN_TRANSFER_ENCODING] = {"Transfer-Encoding", "Transfer-Encoding came twice",
                                check_transfer_encoding},
    [SEEN_HOST] = {"Host", "Host came twice", check_host},
    {"Content-Type", "Content-Type came twice", NULL},
    {"Content-Encoding", "Content-Encoding came twice", NULL},
    {"Authorization", "Authorization came twice", NULL},
    {"Expect", "Expect came twice", check_expect},
    {"Idempotency-Key", "Idempotency-Key came twice", NULL},
    {"If-Match", "If-Match came twice", NULL},
    {"X-Request-Id", "X-Request-Id came twice", NULL},
};

static const struct single_header *single_header_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(single_headers); i++) {
        if (strcasecmp(single_headers[i].name, name) == 0)
            return &single_headers[i];
    }
    return NULL;
}

static bool seen(const struct guard *g, unsigned which)
{
    return g->head.seen & (1U << which);
}

// Whether "close" is one of the words of the list.
static bool lists_close(const char *list)
{
    while (*list) {
        list += strspn(list, " \t,");
        size_t bytes = strcspn(list, " \t,");
        if (bytes == strlen("close") && strncasecmp(list, "close", bytes) == 0)
            return true;
        list += bytes;
    }
    return false;
}

// --- Header lines --------------------------------------------------------------------------------

// Checks the form of the line and cuts it into its name and its value.
static bool split_header(struct guard *g, size_t bytes, struct value *v)
{
    char *line = g->text + g->line;
    if (++g->head.headers > g->limits.headers_max)
        return guard__refuse(g, 431, "there are too many headers");
    if (line[0] == ' ' || line[0] == '\t')
        return guard__refuse(g, 400, "a header is continued on the next line");
    size_t name = span(line, bytes, is_name_char);
    if (is_one_of(line[name], " \t"))
        return guard__refuse(g, 400, "white space stands before a header's colon");
    if (name == 0 || line[name] != ':')
        return guard__refuse(g, 400, "a header has no valid name");

    size_t from = name + 1;
    size_t to = bytes;
    while (from < to && is_one_of(line[from], " \t"))
        from++;
    while (from < to && is_one_of(line[to - 1], " \t"))
        to--;
    *v = (struct value){line + from, to - from, to < bytes};
    line[name] = '\0';
    line[to] = '\0';
    return true;
}

static void keep_header(struct guard *g, const struct value *v)
{
    g->headers =
        grow(g->headers, g->headers_count, &g->headers_capacity, sizeof(struct guard_header));
    g->headers[g->headers_count++] =
        (struct guard_header){.name = (uint32_t)g->line, .value = offset(g, v->text)};
}

bool guard__header_line(struct guard *g, size_t bytes)
{
    struct value v;
    if (!split_header(g, bytes, &v))
        return false;
    keep_header(g, &v);

    const char *name = g->text + g->line;
    if (strcasecmp(name, "Connection") == 0)
        g->head.wants_close |= lists_close(v.text);
    const struct single_header *single = single_header_find(name);
    if (!single)
        return true;
    unsigned which = (unsigned)(single - single_headers);
    if (seen(g, which))
        return guard__refuse(g, 400, single->repeated);
    g->head.seen |= 1U << which;
    return !single->check || single->check(g, &v);
}

// A trailer comes too late to say anything about the request; nobody reads it.
bool guard__trailer_line(struct guard *g, size_t bytes)
{
    struct value v;
    if (!split_header(g, bytes, &v))
        return false;
    if (single_header_find(g->text + g->line))
        return guard__refuse(g, 400, "a trailer has the name of a header that cannot come late");
    return true;
}

static bool same_host(const struct guard *g)
{
    const struct guard_head *head = &g->head;
    const char *host = seen(g, SEEN_HOST) ? g->text + head->host : "";
    return strlen(host) == head->authority_bytes &&
           strncasecmp(g->text + head->authority, host, head->authority_bytes) == 0;
}

bool guard__head_end(struct guard *g)
{
    const struct guard_head *head = &g->head;
    if (!head->http_1_0 && !seen(g, SEEN_HOST))
        return guard__refuse(g, 400, "Host is missing");
    if (head->authority_bytes > 0 && !same_host(g))
        return guard__refuse(g, 400, "Host differs from the host of the request target");
    if (head->chunked && head->http_1_0)
        return guard__refuse(g, 400, "Transfer-Encoding needs HTTP/1.1");
    if (head->chunked && seen(g, SEEN_CONTENT_LENGTH))
        return guard__refuse(g, 400, "Content-Length and Transfer-Encoding came together");
    if (head->content_length > g->limits.body_bytes_max)
        return guard__refuse(g, 413, "the body is too long");
    return true;
}
