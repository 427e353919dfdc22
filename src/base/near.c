// SPDX-License-Identifier: MIT
// near.c: distances between words, by a table of three rows.

#include "base/near.h"

#include "base/err.h"

#include <string.h>

#define BEGINNING_BYTES 3 // So many letters of a word are enough to ask for the whole.

static char folded(char c)
{
    if (c == ' ' || c == '-')
        return '_';
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

unsigned near_edits(const char *a, const char *b)
{
    unsigned rows[3][NEAR_BYTES + 1];
    size_t columns = MIN(strlen(b), (size_t)NEAR_BYTES);
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (unsigned j = 0; j <= columns; j++)
        last[j] = j;
    for (size_t i = 1; i <= NEAR_BYTES && a[i - 1]; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= columns; j++) {
            unsigned differs = folded(a[i - 1]) != folded(b[j - 1]);
            now[j] = MIN(MIN(last[j], now[j - 1]) + 1, last[j - 1] + differs);
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                now[j] = MIN(now[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[columns];
}

struct near near_to(const char *wanted)
{
    return (struct near){.wanted = wanted};
}

static bool begins(const char *word, const char *beginning)
{
    for (; *beginning; word++, beginning++)
        if (folded(*word) != folded(*beginning))
            return false;
    return true;
}

void near_see(struct near *n, const char *known)
{
    size_t length = strlen(n->wanted);
    unsigned edits = near_edits(n->wanted, known);
    if (length >= BEGINNING_BYTES && begins(known, n->wanted))
        edits = MIN(edits, 1);
    if (edits > 1 + length / 4 || edits >= length || (n->best && edits >= n->edits))
        return;
    n->best = known;
    n->edits = edits;
}
