// SPDX-License-Identifier: MIT
// cancel.c: somebody wants no further attempt of one execution.
//
// What waits ends at once. What is on the wire is cut there, and what is only planned keeps its row
// until its instant, since one key has one row for ever and a change of the job may plan the same
// instant anew. Both are marked by the reason that their rows will end with: it is written while
// they are open, so that no crash and no later owner makes another attempt.

#include "core/core_priv.h"

#include <string.h>

static const char *const on_request = "cancelled on request";
static const char *const cut_on_request = "cancelled on request: the attempt under way was cut";

static void mark(struct core *c, struct open *o, const char *reason)
{
    o->record.reason = reason;
    if (core__is_flying(o) && o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    core__record_update(c, o);
}

static void cancel(struct core *c, struct open *o)
{
    if (core__is_flying(o)) {
        mark(c, o, cut_on_request);
        core__cancel_send(c->out, core__ticket(o));
    } else if (o->phase == PHASE_PLANNED || core__is_sent(o) || core__is_early(c, o)) {
        mark(c, o, on_request);
    } else {
        core__cancel(c, o, on_request);
    }
}

// ERR_NOT_FOUND: the execution is over, or never was.
enum err core__cancel_on_request(struct core *c, const struct execution_key *key)
{
    struct open *o = core__open_of_key(c, key);
    if (!o)
        return ERR_NOT_FOUND;
    if (!o->record.reason)
        cancel(c, o);
    return ERR_OK;
}

// The text is from a row that was loaded; an edited one says nothing.
const char *core__cancel_reason_of(const char *text)
{
    if (!text)
        return NULL;
    if (strcmp(text, cut_on_request) == 0)
        return cut_on_request;
    return strcmp(text, on_request) == 0 ? on_request : NULL;
}
