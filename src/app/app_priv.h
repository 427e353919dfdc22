// SPDX-License-Identifier: MIT
// app_priv.h: the parts of the program: its commands and the server they run.

#ifndef CARILLON_APP_APP_PRIV_H
#define CARILLON_APP_APP_PRIV_H

#include "access/access.h"
#include "api/api.h"
#include "base/callback.h"
#include "cluster/cluster.h"
#include "cluster/post.h"
#include "config/config.h"
#include "engine/engine.h"
#include "observe/observe.h"
#include "redis/redis.h"
#include "secrets/secrets.h"
#include "service/service.h"
#include "store/store.h"

#include <stdatomic.h>

// How the program ends.
enum exit_code {
    EXIT_OK = 0,
    EXIT_START = 1,       // The server could not start; standard error says why.
    EXIT_USAGE = 2,       // The command line or a setting is wrong.
    EXIT_STORE_LOST = 74, // Writing the database failed: nothing may be promised any more.
};

// What a node of a cluster does (role.c).
struct node_role {
    const char *name;
    bool answers;  // Serves the whole API, and not only probes and metrics.
    bool works;    // Owns jobs.
    bool executes; // Sends what workers put into Redis, and has no database.
};

#define LISTEN_MODE 0600

// An address, or the path and the mode of a Unix socket.
struct listen_address {
    char host[64]; // "" for a socket.
    uint16_t port;
    char path[108]; // "" for an address.
    unsigned mode;
};

// Where the server listens; without host and path: nowhere.
struct listening {
    struct listen_address api; // None when --listen names a socket.
    struct listen_address local;
    struct listen_address observe;
};

// A running server: every room, wired.
struct carillon {
    struct settings settings;
    const struct node_role *role;
    struct listening listening;
    unsigned connections_reserved; // Connections that the API keeps for probes.
    struct address_policy targets;
    struct secret_ring *secrets;           // NULL: the server has no keys.
    char callback_key[CALLBACK_KEY_BYTES]; // "" before the store is open.
    struct redis_server *redis;            // NULL: there is none.
    struct redis_lock *leader_lock;        // Elects who tries to lead; NULL: all may.
    atomic_bool leads_no_more;             // This node hands over what it has.
    struct cluster *cluster;
    struct store *store;
    struct store *replica; // For lists; NULL: there is none.
    struct engine *engine;
    struct executor *executor;              // Instead of all of these; NULL in every other role.
    _Atomic mono_ms lease_until;            // Until then the database has answered.
    char incarnation[NODE_NAME_BYTES + 24]; // Names this life of the node in the database.
    struct service *service;
    struct observer *observer;
    struct access *access;
    struct api *api;
    struct trials *trials;              // Tests of drafts; NULL: the server answers no API.
    struct teller *teller;              // NULL: this node tells nobody of alerts.
    _Atomic(struct raising *) unraised; // Alerts that wait to be raised again; NULL: none.
    atomic_size_t unraised_count;
    struct cluster_post *post; // NULL: what is asked of this server is for its own engine.
};

// Reads what the settings say about addresses. An error is one of the settings.
MUST_CHECK enum err app__check_settings(struct carillon *c, struct fault *f);

// Whether nodes can share the database: it is a URL of PostgreSQL.
bool app__is_shared(const char *db);

// Finds the role, and checks what stands beside it. An error is one of the settings.
MUST_CHECK enum err app__check_role(struct carillon *c, struct fault *f);

// Starts everything in order, after app__check_settings. On failure everything is stopped again.
MUST_CHECK enum err app__start(struct carillon *c, struct fault *f);

// Parts of a start that every role has (server.c).
MUST_CHECK enum err app__listen(struct carillon *c, struct fault *f);
struct dispatch_options app__dispatch_options(const struct carillon *c);
// Who may use the API. To be called once there is a store, if there will be one.
MUST_CHECK enum err app__open_access(struct carillon *c, struct fault *f);
void app__log_listening(const struct carillon *c, const char *db); // `db` without passwords.

// The keys of secrets (secrets.c). A malformed file of keys is ERR_SYNTAX.
MUST_CHECK enum err app__open_secrets(struct carillon *c, struct fault *f);
void app__close_secrets(struct carillon *c);

// The role of an executor (executor.c). After an error it is to be closed.
MUST_CHECK enum err app__start_executor(struct carillon *c, struct fault *f);
void app__stop_executor(struct carillon *c);
void app__close_executor(struct carillon *c);

// The parts of a start that have to do with the cluster (join.c). A server on a file locks it first
// of all; a node of several is opened once the API has a port.
MUST_CHECK enum err app__lock_file(struct carillon *c, struct fault *f);
MUST_CHECK enum err app__open_node(struct carillon *c, struct fault *f);
// Redis need not be there.
MUST_CHECK enum err app__open_redis(struct carillon *c, struct fault *f);
void app__close_redis(struct carillon *c);
// From now on this node does not compete for the lead.
void app__lead_no_more(struct carillon *c);
// What the cluster says goes by mail to the engine from now on.
MUST_CHECK enum err app__join(struct carillon *c, struct fault *f);
// For the API's options: a node that could not renew its lease cannot reach the database.
bool app__database_is_away(void *carillon);
// For the engine's options.
void app__shard_fenced(void *carillon, uint32_t shard, int64_t epoch);
void app__shard_given_back(void *carillon, uint32_t shard, int64_t epoch);
// The way of changes between nodes, if there can be others (mail.c).
MUST_CHECK enum err app__open_post(struct carillon *c, struct fault *f);
// For the options of the service and of the engine; the context is the struct carillon.
service_submit app__submit;
void app__shard_loaded(void *carillon, uint32_t shard, int64_t epoch);
void app__outcome_elsewhere(void *carillon, const struct command *command);

// Raises an alert about the server, of which the kind, subject, last_error, attempts, from and to
// count (raise.c). Copies its texts. Any thread; does not block. Where that fails, the log says so,
// and what certainly came to nothing is kept.
void app__raise_alert(struct carillon *c, const struct alert *facts);
// Tries again what was kept, as the teller does at each look. Any thread; does not block.
void app__raise_again(struct carillon *c);
// At the end, when nothing can be raised any more: forgets what was kept.
void app__raise_forget(struct carillon *c);

// Tests of drafts (trial.c). Those under way at the end are cut.
struct trials *app__trials_new(const struct carillon *c);
void app__trials_free(struct trials *t); // NULL is a no-op.
service_attempt app__try;                // The context is the struct trials.

// Tells people of alerts, from a thread of its own, while this node leads (teller.c). The store and
// the cluster are there.
MUST_CHECK enum err app__teller_start(struct carillon *c, struct fault *f);
void app__teller_stop(struct carillon *c); // None runs: a no-op.

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

// Reads the settings that say where to listen. ERR_SYNTAX names the one that is wrong.
MUST_CHECK enum err app__listen_parse(const struct settings *s, struct listening *out,
                                      struct fault *f);
// "127.0.0.1:3000" or "[::1]:3000", whose host gets no brackets.
MUST_CHECK enum err app__address_parse(const char *setting, const char *text,
                                       struct listen_address *out, struct fault *f);
// "/run/carillon.sock" or "/run/carillon.sock,660".
MUST_CHECK enum err app__socket_parse(const char *setting, const char *text,
                                      struct listen_address *out, struct fault *f);

int app__serve(int argc, char **argv);
int app__demo(int argc, char **argv);

// The demo's target (demo_target.c): answers well, badly, slowly, and now and then.
struct demo_target;
MUST_CHECK enum err demo_target_open(uint16_t port, struct demo_target **out, struct fault *f);
uint16_t demo_target_port(const struct demo_target *t);
void demo_target_close(struct demo_target *t); // NULL is a no-op.

#endif
