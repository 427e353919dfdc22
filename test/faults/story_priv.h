// SPDX-License-Identifier: MIT
// story_priv.h: what the story is made of: its steps, and a picture of all that a store holds.

#ifndef CARILLON_FAULTS_STORY_PRIV_H
#define CARILLON_FAULTS_STORY_PRIV_H

#include "story.h"

enum story_step_kind {
    STEP_CHANGE, // `change` is done to the store.
    STEP_READ,   // All of it is read.
    STEP_FOLD,   // The log is folded in, as if it had grown long.
    STEP_REOPEN  // The store is closed, unless this is the start, and opened again.
};

struct story_step {
    const char *name;
    enum story_step_kind kind;
    enum err (*change)(struct store *s, struct fault *f);
    enum err expected; // What `change` answers when nothing goes wrong.
};

extern const struct story_step story_steps[];
extern const size_t story_step_count;

#define STORY_PICTURE_BYTES 32768

// All that can be read, as text, by every query there is. Allocates nothing of its own.
MUST_CHECK enum err story_picture(struct store *s, struct store_reader *r,
                                  char out[STORY_PICTURE_BYTES], struct fault *f);

#endif
