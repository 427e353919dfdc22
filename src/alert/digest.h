// SPDX-License-Identifier: MIT
// digest.h: the notice of a delivery, made of the alerts that it gathered.
//
// Alerts are added one after the other, in order of id, and may be ten thousands: kept are counts,
// the worst few, and which incidents began and ended here.
//
// An incident that began and ended in one delivery is said once, as its end. A notice of one
// incident has that incident's key, so that its end closes what its beginning opened; a notice of
// several has the key of its delivery.

#ifndef CARILLON_ALERT_DIGEST_H
#define CARILLON_ALERT_DIGEST_H

#include "alert/notice.h"

struct digest;

// `public_url`: where people reach the API; "": not known.
struct digest *digest_new(const char *public_url);
void digest_free(struct digest *d); // NULL is a no-op.

// The alert's texts are copied if they are kept. `job_name` may be NULL.
void digest_add(struct digest *d, const struct alert *a, const char *job_name);

int64_t digest_count(const struct digest *d);

// The caller gives *out to notice_clear. At least one alert was added.
void digest_write(const struct digest *d, int64_t delivery, wall_ms now, struct notice *out);

// The key of the notices of an incident that is told of alone.
void digest_incident_key(int64_t incident, char out[static NOTICE_KEY_BYTES_MAX + 1]);

// A notice that somebody looks after the incident whose alert was added.
void digest_write_ack(const struct digest *d, const char *key, wall_ms now, struct notice *out);

// A notice that all incidents of an earlier delivery are over, which told of `told` alerts under
// this key. Alerts that say so were added, where there are any.
void digest_write_end(const struct digest *d, const char *key, int64_t delivery, int64_t told,
                      wall_ms now, struct notice *out);

// A notice that somebody tries the channel with this name.
void digest_write_test(const char *channel, int64_t delivery, wall_ms now, const char *public_url,
                       struct notice *out);

#endif
