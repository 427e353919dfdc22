// SPDX-License-Identifier: MIT
// allowance.c: how many requests a client may send, and how many executions a token may cause.
//
// Every request counts against its token and its address. A request that carries something out asks
// first whether its token may cause one more execution, and says afterwards how many it has caused
// in all.

#include "api/api_priv.h"

#include <stdio.h>

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

// As draft-ietf-httpapi-ratelimit-headers has them.
static void add_rate(struct api_request *r, const struct access_rate *left)
{
    char text[96];
    if (!left->name)
        return;
    snprintf(text, sizeof text, "\"%s\";q=%u;w=%u", left->name, left->quota, left->window_s);
    exchange_add_header(r->exchange, "RateLimit-Policy", text);
    snprintf(text, sizeof text, "\"%s\";r=%u;t=%u", left->name, left->remaining, left->reset_s);
    exchange_add_header(r->exchange, "RateLimit", text);
}

enum err request_check_rate(struct api_request *r, struct problem *p)
{
    struct access_rate left;
    unsigned retry_after_s = 1;
    bool is_fine =
        access_count(r->api->access, &r->access.caller, r->access.address, &left, &retry_after_s);
    add_rate(r, &left);
    if (is_fine)
        return ERR_OK;
    p->retry_after_s = retry_after_s;
    return refuse(p, ERR_LIMIT, REFUSED_RATE, NULL,
                  "too many requests of this %s: %u a second are allowed", left.name,
                  left.quota / left.window_s);
}
