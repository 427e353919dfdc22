// SPDX-License-Identifier: MIT
// words_priv.h: what every adapter says about an attempt that failed, in the same words.

#ifndef CARILLON_DISPATCH_WORDS_PRIV_H
#define CARILLON_DISPATCH_WORDS_PRIV_H

#include "base/address_policy.h"
#include "dispatch/dispatch.h"
#include "dispatch/response_priv.h"

enum trouble {
    TROUBLE_NONE,
    TROUBLE_URL,           // Malformed.
    TROUBLE_SCHEME,        // Neither http nor https.
    TROUBLE_PORT,          // The policy denies the port.
    TROUBLE_TLS_CA,        // The job's certificates cannot be read.
    TROUBLE_TLS_PAIR,      // The job's certificate has no key, or the key no certificate.
    TROUBLE_SECRET,        // What the job holds sealed cannot be opened; others say why.
    TROUBLE_RESOLVE,       // The name has no address.
    TROUBLE_CONNECT,       // For a reason that words_connect does not know.
    TROUBLE_CLOSED_EARLY,  // Before a whole line of the answer.
    TROUBLE_RESET_EARLY,   // The same, by RST.
    TROUBLE_CLOSED_MIDDLE, // In the head of the answer.
    TROUBLE_CLOSED_SEND,   // While the request was sent.
    TROUBLE_NOT_HTTP,
    TROUBLE_MALFORMED,
    TROUBLE_HEAD_TOO_LONG,
    TROUBLE_NOT_STARTED,
    TROUBLE_LEASE,     // The request would have left too late.
    TROUBLE_LATE,      // The same, of this attempt alone.
    TROUBLE_UNHEARD,   // An executor has it, or nobody.
    TROUBLE_CANCELLED, // By the caller, with dispatch_cancel.
    TROUBLES
};

// How far an attempt has come.
enum stage {
    STAGE_RESOLVE,
    STAGE_CONNECT,
    STAGE_TLS,
    STAGE_ANSWER, // The request was begun; the answer's head is awaited.
    STAGES
};

// `origin` is the target's "host:port" (base/origin.h), or "" when the URL has none.
void words_trouble(char out[static ERROR_TEXT_MAX], enum trouble t, const char *origin);

// Why the parser refused the answer.
void words_unreadable(char out[static ERROR_TEXT_MAX], const struct response *r,
                      const char *origin);

// A malformed answer; `reason`, which may be "", says what is wrong with it.
void words_malformed(char out[static ERROR_TEXT_MAX], const char *reason, const char *origin);

// Why there is no connection, from the errno of the last try.
void words_connect(char out[static ERROR_TEXT_MAX], int number, const char *origin);

// The policy denies this address.
void words_forbidden(char out[static ERROR_TEXT_MAX], const struct address_policy *p,
                     const struct sockaddr *a, uint16_t port, const char *origin);

void words_tls(char out[static ERROR_TEXT_MAX], const char *reason, const char *origin);

// The reason for words_tls when verification said `code` (X509_V_ERR_...).
const char *words_verified(long code);

// The reason for words_tls when the target ended the connection with this TLS alert, or with the
// one that OpenSSL tells of; NULL: the alert is of no client certificate.
const char *words_refused(int alert);
const char *words_refused_by(const char *reason);

// The bound that was over, and in which stage.
void words_timeout(char out[static ERROR_TEXT_MAX], dur_ms bound_ms, enum stage s,
                   const char *origin);

#endif
