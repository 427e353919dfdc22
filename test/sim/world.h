// SPDX-License-Identifier: MIT
// world.h: everything there is in a simulated world: clocks, a process, a disk, targets, clients.
//
// One thread moves it from event to event. The real core runs inside; around it stand the parts of
// the program that wait, send and store, played from the seed: a writer that commits in groups and
// takes its time, requests that are answered, refused, lost or left hanging, clients that change
// their jobs, and death at any moment. What only the process knows dies with it.

#ifndef CARILLON_SIM_WORLD_H
#define CARILLON_SIM_WORLD_H

#include "dice.h"
#include "history.h"
#include "ledger.h"
#include "trace.h"

#include "core/core.h"

#define HOSTS 3
#define FLIGHTS_MAX 256
#define QUEUE_MAX 4096
#define COMMIT_MS_MAX 3 // Of a disk that is well.

// A request on the wire.
struct flight {
    bool used;
    uint64_t ticket;
    struct execution_key key;
    unsigned attempt;
    char host;
    mono_ms ends_at;
    enum outcome_kind kind;
    unsigned status;
    bool reaches; // The target takes it in.
    const char *error;
};

// How a target behaves for a while.
enum mood {
    MOOD_WELL,
    MOOD_SLOW,
    MOOD_FAILING,
    MOOD_REFUSING,
    MOOD_HANGING,
    MOOD_RESETTING,
    MOOD_MIXED,
    MOODS
};

// A command whose batch is not durable yet.
struct promise {
    uint64_t sequence;
    job_id job;
    bool trigger;
    struct execution_key key;
    struct version version;
};

enum life { LIFE_UP, LIFE_DRAINING, LIFE_DOWN };

struct world {
    struct dice dice;
    struct trace trace;
    struct ledger ledger;
    struct history history;
    struct now now;
    bool faults; // Crashes, slow disks, bad targets.
    bool calm;   // Bad targets and busy clients, but no other fault.

    // The process.
    struct core_limits limits;
    enum life life;
    unsigned life_number;
    struct core *core;
    struct actions out;
    uint64_t sequence;
    mono_ms wake_at;
    mono_ms life_changes_at; // DOWN: starts. DRAINING: gives up waiting. UP: dies.
    bool doomed;             // Dies before the end of this step.

    // Its writer: batches in order, of which the first `committing` are being written.
    struct batch *queue[QUEUE_MAX];
    size_t queued;
    size_t committing;
    mono_ms commit_at;
    bool stalled;

    // Targets and clients.
    struct flight flights[FLIGHTS_MAX];
    size_t in_flight;
    enum mood moods[HOSTS];
    mono_ms mood_changes_at;
    struct promise promises[QUEUE_MAX];
    size_t promised;
    mono_ms command_at;
    enum command_kind asking; // The command of this step,
    struct version asked;     // and the version it makes.

    // For the report.
    uint64_t events;
    uint64_t commands;
    uint64_t crashes;
    uint64_t requests;
};

// machine.c: the process, its writer, its death and its start.
void machine_start(struct world *w);
void machine_die(struct world *w);
void machine_drain(struct world *w);
void machine_drained(struct world *w); // Ends a drain if it is complete, or has taken too long.
void machine_step(struct world *w, const struct event *e);
void machine_tick(struct world *w);
void machine_commit(struct world *w); // The commit that is under way ends.
void machine_flush(struct world *w);  // The turn is over: its batch goes to the writer.
const struct zone *machine_zone(const struct job *j);
void machine_fini(struct world *w);

// wire.c: requests and targets.
void wire_send(struct world *w, const struct send *s);
void wire_end(struct world *w, struct flight *f);
void wire_cut(struct world *w); // The process died: nobody hears the answers.
void wire_change_moods(struct world *w);
struct flight *wire_next(struct world *w); // The one that ends first, or NULL.

// client.c: commands.
void client_command(struct world *w);
void client_hear(struct world *w, const struct reply *r);
void client_keep(struct world *w, uint64_t sequence); // Durable up to there.
void client_forget(struct world *w);                  // The rest never happened.

// checker.c: at the end, everything owed up to `until` is compared with the ledger.
void checker_run(struct world *w, wall_ms until, uint64_t *owed);

#endif
