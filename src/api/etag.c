// SPDX-License-Identifier: MIT
// etag.c: the entity tags of jobs, in ETag, If-Match and If-None-Match.
//
// "7" is the version of a job: what If-Match wants to know, which guards a change against others.
// GET /jobs/:job shows more than the job says: its last execution and its next runs, which change
// while the version stays. Its tag is "7-<digest of the whole>", so that a client which polls with
// If-None-Match sees them; If-Match looks at the version of such a tag only, since nobody changes
// the rest.

#include "api/api_priv.h"
#include "api/page_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TAG_BYTES 48 // Two numbers of 64 bits, "-" and quotes.

// --- Reading lists of tags -----------------------------------------------------------------------

struct tag {
    const char *text; // With its quotes.
    size_t bytes;
    bool weak;
};

// Takes the next tag of a list: "*", "\"7\"", "W/\"7\"". False at the end of the list.
static bool next_tag(const char **list, struct tag *out)
{
    const char *at = *list + strspn(*list, " \t,");
    if (!*at)
        return false;
    out->weak = strncmp(at, "W/", 2) == 0;
    out->text = at + (out->weak ? 2 : 0);
    const char *close = *out->text == '"' ? strchr(out->text + 1, '"') : NULL;
    out->bytes = close ? (size_t)(close + 1 - out->text) : strcspn(out->text, ",");
    *list = out->text + out->bytes;
    return true;
}

static bool is_any(const char *list)
{
    return strcmp(list, "*") == 0;
}

// 0 for a tag that no server has given.
static int64_t version_of(const struct tag *t)
{
    char digits[24];
    int64_t version = 0;
    bool quoted = t->bytes > 2 && *t->text == '"' && t->text[t->bytes - 1] == '"';
    size_t bytes = quoted ? strcspn(t->text + 1, "-\"") : 0;
    if (bytes >= sizeof digits)
        return 0;
    memcpy(digits, t->text + 1, bytes);
    digits[bytes] = '\0';
    job_id_parse(digits, &version); // A version is written as an id is.
    return version;
}

bool etag_is_among(const char *tag, const char *list)
{
    struct tag t;
    if (is_any(list))
        return true;
    while (next_tag(&list, &t)) {
        if (strlen(tag) == t.bytes && memcmp(tag, t.text, t.bytes) == 0)
            return true;
    }
    return false;
}

// --- Requests that name one ----------------------------------------------------------------------

static enum err check_named(const char *list, int64_t current, const char *what, struct problem *p)
{
    struct tag t;
    while (next_tag(&list, &t))
        if (version_of(&t) == current && !t.weak)
            return ERR_OK;
    return service_refuse(&p->what, ERR_CONFLICT, PROBLEM_VERSION, NULL,
                          "the %s is at version %" PRId64 ", which If-Match does not name", what,
                          current);
}

// When there are several tags, the job's present one counts.
static enum err choose_version(struct api_request *r, const char *list, int64_t *version,
                               struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, r->job, &j, &p->what);
    if (err)
        return err;
    *version = j->version;
    job_free(j);
    return check_named(list, *version, "job", p);
}

enum err check_version(const struct api_request *r, int64_t version, const char *what,
                       struct problem *p)
{
    const char *list = exchange_header(r->exchange, "If-Match");
    return !list || is_any(list) ? ERR_OK : check_named(list, version, what, p);
}

enum err expected_version(struct api_request *r, int64_t *version, struct problem *p)
{
    const char *list = exchange_header(r->exchange, "If-Match");
    *version = 0;
    return !list || is_any(list) ? ERR_OK : choose_version(r, list, version, p);
}

// --- Answers that have one -----------------------------------------------------------------------

void add_etag(struct api_request *r, int64_t version)
{
    char tag[TAG_BYTES];
    snprintf(tag, sizeof tag, "\"%" PRId64 "\"", version);
    exchange_add_header(r->exchange, "ETag", tag);
}

// FNV-1a of 64 bits: it need only differ, nobody gains by making two texts alike.
static uint64_t digest(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

void answer_tagged(struct api_request *r, int64_t version, json_t *json)
{
    char tag[TAG_BYTES];
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    snprintf(tag, sizeof tag, "\"%" PRId64 "-%016" PRIx64 "\"", version, digest(text));
    exchange_add_header(r->exchange, "ETag", tag);
    const char *known = exchange_header(r->exchange, "If-None-Match");
    if (!known || !etag_is_among(tag, known)) {
        answer_text(r, 200, "application/json", text, strlen(text));
        return;
    }
    free(text);
    answer_nothing(r, 304);
}
