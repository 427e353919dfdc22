// SPDX-License-Identifier: MIT
// channel_secret.c: the secret settings of a channel: sealed for its row, opened for a message.

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
