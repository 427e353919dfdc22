// SPDX-License-Identifier: MIT
// raise.c: alerts about the server that others than the core know of.
//
// The alert is a command to the core, which owns the ids of alerts: in a cluster to whichever node
// has the first shard.

#include "app/app_priv.h"
#include "base/log.h"

struct raising {
    struct alert alert; // Owns its texts.
};

static void raising_free(struct raising *r)
{
    free((char *)(uintptr_t)r->alert.subject);
    free((char *)(uintptr_t)r->alert.last_error);
    free(r);
}

static void log_unraised(enum alert_kind kind, enum err err)
{
    log_warn("alert.unraised", LOG_TEXT("kind", alert_kind_name(kind)),
             LOG_TEXT("error", err_text(err)));
}

static void raised(void *raising, const struct reply *reply)
{
    struct raising *r = raising;
    if (reply->err)
        log_unraised(r->alert.kind, reply->err);
    job_free(reply->row);
    raising_free(r);
}

bool app__raise_alert(const struct carillon *c, const struct alert *facts)
{
    struct raising *r = xcalloc(1, sizeof *r);
    r->alert = *facts;
    r->alert.subject = xstrdup(facts->subject);
    r->alert.last_error = xstrdup(facts->last_error);
    const struct command command = {.kind = COMMAND_RAISE_ALERT, .alert = &r->alert};
    enum err err = c->post ? cluster_post_submit(c->post, &command, raised, r)
                           : engine_submit(c->engine, &command, raised, r);
    if (!err)
        return true;
    log_unraised(facts->kind, err);
    raising_free(r);
    return false;
}
