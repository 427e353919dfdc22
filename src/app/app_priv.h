// SPDX-License-Identifier: MIT
// app_priv.h: the parts of the program: its commands and the server they run.

#ifndef CARILLON_APP_APP_PRIV_H
#define CARILLON_APP_APP_PRIV_H

#include "api/api.h"
#include "cluster/cluster.h"
#include "config/config.h"
#include "engine/engine.h"
#include "observe/observe.h"
#include "service/service.h"
#include "store/store.h"

// How the program ends.
enum exit_code {
    EXIT_OK = 0,
    EXIT_START = 1,       // The server could not start; standard error says why.
    EXIT_USAGE = 2,       // The command line or a setting is wrong.
    EXIT_STORE_LOST = 74, // Writing the database failed: nothing may be promised any more.
};

// A running server: every room, wired.
struct carillon {
    struct settings settings;
    char host[64]; // The host of settings.listen, with its port.
    uint16_t port;
    unsigned connections_reserved; // Connections that the API keeps for probes.
    struct address_policy targets;
    struct cluster *cluster;
    struct store *store;
    struct engine *engine;
    struct service *service;
    struct observer *observer;
    struct api *api;
};

// Reads what the settings say about addresses. An error is one of the settings.
MUST_CHECK enum err app__check_settings(struct carillon *c, struct fault *f);

// Starts everything in order, after app__check_settings. On failure everything is stopped again.
MUST_CHECK enum err app__start(struct carillon *c, struct fault *f);

// Lets attempts under way end, commits, closes.
void app__stop(struct carillon *c);

// Waits for a signal to stop, watching zone files meanwhile. From its return on, a further such
// signal ends the process (signals.c).
void app__wait(struct carillon *c);

// To be called before there are threads.
void app__block_signals(void);

// Makes missing memory stop the program also where a library needs it. To be called first of all.
void app__give_memory(void);

// Settings from the command line, checked, and a log that follows them. When the command is done
// with already (help, an error), returns false and sets *exit_code.
bool app__settings(int argc, char **argv, const char *purpose, struct carillon *c, int *exit_code);

// Warns of each of the database's files that others than its owner can open.
void app__warn_of_open_files(const char *db);

// "127.0.0.1:3000" or "[::1]:3000". `host` gets no brackets.
MUST_CHECK enum err app__address_parse(const char *text, char *host, size_t host_bytes,
                                       uint16_t *port, struct fault *f);

int app__serve(int argc, char **argv);
int app__demo(int argc, char **argv);

// The demo's target (demo_target.c): answers well, badly, slowly, and now and then.
struct demo_target;
MUST_CHECK enum err demo_target_open(uint16_t port, struct demo_target **out, struct fault *f);
uint16_t demo_target_port(const struct demo_target *t);
void demo_target_close(struct demo_target *t); // NULL is a no-op.

#endif
