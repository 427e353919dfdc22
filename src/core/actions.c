// SPDX-License-Identifier: MIT
// actions.c: the lists of what a step asks for.

#include "core/core_priv.h"

void actions_clear(struct actions *a)
{
    for (size_t i = 0; i < a->reply_count; i++)
        job_free(a->replies[i].row);
    a->send_count = 0;
    a->cancel_count = 0;
    a->reply_count = 0;
    a->handoff_count = 0;
}

void actions_free(struct actions *a)
{
    actions_clear(a);
    free(a->sends);
    free(a->cancels);
    free(a->replies);
    free(a->handoffs);
    *a = (struct actions){0};
}

struct send *core__send(struct actions *a)
{
    a->sends = grow(a->sends, a->send_count, &a->send_capacity, sizeof *a->sends);
    return &a->sends[a->send_count++];
}

void core__cancel_send(struct actions *a, uint64_t ticket)
{
    a->cancels = grow(a->cancels, a->cancel_count, &a->cancel_capacity, sizeof *a->cancels);
    a->cancels[a->cancel_count++] = ticket;
}

struct reply *core__reply(struct actions *a)
{
    a->replies = grow(a->replies, a->reply_count, &a->reply_capacity, sizeof *a->replies);
    return &a->replies[a->reply_count++];
}

struct handoff *core__handoff(struct actions *a)
{
    a->handoffs = grow(a->handoffs, a->handoff_count, &a->handoff_capacity, sizeof *a->handoffs);
    return &a->handoffs[a->handoff_count++];
}
