// SPDX-License-Identifier: MIT
// json_signing.c: the keys that sign a job's requests, as a client says and reads them.
//
// A job holds a line for each (secrets/signing.h). The id of a key follows from the key, so one
// that a job has already, sent again, keeps its line.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "secrets/signing.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MEMBER "signing"
// Stands for the line of a key until the job that has the line is known.
#define KEPT "kept "

// Words that have a key made.
static const char *const makers[SIGNING_KINDS] = {
    [SIGNING_HMAC] = "new",
    [SIGNING_ED25519] = "new-ed25519",
};

struct reading {
    const struct job_reading *how;
    const char *before; // The lines that the job has.
    char *lines;        // The lines that the job gets.
    struct service_problem *problem;
};

static void add_line(struct reading *r, const char *line, size_t bytes)
{
    size_t used = r->lines ? strlen(r->lines) : 0;
    r->lines = xrealloc(r->lines, used + bytes + 1);
    memcpy(r->lines + used, line, bytes);
    r->lines[used + bytes] = '\0';
}

// --- Keys that the job has -----------------------------------------------------------------------

// The line with this id; *bytes is its length with its end. NULL: there is none.
static const char *find_line(const char *lines, const char *id, size_t *bytes,
                             struct signing_key *out)
{
    const char *at = lines ? lines : "";
    while (*at) {
        const char *line = at;
        if (signing_read(&at, out, NULL))
            return NULL;
        *bytes = (size_t)(at - line);
        if (strcmp(out->id, id) == 0)
            return line;
    }
    return NULL;
}

static enum err refuse_unknown(const char *id, struct service_problem *p)
{
    return service_refuse(p, ERR_NOT_FOUND, PROBLEM_FIELD, MEMBER,
                          "the job has no signing key with the id %.16s; send the key itself", id);
}

static enum err keep(struct reading *r, const char *id)
{
    struct signing_key k;
    size_t bytes = 0;
    const char *line = find_line(r->before, id, &bytes, &k);
    char kept[sizeof KEPT + SIGNING_ID_CHARS + 2];
    if (!line && (!r->how->settles || strlen(id) != SIGNING_ID_CHARS || strpbrk(id, " \n")))
        return refuse_unknown(id, r->problem);
    if (!line) {
        bytes = (size_t)snprintf(kept, sizeof kept, KEPT "%s\n", id);
        line = kept;
    }
    add_line(r, line, bytes);
    return ERR_OK;
}

// --- Keys that are new ---------------------------------------------------------------------------

// Whether the line holds the very key, under the key with which it would be sealed now.
static bool holds(const struct secret_ring *ring, const struct signing_key *k, const char *secret)
{
    char *opened = NULL;
    bool same = secret_is_current(ring, k->sealed, k->sealed_chars) &&
                signing_open(ring, k, &opened, NULL) == ERR_OK && strcmp(opened, secret) == 0;
    secret_free(opened);
    return same;
}

static enum err take(struct reading *r, const char *secret)
{
    struct fault f = {0};
    if (!r->how->secrets)
        return service_refuse(r->problem, ERR_UNSUPPORTED, PROBLEM_FIELD, MEMBER, "%s",
                              SECRET_NO_KEY);
    if (signing_check(secret, &f))
        return service_refuse(r->problem, ERR_SYNTAX, PROBLEM_FIELD, MEMBER, "%s", f.text);
    char *line = signing_line(r->how->secrets, secret);
    const char *at = line;
    struct signing_key k, old;
    size_t bytes = 0;
    enum err err = signing_read(&at, &k, NULL);
    assert(!err);
    (void)err;
    const char *before = find_line(r->before, k.id, &bytes, &old);
    if (before && holds(r->how->secrets, &old, secret))
        add_line(r, before, bytes);
    else
        add_line(r, line, strlen(line));
    free(line);
    return ERR_OK;
}

static enum err make(struct reading *r, enum signing_kind kind)
{
    if (!r->how->made)
        return service_refuse(r->problem, ERR_UNSUPPORTED, PROBLEM_FIELD, MEMBER,
                              "a signing key cannot be made here; send one");
    size_t before = r->lines ? strlen(r->lines) : 0;
    char *secret = signing_new(kind);
    enum err err = take(r, secret);
    if (!err) {
        const char *at = r->lines + before;
        struct signing_key k;
        err = signing_read(&at, &k, NULL);
        assert(!err);
        json_array_append_new(r->how->made, json_pack("{s:s,s:s}", "id", k.id, "secret", secret));
    }
    secret_free(secret);
    return err;
}

// --- In ------------------------------------------------------------------------------------------

static enum err read_text(struct reading *r, const char *text)
{
    for (enum signing_kind kind = 0; kind < SIGNING_KINDS; kind++)
        if (strcmp(text, makers[kind]) == 0)
            return make(r, kind);
    return take(r, text);
}

// A key is said by itself, or as what was read: an object with its id.
static enum err read_item(struct reading *r, const json_t *item)
{
    const char *id = json_string_value(json_object_get(item, "id"));
    const char *secret = json_string_value(json_object_get(item, "secret"));
    if (json_is_string(item))
        return read_text(r, json_string_value(item));
    if (secret)
        return read_text(r, secret);
    if (id)
        return keep(r, id);
    return service_refuse(r->problem, ERR_SYNTAX, PROBLEM_FIELD, MEMBER,
                          "a signing key is \"new\", \"new-ed25519\", \"whsec_...\", \"whsk_...\", "
                          "or {\"id\": ...} of one that the job has");
}

static enum err read_items(struct reading *r, const json_t *value)
{
    if (json_is_string(value))
        return read_item(r, value);
    if (!json_is_array(value) || json_array_size(value) > SIGNING_KEYS_MAX)
        return service_refuse(r->problem, json_is_array(value) ? ERR_LIMIT : ERR_SYNTAX,
                              PROBLEM_FIELD, MEMBER, "signing must be an array of up to %d keys",
                              SIGNING_KEYS_MAX);
    enum err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(value) && !err; i++) {
        char index[24];
        err = read_item(r, json_array_get(value, i));
        snprintf(index, sizeof index, "%zu", i);
        if (err)
            service_problem_within(r->problem, index);
    }
    return err;
}

enum err signing_decode(const struct job_member *m, const json_t *value,
                        const struct job_reading *how, struct job *j, struct problem *p)
{
    struct reading r = {.how = how, .before = j->signing, .problem = &p->what};
    (void)m;
    enum err err = read_items(&r, value);
    if (!err)
        job_set_text(&j->signing, r.lines);
    free(r.lines);
    return err;
}

// --- Out -----------------------------------------------------------------------------------------

static json_t *show_key(const struct signing_key *k)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(k->id));
    json_object_set_new(o, "kind", json_string(signing_kind_name(k->kind)));
    json_object_set_new(o, "public_key", *k->public_key ? json_string(k->public_key) : json_null());
    json_object_set_new(o, "secret", json_true());
    return o;
}

// What follows a line that somebody has edited is left out.
json_t *signing_encode(const struct job_member *m, const struct job *j)
{
    (void)m;
    json_t *list = json_array();
    const char *at = j->signing ? j->signing : "";
    struct signing_key k;
    while (*at && signing_read(&at, &k, NULL) == ERR_OK)
        json_array_append_new(list, show_key(&k));
    return list;
}

static void show_secret(json_t *list, const char *id, json_t *secret)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *key = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(key, "id")), id) == 0)
            json_object_set(key, "secret", secret);
    }
}

void signing_show_made(json_t *job, const json_t *made)
{
    json_t *list = json_object_get(job, MEMBER);
    for (size_t i = 0; i < json_array_size(made); i++) {
        const json_t *key = json_array_get(made, i);
        show_secret(list, json_string_value(json_object_get(key, "id")),
                    json_object_get(key, "secret"));
    }
}

// --- Once the job is known -----------------------------------------------------------------------

static enum err settle_line(struct reading *r, const char *line, size_t bytes)
{
    char id[SIGNING_ID_CHARS + 1];
    size_t before = strlen(KEPT);
    if (strncmp(line, KEPT, before) != 0) {
        add_line(r, line, bytes);
        return ERR_OK;
    }
    snprintf(id, sizeof id, "%.*s", SIGNING_ID_CHARS, line + before);
    return keep(r, id);
}

enum err signing_settle(struct job *j, const struct job *before, struct service_problem *p)
{
    const struct job_reading now = {0};
    struct reading r = {.how = &now, .before = before ? before->signing : NULL, .problem = p};
    enum err err = ERR_OK;
    for (const char *line = j->signing; line && *line && !err;) {
        size_t bytes = strcspn(line, "\n") + 1;
        err = settle_line(&r, line, bytes);
        line += bytes;
    }
    if (!err && j->signing)
        job_set_text(&j->signing, r.lines);
    free(r.lines);
    return err;
}

// --- Again ---------------------------------------------------------------------------------------

static enum err renew_line(struct reading *r, const char *line, size_t bytes,
                           const struct signing_key *k)
{
    const struct secret_ring *ring = r->how->secrets;
    struct fault f = {0};
    char *secret = NULL;
    if (secret_is_current(ring, k->sealed, k->sealed_chars)) {
        add_line(r, line, bytes);
        return ERR_OK;
    }
    enum err err = signing_open(ring, k, &secret, &f);
    if (err)
        return service_refuse(r->problem, err, PROBLEM_FIELD, MEMBER, "%s", f.text);
    char *renewed = signing_line(ring, secret);
    add_line(r, renewed, strlen(renewed));
    free(renewed);
    secret_free(secret);
    return ERR_OK;
}

enum err signing_renew(const struct secret_ring *secrets, struct job *j, struct service_problem *p)
{
    const struct job_reading how = {.secrets = secrets};
    struct reading r = {.how = &how, .problem = p};
    struct fault f = {0};
    enum err err = ERR_OK;
    for (const char *at = j->signing ? j->signing : ""; *at && !err;) {
        const char *line = at;
        struct signing_key k;
        err = signing_read(&at, &k, &f);
        if (err)
            service_refuse(p, err, PROBLEM_FIELD, MEMBER, "%s", f.text);
        else
            err = renew_line(&r, line, (size_t)(at - line), &k);
    }
    if (!err && j->signing)
        job_set_text(&j->signing, r.lines);
    free(r.lines);
    return err;
}
