// SPDX-License-Identifier: MIT
// token.h: the secret text of an access token: made, recognised, digested.
//
//     car_Zk3v...43 characters...Q1c_9XbT4a
//
// is "car_", 256 random bits as 43 characters of base64url, and a check of six more: so a scanner
// for secrets finds it, and what was mistyped or cut is known without asking a database. The check
// is no protection: who has the bits can make it. Whoever keeps tokens keeps their digests alone.

#ifndef CARILLON_BASE_TOKEN_H
#define CARILLON_BASE_TOKEN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_TEXT_LENGTH 53                     // Every token is as long.
#define TOKEN_TEXT_BYTES (TOKEN_TEXT_LENGTH + 1) // With the NUL.
#define TOKEN_DIGEST_BYTES 32                    // SHA-256

// Draws a new one from the kernel. ERR_SYSTEM: the kernel gives no random numbers.
MUST_CHECK enum err token_draw(char out[static TOKEN_TEXT_BYTES], struct fault *f);

// Whether the text has the form of a token, its check included.
bool token_is_whole(const char *text);

MUST_CHECK enum err token_digest(const char *text, uint8_t out[static TOKEN_DIGEST_BYTES],
                                 struct fault *f);

#endif
