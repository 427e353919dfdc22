// SPDX-License-Identifier: MIT
// access_priv.h: the parts of the room: buckets, what is known of tokens, what of addresses.
//
// The two tables are of a fixed size, in sets of a few places, where the one that was looked for
// the longest time ago makes room. Neither has a lock of its own: access.c has one for both.

#ifndef CARILLON_ACCESS_ACCESS_PRIV_H
#define CARILLON_ACCESS_ACCESS_PRIV_H

#include "access/access.h"

// --- A bucket that fills at a steady rate (bucket.c) ---------------------------------------------

struct bucket_rule {
    int64_t interval_us; // Each takes so long to come back.
    int64_t size;        // So many may be taken at once.
};
struct bucket {
    int64_t full_at_us; // When it will be full. Zeroed: it is.
};

// False: it is empty.
MUST_CHECK bool bucket_take(struct bucket *b, const struct bucket_rule *r, int64_t now_us);
// Takes so many, whether they are there or not: what lacks has to come back first.
void bucket_charge(struct bucket *b, const struct bucket_rule *r, int64_t now_us, int64_t count);
int64_t bucket_left(const struct bucket *b, const struct bucket_rule *r, int64_t now_us);
int64_t bucket_wait_us(const struct bucket *b, const struct bucket_rule *r,
                       int64_t now_us);                         // Until one can be taken.
int64_t bucket_fill_us(const struct bucket *b, int64_t now_us); // Until it is full.

// --- What is known of tokens (known.c) -----------------------------------------------------------

struct known_token {
    uint8_t digest[TOKEN_DIGEST_BYTES];
    struct access_caller caller; // Token 0: the place is empty.
    wall_ms expires_at;
    bool is_revoked;
    mono_ms read_at; // From the database.
    mono_ms used_at;
    struct bucket requests;
    struct bucket executions;
};

struct known_tokens;
struct known_tokens *known_tokens_new(void);
void known_tokens_free(struct known_tokens *k);
struct known_token *known_token_find(struct known_tokens *k,
                                     const uint8_t digest[static TOKEN_DIGEST_BYTES], mono_ms now);
struct known_token *known_token_find_id(struct known_tokens *k, int64_t id);
// Makes or renews the entry.
void known_token_put(struct known_tokens *k, const struct access_token *t, mono_ms now);
void known_tokens_doubt(struct known_tokens *k); // All are to be read again.
void known_token_forget(struct known_tokens *k, const uint8_t digest[static TOKEN_DIGEST_BYTES]);

// --- What is known of addresses (visitors.c) -----------------------------------------------------

struct visitor {
    uint8_t key[16]; // An IPv4 address as one of IPv6, or the /64 network of an IPv6 address.
    bool is_taken;
    mono_ms used_at;
    mono_ms logged_at; // When failures were logged last; 0: never.
    unsigned unlogged; // Failures since then.
    struct bucket failures;
    struct bucket requests;
};

struct visitors;
MUST_CHECK enum err visitors_new(struct visitors **out, struct fault *f);
void visitors_free(struct visitors *v);
struct visitor *visitor_get(struct visitors *v, const char *address, mono_ms now);
bool visitor_is_loopback(const char *address);

#endif
