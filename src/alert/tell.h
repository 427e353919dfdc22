// SPDX-License-Identifier: MIT
// tell.h: who is told of an alert, when, and how often it is tried.
//
// Pure: the caller brings channels, silences, times and randomness.

#ifndef CARILLON_ALERT_TELL_H
#define CARILLON_ALERT_TELL_H

#include "alert/notice.h"
#include "ledger/channel.h"

// The kinds of alerts that say that something is over.
#define ALERTS_CLOSING                                                                             \
    (ALERT_KIND_BIT(ALERT_RECOVERED) | ALERT_KIND_BIT(ALERT_TARGET_UP) |                           \
     ALERT_KIND_BIT(ALERT_CHANNEL_UP) | ALERT_KIND_BIT(ALERT_DISK_OK))

enum notice_severity alert_severity(enum alert_kind kind);

// --- Who -------------------------------------------------------------------------------------

// What is looked at of an alert.
struct tell_subject {
    enum alert_kind kind;
    job_id job;           // 0: the alert is about the server.
    const char *tags;     // The job's, a JSON array; NULL: none.
    const char *names;    // Channels that the job names, a JSON array; NULL: it names none.
    const char *receiver; // A channel that the alert is about, and that is not told; NULL: none.
};

// Channels and silences, ready to be matched with many alerts. They must stay as they are.
struct tell_index;
struct tell_index *tell_index_new(const struct channel *channels, size_t channel_count,
                                  const struct silence *silences, size_t silence_count);
void tell_index_free(struct tell_index *x); // NULL is a no-op.

// The first of the silences that is about such an alert, whenever it holds; NULL: none is.
const struct silence *tell_silence(struct tell_index *x, const struct tell_subject *a);

// Sets chosen[i] for each of the channels that gets the alert: those that the job names, if there
// are any of them; else those whose filters match; else the default one. Says how many there are.
size_t tell_choose(struct tell_index *x, const struct tell_subject *a, bool *chosen);

// The same for what follows an alert that was told, whose channels are "1,2,": these again.
size_t tell_follow(const struct channel *channels, size_t count, const char *ids, bool *chosen);

// Whether the channel keeps something open under the key of a message, until a message under the
// same key says that it is over.
bool tell_keeps_keys(enum channel_kind kind);

// --- When ------------------------------------------------------------------------------------

#define TELL_WINDOW_MS 5000
#define TELL_WINDOW_MS_MAX 240000

// How long a channel gathers from the first alert on, which comes `quiet_ms` after the end of the
// window before it, of `last_ms` (0: there was none): `base_ms`, and twice as long each time while
// messages go on.
dur_ms tell_window(dur_ms base_ms, dur_ms last_ms, dur_ms quiet_ms);

#define TELL_TRIED_MS 86400000 // Then a message is given up.

// How long to wait after so many failures in a row of one message: doubling from 5 s up to 15
// minutes, spread by a tenth, and at least as long as the receiver has asked for.
dur_ms tell_delay(unsigned failures, dur_ms retry_after_ms, uint32_t random);

// Whether it is time for what is due at `at`, and was to wait for `longest_ms` at most: it does not
// wait longer than that when the clock is set back.
bool tell_is_due(wall_ms at, wall_ms now, dur_ms longest_ms);

#endif
