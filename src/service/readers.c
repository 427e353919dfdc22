// SPDX-License-Identifier: MIT
// readers.c: a few read-only connections, lent to one caller at a time.
//
// There are as many as there are threads for questions, and one for the service's own thread, so
// that nobody waits for one unless others ask on threads of their own.

#include "service/service_priv.h"

#include <assert.h>

enum err service__readers_open(struct readers *r, struct store *s, size_t count, struct fault *f)
{
    assert(count > 0);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->returned, NULL);
    r->idle = xcalloc(count, sizeof *r->idle);
    r->idle_count = 0;
    while (r->idle_count < count) {
        enum err err = store_reader_open(s, &r->idle[r->idle_count], f);
        if (err) {
            r->count = r->idle_count;
            service__readers_close(r);
            return err;
        }
        r->idle_count++;
    }
    r->count = count;
    return ERR_OK;
}

void service__readers_close(struct readers *r)
{
    assert(r->idle_count == r->count);
    for (size_t i = 0; i < r->count; i++)
        store_reader_close(r->idle[i]);
    free(r->idle);
    pthread_cond_destroy(&r->returned);
    pthread_mutex_destroy(&r->lock);
}

struct store_reader *service__reader_take(struct readers *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->idle_count == 0)
        pthread_cond_wait(&r->returned, &r->lock);
    struct store_reader *reader = r->idle[--r->idle_count];
    pthread_mutex_unlock(&r->lock);
    return reader;
}

void service__reader_return(struct readers *r, struct store_reader *reader)
{
    pthread_mutex_lock(&r->lock);
    r->idle[r->idle_count++] = reader;
    pthread_cond_signal(&r->returned);
    pthread_mutex_unlock(&r->lock);
}
