// SPDX-License-Identifier: MIT
// json_secret.c: values of headers that are secrets, sealed on their way in and hidden on their way
// out.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/header.h"
#include "base/url.h"

#include <string.h>
#include <strings.h>

// Stands for a value that is to be kept, until the job that has the value is known. It is not
// sealed by any key, and no client can send it.
#define KEPT "sealed:kept"

// Headers that hold nothing else.
static const char *const credentials[] = {"Authorization", "Cookie", "Proxy-Authorization",
                                          "X-Api-Key"};

// --- What is wrong -------------------------------------------------------------------------------

#define refuse_header(p, name, code, ...)                                                          \
    (service_refuse((p), (code), PROBLEM_HEADER, "headers", __VA_ARGS__),                          \
     service_problem_within((p), (name)), (code))

static enum err refuse_form(const char *name, struct service_problem *p)
{
    return refuse_header(p, name, ERR_SYNTAX,
                         "a secret value is {\"secret\": a string}, or {\"secret\": true} for the "
                         "one that the job has");
}

static enum err refuse_unknown(const char *name, struct service_problem *p)
{
    return refuse_header(p, name, ERR_NOT_FOUND,
                         "nobody has said what the secret value of %.64s is; send it as "
                         "{\"secret\": a string}",
                         name);
}

// Somebody could have opened what they found elsewhere, by sending it to themselves.
static enum err check_clear(const char *name, const char *value, struct service_problem *p)
{
    if (!value || !secret_is_sealed(value))
        return ERR_OK;
    return refuse_header(p, name, ERR_FORBIDDEN, "the value of %.64s begins with \"sealed:\"",
                         name);
}

static enum err check_secret(const char *name, const char *value, const struct job_reading *how,
                             struct service_problem *p)
{
    struct fault f = {0};
    enum err err = check_clear(name, value, p);
    if (err)
        return err;
    if (!how->secrets)
        return refuse_header(p, name, ERR_UNSUPPORTED, "%s", SECRET_NO_KEY);
    if (strcasecmp(name, "Host") == 0)
        return refuse_header(p, name, ERR_UNSUPPORTED, "Host cannot be a secret");
    err = header_check(name, value, &f);
    if (err)
        return refuse_header(p, name, err, "%s", f.text);
    if (strlen(value) > SECRET_HEADER_BYTES_MAX)
        return refuse_header(p, name, ERR_LIMIT,
                             "the secret value of %.64s has %zu bytes, the limit is %d", name,
                             strlen(value), SECRET_HEADER_BYTES_MAX);
    return ERR_OK;
}

// --- Values that a job has -----------------------------------------------------------------------

struct lookup {
    const char *name;
    char *value; // A copy; NULL: not found.
};

static void see_header(void *context, const char *name, const char *value)
{
    struct lookup *l = context;
    if (!l->value && strcasecmp(name, l->name) == 0)
        l->value = xstrdup(value);
}

// The caller frees it.
static char *find_value(const struct job *j, const char *name)
{
    struct lookup l = {.name = name};
    if (j)
        service_each_header(j, see_header, &l);
    return l.value;
}

// --- In ------------------------------------------------------------------------------------------

bool header_is_to_be_sealed(const struct job_reading *how, const char *name)
{
    for (size_t i = 0; how->secrets && i < COUNT_OF(credentials); i++)
        if (strcasecmp(name, credentials[i]) == 0)
            return true;
    return false;
}

enum err header_decode(const char *name, const char *value, struct job *j, struct problem *p)
{
    enum err err = check_clear(name, value, &p->what);
    return err ? err : service_set_header(j, name, value, &p->what);
}

// Whether `sealed` holds this text, under the key with which it would be sealed now. Then it stays,
// so that saying the same again changes nothing; but not when the job moves, since a secret that is
// said again is given for the other server.
static bool holds(const struct secret_ring *r, const char *sealed, const char *text)
{
    char *opened = NULL;
    bool same =
        sealed && secret_is_current(r, sealed, strlen(sealed)) &&
        secret_open(r, sealed, strlen(sealed), SECRET_JOB_HEADER, &opened, NULL) == ERR_OK &&
        strcmp(opened, text) == 0;
    secret_free(opened);
    return same;
}

static enum err set_secret(const char *name, const char *text, const char *before,
                           const struct job_reading *how, struct job *j, struct service_problem *p)
{
    enum err err = check_secret(name, text, how, p);
    if (err)
        return err;
    if (!how->moves && holds(how->secrets, before, text))
        return service_set_header(j, name, before, p);
    char *sealed = secret_seal(how->secrets, text, SECRET_JOB_HEADER);
    err = service_set_header(j, name, sealed, p);
    free(sealed);
    return err;
}

// What the job holds in clear becomes a secret.
static enum err keep_secret(const char *name, const char *before, const struct job_reading *how,
                            struct job *j, struct service_problem *p)
{
    if (how->settles)
        return service_set_header(j, name, KEPT, p);
    if (!before)
        return refuse_unknown(name, p);
    return secret_is_sealed(before) ? service_set_header(j, name, before, p)
                                    : set_secret(name, before, NULL, how, j, p);
}

enum err secret_header_decode(const char *name, const json_t *value, const struct job *before,
                              const struct job_reading *how, struct job *j, struct problem *p)
{
    const json_t *secret = json_is_object(value) ? json_object_get(value, "secret") : value;
    if (json_is_object(value) && json_object_size(value) != 1)
        return refuse_form(name, &p->what);
    char *old = find_value(before, name);
    enum err err;
    if (json_is_string(secret))
        err = set_secret(name, json_string_value(secret), old, how, j, &p->what);
    else if (json_is_true(secret))
        err = keep_secret(name, old, how, j, &p->what);
    else
        err = refuse_form(name, &p->what);
    free(old);
    return err;
}

enum err secret_headers_seal(const struct job_reading *how, struct job *j,
                             struct service_problem *p)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(credentials) && !err; i++) {
        char *value =
            header_is_to_be_sealed(how, credentials[i]) ? find_value(j, credentials[i]) : NULL;
        if (value && !secret_is_sealed(value))
            err = set_secret(credentials[i], value, NULL, how, j, p);
        secret_free(value);
    }
    return err;
}

// --- Again ---------------------------------------------------------------------------------------

// The first header whose value is sealed with another key than the first.
struct outdated {
    const struct secret_ring *secrets;
    char *name;
    char *value;
};

static void see_outdated(void *context, const char *name, const char *value)
{
    struct outdated *o = context;
    if (o->name || !secret_is_sealed(value) || secret_is_current(o->secrets, value, strlen(value)))
        return;
    o->name = xstrdup(name);
    o->value = xstrdup(value);
}

static enum err renew(const struct outdated *o, struct job *j, struct service_problem *p)
{
    struct fault f = {0};
    char *text = NULL;
    enum err err =
        secret_open(o->secrets, o->value, strlen(o->value), SECRET_JOB_HEADER, &text, &f);
    if (err)
        return refuse_header(p, o->name, err, "the secret header %.64s cannot be opened: %s",
                             o->name, f.text);
    char *sealed = secret_seal(o->secrets, text, SECRET_JOB_HEADER);
    err = service_set_header(j, o->name, sealed, p);
    free(sealed);
    secret_free(text);
    return err;
}

enum err secret_headers_renew(const struct job_reading *how, struct job *j,
                              struct service_problem *p)
{
    enum err err = secret_headers_seal(how, j, p);
    while (!err) {
        struct outdated o = {.secrets = how->secrets};
        service_each_header(j, see_outdated, &o);
        if (!o.name)
            break;
        err = renew(&o, j, p);
        free(o.name);
        free(o.value);
    }
    return err;
}

// --- Out -----------------------------------------------------------------------------------------

json_t *json_header_value(const char *value)
{
    return secret_is_sealed(value) ? json_pack("{s:b}", "secret", 1) : json_text(value);
}

// --- Once the job is known -----------------------------------------------------------------------

// The first header with the value KEPT.
static void see_kept(void *context, const char *name, const char *value)
{
    char **found = context;
    if (!*found && strcmp(value, KEPT) == 0)
        *found = xstrdup(name);
}

enum err secret_headers_settle(struct job *j, const struct job *before, struct service_problem *p)
{
    enum err err = ERR_OK;
    while (!err) {
        char *name = NULL;
        service_each_header(j, see_kept, &name);
        if (!name)
            break;
        char *value = find_value(before, name);
        err = value && secret_is_sealed(value) ? service_set_header(j, name, value, p)
                                               : refuse_unknown(name, p);
        free(value);
        free(name);
    }
    if (!err)
        err = signing_settle(j, before, p);
    return err ? err : oauth_settle(j, before, p);
}

bool api_is_same_server(const char *a, const char *b)
{
    struct url first = {0}, second = {0};
    char *accepted = NULL;
    if (!b || url_accept(b, &accepted, NULL))
        return true;
    enum err err = url_read(accepted, &second, NULL);
    free(accepted);
    return !err && a && url_read(a, &first, NULL) == ERR_OK &&
           strcmp(first.host, second.host) == 0 && first.port == second.port &&
           first.https == second.https;
}

struct kept {
    const struct job *before;
    char *name; // A header whose secret is the same as before; NULL: none is.
};

static void see_secret(void *context, const char *name, const char *value)
{
    struct kept *k = context;
    if (k->name || !secret_is_sealed(value))
        return;
    char *old = find_value(k->before, name);
    if (old && strcmp(old, value) == 0)
        k->name = xstrdup(name);
    free(old);
}

enum err secret_headers_check_target(const struct job *before, const struct job *j,
                                     struct service_problem *p)
{
    struct kept k = {.before = before};
    if (api_is_same_server(before->api, j->api))
        return ERR_OK;
    service_each_header(j, see_secret, &k);
    if (!k.name)
        return oauth_check_target(before, j, p);
    enum err err = refuse_header(p, k.name, ERR_FORBIDDEN,
                                 "the secret value of %.64s was given for another server than that "
                                 "of api; send it again",
                                 k.name);
    free(k.name);
    return err;
}
