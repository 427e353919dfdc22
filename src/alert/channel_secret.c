// SPDX-License-Identifier: MIT
// channel_secret.c: the secret settings of a channel: sealed for its row, opened for a message,
// and kept out of what comes back.

#define _GNU_SOURCE // memmem

#include "alert/channel_form.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

char *channel_seal(const struct secret_ring *r, json_t *config, const json_t *secrets)
{
    const char *name;
    json_t *value;
    char *text = json_dumps(secrets, JSON_COMPACT);
    assert(text);
    char *sealed = secret_seal(r, text, SECRET_CHANNEL);
    secret_free(text);
    json_object_foreach((json_t *)(uintptr_t)secrets, name, value)
        json_object_set_new(config, name, json_pack("{s:b}", "secret", 1));
    return sealed;
}

// Adds the members of the object that `text` is.
static enum err add(json_t *all, const char *text, struct fault *f)
{
    json_t *some = json_loads(text, 0, NULL);
    bool is_object = json_is_object(some);
    if (is_object)
        json_object_update(all, some);
    json_decref(some);
    return is_object ? ERR_OK : fault_set(f, ERR_SYNTAX, "the settings of the channel are damaged");
}

// What is secret comes last, in the place of its mark.
enum err channel_open(const struct secret_ring *r, const struct channel *c, json_t **out,
                      struct fault *f)
{
    json_t *all = json_object();
    char *secrets = NULL;
    enum err err = add(all, c->config, f);
    if (!err && c->secrets)
        err = secret_open(r, c->secrets, strlen(c->secrets), SECRET_CHANNEL, &secrets, f);
    if (!err && secrets)
        err = add(all, secrets, f);
    secret_free(secrets);
    if (err)
        json_decref(all);
    else
        *out = all;
    return err;
}

// --- What comes back -------------------------------------------------------------------------

#define SECRET_BYTES_MIN 4 // What is shorter is hidden by nothing, and hides too much.
#define PIECE_BYTES_MIN 9

static void cover(char *text, const char *piece, size_t bytes)
{
    for (char *at = text; (at = memmem(at, strlen(at), piece, bytes)); at += bytes)
        memset(at, '*', bytes);
}

// The whole, and what somebody may take out of it: the words of a header, the parts of a path.
static void cover_secret(char *text, const char *secret)
{
    static const char between[] = " /?&=:,;";
    if (strlen(secret) >= SECRET_BYTES_MIN)
        cover(text, secret, strlen(secret));
    while (*secret) {
        size_t bytes = strcspn(secret, between);
        if (bytes >= PIECE_BYTES_MIN)
            cover(text, secret, bytes);
        secret += bytes + strspn(secret + bytes, between);
    }
}

// Where a URL leads is no secret, but for its path.
static const char *hidden_part(const struct channel_member *m, const char *value)
{
    const char *host = m->form == SETTING_URL ? strstr(value, "://") : NULL;
    return host ? host + 3 + strcspn(host + 3, "/") : value;
}

void channel_conceal(enum channel_kind kind, const json_t *settings, char *text)
{
    size_t count;
    const struct channel_member *m = channel_members(kind, &count);
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(settings, m[i].name), *each;
        const char *name;
        if (m[i].is_secret && json_is_string(value))
            cover_secret(text, hidden_part(&m[i], json_string_value(value)));
        if (m[i].is_secret)
            json_object_foreach(value, name, each)
                cover_secret(text, json_is_string(each) ? json_string_value(each) : "");
    }
}
