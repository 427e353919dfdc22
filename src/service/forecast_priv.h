// SPDX-License-Identifier: MIT
// forecast_priv.h: what many jobs will do, in order of time.
//
// A forecast is made of the jobs as they are at one moment, then only read, by any number of
// threads. What a job does is computed when it is listed, as far ahead as is asked for.

#ifndef CARILLON_SERVICE_FORECAST_PRIV_H
#define CARILLON_SERVICE_FORECAST_PRIV_H

#include "service/service_priv.h"
#include "zones/zones.h"

struct forecast;

// An occurrence: which job, and when. In order of (at, job).
struct forecast_place {
    wall_ms at;
    job_id job;
};

struct forecast *forecast_new(wall_ms now, size_t groups_max);
void forecast_free(struct forecast *f); // NULL is a no-op.
wall_ms forecast_made_at(const struct forecast *f);

// Jobs come in order of their ids. What is not active, or has a schedule that cannot be read, has
// no occurrences. ERR_LIMIT: there would be more than groups_max different rules.
MUST_CHECK enum err forecast_add(struct forecast *f, const struct job *j);

// Calls back for each occurrence behind `after`, up to `until`, until `each` returns an error,
// which is returned. ERR_RANGE: runs of jobs with `max_runs` would have to be counted too far.
typedef enum err forecast_each(void *context, const struct forecast_place *occurrence);
MUST_CHECK enum err forecast_list(const struct forecast *f, const struct forecast_place *after,
                                  wall_ms until, forecast_each *each, void *context);

#endif
