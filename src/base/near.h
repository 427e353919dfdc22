// SPDX-License-Identifier: MIT
// near.h: which of several known words is most like a wrong one, for "did you mean".
//
//     struct near n = near_to(written);
//     for (...)
//         near_see(&n, known);
//     if (n.best)
//         ... "did you mean %s?"

#ifndef CARILLON_BASE_NEAR_H
#define CARILLON_BASE_NEAR_H

#include <stddef.h>

#define NEAR_BYTES 64 // What is longer is compared by its beginning.

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
// The case of letters makes no difference, nor does which of blank, `_` and `-` is written.
unsigned near_edits(const char *a, const char *b);

// The best of the words seen so far; all words are borrowed.
struct near {
    const char *wanted;
    const char *best; // NULL: none is near enough.
    unsigned edits;
};

struct near near_to(const char *wanted);

// A word is near if no more than one letter in four differs and one more, or if it begins with what
// was written. Of two that are equally near, the first one seen stays.
void near_see(struct near *n, const char *known);

#endif
