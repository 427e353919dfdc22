// SPDX-License-Identifier: MIT
// status_set.c: which HTTP statuses a job counts as success.

#include "ledger/ledger.h"

#define STATUS_MIN 100
#define STATUS_MAX 599

// The bits 100 to 199.
const struct status_set status_set_2xx = {
    .bits = {[1] = UINT64_MAX << 36, [2] = UINT64_MAX, [3] = UINT64_MAX >> 56}};

// Three digits at *p, from 100 to 599; where there are none, *p stays.
static bool scan_status(const char **p, unsigned *out)
{
    unsigned value = 0;
    const char *at = *p;
    for (int i = 0; i < 3; i++, at++) {
        if (*at < '0' || *at > '9')
            return false;
        value = value * 10 + (unsigned)(*at - '0');
    }
    if (value < STATUS_MIN || value > STATUS_MAX)
        return false;
    *p = at;
    *out = value;
    return true;
}

static void add(struct status_set *s, unsigned status)
{
    unsigned bit = status - STATUS_MIN;
    s->bits[bit / 64] |= (uint64_t)1 << bit % 64;
}

enum err status_set_parse(const char *text, struct status_set *out, struct fault *f)
{
    struct status_set s = {0};
    for (const char *p = text;; p++) {
        unsigned low, high;
        if (!scan_status(&p, &low))
            return fault_set(f, ERR_SYNTAX, "expected a status from 100 to 599 at \"%.20s\"", p);
        high = low;
        if (*p == '-') {
            p++;
            if (!scan_status(&p, &high))
                return fault_set(f, ERR_SYNTAX, "expected a status from 100 to 599 at \"%.20s\"",
                                 p);
        }
        if (high < low)
            return fault_set(f, ERR_RANGE, "range %u-%u runs backwards", low, high);
        for (unsigned status = low; status <= high; status++)
            add(&s, status);
        if (*p == '\0')
            break;
        if (*p != ',')
            return fault_set(f, ERR_SYNTAX, "expected a comma or a dash at \"%.20s\"", p);
    }
    *out = s;
    return ERR_OK;
}

bool status_set_has(const struct status_set *s, unsigned status)
{
    if (status < STATUS_MIN || status > STATUS_MAX)
        return false;
    unsigned bit = status - STATUS_MIN;
    return (s->bits[bit / 64] >> bit % 64 & 1) != 0;
}
