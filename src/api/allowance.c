// SPDX-License-Identifier: MIT
// allowance.c: how many executions a token may cause.
//
// A request that carries something out asks first whether its token may cause one more, and says
// afterwards how many it has caused in all.

#include "api/api_priv.h"

enum err request_count_execution(struct api_request *r, struct problem *p)
{
    const struct access_caller *c = &r->access.caller;
    unsigned retry_after_s = 1;
    if (access_count_execution(r->api->access, c, &retry_after_s))
        return ERR_OK;
    p->retry_after_s = retry_after_s;
    return refuse(p, ERR_LIMIT, REFUSED_RATE, NULL,
                  "the token may cause %u execution%s a second (its executions_per_second)",
                  c->executions_per_second, c->executions_per_second == 1 ? "" : "s");
}

// The first is counted already.
void request_charge_executions(struct api_request *r, size_t count)
{
    if (count > 1)
        access_charge_executions(r->api->access, &r->access.caller, count - 1);
}
