// SPDX-License-Identifier: MIT
// json_tls_key.c: the private key of a job's client certificate, sealed on its way in and hidden on
// its way out.
//
// The key and the certificate are two members that come in any order, and one may come without the
// other. So each is judged alone when it is read, and both together once all members are.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/certificates.h"
#include "base/client_certificate.h"

#include <assert.h>
#include <string.h>

#define MEMBER "tls_client_key"
// Stands for the key until the job that has it is known. No client can send it.
#define KEPT "sealed:kept"

// --- In ------------------------------------------------------------------------------------------

static enum err refuse_key(struct service_problem *p, enum err err, const char *why)
{
    return service_refuse(p, err, PROBLEM_FIELD, MEMBER, "%s: %s", MEMBER, why);
}

static enum err refuse_unknown(struct service_problem *p)
{
    return refuse_key(p, ERR_NOT_FOUND, "nobody has said what it is; send it as a string");
}

static enum err take(const char *key, const struct secret_ring *secrets, struct job *j,
                     struct service_problem *p)
{
    struct fault f = {0};
    if (!secrets)
        return refuse_key(p, ERR_UNSUPPORTED, SECRET_NO_KEY);
    if (strlen(key) > SECRET_TLS_KEY_BYTES_MAX)
        return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, MEMBER,
                              MEMBER " has %zu bytes; at most %d are allowed", strlen(key),
                              SECRET_TLS_KEY_BYTES_MAX);
    enum err err = private_key_check(key, &f);
    if (err)
        return refuse_key(p, err, f.text);
    char *sealed = secret_seal(secrets, key, SECRET_TLS_KEY);
    assert(strlen(sealed) <= SECRET_TLS_KEY_CHARS_MAX);
    job_set_text(&j->tls_client_key, sealed);
    free(sealed);
    return ERR_OK;
}

static enum err keep(const struct job_reading *how, struct job *j, struct service_problem *p)
{
    if (how->settles)
        job_set_text(&j->tls_client_key, KEPT);
    return j->tls_client_key ? ERR_OK : refuse_unknown(p);
}

enum err tls_key_decode(const struct job_member *m, const json_t *value,
                        const struct job_reading *how, struct job *j, struct problem *p)
{
    const json_t *secret = json_object_get(value, "secret");
    bool is_secret = json_object_size(value) == 1 && secret;
    (void)m;
    if (json_is_string(value) || (is_secret && json_is_string(secret)))
        return take(json_string_value(is_secret ? secret : value), how->secrets, j, &p->what);
    if (is_secret && json_is_true(secret))
        return keep(how, j, &p->what);
    return refuse_key(
        &p->what, ERR_SYNTAX,
        "it must be a private key as a string, or {\"secret\": true} for the one that "
        "the job has");
}

// --- Out -----------------------------------------------------------------------------------------

json_t *tls_key_encode(const struct job_member *m, const struct job *j)
{
    return *job_text_at(m, j) ? json_pack("{s:b}", "secret", 1) : json_null();
}

// --- Once all members are known ------------------------------------------------------------------

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

// The caller gives *out to secret_free.
static enum err open_key(const struct secret_ring *secrets, const char *sealed, char **out,
                         struct fault *f)
{
    return secret_open(secrets, sealed, strlen(sealed), SECRET_TLS_KEY, out, f);
}

// Whether both hold the same key, and `old` as it would be sealed now. Then that stays, so that
// saying the same again changes nothing.
static bool holds_same(const struct secret_ring *secrets, const char *old, const char *sealed)
{
    char *first = NULL, *second = NULL;
    bool same = secrets && secret_is_current(secrets, old, strlen(old)) &&
                open_key(secrets, old, &first, NULL) == ERR_OK &&
                open_key(secrets, sealed, &second, NULL) == ERR_OK && strcmp(first, second) == 0;
    secret_free(first);
    secret_free(second);
    return same;
}

static enum err check_pair(const struct secret_ring *secrets, const struct job *j,
                           struct service_problem *p)
{
    struct fault f = {0};
    char *key = NULL;
    enum err err = open_key(secrets, j->tls_client_key, &key, &f);
    if (!err)
        err = client_certificate_check(j->tls_client_cert, key, &f);
    secret_free(key);
    return err ? refuse_key(p, err, f.text) : ERR_OK;
}

// A client that may change a job must not get to identify as it to a server for which nobody has
// given the key.
static enum err refuse_target(struct service_problem *p)
{
    return refuse_key(p, ERR_FORBIDDEN,
                      "it was given for another server than that of api; send it again");
}

// The service judges whether both are there or neither, and the form of the certificate.
enum err tls_key_settle(const struct secret_ring *secrets, struct job *j, const struct job *before,
                        struct service_problem *p)
{
    const char *old = before ? before->tls_client_key : NULL;
    if (!j->tls_client_key)
        return ERR_OK;
    if (strcmp(j->tls_client_key, KEPT) == 0 && !old)
        return refuse_unknown(p);
    if (strcmp(j->tls_client_key, KEPT) == 0)
        job_set_text(&j->tls_client_key, old);
    bool moves = old && !api_is_same_server(before->api, j->api);
    if (moves && is_same(old, j->tls_client_key))
        return refuse_target(p);
    if (old && !moves && !is_same(old, j->tls_client_key) &&
        holds_same(secrets, old, j->tls_client_key))
        job_set_text(&j->tls_client_key, old);
    bool is_as_before = old && is_same(old, j->tls_client_key) &&
                        is_same(before->tls_client_cert, j->tls_client_cert);
    bool can_be_checked =
        j->tls_client_cert && certificates_add(j->tls_client_cert, NULL, NULL) == ERR_OK;
    return is_as_before || !can_be_checked ? ERR_OK : check_pair(secrets, j, p);
}

// --- Again ---------------------------------------------------------------------------------------

bool tls_key_is_old(const struct secret_ring *secrets, const struct job *j)
{
    const char *sealed = j->tls_client_key;
    return sealed && !secret_is_current(secrets, sealed, strlen(sealed));
}

enum err tls_key_renew(const struct secret_ring *secrets, struct job *j, struct service_problem *p)
{
    struct fault f = {0};
    char *key = NULL;
    if (!tls_key_is_old(secrets, j))
        return ERR_OK;
    enum err err = open_key(secrets, j->tls_client_key, &key, &f);
    if (err)
        return refuse_key(p, err, f.text);
    char *sealed = secret_seal(secrets, key, SECRET_TLS_KEY);
    job_set_text(&j->tls_client_key, sealed);
    free(sealed);
    secret_free(key);
    return ERR_OK;
}
