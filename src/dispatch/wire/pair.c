// SPDX-License-Identifier: MIT
// pair.c: a job's client certificate and its private key, kept once for all jobs that hold the
// very same.
//
// The key stays sealed here. It is opened for each handshake, and the connection forgets it when
// the handshake is over. Connections and TLS sessions belong to a target, and a target to one pair,
// so what one job has identified itself on is never used by another (pool.c).

#include "dispatch/wire/wire_priv.h"

#include "base/client_certificate.h"

#include <assert.h>
#include <string.h>

// A sealed text has no line ends, so the first one is where the certificate begins.
static char *write_text(const struct request *r)
{
    size_t key = strlen(r->tls_client_key), certificate = strlen(r->tls_client_cert);
    char *text = xmalloc(key + 1 + certificate + 1);
    memcpy(text, r->tls_client_key, key);
    text[key] = '\n';
    memcpy(text + key + 1, r->tls_client_cert, certificate + 1);
    return text;
}

struct client_pair *pair__take(struct wire *w, const struct request *r)
{
    assert(r->tls_client_cert && r->tls_client_key);
    char *text = write_text(r);
    struct client_pair *p = (struct client_pair *)table__find(&w->pairs, text);
    if (p) {
        free(text);
    } else {
        p = xcalloc(1, sizeof *p);
        p->entry.key = p->text = text;
        p->key_chars = strlen(r->tls_client_key);
        p->number = ++w->pair_last;
        table__add(&w->pairs, &p->entry);
    }
    p->uses++;
    return p;
}

void pair__release(struct wire *w, struct client_pair *p)
{
    assert(!p || p->uses > 0);
    if (!p || --p->uses > 0)
        return;
    table__remove(&w->pairs, &p->entry);
    free(p->text);
    free(p);
}

enum err pair__show(const struct client_pair *p, const struct secret_ring *secrets, SSL *ssl,
                    struct fault *f)
{
    struct fault why = {0};
    char *key = NULL;
    enum err err = secret_open(secrets, p->text, p->key_chars, SECRET_TLS_KEY, &key, &why);
    if (err)
        return fault_set(f, err, "tls_client_key cannot be opened: %s", why.text);
    if (client_certificate_use(ssl, p->text + p->key_chars + 1, key, &why))
        err = fault_set(f, why.code, "tls_client_cert cannot be used: %s", why.text);
    secret_free(key);
    return err;
}
