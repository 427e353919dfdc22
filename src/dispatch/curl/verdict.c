// SPDX-License-Identifier: MIT
// verdict.c: what became of a transfer, for the core and in words for people.
//
// The line that matters runs between NOT_SENT and LOST: an attempt that was not sent may be made
// again even for a job that must run at most once. A transfer counts as sent from the moment
// libcurl was let go to write the request, so it errs on the side of LOST.

#include "dispatch/curl/curl_priv.h"

#include "dispatch/retry_after_priv.h"
#include "dispatch/shortage_priv.h"
#include "dispatch/words_priv.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

// --- Words ---------------------------------------------------------------------------------------

// What a code means before the request was begun, and what after. TROUBLE_NONE: libcurl's own
// words.
static const struct {
    CURLcode code;
    enum trouble before;
    enum trouble after;
} troubles[] = {
    {CURLE_OK, TROUBLE_NONE, TROUBLE_CLOSED_MIDDLE},
    {CURLE_URL_MALFORMAT, TROUBLE_URL, TROUBLE_NONE},
    {CURLE_BAD_FUNCTION_ARGUMENT, TROUBLE_URL, TROUBLE_NONE}, // Refused for its length.
    {CURLE_UNSUPPORTED_PROTOCOL, TROUBLE_SCHEME, TROUBLE_NOT_HTTP},
    {CURLE_SSL_CACERT_BADFILE, TROUBLE_TLS_CA, TROUBLE_NONE},
    {CURLE_COULDNT_RESOLVE_HOST, TROUBLE_RESOLVE, TROUBLE_NONE},
    {CURLE_GOT_NOTHING, TROUBLE_NONE, TROUBLE_CLOSED_EARLY},
    {CURLE_ABORTED_BY_CALLBACK, TROUBLE_NONE, TROUBLE_CLOSED_EARLY},
    {CURLE_SEND_ERROR, TROUBLE_NONE, TROUBLE_CLOSED_SEND},
    {CURLE_RECV_ERROR, TROUBLE_NONE, TROUBLE_RESET_EARLY},
    {CURLE_OUT_OF_MEMORY, TROUBLE_NONE, TROUBLE_HEAD_TOO_LONG},
#if LIBCURL_VERSION_NUM >= 0x080600 // Before, it was said to be out of memory.
    {CURLE_TOO_LARGE, TROUBLE_NONE, TROUBLE_HEAD_TOO_LONG},
#endif
    {CURLE_FAILED_INIT, TROUBLE_NOT_STARTED, TROUBLE_NONE},
};

static void say_code(char out[static ERROR_TEXT_MAX], CURLcode code, const struct transfer *t)
{
    enum trouble trouble = TROUBLE_NONE;
    for (size_t i = 0; i < COUNT_OF(troubles); i++)
        if (troubles[i].code == code)
            trouble = t->sent ? troubles[i].after : troubles[i].before;
    if (trouble)
        words_trouble(out, trouble, t->origin);
    else
        snprintf(out, ERROR_TEXT_MAX, "%.200s",
                 *t->message ? t->message : curl_easy_strerror(code));
}

// Why there is no connection, as an errno.
static int connect_error(const struct transfer *t)
{
    long number = 0;
    if (t->socket_error)
        return t->socket_error;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
    return shortage_or_no_route((int)number, &t->last_address);
}

static void say_connect(char out[static ERROR_TEXT_MAX], const struct transfer *t)
{
    if (t->forbidden) {
        const struct sockaddr *a = &t->forbidden_address.any;
        words_forbidden(out, t->owner->targets, a, address_port(a), t->origin);
        return;
    }
    if (t->port_denied)
        words_trouble(out, TROUBLE_PORT, t->origin);
    else if (t->owner->proxy)
        snprintf(out, ERROR_TEXT_MAX, "no connection to the proxy: %.160s",
                 strerror(connect_error(t)));
    else
        words_connect(out, connect_error(t), t->origin);
}

// SSL_CLIENTCERT: the target asks for a certificate of ours, and was shown none.
static bool is_of_tls(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_SSL_CLIENTCERT || code == CURLE_SSL_CERTPROBLEM;
}

static void say_tls(char out[static ERROR_TEXT_MAX], CURLcode code, const struct transfer *t)
{
    long verified = X509_V_OK;
    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    // OpenSSL's reason stands behind the last "::" of its line.
    const char *reason = strstr(t->message, "::");
    reason = reason ? reason + 2 : t->message;
    if (verified != X509_V_OK && verified != X509_V_ERR_UNSPECIFIED)
        reason = words_verified(verified);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        reason = words_verified(X509_V_ERR_HOSTNAME_MISMATCH); // libcurl compares names itself.
    else if (words_refused_by(reason))
        reason = words_refused_by(reason);
    words_tls(out, reason, t->origin);
}

// --- Deadlines -----------------------------------------------------------------------------------

static enum stage stage_of(const struct transfer *t)
{
    curl_off_t resolved = 0;
    long local_port = 0;
    curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &local_port);
    if (t->sent)
        return STAGE_ANSWER;
    if (!resolved)
        return STAGE_RESOLVE;
    // libcurl 7 knows the port once TCP is connected, libcurl 8 a little before; both tell the time
    // of it only after the handshake.
    return local_port && t->https ? STAGE_TLS : STAGE_CONNECT;
}

static void say_timeout(char out[static ERROR_TEXT_MAX], const struct transfer *t)
{
    dur_ms connect_ms = curl__connect_bound(t);
    dur_ms bound_ms = t->sent || t->left_ms <= connect_ms ? t->timeout_ms : connect_ms;
    words_timeout(out, bound_ms, stage_of(t), t->origin);
}

// --- The judgement -------------------------------------------------------------------------------

static bool is_hopped(const struct transfer *t)
{
    return t->hops && t->hops->taken > 0;
}

// Whether this machine lacked something, and the target has nothing to do with it.
static bool is_held(const struct transfer *t, CURLcode code)
{
    if (t->forbidden || t->port_denied || t->cancelled || t->sealed)
        return false;
    if (t->is_too_late)
        return true;
    if (code == CURLE_COULDNT_CONNECT)
        return shortage_is(connect_error(t));
    return code == CURLE_FAILED_INIT || (code == CURLE_COULDNT_RESOLVE_HOST && shortage_now());
}

// A head that came whole is the answer, whatever became of the body, unless it leads on and there
// was no time for that.
static enum outcome_kind kind_of(const struct transfer *t, CURLcode code)
{
    if (t->turned_back || (t->response.head_complete && !curl__leads_on(t)))
        return OUTCOME_ANSWERED;
    if (t->sent || is_hopped(t))
        return OUTCOME_LOST;
    return is_held(t, code) ? OUTCOME_HELD : OUTCOME_NOT_SENT;
}

static void explain(char out[static ERROR_TEXT_MAX], CURLcode code, const struct transfer *t)
{
    if (t->cancelled)
        words_trouble(out, TROUBLE_CANCELLED, t->origin);
    else if (t->sealed)
        snprintf(out, ERROR_TEXT_MAX, "%.*s", ERROR_TEXT_MAX - 1, t->message);
    else if (t->is_too_late)
        words_trouble(out, dispatch_is_late(t->not_after) ? TROUBLE_LATE : TROUBLE_LEASE,
                      t->origin);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        say_timeout(out, t);
    else if (t->response.failure)
        words_unreadable(out, &t->response, t->origin);
    else if (code == CURLE_GOT_NOTHING && t->response.line_read)
        say_code(out, CURLE_OK, t); // Interim answers count as nothing for libcurl.
    else if (code == CURLE_WEIRD_SERVER_REPLY)
        words_malformed(out, t->message, t->origin);
    else if (code == CURLE_COULDNT_CONNECT)
        say_connect(out, t);
    else if (is_of_tls(code) || words_refused_by(t->message))
        say_tls(out, code, t);
    else
        say_code(out, code, t);
}

// libcurl has one code for a connection that breaks and for chunks that cannot be read.
static bool is_damaged(const struct transfer *t, CURLcode code)
{
    if (!t->response.head_complete)
        return code == CURLE_WEIRD_SERVER_REPLY || t->response.failure == RESPONSE_MALFORMED;
    return code == CURLE_RECV_ERROR && strstr(t->message, "chunk");
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
    a->first_byte_ms = t->response.head_bytes > 0
                           ? phase_ms(moment_us(t, CURLINFO_PRETRANSFER_TIME_T), first_byte)
                           : -1;
}

static dur_ms retry_after_ms(const struct transfer *t)
{
    return t->response.head_complete ? retry_after_read(t->response.retry_after, clock_wall_ms())
                                     : 0;
}

void curl__verdict(const struct transfer *t, CURLcode code, mono_ms now, struct verdict *out)
{
    struct attempt *a = &out->outcome.attempt;
    out->outcome = (struct outcome){.ticket = t->ticket,
                                    .shard = t->shard,
                                    .epoch = t->epoch,
                                    .kind = kind_of(t, code),
                                    .is_unheard = t->sealed};
    a->started_at = t->started_wall;
    a->duration_ms = now - t->started_mono;
    measure(t, a);
    out->outcome.retry_after_ms = retry_after_ms(t);

    bool whole = t->response.head_complete && code == CURLE_OK;
    a->http_status = t->turned_back ? (uint16_t)t->hops->status : t->response.status;
    a->redirects = is_hopped(t) ? t->hops->record.bytes : NULL;
    a->response_damaged = t->response.status && !whole && is_damaged(t, code);
    a->response_truncated = t->response.status && !whole && !a->response_damaged;
    out->outcome.asks_to_wait = out->outcome.kind == OUTCOME_ANSWERED && a->http_status == 202 &&
                                t->has_callback && t->response.asks_to_wait;
    if (out->outcome.kind == OUTCOME_ANSWERED)
        out->outcome.location = hops_location(t->hops, &t->location, out->location);
    if (out->outcome.kind == OUTCOME_ANSWERED && rules_are_taken(&t->rules)) {
        size_t count = MIN(t->body_bytes, t->kept_bytes);
        out->outcome.body_is_judged = true;
        out->outcome.body_error = rules_judge(&t->rules, t->excerpt, count, out->body_error);
    }
    if (out->outcome.kind != OUTCOME_ANSWERED) {
        explain(out->error, code, t);
        a->error = out->error;
    }
    if (t->body_bytes > 0 && t->excerpt_bytes > 0) {
        excerpt_format(t->excerpt, MIN(t->body_bytes, t->excerpt_bytes), t->excerpt_bytes,
                       out->response);
        a->response = *out->response ? out->response : NULL;
    }
}
