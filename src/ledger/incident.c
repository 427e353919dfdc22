// SPDX-License-Identifier: MIT
// incident.c: what is remembered of a job's incidents, as the text that its row holds.
//
// "failure:12,1795514400000,3,0,1795514400000,0": a word and numbers for each thing, with a
// semicolon between two. A reader passes over words that it does not know, and takes numbers that
// are not there for 0, so that versions of the program understand each other.

#include "ledger/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NUMBERS(member) (sizeof(((struct incidents *)0)->member) / sizeof(int64_t))
#define GROUP(word, member)                                                                        \
    {                                                                                              \
        (word), offsetof(struct incidents, member), NUMBERS(member)                                \
    }

// What stands behind one word; a group whose first number is 0 is left out.
static const struct group {
    const char *word;
    size_t offset;
    size_t count;
} groups[] = {
    GROUP("failure", of[CAUSE_FAILURE]),
    GROUP("failure_rate", of[CAUSE_RATE]),
    GROUP("late", of[CAUSE_LATE]),
    GROUP("slow", of[CAUSE_SLOW]),
    GROUP("silent", of[CAUSE_SILENT]),
    GROUP("outcomes", outcomes),
    {"openings", offsetof(struct incidents, openings), 2},
    GROUP("succeeded", succeeded_at),
};

static int64_t *numbers_of(const struct group *g, struct incidents *i)
{
    return (int64_t *)((char *)i + g->offset);
}

const char *incidents_format(const struct incidents *i, char out[static INCIDENTS_BYTES])
{
    size_t used = 0;
    for (size_t k = 0; k < COUNT_OF(groups); k++) {
        const struct group *g = &groups[k];
        const int64_t *numbers = (const int64_t *)((const char *)i + g->offset);
        for (size_t n = 0; numbers[0] && n < g->count; n++) {
            const char *before = n ? "," : used ? ";" : "";
            used += (size_t)snprintf(out + used, INCIDENTS_BYTES - used, "%s%s%s%" PRId64, before,
                                     n ? "" : g->word, n ? "" : ":", numbers[n]);
            assert(used < INCIDENTS_BYTES);
        }
    }
    return used ? out : NULL;
}

// Digits, whatever the locale. False: there are none, or they are of no number that is known.
static bool parse_number(const char **at, int64_t *out)
{
    const char *from = *at;
    int64_t number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (number > (INT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (**at - '0');
    }
    *out = number;
    return *at > from;
}

// Numbers and commas, up to the end of the text or a semicolon. False: something else.
static bool parse_numbers(const char *at, int64_t *out, size_t count)
{
    for (size_t n = 0; *at && *at != ';'; n++) {
        int64_t number;
        if (!parse_number(&at, &number) || (*at && !strchr(",;", *at)))
            return false;
        if (n < count)
            out[n] = number;
        at += *at == ',';
    }
    return true;
}

static void parse_group(const char *text, size_t word_bytes, struct incidents *out)
{
    for (size_t k = 0; k < COUNT_OF(groups); k++) {
        const struct group *g = &groups[k];
        if (strlen(g->word) != word_bytes || memcmp(g->word, text, word_bytes) != 0)
            continue;
        int64_t *numbers = numbers_of(g, out);
        if (!parse_numbers(text + word_bytes + 1, numbers, g->count))
            memset(numbers, 0, g->count * sizeof *numbers);
    }
}

void incidents_parse(const char *text, struct incidents *out)
{
    *out = (struct incidents){0};
    for (const char *at = text; at && *at;) {
        size_t word_bytes = strcspn(at, ":;");
        if (at[word_bytes] == ':')
            parse_group(at, word_bytes, out);
        at += strcspn(at, ";");
        at += *at == ';';
    }
}

enum err failure_rate_parse(const char *text, struct failure_rate *out, struct fault *f)
{
    int64_t failures = 0, of = 0;
    const char *at = text;
    *out = (struct failure_rate){0};
    if (!text)
        return ERR_OK;
    bool is_written_so = parse_number(&at, &failures) && *at++ == '/' && parse_number(&at, &of) &&
                         *at == '\0' && failures <= 999 && of <= 999;
    if (!is_written_so)
        return fault_set(f, ERR_SYNTAX, "expected \"N/M\", such as \"3/10\"");
    if (failures < 1 || of < failures || of < 2 || of > FAILURE_RATE_OF_MAX)
        return fault_set(f, ERR_RANGE,
                         "expected 1 to M failures of the last M executions, M 2 to %d",
                         FAILURE_RATE_OF_MAX);
    *out = (struct failure_rate){.failures = (unsigned)failures, .of = (unsigned)of};
    return ERR_OK;
}
