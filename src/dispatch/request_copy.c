// SPDX-License-Identifier: MIT
// request_copy.c: a request that has its texts itself, for an attempt that goes on after the call
// that brought it.

#include "dispatch/request_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

// Every text of a request.
static const size_t texts[] = {
    offsetof(struct request, api),
    offsetof(struct request, headers),
    offsetof(struct request, body),
    offsetof(struct request, signing),
    offsetof(struct request, oauth),
    offsetof(struct request, bearer),
    offsetof(struct request, tls_ca),
    offsetof(struct request, origin),
    offsetof(struct request, callback),
    offsetof(struct request, tls_client_cert),
    offsetof(struct request, tls_client_key),
    offsetof(struct request, success_body),
    offsetof(struct request, failure_body),
};

static char **text_at(struct request *r, size_t offset)
{
    return (char **)(void *)((char *)r + offset);
}

void request_copy(struct request *to, const struct request *from)
{
    *to = *from;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *text_at(to, texts[i]) = xstrdup(*text_at(to, texts[i]));
}

void request_drop_bearer(struct request *copy)
{
    char *bearer = *text_at(copy, offsetof(struct request, bearer));
    if (bearer)
        OPENSSL_cleanse(bearer, strlen(bearer));
    free(bearer);
    copy->bearer = NULL;
}

void request_copy_fini(struct request *copy)
{
    request_drop_bearer(copy);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        free(*text_at(copy, texts[i]));
        *text_at(copy, texts[i]) = NULL;
    }
}
