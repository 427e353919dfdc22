// SPDX-License-Identifier: MIT
// teller_priv.h: how the parts of the teller see each other.
//
// teller.c has the thread and its turns, teller_desks.c what is known of channels and silences,
// teller_gather.c makes deliveries of waiting alerts, teller_send.c carries deliveries out,
// teller_follow.c says what became of incidents that channels keep open, teller_raise.c raises
// alerts of channels. All of it belongs to the teller's thread, but for what teller.c guards.

#ifndef CARILLON_APP_TELLER_PRIV_H
#define CARILLON_APP_TELLER_PRIV_H

#include "alert/mailer.h"
#include "alert/tell.h"
#include "app/app_priv.h"
#include "dispatch/dispatch.h"
#include "store/channels.h"
#include "store/outbox.h"

// What is known of a channel beside its row. Its place is that of the row in `channels`.
struct desk {
    int64_t channel;
    int64_t under_way;   // The delivery of which an attempt is under way; 0: none.
    uint16_t number;     // The attempt's,
    bool is_test;        // and whether its delivery is a test.
    unsigned failures;   // Attempts in a row that failed.
    mono_ms not_before;  // Nothing is sent before.
    mono_ms gathered_at; // The end of the last window,
    dur_ms window_ms;    // and how long it was.
    bool is_down;        // People were told that the channel is down.
};

struct teller {
    struct carillon *server;
    struct store_registry *registry;
    struct loop *loop;
    struct dispatch *dispatch;
    struct mailer *mailer;
    int64_t epoch;            // As the leader; 0: this node is alone.
    struct channel *channels; // As read last. Own their texts.
    struct desk *desks;       // As many.
    int64_t desks_epoch;      // The epoch in which they were made.
    size_t channel_count;
    struct silence *silences; // What holds now. Own their tags, and have no other texts.
    size_t silence_count;
    struct delivery *pending; // As read last, in order of id. Own their texts.
    size_t pending_count;
    size_t pending_capacity;
    int64_t looked_at; // The last opening that was looked at; 0: the next look begins anew.
    bool is_idle;      // The last look found nothing to do.
    mono_ms seldom_at; // When what needs no hurry was looked for last: silences that have ended.
    mono_ms rested_at; // When others had their turn at the store last.
    enum err told;     // The last error that the log has.
    struct teller_thread *thread;
};

// --- teller.c --------------------------------------------------------------------------------

// To be called between two changes of the store, of which a look may make hundreds: lets others
// have their turn at it, such as executions, and hears of attempts that have ended.
void teller__rest(struct teller *t);

// --- teller_desks.c --------------------------------------------------------------------------

MUST_CHECK enum err teller__read_channels(struct teller *t, struct fault *f);
MUST_CHECK enum err teller__read_silences(struct teller *t, wall_ms now, struct fault *f);
MUST_CHECK enum err teller__read_pending(struct teller *t, struct fault *f);
void teller__add_pending(struct teller *t, const struct delivery *d);
void teller__forget(struct teller *t); // Frees all that was read, and the desks.
// The place of a channel; channel_count: it is gone.
size_t teller__place(const struct teller *t, int64_t channel);

// --- teller_gather.c -------------------------------------------------------------------------

// Waiting alerts are settled for a while, and stand in the deliveries that gather.
MUST_CHECK enum err teller__gather(struct teller *t, wall_ms now, struct fault *f);
// Alerts whose silences have ended wait again.
MUST_CHECK enum err teller__unsilence(struct teller *t, struct fault *f);

// --- teller_send.c ---------------------------------------------------------------------------

// Starts an attempt of each channel whose next delivery is due, after its message was written.
MUST_CHECK enum err teller__send(struct teller *t, wall_ms now, struct fault *f);
dispatch_done teller__outcome; // The context is the teller, as of the other.
mailer_done teller__mail_outcome;
size_t teller__under_way(const struct teller *t);

// --- teller_follow.c -------------------------------------------------------------------------

// Makes deliveries of ends and acknowledgements to channels that keep incidents open.
MUST_CHECK enum err teller__follow(struct teller *t, wall_ms now, struct fault *f);

// --- teller_raise.c --------------------------------------------------------------------------

// Raises alerts of channels that have come to be down, or are up again: after an attempt at a
// message of the channel was recorded, which failed since `failing_since` (0: it arrived).
void teller__judge_channel(struct teller *t, size_t place, const struct delivery_attempt *a,
                           wall_ms failing_since, bool is_final);

#endif
