// SPDX-License-Identifier: MIT
// trust.c: the certificates that a job trusts beside the server's own, kept once for all jobs that
// name the same.
//
// Connections and TLS sessions belong to a target, and a target to one trust, so what was opened
// for a job that trusts more, or asks for no proof at all, is never used by another (pool.c).

#include "dispatch/wire/wire_priv.h"

#include "base/certificates.h"

#include <assert.h>
#include <openssl/x509_vfy.h>
#include <string.h>

struct trust *trust__take(struct wire *w, const char *pem)
{
    struct trust *t = (struct trust *)table__find(&w->trusts, pem);
    if (!t) {
        X509_STORE *store = X509_STORE_new();
        assert(store); // Only memory can be missing, and then the x-functions stop us as well.
        if (certificates_add(pem, store, NULL)) {
            X509_STORE_free(store);
            return NULL;
        }
        t = xcalloc(1, sizeof *t);
        t->pem = xstrdup(pem);
        t->entry.key = t->pem;
        t->store = store;
        t->number = ++w->trust_last;
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
        table__add(&w->trusts, &t->entry);
    }
    t->uses++;
    return t;
}

void trust__release(struct wire *w, struct trust *t)
{
    assert(!t || t->uses > 0);
    if (!t || --t->uses > 0)
        return;
    table__remove(&w->trusts, &t->entry);
    X509_STORE_free(t->store);
    free(t->pem);
    free(t);
}

// --- Verification --------------------------------------------------------------------------------

// Verifies what `usual` is about, by the certificates of `t` alone. *error is why it failed.
static bool verifies(struct trust *t, X509_STORE_CTX *usual, int *error)
{
    X509_STORE_CTX *own = X509_STORE_CTX_new();
    assert(own);
    int good =
        X509_STORE_CTX_init(own, t->store, X509_STORE_CTX_get0_cert(usual),
                            X509_STORE_CTX_get0_untrusted(usual)) &&
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(own), X509_STORE_CTX_get0_param(usual));
    assert(good);
    good = X509_verify_cert(own) == 1;
    *error = X509_STORE_CTX_get_error(own);
    X509_STORE_CTX_free(own);
    return good;
}

// Whether an error says no more than that nobody vouches for the certificate.
static bool is_unknown_issuer(int error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

int trust__verify(struct trust *t, X509_STORE_CTX *usual)
{
    int error = X509_V_OK;
    if (t && verifies(t, usual, &error)) {
        X509_STORE_CTX_set_error(usual, X509_V_OK);
        return 1;
    }
    int good = X509_verify_cert(usual);
    if (good != 1 && t && !is_unknown_issuer(error))
        X509_STORE_CTX_set_error(usual, error);
    return good;
}
