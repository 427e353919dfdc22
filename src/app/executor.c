// SPDX-License-Identifier: MIT
// executor.c: the server whose role is to send what workers put into Redis.
//
// It has neither database nor engine, and owns nothing: it answers probes and metrics, takes
// attempts from a stream, sends them, and tells what became of them. Whoever put an attempt there
// makes the next one when nothing is heard of it, so an executor may end at any moment.

#include "app/app_priv.h"
#include "base/log.h"

// An executor can do its work while Redis gives it attempts.
static bool is_taking(void *executor)
{
    return executor_status(executor).is_taking;
}

static enum err start_sending(struct carillon *c, struct fault *f)
{
    const struct executor_options o = {
        .open = dispatch_find(c->settings.proxy[0] ? "curl" : "wire"),
        .dispatch = app__dispatch_options(c),
        .in_flight_max = (size_t)c->settings.max_in_flight,
        .follows_clock = true,
    };
    return executor_start(&o, &c->executor, f);
}

enum err app__start_executor(struct carillon *c, struct fault *f)
{
    enum err err = app__listen(c, f);
    if (!err)
        err = app__open_redis(c, f);
    if (!err)
        err = start_sending(c, f);
    if (err)
        return err;
    c->observer = observer_new_probe(is_taking, c->executor, CARILLON_VERSION);
    err = app__open_access(c, f);
    if (!err)
        err = api_serve(c->api, NULL, c->access, c->observer, f);
    if (!err)
        app__log_listening(c, redis_server_name(c->redis));
    return err;
}

void app__close_executor(struct carillon *c)
{
    api_close(c->api);
    access_close(c->access);
    observer_free(c->observer);
    executor_stop(c->executor);
    app__close_redis(c);
    app__close_secrets(c);
}

void app__stop_executor(struct carillon *c)
{
    struct executor_status s = executor_status(c->executor);
    log_info("server.draining", LOG_INT("attempts", (int64_t)s.held),
             LOG_INT("waits_ms", c->settings.drain_timeout_ms),
             LOG_TEXT("second_signal", "ends at once"));
    api_retire(c->api);
    size_t left = executor_drain(c->executor, c->settings.drain_timeout_ms);
    app__close_executor(c);
    log_info("server.stopped", LOG_INT("attempts_abandoned", left));
}
