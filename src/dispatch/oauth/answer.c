// SPDX-License-Identifier: MIT
// answer.c: what a token server answers (RFC 6749, 5.1 and 5.2), read strictly.
//
// No message shows anything of the answer: it may hold the token, or what the client has sent.

#include "dispatch/oauth/oauth_priv.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#define STRICT JSON_REJECT_DUPLICATES

// What RFC 6749 (5.2) and RFC 8707 let a server say. A word that is none of these is not repeated.
static const char *const known_errors[] = {
    "invalid_request",        "invalid_client", "invalid_grant", "unauthorized_client",
    "unsupported_grant_type", "invalid_scope",  "invalid_target"};

const char *oauth__error_word(const char *text)
{
    json_t *object = json_loads(text, STRICT, NULL);
    const char *word = json_string_value(json_object_get(object, "error"));
    const char *found = NULL;
    for (size_t i = 0; word && i < COUNT_OF(known_errors) && !found; i++)
        if (strcmp(word, known_errors[i]) == 0)
            found = known_errors[i];
    json_decref(object);
    return found;
}

// What a header can have; RFC 6750 (2.1) allows less, but tokens are made by others.
static bool is_visible(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return bytes > 0;
}

static enum err read_token(const json_t *object, char **out, struct fault *f)
{
    const json_t *value = json_object_get(object, "access_token");
    const char *text = json_string_value(value);
    if (!text)
        return fault_set(f, ERR_SYNTAX, "its access_token is no string");
    size_t bytes = json_string_length(value);
    if (bytes > OAUTH_TOKEN_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "its access_token has more than %d bytes",
                         OAUTH_TOKEN_BYTES_MAX);
    if (!is_visible(text, bytes))
        return fault_set(f, ERR_SYNTAX, "its access_token is not of visible ASCII characters");
    *out = xstrdup(text);
    return ERR_OK;
}

static enum err check_type(const json_t *object, struct fault *f)
{
    const char *type = json_string_value(json_object_get(object, "token_type"));
    return type && strcasecmp(type, "Bearer") == 0
               ? ERR_OK
               : fault_set(f, ERR_UNSUPPORTED, "its token_type is not Bearer");
}

static enum err read_life(const json_t *object, dur_ms *out, struct fault *f)
{
    const json_t *value = json_object_get(object, "expires_in");
    json_int_t seconds = json_integer_value(value);
    if (value && (!json_is_integer(value) || seconds < 1))
        return fault_set(f, ERR_SYNTAX, "its expires_in is no number of seconds above 0");
    *out = value ? MIN(seconds, OAUTH_LIFE_S_MAX) * 1000 : OAUTH_LIFE_S_DEFAULT * 1000;
    return ERR_OK;
}

enum err oauth__read_answer(const char *text, struct oauth_answer *out, struct fault *f)
{
    struct oauth_answer a = {0};
    json_t *object = json_loads(text, STRICT, NULL);
    enum err err = json_is_object(object) ? check_type(object, f)
                                          : fault_set(f, ERR_SYNTAX, "it is no JSON object");
    if (!err)
        err = read_life(object, &a.lives_ms, f);
    if (!err)
        err = read_token(object, &a.token, f);
    if (!err)
        *out = a;
    json_decref(object);
    return err;
}

void oauth__forget_text(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}
