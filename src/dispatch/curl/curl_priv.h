// SPDX-License-Identifier: MIT
// curl_priv.h: the libcurl adapter from the inside.
//
//   adapter.c   the port: open, send, close; which transfers are under way
//   wire_up.c   libcurl's sockets and its timer on our event loop
//   trust.c     whose certificates it believes
//   pair.c      the certificate that it shows, and its key
//   transfer.c  one easy handle: its options, and what its callbacks note down
//   verdict.c   a finished transfer -> struct outcome, in words for people

#ifndef CARILLON_DISPATCH_CURL_PRIV_H
#define CARILLON_DISPATCH_CURL_PRIV_H

#include "base/origin.h"
#include "dispatch/adapter_priv.h"
#include "dispatch/excerpt_priv.h"
#include "dispatch/hops_priv.h"
#include "dispatch/judge_priv.h"
#include "dispatch/request_priv.h"
#include "dispatch/response_priv.h"

#include <curl/curl.h>

struct curl_dispatch {
    struct dispatch dispatch; // First: the port's calls arrive with a pointer to it.
    struct loop *loop;
    CURLM *multi;
    dispatch_done *done;
    void *context;

    char *version;
    char *proxy; // NULL: none.
    char *ca;    // Certificates in PEM beside those of the system's folder.
    size_t ca_bytes;
    bool ca_only; // The system's folder of certificates is not trusted.
    dur_ms connect_ms;
    dur_ms tls_ms;
    size_t connections_max;
    const struct address_policy *targets; // Borrowed; NULL: every address will do.
    const struct secret_ring *secrets;    // Borrowed; may be NULL.
    struct judge judge;

    struct transfer *under_way; // Doubly linked.
    struct transfer *idle;      // Singly linked; at most IDLE_TRANSFERS_MAX.
    struct transfer *stillborn; // Could not be started; their outcomes wait for the next turn.
    bool has_unwatched;         // Some under way are to be given up.
    size_t under_way_count;
    size_t idle_count;

    struct loop_source timer; // A timerfd on CLOCK_BOOTTIME.
    struct loop_source kept;  // An epoll of the sockets of kept connections.
    mono_ms timer_due;        // When libcurl wants to be called; MONO_NEVER: not at all.
    mono_ms timer_armed;      // What the kernel knows: at or before timer_due.
};

// An attempt. Its easy handle and the buffers are used again by the next one.
struct transfer {
    struct curl_dispatch *owner;
    struct transfer *next;
    struct transfer *previous;
    CURL *easy;

    uint64_t ticket; // These three are told with the outcome.
    uint32_t shard;
    int64_t epoch;
    struct hops *hops;        // NULL: the job follows no redirects.
    mono_ms not_after;        // No first request leaves then; 0: at any time.
    bool is_too_late;         // The lease, or that, was over before its request could leave.
    CURLcode stillborn;       // Why it could not be started.
    bool has_callback;        // The last request named where the target may tell how it ended.
    struct rules_taken rules; // What the job wants of the body.
    uint32_t excerpt_bytes;   // So much of the body is told,
    uint32_t kept_bytes;      // and so much is kept for that, or to be judged.
    bool fresh;               // The attempt takes no kept connection and leaves none.
    dur_ms timeout_ms;
    dur_ms left_ms; // What was left of timeout_ms when the last request was begun.
    bool https;
    wall_ms started_wall;
    mono_ms started_mono;

    char origin[ORIGIN_BYTES];
    struct request_parts parts;
    struct request_text ca;   // The certificates of the job and the server.
    char *key;                // The private key of the job's own, opened, or NULL.
    struct curl_slist *lines; // Nodes that point into `parts.headers`; not libcurl's to free.
    size_t lines_capacity;

    bool sent;        // The request was begun: from here on the target may have seen it.
    bool cancelled;   // By its owner.
    bool unwatched;   // The loop has no room for its socket.
    bool forbidden;   // The policy denies the last address that was tried.
    bool repeated;    // libcurl wanted to send it a second time, and was stopped.
    bool sealed;      // A secret of the job cannot be opened; `message` says why.
    bool turned_back; // The last hop was forbidden: the answer before it is the last one.
    union address forbidden_address;
    union address last_address; // The last address that a socket was opened for.
    bool port_denied;           // The policy denies the port, and the host is a name.
    int socket_error;           // With which the last one could not be; 0: it was.
    struct response response;   // The head of the answer; libcurl reads the body.
    struct request_text
        location; // Where an answer 3xx leads, as it came; cut at LOCATION_BYTES_MAX.
    size_t body_bytes;
    char *excerpt;           // The first kept_bytes of the body, as they came; NULL: none did.
    size_t excerpt_capacity; // Bytes that there is room for.
    char message[CURL_ERROR_SIZE]; // libcurl's own words.
};

// --- transfer.c

struct transfer *curl__transfer_new(struct curl_dispatch *owner);
void curl__transfer_free(struct transfer *t);
CURLcode curl__transfer_prepare(struct transfer *t, const struct send *s);
// Whether the answer, whose head was read, is not the last one of the attempt.
bool curl__leads_on(const struct transfer *t);
// Sets out for where the answer leads. False when the attempt ends here, with *code.
bool curl__transfer_follow(struct transfer *t, CURLcode *code);
dur_ms curl__connect_bound(const struct transfer *t); // Bounds everything before the request.
void curl__transfer_trim(struct transfer *t);         // Before it goes to the idle ones.

// --- trust.c

MUST_CHECK enum err curl__trust_open(struct curl_dispatch *d, const struct dispatch_options *o,
                                     struct fault *f);
CURLcode curl__trust_set(struct transfer *t, const struct request *r);

// --- pair.c

// An error says what is wrong with the job's certificate or key.
MUST_CHECK enum err curl__pair_open(struct transfer *t, const struct request *r, struct fault *f);
CURLcode curl__pair_set(struct transfer *t, const struct request *r);
void curl__pair_close(struct transfer *t); // Wipes the key.

// --- verdict.c

// Backing for the strings of an outcome.
struct verdict {
    struct outcome outcome;
    char error[ERROR_TEXT_MAX];
    char body_error[ERROR_TEXT_MAX];
    char location[HOPS_LOCATION_BYTES];
    char response[EXCERPT_BYTES_MAX + 1];
};

void curl__verdict(const struct transfer *t, CURLcode code, mono_ms now, struct verdict *out);

// --- wire_up.c

MUST_CHECK enum err curl__wire_up(struct curl_dispatch *d, struct fault *f);
void curl__unwire(struct curl_dispatch *d);
// Has the timer call back in the next turn of the loop.
void curl__hurry(struct curl_dispatch *d);

// --- adapter.c

// Reports everything that has ended. Called at the end of each of the loop's callbacks, never from
// inside one of libcurl's.
void curl__harvest(struct curl_dispatch *d);

#endif
