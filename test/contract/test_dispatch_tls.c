// SPDX-License-Identifier: MIT
// test_dispatch_tls.c: targets are verified, and a handshake that fails sends nothing.

#include "certificate.h"
#include "dispatch_harness.h"
#include "secrets/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct script scripts[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static struct certificate valid;
static struct certificate expired;
static struct certificate foreign; // A certificate of another host.

static int setup_trusted(void **state)
{
    return harness_setup(state, scripts, valid.certificate_file, valid.key_file,
                         valid.certificate_file);
}

static int setup_untrusted(void **state)
{
    return harness_setup(state, scripts, valid.certificate_file, valid.key_file, NULL);
}

static int setup_expired(void **state)
{
    return harness_setup(state, scripts, expired.certificate_file, expired.key_file,
                         expired.certificate_file);
}

static int setup_expired_untrusted(void **state)
{
    return harness_setup(state, scripts, expired.certificate_file, expired.key_file, NULL);
}

static int setup_foreign(void **state)
{
    return harness_setup(state, scripts, foreign.certificate_file, foreign.key_file,
                         foreign.certificate_file);
}

static int setup_plain(void **state)
{
    return harness_setup(state, scripts, NULL, NULL, NULL);
}

// Who a job is to its target.
struct client {
    const char *certificate;
    char *key; // Sealed.
};

// How a job wants the target to prove itself.
struct proof {
    bool none;
    const char *tls_ca;
    const struct client *as; // How the job does; NULL: it does not.
    bool fresh;
    dur_ms timeout_ms; // 0: 60 s.
};

static const struct seen *post_with(struct harness *h, struct proof proof)
{
    char url[64];
    struct send s = harness_attempt(h, "/ok");
    snprintf(url, sizeof url, "https://127.0.0.1:%u/ok", scripted_target_port(h->target));
    s.request.api = url;
    s.request.tls_verify = !proof.none;
    s.request.tls_ca = proof.tls_ca;
    s.request.tls_client_cert = proof.as ? proof.as->certificate : NULL;
    s.request.tls_client_key = proof.as ? proof.as->key : NULL;
    s.request.fresh_connection = proof.fresh;
    if (proof.timeout_ms)
        s.request.timeout_ms = proof.timeout_ms;
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static const struct seen *post_securely(struct harness *h, dur_ms timeout_ms)
{
    return post_with(h, (struct proof){.timeout_ms = timeout_ms});
}

static void a_trusted_target_is_sent_to_and_its_connection_kept(void **state)
{
    struct harness *h = *state;
    struct attempt fresh = post_securely(h, 60000)->attempt;
    assert_int_equal(fresh.http_status, 200);
    assert_true(fresh.tls_ms >= 0);
    struct attempt again = post_securely(h, 60000)->attempt;
    assert_int_equal(again.http_status, 200);
    assert_int_equal(again.tls_ms, -1);
    assert_int_equal(scripted_target_connections(h->target), 1);
    assert_int_equal(scripted_target_requests(h->target), 2);
}

static void assert_not_sent(struct harness *h, const char *error)
{
    const struct seen *s = post_securely(h, 60000);
    assert_string_equal(s->error, error);
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_int_equal(s->attempt.http_status, 0);
    assert_int_equal(scripted_target_requests(h->target), 0);
}

static void an_untrusted_target_is_not_sent_to(void **state)
{
    assert_not_sent(*state, "TLS handshake with 127.0.0.1 failed: self-signed certificate");
}

static void an_expired_certificate_is_not_sent_to(void **state)
{
    assert_not_sent(*state, "TLS handshake with 127.0.0.1 failed: certificate has expired");
}

static void a_certificate_of_another_host_is_not_sent_to(void **state)
{
    assert_not_sent(*state,
                    "TLS handshake with 127.0.0.1 failed: its certificate is for another host");
}

static void a_target_without_tls_is_not_sent_to(void **state)
{
    struct harness *h = *state;
    const struct seen *s =
        post_securely(h, 500); // The target waits for the end of what is no request.
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_string_equal(s->error, "timed out after 500 ms in the TLS handshake with 127.0.0.1");
}

// --- What a job says of it -----------------------------------------------------------------------

static const char self_signed[] = "TLS handshake with 127.0.0.1 failed: self-signed certificate";

static void assert_sent(struct harness *h, struct proof proof)
{
    const struct seen *s = post_with(h, proof);
    if (s->kind != OUTCOME_ANSWERED)
        fail_msg("%s", s->error);
    assert_int_equal(s->attempt.http_status, 200);
}

static void assert_refused(struct harness *h, struct proof proof, const char *error)
{
    size_t requests = scripted_target_requests(h->target);
    const struct seen *s = post_with(h, proof);
    assert_string_equal(s->error, error);
    assert_int_equal(s->kind, OUTCOME_NOT_SENT);
    assert_int_equal(scripted_target_requests(h->target), requests);
}

static void a_job_that_wants_no_proof_gets_any_target(void **state)
{
    assert_sent(*state, (struct proof){.none = true});
    assert_sent(*state, (struct proof){.none = true, .tls_ca = NULL});
}

// Neither the connection nor the session of one who asked for no proof is used by one who does, and
// the other way round nothing is lost.
static void an_unverified_connection_is_nobody_elses(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 3; i++) {
        assert_sent(h, (struct proof){.none = true});
        assert_refused(h, (struct proof){0}, self_signed);
        assert_sent(h, (struct proof){.tls_ca = valid.pem});
        assert_refused(h, (struct proof){.tls_ca = foreign.pem}, self_signed);
    }
    // Each job that is served has kept a connection, and each that was refused came by a new one.
    assert_int_equal(scripted_target_connections(h->target), 2 + 3 * 2);
    assert_false(scripted_target_handshake(h->target)->resumed);
}

static void a_job_brings_the_certificate_it_trusts(void **state)
{
    struct harness *h = *state;
    char both[2 * sizeof valid.pem + 64];
    snprintf(both, sizeof both, "The first is of another host.\n%s\n%s", foreign.pem, valid.pem);
    assert_sent(h, (struct proof){.tls_ca = valid.pem});
    assert_sent(h, (struct proof){.tls_ca = both});
    assert_refused(h, (struct proof){.tls_ca = foreign.pem}, self_signed);
}

static void a_certificate_that_a_job_trusts_must_be_valid(void **state)
{
    assert_refused(*state, (struct proof){.tls_ca = expired.pem},
                   "TLS handshake with 127.0.0.1 failed: certificate has expired");
}

static void a_certificate_that_a_job_trusts_must_be_for_the_host(void **state)
{
    assert_refused(*state, (struct proof){.tls_ca = foreign.pem},
                   "TLS handshake with 127.0.0.1 failed: its certificate is for another host");
}

// The certificates were judged when the job came; somebody has edited the database since.
static void certificates_that_cannot_be_read_are_named(void **state)
{
    assert_refused(*state, (struct proof){.tls_ca = "-----BEGIN CERTIFICATE-----\n"},
                   "tls_ca of the job holds no certificates");
}

static void the_servers_own_are_trusted_beside_the_jobs(void **state)
{
    assert_sent(*state, (struct proof){.tls_ca = foreign.pem});
    assert_sent(*state, (struct proof){0});
}

// --- Who a job is --------------------------------------------------------------------------------

static struct secret_ring *ring;

static struct secret_ring *new_ring(void)
{
    char path[] = "/tmp/carillon-keys-XXXXXX", line[SECRET_KEY_LINE_BYTES];
    struct secret_ring *r = NULL;
    int fd = mkstemp(path);
    secret_new_key(line);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    close(fd);
    assert_int_equal(secret_ring_open(path, &r, NULL), ERR_OK);
    unlink(path);
    return r;
}

static struct client client_of(const struct certificate *c)
{
    char key[2048] = "";
    FILE *file = fopen(c->key_file, "r");
    assert_non_null(file);
    assert_true(fread(key, 1, sizeof key - 1, file) > 0);
    fclose(file);
    return (struct client){c->pem, secret_seal(ring, key, SECRET_TLS_KEY)};
}

static int setup_clients(void **state)
{
    int rc = setup_trusted(state);
    struct harness *h = *state;
    ring = new_ring();
    harness_reopen(h, &(struct dispatch_options){.version = "1.2.3",
                                                 .secrets = ring,
                                                 .ca_file = valid.certificate_file,
                                                 .name_servers = scripted_names_server(h->names)});
    return rc;
}

static int teardown_clients(void **state)
{
    int rc = harness_teardown(state);
    secret_ring_close(ring);
    ring = NULL;
    return rc;
}

// What was opened as one client would let another pass for it.
static void a_connection_is_that_of_one_client(void **state)
{
    struct harness *h = *state;
    struct client one = client_of(&valid), two = client_of(&foreign);
    for (int i = 0; i < 3; i++) {
        assert_sent(h, (struct proof){.as = &one});
        assert_sent(h, (struct proof){.as = &two});
        assert_sent(h, (struct proof){0});
    }
    assert_int_equal(scripted_target_connections(h->target), 3);
    free(one.key);
    free(two.key);
}

static void a_session_is_that_of_one_client(void **state)
{
    struct harness *h = *state;
    struct client one = client_of(&valid), two = client_of(&foreign);
    const struct client *const all[] = {&one, &two, NULL};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_sent(h, (struct proof){.as = all[i], .fresh = true});
        assert_false(scripted_target_handshake(h->target)->resumed);
        assert_sent(h, (struct proof){.as = all[i], .fresh = true});
        assert_true(scripted_target_handshake(h->target)->resumed);
    }
    free(one.key);
    free(two.key);
}

static void what_is_no_pair_is_not_sent(void **state)
{
    struct harness *h = *state;
    struct client one = client_of(&valid);
    struct client without_key = {valid.pem, NULL}, without_certificate = {NULL, one.key};
    struct client other = {foreign.pem, one.key}, damaged = {valid.pem, (char *)"sealed:v1:a:b"};
    const char *half = "the job has only one of tls_client_cert and tls_client_key";
    assert_refused(h, (struct proof){.as = &without_key}, half);
    assert_refused(h, (struct proof){.as = &without_certificate}, half);
    assert_refused(h, (struct proof){.as = &other},
                   "tls_client_cert cannot be used: the private key is not that of the first "
                   "certificate");
    assert_refused(h, (struct proof){.as = &damaged},
                   "tls_client_key cannot be opened: the key a that it was sealed with is missing "
                   "here");
    free(one.key);
}

int main(void)
{
    certificate_make(&valid, "DNS:localhost,IP:127.0.0.1", false);
    certificate_make(&expired, "DNS:localhost,IP:127.0.0.1", true);
    certificate_make(&foreign, "DNS:other.example", false);

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
#define AS_CLIENTS(name) cmocka_unit_test_setup_teardown(name, setup_clients, teardown_clients)
    const struct CMUnitTest tests[] = {
        TEST(a_trusted_target_is_sent_to_and_its_connection_kept, setup_trusted),
        TEST(an_untrusted_target_is_not_sent_to, setup_untrusted),
        TEST(an_expired_certificate_is_not_sent_to, setup_expired),
        TEST(a_certificate_of_another_host_is_not_sent_to, setup_foreign),
        TEST(a_target_without_tls_is_not_sent_to, setup_plain),
        TEST(a_job_that_wants_no_proof_gets_any_target, setup_untrusted),
        TEST(a_job_that_wants_no_proof_gets_any_target, setup_expired_untrusted),
        TEST(a_job_that_wants_no_proof_gets_any_target, setup_foreign),
        TEST(an_unverified_connection_is_nobody_elses, setup_untrusted),
        TEST(a_job_brings_the_certificate_it_trusts, setup_untrusted),
        TEST(a_certificate_that_a_job_trusts_must_be_valid, setup_expired_untrusted),
        TEST(a_certificate_that_a_job_trusts_must_be_for_the_host, setup_foreign),
        TEST(certificates_that_cannot_be_read_are_named, setup_untrusted),
        TEST(the_servers_own_are_trusted_beside_the_jobs, setup_trusted),
        AS_CLIENTS(a_connection_is_that_of_one_client),
        AS_CLIENTS(a_session_is_that_of_one_client),
        AS_CLIENTS(what_is_no_pair_is_not_sent),
    };
    int failed = harness_run("dispatch TLS", tests, COUNT_OF(tests));
    certificate_remove(&valid);
    certificate_remove(&expired);
    certificate_remove(&foreign);
    return failed;
}
