// SPDX-License-Identifier: MIT
// test_store_commands.c: what every store of several nodes promises about commands: each is carried
// out once, whoever dies when, and of two with one key only the first.

#include "postgres_server.h"
#include "store/commands.h"
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SHARDS 4
#define LATER 10000

static const struct store_adapter *adapter;

struct box {
    struct store *store;
    struct store_commands *asking;
    struct store_commands *owning;
    char url[POSTGRES_URL_BYTES];
    wall_ms now;
    int64_t epoch; // Shard 1 is taken in it.
    int64_t tick;
};

static int setup(void **state)
{
    struct box *x = xcalloc(1, sizeof *x);
    struct shard row;
    *state = x;
    if (adapter->is_server)
        postgres_database_new(x->url);
    store_assert_ok(adapter->is_server ? store_postgres_open(x->url, SHARDS, &x->store, f)
                                       : store_memory_open(SHARDS, &x->store, f));
    store_assert_ok(store_commands_open(x->store, &x->asking, f));
    store_assert_ok(store_commands_open(x->store, &x->owning, f));
    store_assert_ok(store_take_shard(x->store, 1, &row, f));
    x->epoch = row.epoch;
    x->now = clock_wall_ms(); // A first database takes its time.
    return 0;
}

static int teardown(void **state)
{
    struct box *x = *state;
    store_commands_close(x->asking);
    store_commands_close(x->owning);
    store_close(x->store);
    if (adapter->is_server)
        postgres_database_drop(x->url);
    free(x);
    return 0;
}

// --- Short ways ------------------------------------------------------------------------------

static struct command_id id_of(uint8_t n)
{
    return (struct command_id){{0, 0, 0, 0, 0, 1, [15] = n}};
}

static struct client_key key_of(const char *text, uint8_t digest)
{
    return (struct client_key){.text = text, .digest = {digest}};
}

static struct command_put put_of(struct box *x, uint8_t n, const struct client_key *key)
{
    return (struct command_put){.id = id_of(n),
                                .shard = 1,
                                .expires_at = x->now + LATER,
                                .body = "a\0b",
                                .bytes = 3,
                                .key = key};
}

static enum command_put_outcome put_keyed(struct box *x, uint8_t n, const struct client_key *key)
{
    struct command_put p = put_of(x, n, key);
    store_assert_ok(store_commands_put(x->asking, &p, 1, x->now, f));
    return p.outcome;
}

static void put(struct box *x, uint8_t n)
{
    assert_int_equal(put_keyed(x, n, NULL), PUT_NEW);
}

struct claimed {
    size_t count;
    uint8_t ids[16];
    int64_t epoch;
    int64_t number; // The last one has it.
};

static void add_claimed(void *context, const struct command_row *r)
{
    struct claimed *c = context;
    assert_int_equal(r->shard, 1);
    assert_true(r->number > c->number);
    assert_int_equal(r->bytes, 3);
    assert_memory_equal(r->body, "a\0b", 3);
    c->ids[c->count++] = r->id.bytes[15];
    c->epoch = r->epoch;
    c->number = r->number;
}

static struct claimed claim_with(struct box *x, bool again, int64_t after, size_t limit)
{
    const struct command_shard shards[] = {{0, 7}, {1, x->epoch}};
    const struct command_claim o = {shards, COUNT_OF(shards), again, after, limit};
    struct claimed c = {0};
    store_assert_ok(store_commands_claim(x->owning, &o, x->now, add_claimed, &c, f));
    return c;
}

static struct claimed claim(struct box *x)
{
    return claim_with(x, false, 0, 16);
}

static void take_again(struct box *x)
{
    struct shard row;
    store_assert_ok(store_take_shard(x->store, 1, &row, f));
    x->epoch = row.epoch;
    x->tick = 0;
}

// A batch of shard 1 that holds a reply to the command.
static struct batch *reply_of(struct box *x, uint8_t n, enum err err)
{
    static uint64_t sequence;
    struct batch *b = batch_new(++sequence);
    struct shard *row = shard_row(b, 1);
    row->epoch = x->epoch;
    row->tick = x->tick + 1;
    struct change *c = store_add(b, CHANGE_REPLY);
    c->shard = 1;
    c->reply = (struct command_reply){.command = id_of(n),
                                      .err = err,
                                      .job = 5,
                                      .version = 3,
                                      .execution = {5, STORE_T0, -2},
                                      .at = x->now};
    return b;
}

static enum commit_outcome commit(struct box *x, struct batch *b)
{
    struct commit_cause cause = {0};
    enum commit_outcome outcome = store_commit(x->store, &b, 1, &cause);
    x->tick += outcome == COMMIT_DONE;
    batch_free(b);
    return outcome;
}

static void answer(struct box *x, uint8_t n, enum err err)
{
    assert_int_equal(commit(x, reply_of(x, n, err)), COMMIT_DONE);
}

struct found {
    size_t count;
    struct command_reply last;
};

static void add_found(void *context, const struct command_reply *r)
{
    struct found *found = context;
    found->count++;
    found->last = *r;
}

static struct found read_reply(struct box *x, uint8_t n)
{
    const struct command_id ids[] = {id_of(200), id_of(n)};
    struct found found = {0};
    store_assert_ok(store_commands_read(x->asking, ids, COUNT_OF(ids), add_found, &found, f));
    return found;
}

static bool withdraw(struct box *x, uint8_t n)
{
    struct command_id id = id_of(n);
    bool withdrawn = false;
    store_assert_ok(store_commands_withdraw(x->asking, &id, &withdrawn, f));
    return withdrawn;
}

static size_t tidy(struct box *x, wall_ms now)
{
    size_t removed;
    store_assert_ok(store_commands_tidy(x->owning, 100, now, &removed, f));
    return removed;
}

// --- The way of a command --------------------------------------------------------------------

static void command_is_claimed_once_and_its_reply_is_read(void **state)
{
    struct box *x = *state;
    put(x, 1);
    assert_int_equal(read_reply(x, 1).count, 0);
    struct claimed c = claim(x);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.ids[0], 1);
    assert_int_equal(c.epoch, x->epoch);
    assert_int_equal(claim(x).count, 0);
    answer(x, 1, ERR_OK);
    struct found found = read_reply(x, 1);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.last.err, ERR_OK);
    assert_int_equal(found.last.job, 5);
    assert_int_equal(found.last.version, 3);
    assert_int_equal(found.last.execution.job, 5);
    assert_int_equal(found.last.execution.scheduled_at, STORE_T0);
    assert_int_equal(found.last.execution.series, -2);
    assert_int_equal(claim_with(x, true, 0, 16).count, 0);
}

static void refusal_is_a_reply(void **state)
{
    struct box *x = *state;
    put(x, 1);
    claim(x);
    answer(x, 1, ERR_CONFLICT);
    assert_int_equal(read_reply(x, 1).last.err, ERR_CONFLICT);
}

static void commands_come_in_the_order_in_which_they_were_put(void **state)
{
    struct box *x = *state;
    struct command_put puts[3];
    for (uint8_t i = 0; i < 3; i++)
        puts[i] = put_of(x, (uint8_t)(9 - i), NULL);
    puts[1].shard = 2; // Nobody asks for commands of this one.
    store_assert_ok(store_commands_put(x->asking, puts, 3, x->now, f));
    put(x, 3);
    struct claimed c = claim_with(x, false, 0, 2);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.ids[0], 9);
    assert_int_equal(c.ids[1], 7);
    assert_int_equal(claim(x).ids[0], 3);
    assert_int_equal(claim(x).count, 0);
}

// The answer of a claim was lost.
static void what_was_claimed_and_not_answered_comes_again_when_asked_for(void **state)
{
    struct box *x = *state;
    put(x, 1);
    put(x, 2);
    put(x, 3);
    assert_int_equal(claim(x).count, 3);
    answer(x, 2, ERR_OK);
    struct claimed c = claim_with(x, true, 0, 1);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.ids[0], 1);
    c = claim_with(x, true, c.number, 1);
    assert_int_equal(c.ids[0], 3);
    assert_int_equal(claim_with(x, true, c.number, 1).count, 0);
}

// The owner dies after the claim. What it had claimed has expired meanwhile, and is owed all the
// same, since its client was told that it may have been carried out.
static void next_owner_claims_what_the_last_one_has_not_answered(void **state)
{
    struct box *x = *state;
    put(x, 1);
    put(x, 2);
    assert_int_equal(claim(x).count, 2);
    answer(x, 1, ERR_OK);
    x->now += 2 * LATER;
    int64_t before = x->epoch;
    take_again(x);
    struct claimed c = claim(x);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.ids[0], 2);
    assert_int_equal(c.epoch, x->epoch);
    int64_t epoch = x->epoch;
    x->epoch = before;
    assert_int_equal(claim_with(x, true, 0, 16).count, 0); // The last owner takes nothing back.
    x->epoch = epoch;
    answer(x, 2, ERR_OK);
}

static void owner_of_before_answers_nothing(void **state)
{
    struct box *x = *state;
    put(x, 1);
    claim(x);
    struct batch *late = reply_of(x, 1, ERR_OK);
    take_again(x);
    assert_int_equal(commit(x, late), COMMIT_FENCED);
    assert_int_equal(read_reply(x, 1).count, 0);
    assert_int_equal(claim(x).count, 1);
}

static void second_reply_is_refused_with_all_that_it_comes_with(void **state)
{
    struct box *x = *state;
    put(x, 1);
    claim(x);
    answer(x, 1, ERR_OK);
    struct batch *b = reply_of(x, 1, ERR_NOT_FOUND);
    store_add_job(b, 5);
    b->changes[b->count - 1].shard = 1;
    assert_int_equal(commit(x, b), COMMIT_LOST);
    assert_int_equal(read_reply(x, 1).last.err, ERR_OK);
    struct shard row;
    store_assert_ok(store_get_shard(x->store, 1, &row, f));
    assert_int_equal(row.tick, 1);
}

static void commit_that_is_repeated_answers_once(void **state)
{
    struct box *x = *state;
    put(x, 1);
    claim(x);
    struct batch *b = reply_of(x, 1, ERR_OK);
    struct commit_cause cause = {0};
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_DONE);
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_DONE);
    assert_int_equal(read_reply(x, 1).count, 1);
    batch_free(b);
}

// A promotion lost the command, and the reply came through.
static void command_that_comes_after_its_reply_is_not_carried_out(void **state)
{
    struct box *x = *state;
    answer(x, 1, ERR_OK);
    put(x, 1);
    assert_int_equal(claim_with(x, true, 0, 16).count, 0);
    assert_int_equal(read_reply(x, 1).count, 1);
}

// --- Time ------------------------------------------------------------------------------------

static void expired_command_is_never_claimed(void **state)
{
    struct box *x = *state;
    struct command_put p = put_of(x, 1, NULL);
    p.expires_at = x->now - 1000;
    store_assert_ok(store_commands_put(x->asking, &p, 1, x->now, f));
    assert_int_equal(p.outcome, PUT_LATE);
    put(x, 2);
    if (adapter->is_server)
        postgres_meddle(x->url, "UPDATE commands SET expires_at = 1", NULL, 0);
    x->now += 2 * LATER;
    assert_int_equal(claim(x).count, 0);
    assert_int_equal(tidy(x, x->now), 1);
    assert_false(withdraw(x, 2));
}

static void only_what_is_over_is_tidied_away(void **state)
{
    struct box *x = *state;
    put(x, 1);
    put(x, 2);
    put(x, 3);
    claim_with(x, false, 0, 2);
    answer(x, 1, ERR_OK);
    assert_int_equal(tidy(x, x->now), 0);
    if (adapter->is_server)
        postgres_meddle(x->url, "UPDATE commands SET replied_at = 1 WHERE replied_at > 0", NULL, 0);
    assert_int_equal(tidy(x, adapter->is_server ? x->now : x->now + COMMAND_KEPT_MS + 1),
                     adapter->is_server ? 1 : 2);
    assert_int_equal(read_reply(x, 1).count, 0);
    assert_int_equal(claim_with(x, true, 0, 16).ids[0], 2);
}

// --- Withdrawal ------------------------------------------------------------------------------

static void unclaimed_command_is_withdrawn(void **state)
{
    struct box *x = *state;
    put(x, 1);
    assert_true(withdraw(x, 1));
    assert_false(withdraw(x, 1));
    assert_int_equal(claim(x).count, 0);
}

static void claimed_command_is_not_withdrawn(void **state)
{
    struct box *x = *state;
    put(x, 1);
    claim(x);
    assert_false(withdraw(x, 1));
    answer(x, 1, ERR_OK);
    assert_false(withdraw(x, 1));
    assert_int_equal(read_reply(x, 1).count, 1);
}

// --- Client keys -----------------------------------------------------------------------------

static void put_that_is_repeated_is_one_command(void **state)
{
    struct box *x = *state;
    struct client_key key = key_of("k", 1);
    assert_int_equal(put_keyed(x, 1, &key), PUT_NEW);
    assert_int_equal(put_keyed(x, 1, &key), PUT_NEW);
    assert_int_equal(claim(x).count, 1);
    assert_int_equal(put_keyed(x, 1, &key), PUT_NEW);
    assert_int_equal(claim(x).count, 0);
}

// Records what the key stood for, as the core does.
static void answer_keyed(struct box *x, uint8_t n, const struct client_key *key)
{
    struct batch *b = reply_of(x, n, ERR_OK);
    struct client_key own = *key;
    own.job = 5;
    own.execution = (struct execution_key){5, STORE_T0, -2};
    own.created_at = x->now;
    store_add(b, CHANGE_CLIENT_KEY)->client_key = own;
    b->changes[b->count - 1].shard = 1;
    assert_int_equal(commit(x, b), COMMIT_DONE);
}

static void second_command_with_a_key_learns_what_the_first_got(void **state)
{
    struct box *x = *state;
    struct client_key key = key_of("k", 1), other = key_of("k", 2);
    assert_int_equal(put_keyed(x, 1, &key), PUT_NEW);
    assert_int_equal(put_keyed(x, 2, &key), PUT_BUSY);
    assert_int_equal(put_keyed(x, 3, &other), PUT_OTHER);
    assert_int_equal(claim(x).count, 1);
    assert_int_equal(put_keyed(x, 2, &key), PUT_BUSY);
    answer_keyed(x, 1, &key);
    struct command_put p = put_of(x, 2, &key);
    store_assert_ok(store_commands_put(x->asking, &p, 1, x->now, f));
    assert_int_equal(p.outcome, PUT_REPLAY);
    assert_int_equal(p.reply.job, 5);
    assert_int_equal(p.reply.execution.scheduled_at, STORE_T0);
    assert_int_equal(p.reply.execution.series, -2);
    assert_int_equal(put_keyed(x, 3, &other), PUT_OTHER);
    assert_int_equal(claim_with(x, true, 0, 16).count, 0);
}

static void keys_in_one_call_count_too(void **state)
{
    struct box *x = *state;
    struct client_key key = key_of("k", 1), second = key_of("a", 1);
    struct command_put puts[] = {put_of(x, 1, &key), put_of(x, 2, &key), put_of(x, 3, &second),
                                 put_of(x, 4, NULL)};
    store_assert_ok(store_commands_put(x->asking, puts, COUNT_OF(puts), x->now, f));
    assert_int_equal(puts[0].outcome, PUT_NEW);
    assert_int_equal(puts[1].outcome, PUT_BUSY);
    assert_int_equal(puts[2].outcome, PUT_NEW);
    assert_int_equal(puts[3].outcome, PUT_NEW);
    assert_int_equal(claim(x).count, 3);
}

static void key_of_what_was_not_done_is_free_again(void **state)
{
    struct box *x = *state;
    struct client_key refused = key_of("r", 1), withdrawn = key_of("w", 1), late = key_of("l", 1);
    assert_int_equal(put_keyed(x, 1, &refused), PUT_NEW);
    claim(x);
    answer(x, 1, ERR_LIMIT);
    assert_int_equal(put_keyed(x, 2, &refused), PUT_NEW);
    claim(x);
    assert_int_equal(put_keyed(x, 3, &withdrawn), PUT_NEW);
    assert_true(withdraw(x, 3));
    assert_int_equal(put_keyed(x, 4, &withdrawn), PUT_NEW);
    claim(x);
    assert_int_equal(put_keyed(x, 5, &late), PUT_NEW);
    if (adapter->is_server)
        postgres_meddle(x->url, "UPDATE commands SET expires_at = 1", NULL, 0);
    assert_int_equal(tidy(x, x->now + 2 * LATER), 1);
    assert_int_equal(put_keyed(x, 6, &late), PUT_NEW);
}

static enum err never(void *context, const struct client_key *k)
{
    (void)context;
    (void)k;
    return ERR_CONFLICT;
}

static void reserved_key_stands_for_nothing_yet(void **state)
{
    struct box *x = *state;
    struct client_key key = key_of("k", 1);
    struct store_reader *r;
    assert_int_equal(put_keyed(x, 1, &key), PUT_NEW);
    store_assert_ok(store_reader_open(x->store, &r, f));
    assert_int_equal(store_get_client_key(r, "k", x->now, never, NULL, NULL), ERR_NOT_FOUND);
    store_reader_close(r);
}

// --- Keys of jobs ----------------------------------------------------------------------------

static struct command_put put_job_of(struct box *x, uint8_t n, const struct client_key *key)
{
    struct command_put p = put_of(x, n, key);
    p.job_key = "nightly";
    store_assert_ok(store_commands_put(x->asking, &p, 1, x->now, f));
    return p;
}

static void assert_put_job(struct box *x, uint8_t n, enum command_put_outcome outcome, job_id owner)
{
    struct command_put p = put_job_of(x, n, NULL);
    assert_int_equal(p.outcome, outcome);
    assert_int_equal(p.reply.job, owner);
}

// The command has made job 5, which has the key.
static void answer_with_job(struct box *x, uint8_t n)
{
    struct batch *b = reply_of(x, n, ERR_OK);
    store_add_job(b, 5);
    struct change *c = &b->changes[b->count - 1];
    job_set_text(&c->job->key, "nightly");
    c->shard = 1;
    assert_int_equal(commit(x, b), COMMIT_DONE);
}

static void answer_with_deletion(struct box *x, uint8_t n)
{
    struct batch *b = reply_of(x, n, ERR_OK);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->shard = 1;
    c->deleted.id = 5;
    c->deleted.at = x->now;
    assert_int_equal(commit(x, b), COMMIT_DONE);
}

static void key_of_a_job_is_taken_from_its_command_to_its_deletion(void **state)
{
    struct box *x = *state;
    assert_put_job(x, 1, PUT_NEW, 0);
    assert_put_job(x, 1, PUT_NEW, 0); // The call was repeated.
    assert_put_job(x, 2, PUT_TAKEN, 0);
    assert_int_equal(claim(x).count, 1);
    assert_put_job(x, 2, PUT_TAKEN, 0);
    answer_with_job(x, 1);
    assert_put_job(x, 2, PUT_TAKEN, 5);
    assert_put_job(x, 1, PUT_NEW, 0); // The command has its reply.
    put(x, 3);
    assert_int_equal(claim(x).count, 1);
    answer_with_deletion(x, 3);
    assert_put_job(x, 1, PUT_NEW, 0); // Reserves nothing any more.
    assert_put_job(x, 4, PUT_NEW, 0);
    assert_int_equal(claim(x).count, 1);
}

static void key_of_a_job_that_was_not_made_is_free_again(void **state)
{
    struct box *x = *state;
    assert_put_job(x, 1, PUT_NEW, 0);
    claim(x);
    answer(x, 1, ERR_LIMIT);
    assert_put_job(x, 1, PUT_NEW, 0); // The call was repeated late, and reserves nothing.
    assert_put_job(x, 2, PUT_NEW, 0);
    assert_true(withdraw(x, 2));
    assert_put_job(x, 3, PUT_NEW, 0);
    if (adapter->is_server)
        postgres_meddle(x->url, "UPDATE commands SET expires_at = 1 WHERE replied_at IS NULL", NULL,
                        0);
    assert_int_equal(tidy(x, x->now + 2 * LATER), 1);
    assert_put_job(x, 4, PUT_NEW, 0);
}

static void client_key_of_a_command_that_was_not_put_is_free(void **state)
{
    struct box *x = *state;
    struct client_key key = key_of("k", 1), other = key_of("k", 2);
    assert_put_job(x, 1, PUT_NEW, 0);
    assert_int_equal(put_job_of(x, 2, &key).outcome, PUT_TAKEN);
    assert_int_equal(put_keyed(x, 3, &other), PUT_NEW);
}

static void client_key_says_what_was_done_before_the_key_of_a_job(void **state)
{
    struct box *x = *state;
    struct client_key key = key_of("k", 1);
    assert_int_equal(put_job_of(x, 1, &key).outcome, PUT_NEW);
    assert_int_equal(put_job_of(x, 2, &key).outcome, PUT_BUSY);
    claim(x);
    answer_keyed(x, 1, &key);
    struct command_put again = put_job_of(x, 3, &key);
    assert_int_equal(again.outcome, PUT_REPLAY);
    assert_int_equal(again.reply.job, 5);
}

// --- Wake-ups --------------------------------------------------------------------------------

static void add_heard(void *context, const char *channel)
{
    strcat(context, channel);
}

static void wake_up_reaches_who_listens(void **state)
{
    struct box *x = *state;
    char heard[64] = "";
    store_assert_ok(store_commands_listen(x->owning, "commands", f));
    store_assert_ok(store_commands_listen(x->owning, "others", f));
    store_assert_ok(store_commands_notify(x->asking, "replies", f));
    store_assert_ok(store_commands_notify(x->asking, "commands", f));
    while (!*heard)
        store_assert_ok(store_commands_hear(x->owning, -1, 10000, add_heard, heard, f));
    assert_string_equal(heard, "commands");
    store_assert_ok(store_commands_hear(x->owning, -1, 0, add_heard, heard, f));
    assert_string_equal(heard, "commands");
}

// --- Races -----------------------------------------------------------------------------------

#define RACES 300

struct race {
    struct box *box;
    _Atomic bool is_over;
    size_t claimed;
    size_t withdrawn;
    size_t news;
};

static void count_row(void *context, const struct command_row *r)
{
    (void)r;
    ++*(size_t *)context;
}

static void *claim_until_over(void *context)
{
    struct race *x = context;
    const struct command_shard shards[] = {{1, x->box->epoch}};
    const struct command_claim o = {.shards = shards, .shard_count = 1, .limit = 16};
    bool is_last;
    do {
        is_last = x->is_over;
        store_assert_ok(
            store_commands_claim(x->box->owning, &o, x->box->now, count_row, &x->claimed, f));
    } while (!is_last);
    return NULL;
}

static struct command_id race_id(unsigned n)
{
    return (struct command_id){{[12] = 1, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n}};
}

// When a withdrawal and a claim meet at a command, one comes first, and the other learns that
// the command is not its own.
static void command_is_withdrawn_or_claimed_and_never_both(void **state)
{
    struct race x = {.box = *state};
    pthread_t owner;
    assert_int_equal(pthread_create(&owner, NULL, claim_until_over, &x), 0);
    for (unsigned n = 0; n < RACES; n++) {
        struct command_put p = put_of(x.box, 0, NULL);
        bool withdrawn = false;
        p.id = race_id(n);
        store_assert_ok(store_commands_put(x.box->asking, &p, 1, x.box->now, f));
        store_assert_ok(store_commands_withdraw(x.box->asking, &p.id, &withdrawn, f));
        x.withdrawn += withdrawn;
    }
    x.is_over = true;
    pthread_join(owner, NULL);
    assert_int_equal(x.claimed + x.withdrawn, RACES);
}

#define RACE_KEYS 20

// Puts the same keys, in this order or that. Every second one is that of a job.
static void put_keys(struct race *x, struct store_commands *line, unsigned round, bool reverse)
{
    struct command_put puts[RACE_KEYS];
    struct client_key keys[RACE_KEYS];
    char texts[RACE_KEYS][16];
    for (unsigned i = 0; i < RACE_KEYS; i++) {
        snprintf(texts[i], sizeof texts[i], "%u-%u", round, i);
        keys[i] = key_of(texts[i], 1);
        unsigned at = reverse ? RACE_KEYS - 1 - i : i;
        puts[at] = put_of(x->box, 0, i % 2 ? NULL : &keys[i]);
        puts[at].job_key = i % 2 ? texts[i] : NULL;
        puts[at].id = race_id((2 * round + reverse) * RACE_KEYS + i);
    }
    store_assert_ok(store_commands_put(line, puts, RACE_KEYS, x->box->now, f));
    for (unsigned i = 0; i < RACE_KEYS; i++) {
        assert_true(puts[i].outcome == PUT_NEW || puts[i].outcome == PUT_BUSY ||
                    puts[i].outcome == PUT_TAKEN);
        x->news += puts[i].outcome == PUT_NEW;
    }
}

static void *put_backwards(void *context)
{
    struct race *x = context;
    for (unsigned round = 0; round < 30; round++)
        put_keys(x, x->box->owning, round, true);
    return NULL;
}

// Two nodes with the same keys in opposite order: nobody waits for the other in a circle.
static void one_key_at_two_nodes_at_once_is_one_command(void **state)
{
    struct race one = {.box = *state}, other = {.box = *state};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, put_backwards, &other), 0);
    for (unsigned round = 0; round < 30; round++)
        put_keys(&one, one.box->asking, round, false);
    pthread_join(thread, NULL);
    assert_int_equal(one.news + other.news, 30 * RACE_KEYS);
}

// --- A server of a database ------------------------------------------------------------------

static void connection_that_ended_is_told_of_and_made_anew(void **state)
{
    struct box *x = *state;
    char heard[64] = "";
    enum err err = ERR_OK;
    store_assert_ok(store_commands_listen(x->owning, "commands", f));
    put(x, 1);
    postgres_meddle(x->url,
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                    NULL, 0);
    while (!err)
        err = store_commands_hear(x->owning, -1, 10000, add_heard, heard, NULL);
    assert_int_equal(err, ERR_STORE_AWAY);
    assert_int_equal(store_commands_hear(x->owning, -1, 0, add_heard, heard, NULL), ERR_STORE_AWAY);
    assert_int_equal(claim(x).count, 1);
    const struct command_id id = id_of(1);
    bool withdrawn;
    err = store_commands_withdraw(x->asking, &id, &withdrawn, NULL);
    assert_true(!err || err == ERR_DOUBT || err == ERR_STORE_AWAY); // As soon as it is known.
    assert_false(withdraw(x, 1));
}

// The row of the key was lost with a promotion.
static void key_that_a_job_has_without_a_row_is_taken_too(void **state)
{
    struct box *x = *state;
    assert_put_job(x, 1, PUT_NEW, 0);
    claim(x);
    answer_with_job(x, 1);
    postgres_meddle(x->url, "DELETE FROM job_keys", NULL, 0);
    assert_put_job(x, 2, PUT_TAKEN, 5);
    assert_put_job(x, 3, PUT_TAKEN, 5);
    put(x, 4);
    claim(x);
    answer_with_deletion(x, 4);
    assert_put_job(x, 5, PUT_NEW, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static void file_of_one_node_has_no_commands(void **state)
{
    struct store_fixture *x = store_fixture_new(&store_adapters[STORE_SQLITE]);
    struct store_commands *c;
    struct fault fault = {0};
    (void)state;
    assert_int_equal(store_commands_open(x->store, &c, &fault), ERR_UNSUPPORTED);
    store_fixture_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(command_is_claimed_once_and_its_reply_is_read),
        TEST(refusal_is_a_reply),
        TEST(commands_come_in_the_order_in_which_they_were_put),
        TEST(what_was_claimed_and_not_answered_comes_again_when_asked_for),
        TEST(next_owner_claims_what_the_last_one_has_not_answered),
        TEST(owner_of_before_answers_nothing),
        TEST(second_reply_is_refused_with_all_that_it_comes_with),
        TEST(commit_that_is_repeated_answers_once),
        TEST(command_that_comes_after_its_reply_is_not_carried_out),
        TEST(expired_command_is_never_claimed),
        TEST(only_what_is_over_is_tidied_away),
        TEST(unclaimed_command_is_withdrawn),
        TEST(claimed_command_is_not_withdrawn),
        TEST(put_that_is_repeated_is_one_command),
        TEST(second_command_with_a_key_learns_what_the_first_got),
        TEST(keys_in_one_call_count_too),
        TEST(key_of_what_was_not_done_is_free_again),
        TEST(reserved_key_stands_for_nothing_yet),
        TEST(key_of_a_job_is_taken_from_its_command_to_its_deletion),
        TEST(key_of_a_job_that_was_not_made_is_free_again),
        TEST(client_key_of_a_command_that_was_not_put_is_free),
        TEST(client_key_says_what_was_done_before_the_key_of_a_job),
        TEST(wake_up_reaches_who_listens),
        TEST(command_is_withdrawn_or_claimed_and_never_both),
        TEST(one_key_at_two_nodes_at_once_is_one_command),
    };
    const struct CMUnitTest server_tests[] = {
        TEST(key_that_a_job_has_without_a_row_is_taken_too),
        TEST(connection_that_ended_is_told_of_and_made_anew),
    };
    const struct CMUnitTest file_tests[] = {cmocka_unit_test(file_of_one_node_has_no_commands)};
    int failed = cmocka_run_group_tests_name("sqlite", file_tests, NULL, NULL);
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        if (i != STORE_SQLITE)
            failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
        if (adapter->is_server)
            failed += cmocka_run_group_tests_name(adapter->name, server_tests, NULL, NULL);
    }
    return failed;
}
