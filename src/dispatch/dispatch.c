// SPDX-License-Identifier: MIT
// dispatch.c: the door of the port; behind it stands the adapter that was opened.

#include "dispatch/dispatch.h"

#include "dispatch/adapter_priv.h"
#include "dispatch/oauth/oauth_priv.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    dispatch_opener *open;
} adapters[] = {
    {"wire", dispatch_wire_open},
    {"curl", dispatch_curl_open},
    {"queue", dispatch_queue_open},
};

dispatch_opener *dispatch_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(adapters); i++)
        if (strcmp(adapters[i].name, name) == 0)
            return adapters[i].open;
    return NULL;
}

enum err dispatch_wire_open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                            void *context, struct dispatch **out, struct fault *f)
{
    return oauth__open(wire__open, l, o, done, context, out, f);
}

enum err dispatch_curl_open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                            void *context, struct dispatch **out, struct fault *f)
{
    return oauth__open(curl__open, l, o, done, context, out, f);
}

void dispatch_close(struct dispatch *d)
{
    if (d)
        d->adapter->close(d);
}

void dispatch_send(struct dispatch *d, const struct send *s)
{
    assert(s->request.api && s->request.timeout_ms > 0);
    assert(s->request.method < JOB_METHODS);
    assert(s->request.key.job > 0 || s->request.is_trial || s->request.is_plain);
    assert(!s->request.bearer && !oauth__is_own_ticket(s->ticket));
    assert(!s->request.is_plain || (!s->request.oauth && !s->request.signing));
    d->adapter->send(d, s);
}

void dispatch_cancel(struct dispatch *d, uint64_t ticket)
{
    d->adapter->cancel(d, ticket);
}

void dispatch_set_lease(struct dispatch *d, mono_ms until)
{
    d->has_lease = true;
    d->lease = until;
    if (d->adapter->set_lease)
        d->adapter->set_lease(d, until);
}

bool dispatch_lease_is_over(const struct dispatch *d)
{
    return d->has_lease && d->lease != MONO_NEVER && clock_mono_ms() >= d->lease;
}

bool dispatch_is_late(mono_ms not_after)
{
    return not_after && clock_mono_ms() >= not_after;
}

size_t dispatch_in_flight(const struct dispatch *d)
{
    return d->adapter->in_flight(d);
}
