// SPDX-License-Identifier: MIT
// words.c: failures in words for people who look for the cause: what happened, and with whom.
//
// In the tables, {host} stands for the target's name and {target} for "host:port".

#include "dispatch/words_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

static const char *const trouble_words[TROUBLES] = {
    [TROUBLE_NONE] = "",
    [TROUBLE_URL] = "the URL is malformed",
    [TROUBLE_SCHEME] = "the URL is neither http nor https",
    [TROUBLE_PORT] = "forbidden target: {target} has a port which deny_ports denies",
    [TROUBLE_TLS_CA] = "tls_ca of the job holds no certificates",
    [TROUBLE_TLS_PAIR] = "the job has only one of tls_client_cert and tls_client_key",
    [TROUBLE_SECRET] = "a secret of the job cannot be opened",
    [TROUBLE_RESOLVE] = "cannot resolve host {host}",
    [TROUBLE_CONNECT] = "cannot connect to {target}",
    [TROUBLE_CLOSED_EARLY] = "connection closed by {target} before an answer",
    [TROUBLE_RESET_EARLY] = "connection reset by {target} before an answer",
    [TROUBLE_CLOSED_MIDDLE] = "connection closed by {target} in the middle of its answer",
    [TROUBLE_CLOSED_SEND] = "connection closed by {target} while the request was sent",
    [TROUBLE_NOT_HTTP] = "{target} does not answer in HTTP/1",
    [TROUBLE_MALFORMED] = "malformed answer from {target}",
    [TROUBLE_HEAD_TOO_LONG] = "the head of the answer from {target} is longer than 256 KiB",
    [TROUBLE_NOT_STARTED] = "the attempt could not be started",
    [TROUBLE_LEASE] = "this node's lease was over before the request could leave",
    [TROUBLE_LATE] = "the attempt waited too long before a request could leave",
    [TROUBLE_UNHEARD] = "no executor told in time what became of the attempt",
    [TROUBLE_CANCELLED] = "cancelled",
};

static const struct {
    int number;
    const char *text;
} connect_words[] = {
    {ECONNREFUSED, "connection refused by {target}"},
    {ENETUNREACH, "no route to {target}"},
    {EHOSTUNREACH, "no route to {target}"},
    {EADDRNOTAVAIL, "no free local port to connect to {target}"},
    {EMFILE, "cannot connect to {target}: too many open files here"},
    {ENFILE, "cannot connect to {target}: too many open files here"},
    {ENOBUFS, "cannot connect to {target}: no memory for sockets here"},
    {ENOMEM, "cannot connect to {target}: no memory for sockets here"},
    {ENOSPC, "cannot connect to {target}: too many watched sockets here"},
};

static const char *const stage_words[STAGES] = {
    [STAGE_RESOLVE] = " while resolving {host}",
    [STAGE_CONNECT] = " while connecting to {target}",
    [STAGE_TLS] = " in the TLS handshake with {host}",
    [STAGE_ANSWER] = "",
};

#define REFUSES "it refuses the client certificate (tls_client_cert): "

// Alerts by which a server says what it thinks of the client's certificate (RFC 8446, 6.2), and
// how OpenSSL's reasons for them end.
static const struct {
    int alert;
    const char *reason;
    const char *words;
} refusals[] = {
    {42, "alert bad certificate", REFUSES "bad certificate, or none"},
    {43, "alert unsupported certificate", REFUSES "unsupported certificate"},
    {44, "alert certificate revoked", REFUSES "certificate revoked"},
    {45, "alert certificate expired", REFUSES "certificate expired"},
    {46, "alert certificate unknown", REFUSES "certificate unknown"},
    {48, "alert unknown ca", REFUSES "unknown authority"},
    {49, "alert access denied", REFUSES "access denied"},
    {116, "alert certificate required", "it requires a client certificate (tls_client_cert)"},
};

_Static_assert(RESPONSE_HEAD_BYTES_MAX == 256 * 1024, "the words name the bound");

// Writes `words` with the name filled in; there is at most one in them.
static void say(char out[static ERROR_TEXT_MAX], const char *words, const char *origin)
{
    const char *brace = strchr(words, '{');
    if (!brace) {
        snprintf(out, ERROR_TEXT_MAX, "%s", words);
        return;
    }
    const char *colon = strrchr(origin, ':');
    bool whole = brace[1] == 't';
    size_t named = whole ? strlen(origin) : colon ? (size_t)(colon - origin) : 0;
    snprintf(out, ERROR_TEXT_MAX, "%.*s%.*s%s", (int)(brace - words), words, (int)named, origin,
             strchr(brace, '}') + 1);
}

void words_trouble(char out[static ERROR_TEXT_MAX], enum trouble t, const char *origin)
{
    say(out, trouble_words[t], origin);
}

void words_malformed(char out[static ERROR_TEXT_MAX], const char *reason, const char *origin)
{
    say(out, trouble_words[TROUBLE_MALFORMED], origin);
    size_t used = strlen(out);
    if (*reason)
        snprintf(out + used, ERROR_TEXT_MAX - used, ": %.120s", reason);
}

void words_unreadable(char out[static ERROR_TEXT_MAX], const struct response *r, const char *origin)
{
    if (r->failure == RESPONSE_MALFORMED)
        words_malformed(out, r->reason, origin);
    else
        words_trouble(out,
                      r->failure == RESPONSE_NOT_HTTP ? TROUBLE_NOT_HTTP : TROUBLE_HEAD_TOO_LONG,
                      origin);
}

void words_connect(char out[static ERROR_TEXT_MAX], int number, const char *origin)
{
    const char *words = trouble_words[TROUBLE_CONNECT];
    for (size_t i = 0; i < COUNT_OF(connect_words); i++)
        if (connect_words[i].number == number)
            words = connect_words[i].text;
    say(out, words, origin);
}

void words_forbidden(char out[static ERROR_TEXT_MAX], const struct address_policy *p,
                     const struct sockaddr *a, uint16_t port, const char *origin)
{
    char reason[ADDRESS_REASON_BYTES];
    char text[INET6_ADDRSTRLEN] = "";
    union address copy;
    memset(&copy, 0, sizeof copy);
    if (a->sa_family == AF_INET6) {
        memcpy(&copy.v6, a, sizeof copy.v6);
        inet_ntop(AF_INET6, &copy.v6.sin6_addr, text, sizeof text);
    } else {
        memcpy(&copy.v4, a, sizeof copy.v4);
        inet_ntop(AF_INET, &copy.v4.sin_addr, text, sizeof text);
    }
    say(out, "forbidden target: {target} is at ", origin);
    size_t used = strlen(out);
    address_policy_reason(p, a, port, reason);
    snprintf(out + used, ERROR_TEXT_MAX - used, "%s, %s", text, reason);
}

void words_tls(char out[static ERROR_TEXT_MAX], const char *reason, const char *origin)
{
    say(out, "TLS handshake with {host} failed", origin);
    size_t used = strlen(out);
    snprintf(out + used, ERROR_TEXT_MAX - used, ": %.120s", *reason ? reason : "no reason given");
}

const char *words_refused(int alert)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (refusals[i].alert == alert)
            return refusals[i].words;
    return NULL;
}

const char *words_refused_by(const char *reason)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        if (strstr(reason, refusals[i].reason))
            return refusals[i].words;
    return NULL;
}

const char *words_verified(long code)
{
    if (code == X509_V_ERR_HOSTNAME_MISMATCH || code == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return "its certificate is for another host";
    return X509_verify_cert_error_string(code);
}

void words_timeout(char out[static ERROR_TEXT_MAX], dur_ms bound_ms, enum stage s,
                   const char *origin)
{
    bool seconds = bound_ms % 1000 == 0;
    char words[96];
    snprintf(words, sizeof words, "timed out after %" PRId64 " %s%s",
             seconds ? bound_ms / 1000 : bound_ms, seconds ? "s" : "ms", stage_words[s]);
    say(out, words, origin);
}
