// SPDX-License-Identifier: MIT
// coalesce.c: many changes of a row in one commit become one write.
//
// An execution that is planned and ends within one commit needs one INSERT; one that moves twice
// needs one UPDATE, and so does one that ends together with its first attempt, which lives in the
// same row. The writes come out in order of id, so that neighbours in the table are written
// together. What the changes say is kept: a second INSERT, or a change after the end, is still
// refused.

#include "store/columns_priv.h"

#include <assert.h>
#include <string.h>

struct step {
    int64_t id;
    uint32_t order; // As it stands in the batches.
    const struct change *change;
};

static bool is_first_attempt(const struct change *c)
{
    return c->kind == CHANGE_ATTEMPT && c->attempt.number == ATTEMPT_IN_ROW;
}

static bool is_execution_change(const struct change *c)
{
    return c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE ||
           is_first_attempt(c);
}

static int64_t execution_of(const struct change *c)
{
    return is_first_attempt(c) ? c->attempt.execution_id : c->execution.id;
}

static size_t count_steps(struct batch *const *batches, size_t count)
{
    size_t steps = 0;
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < batches[b]->count; i++)
            steps += is_execution_change(&batches[b]->changes[i]);
    assert(steps < UINT32_MAX);
    return steps;
}

static void collect_steps(struct batch *const *batches, size_t count, struct step *out)
{
    uint32_t order = 0;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            const struct change *c = &batches[b]->changes[i];
            if (!is_execution_change(c))
                continue;
            out[order] = (struct step){execution_of(c), order, c};
            order++;
        }
    }
}

static int compare_steps(const void *left, const void *right)
{
    const struct step *a = left;
    const struct step *b = right;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

// The columns that an UPDATE leaves alone stay as they are in *row.
static void apply_update(struct execution *row, const struct execution *update)
{
    struct execution before = *row;
    *row = *update;
    row->key = before.key;
    row->trigger = before.trigger;
    row->due_at = before.due_at;
    row->request_body = before.request_body;
    row->request_body_is_json = before.request_body_is_json;
    row->origin = before.origin;
}

static enum err merge_first(struct execution_write *w, const struct attempt *first, struct fault *f)
{
    if (w->first)
        return fault_set(f, ERR_CONFLICT, "execution %lld: has its first attempt",
                         (long long)first->execution_id);
    w->first = first;
    return ERR_OK;
}

static enum err merge_row(struct execution_write *w, const struct change *next, struct fault *f)
{
    long long id = next->execution.id;
    if (!w->has_row) {
        w->row = next->execution;
        w->has_row = true;
        w->is_new = next->kind == CHANGE_EXECUTION_INSERT;
        return ERR_OK;
    }
    assert(w->row.id == next->execution.id);
    if (next->kind == CHANGE_EXECUTION_INSERT)
        return fault_set(f, ERR_CONFLICT, "execution %lld: inserted after it was there", id);
    if (execution_state_is_terminal(w->row.state))
        return fault_set(f, ERR_CONFLICT, "execution %lld: changed after it was terminal", id);
    apply_update(&w->row, &next->execution);
    return ERR_OK;
}

// `out` is zeroed.
static enum err merge_steps(const struct step *steps, size_t count, struct execution_write *out,
                            size_t *out_count, struct fault *f)
{
    size_t writes = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++) {
        const struct change *c = steps[i].change;
        writes += i == 0 || steps[i - 1].id != steps[i].id;
        err = is_first_attempt(c) ? merge_first(&out[writes - 1], &c->attempt, f)
                                  : merge_row(&out[writes - 1], c, f);
    }
    assert(writes <= count);
    *out_count = writes;
    return err;
}

enum err store_coalesce(struct batch *const *batches, size_t count, struct execution_write **out,
                        size_t *out_count, struct fault *f)
{
    size_t step_count = count_steps(batches, count);
    struct step *steps = xcalloc(step_count, sizeof *steps);
    struct execution_write *writes = xcalloc(step_count, sizeof *writes);
    collect_steps(batches, count, steps);
    qsort(steps, step_count, sizeof *steps, compare_steps);

    enum err err = merge_steps(steps, step_count, writes, out_count, f);
    free(steps);
    if (err) {
        free(writes);
        return err;
    }
    *out = writes;
    return ERR_OK;
}
