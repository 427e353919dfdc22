// SPDX-License-Identifier: MIT
// request_priv.h: the header lines and the body of an attempt, the same for every adapter.

#ifndef CARILLON_DISPATCH_REQUEST_PRIV_H
#define CARILLON_DISPATCH_REQUEST_PRIV_H

#include "dispatch/dispatch.h"

// Text that grows as it is written to and is used again by the next attempt. Zeroed is empty.
struct request_text {
    char *bytes; // Always ends with a NUL that is not counted.
    size_t count;
    size_t capacity;
};

struct request_parts {
    struct request_text headers; // "Name: value\r\n" lines: Host, Carillon's own, the job's.
    struct request_text body;
    struct request_text signed_text; // What is signed, if the job has keys for that.
    bool has_length;                 // The request says how long its body is, be it 0 bytes.
    bool has_secrets;                // The headers hold what was sealed: they are wiped after use.
    bool body_is_secret;             // So is the body.
};

// Who sends.
struct request_sender {
    const char *version;               // For User-Agent.
    const struct secret_ring *secrets; // Opens what the job holds sealed; may be NULL.
};

// Which server the request goes to, for its Host.
struct request_target {
    const char *origin; // As url_origin writes it.
    bool https;
};

// Builds both from `r`. `now` is the time of sending. Lines that frame the message (Content-Length,
// Connection) are left to the adapter. An error says which secret cannot be opened, and why: no
// request can be made then.
MUST_CHECK enum err request_build(struct request_parts *parts, const struct request *r,
                                  const struct request_target *to,
                                  const struct request_sender *from, wall_ms now, struct fault *f);

void request_text_add(struct request_text *t, const char *bytes, size_t count);
void request_text_say(struct request_text *t, const char *words);
void request_text_number(struct request_text *t, int64_t number);
void request_text_hex(struct request_text *t, uint64_t number); // 16 digits.
void request_text_trim(struct request_text *t); // Gives back memory of an unusually long text.

void request_text_wipe(struct request_text *t); // Overwrites what it held, and empties it.

// --- request_secret.c

// Whether the value of a line "Name: value", which has `bytes` bytes, is sealed.
bool request_line_is_sealed(const char *line, size_t bytes);
// Adds such a line with its value opened.
MUST_CHECK enum err request_open_line(struct request_text *t, const char *line, size_t bytes,
                                      const struct secret_ring *secrets, struct fault *f);

// Adds the line webhook-signature: what has this id was sent at this time, in seconds, with the
// body of `parts`.
MUST_CHECK enum err request_sign(struct request_parts *parts, const char *signing, const char *id,
                                 int64_t at, const struct secret_ring *secrets, struct fault *f);

// --- request_copy.c

// Makes *to the same request with texts of its own, for request_copy_fini.
void request_copy(struct request *to, const struct request *from);
void request_copy_fini(struct request *copy);
void request_drop_bearer(struct request *copy); // Wipes it.

// --- request.c

// Gives back memory of an unusually long request, or all of it. Wipes secrets.
void request_trim(struct request_parts *parts);
void request_fini(struct request_parts *parts);

#endif
