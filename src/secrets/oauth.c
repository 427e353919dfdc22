// SPDX-License-Identifier: MIT
// oauth.c: the text of a job's OAuth client, and what its members may be.

#include "secrets/oauth.h"

#include "base/memory.h"
#include "base/stream.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define CONTEXT "job-oauth"
#define VALUE_BYTES_MAX 1000 // The longest value of a member in clear, but the URL.

#define MEMBER(name, is_required)                                                                  \
    {                                                                                              \
#name, offsetof(struct oauth_client, name), (is_required)                                  \
    }

const struct oauth_member oauth_members[OAUTH_MEMBERS] = {
    MEMBER(token_url, true), MEMBER(client_id, true), MEMBER(client_secret, true),
    MEMBER(scope, false),    MEMBER(audience, false), MEMBER(auth, true),
};

static const char *const auths[OAUTH_AUTHS] = {[OAUTH_BASIC] = "basic", [OAUTH_BODY] = "body"};

char **oauth_member_at(const struct oauth_member *m, const struct oauth_client *c)
{
    return (char **)(void *)((char *)(uintptr_t)c + m->offset);
}

const char *oauth_auth_name(enum oauth_auth auth)
{
    return auths[auth];
}

enum oauth_auth oauth_auth_of(const struct oauth_client *c)
{
    return strcmp(c->auth, auths[OAUTH_BODY]) == 0 ? OAUTH_BODY : OAUTH_BASIC;
}

// --- What a member may be ------------------------------------------------------------------------

// RFC 6749, A.1 and A.2: what can be typed.
static bool is_typed(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

// RFC 6749, 3.3: words with one blank between them, without '"' and '\'.
static bool is_scope(const char *text)
{
    size_t bytes = strlen(text);
    return is_typed(text) && !strpbrk(text, "\"\\") && !strstr(text, "  ") && text[0] != ' ' &&
           text[bytes - 1] != ' ';
}

static enum err check_auth(const char *text, struct fault *f)
{
    for (size_t i = 0; i < OAUTH_AUTHS; i++)
        if (strcmp(text, auths[i]) == 0)
            return ERR_OK;
    return fault_set(f, ERR_SYNTAX, "auth must be \"basic\" or \"body\"");
}

static enum err check_form(const struct oauth_member *m, const char *text, struct fault *f)
{
    if (m->offset == offsetof(struct oauth_client, auth))
        return check_auth(text, f);
    if (m->offset == offsetof(struct oauth_client, scope) && !is_scope(text))
        return fault_set(f, ERR_SYNTAX,
                         "scope must be words with one blank between them, in ASCII and without "
                         "quotes and backslashes");
    if (!is_typed(text))
        return fault_set(f, ERR_SYNTAX, "%s must be of printable ASCII characters", m->name);
    return ERR_OK;
}

enum err oauth_check(const struct oauth_member *m, const char *text, struct fault *f)
{
    if (!*text)
        return fault_set(f, ERR_SYNTAX, "%s is empty", m->name);
    if (m->offset == offsetof(struct oauth_client, token_url))
        return ERR_OK;
    if (strlen(text) > VALUE_BYTES_MAX)
        return fault_set(f, ERR_LIMIT, "%s has %zu bytes; at most %d are allowed", m->name,
                         strlen(text), VALUE_BYTES_MAX);
    return check_form(m, text, f);
}

// --- The text ------------------------------------------------------------------------------------

char *oauth_write(const struct oauth_client *c)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = stream_open(&text, &bytes);
    for (size_t i = 0; i < OAUTH_MEMBERS; i++) {
        const struct oauth_member *m = &oauth_members[i];
        const char *value = *oauth_member_at(m, c);
        assert((value || !m->is_required) && (!value || (*value && !strchr(value, '\n'))));
        if (value)
            fprintf(out, "%s %s\n", m->name, value);
    }
    stream_close(out);
    assert(bytes <= OAUTH_TEXT_BYTES_MAX);
    return text;
}

// Takes the line of the member, if the text goes on with it.
static void take_line(const char **at, const struct oauth_member *m, struct oauth_client *c)
{
    size_t name = strlen(m->name);
    const char *value = *at + name + 1;
    if (strncmp(*at, m->name, name) != 0 || (*at)[name] != ' ')
        return;
    size_t bytes = strcspn(value, "\n");
    if (bytes == 0 || value[bytes] != '\n')
        return;
    char *copy = xmalloc(bytes + 1);
    memcpy(copy, value, bytes);
    copy[bytes] = '\0';
    *oauth_member_at(m, c) = copy;
    *at = value + bytes + 1;
}

enum err oauth_read(const char *text, struct oauth_client *out, struct fault *f)
{
    struct oauth_client c = {0};
    bool good = true;
    for (size_t i = 0; i < OAUTH_MEMBERS; i++) {
        const struct oauth_member *m = &oauth_members[i];
        take_line(&text, m, &c);
        good = good && (*oauth_member_at(m, &c) || !m->is_required);
    }
    if (good && !*text && !check_auth(c.auth, NULL)) {
        *out = c;
        return ERR_OK;
    }
    oauth_fini(&c);
    return fault_set(f, ERR_SYNTAX, "the oauth member of the job is malformed");
}

void oauth_fini(struct oauth_client *c)
{
    for (size_t i = 0; i < OAUTH_MEMBERS; i++)
        free(*oauth_member_at(&oauth_members[i], c));
    *c = (struct oauth_client){0};
}

// --- The secret ----------------------------------------------------------------------------------

char *oauth_seal(const struct secret_ring *r, const char *secret)
{
    return secret_seal(r, secret, CONTEXT);
}

enum err oauth_open(const struct secret_ring *r, const struct oauth_client *c, char **secret,
                    struct fault *f)
{
    struct fault why = {0};
    const char *sealed = c->client_secret;
    enum err err = secret_open(r, sealed, strlen(sealed), CONTEXT, secret, &why);
    return err ? fault_set(f, err, "client_secret cannot be opened: %s", why.text) : ERR_OK;
}
