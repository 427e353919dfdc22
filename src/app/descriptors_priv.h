// SPDX-License-Identifier: MIT
// descriptors_priv.h: how the descriptors of the process are shared out at the start.
//
// The database, the log, the loops and the rest need a fixed number, and must never find none left.
// A client of the API and an attempt each need one. When there are not enough for all that the
// settings allow, the settings are lowered, so that neither clients nor attempts can take what the
// others need.

#ifndef CARILLON_APP_DESCRIPTORS_PRIV_H
#define CARILLON_APP_DESCRIPTORS_PRIV_H

#include "base/err.h"

#include <stdint.h>

struct descriptors {
    uint64_t api_threads;
    uint64_t connections; // Connections of clients, without the reserve.
    uint64_t reserve;     // Connections for health and metrics.
    uint64_t attempts;    // At once.
};

// Lowers *d (connections and attempts) to what `limit` descriptors allow, and fills in the reserve.
// ERR_LIMIT when they are too few for a useful server: *f says how many are needed.
MUST_CHECK enum err descriptors_share(uint64_t limit, struct descriptors *d, struct fault *f);

#endif
