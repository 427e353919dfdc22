// SPDX-License-Identifier: MIT
// raise.c: alerts about the server that others than the core know of.
//
// The alert is a command to the core, which owns the ids of alerts: in a cluster to whichever node
// has the first shard. What is refused, such as while the database is away, is kept and tried
// again.

#include "app/app_priv.h"
#include "base/log.h"

#define UNRAISED_MAX 64 // So many are kept; further ones are in the log alone.

struct raising {
    struct carillon *server;
    struct alert alert; // Owns its texts.
    bool was_refused;
    struct raising *next; // Among those that are kept.
};

static void raising_free(struct raising *r)
{
    free((char *)(uintptr_t)r->alert.subject);
    free((char *)(uintptr_t)r->alert.last_error);
    free(r);
}

// What may have been raised is not tried again. The log says it once.
static void refused(struct raising *r, enum err err)
{
    struct carillon *c = r->server;
    if (!r->was_refused)
        log_warn("alert.unraised", LOG_TEXT("kind", alert_kind_name(r->alert.kind)),
                 LOG_TEXT("error", err_text(err)));
    r->was_refused = true;
    if (err == ERR_DOUBT || atomic_load(&c->unraised_count) >= UNRAISED_MAX) {
        raising_free(r);
        return;
    }
    atomic_fetch_add(&c->unraised_count, 1);
    r->next = atomic_load(&c->unraised);
    while (!atomic_compare_exchange_weak(&c->unraised, &r->next, r))
        ;
}

static void raised(void *raising, const struct reply *reply)
{
    struct raising *r = raising;
    job_free(reply->row);
    if (reply->err)
        refused(r, reply->err);
    else
        raising_free(r);
}

static void submit(struct raising *r)
{
    const struct carillon *c = r->server;
    const struct command command = {.kind = COMMAND_RAISE_ALERT, .alert = &r->alert};
    enum err err = c->post ? cluster_post_submit(c->post, &command, raised, r)
                           : engine_submit(c->engine, &command, raised, r);
    if (err)
        refused(r, err);
}

void app__raise_alert(struct carillon *c, const struct alert *facts)
{
    struct raising *r = xcalloc(1, sizeof *r);
    r->server = c;
    r->alert = *facts;
    r->alert.subject = xstrdup(facts->subject);
    r->alert.last_error = xstrdup(facts->last_error);
    submit(r);
}

// The first that was refused is the first again.
static struct raising *take_all(struct carillon *c)
{
    struct raising *kept = atomic_exchange(&c->unraised, NULL), *in_order = NULL;
    while (kept) {
        struct raising *r = kept;
        kept = r->next;
        r->next = in_order;
        in_order = r;
        atomic_fetch_sub(&c->unraised_count, 1);
    }
    return in_order;
}

void app__raise_again(struct carillon *c)
{
    for (struct raising *r = take_all(c), *next; r; r = next) {
        next = r->next;
        submit(r);
    }
}

void app__raise_forget(struct carillon *c)
{
    for (struct raising *r = take_all(c), *next; r; r = next) {
        next = r->next;
        raising_free(r);
    }
}
