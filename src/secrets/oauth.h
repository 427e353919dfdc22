// SPDX-License-Identifier: MIT
// oauth.h: the client that a job is towards a token server, by OAuth 2.0 client credentials
// (RFC 6749, 4.4).
//
// A job holds one text: a line "MEMBER VALUE" for each member that is set, in the order of struct
// oauth_client. The client's secret in it is sealed (secrets/secrets.h), everything else is clear.

#ifndef CARILLON_SECRETS_OAUTH_H
#define CARILLON_SECRETS_OAUTH_H

#include "secrets/secrets.h"

#define OAUTH_TEXT_BYTES_MAX 16384 // The whole text of a job.

enum oauth_auth { OAUTH_BASIC, OAUTH_BODY, OAUTH_AUTHS };

struct oauth_client {
    char *token_url;
    char *client_id;
    char *client_secret; // Sealed.
    char *scope;         // May be NULL.
    char *audience;      // May be NULL.
    char *auth;          // How the client says who it is: a name of oauth_auth_name.
};

// The members of the client, for those that go through all of them.
struct oauth_member {
    const char *name;
    size_t offset; // In struct oauth_client.
    bool is_required;
};
#define OAUTH_MEMBERS 6
extern const struct oauth_member oauth_members[OAUTH_MEMBERS];
char **oauth_member_at(const struct oauth_member *m, const struct oauth_client *c);

const char *oauth_auth_name(enum oauth_auth auth); // "basic", "body"
enum oauth_auth oauth_auth_of(const struct oauth_client *c);

// Whether the text, in clear, may be the value of the member; that of token_url is looked at by
// base/url.h alone. ERR_SYNTAX, ERR_LIMIT; no message shows anything of the text.
MUST_CHECK enum err oauth_check(const struct oauth_member *m, const char *text, struct fault *f);

// The job's text, which the caller frees. What is required is there.
char *oauth_write(const struct oauth_client *c);
// Reads it. ERR_SYNTAX: somebody has edited it.
MUST_CHECK enum err oauth_read(const char *text, struct oauth_client *out, struct fault *f);
void oauth_fini(struct oauth_client *c);

char *oauth_seal(const struct secret_ring *r, const char *secret); // The caller frees it.
// The client's secret, opened; see secret_open.
MUST_CHECK enum err oauth_open(const struct secret_ring *r, const struct oauth_client *c,
                               char **secret, struct fault *f);

#endif
