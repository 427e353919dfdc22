// SPDX-License-Identifier: MIT
// events_ring.c: messages of server-sent events, kept until as many have come after them as there
// is room for.

#include "api/events_priv.h"
#include "api/page_priv.h"
#include "base/stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void ring_init(struct ring *r)
{
    *r = (struct ring){.next = 1};
    ring_begin(r);
}

static void forget(struct ring *r)
{
    for (size_t i = 0; i < RING_MESSAGES; i++) {
        free(r->messages[i].text);
        r->messages[i] = (struct ring_message){0};
    }
}

void ring_fini(struct ring *r)
{
    forget(r);
}

void ring_begin(struct ring *r)
{
    uint64_t random = 0;
    ssize_t got = getrandom(&random, sizeof random, 0);
    assert(got == sizeof random);
    (void)got;
    forget(r);
    r->next = 1;
    snprintf(r->life, sizeof r->life, "%016" PRIx64, random);
}

void ring_add(struct ring *r, const char *event, const json_t *data)
{
    struct ring_message *m = &r->messages[r->next % RING_MESSAGES];
    char *json = json_dumps(data, JSON_COMPACT); // Has no line ends.
    free(m->text);
    FILE *out = stream_open(&m->text, &m->bytes);
    fprintf(out, "id: %s-%" PRIu64 "\nevent: %s\ndata: %s\n\n", r->life, r->next, event, json);
    stream_close(out);
    free(json);
    r->next++;
}

const struct ring_message *ring_find(const struct ring *r, uint64_t number)
{
    bool is_there = number > 0 && number < r->next && r->next - number <= RING_MESSAGES;
    return is_there ? &r->messages[number % RING_MESSAGES] : NULL;
}

bool ring_resume(const struct ring *r, const char *last_id, uint64_t *next)
{
    int64_t number = 0;
    size_t bytes = strlen(r->life);
    *next = r->next;
    if (!last_id)
        return true;
    if (strncmp(last_id, r->life, bytes) != 0 || last_id[bytes] != '-')
        return false;
    const char *figures = last_id + bytes + 1;
    if (strcmp(figures, "0") != 0 && !job_id_parse(figures, &number))
        return false;
    if ((uint64_t)number >= r->next || r->next - (uint64_t)number > RING_MESSAGES + 1)
        return false;
    *next = (uint64_t)number + 1;
    return true;
}
