// SPDX-License-Identifier: MIT
// secrets.c: the keys that secrets are sealed with, read once at the start.

#include "app/app_priv.h"
#include "base/log.h"

enum err app__open_secrets(struct carillon *c, struct fault *f)
{
    enum err err = secret_ring_open(c->settings.secrets_key, &c->secrets, f);
    if (!err && secret_ring_is_exposed(c->secrets))
        log_warn("file.open_to_others", LOG_TEXT("path", c->settings.secrets_key),
                 LOG_TEXT("detail", "everybody can read the keys of secrets: chmod 600"));
    return err;
}

void app__close_secrets(struct carillon *c)
{
    secret_ring_close(c->secrets);
    c->secrets = NULL;
}
