// SPDX-License-Identifier: MIT
// oauth_priv.h: access tokens for attempts whose job is an OAuth client (secrets/oauth.h).
//
// Access tokens are a layer of the port, between its owner and an adapter that speaks HTTP. An
// attempt without `request.oauth` passes through it. Another one waits until its token is there,
// and is then sent with `request.bearer`. A token is fetched by the same adapter, with the job's
// trust in TLS, by one request at a time for all attempts that need this very token, and kept in
// memory alone.
//
// An attempt is still one request at its target: when that answers 401, the token is forgotten, and
// the next attempt has a new one. What goes wrong before the token is there has nothing to do with
// the target: NOT_SENT and is_unheard (HELD if the fetch was), in words that begin with "oauth: ".

#ifndef CARILLON_DISPATCH_OAUTH_PRIV_H
#define CARILLON_DISPATCH_OAUTH_PRIV_H

#include "dispatch/request_priv.h"
#include "dispatch/wire/table_priv.h"
#include "secrets/oauth.h"

#include <sys/queue.h>

#define OAUTH_TOKEN_BYTES_MAX 16384
#define OAUTH_LIFE_S_DEFAULT 300 // When the server does not say how long a token lives.
#define OAUTH_LIFE_S_MAX 86400
#define OAUTH_FETCH_MS 30000 // Bound of a fetch; attempts wait no longer than their own timeout.
#define OAUTH_TOKENS_MAX 4096

// --- answer.c ------------------------------------------------------------------------------------

struct oauth_answer {
    char *token; // For oauth__forget_text.
    dur_ms lives_ms;
};

// Reads the body of an answer 200. The message, as the end of a sentence, shows nothing of it.
MUST_CHECK enum err oauth__read_answer(const char *text, struct oauth_answer *out, struct fault *f);
// The error that a server names in the body of another answer, if it is one of RFC 6749; or NULL.
const char *oauth__error_word(const char *text);
void oauth__forget_text(char *text); // Wipes and frees it. NULL is a no-op.

// --- tokens.c ------------------------------------------------------------------------------------

#define OAUTH_KEY_BYTES 65 // SHA-256 in hexadecimal digits.

struct oauth_flight;
TAILQ_HEAD(oauth_flights, oauth_flight);

struct oauth_token {
    struct table_entry entry; // First: the table hands out entries. Of `key`.
    TAILQ_ENTRY(oauth_token) link;
    char key[OAUTH_KEY_BYTES];
    char *text; // NULL: there is none.
    mono_ms renew_at;
    uint64_t serial;              // Tells this text from those before it.
    bool is_fetched;              // A request for it is under way,
    mono_ms asked_at;             // begun then,
    struct oauth_flights waiting; // and these attempts wait for it.
};
TAILQ_HEAD(oauth_token_list, oauth_token);

struct oauth_tokens {
    struct table table;
    struct oauth_token_list used; // The one used last comes last.
    size_t most;
    uint64_t serial;
};

void tokens__init(struct oauth_tokens *t, size_t most);
void tokens__fini(struct oauth_tokens *t);
// The token of this key, which may be one without a text. NULL: there are as many as may be, and
// each is being fetched.
struct oauth_token *tokens__get(struct oauth_tokens *t, const char *key);
// The token's text, if that need not be renewed yet; or NULL.
const char *token__usable(const struct oauth_token *k, mono_ms now);
// The token has this text now, and takes it over; its life counts from when it was asked for.
void token__accept(struct oauth_tokens *t, struct oauth_token *k, const struct oauth_answer *a);
// The target did not take the text with this serial: nobody is to use it again.
void tokens__drop(struct oauth_tokens *t, const char *key, uint64_t serial);

// --- ask.c: the request for a token --------------------------------------------------------------

// What the job says about a token, with the client's secret opened.
struct oauth_asking {
    struct oauth_client client;
    char *secret; // For secret_free.
    const struct request *request;
};

MUST_CHECK enum err asking__read(struct oauth_asking *a, const struct request *r,
                                 const struct secret_ring *secrets, struct fault *f);
void asking__fini(struct oauth_asking *a);
// What tells one token from another: whom it is asked of, as whom, for what, and in what trust.
void asking__key(const struct oauth_asking *a, char out[static OAUTH_KEY_BYTES]);
// Writes header lines and body of the request.
void asking__write(const struct oauth_asking *a, struct request_text *headers,
                   struct request_text *body);

// --- layer.c -------------------------------------------------------------------------------------

MUST_CHECK enum err oauth__open(dispatch_opener *inner, struct loop *l,
                                const struct dispatch_options *o, dispatch_done *done,
                                void *context, struct dispatch **out, struct fault *f);

// Whether the ticket is of the kind that the layer gives to its own sends.
bool oauth__is_own_ticket(uint64_t ticket);

#endif
