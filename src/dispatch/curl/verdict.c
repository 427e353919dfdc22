// SPDX-License-Identifier: MIT
// verdict.c: what became of a transfer, for the core and in words for people.
//
// The line that matters runs between NOT_SENT and LOST: an attempt that was not sent may be made
// again even for a job that must run at most once. A transfer counts as sent from the moment
// libcurl was let go to write the request, so it errs on the side of LOST.

#include "dispatch/curl/curl_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

// --- Words ---------------------------------------------------------------------------------------

// In words, {host} stands for the target's name and {target} for "host:port".

// What a code means before the request was begun, and what after. NULL: libcurl's own words.
static const struct {
    CURLcode code;
    const char *before;
    const char *after;
} code_words[] = {
    {CURLE_OK, NULL, "connection closed by {target} in the middle of its answer"},
    {CURLE_URL_MALFORMAT, "the URL is malformed", NULL},
    {CURLE_BAD_FUNCTION_ARGUMENT, "the URL is malformed", NULL}, // Refused for its length.
    {CURLE_UNSUPPORTED_PROTOCOL, "the URL is neither http nor https",
     "{target} does not answer in HTTP/1"},
    {CURLE_COULDNT_RESOLVE_HOST, "cannot resolve host {host}", NULL},
    {CURLE_COULDNT_CONNECT, "cannot connect to {target}", NULL},
    {CURLE_GOT_NOTHING, NULL, "connection closed by {target} before an answer"},
    {CURLE_ABORTED_BY_CALLBACK, NULL, "connection closed by {target} before an answer"},
    {CURLE_SEND_ERROR, NULL, "connection closed by {target} while the request was sent"},
    {CURLE_RECV_ERROR, NULL, "connection reset by {target} before an answer"},
    {CURLE_WEIRD_SERVER_REPLY, NULL, "malformed answer from {target}"},
    {CURLE_OUT_OF_MEMORY, NULL, "the head of the answer from {target} is too long"},
    {CURLE_FAILED_INIT, "the attempt could not be started", NULL},
};

static const struct {
    long number;
    const char *text;
} connect_words[] = {
    {ECONNREFUSED, "connection refused by {target}"},
    {ENETUNREACH, "no route to {target}"},
    {EHOSTUNREACH, "no route to {target}"},
    {EADDRNOTAVAIL, "no free local port to connect to {target}"},
    {EMFILE, "cannot connect to {target}: too many open files here"},
    {ENFILE, "cannot connect to {target}: too many open files here"},
};

// Writes `words` with the names filled in.
static void say(char out[static ERROR_TEXT_MAX], const char *words, const struct transfer *t)
{
    const char *colon = strrchr(t->origin, ':');
    int host_bytes = colon ? (int)(colon - t->origin) : 0;
    const char *brace = strchr(words, '{');
    if (!brace) {
        snprintf(out, ERROR_TEXT_MAX, "%s", words);
        return;
    }
    bool whole = brace[1] == 't';
    snprintf(out, ERROR_TEXT_MAX, "%.*s%.*s%s", (int)(brace - words), words,
             whole ? (int)strlen(t->origin) : host_bytes, t->origin, strchr(brace, '}') + 1);
}

static void say_code(char out[static ERROR_TEXT_MAX], CURLcode code, const struct transfer *t)
{
    const char *words = NULL;
    for (size_t i = 0; i < COUNT_OF(code_words) && !words; i++)
        if (code_words[i].code == code)
            words = t->sent ? code_words[i].after : code_words[i].before;
    if (words)
        say(out, words, t);
    else
        snprintf(out, ERROR_TEXT_MAX, "%.200s",
                 *t->message ? t->message : curl_easy_strerror(code));
}

static void say_connect(char out[static ERROR_TEXT_MAX], const struct transfer *t)
{
    long number = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
    for (size_t i = 0; i < COUNT_OF(connect_words); i++)
        if (connect_words[i].number == number) {
            say(out, connect_words[i].text, t);
            return;
        }
    say_code(out, CURLE_COULDNT_CONNECT, t);
}

static void say_tls(char out[static ERROR_TEXT_MAX], CURLcode code, const struct transfer *t)
{
    long verified = X509_V_OK;
    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    // OpenSSL's reason stands behind the last "::" of its line.
    const char *reason = strstr(t->message, "::");
    reason = reason ? reason + 2 : t->message;
    if (verified != X509_V_OK && verified != X509_V_ERR_UNSPECIFIED)
        reason = X509_verify_cert_error_string(verified);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        reason = "its certificate is for another host";
    say(out, "TLS handshake with {host} failed", t);
    size_t used = strlen(out);
    snprintf(out + used, ERROR_TEXT_MAX - used, ": %.120s", *reason ? reason : "no reason given");
}

// --- Deadlines -----------------------------------------------------------------------------------

static const char *stage_of(const struct transfer *t)
{
    curl_off_t resolved = 0;
    long local_port = 0; // Known once TCP is connected; the time of it only after the handshake.
    curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &local_port);
    if (t->head_complete)
        return " while reading the answer";
    if (t->sent)
        return "";
    if (!resolved)
        return " while resolving {host}";
    return local_port ? " in the TLS handshake with {host}" : " while connecting to {target}";
}

static void say_timeout(char out[static ERROR_TEXT_MAX], const struct transfer *t)
{
    dur_ms connect_ms = curl__connect_bound(t);
    dur_ms bound_ms = t->sent ? t->timeout_ms : MIN(t->timeout_ms, connect_ms);
    bool seconds = bound_ms % 1000 == 0;
    char words[96];
    snprintf(words, sizeof words, "timed out after %" PRId64 " %s%s",
             seconds ? bound_ms / 1000 : bound_ms, seconds ? "s" : "ms", stage_of(t));
    say(out, words, t);
}

// --- The judgement -------------------------------------------------------------------------------

static enum outcome_kind kind_of(const struct transfer *t, CURLcode code)
{
    if (t->head_complete && code != CURLE_OPERATION_TIMEDOUT)
        return OUTCOME_ANSWERED; // Even if the body was cut, by us or by the target.
    return t->sent ? OUTCOME_LOST : OUTCOME_NOT_SENT;
}

static void explain(char out[static ERROR_TEXT_MAX], CURLcode code, const struct transfer *t)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        say_timeout(out, t);
    else if (t->head_too_long)
        say_code(out, CURLE_OUT_OF_MEMORY, t);
    else if (code == CURLE_GOT_NOTHING && t->head_bytes > 0)
        say_code(out, CURLE_OK, t); // Interim answers count as nothing for libcurl.
    else if (code == CURLE_COULDNT_CONNECT)
        say_connect(out, t);
    else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR)
        say_tls(out, code, t);
    else
        say_code(out, code, t);
}

// libcurl's times count from the start of the transfer; 0 is "did not happen".
static int64_t moment_us(const struct transfer *t, CURLINFO which)
{
    curl_off_t us = 0;
    curl_easy_getinfo(t->easy, which, &us);
    return us;
}

static int32_t phase_ms(int64_t from_us, int64_t to_us)
{
    return from_us > 0 && to_us >= from_us ? (int32_t)((to_us - from_us) / 1000) : -1;
}

static void measure(const struct transfer *t, struct attempt *a)
{
    int64_t resolved = moment_us(t, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected = moment_us(t, CURLINFO_CONNECT_TIME_T);
    int64_t secured = moment_us(t, CURLINFO_APPCONNECT_TIME_T);
    int64_t first_byte = moment_us(t, CURLINFO_STARTTRANSFER_TIME_T);
    long connections = 0;
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connections);

    a->dns_ms = a->connect_ms = a->tls_ms = -1;
    if (connections > 0 || !t->sent) { // Else a kept connection was used: none of these happened.
        a->dns_ms = resolved > 0 ? (int32_t)(resolved / 1000) : -1;
        a->connect_ms = phase_ms(resolved, connected);
        a->tls_ms = phase_ms(connected, secured);
    }
    a->first_byte_ms =
        t->head_bytes > 0 ? phase_ms(moment_us(t, CURLINFO_PRETRANSFER_TIME_T), first_byte) : -1;
}

void curl__verdict(const struct transfer *t, CURLcode code, mono_ms now, struct verdict *out)
{
    struct attempt *a = &out->outcome.attempt;
    out->outcome = (struct outcome){.ticket = t->ticket, .kind = kind_of(t, code)};
    a->started_at = t->started_wall;
    a->duration_ms = now - t->started_mono;
    measure(t, a);

    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    a->http_status = t->head_complete ? (uint16_t)status : 0;
    if (out->outcome.kind != OUTCOME_ANSWERED) {
        explain(out->error, code, t);
        a->error = out->error;
    }
    if (t->body_bytes > 0) {
        excerpt_format(t->excerpt, MIN(t->body_bytes, EXCERPT_BYTES_MAX), out->response);
        a->response = out->response;
    }
}
