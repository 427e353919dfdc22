// SPDX-License-Identifier: MIT
// request.c: just enough of HTTP/1.1 to find where a request ends and what is noted of it.

#define _GNU_SOURCE // memmem

#include "target.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_BYTES_MAX 65536
#define BODY_BYTES_MAX (4 << 20)

// Without the quotes of an Idempotency-Key.
static struct span value_of(const char *line, const char *end)
{
    const char *value = (const char *)memchr(line, ':', (size_t)(end - line)) + 1;
    while (value < end && (*value == ' ' || *value == '"'))
        value++;
    while (end > value && (end[-1] == '"' || end[-1] == ' '))
        end--;
    return (struct span){value, (size_t)(end - value)};
}

static bool begins(const char *line, const char *words)
{
    return strncasecmp(line, words, strlen(words)) == 0;
}

static void read_header(struct request *r, const char *line, const char *end)
{
    if (begins(line, "Idempotency-Key:"))
        r->key = value_of(line, end);
    else if (begins(line, "Carillon-Attempt:"))
        r->attempt = value_of(line, end);
    else if (begins(line, "Carillon-Scheduled-At:"))
        r->scheduled_at = value_of(line, end);
    else if (begins(line, "Content-Length:"))
        r->body_bytes = (size_t)strtoul(value_of(line, end).start, NULL, 10);
    else if (begins(line, "Connection: close"))
        r->close = true;
}

static bool read_first_line(struct request *r, const char *line, const char *end)
{
    const char *path = memchr(line, ' ', (size_t)(end - line));
    const char *version = path ? memchr(path + 1, ' ', (size_t)(end - path - 1)) : NULL;
    if (!version)
        return false;
    r->method = (struct span){line, (size_t)(path - line)};
    r->path = (struct span){path + 1, (size_t)(version - path - 1)};
    r->close = !begins(version, " HTTP/1.1");
    return true;
}

// The end of the line at `p`. There is one: the head ends with an empty line.
static const char *line_end(const char *p)
{
    do
        p = strchr(p, '\r');
    while (p[1] != '\n' && p++);
    return p;
}

ssize_t request_read(const char *bytes, size_t count, struct request *out)
{
    const char *head_end = memmem(bytes, count, "\r\n\r\n", 4);
    if (!head_end)
        return count > HEAD_BYTES_MAX || memchr(bytes, '\0', count) ? -1 : 0;
    if (memchr(bytes, '\0', (size_t)(head_end - bytes)))
        return -1;

    *out = (struct request){0};
    const char *end = line_end(bytes);
    if (!read_first_line(out, bytes, end))
        return -1;
    while (end < head_end) {
        const char *line = end + 2;
        end = line_end(line);
        read_header(out, line, end);
    }
    if (out->body_bytes > BODY_BYTES_MAX)
        return -1;
    out->whole = (struct span){bytes, (size_t)(head_end + 4 - bytes) + out->body_bytes};
    return out->whole.bytes <= count ? (ssize_t)out->whole.bytes : 0;
}
