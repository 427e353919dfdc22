// SPDX-License-Identifier: MIT
// json_oauth.c: the OAuth client of a job, as a client of the API says and reads it.
//
// A job holds it as one text (secrets/oauth.h). The client's secret is a text on its way in, and
// true on its way out; true, sent back, keeps the one that the job has.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "secrets/oauth.h"

#include <string.h>

#define MEMBER "oauth"
// Stands for the sealed secret until the job that has it is known. No client can send it.
#define KEPT "sealed:kept"

#define refuse_member(p, name, code, ...)                                                          \
    (service_refuse((p), (code), PROBLEM_FIELD, MEMBER, __VA_ARGS__),                              \
     service_problem_within((p), (name)), (code))

struct reading {
    const struct job_reading *how;
    struct oauth_client before; // What the job has; empty when that is nothing.
    struct oauth_client client; // What it gets.
    struct service_problem *problem;
};

// What somebody has edited is nothing.
static void read_text(const char *text, struct oauth_client *out)
{
    *out = (struct oauth_client){0};
    if (text && oauth_read(text, out, NULL))
        *out = (struct oauth_client){0};
}

static bool is_secret(const struct oauth_member *m)
{
    return m->offset == offsetof(struct oauth_client, client_secret);
}

// --- The secret ----------------------------------------------------------------------------------

// The token server is told the secret: whoever may change a job must not get to send it elsewhere.
static enum err keep_secret(struct oauth_client *c, const struct oauth_client *before,
                            struct service_problem *p)
{
    if (!before->client_secret)
        return refuse_member(p, "client_secret", ERR_NOT_FOUND,
                             "nobody has said what the client_secret is; send it as a string");
    if (!api_is_same_server(before->token_url, c->token_url))
        return refuse_member(p, "client_secret", ERR_FORBIDDEN,
                             "the client_secret was given for another server than that of "
                             "token_url; send it again");
    job_set_text(&c->client_secret, before->client_secret);
    return ERR_OK;
}

// Sealed anew also when the job has this very secret: it is given for where the job now goes.
static enum err take_secret(struct reading *r, const char *secret)
{
    const struct secret_ring *ring = r->how->secrets;
    if (!ring)
        return refuse_member(r->problem, "client_secret", ERR_UNSUPPORTED, "%s", SECRET_NO_KEY);
    char *sealed = oauth_seal(ring, secret);
    job_set_text(&r->client.client_secret, sealed);
    free(sealed);
    return ERR_OK;
}

// --- In ------------------------------------------------------------------------------------------

static enum err refuse_kind(struct reading *r, const struct oauth_member *m)
{
    return refuse_member(r->problem, m->name, ERR_SYNTAX,
                         is_secret(m) ? "it must be a string, or true for the one that the job has"
                                      : "it must be a string");
}

static enum err read_member(struct reading *r, const struct oauth_member *m, const json_t *value)
{
    const char *text = json_string_value(value);
    struct fault f = {0};
    if (json_is_null(value)) {
        job_set_text(oauth_member_at(m, &r->client), NULL);
        return ERR_OK;
    }
    if (is_secret(m) && json_is_true(value)) {
        job_set_text(&r->client.client_secret, KEPT);
        return ERR_OK;
    }
    if (!text)
        return refuse_kind(r, m);
    enum err err = oauth_check(m, text, &f);
    if (err)
        return refuse_member(r->problem, m->name, err, "%s", f.text);
    if (is_secret(m))
        return take_secret(r, text);
    job_set_text(oauth_member_at(m, &r->client), text);
    return ERR_OK;
}

static const struct oauth_member *find_member(const char *name)
{
    for (size_t i = 0; i < OAUTH_MEMBERS; i++)
        if (strcmp(oauth_members[i].name, name) == 0)
            return &oauth_members[i];
    return NULL;
}

static enum err read_members(struct reading *r, const json_t *object)
{
    enum err err = ERR_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        const struct oauth_member *m = find_member(name);
        if (!m)
            err = refuse_member(r->problem, name, ERR_SYNTAX,
                                "oauth has no member %.64s; it has token_url, client_id, "
                                "client_secret, scope, audience and auth",
                                name);
        else
            err = read_member(r, m, value);
        if (err)
            return err;
    }
    return ERR_OK;
}

// The job keeps its URLs as they are sent: percent-encoded.
static enum err accept_url(struct reading *r)
{
    struct fault f = {0};
    char *url = NULL;
    enum err err = url_accept(r->client.token_url, &url, &f);
    if (err)
        return refuse_member(r->problem, "token_url", err, "%s", f.text);
    job_set_text(&r->client.token_url, url);
    free(url);
    return ERR_OK;
}

// What is not said, and can be known.
static enum err complete(struct reading *r)
{
    struct oauth_client *c = &r->client;
    if (!c->auth)
        c->auth = xstrdup(oauth_auth_name(OAUTH_BASIC));
    for (size_t i = 0; i < OAUTH_MEMBERS; i++)
        if (oauth_members[i].is_required && !*oauth_member_at(&oauth_members[i], c))
            return refuse_member(r->problem, oauth_members[i].name, ERR_SYNTAX, "%s is required",
                                 oauth_members[i].name);
    return accept_url(r);
}

static bool is_kept(const struct oauth_client *c)
{
    return strcmp(c->client_secret, KEPT) == 0;
}

// A merge without a secret goes on with that of the job, which may only go where it went.
static enum err settle_secret(struct reading *r)
{
    struct oauth_client *c = &r->client, *before = &r->before;
    if (is_kept(c) && r->how->settles)
        return ERR_OK;
    return is_kept(c) ? keep_secret(c, before, r->problem) : ERR_OK;
}

static enum err read_object(struct reading *r, const json_t *value)
{
    if (!json_is_object(value))
        return service_refuse(r->problem, ERR_SYNTAX, PROBLEM_FIELD, MEMBER,
                              "oauth must be an object with token_url, client_id and "
                              "client_secret");
    if (r->how->how == JOB_MERGE && r->before.token_url)
        for (size_t i = 0; i < OAUTH_MEMBERS; i++)
            job_set_text(oauth_member_at(&oauth_members[i], &r->client),
                         is_secret(&oauth_members[i])
                             ? KEPT
                             : *oauth_member_at(&oauth_members[i], &r->before));
    enum err err = read_members(r, value);
    if (!err)
        err = complete(r);
    return err ? err : settle_secret(r);
}

static void set_text(struct job *j, const struct oauth_client *c)
{
    char *text = oauth_write(c);
    job_set_text(&j->oauth, text);
    free(text);
}

enum err oauth_decode(const struct job_member *m, const json_t *value,
                      const struct job_reading *how, struct job *j, struct problem *p)
{
    struct reading r = {.how = how, .problem = &p->what};
    (void)m;
    read_text(j->oauth, &r.before);
    enum err err = read_object(&r, value);
    if (!err)
        set_text(j, &r.client);
    oauth_fini(&r.before);
    oauth_fini(&r.client);
    return err;
}

// --- Out -----------------------------------------------------------------------------------------

json_t *oauth_encode(const struct job_member *m, const struct job *j)
{
    struct oauth_client c;
    (void)m;
    read_text(j->oauth, &c);
    if (!c.token_url)
        return json_null();
    json_t *o = json_object();
    for (size_t i = 0; i < OAUTH_MEMBERS; i++) {
        const struct oauth_member *each = &oauth_members[i];
        json_object_set_new(o, each->name,
                            is_secret(each) ? json_true() : json_text(*oauth_member_at(each, &c)));
    }
    oauth_fini(&c);
    return o;
}

// --- Once the job is known -----------------------------------------------------------------------

enum err oauth_settle(struct job *j, const struct job *before, struct service_problem *p)
{
    struct oauth_client c, old;
    enum err err = ERR_OK;
    read_text(j->oauth, &c);
    read_text(before ? before->oauth : NULL, &old);
    if (c.client_secret && is_kept(&c)) {
        err = keep_secret(&c, &old, p);
        if (!err)
            set_text(j, &c);
    }
    oauth_fini(&c);
    oauth_fini(&old);
    return err;
}

enum err oauth_check_target(const struct job *before, const struct job *j,
                            struct service_problem *p)
{
    struct oauth_client c, old;
    read_text(j->oauth, &c);
    read_text(before->oauth, &old);
    bool is_same_secret =
        c.client_secret && old.client_secret && strcmp(c.client_secret, old.client_secret) == 0;
    oauth_fini(&c);
    oauth_fini(&old);
    if (!is_same_secret || api_is_same_server(before->api, j->api))
        return ERR_OK;
    return refuse_member(p, "client_secret", ERR_FORBIDDEN,
                         "the client_secret was given for tokens of another server than that of "
                         "api; send it again");
}

// --- Again ---------------------------------------------------------------------------------------

bool oauth_has_old_key(const struct secret_ring *secrets, const struct job *j)
{
    struct oauth_client c;
    read_text(j->oauth, &c);
    bool is_old =
        c.client_secret && !secret_is_current(secrets, c.client_secret, strlen(c.client_secret));
    oauth_fini(&c);
    return is_old;
}

enum err oauth_renew(const struct secret_ring *secrets, struct job *j, struct service_problem *p)
{
    struct oauth_client c;
    struct fault f = {0};
    char *secret = NULL;
    if (!oauth_has_old_key(secrets, j))
        return ERR_OK;
    read_text(j->oauth, &c);
    enum err err = oauth_open(secrets, &c, &secret, &f);
    if (err) {
        err = refuse_member(p, "client_secret", err, "%s", f.text);
    } else {
        free(c.client_secret);
        c.client_secret = oauth_seal(secrets, secret);
        set_text(j, &c);
    }
    secret_free(secret);
    oauth_fini(&c);
    return err;
}
