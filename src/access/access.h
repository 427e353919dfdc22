// SPDX-License-Identifier: MIT
// access.h: who may do what, and how often: tokens and limits for clients.
//
// Whoever serves clients asks for each request. What is known of a token is believed for half a
// second; after that a thread of this room reads the token's row again, and the question is
// answered later. So a revoked token is refused within a second by every node, and while nobody
// asks nothing is read: nodes need not tell each other of tokens.
//
// As long as there was never a token, a server that only its own machine can reach is open to all.
// A server that others can reach never is, unless it is told so.
//
// A table of addresses counts failures: an address that has failed too often is told to wait, and
// costs the database nothing meanwhile. A token that was found before is not held up by that, so
// clients behind one address do not suffer for each other.

#ifndef CARILLON_ACCESS_ACCESS_H
#define CARILLON_ACCESS_ACCESS_H

#include "ledger/ledger.h"

struct access;
struct store;
struct store_registry;

struct access_options {
    struct store *store; // Stays the caller's. NULL: a node without a database.
    bool is_reachable;   // By others than programs of this machine: never open.
    bool is_insecure;    // Everybody may do everything, whatever tokens there are.
    size_t waiting_max;  // Questions that may wait for the thread.
    // Requests a second; 0: no limit.
    unsigned rate_per_token;
    unsigned rate_per_address;
    bool spares_loopback; // The rate of an address is not that of one of loopback.
};

// ERR_FORBIDDEN: the server is reachable, not insecure, and nobody could be let in, as there is no
// live token of scope admin. Errors of store_registry_open, ERR_SYSTEM.
MUST_CHECK enum err access_open(const struct access_options *o, struct access **out,
                                struct fault *f);
// Every question must be answered before. NULL is a no-op.
void access_close(struct access *a);

// Who asks, as found.
struct access_caller {
    enum token_scope scope;
    int64_t token;                       // 0: none was asked for.
    char name[TOKEN_NAME_BYTES_MAX + 1]; // Empty: none was asked for.
    char tag[TOKEN_TAG_BYTES_MAX + 1];   // Empty: every job.
    unsigned executions_per_second;      // 0: any number.
    int64_t max_jobs, max_bytes;         // What its jobs may be; 0: any number.
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_LATER,    // `answered` will be called.
    ACCESS_MISSING,  // No token was given, and one is needed.
    ACCESS_INVALID,  // The token is none, or is over.
    ACCESS_FAILING,  // The address has failed too often: see retry_after_s.
    ACCESS_BUSY,     // Too many questions wait.
    ACCESS_AWAY,     // The database cannot be asked.
    ACCESS_NO_TABLE, // This node has no database, and so no tokens.
};

struct access_question {
    const char *secret;    // NULL: none was given. Borrowed until the answer, as is the address.
    const char *address;   // The client's: "192.0.2.7", "::1".
    bool database_is_away; // Known to be: it is not asked.
    // What is asked for tells of nothing but this server's health: it is granted on what was known
    // last while the database cannot be asked.
    bool is_health;
    // Called once after ACCESS_LATER, on the room's thread, when `verdict` is there.
    void (*answered)(void *context);
    void *context;
    // The answer.
    enum access_verdict verdict; // Never ACCESS_LATER in the end.
    struct access_caller caller; // GRANTED
    unsigned retry_after_s;      // FAILING
    // Inside.
    struct access_question *next;
    uint8_t digest[TOKEN_DIGEST_BYTES];
};

// Never waits. Any thread.
enum access_verdict access_ask(struct access *a, struct access_question *q);

// What is left of a limit, for the client to know.
struct access_rate {
    const char *name; // "token" or "address"; NULL: no limit counts.
    unsigned quota;   // Requests in each window.
    unsigned window_s;
    unsigned remaining;
    unsigned reset_s; // Until all of the quota is there again.
};

// The request, which needs no token, has named a secret that is none: counts it as a failure of its
// address. False: there were too many, and *retry_after_s says when the next one may come.
MUST_CHECK bool access_fail(struct access *a, const char *address, unsigned *retry_after_s);

// Counts a request that was granted against its token and its address. False: it is one too many,
// and *retry_after_s says when the next one is not. *left is the nearer of the two limits.
MUST_CHECK bool access_count(struct access *a, const struct access_caller *c, const char *address,
                             struct access_rate *left, unsigned *retry_after_s);

// Counts an execution that the request will cause: a trigger, a replay, a backfill, a test. False:
// it is one too many for the token, and *retry_after_s says when the next one is not.
MUST_CHECK bool access_count_execution(struct access *a, const struct access_caller *c,
                                       unsigned *retry_after_s);
// The request has caused so many more: the token's next ones wait until their time has passed.
void access_charge_executions(struct access *a, const struct access_caller *c, size_t count);

// Tokens were changed here: what is known of them is read again before it counts.
void access_forget(struct access *a);

// Runs `work` on the room's thread, with the registry of the store, which has the tokens. ERR_LIMIT
// when too many wait; ERR_UNSUPPORTED without a database.
typedef void access_work(void *context, struct store_registry *r);
MUST_CHECK enum err access_run(struct access *a, access_work *work, void *context);

#endif
