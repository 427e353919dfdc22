// SPDX-License-Identifier: MIT
// signing.h: keys that sign requests, by the Standard Webhooks specification.
//
// What is signed is "ID.TIMESTAMP.BODY", by each of a job's keys, so that a receiver can take a new
// one while the old one still signs. There are two kinds:
//
//   whsec_BASE64   HMAC-SHA256 with 24 to 64 bytes, which the receiver has too    "v1,BASE64"
//   whsk_BASE64    ed25519 with a seed of 32 bytes (or seed and public key);      "v1a,BASE64"
//                  the receiver has the public key, whpk_BASE64
//
// A job holds a line for each of its keys, sealed (secrets/secrets.h): what may be shown of the key
// and the sealed text. The id follows from the key, so the same key has the same id everywhere.

#ifndef CARILLON_SECRETS_SIGNING_H
#define CARILLON_SECRETS_SIGNING_H

#include "secrets/secrets.h"

#define SIGNING_KEYS_MAX 4 // In one job.
#define SIGNING_ID_CHARS 8
#define SIGNING_PUBLIC_CHARS (5 + 44)                // "whpk_" and 32 bytes.
#define SIGNING_SIGNATURE_CHARS (sizeof "v1a," + 88) // With its NUL.
#define SIGNING_LINES_BYTES_MAX 4096                 // All lines of a job.

enum signing_kind { SIGNING_HMAC, SIGNING_ED25519, SIGNING_KINDS };

const char *signing_kind_name(enum signing_kind kind); // "hmac-sha256", "ed25519"

// Whether the text is a key of one of the kinds. ERR_SYNTAX; no message shows anything of it.
MUST_CHECK enum err signing_check(const char *secret, struct fault *f);
// A new key, for the caller to give to secret_free.
char *signing_new(enum signing_kind kind);

struct signing_key {
    enum signing_kind kind;
    char id[SIGNING_ID_CHARS + 1];
    char public_key[SIGNING_PUBLIC_CHARS + 1]; // "" for HMAC.
    const char *sealed;                        // Within the line; not ended by a NUL.
    size_t sealed_chars;
};

// The line for a key that signing_check has accepted, with its end. The caller frees it.
char *signing_line(const struct secret_ring *r, const char *secret);
// Reads the line at *at, and moves *at behind it. ERR_SYNTAX: it is none; *at is where it was.
MUST_CHECK enum err signing_read(const char **at, struct signing_key *out, struct fault *f);
// The key of a line, opened; see secret_open.
MUST_CHECK enum err signing_open(const struct secret_ring *r, const struct signing_key *k,
                                 char **secret, struct fault *f);

// Writes the signature of the bytes. The key is one that signing_check accepts.
void signing_sign(const char *secret, const void *bytes, size_t count,
                  char out[static SIGNING_SIGNATURE_CHARS]);

#endif
