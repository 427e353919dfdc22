// SPDX-License-Identifier: MIT
// token.c: what holds for one token alone.

#include "ledger/ledger.h"

bool token_is_live(const struct access_token *t, wall_ms now)
{
    return t->revoked_at == 0 && now < t->expires_at;
}
