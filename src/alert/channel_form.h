// SPDX-License-Identifier: MIT
// channel_form.h: what each kind of channel is made of, and how it says a notice.
//
// Pure: what is to be sent is made here, and sent by others. The settings of a channel are one JSON
// object, whose members a table knows; those that are secret are kept sealed, apart from what may
// be shown. A URL that is all that somebody needs to write into a channel (slack, discord, teams)
// is a secret like a password, and no message of a fault shows anything of a secret.
//
// Every text is escaped for the format that it goes into, so that nothing in it is markup or
// mentions anybody, and is cut where the provider would refuse it, between two characters.

#ifndef CARILLON_ALERT_CHANNEL_FORM_H
#define CARILLON_ALERT_CHANNEL_FORM_H

#include "alert/notice.h"
#include "ledger/channel.h"
#include "secrets/secrets.h"

#include <jansson.h>

#define ENUM ENUM_DECLARE
#define VALUE ENUM_DECLARE_VALUE
#include "alert/channel.def"
#undef ENUM
#undef VALUE

// --- Settings --------------------------------------------------------------------------------

enum setting_form {
    SETTING_TEXT,    // 1 to `greatest` bytes of UTF-8 without control characters.
    SETTING_VISIBLE, // The same of visible ASCII only, as what goes into a header or a URL.
    SETTING_URL,
    SETTING_HOST,      // A name or an address, as it stands in a URL, without a port.
    SETTING_NUMBER,    // A whole number from `least` to `greatest`.
    SETTING_WORD,      // Any of `words`.
    SETTING_KEY,       // What signs (secrets/signing.h).
    SETTING_ADDRESS,   // For mail: user@host, in ASCII.
    SETTING_ADDRESSES, // 1 to `greatest` of them.
    SETTING_TAGS,      // 1 to `greatest` strings of 1 to 50 bytes.
    SETTING_HEADERS,   // An object of strings, as jobs have them.
    SETTING_FORMS
};

struct channel_member {
    const char *name;
    enum setting_form form;
    bool is_required;
    bool is_secret;
    int64_t least;
    int64_t greatest;
    const struct enum_words *words; // WORD
    const char *initial;            // What holds when it is not given; NULL: nothing.
    const char *help;
};

// The members of the settings, in the order in which they are shown.
const struct channel_member *channel_members(enum channel_kind kind, size_t *count)
    __attribute__((returns_nonnull));

// Checks the settings of a channel, the secret ones among them, and splits them into two objects
// for the caller to release: what may be shown, and what is secret, which is NULL when nothing is.
// Errors begin with the name of the member: ERR_SYNTAX, ERR_RANGE or ERR_LIMIT for one that is
// wrong, ERR_NOT_FOUND for one that is missing or not known.
MUST_CHECK enum err channel_settings(enum channel_kind kind, const json_t *given, json_t **config,
                                     json_t **secrets, struct fault *f);

// --- What is sent ----------------------------------------------------------------------------

// A message for a mail server. All texts are owned.
struct mail_message {
    char *host;
    uint16_t port;
    enum mail_security security;
    char *username; // NULL: no login.
    char *password;
    char *from;
    char **to;
    size_t to_count;
    char *message; // Head and body as they go over the wire: lines end with CRLF.
};

// A request of HTTP, or a mail. Owns its texts; URL, headers and body hold secrets, which are not
// to be logged.
struct channel_request {
    char *url;
    char *
        headers; // "Name: value\n" lines: all of them, but what frames the message, and User-Agent.
    char *body;
    enum job_method method;
    bool is_mail; // Then all the others are NULL.
    struct mail_message mail;
};

// Says the notice in the way of a channel of this kind. `settings` are all of its settings in one
// object, the secret ones in clear. Made anew for each attempt, since a signature has a time; all
// else is the same. Redirects are not to be followed. ERR_UNUSABLE: the settings are not such as
// channel_settings takes.
MUST_CHECK enum err channel_form(enum channel_kind kind, const json_t *settings,
                                 const struct notice *n, wall_ms now, struct channel_request *out,
                                 struct fault *f);
void channel_request_clear(struct channel_request *r); // Wipes and frees what it owns.

// --- What comes back -------------------------------------------------------------------------

enum channel_verdict {
    CHANNEL_ARRIVED,
    CHANNEL_AGAIN,  // Not this time; perhaps the next.
    CHANNEL_REFUSED // Never.
};

#define CHANNEL_ERROR_BYTES 320
#define CHANNEL_RETRY_AFTER_MS_MAX 3600000

// What an answer means. `status` is that of HTTP, or the reply code of a mail server; 0: there was
// no answer, and the caller knows why. `body` is its beginning, or NULL. *retry_after_ms comes with
// what the header Retry-After says, or 0, and leaves with how long to wait at least. `error` is for
// people: "" when it arrived or was not answered.
enum channel_verdict channel_judge(enum channel_kind kind, int status, const char *body,
                                   dur_ms *retry_after_ms, char error[static CHANNEL_ERROR_BYTES]);

// --- Kept settings (channel_secret.c) --------------------------------------------------------
//
// A row has both objects as texts, the secret one sealed. In the one that may be shown, a setting
// that is secret stands as {"secret": true}.

// Marks the secrets in `config`, and seals them. The caller frees the answer.
char *channel_seal(const struct secret_ring *r, json_t *config, const json_t *secrets);

// All settings of a channel, as they were given. The caller releases *out. ERR_SYNTAX: a row that
// no version writes; else what secret_open says.
MUST_CHECK enum err channel_open(const struct secret_ring *r, const struct channel *c, json_t **out,
                                 struct fault *f);

// Writes '*' over what is secret among the settings, wherever the text repeats it or a long piece
// of it: a receiver may send back what it got.
void channel_conceal(enum channel_kind kind, const json_t *settings, char *text);

#endif
