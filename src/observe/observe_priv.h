// SPDX-License-Identifier: MIT
// observe_priv.h: the two ways to show the metrics, from values which are already up to date.

#ifndef CARILLON_OBSERVE_OBSERVE_PRIV_H
#define CARILLON_OBSERVE_OBSERVE_PRIV_H

#include "observe/observe.h"

json_t *observe__metrics_json(void);
char *observe__metrics_text(const char *version, wall_ms started_at, size_t *bytes);

#endif
