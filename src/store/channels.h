// SPDX-License-Identifier: MIT
// channels.h: a door of the store for channels and silences, which a registry has beside tokens.
//
// What registry.h says of errors holds here. Each change is written with its entry of the audit, in
// one transaction; `by` is who asked for it, NULL: nobody is known. Secrets are not in the audit,
// only that there are some.

#ifndef CARILLON_STORE_CHANNELS_H
#define CARILLON_STORE_CHANNELS_H

#include "ledger/channel.h"
#include "store/registry.h"

// What callbacks get is borrowed for the call, and they must not call the registry. An error that
// one returns ends the list and is returned.
typedef enum err store_each_channel(void *context, const struct channel *c);
typedef enum err store_each_silence(void *context, const struct silence *s);

// --- Channels --------------------------------------------------------------------------------

// The id, the version and what deliveries note are not looked at. ERR_EXISTS: another channel has
// the name, or is the default one, as the message says. ERR_LIMIT: there are CHANNEL_COUNT_MAX.
MUST_CHECK enum err store_channel_insert(struct store_registry *r, const struct actor *by,
                                         const struct channel *c, int64_t *id, struct fault *f);

// Replaces all but its kind, created_at and what deliveries note. c->version is the version that
// the change was made from: ERR_CONFLICT when it is another now. ERR_NOT_FOUND; ERR_EXISTS as
// above.
MUST_CHECK enum err store_channel_update(struct store_registry *r, const struct actor *by,
                                         const struct channel *c, struct fault *f);

MUST_CHECK enum err store_channel_delete(struct store_registry *r, const struct actor *by,
                                         int64_t id, wall_ms now, struct fault *f);

// ERR_NOT_FOUND.
MUST_CHECK enum err store_channel_get(struct store_registry *r, int64_t id,
                                      store_each_channel *each, void *context, struct fault *f);
// In order of id.
MUST_CHECK enum err store_channel_list(struct store_registry *r, store_each_channel *each,
                                       void *context, struct fault *f);

// What deliveries say of a channel, without an entry of the audit or another version. A channel
// that has gone is left alone.
struct channel_note {
    wall_ms failing_since;
    const char *last_error; // NULL: none.
    wall_ms delivered_at;   // 0: as it was.
};
MUST_CHECK enum err store_channel_note(struct store_registry *r, int64_t id,
                                       const struct channel_note *n, struct fault *f);

// --- Silences --------------------------------------------------------------------------------

#define SILENCE_KEPT_MS 7776000000 // A row is kept so long after its silence is over: 90 days.

// Rows of silences that were over long ago go in the same transaction. ERR_LIMIT: SILENCE_COUNT_MAX
// are not over.
MUST_CHECK enum err store_silence_insert(struct store_registry *r, const struct actor *by,
                                         const struct silence *s, int64_t *id, struct fault *f);
// ERR_NOT_FOUND.
MUST_CHECK enum err store_silence_delete(struct store_registry *r, const struct actor *by,
                                         int64_t id, wall_ms now, struct fault *f);
MUST_CHECK enum err store_silence_get(struct store_registry *r, int64_t id,
                                      store_each_silence *each, void *context, struct fault *f);
// In order of id, those that are over among them.
MUST_CHECK enum err store_silence_list(struct store_registry *r, store_each_silence *each,
                                       void *context, struct fault *f);

#endif
