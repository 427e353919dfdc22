// SPDX-License-Identifier: MIT
// adapter.c: the dispatch port on libcurl's multi interface.
//
// Easy handles go round: idle -> under way -> idle. libcurl keeps the connections. A transfer is
// reported by curl__harvest once libcurl has let go of it; only then is its handle free again.

#include "dispatch/curl/curl_priv.h"

#include <assert.h>
#include <string.h>

#define IDLE_TRANSFERS_MAX 1024
#define CONNECT_MS_DEFAULT 5000
#define TLS_MS_DEFAULT 5000
#define CONNECTIONS_MAX_DEFAULT 4096

// --- The lists -----------------------------------------------------------------------------------

// libcurl counts busy connections with the idle ones.
static void bound_connections(struct curl_dispatch *d)
{
    long most = (long)(d->connections_max + d->under_way_count);
    curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, most);
}

static void link_under_way(struct curl_dispatch *d, struct transfer *t)
{
    t->previous = NULL;
    t->next = d->under_way;
    if (t->next)
        t->next->previous = t;
    d->under_way = t;
    d->under_way_count++;
    bound_connections(d);
}

static void unlink_under_way(struct curl_dispatch *d, struct transfer *t)
{
    if (t->previous)
        t->previous->next = t->next;
    else
        d->under_way = t->next;
    if (t->next)
        t->next->previous = t->previous;
    d->under_way_count--;
    bound_connections(d);
}

static struct transfer *take_idle(struct curl_dispatch *d)
{
    struct transfer *t = d->idle;
    if (!t)
        return curl__transfer_new(d);
    d->idle = t->next;
    d->idle_count--;
    return t;
}

static void put_idle(struct curl_dispatch *d, struct transfer *t)
{
    if (d->idle_count >= IDLE_TRANSFERS_MAX) {
        curl__transfer_free(t);
        return;
    }
    curl__transfer_trim(t);
    t->next = d->idle;
    d->idle = t;
    d->idle_count++;
}

static void free_list(struct transfer *t)
{
    while (t) {
        struct transfer *next = t->next;
        curl__transfer_free(t);
        t = next;
    }
}

// --- Reporting -----------------------------------------------------------------------------------

static void report(struct curl_dispatch *d, struct transfer *t, CURLcode code)
{
    struct verdict v;
    curl__verdict(t, code, clock_mono_ms(), &v);
    struct hops *hops = t->hops; // The outcome borrows its record.
    t->hops = NULL;
    put_idle(d, t); // Before the call: it may send, and can then use this very handle.
    d->done(d->context, &v.outcome);
    hops_free(hops);
}

// Takes the transfer from libcurl, which closes its connection. Its outcome is reported with those
// of the transfers that could not be started.
static void give_up(struct curl_dispatch *d, struct transfer *t, CURLcode code)
{
    curl_multi_remove_handle(d->multi, t->easy);
    unlink_under_way(d, t);
    t->stillborn = code;
    d->under_way_count++;
    t->next = d->stillborn;
    d->stillborn = t;
}

static void give_up_unwatched(struct curl_dispatch *d)
{
    if (!d->has_unwatched)
        return;
    d->has_unwatched = false;
    struct transfer *next;
    for (struct transfer *t = d->under_way; t; t = next) {
        next = t->next;
        if (t->unwatched)
            give_up(d, t, CURLE_FAILED_INIT);
    }
}

static void report_stillborn(struct curl_dispatch *d)
{
    struct transfer *list = d->stillborn;
    d->stillborn = NULL; // What the calls below add is for the next turn.
    while (list) {
        struct transfer *t = list;
        list = t->next;
        d->under_way_count--;
        report(d, t, t->stillborn);
    }
}

void curl__harvest(struct curl_dispatch *d)
{
    give_up_unwatched(d);
    report_stillborn(d);
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(d->multi, &left));) {
        struct transfer *t;
        CURLcode code = m->data.result; // The message dies with curl_multi_remove_handle.
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        curl_multi_remove_handle(d->multi, t->easy);
        if (curl__transfer_follow(t, &code))
            continue;
        unlink_under_way(d, t);
        report(d, t, code);
    }
}

// --- The port ------------------------------------------------------------------------------------

static void curl_send(struct dispatch *dispatch, const struct send *s)
{
    struct curl_dispatch *d = (struct curl_dispatch *)dispatch;
    struct transfer *t = take_idle(d);
    t->stillborn = curl__transfer_prepare(t, s);
    if (!t->stillborn && curl_multi_add_handle(d->multi, t->easy) != CURLM_OK)
        t->stillborn = CURLE_FAILED_INIT;
    if (!t->stillborn) {
        link_under_way(d, t); // libcurl has set its timer: it starts in the next turn.
        return;
    }
    d->under_way_count++;
    t->next = d->stillborn;
    d->stillborn = t;
    curl__hurry(d);
}

// Reported in the next turn, like what could not be started.
static void curl_cancel(struct dispatch *dispatch, uint64_t ticket)
{
    struct curl_dispatch *d = (struct curl_dispatch *)dispatch;
    struct transfer *t = d->under_way;
    while (t && t->ticket != ticket)
        t = t->next;
    if (!t)
        return;
    t->cancelled = true;
    give_up(d, t, CURLE_ABORTED_BY_CALLBACK);
    curl__hurry(d);
}

static size_t curl_in_flight(const struct dispatch *dispatch)
{
    return ((const struct curl_dispatch *)dispatch)->under_way_count;
}

static void curl_close(struct dispatch *dispatch)
{
    struct curl_dispatch *d = (struct curl_dispatch *)dispatch;
    for (struct transfer *t = d->under_way; t; t = t->next)
        curl_multi_remove_handle(d->multi, t->easy);
    curl_multi_cleanup(d->multi); // Closes the kept connections, through our socket callback.
    curl__unwire(d);
    free_list(d->under_way);
    free_list(d->stillborn);
    free_list(d->idle);
    judge_fini(&d->judge);
    free(d->version);
    free(d->ca);
    free(d->proxy);
    free(d);
    curl_global_cleanup();
}

static const struct dispatch_adapter curl_adapter = {
    .close = curl_close,
    .send = curl_send,
    .cancel = curl_cancel,
    .in_flight = curl_in_flight,
};

static void take_options(struct curl_dispatch *d, const struct dispatch_options *o)
{
    d->version = xstrdup(o->version ? o->version : "");
    d->proxy = xstrdup(o->proxy);
    d->targets = o->targets;
    d->secrets = o->secrets;
    d->connect_ms = o->connect_ms > 0 ? o->connect_ms : CONNECT_MS_DEFAULT;
    d->tls_ms = o->tls_ms > 0 ? o->tls_ms : TLS_MS_DEFAULT;
    d->connections_max = o->connections_max > 0 ? o->connections_max : CONNECTIONS_MAX_DEFAULT;
}

// http or https, a host, and nothing that a proxy has no use for.
static enum err check_proxy(const char *proxy, struct fault *f)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *path = NULL;
    CURLUcode code = u ? curl_url_set(u, CURLUPART_URL, proxy, 0) : CURLUE_OUT_OF_MEMORY;
    if (!code)
        code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    if (!code)
        code = curl_url_get(u, CURLUPART_PATH, &path, 0);
    bool good = !code && strncmp(scheme, "http", 4) == 0 && strcmp(path, "/") == 0;
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(u);
    return good ? ERR_OK
                : fault_set(f, ERR_SYNTAX,
                            "proxy: it must be like http://host:3128 or "
                            "http://user:password@host:3128");
}

// CURLOPT_QUICK_EXIT is the youngest of the options without which this adapter breaks its word.
static enum err check_library(struct fault *f)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fault_set(f, ERR_SYSTEM, "libcurl cannot be initialised");
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (info->version_num >= 0x075700 && info->features & CURL_VERSION_SSL)
        return ERR_OK;
    curl_global_cleanup();
    return fault_set(f, ERR_UNSUPPORTED, "libcurl %s is too old or without TLS; 7.87 is needed",
                     info->version);
}

enum err curl__open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                    void *context, struct dispatch **out, struct fault *f)
{
    enum err err = check_library(f);
    if (err)
        return err;

    struct curl_dispatch *d = xcalloc(1, sizeof *d);
    d->dispatch.adapter = &curl_adapter;
    judge_init(&d->judge);
    d->loop = l;
    d->done = done;
    d->context = context;
    d->timer.fd = d->kept.fd = -1;
    take_options(d, o);
    d->multi = curl_multi_init();
    assert(d->multi); // Only memory can be missing.
    err = o->proxy ? check_proxy(o->proxy, f) : ERR_OK;
    if (!err)
        err = curl__trust_open(d, o, f);
    if (!err)
        err = curl__wire_up(d, f);
    if (err) {
        curl_close(&d->dispatch);
        return err;
    }
    curl_multi_setopt(d->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    *out = &d->dispatch;
    return ERR_OK;
}
