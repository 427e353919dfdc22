// SPDX-License-Identifier: MIT
// connection.c: the life of a connection: made when it is needed, lost, and tried again after a
// rest that grows from one failure to the next.

#include "base/memory.h"
#include "redis/redis_priv.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct redis *redis_new(struct redis_server *s)
{
    struct redis *r = xcalloc(1, sizeof *r);
    r->server = s;
    r->rest_ms = REDIS_REST_MS_MIN;
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); // Without it nothing is interrupted.
    return r;
}

static void close_context(struct redis *r)
{
    if (r->context)
        redisFree(r->context);
    r->context = NULL;
}

void redis_free(struct redis *r)
{
    if (!r)
        return;
    redis__drop_replies(r);
    close_context(r);
    if (r->stop_fd >= 0)
        close(r->stop_fd);
    free(r->added);
    free(r->replies);
    free(r);
}

void redis_interrupt(struct redis *r)
{
    uint64_t one = 1;
    atomic_store(&r->is_over, true);
    ssize_t n = write(r->stop_fd, &one, sizeof one);
    (void)n;
}

uint64_t redis_connects(const struct redis *r)
{
    return r->connects;
}

const char *redis_run_id(const struct redis *r)
{
    return r->run_id;
}

// --- Connecting and losing -------------------------------------------------------------------

void redis__lose(struct redis *r, const char *why)
{
    redis__server_went(r->server, why); // First: the words may be a reply's.
    redis__drop_replies(r);
    close_context(r);
    r->next_try = clock_mono_ms() + r->rest_ms;
    r->rest_ms = MIN(r->rest_ms * 2, REDIS_REST_MS_MAX);
}

void redis_cut(struct redis *r, const char *why)
{
    if (r->context)
        redis__lose(r, why);
}

static enum err closed(struct fault *f)
{
    return fault_set(f, ERR_CLOSED, "%s", err_text(ERR_CLOSED));
}

enum err redis_connect(struct redis *r, struct fault *f)
{
    struct fault why = {0};
    if (atomic_load(&r->is_over))
        return closed(f);
    if (r->context)
        return ERR_OK;
    if (clock_mono_ms() < r->next_try)
        return fault_set(f, ERR_STORE_AWAY, "%s was away a moment ago", r->server->name);
    enum err err = redis__connect_now(r, &why);
    if (err == ERR_CLOSED) {
        close_context(r);
        return closed(f);
    }
    if (err) {
        redis__lose(r, why.text);
        return fault_set(f, ERR_STORE_AWAY, "%s", why.text);
    }
    redis__server_came(r->server);
    return ERR_OK;
}

void redis_pause(const struct redis *r, dur_ms ms)
{
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
    poll(&stop, 1, (int)MAX(ms, 0));
}

void redis_rest(struct redis *r)
{
    if (!r->context)
        redis_pause(r, r->next_try - clock_mono_ms());
}

// --- Commands --------------------------------------------------------------------------------

void redis_add(struct redis *r, const char *format, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int bytes = redisvFormatCommand(&text, format, values);
    va_end(values);
    assert(bytes > 0 && r->added_count < REDIS_COMMANDS_MAX);
    if (r->added_bytes + (size_t)bytes > r->added_capacity) {
        r->added_capacity = 2 * (r->added_bytes + (size_t)bytes);
        r->added = xrealloc(r->added, r->added_capacity);
    }
    memcpy(r->added + r->added_bytes, text, (size_t)bytes);
    r->added_bytes += (size_t)bytes;
    r->added_count++;
    redisFreeCommand(text);
}

// Whether any byte of it left is not known, so all of it may have.
static enum err exchange(struct redis *r, size_t bytes, size_t count, dur_ms within_ms,
                         struct fault *f)
{
    struct fault why = {0};
    enum err err = redis__exchange(r, r->added, bytes, count, clock_mono_ms() + within_ms, &why);
    if (!err) {
        r->rest_ms = REDIS_REST_MS_MIN;
        return ERR_OK;
    }
    if (err != ERR_CLOSED)
        redis__lose(r, why.text);
    return fault_set(f, err == ERR_CLOSED ? err : ERR_DOUBT, "%s", why.text);
}

enum err redis_run(struct redis *r, dur_ms within_ms, struct fault *f)
{
    size_t bytes = r->added_bytes, count = r->added_count;
    r->added_bytes = r->added_count = 0;
    redis__drop_replies(r);
    enum err err = redis_connect(r, f);
    if (err || count == 0)
        return err;
    err = exchange(r, bytes, count, within_ms, f);
    if (r->added_capacity > REDIS_ADDED_BYTES_KEPT) { // An unusually large command.
        free(r->added);
        r->added = NULL;
        r->added_capacity = 0;
    }
    return err;
}

enum err redis_listen(struct redis *r, dur_ms within_ms, const struct redis_reply **out,
                      struct fault *f)
{
    struct fault why = {0};
    if (atomic_load(&r->is_over))
        return closed(f);
    if (!r->context)
        return fault_set(f, ERR_STORE_AWAY, "there is no connection");
    redis__drop_replies(r);
    enum err err = redis__read(r, clock_mono_ms() + within_ms, &why);
    if (!err)
        *out = redis_reply(r, 0);
    else if (err == ERR_STORE_AWAY)
        redis__lose(r, why.text);
    return err ? fault_set(f, err, "%s", why.text) : ERR_OK;
}
