// SPDX-License-Identifier: MIT
// callback.c: a request leaves, with the URL by which its target may say later how it ended.
//
// The core does not know secrets and says only that there is to be a URL.

#include "base/callback.h"

#include "engine/engine_priv.h"

#include <openssl/crypto.h>

void engine__send(struct engine *e, struct send *s)
{
    char url[CALLBACK_URL_BYTES], id[EXECUTION_ID_BYTES];
    bool has_callback = s->request.wants_callback && e->callback_key;
    engine__trace_send(s);
    if (has_callback) {
        execution_id_format(&s->request.key, id);
        callback_url(url, e->callback_base, e->callback_key, id, s->request.attempt);
        s->request.callback = url;
    }
    dispatch_send(e->dispatch, s); // Copies what it needs.
    s->request.callback = NULL;
    if (has_callback)
        OPENSSL_cleanse(url, sizeof url);
}
