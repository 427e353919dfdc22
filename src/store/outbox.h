// SPDX-License-Identifier: MIT
// outbox.h: a door of the store for what people are told: waiting alerts and their deliveries.
//
// An alert that people are to be told of is written as `waiting`, in the transaction of what it is
// about: so the table of alerts is the outbox, and no crash loses an alert. Who tells, reads the
// waiting ones, decides which channel gets which, and settles that in one transaction: the alerts
// are no longer waiting, and stand in deliveries, each a message to one channel. A delivery gathers
// alerts until it is sealed: then its message is written, and never changes. Each attempt to send
// it is recorded, and the last one ends it.
//
// One node tells for all. Calls that write on its behalf have its epoch as the leader, and are
// ERR_FENCED once another node leads; 0: this node is alone. What registry.h says of errors and of
// callbacks holds here, too.

#ifndef CARILLON_STORE_OUTBOX_H
#define CARILLON_STORE_OUTBOX_H

#include "ledger/channel.h"
#include "store/registry.h"

#define OUTBOX_PAGE 500 // So many alerts are read or settled at once, at most.

// --- Alerts ----------------------------------------------------------------------------------

// An alert with what decides who is told. Texts are borrowed for the callback.
struct outbox_alert {
    struct alert alert;
    const char *job_name;     // NULL: the job has none, or is gone, or there is none.
    const char *job_tags;     // JSON array, or NULL likewise.
    const char *job_channels; // The job's alert_channels: JSON array, or NULL likewise.
    // Of an alert that did not open its incident: what became of the one that did, and to which
    // channels that one went, as "1,2,"; else TELLING_NONE and NULL.
    enum alert_telling opener;
    const char *opener_channels;
};
typedef enum err store_each_outbox_alert(void *context, const struct outbox_alert *a);

// Waiting alerts in order of id, `limit` at most.
MUST_CHECK enum err store_outbox_waiting(struct store_registry *r, size_t limit,
                                         store_each_outbox_alert *each, void *context,
                                         struct fault *f);

// The alerts of a delivery, in order of id, from behind `after` on.
MUST_CHECK enum err store_outbox_of_delivery(struct store_registry *r, int64_t delivery,
                                             int64_t after, size_t limit,
                                             store_each_outbox_alert *each, void *context,
                                             struct fault *f);

struct outbox_verdict {
    int64_t alert;
    enum alert_telling telling; // TOLD, SILENCED, NOBODY
    int64_t silence;            // SILENCED: which one.
};

struct outbox_link {
    int64_t delivery;
    int64_t alert;
};

// What was decided of some alerts: OUTBOX_PAGE verdicts at most, any number of links.
struct outbox_settlement {
    const struct outbox_verdict *verdicts;
    size_t verdict_count;
    const struct outbox_link *links;
    size_t link_count;
};

// An alert that is not waiting any more, or is gone, stays as it is. A link counts once.
MUST_CHECK enum err store_outbox_settle(struct store_registry *r, int64_t epoch,
                                        const struct outbox_settlement *s, struct fault *f);

// Which silences keep an alert from people that opened an incident which is not over. An incident
// is over when an alert of it has a kind of `closing`, a set. *count: `ids_max` at most.
MUST_CHECK enum err store_outbox_silences(struct store_registry *r, uint64_t closing, int64_t *ids,
                                          size_t ids_max, size_t *count, struct fault *f);

// These alerts of that silence are waiting again.
MUST_CHECK enum err store_outbox_unsilence(struct store_registry *r, int64_t epoch, int64_t silence,
                                           uint64_t closing, struct fault *f);

struct outbox_counts {
    int64_t waiting;
    wall_ms oldest_at; // When the oldest that waits was written; 0: none waits.
    int64_t pending;   // Deliveries that are PENDING.
};
MUST_CHECK enum err store_outbox_count(struct store_registry *r, struct outbox_counts *out,
                                       struct fault *f);

// --- Deliveries ------------------------------------------------------------------------------

// Makes a delivery of d's channel, window and times, that gathers; its id becomes d->id, and is
// never given again.
MUST_CHECK enum err store_delivery_open(struct store_registry *r, int64_t epoch, struct delivery *d,
                                        struct fault *f);

// What a delivery becomes when its message is written.
struct delivery_seal {
    const char *message;
    int64_t alert_count; // So many alerts the message tells of.
    // The key under which its incidents are open at the channel from now on, and the first of its
    // alerts that is of an incident. NULL and 0: nothing is kept open.
    const char *dedup_key;
    int64_t watched;
};

// The message is written. What an earlier delivery keeps open under the same key at the same
// channel is this one's from now on. ERR_CONFLICT: it was sealed before, or is over.
MUST_CHECK enum err store_delivery_seal(struct store_registry *r, int64_t epoch, int64_t id,
                                        const struct delivery_seal *s, struct fault *f);

// Phases that did not happen are -1.
struct delivery_attempt {
    int64_t delivery;
    uint16_t number; // From 1.
    uint16_t http_status;
    wall_ms started_at;
    dur_ms duration_ms;
    int32_t dns_ms;
    int32_t connect_ms;
    int32_t tls_ms;
    int32_t first_byte_ms;
    const char *error; // NULL: the message arrived.
};

// What an attempt makes of its delivery.
struct delivery_after {
    enum delivery_state state;
    wall_ms next_attempt_at; // PENDING; else 0.
    wall_ms finished_at;     // SUCCESS, FAILED; else 0.
};

// The attempt becomes a row. ERR_CONFLICT: the delivery is over, or gathers, or its next attempt
// has another number.
MUST_CHECK enum err store_delivery_record(struct store_registry *r, int64_t epoch,
                                          const struct delivery_attempt *a,
                                          const struct delivery_after *after, struct fault *f);

// Ends a delivery without an attempt, such as that of a channel which is gone: FAILED.
// ERR_CONFLICT: the delivery is over.
MUST_CHECK enum err store_delivery_give_up(struct store_registry *r, int64_t epoch, int64_t id,
                                           const char *why, wall_ms now, struct fault *f);

// --- What is open at channels ------------------------------------------------------------------
//
// A sealed delivery with a key is an opening: the channel keeps something open under that key,
// until a delivery that follows says that all incidents of the opening are over. An incident is
// open as long as the row of its job has it. An opening that FAILED is none.

struct outbox_opening {
    int64_t delivery;
    int64_t channel;
    const char *channel_name;
    const char *dedup_key;
    int64_t alert_count;
    int64_t incident;     // The watched alert is of this one, 0: that alert is gone;
    bool is_over;         // and whether it is over.
    int64_t acknowledged; // An alert of that incident that somebody has seen; 0: none was, or the
                          // channel knows.
};
typedef enum err store_each_opening(void *context, const struct outbox_opening *o);

// The openings with ids above `after`, in order, `limit` at most.
MUST_CHECK enum err store_opening_list(struct store_registry *r, int64_t after, size_t limit,
                                       store_each_opening *each, void *context, struct fault *f);

// Watches the next alert of the opening whose incident is open; when none of the next OUTBOX_PAGE
// is, the last of them. *moved: there was a next alert.
MUST_CHECK enum err store_opening_advance(struct store_registry *r, int64_t epoch, int64_t delivery,
                                          bool *moved, struct fault *f);

// The last alert of each incident of the opening's first `limit` alerts, in order of id.
MUST_CHECK enum err store_opening_ends(struct store_registry *r, int64_t delivery, size_t limit,
                                       store_each_outbox_alert *each, void *context,
                                       struct fault *f);

struct opening_follow {
    int64_t opening;
    bool ends;             // The opening is none any more; else it is acknowledged.
    const int64_t *alerts; // The delivery tells of these, OUTBOX_PAGE at most.
    size_t alert_count;
};

// Makes a delivery of d's channel, message and times, once for an opening and an end or an
// acknowledgement; its id becomes d->id. ERR_CONFLICT: there was one.
MUST_CHECK enum err store_opening_follow(struct store_registry *r, int64_t epoch,
                                         const struct opening_follow *w, struct delivery *d,
                                         struct fault *f);

// --- Reading deliveries ------------------------------------------------------------------------

typedef enum err store_each_delivery(void *context, const struct delivery *d);

// All that are PENDING, in order of id: for each channel one that is sent, one that gathers, tests,
// and what follows openings.
MUST_CHECK enum err store_delivery_pending(struct store_registry *r, store_each_delivery *each,
                                           void *context, struct fault *f);

struct delivery_query {
    int64_t id;      // 0: any.
    int64_t alert;   // An alert that the delivery tells of; 0: any.
    int64_t channel; // 0: any.
    int state;       // enum delivery_state; -1: any.
    int64_t before;  // Ids below it; 0: all.
    size_t limit;
};
// Newest first.
MUST_CHECK enum err store_delivery_list(struct store_registry *r, const struct delivery_query *q,
                                        store_each_delivery *each, void *context, struct fault *f);

typedef enum err store_each_delivery_attempt(void *context, const struct delivery_attempt *a);
// In order of their numbers.
MUST_CHECK enum err store_delivery_attempts(struct store_registry *r, int64_t delivery,
                                            store_each_delivery_attempt *each, void *context,
                                            struct fault *f);

#endif
