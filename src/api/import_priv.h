// SPDX-License-Identifier: MIT
// import_priv.h: many jobs in one request, each with a result of its own.
//
// An import is a list of items: lines of a crontab or jobs of an export. Reading makes the items;
// what can be made a job carries its draft. Running checks the drafts, or creates them a few at a
// time, and answers when the last one is durable or refused.
//
// Imports are the largest requests there are, so what they take is bounded: so many at once, so
// many items each, and of an item only its draft, or once it is over the text of its result.

#ifndef CARILLON_API_IMPORT_PRIV_H
#define CARILLON_API_IMPORT_PRIV_H

#include "api/api_priv.h"

#define EXPORT_VERSION 1 // The version of the text that GET /export makes and POST /import reads.
#define IMPORTS_MAX 4
#define IMPORT_ITEMS_MAX 10000

enum import_status {
    IMPORT_CREATED,
    IMPORT_UPDATED, // The job with the draft's key.
    IMPORT_WOULD_CREATE,
    IMPORT_WOULD_UPDATE,
    IMPORT_SKIPPED,
    IMPORT_INVALID,
    IMPORT_NOT_CONVERTIBLE,
    IMPORT_FAILED, // Fine in itself, but the server could not do it now.
    IMPORT_STATUSES
};

struct import_item {
    size_t number;     // The number of the line, or the index in the list of jobs.
    struct job *draft; // NULL when there is nothing (more) to create.
    char *note;        // About the draft, for the client; NULL: none.
    job_id existing;   // A job that is the same, if the client asks for such; 0: none.
    char *result;      // JSON, as the client will read it; NULL until the item is over.
    enum import_status status;
};

struct import {
    struct api_request *request;
    bool of_crontab;
    bool dry_run;
    bool skips_existing;
    struct import_item *items;
    size_t count;
    size_t capacity;
    atomic_size_t next;  // The first item that no lane has taken.
    atomic_size_t lanes; // Lanes that have not ended.
};

// --- import_item.c -------------------------------------------------------------------------------

const char *import_status_name(enum import_status status);

// A new item, the last of the list; good until the next call.
struct import_item *import_add(struct import *im, size_t number);

// What the client will read of the item, as far as its draft and its note tell.
json_t *import_item_json(const struct import *im, const struct import_item *item);

// The end of an item, in two ways; each takes `said`, which import_item_json has made. `reason` may
// be NULL.
void import_item_end(struct import_item *item, json_t *said, enum import_status status,
                     const char *reason);
void import_item_refuse(const struct import *im, struct import_item *item, json_t *said,
                        const struct service_problem *p);

// --- import_crontab.c ----------------------------------------------------------------------------

// Reads the body as a crontab.
enum err import_read_crontab(struct import *im, struct problem *p);
// The same for a JSON object: {"crontab": TEXT, "set": {NAME: VALUE, ...}}.
enum err import_read_crontab_object(struct import *im, struct problem *p);

// Gives each job of a crontab a key: the prefix, and what stands for method and URL; the second job
// with both the same has a 2 behind it, and so on. So the same crontab, imported again, updates its
// jobs, also those whose schedule it has changed.
void import_add_keys(struct import *im, const char *prefix);

// --- import_existing.c ---------------------------------------------------------------------------

// Ends the items that are jobs already.
enum err import_skip_existing(struct import *im, struct problem *p);

// --- import_run.c --------------------------------------------------------------------------------

struct import *import_new(struct api_request *r); // NULL when IMPORTS_MAX are under way.
// Takes the import and answers its request, later.
void import_run(struct import *im);
void import_free(struct import *im);

#endif
