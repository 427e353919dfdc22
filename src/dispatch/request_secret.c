// SPDX-License-Identifier: MIT
// request_secret.c: what the job holds sealed, opened right before it is needed: values of headers,
// and keys that sign the request (secrets/signing.h).

#include "dispatch/request_priv.h"

#include "secrets/signing.h"

#include <string.h>

// Where the value begins; NULL: the line has none.
static const char *value_of(const char *line, size_t bytes)
{
    const char *colon = memchr(line, ':', bytes);
    const char *end = line + bytes;
    const char *value = colon ? colon + 1 : end;
    while (value < end && *value == ' ')
        value++;
    return value < end ? value : NULL;
}

bool request_line_is_sealed(const char *line, size_t bytes)
{
    const char *value = value_of(line, bytes);
    return value && *value == 's' && secret_is_sealed(value);
}

enum err request_open_line(struct request_text *t, const char *line, size_t bytes,
                           const struct secret_ring *secrets, struct fault *f)
{
    const char *value = value_of(line, bytes);
    struct fault why = {0};
    char *opened = NULL;
    size_t before = (size_t)(value - line);
    enum err err = secret_open(secrets, value, bytes - before, SECRET_JOB_HEADER, &opened, &why);
    if (err)
        return fault_set(f, err, "the secret header %.*s cannot be opened: %s",
                         (int)MIN(strcspn(line, ":"), 64u), line, why.text);
    request_text_add(t, line, before);
    request_text_say(t, opened);
    request_text_add(t, "\r\n", 2);
    secret_free(opened);
    return ERR_OK;
}

// --- Signatures ----------------------------------------------------------------------------------

static enum err add_signature(struct request_parts *parts, const struct signing_key *k,
                              const struct secret_ring *secrets, struct fault *f)
{
    char signature[SIGNING_SIGNATURE_CHARS], *secret = NULL;
    enum err err = signing_open(secrets, k, &secret, f);
    if (err)
        return err;
    signing_sign(secret, parts->signed_text.bytes, parts->signed_text.count, signature);
    secret_free(secret);
    request_text_say(&parts->headers, " ");
    request_text_say(&parts->headers, signature);
    return ERR_OK;
}

enum err request_sign(struct request_parts *parts, const char *signing, const char *id, int64_t at,
                      const struct secret_ring *secrets, struct fault *f)
{
    struct request_text *text = &parts->signed_text;
    text->count = 0;
    request_text_say(text, id);
    request_text_say(text, ".");
    request_text_number(text, at);
    request_text_say(text, ".");
    request_text_add(text, parts->body.bytes, parts->body.count);
    request_text_say(&parts->headers, "webhook-signature:");
    enum err err = ERR_OK;
    for (size_t i = 0; *signing && i < SIGNING_KEYS_MAX && !err; i++) {
        struct signing_key k;
        err = signing_read(&signing, &k, f);
        if (!err)
            err = add_signature(parts, &k, secrets, f);
    }
    request_text_say(&parts->headers, "\r\n");
    return err;
}
