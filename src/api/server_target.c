// SPDX-License-Identifier: MIT
// server_target.c: a request target, cut up and percent-decoded, once and strictly.
//
// Cutting comes before decoding, so that an encoded slash or ampersand stays inside its piece. What
// decodes to a control character or is not UTF-8 is refused: nothing behind the server has to think
// of a NUL in an id, or of two spellings that some later decoder would make one.

#include "api/server_inside_priv.h"
#include "base/utf8.h"

#include <string.h>

static bool is_clean_text(const char *text, const char **detail)
{
    size_t bytes = strlen(text);
    if (utf8_span(text, bytes) < bytes) {
        *detail = "the request target is not UTF-8 when it is decoded";
        return false;
    }
    for (const char *p = text; *p; p++) {
        if (('\0' < *p && *p < ' ') || *p == 0x7f) {
            *detail = "the request target contains an encoded control character";
            return false;
        }
    }
    return true;
}

// Decodes `bytes` bytes into the arena; NULL if their encoding is wrong.
static char *decode(const char *text, size_t bytes, bool plus_is_space, struct arena *a,
                    const char **detail)
{
    char *out = arena_alloc(a, bytes + 1);
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i] == '+' && plus_is_space ? ' ' : text[i];
        if (c == '%') {
            int high = i + 2 < bytes ? guard__hex_value(text[i + 1]) : -1;
            int low = i + 2 < bytes ? guard__hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                *detail = "a percent sign in the request target needs two hexadecimal digits";
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            *detail = "the request target contains an encoded control character";
            return NULL;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return is_clean_text(out, detail) ? out : NULL;
}

// How many pieces `text` has when it is cut at each `cut`.
static size_t count_pieces(const char *text, size_t bytes, char cut)
{
    size_t pieces = 1;
    for (size_t i = 0; i < bytes; i++)
        pieces += text[i] == cut;
    return pieces;
}

static size_t piece_length(const char *text, const char *end, char cut)
{
    const char *at = memchr(text, cut, (size_t)(end - text));
    return (size_t)((at ? at : end) - text);
}

static bool parse_path(const char *text, size_t bytes, struct arena *a, struct target *out,
                       const char **detail)
{
    if (bytes > 0 && text[0] == '/')
        text++, bytes--;
    if (bytes == 0)
        return true;
    const char *end = text + bytes;
    out->segments = arena_alloc(a, count_pieces(text, bytes, '/') * sizeof(char *));
    for (const char *p = text; p <= end;) {
        size_t length = piece_length(p, end, '/');
        char *segment = decode(p, length, false, a, detail);
        if (!segment)
            return false;
        out->segments[out->segments_count++] = segment;
        p += length + 1;
    }
    return true;
}

static bool parse_query(const char *text, struct arena *a, struct target *out, const char **detail)
{
    size_t bytes = strlen(text);
    const char *end = text + bytes;
    size_t pieces = count_pieces(text, bytes, '&');
    if (pieces > SERVER_PARAMETERS_MAX) {
        *detail = "the query has more than 100 parameters";
        return false;
    }
    out->parameters = arena_alloc(a, pieces * sizeof *out->parameters);
    for (const char *p = text; p < end;) {
        size_t length = piece_length(p, end, '&');
        size_t name = piece_length(p, p + length, '=');
        size_t value = name < length ? name + 1 : length;
        struct target_parameter parameter = {
            .name = decode(p, name, true, a, detail),
            .value = decode(p + value, length - value, true, a, detail),
        };
        if (!parameter.name || !parameter.value)
            return false;
        if (length > 0)
            out->parameters[out->parameters_count++] = parameter;
        p += length + 1;
    }
    return true;
}

// The path of "http://host/path" begins at the third slash, if there is one. The guard has compared
// the host.
static const char *skip_authority(const char *text)
{
    if (text[0] == '/' || text[0] == '*')
        return text;
    const char *authority = strstr(text, "://") + strlen("://");
    return authority + strcspn(authority, "/?");
}

bool target_has_path(const char *text, const char *const *paths)
{
    const char *path = skip_authority(text);
    size_t bytes = strcspn(path, "?");
    for (; paths && *paths; paths++)
        if (strlen(*paths) == bytes && memcmp(*paths, path, bytes) == 0)
            return true;
    return false;
}

bool target_parse(const char *text, struct arena *a, struct target *out, const char **detail)
{
    struct target parsed = {0};
    const char *path = skip_authority(text);
    size_t path_bytes = strcspn(path, "?");
    if (!parse_path(path, path_bytes, a, &parsed, detail))
        return false;
    if (path[path_bytes] == '?' && !parse_query(path + path_bytes + 1, a, &parsed, detail))
        return false;
    *out = parsed;
    return true;
}
