// SPDX-License-Identifier: MIT
// registry_priv.h: requests about small tables, which the thread of room `access` asks the database
// for.

#ifndef CARILLON_API_REGISTRY_PRIV_H
#define CARILLON_API_REGISTRY_PRIV_H

#include "api/api_priv.h"
#include "store/registry.h"

struct errand;

// Answers the request, or returns an error: then *p has a problem, or *f says what the store said.
typedef enum err errand_act(struct errand *e, struct store_registry *r, struct problem *p,
                            struct fault *f);

// Something to be done with a table for a request. Stands first in what the handler knows of it.
struct errand {
    struct api_request *request;
    errand_act *act;
    void (*free)(struct errand *e); // Frees the whole; NULL: free() is enough.
    const char *what;               // "tokens"
    enum problem_kind taken;        // What ERR_EXISTS of the store means.
};

// Hands it over, and takes it, also on failure.
enum err errand_hand_on(struct errand *e, struct problem *p);
void errand_free(struct errand *e);

// A line in the log of a change that is on disk.
void errand_log(const char *event, const struct api_request *r, const char *name, int64_t id);

// The id that stands in the second segment of the path.
enum err errand_id(const struct api_request *r, const char *what, int64_t *out, struct problem *p);

#endif
