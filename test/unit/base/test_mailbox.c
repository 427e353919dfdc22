// SPDX-License-Identifier: MIT
// test_mailbox.c: mail comes once, in its sender's order, and what a mailbox refuses stays with the
// sender. The threads of this test meet as those of the program do; TSan watches them.

#include "base/mailbox.h"

#include "base/memory.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define SENDERS 4
#define LETTERS 20000 // Letters of each sender.

struct letter {
    struct mail mail;
    unsigned sender;
    unsigned number;
};

static struct mail *letter_new(unsigned sender, unsigned number)
{
    struct letter *l = xcalloc(1, sizeof *l);
    l->sender = sender;
    l->number = number;
    return &l->mail;
}

static struct mailbox *open_mailbox(size_t mails_max)
{
    struct mailbox *m;
    struct fault f;
    assert_int_equal(mailbox_open(mails_max, &m, &f), ERR_OK);
    return m;
}

static bool is_readable(struct mailbox *m)
{
    struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

// Frees the list and returns its length.
static size_t free_list(struct mail *mail)
{
    size_t count = 0;
    for (struct mail *next; mail; mail = next, count++) {
        next = mail->next;
        free(mail);
    }
    return count;
}

// --- One thread ------------------------------------------------------------------------------

static void the_descriptor_is_readable_while_mail_waits(void **state)
{
    (void)state;
    struct mailbox *m = open_mailbox(8);
    assert_false(is_readable(m));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(mailbox_post(m, letter_new(0, i)), ERR_OK);
    assert_true(is_readable(m));
    assert_int_equal(free_list(mailbox_take(m)), 3);
    assert_false(is_readable(m));
    assert_null(mailbox_take(m));
    assert_null(mailbox_wait(m, 0));
    mailbox_close(m);
}

static void a_full_mailbox_leaves_mail_with_its_sender(void **state)
{
    (void)state;
    struct mailbox *m = open_mailbox(2);
    struct mail *refused = letter_new(0, 2);
    assert_int_equal(mailbox_post(m, letter_new(0, 0)), ERR_OK);
    assert_int_equal(mailbox_post(m, letter_new(0, 1)), ERR_OK);
    assert_int_equal(mailbox_post(m, refused), ERR_LIMIT);
    assert_int_equal(mailbox_post_always(m, refused), ERR_OK);
    assert_int_equal(free_list(mailbox_take(m)), 3);
    assert_int_equal(mailbox_post(m, letter_new(0, 3)), ERR_OK); // There is room again.
    assert_int_equal(free_list(mailbox_take(m)), 1);
    mailbox_close(m);
}

static void a_shut_mailbox_gives_out_what_waits(void **state)
{
    (void)state;
    struct mailbox *m = open_mailbox(8);
    struct mail *late = letter_new(0, 1);
    assert_int_equal(mailbox_post(m, letter_new(0, 0)), ERR_OK);
    mailbox_shut(m);
    assert_int_equal(mailbox_post(m, late), ERR_CLOSED);
    assert_int_equal(mailbox_post_always(m, late), ERR_CLOSED);
    assert_int_equal(free_list(mailbox_take(m)), 1);
    free(late);
    mailbox_close(m);
    mailbox_close(NULL);
}

// --- Many threads ----------------------------------------------------------------------------

struct sender {
    struct mailbox *mailbox;
    unsigned number;
    bool always;         // Posts beyond the bound.
    atomic_size_t *kept; // Letters that all senders have been refused for good.
    pthread_t thread;
};

static enum err post(const struct sender *s, struct mail *mail)
{
    return s->always ? mailbox_post_always(s->mailbox, mail) : mailbox_post(s->mailbox, mail);
}

// Writes each letter until it is taken, or the mailbox is shut.
static void *write_letters(void *argument)
{
    struct sender *s = argument;
    for (unsigned i = 0; i < LETTERS; i++) {
        struct mail *mail = letter_new(s->number, i);
        enum err err;
        while ((err = post(s, mail)) == ERR_LIMIT)
            sched_yield();
        if (err == ERR_CLOSED) {
            free(mail);
            atomic_fetch_add(s->kept, LETTERS - i);
            break;
        }
    }
    return NULL;
}

static void start_senders(struct sender *senders, struct mailbox *m, atomic_size_t *kept)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.mailbox = m, .number = i, .always = i == 0, .kept = kept};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, write_letters, &senders[i]), 0);
    }
}

static void join_senders(struct sender *senders)
{
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
}

// Each sender's letters come in the order of their numbers, none twice. Returns how many came.
static size_t read_letters(struct mail *mail, unsigned next_number[static SENDERS])
{
    size_t count = 0;
    for (struct mail *next; mail; mail = next, count++) {
        struct letter *l = (struct letter *)mail;
        next = mail->next;
        assert_int_equal(l->number, next_number[l->sender]++);
        free(l);
    }
    return count;
}

// The mailbox is small, so that it is empty and full in turn. A wake-up that got lost would leave
// the taker waiting for ever.
static void letters_of_many_threads_come_once_and_in_order(void **state)
{
    (void)state;
    struct mailbox *m = open_mailbox(16);
    struct sender senders[SENDERS];
    unsigned next_number[SENDERS] = {0};
    atomic_size_t kept = 0;
    start_senders(senders, m, &kept);
    size_t count = 0;
    while (count < (size_t)SENDERS * LETTERS)
        count += read_letters(mailbox_wait(m, -1), next_number);
    join_senders(senders);
    assert_null(mailbox_take(m));
    assert_int_equal(kept, 0);
    mailbox_close(m);
}

// Shut in the middle, every letter is either taken or still its sender's.
static void no_letter_is_lost_when_the_mailbox_is_shut(void **state)
{
    (void)state;
    struct mailbox *m = open_mailbox(16);
    struct sender senders[SENDERS];
    unsigned next_number[SENDERS] = {0};
    atomic_size_t kept = 0;
    start_senders(senders, m, &kept);
    size_t count = 0;
    while (count < LETTERS)
        count += read_letters(mailbox_wait(m, -1), next_number);
    mailbox_shut(m);
    join_senders(senders);
    count += read_letters(mailbox_take(m), next_number);
    assert_int_equal(count + kept, (size_t)SENDERS * LETTERS);
    mailbox_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_descriptor_is_readable_while_mail_waits),
        cmocka_unit_test(a_full_mailbox_leaves_mail_with_its_sender),
        cmocka_unit_test(a_shut_mailbox_gives_out_what_waits),
        cmocka_unit_test(letters_of_many_threads_come_once_and_in_order),
        cmocka_unit_test(no_letter_is_lost_when_the_mailbox_is_shut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
