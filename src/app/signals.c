// SPDX-License-Identifier: MIT
// signals.c: what ends the server, and what makes it look at its zone files and certificate again.
//
// SIGTERM and SIGINT ask for an orderly stop; a further one during it ends the process at once,
// like a crash. SIGHUP makes a server read its zone files and the files of its TLS again, as
// `systemctl reload` wants it. It also comes when a terminal is closed. A server that writes its
// log to one stops then: it would go on unseen, on a port that the next one wants. Who has it
// ignored, as nohup does, is left alone.

#include "app/app_priv.h"
#include "base/log.h"
#include "zones/zones.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define ZONE_REFRESH_S 60

static const struct {
    int number;
    const char *name;
} stops[] = {{SIGTERM, "TERM"}, {SIGINT, "INT"}};

static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < COUNT_OF(stops); i++)
        sigaddset(&set, stops[i].number);
    return set;
}

static bool is_ignored(int number)
{
    struct sigaction s;
    return sigaction(number, NULL, &s) == 0 && s.sa_handler == SIG_IGN;
}

// A signal that is ignored and blocked is not kept, so sigtimedwait does not see it.
static sigset_t awaited_signals(void)
{
    sigset_t set = stop_signals();
    if (!is_ignored(SIGHUP))
        sigaddset(&set, SIGHUP);
    return set;
}

void app__block_signals(void)
{
    sigset_t set = awaited_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

// Zone files change with a few days' notice; once a minute is soon enough. Returns how many have
// new rules.
static size_t refresh_zones(struct carillon *c)
{
    struct fault f = {0};
    size_t changed = zone_refresh(&f);
    if (f.code)
        log_warn("zone.unreadable", LOG_TEXT("detail", f.text));
    if (changed == 0)
        return 0;
    char version[ZONE_VERSION_BYTES];
    zone_data_version(version);
    log_info("zones.reloaded", LOG_INT("changed", changed), LOG_TEXT("tzdata", version));
    if (c->engine)
        engine_zones_changed(c->engine);
    return changed;
}

static void reload(struct carillon *c)
{
    size_t changed = refresh_zones(c);
    api_reload(c->api);
    log_info("server.reloaded", LOG_INT("zones_changed", changed),
             LOG_TEXT("settings", "as at the start"));
}

// The name of the signal that ends the wait, or NULL when it was for something else.
static const char *act_on(struct carillon *c, int number)
{
    for (size_t i = 0; i < COUNT_OF(stops); i++)
        if (stops[i].number == number)
            return stops[i].name;
    if (number == SIGHUP && isatty(STDERR_FILENO))
        return "HUP";
    if (number == SIGHUP)
        reload(c);
    else if (number < 0 && errno == EAGAIN)
        refresh_zones(c);
    return NULL;
}

void app__wait(struct carillon *c)
{
    sigset_t set = awaited_signals();
    const struct timespec interval = {.tv_sec = ZONE_REFRESH_S};
    const char *name;
    do
        name = act_on(c, sigtimedwait(&set, NULL, &interval));
    while (!name);
    log_info("server.stopping", LOG_TEXT("signal", name));
    sigset_t stopping = stop_signals(); // SIGHUP stays blocked: a stop is a stop.
    pthread_sigmask(SIG_UNBLOCK, &stopping, NULL);
}
