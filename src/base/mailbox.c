// SPDX-License-Identifier: MIT
// mailbox.c: a mutex, a list and an eventfd.
//
// The eventfd is written only when the list goes from empty to not empty, so that a burst of mail
// costs one system call.

#include "base/mailbox.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first;
    struct mail *last;
    size_t count;
    size_t count_max;
    bool shut;
    int event_fd;
};

enum err mailbox_open(size_t mails_max, struct mailbox **out, struct fault *f)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "eventfd: %s", strerror(errno));
    struct mailbox *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->count_max = mails_max;
    m->event_fd = fd;
    *out = m;
    return ERR_OK;
}

void mailbox_close(struct mailbox *m)
{
    if (!m)
        return;
    assert(!m->first);
    pthread_mutex_destroy(&m->lock);
    close(m->event_fd);
    free(m);
}

static void wake_taker(struct mailbox *m)
{
    uint64_t one = 1;
    ssize_t n = write(m->event_fd, &one, sizeof one);
    assert(n == sizeof one); // Cannot fail: the counter is far from its maximum.
    (void)n;
}

static enum err post(struct mailbox *m, struct mail *mail, size_t count_max)
{
    if (m->shut)
        return ERR_CLOSED;
    if (m->count >= count_max)
        return ERR_LIMIT;
    mail->next = NULL;
    if (m->last)
        m->last->next = mail;
    else
        m->first = mail;
    m->last = mail;
    if (m->count++ == 0)
        wake_taker(m);
    return ERR_OK;
}

enum err mailbox_post(struct mailbox *m, struct mail *mail)
{
    pthread_mutex_lock(&m->lock);
    enum err err = post(m, mail, m->count_max);
    pthread_mutex_unlock(&m->lock);
    return err;
}

enum err mailbox_post_always(struct mailbox *m, struct mail *mail)
{
    pthread_mutex_lock(&m->lock);
    enum err err = post(m, mail, SIZE_MAX);
    pthread_mutex_unlock(&m->lock);
    return err;
}

struct mail *mailbox_take(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    struct mail *all = m->first;
    m->first = m->last = NULL;
    m->count = 0;
    uint64_t ignored;
    if (all && read(m->event_fd, &ignored, sizeof ignored) < 0)
        assert(errno == EAGAIN);
    pthread_mutex_unlock(&m->lock);
    return all;
}

struct mail *mailbox_wait(struct mailbox *m, int timeout_ms)
{
    struct mail *all = mailbox_take(m);
    if (all || timeout_ms == 0)
        return all;
    struct pollfd p = {.fd = m->event_fd, .events = POLLIN};
    poll(&p, 1, timeout_ms);
    return mailbox_take(m);
}

void mailbox_shut(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    m->shut = true;
    pthread_mutex_unlock(&m->lock);
}

int mailbox_fd(const struct mailbox *m)
{
    return m->event_fd;
}
