// SPDX-License-Identifier: MIT
// admin.c: what only an operator asks for.

#include "api/api_priv.h"

static void accepted(struct api_request *r, const struct service_result *result)
{
    (void)result;
    answer_nothing(r, 204);
}

enum err handle_accept_clock(struct api_request *r, struct problem *p)
{
    r->succeed = accepted;
    return service_accept_clock(r->api->service, &r->actor, change_done, r, &p->what);
}
