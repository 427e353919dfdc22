// SPDX-License-Identifier: MIT
// query.c: the parameters of a query, one reader for each kind.
//
// route_check_parameters has already refused names which the route does not know and names that
// came twice, so here the first value is the only one.

#include "api/api_priv.h"
#include "api/page_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *query_text(const struct api_request *r, const char *name)
{
    const char *value = NULL;
    exchange_parameter(r->exchange, name, &value);
    return value;
}

// Digits only, without leading zeros, above 0: the one way to write a number.
bool job_id_parse(const char *text, job_id *out)
{
    int64_t value = 0;
    if (*text < '1' || *text > '9')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

enum err query_job_id(const struct api_request *r, const char *name, job_id *out, struct problem *p)
{
    const char *text = query_text(r, name);
    if (!text || job_id_parse(text, out))
        return ERR_OK;
    return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, name, "%s must be the id of a job", name);
}

enum err query_number(const struct api_request *r, const char *name, int64_t least,
                      int64_t greatest, int64_t *out, struct problem *p)
{
    int64_t number;
    const char *text = query_text(r, name);
    if (!text)
        return ERR_OK;
    if (!job_id_parse(text, &number) || number < least || number > greatest)
        return refuse(p, ERR_RANGE, REFUSED_PARAMETER, name, "%s must be %" PRId64 " to %" PRId64,
                      name, least, greatest);
    *out = number;
    return ERR_OK;
}

enum err query_limit(const struct api_request *r, size_t *out, struct problem *p)
{
    int64_t limit = (int64_t)*out;
    enum err err = query_number(r, "limit", 1, LIMIT_MAX, &limit, p);
    *out = (size_t)limit;
    return err;
}

enum err query_cursor(const struct api_request *r, enum cursor_kind kind, struct cursor *out,
                      struct problem *p)
{
    const char *text = query_text(r, "cursor");
    if (!text || cursor_parse(kind, text, out))
        return ERR_OK;
    return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, "cursor",
                  "cursor must be the next_cursor of a page of this list");
}

enum err query_flag(const struct api_request *r, const char *name, int *out, struct problem *p)
{
    const char *word = query_text(r, name);
    bool yes = word && (strcmp(word, "true") == 0 || strcmp(word, "1") == 0);
    bool no = word && (strcmp(word, "false") == 0 || strcmp(word, "0") == 0);
    if (word && !yes && !no)
        return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, name, "%s must be true or false", name);
    if (word)
        *out = yes;
    return ERR_OK;
}

// A bare name says yes.
enum err query_pretty(struct api_request *r, struct problem *p)
{
    int yes = 0;
    const char *word = query_text(r, "pretty");
    if (word && !*word)
        yes = 1;
    enum err err = yes ? ERR_OK : query_flag(r, "pretty", &yes, p);
    r->pretty = yes != 0;
    return err;
}

enum err query_time(const struct api_request *r, const char *name, wall_ms *out, struct problem *p)
{
    const char *text = query_text(r, name);
    if (!text)
        return ERR_OK;
    // A "+" before an offset that was not percent-encoded has become a blank.
    char copy[64] = "";
    strncpy(copy, text, sizeof copy - 1);
    char *blank = strchr(copy, ' ');
    if (blank)
        *blank = '+';
    if (wall_parse(copy, strlen(copy), out))
        return ERR_OK;
    return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, name,
                  "%s must be a time such as 2027-01-31T08:00:00Z (RFC 3339)", name);
}

static enum err refuse_choice(const char *name, const struct enum_words *w, struct problem *p)
{
    char list[384];
    enum_list(w, list, sizeof list);
    return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, name, "%s must be %s", name, list);
}

enum err query_choice(const struct api_request *r, const char *name, const struct enum_words *w,
                      int *out, struct problem *p)
{
    const char *word = query_text(r, name);
    return !word || enum_find(w, word, out) ? ERR_OK : refuse_choice(name, w, p);
}

enum err query_choices(const struct api_request *r, const char *name, const struct enum_words *w,
                       unsigned *out, struct problem *p)
{
    unsigned set = 0;
    const char *at = query_text(r, name);
    while (at) {
        char word[32];
        int value;
        size_t bytes = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)MIN(bytes, sizeof word), at);
        if (!enum_find(w, word, &value))
            return refuse_choice(name, w, p);
        set |= 1u << value;
        at = at[bytes] ? at + bytes + 1 : NULL;
    }
    *out = set ? set : *out;
    return ERR_OK;
}
