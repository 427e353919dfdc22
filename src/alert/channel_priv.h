// SPDX-License-Identifier: MIT
// channel_priv.h: what the forms of the channels share.

#ifndef CARILLON_ALERT_CHANNEL_PRIV_H
#define CARILLON_ALERT_CHANNEL_PRIV_H

#include "alert/channel_form.h"
#include "alert/prose_priv.h"

#include "base/ascii.h"

// A setting that is a text: what is given, else its default, else NULL.
const char *channel__setting(enum channel_kind kind, const json_t *settings, const char *name);

// Never empty.
const char *channel__title(const struct notice *n);

// What people read below the title: the text, and the items if there are several.
void channel__say_body(struct prose *p, const struct notice *n);

void channel__form_mail(const json_t *settings, const struct notice *n, struct mail_message *out);

#endif
