// SPDX-License-Identifier: MIT
// happening.c: words and sums.

#include "happening.h"

#include <inttypes.h>

const char *happening_words(enum happening h)
{
    static const char *const words[] = {
#define HAPPENING(name, words) words,
#include "happenings.def"
#undef HAPPENING
    };
    return words[h];
}

void tally_add(struct tally *sum, const struct tally *t)
{
    for (enum happening h = 0; h < HAPPENINGS; h++)
        sum->of[h] += t->of[h];
}

void tally_print(const struct tally *t, FILE *out)
{
    for (enum happening h = 0; h < HAPPENINGS; h++)
        fprintf(out, "%s%s: %" PRIu64, h ? ", " : "", happening_words(h), t->of[h]);
    fputc('\n', out);
}
