// SPDX-License-Identifier: MIT
// follow.c: an answer leads on, and the attempt goes there.
//
// All requests of an attempt have one number, one deadline and one key. The answer on the way is
// read to its end first, so that its connection can be used again, perhaps at once.

#include "dispatch/wire/wire_priv.h"

bool call__leads_on(const struct call *c)
{
    return c->response.head_complete && hops_lead_on(c->hops, c->response.status, &c->location);
}

bool call__follow(struct call *c)
{
    if (!call__leads_on(c) || !hops_follow(c->hops, c->response.status, &c->location))
        return false;
    call__let_go(c, c->response.reusable);
    target__release(c->owner, c->target);
    call__set_out(c, &c->hops->request);
    return true;
}

void call__forbidden(struct call *c)
{
    char why[ERROR_TEXT_MAX];
    if (!c->hops || c->hops->taken == 0) {
        call__end(c, END_FORBIDDEN);
        return;
    }
    words_forbidden(why, c->owner->targets, &c->dial.forbidden->any, c->target->port,
                    c->target->key + TARGET_ORIGIN);
    hops_step_back(c->hops, why);
    c->location.count = 0;
    request_text_say(&c->location, c->hops->request.api);
    c->turned_back = true;
    call__end(c, END_ANSWERED);
}
