// SPDX-License-Identifier: MIT
// index.c: the answer to somebody who asks for nothing in particular: what this is, and its routes.
//
// A browser gets a page with links, everybody else JSON.

#include "api/api_priv.h"
#include "base/stream.h"

#include <string.h>

#define ABOUT                                                                                      \
    "Carillon calls URLs on schedules, tries again when they fail, and keeps a record of every "   \
    "call that was due. This is its HTTP API: a schedule and a URL, posted to /jobs, make a job."

static bool wants_page(const struct api_request *r)
{
    const char *accept = exchange_header(r->exchange, "Accept");
    return accept && strstr(accept, "text/html");
}

static bool is_link(const struct route *route)
{
    return strcmp(route->method, "GET") == 0 && !strchr(route->pattern, ':');
}

static void write_route(FILE *out, const struct route *route)
{
    if (is_link(route))
        fprintf(out, "<li>GET <a href=\"%s\">%s</a>\n", route->pattern, route->pattern);
    else
        fprintf(out, "<li>%s %s\n", route->method, route->pattern);
}

static void answer_page(struct api_request *r)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = stream_open(&text, &bytes);
    fprintf(out,
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Carillon</title>\n"
            "<h1>Carillon %s</h1>\n<p>" ABOUT "</p>\n<ul>\n",
            r->api->version);
    for (size_t i = 0; i < route_count; i++)
        write_route(out, &routes[i]);
    fputs("</ul>\n</html>\n", out);
    stream_close(out);
    exchange_add_header(r->exchange, "Content-Security-Policy",
                        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    answer_text(r, 200, "text/html; charset=utf-8", text, bytes);
}

enum err handle_index(struct api_request *r, struct problem *p)
{
    (void)p;
    if (wants_page(r)) {
        answer_page(r);
        return ERR_OK;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < route_count; i++)
        json_array_append_new(list, json_sprintf("%s %s", routes[i].method, routes[i].pattern));
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string("carillon"));
    json_object_set_new(o, "version", json_string(r->api->version));
    json_object_set_new(o, "about", json_string(ABOUT));
    json_object_set_new(o, "routes", list);
    answer_json(r, 200, o);
    return ERR_OK;
}
