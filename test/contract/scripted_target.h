// SPDX-License-Identifier: MIT
// scripted_target.h: an HTTP server on the test's own event loop, whose answers are scripts.
//
// It listens on 127.0.0.1, on a port the kernel chooses. A request is answered by the script of
// its path, byte for byte, so that a test can also answer wrongly, slowly or not at all. Every
// request is kept as it came. The server lives and dies inside the test's thread: when the test
// does not turn the loop, nothing moves.

#ifndef CARILLON_CONTRACT_SCRIPTED_TARGET_H
#define CARILLON_CONTRACT_SCRIPTED_TARGET_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct scripted_target;

enum script_end {
    SCRIPT_KEEP,  // The connection stays open: the next request may come on it.
    SCRIPT_CLOSE, // FIN.
    SCRIPT_RESET, // RST.
    SCRIPT_DRIP,  // The answer goes out a byte at a time, and then begins again, for ever.
};

struct script {
    const char *path;
    const char *answer;  // NULL: none.
    size_t answer_bytes; // 0: up to the NUL.
    enum script_end end;
};

// `scripts` ends with a row without a path and is borrowed. A path without a script is a failure
// of the test. With `certificate_file` and `key_file` (PEM) the server speaks TLS.
struct scripted_target *scripted_target_open(struct loop *l, const struct script *scripts,
                                             const char *certificate_file, const char *key_file);
void scripted_target_close(struct scripted_target *t);

uint16_t scripted_target_port(const struct scripted_target *t);
size_t scripted_target_connections(const struct scripted_target *t); // Accepted so far.
size_t scripted_target_open_connections(const struct scripted_target *t);
size_t scripted_target_requests(const struct scripted_target *t); // Read whole so far.
size_t scripted_target_answers(const struct scripted_target *t);  // Written whole so far.
// Head and body of a request, in order of arrival.
const char *scripted_target_request(const struct scripted_target *t, size_t index);

// What the client said in its last TLS handshake.
struct scripted_handshake {
    char server_name[256]; // "" when it named none.
    char protocols[64];    // The protocols that ALPN offered: each behind its length.
    bool resumed;          // The connection went on with an earlier session.
};

const struct scripted_handshake *scripted_target_handshake(const struct scripted_target *t);

// Writes to every connection what nobody has asked for.
void scripted_target_speak(struct scripted_target *t, const char *text);

// Closes every connection, as a server does with idle ones.
void scripted_target_hang_up(struct scripted_target *t);

#endif
