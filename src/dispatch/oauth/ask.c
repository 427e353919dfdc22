// SPDX-License-Identifier: MIT
// ask.c: the request for a token (RFC 6749, 4.4.2), and what tells one token from another.

#include "dispatch/oauth/oauth_priv.h"

#include "base/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum err asking__read(struct oauth_asking *a, const struct request *r,
                      const struct secret_ring *secrets, struct fault *f)
{
    *a = (struct oauth_asking){.request = r};
    enum err err = oauth_read(r->oauth, &a->client, f);
    return err ? err : oauth_open(secrets, &a->client, &a->secret, f);
}

void asking__fini(struct oauth_asking *a)
{
    oauth_fini(&a->client);
    secret_free(a->secret);
    a->secret = NULL;
}

// --- The key -------------------------------------------------------------------------------------

// With its length, so that no two lists of texts are one text.
static void add_part(struct request_text *t, const char *part)
{
    request_text_number(t, part ? (int64_t)strlen(part) : -1);
    request_text_say(t, ":");
    request_text_say(t, part ? part : "");
}

void asking__key(const struct oauth_asking *a, char out[static OAUTH_KEY_BYTES])
{
    const struct oauth_client *c = &a->client;
    const char *const parts[] = {c->token_url, c->client_id, a->secret,         c->scope,
                                 c->audience,  c->auth,      a->request->tls_ca};
    struct request_text t = {0};
    uint8_t digest[EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        add_part(&t, parts[i]);
    request_text_number(&t, a->request->tls_verify);
    EVP_Digest(t.bytes, t.count, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < (OAUTH_KEY_BYTES - 1) / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    request_text_wipe(&t);
    free(t.bytes);
}

// --- The request ---------------------------------------------------------------------------------

// application/x-www-form-urlencoded, of printable ASCII.
static void add_form(struct request_text *t, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._*";
    for (char escaped[4]; *text; text++) {
        if (strchr(plain, *text))
            request_text_add(t, text, 1);
        else if (*text == ' ')
            request_text_add(t, "+", 1);
        else if (snprintf(escaped, sizeof escaped, "%%%02X", (unsigned char)*text) == 3)
            request_text_add(t, escaped, 3);
    }
}

static void add_field(struct request_text *t, const char *name, const char *value)
{
    if (!value)
        return;
    request_text_say(t, t->count ? "&" : "");
    request_text_say(t, name);
    request_text_say(t, "=");
    add_form(t, value);
}

// RFC 6749, 2.3.1: both are encoded as in a form before they become a user and a password.
static void add_basic(struct request_text *t, const struct oauth_asking *a)
{
    struct request_text user = {0};
    add_form(&user, a->client.client_id);
    request_text_say(&user, ":");
    add_form(&user, a->secret);
    size_t chars = BASE64_CHARS(user.count);
    char *text = xmalloc(chars + 1);
    base64_write(user.bytes, user.count, text);
    request_text_say(t, "Authorization: Basic ");
    request_text_add(t, text, chars);
    request_text_say(t, "\n");
    secret_free(text);
    request_text_wipe(&user);
    free(user.bytes);
}

void asking__write(const struct oauth_asking *a, struct request_text *headers,
                   struct request_text *body)
{
    const struct oauth_client *c = &a->client;
    request_text_say(headers, "Content-Type: application/x-www-form-urlencoded\n"
                              "Accept: application/json\n");
    add_field(body, "grant_type", "client_credentials");
    add_field(body, "scope", c->scope);
    add_field(body, "audience", c->audience);
    if (oauth_auth_of(c) == OAUTH_BASIC) {
        add_basic(headers, a);
        return;
    }
    add_field(body, "client_id", c->client_id);
    add_field(body, "client_secret", a->secret);
}
