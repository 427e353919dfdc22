// SPDX-License-Identifier: MIT
// job_body_fuzz.c: any bytes as the body of a request that makes or changes a job.
//
// What is refused says why, and of which member. What is accepted can be shown as JSON, and what an
// export would write of it makes the same job.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_refusal(const struct problem *p)
{
    assert(p->what.detail[0] && memchr(p->what.detail, '\0', sizeof p->what.detail));
    assert(memchr(p->what.pointer, '\0', sizeof p->what.pointer));
}

static struct job *decode(const json_t *object, enum job_decoding how)
{
    struct job *j = job_new();
    struct problem p = {0};
    struct job_reading reading = {.how = how};
    if (job_decode(object, &reading, j, &p) == ERR_OK)
        return j;
    check_refusal(&p);
    job_free(j);
    return NULL;
}

static void check_shown(const struct job *j)
{
    json_t *shown = json_job(j);
    char *text = json_dumps(shown, JSON_COMPACT);
    assert(text); // Every text in it is UTF-8.
    free(text);
    json_decref(shown);
}

static void check_exported(const struct job *j)
{
    json_t *exported = json_job_writable(j);
    struct job *copy = decode(exported, JOB_CREATE);
    assert(copy);
    json_t *again = json_job_writable(copy);
    assert(json_equal(exported, again));
    json_decref(exported);
    json_decref(again);
    job_free(copy);
}

static void try(const json_t *object, enum job_decoding how)
{
    struct job *j = decode(object, how);
    if (!j)
        return;
    check_shown(j);
    check_exported(j);
    job_free(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    json_t *body = NULL;
    struct problem p = {0};
    if (json_read((const char *)data, bytes, &body, &p) != ERR_OK) {
        check_refusal(&p);
        assert(!body);
        return 0;
    }
    if (json_is_object(body)) {
        try(body, JOB_CREATE);
        try(body, JOB_REPLACE);
        try(body, JOB_MERGE);
    }
    json_decref(body);
    return 0;
}
