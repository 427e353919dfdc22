// SPDX-License-Identifier: MIT
// test_loop.c: each ready source is called once in a turn, and none that was removed before.
//
// Descriptors are events of the kernel (eventfd): one with a count is readable, and stays so until
// it is read.

#include "base/loop.h"

#include "base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct probe {
    struct loop_source source;
    struct loop *loop;
    unsigned calls;
    uint32_t events;     // Events of the last call.
    struct probe *other; // What the call does something to.
};

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    return loop_open(&loop, NULL) ? 1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_close(loop);
    loop_close(NULL);
    return 0;
}

static void note(void *context, uint32_t events)
{
    struct probe *p = context;
    p->calls++;
    p->events = events;
}

static struct probe probe_of(int fd, loop_ready *ready)
{
    assert_true(fd >= 0);
    return (struct probe){.source = {.fd = fd, .ready = ready}, .loop = loop};
}

static int event_fd(unsigned count)
{
    return eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void add(struct probe *p, uint32_t events)
{
    p->source.context = p;
    assert_int_equal(loop_add(p->loop, &p->source, events, NULL), ERR_OK);
}

static void end(struct probe *p)
{
    loop_remove(p->loop, &p->source);
    close(p->source.fd);
}

// --- Calls ---------------------------------------------------------------------------------------

static void a_ready_source_is_called_once_in_each_turn(void **state)
{
    (void)state;
    struct probe ready = probe_of(event_fd(1), note), idle = probe_of(event_fd(0), note);
    add(&ready, EPOLLIN);
    add(&idle, EPOLLIN);
    for (unsigned turn = 1; turn <= 3; turn++) {
        assert_int_equal(loop_turn(loop, 0), 1);
        assert_int_equal(ready.calls, turn); // Nobody reads the event, so it stays.
    }
    assert_int_equal(ready.events, EPOLLIN);
    assert_int_equal(idle.calls, 0);
    end(&ready);
    end(&idle);
}

static void a_turn_without_a_ready_source_calls_nothing(void **state)
{
    (void)state;
    struct probe p = probe_of(event_fd(0), note);
    add(&p, EPOLLIN);
    assert_int_equal(loop_turn(loop, 0), 0);
    assert_int_equal(loop_turn(loop, 1), 0);
    assert_int_equal(p.calls, 0);
    end(&p);
}

static void a_modified_source_is_called_for_what_it_waits_for_now(void **state)
{
    (void)state;
    struct probe p = probe_of(event_fd(0), note);
    add(&p, EPOLLIN);
    assert_int_equal(loop_turn(loop, 0), 0);
    loop_modify(loop, &p.source, EPOLLIN | EPOLLOUT);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(p.events, EPOLLOUT);
    loop_modify(loop, &p.source, 0);
    assert_int_equal(loop_turn(loop, 0), 0);
    end(&p);
}

static void a_pipe_that_is_closed_at_its_other_end_is_told(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct probe p = probe_of(fds[0], note);
    add(&p, EPOLLIN);
    close(fds[1]);
    assert_int_equal(loop_turn(loop, -1), 1);
    assert_true(p.events & EPOLLHUP);
    end(&p);
}

static void read_clock(void *context, uint32_t events)
{
    struct probe *p = context;
    uint64_t rings;
    note(context, events);
    assert_int_equal(read(p->source.fd, &rings, sizeof rings), sizeof rings);
}

static void a_timer_is_a_source_like_any_other(void **state)
{
    (void)state;
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    struct probe p = probe_of(fd, read_clock);
    const struct itimerspec past = {.it_value.tv_nsec = 1};
    add(&p, EPOLLIN);
    assert_int_equal(loop_turn(loop, 0), 0); // Not set yet.
    assert_int_equal(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL), 0);
    assert_int_equal(loop_turn(loop, -1), 1);
    assert_int_equal(loop_turn(loop, 0), 0); // The timer rings once.
    assert_int_equal(p.calls, 1);
    end(&p);
}

// --- Changes in a turn ---------------------------------------------------------------------------

static void remove_other(void *context, uint32_t events)
{
    struct probe *p = context;
    note(context, events);
    loop_remove(p->loop, &p->other->source);
}

// Two sources are ready. The first that is called removes the other, whose event has come already.
static void a_source_that_was_removed_in_a_turn_is_not_called_in_it(void **state)
{
    (void)state;
    struct probe a = probe_of(event_fd(1), remove_other);
    struct probe b = probe_of(event_fd(1), remove_other);
    a.other = &b;
    b.other = &a;
    add(&a, EPOLLIN);
    add(&b, EPOLLIN);
    loop_turn(loop, 0);
    assert_int_equal(a.calls + b.calls, 1);
    loop_turn(loop, 0);
    assert_int_equal(a.calls + b.calls, 2);
    assert_true(a.calls == 2 || b.calls == 2);
    end(&a);
    end(&b);
}

static void a_source_may_remove_itself(void **state)
{
    (void)state;
    struct probe p = probe_of(event_fd(1), remove_other);
    p.other = &p;
    add(&p, EPOLLIN);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_turn(loop, 0), 0);
    assert_int_equal(p.calls, 1);
    end(&p);
}

static void add_other(void *context, uint32_t events)
{
    struct probe *p = context;
    note(context, events);
    if (p->calls == 1)
        add(p->other, EPOLLIN);
}

static void a_source_that_was_added_in_a_turn_is_called_from_the_next_on(void **state)
{
    (void)state;
    struct probe late = probe_of(event_fd(1), note), first = probe_of(event_fd(1), add_other);
    first.other = &late;
    add(&first, EPOLLIN);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(late.calls, 0);
    assert_int_equal(loop_turn(loop, 0), 2);
    assert_int_equal(late.calls, 1);
    end(&first);
    end(&late);
}

static struct probe successor; // Takes the descriptor of a source that ends.

static void replace_other(void *context, uint32_t events)
{
    struct probe *p = context;
    note(context, events);
    if (successor.loop)
        return;
    int fd = p->other->source.fd;
    end(p->other);
    successor = probe_of(event_fd(0), note);
    assert_int_equal(successor.source.fd, fd); // The kernel gives out the lowest that is free.
    add(&successor, EPOLLIN);
}

// The event of the old source must not reach the new one, which has nothing to read.
static void an_event_does_not_pass_to_the_next_user_of_its_descriptor(void **state)
{
    (void)state;
    struct probe a = probe_of(event_fd(1), replace_other);
    struct probe b = probe_of(event_fd(1), replace_other);
    a.other = &b;
    b.other = &a;
    successor.loop = NULL;
    add(&a, EPOLLIN);
    add(&b, EPOLLIN);
    loop_turn(loop, 0);
    assert_int_equal(a.calls + b.calls, 1);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(successor.calls, 0);
    end(a.calls ? &a : &b);
    end(&successor);
}

static void a_source_whose_descriptor_is_closed_can_be_removed(void **state)
{
    (void)state;
    struct probe p = probe_of(event_fd(1), note);
    add(&p, EPOLLIN);
    close(p.source.fd);
    loop_remove(loop, &p.source);
    assert_int_equal(loop_turn(loop, 0), 0);
}

// --- Bounds and errors ---------------------------------------------------------------------------

static void more_sources_than_a_turn_takes_all_get_their_call(void **state)
{
    (void)state;
    static struct probe many[700];
    const struct rlimit files = {.rlim_cur = 1024, .rlim_max = 1024};
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    if (before.rlim_cur < files.rlim_cur)
        setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = probe_of(event_fd(1), read_clock);
        add(&many[i], EPOLLIN);
    }
    int called = 0, turns = 0;
    for (int n; (n = loop_turn(loop, 0)) > 0; turns++)
        called += n;
    assert_true(turns > 1);
    assert_int_equal(called, COUNT_OF(many));
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        assert_int_equal(many[i].calls, 1);
        end(&many[i]);
    }
}

static void ignore_signal(int number)
{
    (void)number;
}

// The timer rings until one of its signals has found the loop waiting.
static void a_signal_ends_the_wait_and_counts_as_no_call(void **state)
{
    (void)state;
    struct probe p = probe_of(event_fd(0), note);
    struct sigaction before, on_alarm = {.sa_handler = ignore_signal, .sa_flags = SA_RESTART};
    const struct itimerval often = {{.tv_usec = 1000}, {.tv_usec = 1000}}, never = {0};
    add(&p, EPOLLIN);
    sigaction(SIGALRM, &on_alarm, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    assert_int_equal(loop_turn(loop, -1), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(p.calls, 0);
    const uint64_t one = 1;
    assert_int_equal(write(p.source.fd, &one, sizeof one), sizeof one);
    assert_int_equal(loop_turn(loop, -1), 1); // The loop goes on as before.
    end(&p);
}

static void what_cannot_be_waited_for_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct fault f = {0};
    struct probe p = probe_of(event_fd(0), note);
    struct loop_source file = {.fd = fileno(tmpfile()), .ready = note};
    assert_int_equal(loop_add(loop, &file, EPOLLIN, &f), ERR_SYSTEM);
    assert_string_equal(f.text, "epoll_ctl add: Operation not permitted");
    add(&p, EPOLLIN);
    assert_int_equal(loop_add(loop, &p.source, EPOLLIN, &f), ERR_SYSTEM);
    assert_string_equal(f.text, "epoll_ctl add: File exists");
    end(&p);
    close(file.fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ready_source_is_called_once_in_each_turn),
        TEST(a_turn_without_a_ready_source_calls_nothing),
        TEST(a_modified_source_is_called_for_what_it_waits_for_now),
        TEST(a_pipe_that_is_closed_at_its_other_end_is_told),
        TEST(a_timer_is_a_source_like_any_other),
        TEST(a_source_that_was_removed_in_a_turn_is_not_called_in_it),
        TEST(a_source_may_remove_itself),
        TEST(a_source_that_was_added_in_a_turn_is_called_from_the_next_on),
        TEST(an_event_does_not_pass_to_the_next_user_of_its_descriptor),
        TEST(a_source_whose_descriptor_is_closed_can_be_removed),
        TEST(more_sources_than_a_turn_takes_all_get_their_call),
        TEST(a_signal_ends_the_wait_and_counts_as_no_call),
        TEST(what_cannot_be_waited_for_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
