// SPDX-License-Identifier: MIT
// check_url.c: the URL of a job: read, and judged by the addresses and ports that may be called.
//
// A host that is an address is judged here; what a name resolves to is judged at each attempt.

#include "secrets/oauth.h"
#include "service/service_priv.h"

#include <string.h>

// The job keeps its URL as it is sent: percent-encoded.
static enum err accept_url(struct job *j, struct url *u, struct service_problem *p)
{
    struct fault f = {0};
    char *api;
    enum err err = url_accept_parsed(j->api, &api, u, &f);
    if (err)
        return service_refuse(p, err, PROBLEM_URL, "api", "%s", f.text);
    free(j->api);
    j->api = api;
    return ERR_OK;
}

static enum err refuse_port(const char *member, uint16_t port, struct service_problem *p)
{
    const char *protocol = port_protocol(port);
    return service_refuse(p, ERR_FORBIDDEN, PROBLEM_TARGET, member,
                          "port %u%s%s%s is one that deny_ports denies", (unsigned)port,
                          protocol ? ", of " : "", protocol ? protocol : "", protocol ? "," : "");
}

static enum err check_target(const char *member, const struct url *u, bool any_port,
                             const struct address_policy *targets, struct service_problem *p)
{
    union address a;
    char reason[ADDRESS_REASON_BYTES];
    if (!any_port && !address_policy_allows_port(targets, u->port))
        return refuse_port(member, u->port, p);
    if (!u->is_address || !address_read(u->host, &a) ||
        address_policy_allows(targets, &a.any, u->port))
        return ERR_OK;
    address_policy_reason(targets, &a.any, u->port, reason);
    return service_refuse(p, ERR_FORBIDDEN, PROBLEM_TARGET, member, "%.64s is %s", u->host, reason);
}

enum err service__check_url(struct job *j, const struct job_check *c, struct url *out,
                            struct service_problem *p)
{
    enum err err = accept_url(j, out, p);
    bool is_touched = !c->before || strcmp(j->api, c->before->api) != 0;
    return err || !is_touched ? err : check_target("api", out, false, c->targets, p);
}

// What somebody has edited is no text that the API has written; an attempt says so.
enum err service__check_token_url(const struct job *j, const struct job_check *c,
                                  struct service_problem *p)
{
    struct oauth_client client;
    struct url u;
    bool is_touched = !c->before || !c->before->oauth || strcmp(j->oauth, c->before->oauth) != 0;
    if (!is_touched || oauth_read(j->oauth, &client, NULL))
        return ERR_OK;
    enum err err = url_read(client.token_url, &u, NULL)
                       ? ERR_OK
                       : check_target("oauth", &u, false, c->targets, p);
    oauth_fini(&client);
    if (err)
        service_problem_within(p, "token_url");
    return err;
}

enum err service_check_target(const struct service *s, const char *member, const char *url,
                              bool any_port, struct service_problem *p)
{
    struct url u;
    struct fault f = {0};
    enum err err = url_read(url, &u, &f);
    if (err)
        return service_refuse(p, err, PROBLEM_URL, member, "%s", f.text);
    return check_target(member, &u, any_port, s->targets, p);
}
