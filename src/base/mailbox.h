// SPDX-License-Identifier: MIT
// mailbox.h: how threads speak: owned messages through a bounded queue.
//
// Any thread may post; one thread takes. What is posted is moved: the sender forgets it. The
// mailbox has a descriptor which is readable while there may be mail, for the taker's loop. Mail
// is taken in the order in which it was posted.

#ifndef CARILLON_BASE_MAILBOX_H
#define CARILLON_BASE_MAILBOX_H

#include "base/err.h"

struct mailbox;

// The first member of every message.
struct mail {
    struct mail *next;
};

MUST_CHECK enum err mailbox_open(size_t mails_max, struct mailbox **out, struct fault *f);
void mailbox_close(struct mailbox *m); // The mailbox must be empty. NULL is a no-op.

// ERR_LIMIT when `mails_max` are waiting, ERR_CLOSED after mailbox_shut: the sender then still
// owns the mail.
MUST_CHECK enum err mailbox_post(struct mailbox *m, struct mail *mail);

// The same without the bound, for what must not be refused and comes only a few at a time, such as
// news of a commit. Fails only with ERR_CLOSED.
MUST_CHECK enum err mailbox_post_always(struct mailbox *m, struct mail *mail);

// Takes everything that waits, oldest first, as a list; NULL when there is none.
struct mail *mailbox_take(struct mailbox *m);

// The same, but waits until there is mail or `timeout_ms` have passed (-1: for ever).
struct mail *mailbox_wait(struct mailbox *m, int timeout_ms);

// No more mail is accepted; what waits can still be taken.
void mailbox_shut(struct mailbox *m);

int mailbox_fd(const struct mailbox *m);

#endif
