// SPDX-License-Identifier: MIT
// demo_target.c: something for the demo to call: a small HTTP server on this machine.
//
//   /ok     answers 200                      /fail   answers 500
//   /slow   answers 200 after two seconds    /flaky  fails twice for each execution, then 200
//   /never  does not answer while the caller waits
//
// It runs a thread per connection, which is the simplest way to be slow.

#include "app/app_priv.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOW_MS 2000
#define NEVER_MS 60000
#define FLAKY_SUCCEEDS_AT 3

struct demo_target {
    struct MHD_Daemon *daemon;
    int stop_pipe[2]; // Readable once the target closes, so that nobody sleeps on.
};

static void pause_for(struct demo_target *t, int ms)
{
    struct pollfd p = {.fd = t->stop_pipe[0], .events = POLLIN};
    poll(&p, 1, ms);
}

static unsigned attempt_of(struct MHD_Connection *c)
{
    const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Carillon-Attempt");
    return text ? (unsigned)strtoul(text, NULL, 10) : 1;
}

static unsigned ok(struct demo_target *t, struct MHD_Connection *c)
{
    (void)t;
    (void)c;
    return MHD_HTTP_OK;
}

static unsigned fail(struct demo_target *t, struct MHD_Connection *c)
{
    (void)t;
    (void)c;
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static unsigned slow(struct demo_target *t, struct MHD_Connection *c)
{
    (void)c;
    pause_for(t, SLOW_MS);
    return MHD_HTTP_OK;
}

static unsigned never(struct demo_target *t, struct MHD_Connection *c)
{
    (void)c;
    pause_for(t, NEVER_MS);
    return MHD_HTTP_OK;
}

static unsigned flaky(struct demo_target *t, struct MHD_Connection *c)
{
    (void)t;
    return attempt_of(c) < FLAKY_SUCCEEDS_AT ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static const struct {
    const char *path;
    unsigned (*status)(struct demo_target *t, struct MHD_Connection *c);
} behaviours[] = {
    {"/ok", ok}, {"/fail", fail}, {"/slow", slow}, {"/never", never}, {"/flaky", flaky},
};

static unsigned status_of(struct demo_target *t, struct MHD_Connection *c, const char *path)
{
    for (size_t i = 0; i < COUNT_OF(behaviours); i++)
        if (strcmp(path, behaviours[i].path) == 0)
            return behaviours[i].status(t, c);
    return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_bytes, void **seen)
{
    (void)method;
    (void)version;
    (void)data;
    if (!*seen) { // The head; the body comes with the next calls.
        *seen = context;
        return MHD_YES;
    }
    if (*data_bytes) {
        *data_bytes = 0;
        return MHD_YES;
    }
    unsigned status = status_of(context, c, url);
    static char good[] = "{\"ok\":true}\n", bad[] = "{\"ok\":false}\n";
    char *body = status == MHD_HTTP_OK ? good : bad;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

enum err demo_target_open(uint16_t port, struct demo_target **out, struct fault *f)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct demo_target *t = xcalloc(1, sizeof *t);
    if (pipe(t->stop_pipe) != 0) {
        free(t);
        return fault_set(f, ERR_SYSTEM, "pipe: %s", strerror(errno));
    }
    t->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, port, NULL,
        NULL, answer, t, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    if (!t->daemon) {
        demo_target_close(t);
        return fault_set(f, ERR_BUSY, "the demo's target cannot listen on 127.0.0.1:%u",
                         (unsigned)port);
    }
    *out = t;
    return ERR_OK;
}

uint16_t demo_target_port(const struct demo_target *t)
{
    return MHD_get_daemon_info(t->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void demo_target_close(struct demo_target *t)
{
    if (!t)
        return;
    close(t->stop_pipe[1]);
    if (t->daemon)
        MHD_stop_daemon(t->daemon);
    close(t->stop_pipe[0]);
    free(t);
}
