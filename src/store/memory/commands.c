// SPDX-License-Identifier: MIT
// commands.c: commands in memory: the plain reading of what store/commands.h says.
//
// The key of a job is not reserved by a row of its own: a job has it, or a command without a reply.
//
// Wake-ups reach all who listen on the same store.

#include "store/memory/memory_priv.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHANNELS_MAX 8

struct memory_commands {
    struct store_commands commands;
    struct memory_commands *next; // All that are open are a list.
    int fd;                       // Counts what was heard. -1: there are no descriptors left.
    char channels[CHANNELS_MAX][COMMANDS_CHANNEL_BYTES];
    bool heard[CHANNELS_MAX];
};

static struct memory_store *lock(struct store_commands *c)
{
    struct memory_store *s = (struct memory_store *)c->store;
    pthread_mutex_lock(&s->lock);
    return s;
}

static enum err unlock(struct memory_store *s)
{
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

// --- Rows ------------------------------------------------------------------------------------

struct memory_command *memory_command_find(const struct memory_store *s,
                                           const struct command_id *id)
{
    for (size_t i = 0; i < s->command_count; i++)
        if (command_ids_equal(&s->commands[i].id, id))
            return &s->commands[i];
    return NULL;
}

struct memory_command *memory_command_add(struct memory_store *s, const struct command_id *id)
{
    s->commands = grow(s->commands, s->command_count, &s->command_capacity, sizeof *s->commands);
    struct memory_command *row = &s->commands[s->command_count++];
    *row = (struct memory_command){.id = *id, .number = ++s->command_number};
    return row;
}

static void disown(struct memory_command *row)
{
    free(row->body);
    free(row->key);
    free(row->job_key);
}

void memory_command_remove(struct memory_store *s, struct memory_command *row)
{
    size_t at = (size_t)(row - s->commands);
    assert(at < s->command_count);
    disown(row);
    s->command_count--;
    memmove(row, row + 1, (s->command_count - at) * sizeof *row); // The order is that of numbers.
}

void memory_reservation_remove(struct memory_store *s, const struct memory_command *row)
{
    struct client_key *k = row->key ? memory_client_key_find(s, row->key) : NULL;
    if (!k || !command_ids_equal(&k->command, &row->id))
        return;
    free((char *)k->text);
    *k = s->client_keys[--s->client_key_count];
}

void memory_commands_copy(struct memory_store *to, const struct memory_store *from)
{
    for (size_t i = 0; i < from->command_count; i++) {
        const struct memory_command *row = &from->commands[i];
        struct memory_command *copy = memory_command_add(to, &row->id);
        *copy = *row;
        copy->key = xstrdup(row->key);
        copy->job_key = xstrdup(row->job_key);
        copy->body = memcpy(xmalloc(row->bytes + 1), row->body ? row->body : "", row->bytes);
    }
    to->command_number = from->command_number;
}

void memory_commands_free(struct memory_store *s)
{
    assert(!s->listeners); // All are closed.
    for (size_t i = 0; i < s->command_count; i++)
        disown(&s->commands[i]);
    free(s->commands);
}

// --- The side that asks ----------------------------------------------------------------------

static bool is_present(const struct client_key *k, wall_ms now)
{
    return k && k->created_at >= now - CLIENT_KEY_AGE_MS;
}

// What the client's key stands for; PUT_NEW: nothing.
static enum command_put_outcome ask_key(struct memory_store *s, struct command_put *p, wall_ms now)
{
    const struct client_key *k = p->key ? memory_client_key_find(s, p->key->text) : NULL;
    if (!is_present(k, now))
        return PUT_NEW;
    if (memcmp(k->digest, p->key->digest, sizeof k->digest) != 0)
        return PUT_OTHER;
    if (command_ids_equal(&k->command, &p->id))
        return PUT_NEW;
    if (k->job == 0)
        return PUT_BUSY;
    p->reply = (struct command_reply){.job = k->job, .execution = k->execution};
    return PUT_REPLAY;
}

static void reserve_key(struct memory_store *s, const struct command_put *p, wall_ms now)
{
    if (!p->key)
        return;
    struct client_key own = *p->key;
    own.command = p->id;
    own.created_at = now;
    memory_client_key_put(s, &own);
}

// Whether a job has the job's key, or a command is about to make one.
static enum command_put_outcome ask_job_key(const struct memory_store *s, struct command_put *p)
{
    p->reply = (struct command_reply){0};
    for (size_t i = 0; p->job_key && i < s->jobs.count; i++) {
        const struct memory_job *j = s->jobs.rows[i];
        if (j->deleted_at || !j->job->key || strcmp(j->job->key, p->job_key) != 0)
            continue;
        p->reply.job = j->job->id;
        return PUT_TAKEN;
    }
    for (size_t i = 0; p->job_key && i < s->command_count; i++) {
        const struct memory_command *row = &s->commands[i];
        if (!row->is_replied && row->job_key && strcmp(row->job_key, p->job_key) == 0)
            return PUT_TAKEN;
    }
    return PUT_NEW;
}

static enum command_put_outcome put_one(struct memory_store *s, struct command_put *p, wall_ms now)
{
    if (p->expires_at <= now)
        return PUT_LATE;
    if (memory_command_find(s, &p->id))
        return PUT_NEW;
    enum command_put_outcome outcome = ask_key(s, p, now);
    if (outcome == PUT_NEW)
        outcome = ask_job_key(s, p);
    if (outcome != PUT_NEW)
        return outcome;
    reserve_key(s, p, now);
    struct memory_command *row = memory_command_add(s, &p->id);
    row->shard = p->shard;
    row->expires_at = p->expires_at;
    row->key = p->key ? xstrdup(p->key->text) : NULL;
    row->job_key = xstrdup(p->job_key);
    row->bytes = p->bytes;
    row->body = memcpy(xmalloc(p->bytes + 1), p->body, p->bytes);
    return PUT_NEW;
}

static enum err put(struct store_commands *c, struct command_put *puts, size_t count, wall_ms now,
                    struct fault *f)
{
    struct memory_store *s = lock(c);
    (void)f;
    for (size_t i = 0; i < count; i++)
        puts[i].outcome = put_one(s, &puts[i], now);
    return unlock(s);
}

static enum err read_replies(struct store_commands *c, const struct command_id *ids, size_t count,
                             store_each_reply *each, void *context, struct fault *f)
{
    struct memory_store *s = lock(c);
    (void)f;
    for (size_t i = 0; i < count; i++) {
        const struct memory_command *row = memory_command_find(s, &ids[i]);
        if (row && row->is_replied)
            each(context, &row->reply);
    }
    return unlock(s);
}

static enum err withdraw(struct store_commands *c, const struct command_id *id, bool *withdrawn,
                         struct fault *f)
{
    struct memory_store *s = lock(c);
    struct memory_command *row = memory_command_find(s, id);
    (void)f;
    *withdrawn = row && !row->claimed_by && !row->is_replied;
    if (*withdrawn) {
        memory_reservation_remove(s, row);
        memory_command_remove(s, row);
    }
    return unlock(s);
}

// --- The side of owners ----------------------------------------------------------------------

// The epoch in which the caller may claim the row; 0: not at all. Of one who is not the owner any
// more nothing can be written, so a claim of such a caller is in vain, and does no harm.
static int64_t epoch_of(const struct command_claim *o, const struct memory_command *row,
                        wall_ms now)
{
    for (size_t i = 0; i < o->shard_count; i++) {
        const struct command_shard *s = &o->shards[i];
        bool is_waiting = !row->claimed_by && row->expires_at > now;
        bool is_left = row->claimed_by && row->claimed_by < s->epoch;
        bool is_own = o->again && row->claimed_by == s->epoch && row->number > o->after;
        if (s->number == row->shard && !row->is_replied)
            return is_waiting || is_left || is_own ? s->epoch : 0;
    }
    return 0;
}

static enum err claim(struct store_commands *c, const struct command_claim *o, wall_ms now,
                      store_each_command *each, void *context, struct fault *f)
{
    struct memory_store *s = lock(c);
    size_t claimed = 0;
    (void)f;
    for (size_t i = 0; i < s->command_count && claimed < o->limit; i++) {
        struct memory_command *row = &s->commands[i];
        int64_t epoch = epoch_of(o, row, now);
        if (!epoch)
            continue;
        row->claimed_by = epoch;
        claimed++;
        each(context, &(struct command_row){.id = row->id,
                                            .shard = row->shard,
                                            .epoch = epoch,
                                            .number = row->number,
                                            .body = row->body,
                                            .bytes = row->bytes});
    }
    return unlock(s);
}

static bool is_over(const struct memory_command *row, wall_ms now)
{
    if (row->is_replied)
        return row->reply.at < now - COMMAND_KEPT_MS;
    return !row->claimed_by && row->expires_at <= now;
}

static enum err tidy(struct store_commands *c, size_t rows_max, wall_ms now, size_t *removed,
                     struct fault *f)
{
    struct memory_store *s = lock(c);
    (void)f;
    *removed = 0;
    for (size_t i = s->command_count; i-- > 0 && *removed < rows_max;) {
        struct memory_command *row = &s->commands[i];
        if (!is_over(row, now))
            continue;
        if (!row->is_replied)
            memory_reservation_remove(s, row);
        memory_command_remove(s, row);
        ++*removed;
    }
    return unlock(s);
}

// --- Wake-ups --------------------------------------------------------------------------------

static enum err listen_on(struct store_commands *c, const char *channel, struct fault *f)
{
    struct memory_commands *m = (struct memory_commands *)c;
    struct memory_store *s = lock(c);
    size_t i = 0;
    (void)f;
    while (i < CHANNELS_MAX - 1 && *m->channels[i] && strcmp(m->channels[i], channel) != 0)
        i++;
    snprintf(m->channels[i], sizeof m->channels[i], "%s", channel);
    return unlock(s);
}

static enum err notify(struct store_commands *c, const char *channel, struct fault *f)
{
    struct memory_store *s = lock(c);
    (void)f;
    for (struct memory_commands *m = s->listeners; m; m = m->next)
        for (size_t i = 0; i < CHANNELS_MAX; i++)
            if (strcmp(m->channels[i], channel) == 0) {
                m->heard[i] = true;
                eventfd_write(m->fd, 1);
            }
    return unlock(s);
}

static enum err hear(struct store_commands *c, int fd, dur_ms timeout_ms, store_heard *heard,
                     void *context, struct fault *f)
{
    struct memory_commands *m = (struct memory_commands *)c;
    struct pollfd at[] = {{.fd = m->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    bool was_heard[CHANNELS_MAX];
    eventfd_t ignored;
    (void)f;
    int ready = poll(at, COUNT_OF(at), (int)timeout_ms);
    struct memory_store *s = lock(c);
    if (ready > 0 && at[0].revents)
        eventfd_read(m->fd, &ignored);
    memcpy(was_heard, m->heard, sizeof was_heard);
    memset(m->heard, 0, sizeof m->heard);
    unlock(s);
    for (size_t i = 0; i < CHANNELS_MAX; i++)
        if (was_heard[i])
            heard(context, m->channels[i]);
    return ERR_OK;
}

// --- Opening and closing ---------------------------------------------------------------------

static void close_commands(struct store_commands *c)
{
    struct memory_commands *m = (struct memory_commands *)c;
    struct memory_store *s = lock(c);
    struct memory_commands **place = &s->listeners;
    while (*place != m)
        place = &(*place)->next;
    *place = m->next;
    unlock(s);
    close(m->fd);
    free(m);
}

static const struct store_commands_ops ops = {
    .close = close_commands,
    .put = put,
    .read = read_replies,
    .withdraw = withdraw,
    .claim = claim,
    .tidy = tidy,
    .listen = listen_on,
    .notify = notify,
    .hear = hear,
};

enum err memory_commands_open(struct store *store, struct store_commands **out, struct fault *f)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "eventfd: %s", strerror(errno));
    struct memory_commands *m = xcalloc(1, sizeof *m);
    m->commands = (struct store_commands){&ops, store};
    m->fd = fd;
    struct memory_store *s = lock(&m->commands);
    m->next = s->listeners;
    s->listeners = m;
    unlock(s);
    *out = &m->commands;
    return ERR_OK;
}
