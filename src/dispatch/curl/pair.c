// SPDX-License-Identifier: MIT
// pair.c: the client certificate that a job shows, and its private key, which is opened for the
// transfer alone.
//
// libcurl keeps connections and sessions with different certificates apart, since it compares them;
// a key is compared by its certificate.

#include "dispatch/curl/curl_priv.h"

#include "base/client_certificate.h"

#include <string.h>

static enum err open_key(struct transfer *t, const struct request *r, struct fault *f)
{
    struct fault why = {0};
    const char *sealed = r->tls_client_key;
    if (!r->tls_client_cert != !sealed)
        return fault_set(f, ERR_UNUSABLE,
                         "the job has only one of tls_client_cert and tls_client_key");
    if (!sealed || !t->https)
        return ERR_OK;
    enum err err =
        secret_open(t->owner->secrets, sealed, strlen(sealed), SECRET_TLS_KEY, &t->key, &why);
    if (err)
        return fault_set(f, err, "tls_client_key cannot be opened: %s", why.text);
    err = client_certificate_check(r->tls_client_cert, t->key, &why);
    return err ? fault_set(f, err, "tls_client_cert cannot be used: %s", why.text) : ERR_OK;
}

enum err curl__pair_open(struct transfer *t, const struct request *r, struct fault *f)
{
    curl__pair_close(t);
    return open_key(t, r, f);
}

CURLcode curl__pair_set(struct transfer *t, const struct request *r)
{
    const char *pem = t->key ? r->tls_client_cert : NULL;
    struct curl_blob certificate = {
        .data = (char *)(uintptr_t)pem, .len = pem ? strlen(pem) : 0, .flags = CURL_BLOB_COPY};
    struct curl_blob key = {
        .data = t->key, .len = t->key ? strlen(t->key) : 0, .flags = CURL_BLOB_NOCOPY};
    CURLcode code = curl_easy_setopt(t->easy, CURLOPT_SSLCERT_BLOB, t->key ? &certificate : NULL);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_SSLKEY_BLOB, t->key ? &key : NULL);
    return code;
}

void curl__pair_close(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_SSLKEY_BLOB, NULL);
    secret_free(t->key);
    t->key = NULL;
}
