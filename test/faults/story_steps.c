// SPDX-License-Identifier: MIT
// story_steps.c: what happens in the story: every kind of change, alone and in groups, small and
// larger than a page; one that is refused; house-keeping; restarts.

#include "../contract/store_fixture.h"
#include "story_priv.h"

#include <string.h>

#define LONG_BYTES 5000 // More than a page.

static const char *long_text(char letter)
{
    static char text[LONG_BYTES + 1];
    memset(text, letter, LONG_BYTES);
    return text;
}

// From the second on, what was scheduled in the first five seconds is over or lingers.
static struct batch *batch(uint64_t sequence)
{
    struct batch *b = batch_new(sequence);
    *shard_row(b, 0) = (struct shard){.watermark = STORE_T0 + (int64_t)sequence,
                                      .job_next = (int64_t)sequence,
                                      .execution_next = 1000,
                                      .open_from = sequence >= 2 ? STORE_T0 + 5000 : 0};
    return b;
}

static enum err commit(struct store *s, struct batch **batches, size_t count, struct fault *f)
{
    enum err err = shard_rows_commit(s, batches, count, f);
    for (size_t i = 0; i < count; i++)
        batch_free(batches[i]);
    return err;
}

static struct execution pending(int64_t id)
{
    return store_execution(id, 1, STORE_T0 + id * 1000);
}

static struct execution lingering(struct execution e)
{
    e.lingers = true;
    return e;
}

static void add_key(struct batch *b, const char *text, job_id job)
{
    store_add(b, CHANGE_CLIENT_KEY)->client_key =
        (struct client_key){.text = text, .digest = {7}, .job = job, .created_at = STORE_T0};
}

// --- The steps -------------------------------------------------------------------------------

static enum err create_jobs(struct store *s, struct fault *f)
{
    struct batch *b = batch(1);
    store_add_job(b, 1);
    store_add_job(b, 2);
    add_key(b, "first", 1);
    for (int64_t id = 1; id <= 4; id++)
        store_add_insert(b, pending(id));
    return commit(s, &b, 1, f);
}

// Three batches in one commit: ends, with a failure and its alert; what lingers; new rows; a job
// that changes.
static enum err go_on(struct store *s, struct fault *f)
{
    struct batch *b[] = {batch(2), batch(3), batch(4)};
    struct execution failed = store_finished(pending(2), EXECUTION_FAILED);
    failed.error = "answered 500";
    store_add_update(b[0], store_finished(pending(1), EXECUTION_SUCCESS));
    store_add_attempt(b[0], 1, 1);
    store_add_update(b[0], failed);
    store_add_attempt(b[0], 2, 1);
    store_add_alert(b[0], 1, &failed);
    store_add_update(b[0], lingering(pending(3)));
    store_add_update(b[0], lingering(pending(4)));
    for (int64_t id = 5; id <= 12; id++)
        store_add_insert(b[1], pending(id));
    store_add(b[2], CHANGE_JOB_STATE)->state = (struct job_state){
        .id = 2, .version = 2, .updated_at = STORE_T0, .paused_until = STORE_T0 + 60000};
    return commit(s, b, COUNT_OF(b), f);
}

// Refused as a whole: the last change touches a row that is over.
static enum err contradict(struct store *s, struct fault *f)
{
    struct batch *b = batch(5);
    store_add_insert(b, pending(13));
    store_add_update(b, store_finished(pending(3), EXECUTION_SUCCESS));
    store_add_update(b, store_finished(pending(1), EXECUTION_FAILED));
    return commit(s, &b, 1, f);
}

// With texts of more than a page.
static enum err trigger_and_answer(struct store *s, struct fault *f)
{
    struct batch *b = batch(6);
    struct execution manual = pending(14);
    manual.key.series = -1;
    manual.trigger = TRIGGER_MANUAL;
    manual.request_body = long_text('b');
    store_add_insert(b, manual);
    add_key(b, "second", 1);
    struct execution failed = lingering(store_finished(pending(3), EXECUTION_FAILED));
    failed.error = "answered 500";
    store_add_update(b, failed);
    store_add_attempt(b, 3, 1);
    b->changes[b->count - 1].attempt.response = manual.request_body;
    return commit(s, &b, 1, f);
}

static enum err delete_job(struct store *s, struct fault *f)
{
    struct batch *b = batch(7);
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = 2;
    c->deleted.at = STORE_T0 + 5000;
    store_add_update(b, lingering(store_finished(pending(4), EXECUTION_SUCCESS)));
    return commit(s, &b, 1, f);
}

static enum err retain(struct store *s, struct fault *f)
{
    size_t removed;
    struct store_retention r = {.age_ms = 1000, .executions_max = 8};
    return store_retain(s, &r, STORE_T0 + 5000, 4, &removed, f);
}

const struct story_step story_steps[] = {
    {"start", STEP_REOPEN, NULL, ERR_OK},
    {"create jobs", STEP_CHANGE, create_jobs, ERR_OK},
    {"go on", STEP_CHANGE, go_on, ERR_OK},
    {"contradict", STEP_CHANGE, contradict, ERR_CONFLICT},
    {"fold the log", STEP_FOLD, NULL, ERR_OK},
    {"trigger and answer", STEP_CHANGE, trigger_and_answer, ERR_OK},
    {"restart", STEP_REOPEN, NULL, ERR_OK},
    {"delete a job", STEP_CHANGE, delete_job, ERR_OK},
    {"keep house", STEP_CHANGE, retain, ERR_OK},
    {"read", STEP_READ, NULL, ERR_OK},
};
const size_t story_step_count = COUNT_OF(story_steps);
