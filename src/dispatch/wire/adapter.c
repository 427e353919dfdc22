// SPDX-License-Identifier: MIT
// adapter.c: the dispatch port on our own client, and the reporting of what has ended.

#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CALLS_SPARE_MAX 4096
#define EXCERPTS_SPARE_MAX 256
#define EXCERPT_BYTES_USUAL 4096 // Excerpt buffers that are used again.
#define CONNECT_MS_DEFAULT 5000
#define TLS_MS_DEFAULT 5000
#define CONNECTIONS_MAX_DEFAULT 4096

// --- What is used again --------------------------------------------------------------------------

static struct excerpt *excerpt_new(size_t bytes)
{
    struct excerpt *e = xmalloc(sizeof *e + bytes);
    e->bytes_max = bytes;
    return e;
}

struct excerpt *wire__excerpt_take(struct wire *w, size_t bytes)
{
    struct excerpt *e = w->excerpts;
    if (bytes > EXCERPT_BYTES_USUAL)
        return excerpt_new(bytes);
    if (!e)
        return excerpt_new(EXCERPT_BYTES_USUAL);
    assert(w->excerpt_count > 0);
    w->excerpts = e->next;
    w->excerpt_count--;
    return e;
}

void wire__excerpt_put(struct wire *w, struct excerpt *e)
{
    if (!e || e->bytes_max != EXCERPT_BYTES_USUAL || w->excerpt_count >= EXCERPTS_SPARE_MAX) {
        free(e);
        return;
    }
    e->next = w->excerpts;
    w->excerpts = e;
    w->excerpt_count++;
}

struct excerpt *wire__excerpt_widen(struct wire *w, struct excerpt *e, size_t used, size_t bytes)
{
    size_t room = e ? MIN(MAX(bytes, 2 * e->bytes_max), RESPONSE_BYTES_MAX) : bytes;
    struct excerpt *wider = wire__excerpt_take(w, room);
    assert(bytes <= wider->bytes_max);
    if (e)
        memcpy(wider->bytes, e->bytes, used);
    wire__excerpt_put(w, e);
    return wider;
}

static struct call *take_spare(struct wire *w)
{
    struct call *c = TAILQ_FIRST(&w->spare);
    if (!c)
        return call__new(w);
    assert(w->spare_count > 0);
    TAILQ_REMOVE(&w->spare, c, link);
    w->spare_count--;
    return c;
}

// The one used last is used next: its memory is still in the cache.
static void put_spare(struct wire *w, struct call *c)
{
    if (w->spare_count >= CALLS_SPARE_MAX) {
        call__free(c);
        return;
    }
    TAILQ_INSERT_HEAD(&w->spare, c, link);
    w->spare_count++;
}

static void free_calls(struct call_list *list)
{
    for (struct call *c; (c = TAILQ_FIRST(list));) {
        TAILQ_REMOVE(list, c, link);
        call__free(c);
    }
}

// --- Reporting -----------------------------------------------------------------------------------

static void want_soon(struct wire *w, bool wanted)
{
    if (w->is_soon != wanted)
        loop_modify(w->loop, &w->soon, wanted ? EPOLLIN : 0);
    w->is_soon = wanted;
}

void wire__soon(struct wire *w)
{
    want_soon(w, true);
}

void wire__report(struct wire *w)
{
    if (TAILQ_EMPTY(&w->ended))
        return;
    struct call_list list = TAILQ_HEAD_INITIALIZER(list);
    TAILQ_CONCAT(&list, &w->ended, link); // What the calls below add is for the next turn.
    mono_ms now = clock_mono_ms();
    for (struct call *c; (c = TAILQ_FIRST(&list));) {
        struct verdict v;
        assert(w->in_flight > 0 && !c->connection && !deadline__is_set(&c->deadline));
        call__verdict(c, now, &v);
        TAILQ_REMOVE(&list, c, link);
        target__release(w, c->target);
        trust__release(w, c->trust);
        pair__release(w, c->pair);
        judge_release(&w->judge, &c->rules);
        wire__excerpt_put(w, c->excerpt);
        w->in_flight--;
        struct hops *hops = c->hops; // The outcome borrows its record.
        c->hops = NULL;
        put_spare(w, c); // Before the call: it may send, and can then use this very one.
        w->done(w->context, &v.outcome);
        hops_free(hops);
    }
    if (!TAILQ_EMPTY(&w->ended))
        wire__soon(w);
}

static void report_all(void *context)
{
    wire__report(context);
}

static void soon_ready(void *context, uint32_t events)
{
    (void)events;
    struct wire *w = context;
    want_soon(w, line__serve(w));
    wire__report(w);
}

static enum err open_soon(struct wire *w, struct fault *f)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "eventfd: %s", strerror(errno));
    w->soon = (struct loop_source){.fd = fd, .ready = soon_ready, .context = w};
    return loop_add(w->loop, &w->soon, 0, f);
}

static void close_soon(struct wire *w)
{
    if (w->soon.fd < 0)
        return;
    loop_remove(w->loop, &w->soon);
    close(w->soon.fd);
}

// --- The port ------------------------------------------------------------------------------------

static void wire_send(struct dispatch *dispatch, const struct send *s)
{
    struct wire *w = (struct wire *)dispatch;
    struct call *c = take_spare(w);
    TAILQ_INSERT_HEAD(&w->under_way, c, link);
    w->in_flight++;
    call__start(c, s);
    if (!TAILQ_EMPTY(&w->ended))
        wire__soon(w);
}

static void wire_cancel(struct dispatch *dispatch, uint64_t ticket)
{
    struct wire *w = (struct wire *)dispatch;
    struct call *c;
    TAILQ_FOREACH(c, &w->under_way, link)
        if (c->ticket == ticket)
            break;
    if (!c)
        return;
    call__cancel(c);
    wire__soon(w);
}

static size_t wire_in_flight(const struct dispatch *dispatch)
{
    return ((const struct wire *)dispatch)->in_flight;
}

static void wire_close(struct dispatch *dispatch)
{
    struct wire *w = (struct wire *)dispatch;
    for (struct call *c; (c = TAILQ_FIRST(&w->under_way));)
        call__end(c, END_TROUBLE);
    for (struct call *c; (c = TAILQ_FIRST(&w->ended));) {
        TAILQ_REMOVE(&w->ended, c, link);
        target__release(w, c->target);
        trust__release(w, c->trust);
        pair__release(w, c->pair);
        judge_release(&w->judge, &c->rules);
        free(c->excerpt);
        hops_free(c->hops);
        call__free(c);
    }
    free_calls(&w->spare);
    while (w->excerpts)
        free(wire__excerpt_take(w, 0));
    resolver__close(w->resolver);
    pool__fini(w);
    deadlines__close(&w->deadlines);
    close_soon(w);
    SSL_CTX_free(w->tls);
    table__fini(&w->trusts);
    table__fini(&w->pairs);
    judge_fini(&w->judge);
    request_fini(&w->parts);
    free(w->version);
    free(w);
}

static const struct dispatch_adapter wire_adapter = {
    .close = wire_close,
    .send = wire_send,
    .cancel = wire_cancel,
    .in_flight = wire_in_flight,
};

static struct wire *wire_new(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                             void *context)
{
    struct wire *w = xcalloc(1, sizeof *w);
    w->dispatch.adapter = &wire_adapter;
    judge_init(&w->judge);
    w->loop = l;
    w->done = done;
    w->context = context;
    w->version = xstrdup(o->version ? o->version : "");
    w->connect_ms = o->connect_ms > 0 ? o->connect_ms : CONNECT_MS_DEFAULT;
    w->tls_ms = o->tls_ms > 0 ? o->tls_ms : TLS_MS_DEFAULT;
    w->targets = o->targets;
    w->secrets = o->secrets;
    w->soon.fd = -1;
    TAILQ_INIT(&w->under_way);
    TAILQ_INIT(&w->ended);
    TAILQ_INIT(&w->spare);
    line__init(w);
    pool__init(w, o->connections_max > 0 ? o->connections_max : CONNECTIONS_MAX_DEFAULT);
    return w;
}

enum err wire__open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                    void *context, struct dispatch **out, struct fault *f)
{
    struct wire *w = wire_new(l, o, done, context);
    enum err err = deadlines__open(&w->deadlines, l, report_all, w, f);
    if (!err)
        err = resolver__open(l, &w->deadlines, o->name_servers, report_all, w, &w->resolver, f);
    if (!err)
        err = open_soon(w, f);
    if (!err)
        err = tls__open(o->ca_file, o->ca_only, &w->tls, f);
    if (err)
        wire_close(&w->dispatch);
    else
        *out = &w->dispatch;
    return err;
}
