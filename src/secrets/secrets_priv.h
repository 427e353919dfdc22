// SPDX-License-Identifier: MIT
// secrets_priv.h: what a ring of keys is made of.

#ifndef CARILLON_SECRETS_SECRETS_PRIV_H
#define CARILLON_SECRETS_SECRETS_PRIV_H

#include "secrets/secrets.h"

#define SECRET_KEY_BYTES 32

struct secret_key {
    char id[SECRET_KEY_ID_CHARS_MAX + 1];
    unsigned char bytes[SECRET_KEY_BYTES];
};

struct secret_ring {
    size_t count; // At least one.
    bool is_exposed;
    struct secret_key keys[SECRET_KEYS_MAX];
};

// The key of this id; NULL: there is none, perhaps since there is no ring.
const struct secret_key *secrets__find(const struct secret_ring *r, const char *id, size_t chars);

// How many characters at `text` can stand in the id of a key.
size_t secrets__id_chars(const char *text);

#endif
