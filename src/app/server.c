// SPDX-License-Identifier: MIT
// server.c: boot order, wiring, and an orderly stop.
//
// Boot: lock, port, store, engine, service, observer, API, then the shards are taken, and last the
// engine loads what they hold and goes on planning. Nothing is sent, and nothing but the epochs of
// the shards is written, before everything that can fail is there: a start that fails has done
// nothing, however often a supervisor tries it. Clients that are early wait. The stop runs the
// other way, after the attempts under way had their time to end.

#include "app/app_priv.h"
#include "app/descriptors_priv.h"
#include "base/conceal.h"
#include "base/log.h"
#include "base/url.h"
#include "store/registry.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RATE_DEFAULT 500 // Requests a second of one token or address, beyond this machine.
#define RETIRE_MS 2000   // A load balancer asks for /readyz more often than that.

static void store_lost(const struct fault *f)
{
    (void)f; // The engine has logged it.
    _exit(EXIT_STORE_LOST);
}

// How many descriptors this process may have; the soft limit is often only 1024.
static uint64_t descriptor_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 1024;
    uint64_t before = r.rlim_cur;
    r.rlim_cur = r.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_max : before;
}

// The settings are lowered to what the descriptors allow.
static enum err share_descriptors(struct carillon *c, struct fault *f)
{
    struct settings *s = &c->settings;
    struct descriptors d = {.api_threads = (uint64_t)(s->api_threads + s->query_threads),
                            .connections = (uint64_t)s->api_connections,
                            .attempts = (uint64_t)s->max_in_flight};
    uint64_t limit = descriptor_limit();
    enum err err = descriptors_share(limit, &d, f);
    if (err)
        return err;
    bool lowered =
        (int64_t)d.connections < s->api_connections || (int64_t)d.attempts < s->max_in_flight;
    s->api_connections = (int64_t)d.connections;
    if (lowered) // No address may have all.
        s->api_connections_per_address =
            MIN(s->api_connections_per_address, MAX(1, s->api_connections / 2));
    s->max_in_flight = (int64_t)d.attempts;
    c->connections_reserved = (unsigned)d.reserve;
    if (lowered)
        log_warn("server.descriptors", LOG_INT("limit", (int64_t)limit),
                 LOG_INT("api_connections", s->api_connections),
                 LOG_INT("max_in_flight", s->max_in_flight));
    return ERR_OK;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

// Whether others than this machine reach the API.
static bool is_beyond(const struct carillon *c)
{
    const char *host = c->listening.api.host;
    return host[0] && !is_loopback(host);
}

struct dispatch_options app__dispatch_options(const struct carillon *c)
{
    const struct settings *s = &c->settings;
    return (struct dispatch_options){
        .version = CARILLON_VERSION,
        .connect_ms = 5000,
        .tls_ms = 5000,
        .connections_max = (size_t)MIN(4096, s->max_in_flight),
        .ca_file = s->ca_file[0] ? s->ca_file : NULL,
        .ca_only = s->ca_only,
        .proxy = s->proxy[0] ? s->proxy : NULL,
        .targets = &c->targets,
        .redis = c->redis,
        .secrets = c->secrets,
    };
}

// The queue itself knows how to send through a proxy.
static const char *dispatch_name(const struct settings *s)
{
    bool is_direct = s->proxy[0] && strcmp(s->dispatch, "queue") != 0;
    return is_direct ? "curl" : s->dispatch;
}

static enum err open_engine(struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    struct engine_options o = {
        .limits = core_limits_default,
        .dispatch_open = dispatch_find(dispatch_name(s)), // app__settings has checked the name.
        .dispatch = app__dispatch_options(c),
        .store = {.retention = {.age_ms = s->retention_age_ms,
                                .executions_max = s->retention_count,
                                .bytes_max = s->retention_bytes,
                                .audit_age_ms = s->retention_audit_ms},
                  .reserve_bytes = s->disk_reserve * (1 << 20)},
        .mails_max = 65536,
        .store_lost = store_lost,
        .node = c->incarnation[0] ? c->incarnation : NULL,
        .callback_base = s->public_url,
        .callback_key = c->callback_key,
        .shard_fenced = app__shard_fenced,
        .shard_given_back = app__shard_given_back,
        .shard_loaded = app__shard_loaded,
        .outcome_elsewhere = app__outcome_elsewhere,
        .context = c,
    };
    o.limits.doubt_ms = s->lease_ttl_ms + 10000; // See core.h.
    o.limits.in_flight_max = (uint32_t)s->max_in_flight;
    o.limits.host_in_flight_max = (uint32_t)MIN(s->max_in_flight_per_host, s->max_in_flight);
    o.limits.host_rate_max = (uint32_t)s->max_rate_per_host;
    o.limits.jobs_max = (uint32_t)s->jobs_max;
    o.limits.texts_bytes_max = (uint64_t)s->jobs_memory << 20;
    return engine_open(&o, c->store, &c->engine, f);
}

static const char *text_or_null(const char *text)
{
    return text[0] ? text : NULL;
}

enum err app__listen(struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    const struct listening *l = &c->listening;
    struct api_options o = {
        .host = text_or_null(l->api.host),
        .port = l->api.port,
        .unix_path = text_or_null(l->local.path),
        .unix_mode = l->local.mode,
        .observe_host = text_or_null(l->observe.host),
        .observe_port = l->observe.port,
        .tls_certificate = text_or_null(s->tls_cert),
        .tls_key = text_or_null(s->tls_key),
        .tls_client_ca = text_or_null(s->tls_client_ca),
        .threads = (unsigned)s->api_threads,
        .version = CARILLON_VERSION,
        .allowed_hosts = s->allowed_hosts,
        .connections_max = (unsigned)s->api_connections,
        .connections_per_address_max = (unsigned)s->api_connections_per_address,
        .connections_reserved = c->connections_reserved,
        .answers_bytes_max = (size_t)s->api_answer_memory << 20,
        .request_timeout_ms = (unsigned)s->api_request_timeout_ms,
        .database_is_away = app__is_shared(s->db) ? app__database_is_away : NULL,
        .context = c,
        .probes_only = c->role->answers ? NULL : c->role->name,
        .secrets = c->secrets,
        .callback_key = c->callback_key,
        .public_url = s->public_url,
    };
    enum err err = api_listen(&o, &c->api, f);
    if (!err && l->api.host[0])
        address_policy_set_own(&c->targets, l->api.host, api_port(c->api));
    return err;
}

enum err app__open_access(struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    bool is_reachable = is_beyond(c);
    unsigned rate = is_reachable && !s->insecure_no_auth ? RATE_DEFAULT : 0;
    struct access_options o = {
        .store = c->store,
        .is_reachable = is_reachable,
        .is_insecure = s->insecure_no_auth,
        .waiting_max = 1024,
        .rate_per_token = s->rate_per_token ? (unsigned)s->rate_per_token : rate,
        .rate_per_address = s->rate_per_address ? (unsigned)s->rate_per_address : rate,
        .spares_loopback = s->rate_per_address == 0,
    };
    return access_open(&o, &c->access, f);
}

static enum err open_service(struct carillon *c, struct fault *f)
{
    struct service_options o = {.readers = (size_t)c->settings.query_threads,
                                .questions_max = (size_t)c->settings.queries_max,
                                .changes_max = 16384,
                                .targets = &c->targets,
                                .submit = c->post ? app__submit : NULL,
                                .submit_context = c,
                                .attempt = app__try};
    if (c->settings.db_replica[0]) {
        enum err err = store_open_replica(c->settings.db_replica, &c->replica, f);
        if (err)
            return err;
    }
    c->trials = app__trials_new(c);
    o.attempt_context = c->trials;
    o.replica = c->replica;
    return service_open(&o, c->store, c->engine, &c->service, f);
}

#define URL_BYTES 160

static const char *url_of(const struct listen_address *a, bool tls, unsigned port,
                          char out[static URL_BYTES])
{
    const char *scheme = tls ? "https" : "http";
    bool v6 = strchr(a->host, ':') != NULL;
    if (a->path[0])
        snprintf(out, URL_BYTES, "unix:%s", a->path);
    else
        snprintf(out, URL_BYTES, "%s://%s%s%s:%u", scheme, v6 ? "[" : "", a->host, v6 ? "]" : "",
                 port);
    return out;
}

static void log_other_doors(const struct carillon *c)
{
    const struct listening *l = &c->listening;
    char url[URL_BYTES], mode[8];
    snprintf(mode, sizeof mode, "%04o", l->local.mode);
    if (l->local.path[0])
        log_info("server.listening_unix", LOG_TEXT("path", l->local.path), LOG_TEXT("mode", mode));
    if (l->observe.host[0])
        log_info("server.listening_observe",
                 LOG_TEXT("url", url_of(&l->observe, false, api_observe_port(c->api), url)),
                 LOG_INT("port", api_observe_port(c->api)));
}

void app__log_listening(const struct carillon *c, const char *db)
{
    char url[URL_BYTES];
    const struct listening *l = &c->listening;
    url_of(l->api.host[0] ? &l->api : &l->local, c->settings.tls_cert[0], api_port(c->api), url);
    log_other_doors(c);
    log_info("server.listening", LOG_TEXT("url", url), LOG_INT("port", api_port(c->api)),
             LOG_TEXT("db", db), LOG_TEXT("role", c->role->name),
             LOG_TEXT("version", CARILLON_VERSION), LOG_INT("pid", getpid()));
}

static enum err check_tls(const struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    if (!s->tls_cert[0] != !s->tls_key[0])
        return fault_set(f, ERR_SYNTAX, "--tls-cert and --tls-key belong together: %s is missing",
                         s->tls_cert[0] ? "--tls-key" : "--tls-cert");
    if (s->tls_client_ca[0] && !s->tls_cert[0])
        return fault_set(f, ERR_SYNTAX, "--tls-client-ca needs --tls-cert and --tls-key");
    if (s->tls_cert[0] && !c->listening.api.host[0])
        return fault_set(f, ERR_SYNTAX,
                         "--tls-cert: there is no port to speak TLS at, since --listen names a "
                         "Unix socket");
    return ERR_OK;
}

// What is appended to it is a path.
static enum err check_public_url(const char *text, struct fault *f)
{
    struct url url;
    struct fault why = {0};
    if (!*text)
        return ERR_OK;
    if (url_parse(text, &url, &why))
        return fault_set(f, ERR_SYNTAX, "--public-url: %s", why.text);
    if (strchr(text, '?') || strlen(text) > CALLBACK_BASE_BYTES)
        return fault_set(f, ERR_SYNTAX,
                         "--public-url: it must be like https://cron.example.com, without a query");
    return ERR_OK;
}

enum err app__check_settings(struct carillon *c, struct fault *f)
{
    const struct settings *s = &c->settings;
    enum err err = app__check_role(c, f);
    if (!err)
        err = app__listen_parse(s, &c->listening, f);
    if (!err)
        err = check_tls(c, f);
    if (err)
        return err;
    if (s->ca_only && !s->ca_file[0])
        return fault_set(f, ERR_SYNTAX, "--ca-only needs --ca-file: nobody would be trusted");
    err = check_public_url(s->public_url, f);
    if (err)
        return err;
    struct address_lists lists = {.deny = s->deny_targets,
                                  .allow = s->allow_targets,
                                  .deny_ports = s->deny_ports,
                                  .allow_ports = s->allow_ports,
                                  .reached_by_others = is_beyond(c)};
    return address_policy_parse(&lists, &c->targets, f);
}

static enum err read_callback_key(struct carillon *c, struct fault *f)
{
    char drawn[CALLBACK_KEY_BYTES];
    struct store_registry *r = NULL;
    enum err err = callback_key_draw(drawn, f);
    if (!err)
        err = store_registry_open(c->store, &r, f);
    if (!err)
        err = store_callback_key(r, drawn, c->callback_key, f);
    store_registry_close(r);
    return err;
}

static enum err open_rooms(struct carillon *c, struct fault *f)
{
    enum err err = app__lock_file(c, f);
    if (!err)
        err = app__listen(c, f);
    if (!err)
        err = store_open(c->settings.db, &c->store, f);
    if (!err)
        err = read_callback_key(c, f);
    if (!err)
        err = app__open_access(c, f);
    if (!err)
        err = app__open_redis(c, f);
    if (!err)
        err = app__open_node(c, f);
    if (!err)
        err = open_engine(c, f);
    if (!err)
        err = app__open_post(c, f);
    if (!err && c->role->answers)
        err = open_service(c, f);
    if (!err)
        c->observer = observer_new(c->engine, c->cluster, CARILLON_VERSION);
    return err;
}

static enum err start_rooms(struct carillon *c, struct fault *f)
{
    enum err err = open_rooms(c, f);
    if (!err)
        err = api_serve(c->api, c->service, c->access, c->observer, f);
    if (!err)
        err = app__join(c, f);
    if (!err)
        err = engine_start(c->engine, f);
    if (!err && c->role->works)
        err = app__teller_start(c, f);
    if (err)
        return err;
    char db[SETTING_TEXT_BYTES];
    snprintf(db, sizeof db, "%s", c->settings.db);
    conceal_passwords(db);
    if (!app__is_shared(db))
        app__warn_of_open_files(db);
    app__log_listening(c, db);
    return ERR_OK;
}

static void stop_rooms(struct carillon *c)
{
    if (c->service)
        service_stop(c->service);
    if (c->observer)
        observer_stop(c->observer);
    cluster_post_stop(c->post);
    cluster_mute(c->cluster);
    engine_stop(c->engine);
    if (c->service)
        service_settle(c->service);
    app__trials_free(c->trials);
    app__teller_stop(c);
    cluster_post_close(c->post);
    api_close(c->api);
    access_close(c->access);
    service_close(c->service);
    observer_free(c->observer);
    store_close(c->replica);
    store_close(c->store);
    cluster_close(c->cluster);
    app__raise_forget(c);
    app__close_redis(c);
    app__close_secrets(c);
}

enum err app__start(struct carillon *c, struct fault *f)
{
    enum err err = share_descriptors(c, f);
    if (!err)
        err = app__open_secrets(c, f);
    if (!err)
        err = c->role->executes ? app__start_executor(c, f) : start_rooms(c, f);
    if (!err)
        return ERR_OK;
    if (c->role->executes)
        app__close_executor(c);
    else
        stop_rooms(c);
    return err;
}

// What is waited for is said before, since it may take long.
static void log_draining(struct carillon *c)
{
    struct engine_status s = engine_status(c->engine);
    log_info("server.draining", LOG_INT("attempts", s.core.in_flight),
             LOG_INT("waits_ms", c->settings.drain_timeout_ms),
             LOG_TEXT("second_signal", "ends at once"));
}

static void wait_until(mono_ms at)
{
    dur_ms left;
    while ((left = at - clock_mono_ms()) > 0) {
        const struct timespec t = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
}

// Others take over what this node owns, while it still takes changes for them: a load balancer
// needs a moment to notice that it shall ask elsewhere.
static void hand_over(struct carillon *c, mono_ms until)
{
    mono_ms retired_at = clock_mono_ms();
    app__lead_no_more(c);
    api_retire(c->api);
    size_t kept = cluster_drain(c->cluster, MAX(until - retired_at, 0));
    if (kept > 0)
        log_warn("server.shards_kept", LOG_INT("shards", (int64_t)kept));
    if (c->role->answers)
        wait_until(MIN(retired_at + RETIRE_MS, until));
}

void app__stop(struct carillon *c)
{
    mono_ms until = clock_mono_ms() + c->settings.drain_timeout_ms;
    if (c->role->executes) {
        app__stop_executor(c);
        return;
    }
    log_draining(c);
    if (app__is_shared(c->settings.db))
        hand_over(c, until);
    api_drain(c->api);
    size_t left = engine_drain(c->engine, MAX(until - clock_mono_ms(), 0));
    stop_rooms(c);
    log_info("server.stopped", LOG_INT("attempts_abandoned", left));
}
