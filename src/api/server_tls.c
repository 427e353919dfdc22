// SPDX-License-Identifier: MIT
// server_tls.c: files of the server's TLS, read, looked at and read again.
//
// A file that is renewed comes with a new inode, time or size. The pair of certificate and key may
// be written one after the other: what is read between the two does not fit together and is
// dropped, and the second file's change leads to the next try.

#include "api/server_tls_priv.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_EVERY_MS 2000
#define TICKET_KEYS_MS (12 * 3600 * 1000)

enum tls_file { FILE_CERTIFICATE, FILE_KEY, FILE_CLIENT_CA, TLS_FILES };

// What tells a file from the one that was there before. Zeroed: there is none.
struct stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified;
    struct timespec changed;
};

struct server_tls {
    char *paths[TLS_FILES];         // FILE_CLIENT_CA may be NULL.
    pthread_mutex_t reading;        // Guards the next three.
    struct stamp stamps[TLS_FILES]; // What was read last, in vain or not.
    mono_ms looked_at;
    mono_ms read_at;
    pthread_mutex_t lock; // Guards the next one.
    SSL_CTX *context;
};

// --- The context ---------------------------------------------------------------------------------

// A client that offers protocols must offer ours (RFC 7301).
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                           const unsigned char *offered, unsigned offered_bytes, void *context)
{
    (void)ssl;
    (void)context;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    int found =
        SSL_select_next_proto(&chosen, out_bytes, ours, sizeof ours - 1, offered, offered_bytes);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Without it OpenSSL would ask at the terminal for the password of a key.
static int no_password(char *out, int bytes, int writes, void *context)
{
    (void)out;
    (void)bytes;
    (void)writes;
    (void)context;
    return -1;
}

// The server's own reading never finds more than one record, so nothing is hidden in OpenSSL when
// the socket is silent, and a client that sends records without data ends no more than one call.
static void set_up(SSL_CTX *c)
{
    static const unsigned char name[] = "carillon";
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                               SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(c, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); // Tickets hold the sessions.
    SSL_CTX_set_session_id_context(c, name, sizeof name - 1);
    SSL_CTX_set_num_tickets(c, 1);
    SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(c, no_password);
}

static enum err cannot_read(const char *what, const char *path, struct fault *f)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SYS)
        reason = strerror(ERR_GET_REASON(code));
    return fault_set(f, ERR_SYNTAX, "cannot read the %s in %s: %s", what, path,
                     reason ? reason : "it is not PEM");
}

static enum err read_key(const struct server_tls *t, SSL_CTX *c, struct fault *f)
{
    if (SSL_CTX_use_PrivateKey_file(c, t->paths[FILE_KEY], SSL_FILETYPE_PEM) == 1)
        return ERR_OK;
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH)
        return fault_set(f, ERR_SYNTAX, "the key in %s is not that of the certificate in %s",
                         t->paths[FILE_KEY], t->paths[FILE_CERTIFICATE]);
    return cannot_read("key", t->paths[FILE_KEY], f);
}

static enum err read_client_ca(const char *path, SSL_CTX *c, struct fault *f)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_file(c, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return cannot_read("certificates for clients", path, f);
    }
    SSL_CTX_set_client_CA_list(c, names);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(c), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ERR_OK;
}

static enum err read_files(const struct server_tls *t, SSL_CTX *c, struct fault *f)
{
    enum err err = ERR_OK;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(c, t->paths[FILE_CERTIFICATE]) != 1)
        err = cannot_read("certificate", t->paths[FILE_CERTIFICATE], f);
    if (!err)
        err = read_key(t, c, f);
    if (!err && t->paths[FILE_CLIENT_CA])
        err = read_client_ca(t->paths[FILE_CLIENT_CA], c, f);
    ERR_clear_error();
    return err;
}

static enum err read_context(const struct server_tls *t, SSL_CTX **out, struct fault *f)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c)
        return fault_set(f, ERR_SYSTEM, "OpenSSL cannot be initialised");
    set_up(c);
    enum err err = read_files(t, c, f);
    if (err) {
        SSL_CTX_free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

// --- Names ---------------------------------------------------------------------------------------

static void print_text(BIO *from, char *out, size_t bytes)
{
    int n = BIO_read(from, out, (int)bytes - 1);
    out[MAX(n, 0)] = '\0';
    for (char *c = out; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

static void print_other_name(X509 *x, BIO *to)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    if (names && sk_GENERAL_NAME_num(names) > 0)
        GENERAL_NAME_print(to, sk_GENERAL_NAME_value(names, 0));
    GENERAL_NAMES_free(names);
}

static void name_of(X509 *x, char *out, size_t bytes)
{
    BIO *text = BIO_new(BIO_s_mem());
    assert(text);
    X509_NAME_print_ex(text, X509_get_subject_name(x), 0, XN_FLAG_RFC2253);
    if (BIO_pending(text) == 0)
        print_other_name(x, text);
    print_text(text, out, bytes);
    BIO_free(text);
}

void server_tls_identity(SSL *ssl, char out[static TLS_IDENTITY_BYTES])
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    out[0] = '\0';
    if (x)
        name_of(x, out, TLS_IDENTITY_BYTES);
    ERR_clear_error();
}

// --- Reading -------------------------------------------------------------------------------------

static struct stamp stamp_of(const char *path)
{
    struct stat file;
    if (!path || stat(path, &file) != 0)
        return (struct stamp){0};
    return (struct stamp){file.st_dev, file.st_ino, file.st_size, file.st_mtim, file.st_ctim};
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           is_same_time(&a->modified, &b->modified) && is_same_time(&a->changed, &b->changed);
}

static bool has_changed(const struct server_tls *t)
{
    for (size_t i = 0; i < TLS_FILES; i++) {
        struct stamp now = stamp_of(t->paths[i]);
        if (!is_same(&now, &t->stamps[i]))
            return true;
    }
    return false;
}

static wall_ms end_of(const X509 *x)
{
    struct tm utc;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &utc) != 1)
        return 0;
    return (wall_ms)timegm(&utc) * 1000;
}

static void log_certificate(SSL_CTX *c)
{
    X509 *x = SSL_CTX_get0_certificate(c);
    char name[TLS_IDENTITY_BYTES], end[RFC3339_BYTES];
    wall_ms at = end_of(x);
    name_of(x, name, sizeof name);
    wall_format(at, end);
    metric_set(METRIC_tls_certificate_end, at);
    if (at <= clock_wall_ms())
        log_warn("tls.certificate_ended", LOG_TEXT("name", name), LOG_TEXT("end", end));
    else
        log_info("tls.certificate", LOG_TEXT("name", name), LOG_TEXT("end", end));
}

// `reading` is held. The stamps come first: a file that changes meanwhile is read again.
static enum err read_again(struct server_tls *t, struct fault *f)
{
    SSL_CTX *c = NULL;
    for (size_t i = 0; i < TLS_FILES; i++)
        t->stamps[i] = stamp_of(t->paths[i]);
    t->read_at = clock_mono_ms();
    enum err err = read_context(t, &c, f);
    if (err)
        return err;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->context;
    t->context = c;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old); // Connections of the old one keep it.
    return ERR_OK;
}

static enum err read_and_log(struct server_tls *t, struct fault *f)
{
    enum err err = read_again(t, f);
    if (err)
        log_warn("tls.reload_failed", LOG_TEXT("detail", f->text),
                 LOG_TEXT("instead", "the certificate as it was read before"));
    else
        log_certificate(t->context);
    return err;
}

enum err server_tls_reload(struct server_tls *t, struct fault *f)
{
    pthread_mutex_lock(&t->reading);
    enum err err = read_and_log(t, f);
    pthread_mutex_unlock(&t->reading);
    return err;
}

void server_tls_look(struct server_tls *t, mono_ms now)
{
    struct fault f = {0};
    pthread_mutex_lock(&t->reading);
    if (now - t->looked_at >= LOOK_EVERY_MS) {
        t->looked_at = now;
        if (now - t->read_at >= TICKET_KEYS_MS || has_changed(t))
            (void)!read_and_log(t, &f);
    }
    pthread_mutex_unlock(&t->reading);
}

// --- Its life ------------------------------------------------------------------------------------

enum err server_tls_open(const struct server_tls_files *files, struct server_tls **out,
                         struct fault *f)
{
    struct server_tls *t = xcalloc(1, sizeof *t);
    pthread_mutex_init(&t->reading, NULL);
    pthread_mutex_init(&t->lock, NULL);
    t->paths[FILE_CERTIFICATE] = xstrdup(files->certificate);
    t->paths[FILE_KEY] = xstrdup(files->key);
    t->paths[FILE_CLIENT_CA] = files->client_ca ? xstrdup(files->client_ca) : NULL;
    t->looked_at = clock_mono_ms();
    enum err err = read_again(t, f);
    if (err) {
        server_tls_close(t);
        return err;
    }
    log_certificate(t->context);
    *out = t;
    return ERR_OK;
}

void server_tls_close(struct server_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context);
    for (size_t i = 0; i < TLS_FILES; i++)
        free(t->paths[i]);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->reading);
    free(t);
}

SSL *server_tls_accept(struct server_tls *t, int fd)
{
    pthread_mutex_lock(&t->lock);
    SSL *ssl = SSL_new(t->context);
    pthread_mutex_unlock(&t->lock);
    assert(ssl); // Only memory can be missing, and then the x-functions stop us as well.
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    return ssl;
}
