// SPDX-License-Identifier: MIT
// token.c: what holds for one token alone.

#include "base/utf8.h"
#include "ledger/ledger.h"

#include <string.h>

bool token_is_live(const struct access_token *t, wall_ms now)
{
    return t->revoked_at == 0 && now < t->expires_at;
}

// Control characters are those of ASCII, and U+0080 to U+009F.
static bool has_control(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
            return true;
    return false;
}

bool token_text_is_fine(const char *text, size_t bytes_max)
{
    size_t bytes = strlen(text);
    return bytes >= 1 && bytes <= bytes_max && utf8_span(text, bytes) == bytes &&
           !has_control(text);
}
