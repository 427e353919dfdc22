// SPDX-License-Identifier: MIT
// number.c: lengths of time, as sleep, timeout, curl and wget are given them.

#include "crontab/crontab_priv.h"

// The unit behind the number in milliseconds; 0 when there is none such.
static uint64_t unit_ms(const char *unit, bool units)
{
    static const struct {
        char letter;
        uint64_t ms;
    } table[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    if (!*unit)
        return 1000;
    for (size_t i = 0; units && i < COUNT_OF(table); i++) {
        if (unit[0] == table[i].letter && !unit[1])
            return table[i].ms;
    }
    return 0;
}

bool crontab__duration(const char *text, bool units, uint64_t *ms)
{
    size_t whole = strspn(text, "0123456789");
    size_t decimals = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    uint64_t unit = unit_ms(text + whole + (text[whole] == '.') + decimals, units);
    if (whole + decimals == 0 || unit == 0)
        return false;
    uint64_t value = 0; // In thousandths.
    for (size_t i = 0; i < whole; i++)
        value = MIN(value * 10 + (uint64_t)(text[i] - '0'), DURATION_MS_MAX);
    for (size_t i = 0; i < 3; i++)
        value = value * 10 + (i < decimals ? (uint64_t)(text[whole + 1 + i] - '0') : 0);
    *ms = MIN(value / 1000 > DURATION_MS_MAX / unit ? DURATION_MS_MAX : value * unit / 1000,
              DURATION_MS_MAX);
    return true;
}
