// SPDX-License-Identifier: MIT
// mailer.c: SMTP by libcurl's multi interface on our event loop.
//
// libcurl says which sockets it waits for and when it wants to be called; a mail has an easy
// handle, which is made for it and freed with it. Mails are few, so nothing is kept for the next
// one.

#include "alert/mailer.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIMEOUT_MS_DEFAULT 30000
#define REPLY_BYTES 512 // RFC 5321, 4.5.3.1.5: a line of a reply has no more.
#define ERROR_BYTES 320
#define SMTP_DONE 250

TAILQ_HEAD(posts, post);

// A mail on its way.
struct post {
    TAILQ_ENTRY(post) link;
    struct mailer *owner;
    uint64_t ticket;
    CURL *easy;
    struct curl_slist *to;
    char *message;
    size_t message_bytes;
    size_t read_bytes;
    wall_ms started_wall;
    mono_ms started_mono;
    bool is_forbidden; // The policy denies the last address that was tried,
    union address forbidden;
    char reply[REPLY_BYTES];
    char words[CURL_ERROR_SIZE]; // libcurl's own.
};

struct mailer {
    struct loop *loop;
    struct mailer_options options;
    mailer_done *done;
    void *context;
    CURLM *multi;
    struct posts posts;
    size_t count;
    struct loop_source timer;
};

struct watched {
    struct loop_source source;
    struct mailer *owner;
};

// --- What became of a mail -----------------------------------------------------------------------

static void say_forbidden(const struct post *p, char out[static ERROR_BYTES])
{
    char address[INET6_ADDRSTRLEN] = "";
    char reason[ADDRESS_REASON_BYTES];
    const struct sockaddr *a = &p->forbidden.any;
    const void *bytes = a->sa_family == AF_INET ? (const void *)&p->forbidden.v4.sin_addr
                                                : (const void *)&p->forbidden.v6.sin6_addr;
    inet_ntop(a->sa_family, bytes, address, sizeof address);
    address_policy_reason(p->owner->options.targets, a, 0, reason);
    snprintf(out, ERROR_BYTES, "%s is %s", address, reason);
}

static void say_error(const struct post *p, CURLcode code, char out[static ERROR_BYTES])
{
    if (p->is_forbidden)
        say_forbidden(p, out);
    else if (code == CURLE_USE_SSL_FAILED)
        snprintf(out, ERROR_BYTES, "the mail server offers no STARTTLS");
    else if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(out, ERROR_BYTES, "the mail server took too long");
    else
        snprintf(out, ERROR_BYTES, "%.250s", *p->words ? p->words : curl_easy_strerror(code));
}

// libcurl counts each from the beginning.
static dur_ms phase_of(const struct post *p, CURLINFO info, CURLINFO from)
{
    curl_off_t end_us = 0, start_us = 0;
    curl_easy_getinfo(p->easy, info, &end_us);
    if (from)
        curl_easy_getinfo(p->easy, from, &start_us);
    return end_us > 0 ? (end_us - start_us) / 1000 : -1;
}

// A reply below 400 of a mail that has not arrived is one to an earlier command.
static int status_of(const struct post *p, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK)
        return SMTP_DONE;
    return 400 <= status && status <= 599 ? (int)status : 0;
}

static void post_free(struct post *p)
{
    curl_easy_cleanup(p->easy);
    curl_slist_free_all(p->to);
    free(p->message);
    free(p);
}

// The handle may be freed, as no callback of libcurl is under way.
static void finish(struct post *p, CURLcode code)
{
    struct mailer *m = p->owner;
    char error[ERROR_BYTES];
    int status = status_of(p, code);
    if (status == 0)
        say_error(p, code, error);
    struct mail_outcome o = {
        .ticket = p->ticket,
        .status = status,
        .reply = *p->reply ? p->reply : NULL,
        .error = status ? NULL : error,
        .started_at = p->started_wall,
        .duration_ms = clock_mono_ms() - p->started_mono,
        .dns_ms = phase_of(p, CURLINFO_NAMELOOKUP_TIME_T, 0),
        .connect_ms = phase_of(p, CURLINFO_CONNECT_TIME_T, CURLINFO_NAMELOOKUP_TIME_T),
    };
    curl_multi_remove_handle(m->multi, p->easy);
    TAILQ_REMOVE(&m->posts, p, link);
    m->count--;
    m->done(m->context, &o);
    post_free(p);
}

static void harvest(struct mailer *m)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(m->multi, &left));) {
        struct post *p;
        CURLcode code = message->data.result; // The message dies with the handle's removal.
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &p);
        finish(p, code);
    }
}

// --- libcurl on the loop -------------------------------------------------------------------------

static void socket_ready(void *context, uint32_t events)
{
    struct watched *w = context;
    struct mailer *m = w->owner;
    int running, what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                        (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                        (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_IN | CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(m->multi, w->source.fd, what, &running); // May free `w`.
    harvest(m);
}

// A socket that cannot be watched leaves its mail to the timeout.
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    (void)easy;
    struct mailer *m = context;
    struct watched *w = assigned;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    if (what == CURL_POLL_REMOVE) {
        if (w)
            loop_remove(m->loop, &w->source);
        free(w);
    } else if (w) {
        loop_modify(m->loop, &w->source, events);
    } else {
        w = xcalloc(1, sizeof *w);
        w->owner = m;
        w->source = (struct loop_source){.fd = fd, .ready = socket_ready, .context = w};
        if (loop_add(m->loop, &w->source, events, NULL))
            free(w);
        else
            curl_multi_assign(m->multi, fd, w);
    }
    return 0;
}

// A delay of 0 is 1 ns, since a timerfd takes 0 for never. -1: libcurl waits for nothing.
static int timer_wanted(CURLM *multi, long delay_ms, void *context)
{
    (void)multi;
    struct mailer *m = context;
    struct itimerspec when = {0};
    if (delay_ms >= 0)
        when.it_value = (struct timespec){delay_ms / 1000, delay_ms % 1000 * 1000000 + 1};
    timerfd_settime(m->timer.fd, 0, &when, NULL);
    return 0;
}

static void timer_ready(void *context, uint32_t events)
{
    (void)events;
    struct mailer *m = context;
    uint64_t expirations;
    int running;
    if (read(m->timer.fd, &expirations, sizeof expirations) < 0)
        return;
    curl_multi_socket_action(m->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    harvest(m);
}

// --- A mail --------------------------------------------------------------------------------------

// The policy without its ports; that of this server counts.
static bool is_allowed(const struct mailer *m, const struct sockaddr *a)
{
    if (!m->options.targets)
        return true;
    struct address_policy policy = *m->options.targets;
    policy.denied_ports = (struct port_set){0};
    return address_policy_allows(&policy, a, address_port(a));
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    struct post *p = context;
    p->is_forbidden = !is_allowed(p->owner, &a->addr);
    if (!p->is_forbidden)
        return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    memcpy(&p->forbidden, &a->addr, MIN(a->addrlen, sizeof p->forbidden));
    return CURL_SOCKET_BAD;
}

static size_t read_message(char *out, size_t size, size_t count, void *context)
{
    struct post *p = context;
    size_t bytes = MIN(size * count, p->message_bytes - p->read_bytes);
    memcpy(out, p->message + p->read_bytes, bytes);
    p->read_bytes += bytes;
    return bytes;
}

// What the server says, line by line; the last one that refuses something is kept, without its
// code.
static size_t reply_line(char *line, size_t size, size_t count, void *context)
{
    struct post *p = context;
    size_t bytes = size * count, skipped = MIN(bytes, 4);
    if (bytes == 0 || (*line != '4' && *line != '5'))
        return bytes;
    size_t kept = MIN(bytes - skipped, sizeof p->reply - 1);
    memcpy(p->reply, line + skipped, kept);
    p->reply[kept] = '\0';
    p->reply[strcspn(p->reply, "\r\n")] = '\0';
    return bytes;
}

static size_t ignore(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes, (void)context;
    return size * count;
}

// An address of IPv6 stands in brackets.
static CURLcode set_url(struct post *p, const struct mail_message *mail)
{
    char url[512];
    const char *scheme = mail->security == MAIL_TLS ? "smtps" : "smtp";
    bool is_v6 = strchr(mail->host, ':') != NULL;
    snprintf(url, sizeof url, is_v6 ? "%s://[%s]:%u" : "%s://%s:%u", scheme, mail->host,
             (unsigned)mail->port);
    return curl_easy_setopt(p->easy, CURLOPT_URL, url);
}

static CURLcode set_trust(struct post *p)
{
    const struct mailer_options *o = &p->owner->options;
    CURLcode code = CURLE_OK;
    if (o->ca_file)
        code = curl_easy_setopt(p->easy, CURLOPT_CAINFO, o->ca_file);
    if (!code && o->ca_only)
        code = curl_easy_setopt(p->easy, CURLOPT_CAPATH, NULL);
    return code;
}

static CURLcode set_envelope(struct post *p, const struct mail_message *mail)
{
    char address[300];
    for (size_t i = 0; i < mail->to_count; i++) {
        snprintf(address, sizeof address, "<%s>", mail->to[i]);
        p->to = curl_slist_append(p->to, address);
        assert(p->to);
    }
    snprintf(address, sizeof address, "<%s>", mail->from);
    CURLcode code = curl_easy_setopt(p->easy, CURLOPT_MAIL_FROM, address);
    if (!code)
        code = curl_easy_setopt(p->easy, CURLOPT_MAIL_RCPT, p->to);
    if (!code && mail->username)
        code = curl_easy_setopt(p->easy, CURLOPT_USERNAME, mail->username);
    if (!code && mail->password)
        code = curl_easy_setopt(p->easy, CURLOPT_PASSWORD, mail->password);
    return code;
}

static CURLcode set_numbers(struct post *p, const struct mail_message *mail)
{
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_QUICK_EXIT, 1}, // A name server that does not answer must not stop the loop.
        {CURLOPT_UPLOAD, 1},
        {CURLOPT_FORBID_REUSE, 1},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_USE_SSL, mail->security == MAIL_CLEAR ? CURLUSESSL_NONE : CURLUSESSL_ALL},
        {CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1}, // Who is refused keeps it from nobody else.
        {CURLOPT_TIMEOUT_MS, (long)p->owner->options.timeout_ms},
        {CURLOPT_INFILESIZE, (long)p->message_bytes},
    };
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < COUNT_OF(numbers) && !code; i++)
        code = curl_easy_setopt(p->easy, numbers[i].option, numbers[i].value);
    return code;
}

static void set_callbacks(struct post *p)
{
    curl_easy_setopt(p->easy, CURLOPT_PRIVATE, p);
    curl_easy_setopt(p->easy, CURLOPT_ERRORBUFFER, p->words);
    curl_easy_setopt(p->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(p->easy, CURLOPT_OPENSOCKETDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_READFUNCTION, read_message);
    curl_easy_setopt(p->easy, CURLOPT_READDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_HEADERFUNCTION, reply_line);
    curl_easy_setopt(p->easy, CURLOPT_HEADERDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(p->easy, CURLOPT_PROXY, ""); // The environment has no say.
    curl_easy_setopt(p->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
}

static CURLcode prepare(struct post *p, const struct mail_message *mail)
{
    set_callbacks(p);
    CURLcode code = set_url(p, mail);
    if (!code)
        code = set_trust(p);
    if (!code)
        code = set_envelope(p, mail);
    return code ? code : set_numbers(p, mail);
}

void mailer_send(struct mailer *m, uint64_t ticket, const struct mail_message *mail)
{
    struct post *p = xcalloc(1, sizeof *p);
    p->owner = m;
    p->ticket = ticket;
    p->message = xstrdup(mail->message);
    p->message_bytes = strlen(mail->message);
    p->started_wall = clock_wall_ms();
    p->started_mono = clock_mono_ms();
    p->easy = curl_easy_init();
    assert(p->easy); // Only memory can be missing.
    CURLcode code = prepare(p, mail);
    assert(!code); // Texts have passed channel_settings, and mailer_open has looked at libcurl.
    TAILQ_INSERT_TAIL(&m->posts, p, link);
    m->count++;
    CURLMcode added = curl_multi_add_handle(m->multi, p->easy);
    assert(!added); // libcurl has set its timer: the mail starts in the next turn.
}

size_t mailer_in_flight(const struct mailer *m)
{
    return m->count;
}

// --- Opening and closing -------------------------------------------------------------------------

static bool can_send(const curl_version_info_data *info)
{
    bool has_smtps = false;
    for (const char *const *p = info->protocols; *p; p++)
        has_smtps |= strcmp(*p, "smtps") == 0;
    return has_smtps && info->version_num >= 0x075700 && info->features & CURL_VERSION_SSL;
}

static enum err open_timer(struct mailer *m, struct fault *f)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    m->timer = (struct loop_source){.fd = fd, .ready = timer_ready, .context = m};
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "timerfd_create: %s", strerror(errno));
    enum err err = loop_add(m->loop, &m->timer, EPOLLIN, f);
    if (err) {
        close(fd);
        m->timer.fd = -1;
    }
    return err;
}

void mailer_close(struct mailer *m)
{
    if (!m)
        return;
    for (struct post *p; (p = TAILQ_FIRST(&m->posts));) {
        TAILQ_REMOVE(&m->posts, p, link);
        curl_multi_remove_handle(m->multi, p->easy);
        post_free(p);
    }
    curl_multi_cleanup(m->multi); // Lets go of the sockets, through our callback.
    if (m->timer.fd >= 0) {
        loop_remove(m->loop, &m->timer);
        close(m->timer.fd);
    }
    free(m);
    curl_global_cleanup();
}

enum err mailer_open(struct loop *l, const struct mailer_options *o, mailer_done *done,
                     void *context, struct mailer **out, struct fault *f)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fault_set(f, ERR_SYSTEM, "libcurl cannot be initialised");
    if (!can_send(curl_version_info(CURLVERSION_NOW))) {
        curl_global_cleanup();
        return fault_set(f, ERR_UNSUPPORTED, "the libcurl at hand cannot send mail");
    }
    struct mailer *m = xcalloc(1, sizeof *m);
    *m = (struct mailer){.loop = l, .options = *o, .done = done, .context = context};
    m->options.timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS_DEFAULT;
    TAILQ_INIT(&m->posts);
    m->multi = curl_multi_init();
    assert(m->multi);
    enum err err = open_timer(m, f);
    if (err) {
        mailer_close(m);
        return err;
    }
    curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
    *out = m;
    return ERR_OK;
}
