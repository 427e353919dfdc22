// SPDX-License-Identifier: MIT
// teller_raise.c: alerts about channels themselves.
//
// A channel whose messages do not get through is told of once, by the other channels, and so is
// the end of that. A start takes a channel that has failed for a minute as told.

#include "app/teller_priv.h"

#define FAILURES_DOWN 3

void teller__judge_channel(struct teller *t, size_t place, const struct delivery_attempt *a,
                           wall_ms failing_since, bool is_final)
{
    struct desk *desk = &t->desks[place];
    struct channel *c = &t->channels[place];
    bool goes_down = a->error && !desk->is_down && (desk->failures >= FAILURES_DOWN || is_final);
    bool comes_up = !a->error && desk->is_down;
    if (goes_down) {
        app__raise_alert(t->server, &(struct alert){.kind = ALERT_CHANNEL_DOWN,
                                                    .subject = c->name,
                                                    .last_error = a->error,
                                                    .attempts = desk->failures,
                                                    .from = failing_since});
        desk->is_down = true;
    }
    if (comes_up) {
        app__raise_alert(t->server, &(struct alert){.kind = ALERT_CHANNEL_UP,
                                                    .subject = c->name,
                                                    .from = failing_since,
                                                    .to = clock_wall_ms()});
        c->failing_since = 0;
        desk->is_down = false;
    }
}
