// SPDX-License-Identifier: MIT
// lists.c: from which database a list comes: the one that is written to, or a replica of it.
//
// Lists of all jobs, executions and alerts, and counts over them, may come from a replica, if the
// service was given one: they are long, and may be a little old. How old is asked for once a
// second at most. While the replica cannot say so, lists come from the primary.

#include "base/log.h"
#include "service/service_priv.h"

#include <assert.h>

#define PROBE_MS 1000       // Between two questions for the replica's age,
#define PROBE_AWAY_MS 10000 // and while it does not answer.

enum err service__lists_open(struct lists *l, struct store *replica, size_t count, struct fault *f)
{
    pthread_mutex_init(&l->lock, NULL);
    l->lag_ms = -1;
    l->has_replica = replica != NULL;
    return replica ? service__readers_open(&l->readers, replica, count, f) : ERR_OK;
}

void service__lists_close(struct lists *l)
{
    if (l->has_replica)
        service__readers_close(&l->readers);
    pthread_mutex_destroy(&l->lock);
}

// Several may come when a probe is due, and one of them does it.
static bool is_due(struct lists *l, mono_ms now)
{
    pthread_mutex_lock(&l->lock);
    bool due = now >= l->next_probe;
    if (due)
        l->next_probe = now + PROBE_MS;
    pthread_mutex_unlock(&l->lock);
    return due;
}

// Told when it changes.
static void note(struct lists *l, dur_ms lag_ms, const struct fault *f)
{
    pthread_mutex_lock(&l->lock);
    bool is_news = (lag_ms < 0) != (l->lag_ms < 0) || l->next_probe == 0;
    bool was_told = l->told_away;
    l->lag_ms = lag_ms;
    l->told_away = lag_ms < 0;
    if (lag_ms < 0)
        l->next_probe = clock_mono_ms() + PROBE_AWAY_MS;
    pthread_mutex_unlock(&l->lock);
    if (lag_ms < 0 && !was_told)
        log_warn("replica.away", LOG_TEXT("detail", f->text));
    else if (lag_ms >= 0 && is_news)
        log_info("replica.answers", LOG_INT("lag_ms", lag_ms));
}

static void probe(struct lists *l, struct store_reader *reader)
{
    struct fault f = {0};
    dur_ms lag_ms = -1;
    if (store_read_lag(reader, &lag_ms, &f))
        lag_ms = -1;
    note(l, lag_ms, &f);
}

dur_ms service_lists_age(struct service *s)
{
    pthread_mutex_lock(&s->lists.lock);
    dur_ms age = s->lists.lag_ms;
    pthread_mutex_unlock(&s->lists.lock);
    return age;
}

struct store_reader *service__list_reader_take(struct service *s, struct readers **from)
{
    struct lists *l = &s->lists;
    *from = &s->readers;
    if (l->has_replica) {
        struct store_reader *reader = service__reader_take(&l->readers);
        if (is_due(l, clock_mono_ms()))
            probe(l, reader);
        if (service_lists_age(s) >= 0) {
            *from = &l->readers;
            return reader;
        }
        service__reader_return(&l->readers, reader);
    }
    return service__reader_take(*from);
}
