// SPDX-License-Identifier: MIT
// json_read.c: bodies, read strictly: what two parsers could understand differently is refused.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/near.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// NUL is let through here, to be refused with the name of its member.
#define PARSING (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

// --- From bytes to a value -----------------------------------------------------------------------

static enum err refuse_json(struct problem *p, size_t position, const char *what)
{
    refuse(p, ERR_SYNTAX, REFUSED_JSON, NULL, "the body is not valid JSON at byte %zu: %s",
           position, what);
    p->what.has_position = true;
    p->what.position = position;
    return ERR_SYNTAX;
}

// The parser reports where the token ends which it did not expect, and quotes it; the client wants
// to know where it begins.
static size_t error_position(const json_error_t *e, size_t bytes)
{
    static const char quote[] = " near '";
    const char *token = strstr(e->text, quote);
    size_t token_bytes = token ? strlen(token) - strlen(quote) - 1 : 0; // Without the last quote.
    size_t end = MIN((size_t)MAX(e->position, 0), bytes);
    return end >= token_bytes ? end - token_bytes : 0;
}

// Looks at brackets outside of strings only; the parser proper judges the rest. Done before it,
// since it would follow the nesting much deeper, and makes more than a hundred bytes of each pair.
static enum err check_brackets(const char *text, size_t bytes, struct problem *p)
{
    size_t depth = 0, count = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
            return refuse_json(p, i, "nested more than 32 deep");
        else if (!in_string && (c == '[' || c == '{') && ++count > JSON_BRACKETS_MAX)
            return refuse_json(p, i, "more than 50000 objects and arrays");
        else if (!in_string && (c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return ERR_OK;
}

// --- Values that JSON can say and we cannot hold -------------------------------------------------

// Whether the value has, at any depth, something of which `is_bad` is true.
static bool contains(const json_t *value, bool (*is_bad)(const json_t *value))
{
    const char *name;
    json_t *inner;
    size_t index;
    if (is_bad(value))
        return true;
    json_object_foreach((json_t *)value, name, inner) {
        if (contains(inner, is_bad))
            return true;
    }
    json_array_foreach(value, index, inner) {
        if (contains(inner, is_bad))
            return true;
    }
    return false;
}

static enum err refuse_members(const json_t *object, bool (*is_bad)(const json_t *value),
                               const char *what, struct problem *p)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        if (contains(value, is_bad))
            return refuse_field(p, ERR_UNSUPPORTED, name, "%s must not contain %s", name, what);
    }
    return ERR_OK;
}

static bool has_nul(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) < json_string_length(value);
}

// Integers have been read as doubles here; 2^63 is the first that is too large.
static bool is_too_large(const json_t *value)
{
    return json_is_real(value) &&
           (json_real_value(value) >= 0x1p63 || json_real_value(value) < -0x1p63);
}

// The parser says only that some integer is too large; the client wants to know which.
static enum err refuse_overflow(const char *text, size_t bytes, const json_error_t *error,
                                struct problem *p)
{
    json_t *value = json_loadb(text, bytes, PARSING | JSON_DECODE_INT_AS_REAL, NULL);
    enum err err = refuse_members(value, is_too_large, "a number of more than 63 bits", p);
    json_decref(value);
    return err ? err : refuse_json(p, error_position(error, bytes), error->text);
}

// --- A whole body --------------------------------------------------------------------------------

enum err json_read(const char *text, size_t bytes, json_t **out, struct problem *p)
{
    enum err err = check_brackets(text, bytes, p);
    if (err)
        return err;
    json_error_t error;
    json_t *value = json_loadb(text, bytes, PARSING, &error);
    if (!value && json_error_code(&error) == json_error_numeric_overflow)
        return refuse_overflow(text, bytes, &error, p);
    if (!value)
        return refuse_json(p, error_position(&error, bytes), error.text);
    err = refuse_members(value, has_nul, "the character U+0000", p);
    if (err)
        json_decref(value);
    else
        *out = value;
    return err;
}

bool body_has_type(const struct api_request *r, const char *type)
{
    const char *given = exchange_header(r->exchange, "Content-Type");
    size_t bytes = given ? strcspn(given, "; \t") : 0;
    return bytes == strlen(type) && strncasecmp(given, type, bytes) == 0;
}

// "application/json" or a type whose syntax is JSON ("application/merge-patch+json").
static bool is_json(const struct api_request *r)
{
    if (body_has_type(r, "application/json"))
        return true;
    const char *type = exchange_header(r->exchange, "Content-Type");
    size_t bytes = type ? strcspn(type, "; \t") : 0;
    return bytes > 5 && strncasecmp(type, "application/", 12) == 0 &&
           strncasecmp(type + bytes - 5, "+json", 5) == 0;
}

static enum err body_absent(const struct api_request *r, struct problem *p)
{
    if (r->route->body == BODY_OPTIONAL)
        return ERR_OK;
    return refuse_json(p, 0, "there is no body; a JSON object is expected");
}

enum err body_read_object(struct api_request *r, struct problem *p)
{
    size_t bytes;
    const char *text = exchange_body(r->exchange, &bytes);
    if (bytes == 0)
        return body_absent(r, p);
    if (!is_json(r))
        return refuse(p, ERR_UNSUPPORTED, REFUSED_MEDIA_TYPE, NULL,
                      "send the body as JSON, with Content-Type: application/json");
    enum err err = json_read(text, bytes, &r->body, p);
    if (err)
        return err;
    if (!json_is_object(r->body))
        return refuse_field(p, ERR_SYNTAX, NULL, "the body must be a JSON object");
    return ERR_OK;
}

// What is compressed would be read as damaged text.
static enum err check_coding(const struct api_request *r, struct problem *p)
{
    const char *coding = exchange_header(r->exchange, "Content-Encoding");
    if (!coding || strcasecmp(coding, "identity") == 0)
        return ERR_OK;
    return refuse(p, ERR_UNSUPPORTED, REFUSED_MEDIA_TYPE, NULL,
                  "send the body as it is, without Content-Encoding");
}

enum err body_read(struct api_request *r, struct problem *p)
{
    enum err err = check_coding(r, p);
    if (err)
        return err;
    if (r->route->body == BODY_NONE || r->route->body == BODY_OWN)
        return ERR_OK;
    return body_read_object(r, p);
}

// --- Members of an object ------------------------------------------------------------------------

enum err members_check(const json_t *object, const char *const *members, struct problem *p)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        struct near n = near_to(name);
        const char *const *known = members;
        for (; *known && strcmp(*known, name) != 0; known++)
            near_see(&n, *known);
        if (!*known)
            return refuse_unknown_field(p, name, n.best);
    }
    return ERR_OK;
}

// NULL when the member is absent or null, which mean the same everywhere.
static const json_t *member_find(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

enum err member_text(const json_t *object, const char *name, const char **out, struct problem *p)
{
    const json_t *value = member_find(object, name);
    if (!value)
        return ERR_OK;
    if (!json_is_string(value))
        return refuse_field(p, ERR_SYNTAX, name, "%s must be a string", name);
    *out = json_string_value(value);
    return ERR_OK;
}

enum err time_read(const json_t *value, const char *name, wall_ms *out, struct problem *p)
{
    const char *text = json_string_value(value);
    if (!text || !wall_parse(text, strlen(text), out))
        return refuse_field(p, ERR_SYNTAX, name,
                            "%s must be a time such as \"2027-01-31T08:00:00Z\" (RFC 3339)", name);
    return ERR_OK;
}

enum err member_time(const json_t *object, const char *name, wall_ms *out, struct problem *p)
{
    const json_t *value = member_find(object, name);
    return value ? time_read(value, name, out, p) : ERR_OK;
}

enum err member_flag(const json_t *object, const char *name, bool *out, struct problem *p)
{
    const json_t *value = member_find(object, name);
    if (!value)
        return ERR_OK;
    if (!json_is_boolean(value))
        return refuse_field(p, ERR_SYNTAX, name, "%s must be true or false", name);
    *out = json_is_true(value);
    return ERR_OK;
}

enum err member_integer(const json_t *object, const char *name, int64_t min, int64_t max,
                        int64_t *out, struct problem *p)
{
    const json_t *value = member_find(object, name);
    if (!value)
        return ERR_OK;
    if (!json_is_integer(value))
        return refuse_field(p, ERR_SYNTAX, name, "%s must be an integer", name);
    if (json_integer_value(value) < min || json_integer_value(value) > max)
        return refuse_field(p, ERR_RANGE, name, "%s must be %" PRId64 " to %" PRId64, name, min,
                            max);
    *out = json_integer_value(value);
    return ERR_OK;
}

// With the fewest digits that give the same numbers again: 1.1 stays 1.1.
static char *shortest_text(const json_t *value)
{
    char *text = NULL;
    bool same = false;
    for (size_t digits = 15; digits <= 17 && !same; digits++) {
        free(text);
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *again = json_loads(text, JSON_DECODE_ANY, NULL);
        same = json_equal(value, again);
        json_decref(again);
    }
    return text;
}

char *member_payload(const json_t *value, bool *is_json)
{
    *is_json = value && !json_is_null(value) && !json_is_string(value);
    if (!value || json_is_null(value))
        return NULL;
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    return shortest_text(value);
}
