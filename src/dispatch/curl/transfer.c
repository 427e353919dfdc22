// SPDX-License-Identifier: MIT
// transfer.c: one easy handle: how it is set up, and what its callbacks note down.
//
// What never changes is set once, when the handle is made; an attempt sets only its URL, method,
// headers, body and deadline. An easy handle is not reset between attempts, which would cost more
// than the rest of the set-up.
//
// libcurl repeats a request by itself when a kept connection dies before a byte of the answer has
// come: it takes it for granted that the target closed the connection before it saw the request.
// But a target that crashed while working on it looks just the same, and a request must not be
// sent twice under one attempt number. No option of libcurl 7.88 turns the repetition off. Every
// sending, the repeated one too, is announced to CURLOPT_PREREQFUNCTION before its first byte,
// so that callback lets the first pass and stops the second; the attempt then ends LOST. To make
// this rare, a connection is not used again after IDLE_SECONDS_MAX: most servers close an idle one
// after 5 s or more.

#include "base/url.h"
#include "dispatch/curl/curl_priv.h"

#include "dispatch/words_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define IDLE_SECONDS_MAX 3 // Counted by libcurl in whole seconds: used again within less than 4 s.
#define RESOLVED_SECONDS_MAX 60
#define RECEIVE_BYTES 4096

static const struct {
    CURLoption option;
    long value;
} fixed_numbers[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1}, // What a proxy says of CONNECT is no answer.
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_PATH_AS_IS, 1}, // "/a/../b" is the job's business.
    {CURLOPT_TCP_NODELAY, 1},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_MAXAGE_CONN, IDLE_SECONDS_MAX},
    {CURLOPT_DNS_CACHE_TIMEOUT, RESOLVED_SECONDS_MAX},
    {CURLOPT_BUFFERSIZE, RECEIVE_BYTES}, // Answers are short, and there may be 16,384 at once.
    // A name server that does not answer must not stop the loop: without this libcurl waits for
    // the resolving thread when an attempt's deadline is over.
    {CURLOPT_QUICK_EXIT, 1},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
};

static const struct {
    CURLoption option;
    const char *value;
} fixed_texts[] = {
    {CURLOPT_PROTOCOLS_STR, "http,https"}, {CURLOPT_NOPROXY, ""}, // The environment has no say.
};

// Headers which libcurl would add and nobody asked for: a name without a value keeps them out. The
// job's own lines come before them in the list, and libcurl heeds the first.
static char no_accept[] = "Accept:";
static char no_expect[] = "Expect:";
static char no_content_type[] = "Content-Type:"; // For a body of 0 bytes.

// --- What the callbacks note down ----------------------------------------------------------------

static bool is_late(const struct transfer *t)
{
    bool is_first = !t->hops || t->hops->taken == 0;
    return dispatch_lease_is_over(&t->owner->dispatch) ||
           (is_first && dispatch_is_late(t->not_after));
}

static int before_request(void *context, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    struct transfer *t = context;
    if (!t->sent && is_late(t)) {
        t->is_too_late = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (t->sent) {
        t->repeated = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->sent = true;
    if (!t->hops || t->hops->taken == 0)
        t->started_wall = clock_wall_ms();
    return CURL_PREREQFUNC_OK;
}

// Our own parser reads the head too, so that every adapter understands it in the same way. What
// libcurl has let pass and the parser refuses ends the transfer.
static size_t head_line(char *line, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    struct response *r = &t->response;
    const char *at = line;
    if (r->head_complete)
        return size * count; // Trailers of a chunked body.
    enum response_event e;
    while ((e = response__read(r, &at, line + size * count)) == RESPONSE_LOCATION)
        request_text_add(&t->location, r->part.bytes,
                         MIN(r->part.count, LOCATION_BYTES_MAX - t->location.count));
    if (r->head_complete && !r->reusable)
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    return r->head_complete || e == RESPONSE_MORE ? size * count : 0;
}

// As much as is told is there at once; what is only judged comes as it is needed.
static void widen_excerpt(struct transfer *t, size_t bytes)
{
    if (bytes <= t->excerpt_capacity)
        return;
    size_t room = MAX(MAX(bytes, (size_t)t->excerpt_bytes), 2 * t->excerpt_capacity);
    t->excerpt_capacity = MIN(room, t->kept_bytes);
    t->excerpt = xrealloc(t->excerpt, t->excerpt_capacity);
}

static size_t body_part(char *part, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t bytes = size * count;
    if (t->body_bytes < t->kept_bytes) {
        size_t more = MIN(bytes, t->kept_bytes - t->body_bytes);
        widen_excerpt(t, t->body_bytes + more);
        memcpy(t->excerpt + t->body_bytes, part, more);
    }
    t->body_bytes += bytes;
    return t->body_bytes > RESPONSE_BYTES_MAX ? 0 : bytes;
}

// The place of libcurl's own call of socket(), which knows the very address that comes next.
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    struct transfer *t = context;
    memcpy(&t->last_address, &a->addr, MIN(a->addrlen, sizeof t->last_address));
    bool to_proxy = t->owner->proxy != NULL; // The URL was judged instead (judge_url).
    t->forbidden =
        !to_proxy && !address_policy_allows(t->owner->targets, &a->addr, address_port(&a->addr));
    if (t->forbidden) {
        memcpy(&t->forbidden_address, &a->addr, MIN(a->addrlen, sizeof t->forbidden_address));
        return CURL_SOCKET_BAD;
    }
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    t->socket_error = fd < 0 ? errno : 0;
    return fd;
}

// --- Setting up ----------------------------------------------------------------------------------

static void set_callbacks(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->message);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, head_line);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, body_part);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
}

static void set_fixed_options(struct transfer *t)
{
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < COUNT_OF(fixed_numbers) && !code; i++)
        code = curl_easy_setopt(t->easy, fixed_numbers[i].option, fixed_numbers[i].value);
    for (size_t i = 0; i < COUNT_OF(fixed_texts) && !code; i++)
        code = curl_easy_setopt(t->easy, fixed_texts[i].option, fixed_texts[i].value);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_PROXY, t->owner->proxy ? t->owner->proxy : "");
    assert(code == CURLE_OK); // dispatch_curl_open has looked at libcurl's version.
}

struct transfer *curl__transfer_new(struct curl_dispatch *owner)
{
    struct transfer *t = xcalloc(1, sizeof *t);
    t->owner = owner;
    t->easy = curl_easy_init();
    assert(t->easy); // Only memory can be missing, and then the x-functions stop us as well.
    set_fixed_options(t);
    set_callbacks(t);
    return t;
}

void curl__transfer_free(struct transfer *t)
{
    if (!t)
        return;
    curl__pair_close(t);
    curl_easy_cleanup(t->easy);
    hops_free(t->hops);
    judge_release(&t->owner->judge, &t->rules);
    request_fini(&t->parts);
    free(t->ca.bytes);
    free(t->location.bytes);
    free(t->lines);
    free(t->excerpt);
    free(t);
}

void curl__transfer_trim(struct transfer *t)
{
    curl__pair_close(t);
    request_trim(&t->parts);
    request_text_trim(&t->ca);
    free(t->excerpt);
    t->excerpt = NULL;
    t->excerpt_capacity = 0;
    judge_release(&t->owner->judge, &t->rules);
}

// --- An attempt ----------------------------------------------------------------------------------

static size_t add_line(struct transfer *t, size_t count, char *line)
{
    t->lines = grow(t->lines, count, &t->lines_capacity, sizeof *t->lines);
    t->lines[count].data = line;
    return count + 1;
}

// Cuts the header block into the list that libcurl wants, in place: no copy, no allocation per
// line. In that list "Name;" stands for a header with an empty value; "Name:" would remove it.
static void list_headers(struct transfer *t)
{
    size_t count = 0;
    char *line = t->parts.headers.bytes;
    for (char *end; (end = strstr(line, "\r\n")); line = end + 2) {
        char *value = strchr(line, ':');
        *end = '\0';
        if (value && value[1 + strspn(value + 1, " \t")] == '\0')
            memcpy(value, ";", 2);
        count = add_line(t, count, line);
    }
    count = add_line(t, count, no_accept);
    count = add_line(t, count, no_expect);
    count = add_line(t, count, no_content_type);
    for (size_t i = 0; i < count; i++)
        t->lines[i].next = i + 1 < count ? &t->lines[i + 1] : NULL;
}

static void forget_last_request(struct transfer *t)
{
    t->sent = t->forbidden = t->repeated = t->cancelled = t->unwatched = false;
    t->is_too_late = false;
    response__init(&t->response, false);
    t->body_bytes = t->location.count = 0;
    t->message[0] = '\0';
    t->socket_error = 0;
    t->port_denied = false;
}

static CURLcode set_method(struct transfer *t, enum job_method method)
{
    const char *custom = method == METHOD_POST ? NULL : job_method_name(method);
    CURLcode code = curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L); // Forgets an earlier body.
    if (!code && method == METHOD_HEAD)
        code = curl_easy_setopt(t->easy, CURLOPT_NOBODY,
                                1L); // The answer has no body; HTTPGET forgets that.
    if (!code && t->parts.has_length) {
        code = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, (long)t->parts.body.count);
        if (!code)
            code = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->parts.body.bytes);
    }
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, custom);
    return code;
}

// libcurl has one clock for resolving, connecting and the TLS handshake together.
dur_ms curl__connect_bound(const struct transfer *t)
{
    return t->owner->connect_ms + (t->https ? t->owner->tls_ms : 0);
}

// The time of an attempt is that of all its requests.
static CURLcode set_deadlines(struct transfer *t)
{
    t->left_ms = MAX(t->timeout_ms - (clock_mono_ms() - t->started_mono), 1);
    CURLcode code = curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)t->left_ms);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)curl__connect_bound(t));
    return code;
}

// Through a proxy the address that is connected to is the proxy's, and names are resolved there:
// what can be judged is what the URL says.
static bool is_denied(struct transfer *t, const char *api)
{
    const struct address_policy *p = t->owner->targets;
    struct url u;
    if (!t->owner->proxy || url_read(api, &u, NULL))
        return false;
    t->port_denied = !address_policy_allows_port(p, u.port);
    t->forbidden = u.is_address && address_read(u.host, &t->forbidden_address) &&
                   !address_policy_allows(p, &t->forbidden_address.any, u.port);
    if (t->forbidden && t->forbidden_address.any.sa_family == AF_INET6)
        t->forbidden_address.v6.sin6_port = htons(u.port);
    else if (t->forbidden)
        t->forbidden_address.v4.sin_port = htons(u.port);
    return t->port_denied || t->forbidden;
}

static CURLcode set_request(struct transfer *t, const struct request *r)
{
    forget_last_request(t);
    t->has_callback = r->callback != NULL;
    t->https = strncasecmp(r->api, "https:", 6) == 0;
    url_origin(r->api, t->origin);
    struct request_target to = {.origin = t->origin, .https = t->https};
    struct request_sender from = {t->owner->version, t->owner->secrets};
    struct fault f = {0};
    t->sealed = request_build(&t->parts, r, &to, &from, t->started_wall, &f) != ERR_OK ||
                curl__pair_open(t, r, &f) != ERR_OK;
    if (t->sealed) {
        snprintf(t->message, sizeof t->message, "%.*s", (int)sizeof t->message - 1, f.text);
        return CURLE_BAD_FUNCTION_ARGUMENT;
    }
    list_headers(t);

    CURLcode code = is_denied(t, r->api) ? CURLE_COULDNT_CONNECT : CURLE_OK;
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_URL, r->api);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, (long)t->fresh);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, (long)t->fresh);
    if (!code)
        code = set_method(t, r->method);
    if (!code)
        code = curl__trust_set(t, r);
    if (!code)
        code = curl__pair_set(t, r);
    if (!code)
        code = set_deadlines(t);
    return code;
}

CURLcode curl__transfer_prepare(struct transfer *t, const struct send *s)
{
    t->ticket = s->ticket;
    t->not_after = s->not_after;
    t->shard = s->shard;
    t->epoch = s->request.epoch;
    t->hops = hops_new(&s->request);
    t->turned_back = false;
    t->fresh = s->request.fresh_connection;
    t->excerpt_bytes = MIN(s->request.response_excerpt_bytes, EXCERPT_BYTES_MAX);
    t->rules = judge_take(&t->owner->judge, &s->request);
    t->kept_bytes = rules_are_taken(&t->rules) ? RESPONSE_BYTES_MAX : t->excerpt_bytes;
    t->timeout_ms = s->request.timeout_ms;
    t->started_wall = clock_wall_ms();
    t->started_mono = clock_mono_ms();
    return set_request(t, &s->request);
}

// --- Redirects -----------------------------------------------------------------------------------

bool curl__leads_on(const struct transfer *t)
{
    const struct response *r = &t->response;
    return r->head_complete && hops_lead_on(t->hops, r->status, &t->location);
}

static void turn_back(struct transfer *t)
{
    char why[ERROR_TEXT_MAX];
    const struct sockaddr *a = &t->forbidden_address.any;
    words_forbidden(why, t->owner->targets, a, address_port(a), t->origin);
    hops_step_back(t->hops, why);
    request_text_say(&t->location, t->hops->request.api);
    t->turned_back = true;
}

bool curl__transfer_follow(struct transfer *t, CURLcode *code)
{
    bool hopped = t->hops && t->hops->taken > 0;
    if (hopped && *code == CURLE_COULDNT_CONNECT && t->forbidden)
        turn_back(t);
    if (*code == CURLE_OPERATION_TIMEDOUT || !curl__leads_on(t) ||
        !hops_follow(t->hops, t->response.status, &t->location))
        return false;
    *code = set_request(t, &t->hops->request);
    if (*code && t->forbidden)
        turn_back(t);
    if (!*code && curl_multi_add_handle(t->owner->multi, t->easy) != CURLM_OK)
        *code = CURLE_FAILED_INIT;
    return *code == CURLE_OK;
}
