// SPDX-License-Identifier: MIT
// router.c: finds the route of a request: by its path first, then by its method.

#include "api/api_priv.h"
#include "api/page_priv.h"
#include "base/near.h"

#include <stdio.h>
#include <string.h>

// The next segment of a pattern, without its "/". False at the end.
static bool next_segment(const char **pattern, const char **segment, size_t *bytes)
{
    if (**pattern != '/' || !(*pattern)[1])
        return false;
    *segment = *pattern + 1;
    *bytes = strcspn(*segment, "/");
    *pattern = *segment + *bytes;
    return true;
}

// A "/" at the end makes no difference, as clients of the seed's framework expect.
static size_t count_segments(const struct exchange *x)
{
    size_t count = exchange_segments(x);
    return count > 1 && !*exchange_segment(x, count - 1) ? count - 1 : count;
}

bool route_matches(const char *pattern, const struct exchange *x)
{
    size_t count = count_segments(x);
    const char *wanted;
    size_t bytes;
    for (size_t i = 0; i < count; i++) {
        const char *given = exchange_segment(x, i);
        if (!next_segment(&pattern, &wanted, &bytes))
            return false;
        if (*wanted != ':' && (strlen(given) != bytes || memcmp(given, wanted, bytes) != 0))
            return false;
    }
    return !next_segment(&pattern, &wanted, &bytes);
}

// Reads the ids of the path. One that cannot be an id is as unknown as any other.
static enum err read_ids(struct api_request *r, struct problem *p)
{
    const char *pattern = r->route->pattern;
    const char *wanted;
    size_t bytes;
    for (size_t i = 0; next_segment(&pattern, &wanted, &bytes); i++) {
        const char *given = *wanted == ':' ? exchange_segment(r->exchange, i) : NULL;
        if (!given)
            continue;
        if (strncmp(wanted, ":job", bytes) == 0 && !job_id_parse(given, &r->job))
            return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                          "there is no job '%.64s'; ids of jobs are positive integers", given);
        if (strncmp(wanted, ":execution", bytes) == 0 && !execution_id_parse(given, &r->execution))
            return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                          "there is no execution '%.64s'", given);
        if (strncmp(wanted, ":alert", bytes) == 0 && !job_id_parse(given, &r->alert))
            return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                          "there is no alert '%.64s'; ids of alerts are positive integers", given);
    }
    return ERR_OK;
}

static void allow(struct problem *p, const char *method)
{
    size_t used = strlen(p->allow);
    snprintf(p->allow + used, sizeof p->allow - used, "%s%s%s", used ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static bool is_probe(const struct route *route)
{
    return route->handle == handle_live || route->handle == handle_ready ||
           route->handle == handle_metrics_text;
}

// A node that only works has nothing else that it could answer from.
static enum err check_role(const struct api_request *r, struct problem *p)
{
    const char *role = r->api->probes_only;
    if (!role || is_probe(r->route))
        return ERR_OK;
    return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                  "this node is %s %s, which answers /livez, /readyz and /metrics only; ask an API "
                  "server",
                  strchr("aeiou", *role) ? "an" : "a", role);
}

static bool observes(const struct route *route)
{
    return is_probe(route) || route->handle == handle_health ||
           route->handle == handle_metrics_json;
}

static enum err check_door(const struct api_request *r, struct problem *p)
{
    if (exchange_door(r->exchange) != DOOR_OBSERVE || observes(r->route))
        return ERR_OK;
    return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                  "this is the address to observe the server (--listen-observe), where /livez, "
                  "/readyz, /metrics, /observability/health and /observability/metrics are "
                  "answered; the API is at another one");
}

enum err route_find(struct api_request *r, struct problem *p)
{
    const char *method = exchange_method(r->exchange);
    struct problem other = {0}; // The path exists, but not with this method.
    for (size_t i = 0; i < route_count; i++) {
        if (!route_matches(routes[i].pattern, r->exchange))
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            r->route = &routes[i];
            enum err err = check_door(r, p);
            if (!err)
                err = check_role(r, p);
            return err ? err : read_ids(r, p);
        }
        allow(&other, routes[i].method);
    }
    if (!*other.allow)
        return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                      "there is nothing at this path; GET / lists what there is");
    *p = other;
    return refuse(p, ERR_UNSUPPORTED, REFUSED_METHOD, NULL, "%.16s is not possible here, only %s",
                  method, p->allow);
}

static bool is_among(const char *const *known, const char *name, struct near *n)
{
    for (; known && *known; known++) {
        if (strcmp(*known, name) == 0)
            return true;
        near_see(n, *known);
    }
    return false;
}

// *meant becomes the known name that is most like `name`, or NULL.
static bool is_known(const struct route *route, const char *name, const char **meant)
{
    struct near n = near_to(name);
    if (is_among(route->parameters, name, &n) || is_among(parameters_of_all, name, &n))
        return true;
    *meant = n.best;
    return false;
}

enum err route_check_parameters(const struct api_request *r, struct problem *p)
{
    for (size_t i = 0; i < exchange_parameters(r->exchange); i++) {
        const char *name = exchange_parameter_name(r->exchange, i);
        const char *first, *meant;
        if (!is_known(r->route, name, &meant))
            return refuse_unknown_parameter(p, name, meant);
        if (exchange_parameter(r->exchange, name, &first) > 1)
            return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, name, "%s is given twice", name);
    }
    return ERR_OK;
}
