// SPDX-License-Identifier: MIT
// reference.c: the five forms of a reference: "https://host/x", "//host/x", "/x", "?x" and "x".

#include "base/reference.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool has_scheme(const char *reference)
{
    size_t bytes = strspn(reference, LETTERS "0123456789+-.");
    return bytes > 0 && strchr(LETTERS, reference[0]) && reference[bytes] == ':';
}

// Text that is put together in memory which is known to be large enough.
static char *put(char *at, const char *text, size_t bytes)
{
    memcpy(at, text, bytes);
    return at + bytes;
}

// How much of `base` stands before what the reference replaces.
static size_t kept_bytes(const char *base, const char *reference)
{
    const char *authority = strstr(base, "://") + 3;
    const char *path = authority + strcspn(authority, "/?#");
    size_t path_bytes = strcspn(path, "?#");
    if (has_scheme(reference))
        return 0;
    if (strncmp(reference, "//", 2) == 0)
        return (size_t)(authority - base) - 2;
    switch (reference[0]) {
    case '/':
        return (size_t)(path - base);
    case '?':
        return (size_t)(path - base) + path_bytes;
    case '#':
    case '\0':
        return strcspn(base, "#");
    }
    while (path_bytes > 0 && path[path_bytes - 1] != '/')
        path_bytes--;
    return (size_t)(path - base) + path_bytes;
}

static bool is_step(const char *segment, size_t bytes, const char *step)
{
    return strlen(step) == bytes && memcmp(segment, step, bytes) == 0;
}

// Takes the steps "." and ".." of a path, which begins with a slash, in place. What is behind the
// path moves along.
static void take_steps(char *path)
{
    char *at = path; // Up to here all steps are taken.
    const char *from = path;
    while (*from == '/') {
        const char *segment = from + 1;
        size_t bytes = strcspn(segment, "/?");
        bool back = is_step(segment, bytes, "..");
        from = segment + bytes;
        if (back)
            while (at > path && *--at != '/')
                ;
        if (!back && !is_step(segment, bytes, ".")) {
            *at = '/';
            memmove(at + 1, segment, bytes);
            at += 1 + bytes;
        } else if (*from != '/') {
            *at++ = '/'; // A step at the end leads to a folder.
        }
    }
    memmove(at, from, strlen(from) + 1);
}

char *reference_resolve(const char *base, const char *reference)
{
    size_t kept = kept_bytes(base, reference);
    size_t bytes = strcspn(reference, "#");
    char *out = xmalloc(kept + 1 + bytes + 1);
    char *at = put(out, base, kept);
    bool is_path = bytes > 0 && kept > 0 && reference[0] != '?' && strncmp(reference, "//", 2) != 0;
    if (is_path && reference[0] != '/' && at[-1] != '/')
        *at++ = '/'; // "http://host" has no path to go on from.
    at = put(at, reference, bytes);
    *at = '\0';
    if (is_path) {
        char *authority = strstr(out, "://") + 3;
        take_steps(authority + strcspn(authority, "/?"));
    }
    return out;
}
