// SPDX-License-Identifier: MIT
// callback.h: by which the target of an attempt may say later how it ended: a URL with a token.
//
//     https://cron.example.com/executions/7-1764000000000/complete?token=1-JRk0...43 characters
//
// The token names the attempt and is an HMAC-SHA256 of it and its execution, by a key that the
// servers of one database share. So nothing has to be kept of any token, each is good for one
// attempt, and who has it can do nothing else: it is a secret all the same.

#ifndef CARILLON_BASE_CALLBACK_H
#define CARILLON_BASE_CALLBACK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CALLBACK_KEY_BYTES 65    // 64 hexadecimal digits and a NUL.
#define CALLBACK_TOKEN_BYTES 50  // "65535-" and 43 characters, and a NUL.
#define CALLBACK_BASE_BYTES 1000 // The URL by which the server is reached is no longer.
#define CALLBACK_URL_BYTES (CALLBACK_BASE_BYTES + 200)

// Draws a new key from the kernel. ERR_SYSTEM: the kernel gives no random numbers.
MUST_CHECK enum err callback_key_draw(char out[static CALLBACK_KEY_BYTES], struct fault *f);
bool callback_key_is_whole(const char *key); // Whether the text can be a key.

// `base` may end with a slash; "": only the path is written.
void callback_url(char out[static CALLBACK_URL_BYTES], const char *base, const char *key,
                  const char *execution, unsigned attempt);

// Which attempt of the execution the token is for. False: it is for none.
bool callback_token_read(const char *key, const char *execution, const char *token,
                         unsigned *attempt);

#endif
