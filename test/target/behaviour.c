// SPDX-License-Identifier: MIT
// behaviour.c: what each path answers. Only its first part chooses, so "/ok/7" is "/ok".

#include "target.h"

#include "base/time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DRIP_MS 100

static const char ok_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void say_ok(struct connection *c)
{
    connection_say(c, ok_answer, sizeof ok_answer - 1 - (c->to_head ? strlen("ok") : 0));
}

static void answer(struct connection *c, int64_t status, struct span body)
{
    char head[128];
    int n =
        snprintf(head, sizeof head, "HTTP/1.1 %" PRId64 " Answer\r\nContent-Length: %zu\r\n\r\n",
                 200 <= status && status <= 999 ? status : 400, body.bytes);
    connection_say(c, head, (size_t)n);
    if (!c->to_head)
        connection_say(c, body.start, body.bytes);
}

// "/250..." is 250. What follows a path in a request is no digit.
static int64_t number_at(const char *rest)
{
    return *rest == '/' || *rest == ',' ? strtoll(rest + 1, NULL, 10) : 0;
}

static void wait_for(struct connection *c, dur_ms delay_ms)
{
    c->waits = true;
    agenda_put(target_agenda, &c->due, clock_mono_ms() + delay_ms, c->source.fd);
}

void behave_when_due(struct connection *c)
{
    if (c->drips) {
        connection_say(c, "x", 1);
        wait_for(c, DRIP_MS);
        return;
    }
    c->waits = false;
    say_ok(c);
}

static void do_ok(struct connection *c, const struct request *r, const char *rest)
{
    (void)r, (void)rest;
    say_ok(c);
}

static void do_status(struct connection *c, const struct request *r, const char *rest)
{
    (void)r;
    answer(c, number_at(rest), (struct span){"", 0});
}

static void do_delay(struct connection *c, const struct request *r, const char *rest)
{
    (void)r;
    wait_for(c, number_at(rest));
}

static void do_hang(struct connection *c, const struct request *r, const char *rest)
{
    (void)r, (void)rest;
    c->waits = true;
}

static void do_reset(struct connection *c, const struct request *r, const char *rest)
{
    (void)r, (void)rest;
    c->closes = c->resets = true;
}

static void do_close(struct connection *c, const struct request *r, const char *rest)
{
    (void)r, (void)rest;
    c->closes = true;
}

static void do_drip(struct connection *c, const struct request *r, const char *rest)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    (void)r, (void)rest;
    connection_say(c, head, sizeof head - 1);
    c->drips = true;
    wait_for(c, DRIP_MS);
}

static void do_big(struct connection *c, const struct request *r, const char *rest)
{
    char head[128];
    int64_t bytes = MAX(number_at(rest), 0);
    (void)r;
    int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %" PRId64 "\r\n\r\n",
                     bytes);
    connection_say(c, head, (size_t)n);
    connection_say_big(c, bytes);
}

// The n-th attempt of an execution gets the n-th status: nothing has to be remembered per key.
static void do_flaky(struct connection *c, const struct request *r, const char *rest)
{
    long attempt = r->attempt.bytes ? strtol(r->attempt.start, NULL, 10) : 1;
    const char *end = r->path.start + r->path.bytes;
    while (attempt-- > 1 && *rest) {
        const char *comma = memchr(rest + 1, ',', (size_t)(end - rest - 1));
        if (!comma)
            break;
        rest = comma;
    }
    answer(c, number_at(rest), (struct span){"", 0});
}

static void do_redirect(struct connection *c, const struct request *r, const char *rest)
{
    static const char text[] = "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n";
    (void)r, (void)rest;
    connection_say(c, text, sizeof text - 1);
}

static void do_echo(struct connection *c, const struct request *r, const char *rest)
{
    (void)rest;
    answer(c, 200, r->whole);
}

static void do_stats(struct connection *c, const struct request *r, const char *rest)
{
    char text[512];
    (void)r;
    arrivals_flush();
    size_t bytes = arrivals_print(text, sizeof text);
    if (strncmp(rest, "/reset", 6) == 0)
        arrivals_reset();
    answer(c, 200, (struct span){text, bytes});
}

static const struct behaviour {
    const char *name;
    // `rest` is what follows the name in the path, "" when nothing does.
    void (*act)(struct connection *c, const struct request *r, const char *rest);
    const char *help;
} behaviours[] = {
    {"/ok", do_ok, "200"},
    {"/status", do_status, "/status/503: that status"},
    {"/delay", do_delay, "/delay/250: 200 after 250 ms"},
    {"/hang", do_hang, "never answers"},
    {"/reset", do_reset, "resets the connection instead of an answer"},
    {"/close", do_close, "closes the connection instead of an answer"},
    {"/drip", do_drip, "200, then a byte of the body every 100 ms"},
    {"/big", do_big, "/big/1000000: 200 with a body of so many bytes"},
    {"/flaky", do_flaky, "/flaky/500,500,200: a status per Carillon-Attempt, the last repeats"},
    {"/redirect", do_redirect, "302 to /ok"},
    {"/echo", do_echo, "200, the request itself as the body"},
    {"/stats", do_stats, "counts as JSON, not counted itself; /stats/reset sets them to 0"},
};

static const struct behaviour *behaviour_of(struct span path)
{
    for (size_t i = 0; i < COUNT_OF(behaviours); i++) {
        size_t n = strlen(behaviours[i].name);
        if (n <= path.bytes && memcmp(path.start, behaviours[i].name, n) == 0 &&
            (n == path.bytes || strchr("/?", path.start[n])))
            return &behaviours[i];
    }
    return NULL;
}

void behave(struct connection *c, const struct request *r)
{
    c->to_head = r->method.bytes == 4 && memcmp(r->method.start, "HEAD", 4) == 0;
    const struct behaviour *b = behaviour_of(r->path);
    if (!b || b->act != do_stats)
        arrival_note(r);
    c->closes = r->close;
    if (!b) {
        answer(c, 404, (struct span){"no such behaviour\n", 18});
        return;
    }
    size_t n = strlen(b->name);
    b->act(c, r, n < r->path.bytes ? r->path.start + n : "");
}

void behaviours_print(void)
{
    for (size_t i = 0; i < COUNT_OF(behaviours); i++)
        printf("  %-10s %s\n", behaviours[i].name, behaviours[i].help);
}
