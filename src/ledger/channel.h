// SPDX-License-Identifier: MIT
// channel.h: who is told of alerts, and when not: channels, silences, deliveries.
//
// A door of room ledger. Plain structs, each a row of the table of its name, that belong to no
// shard. Their strings are borrowed.

#ifndef CARILLON_LEDGER_CHANNEL_H
#define CARILLON_LEDGER_CHANNEL_H

#include "ledger/ledger.h"

#define CHANNEL_NAME_BYTES_MAX 100
#define CHANNEL_COUNT_MAX 200
#define SILENCE_COUNT_MAX 1000 // Silences that are not over, at once.
#define SILENCE_REASON_BYTES_MAX 500

// A set of alert kinds, a bit each. Empty: any kind.
_Static_assert(ALERT_KINDS <= 64, "a set of alert kinds is 64 bits");
#define ALERT_KIND_BIT(kind) ((uint64_t)1 << (kind))

// A channel with filters gets the alerts that match all filters which it has; one without filters
// gets every alert. The default channel gets only what no other channel wants. An alert of the
// server matches no filter of tags or jobs.
struct channel {
    int64_t id;       // Never given twice.
    const char *name; // Unique; 1 to CHANNEL_NAME_BYTES_MAX bytes.
    enum channel_kind kind;
    const char *config;  // JSON object: the settings of its kind that readers may see.
    const char *secrets; // JSON object of the settings that are secret, sealed; NULL: none.
    uint64_t kinds;      // Filter: alert kinds.
    const char *tags;    // Filter: JSON array, of which the job has one; NULL: any job.
    const char *jobs;    // Filter: JSON array of job ids; NULL: any.
    bool is_default;     // At most one channel is.
    bool is_enabled;
    wall_ms created_at;
    wall_ms updated_at;
    int64_t version;       // Counts its changes, from 1.
    wall_ms failing_since; // Deliveries to it fail since then; 0: they do not.
    const char *last_error;
    wall_ms delivered_at; // The last that arrived; 0: none.
};

// What is silent is recorded and told to nobody. An alert has to match all of job, tag and kinds.
struct silence {
    int64_t id;      // Never given twice.
    job_id job;      // 0: any.
    const char *tag; // NULL: any.
    uint64_t kinds;  // Alert kinds.
    wall_ms from;    // From here
    wall_ms until;   // to before this; WALL_NEVER only with a schedule.
    // NULL: silent all the time. Else a maintenance window begins at each occurrence of the
    // schedule in the zone, and lasts so long.
    const char *schedule;
    const char *timezone; // NULL: UTC.
    uint32_t duration_s;
    const char *reason;
    wall_ms created_at;
    const char *created_by; // The name of the token; NULL: none was given.
};

// A message to one channel, of one alert or of several.
struct delivery {
    int64_t id;
    int64_t channel;
    const char *channel_name;
    enum delivery_state state;
    bool is_test;     // Somebody tries the channel: tells of no alert, and is sent once.
    dur_ms window_ms; // For so long it was to gather alerts.
    uint16_t attempts;
    wall_ms created_at;
    wall_ms next_attempt_at;
    wall_ms finished_at;
    int http_status;     // The last attempt's; 0: there was no answer.
    const char *error;   // The last attempt's; NULL: it had none.
    const char *message; // The notice as JSON, written once: each attempt sends the same.
    int64_t alert_count;
};

#endif
