// SPDX-License-Identifier: MIT
// secrets.h: texts that are kept sealed, and the keys that seal and open them.
//
// A sealed text is what a job's row holds in the place of a secret: in memory, in the database, in
// batches and on the way between nodes. It is opened right before it is used, and nowhere else. It
// looks like this, without blanks, so that it can stand in a header line:
//
//   sealed:v1:KEY-ID:BASE64(nonce of 12 bytes, ciphertext, tag of 16 bytes)
//
// The cipher is AES-256-GCM with a random nonce. What is authenticated beside the text is the id of
// the key and the context, such as "job-header": a sealed text of one use does not open in another.
//
// Keys come from a file with a line ID:BASE64(32 bytes) for each; empty lines and those that begin
// with '#' are skipped. The first key seals, all open. So keys are rotated: the new one goes to the
// end on every node, then to the beginning, then everything is sealed again, then the old one goes.
//
// A ring does not change once it is there: any thread may use it. A NULL ring has no keys; it opens
// nothing, and must not be asked to seal.

#ifndef CARILLON_SECRETS_SECRETS_H
#define CARILLON_SECRETS_SECRETS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRET_KEYS_MAX 64
#define SECRET_KEY_ID_CHARS_MAX 32
#define SECRET_BYTES_MAX 65536 // The longest text that is sealed.

// What a client hears that has a secret for a server without keys.
#define SECRET_NO_KEY                                                                              \
    "this server has no key to seal secrets with: carillon secrets new-key > FILE makes one, and " \
    "--secrets-key FILE names it"

// The contexts that there are.
#define SECRET_JOB_HEADER "job-header" // The value of a header that a job sends.
#define SECRET_TLS_KEY "job-tls-key"   // The private key of a job's client certificate.
#define SECRET_CHANNEL "channel"       // The secret settings of a channel.

#define SECRET_TLS_KEY_BYTES_MAX 16384 // Such a key in clear,
#define SECRET_TLS_KEY_CHARS_MAX 22528 // and sealed.

struct secret_ring;

// Reads the keys in the file `path`. "": in $CREDENTIALS_DIRECTORY/carillon-secrets-key, where
// systemd puts a credential of that name; if there is none, *out becomes NULL. ERR_SYSTEM when a
// file cannot be read, ERR_SYNTAX with the number of the line when it is malformed; no message
// shows anything of a key.
MUST_CHECK enum err secret_ring_open(const char *path, struct secret_ring **out, struct fault *f);
void secret_ring_close(struct secret_ring *r); // NULL is a no-op. Wipes the keys.

// Whether others than the owner and the group of the file can read it.
bool secret_ring_is_exposed(const struct secret_ring *r);

#define SECRET_KEY_LINE_BYTES (SECRET_KEY_ID_CHARS_MAX + 1 + 44 + 1)
// Writes the line of a new key, whose id tells the day and is random otherwise: 20270131-5f0c81d2.
void secret_new_key(char out[static SECRET_KEY_LINE_BYTES]);

// Whether a text looks like a sealed one: it begins with "sealed:". A text in clear that does is
// to be refused where it comes in, or somebody could have opened what they found elsewhere.
bool secret_is_sealed(const char *text);

// Seals the text with the first key of `r`. `context` says what it is for. The caller frees the
// answer.
char *secret_seal(const struct secret_ring *r, const char *text, const char *context);

// How long a text of so many bytes is when it is sealed by `r`.
size_t secret_sealed_chars(const struct secret_ring *r, size_t bytes);

// Opens the `chars` characters at `sealed`. ERR_NOT_FOUND: the ring lacks the key, whose id the
// message has. ERR_UNUSABLE: it was altered, or is of another context. ERR_SYNTAX: it is malformed.
// The caller gives *out to secret_free.
MUST_CHECK enum err secret_open(const struct secret_ring *r, const char *sealed, size_t chars,
                                const char *context, char **out, struct fault *f);
void secret_free(char *text); // Wipes it. NULL is a no-op.

// Whether the text is sealed with the first key of the ring.
bool secret_is_current(const struct secret_ring *r, const char *sealed, size_t chars);

#endif
