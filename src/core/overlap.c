// SPDX-License-Identifier: MIT
// overlap.c: an occurrence is due while another execution of its job is not over.
//
// ALLOW and QUEUE need nothing here: a queue is a job's gate with one place, kept between attempts.
// SKIP ends the new execution, REPLACE the old ones. An old one on the wire is cancelled there;
// until its outcome comes it stays open, and if it succeeded after all, that is what its row says.

#include "core/core_priv.h"

#include <stdio.h>

// Replays wait for others and make them wait, at the job's gate (gate.c), and end none.
static bool is_under_way(const struct open *o)
{
    return core__is_begun(o) && !o->replaced && !core__is_replay(o);
}

static struct open *other_under_way(const struct core_job *j, const struct open *o)
{
    for (struct open *other = j->first_open; other; other = other->job_next)
        if (other != o && is_under_way(other))
            return other;
    return NULL;
}

static void skip(struct core *c, struct open *o, const struct open *other)
{
    char id[EXECUTION_ID_BYTES], reason[EXECUTION_ID_BYTES + 40];
    execution_id_format(&other->record.key, id);
    snprintf(reason, sizeof reason, "execution %s was not over", id);
    core__finish(c, o, EXECUTION_SKIPPED, NULL, reason);
}

static void replace(struct core *c, struct open *old)
{
    if (core__is_flying(old)) {
        old->replaced = true;
        core__cancel_send(c->out, core__ticket(old));
    } else if (core__is_sent(old)) {
        old->replaced = true; // The node that sent it is not told.
    } else {
        core__cancel(c, old, "replaced by the next execution");
    }
}

bool core__admit(struct core *c, struct open *o)
{
    const struct core_job *j = o->job;
    struct open *other;
    if (core__is_heartbeat(j)) // As many may wait for their pings as do.
        return true;
    if (o->record.key.series < 0 || j->policy->overlap == OVERLAP_ALLOW ||
        j->policy->overlap == OVERLAP_QUEUE)
        return true;
    if (j->policy->overlap == OVERLAP_SKIP) {
        other = other_under_way(j, o);
        if (other)
            skip(c, o, other);
        return !other;
    }
    while ((other = other_under_way(j, o)))
        replace(c, other);
    return true;
}
