// SPDX-License-Identifier: MIT
// location.c: a value from outside goes into a sentence of ours, so nothing in it may end or
// disturb that.

#include "dispatch/location_priv.h"

#include <stdio.h>
#include <string.h>

#define CUT "..."

void location_format(const char *value, size_t count, char out[static LOCATION_TEXT_BYTES])
{
    size_t used = 0;
    while (count > 0 && (value[count - 1] == ' ' || value[count - 1] == '\t'))
        count--;
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)value[i];
        bool shown = c > ' ' && c < 127;
        if (used + 3 + sizeof CUT > LOCATION_TEXT_BYTES) {
            memcpy(out + used, CUT, sizeof CUT);
            return;
        }
        used += (size_t)sprintf(out + used, shown ? "%c" : "%%%02X", c);
    }
    out[used] = '\0';
}
