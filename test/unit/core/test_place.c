// SPDX-License-Identifier: MIT
// test_place.c: an execution is in one place, and whatever is not allowed there ends the program.

#include "core/core_priv.h"
#include "core_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// An execution that is planned for T0 + 1 s, in a core that is otherwise empty.
static struct rig *with_planned(struct open **out)
{
    struct rig *r = rig_started();
    rig_create(r, job_of("* * * * * *"));
    rig_tick(r);
    rig_record(r);
    *out = core__open_of(agenda_first(r->core->instants));
    return r;
}

static void an_execution_leaves_its_place_when_it_enters_another(void **state)
{
    (void)state;
    struct open *o;
    struct rig *r = with_planned(&o);
    struct core *c = r->core;
    size_t planned = agenda_count(c->instants);
    core__enter_until(c, o, PHASE_JUDGED, T0);
    assert_int_equal(agenda_count(c->instants), planned - 1);
    assert_int_equal(agenda_count(c->judged), 1);
    o->sequence = c->recorded + 1;
    core__enter(c, o, PHASE_UNRECORDED);
    assert_int_equal(agenda_count(c->judged), 0);
    assert_ptr_equal(c->unrecorded.first, o);
    rig_free(r);
}

// Rows become durable in order of their batches, whatever the order in which they came here.
static void unrecorded_executions_stand_in_order_of_their_batches(void **state)
{
    (void)state;
    struct open *first, *second;
    struct rig *r = with_planned(&first);
    struct core *c = r->core;
    rig_create(r, job_of("* * * * * *"));
    rig_tick(r);
    first->sequence = c->recorded + 2;
    core__enter(c, first, PHASE_UNRECORDED);
    second = core__open_of(agenda_first(c->instants));
    second->sequence = c->recorded + 1;
    core__enter(c, second, PHASE_UNRECORDED);
    assert_ptr_equal(c->unrecorded.first, second);
    assert_ptr_equal(c->unrecorded.last, first);
    rig_free(r);
}

static void fly_without_gates(struct core *c, struct open *o)
{
    core__enter(c, o, PHASE_FLYING);
}

static void skip_the_flight(struct core *c, struct open *o)
{
    core__enter_until(c, o, PHASE_BACKOFF, T0);
}

static void wait_in_an_agenda_without_a_time(struct core *c, struct open *o)
{
    core__enter(c, o, PHASE_JUDGED);
}

static void end_without_a_terminal_state(struct core *c, struct open *o)
{
    core__enter(c, o, PHASE_ENDED);
}

static void be_claimed_before_the_instant(struct core *c, struct open *o)
{
    o->claimed = true;
    core_check(c);
}

static void be_replaced_before_the_flight(struct core *c, struct open *o)
{
    o->replaced = true;
    core_check(c);
}

static void hold_a_host_before_its_gate(struct core *c, struct open *o)
{
    o->host = o->job->host;
    core_check(c);
}

static void count_a_gate_twice(struct core *c, struct open *o)
{
    (void)o;
    c->gate.in_flight++;
    core_check(c);
}

static void await_what_is_durable(struct core *c, struct open *o)
{
    o->sequence = c->recorded;
    core__enter(c, o, PHASE_UNRECORDED);
}

typedef void mistake(struct core *c, struct open *o);

static mistake *const mistakes[] = {
    fly_without_gates,
    skip_the_flight,
    wait_in_an_agenda_without_a_time,
    end_without_a_terminal_state,
    be_claimed_before_the_instant,
    be_replaced_before_the_flight,
    hold_a_host_before_its_gate,
    count_a_gate_twice,
    await_what_is_durable,
};

// In a child, which an assertion ends.
static int signal_of(mistake *m, struct core *c, struct open *o)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); // cmocka would go on.
        close(STDERR_FILENO);     // What the assertion says is expected.
        m(c, o);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void what_no_place_allows_ends_the_program(void **state)
{
    (void)state;
    struct open *o;
    struct rig *r = with_planned(&o);
    for (size_t i = 0; i < COUNT_OF(mistakes); i++)
        if (signal_of(mistakes[i], r->core, o) != SIGABRT)
            fail_msg("mistake %zu goes unseen", i);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_execution_leaves_its_place_when_it_enters_another),
        cmocka_unit_test(unrecorded_executions_stand_in_order_of_their_batches),
        cmocka_unit_test(what_no_place_allows_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
