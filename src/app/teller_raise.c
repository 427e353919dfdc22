// SPDX-License-Identifier: MIT
// teller_raise.c: alerts about channels themselves.
//
// A channel whose messages do not get through is told of once, by the other channels, and so is
// the end of that. The alert is a command to the core, which owns the ids of alerts: in a cluster
// to whichever node has the first shard. A start takes a channel that has failed for a minute as
// told.

#include "app/teller_priv.h"
#include "base/log.h"

#define FAILURES_DOWN 3

struct raising {
    struct alert alert; // Owns its texts.
};

static void raising_free(struct raising *r)
{
    free((char *)(uintptr_t)r->alert.subject);
    free((char *)(uintptr_t)r->alert.last_error);
    free(r);
}

static void raised(void *raising, const struct reply *reply)
{
    if (reply->err)
        log_warn("channel.unraised", LOG_TEXT("error", err_text(reply->err)));
    job_free(reply->row);
    raising_free(raising);
}

static void raise_alert(struct teller *t, const struct alert *facts)
{
    const struct carillon *c = t->server;
    struct raising *r = xcalloc(1, sizeof *r);
    r->alert = *facts;
    r->alert.subject = xstrdup(facts->subject);
    r->alert.last_error = xstrdup(facts->last_error);
    const struct command command = {.kind = COMMAND_RAISE_ALERT, .alert = &r->alert};
    enum err err = c->post ? cluster_post_submit(c->post, &command, raised, r)
                           : engine_submit(c->engine, &command, raised, r);
    if (!err)
        return;
    log_warn("channel.unraised", LOG_TEXT("error", err_text(err)));
    raising_free(r);
}

void teller__judge_channel(struct teller *t, size_t place, const struct delivery_attempt *a,
                           wall_ms failing_since, bool is_final)
{
    struct desk *desk = &t->desks[place];
    struct channel *c = &t->channels[place];
    bool goes_down = a->error && !desk->is_down && (desk->failures >= FAILURES_DOWN || is_final);
    bool comes_up = !a->error && desk->is_down;
    if (goes_down)
        raise_alert(t, &(struct alert){.kind = ALERT_CHANNEL_DOWN,
                                       .subject = c->name,
                                       .last_error = a->error,
                                       .attempts = desk->failures,
                                       .from = failing_since});
    if (comes_up) {
        raise_alert(t, &(struct alert){.kind = ALERT_CHANNEL_UP,
                                       .subject = c->name,
                                       .from = failing_since,
                                       .to = clock_wall_ms()});
        c->failing_since = 0;
    }
    desk->is_down = (desk->is_down || goes_down) && !comes_up;
}
