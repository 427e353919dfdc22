// SPDX-License-Identifier: MIT
// test_signing.c: signatures of the specification's own examples, and the lines of a job's keys.

#include "secrets/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SYMMETRIC "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ASYMMETRIC "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="

static struct secret_ring *a_ring(void)
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

// The examples that the specification's libraries are tested with.
static void published_vectors_hold(void **state)
{
    (void)state;
    static const char content[] = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
    static const char *const vectors[][2] = {
        {SYMMETRIC, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {ASYMMETRIC, "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBR"
                     "dM5WqyeFiL8Ag=="},
    };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char signature[SIGNING_SIGNATURE_CHARS];
        assert_int_equal(signing_check(vectors[i][0], NULL), ERR_OK);
        signing_sign(vectors[i][0], content, strlen(content), signature);
        assert_string_equal(signature, vectors[i][1]);
    }
}

// RFC 8032, 7.1, test 1, as a seed and with the public key behind it.
static void a_seed_may_have_its_public_key_behind_it(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/"
        "tPJZAc6DuFy89qmIyWvAhpo9wdRGg"
        "==",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char signature[SIGNING_SIGNATURE_CHARS];
        assert_int_equal(signing_check(keys[i], NULL), ERR_OK);
        signing_sign(keys[i], "", 0, signature);
        assert_string_equal(signature,
                            "v1a,5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYe"
                            "OXAc+bRr0lv18FlbviRlUUFDjnoQCw==");
    }
}

// A public key that is not that of the seed.
#define FOREIGN_PUBLIC                                                                             \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/"                               \
    "tPJZAc6DuFy89qmIyWvAhpo9wdRGA=="
// 66 bytes.
#define TOO_LONG                                                                                   \
    "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"                                               \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void what_is_no_key_is_refused_and_not_repeated(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "hush",
        "whsec_",
        "whsec_aHVzaA==",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whpk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        FOREIGN_PUBLIC,
        TOO_LONG,
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fault f = {0};
        assert_int_equal(signing_check(bad[i], &f), ERR_SYNTAX);
        assert_null(strstr(f.text, "hush"));
    }
}

static void a_new_key_is_sound_and_no_other(void **state)
{
    (void)state;
    for (enum signing_kind kind = 0; kind < SIGNING_KINDS; kind++) {
        char *first = signing_new(kind), *second = signing_new(kind);
        assert_int_equal(signing_check(first, NULL), ERR_OK);
        assert_string_not_equal(first, second);
        secret_free(first);
        secret_free(second);
    }
}

static void a_line_hides_the_key_and_gives_it_back(void **state)
{
    (void)state;
    struct secret_ring *r = a_ring();
    static const char *const keys[] = {SYMMETRIC, ASYMMETRIC};
    for (enum signing_kind kind = 0; kind < SIGNING_KINDS; kind++) {
        char *line = signing_line(r, keys[kind]), *again = signing_line(r, keys[kind]);
        const char *at = line, *at_again = again;
        struct signing_key k, same;
        char *secret = NULL;
        assert_null(strstr(line, strchr(keys[kind], '_') + 1));
        assert_int_equal(signing_read(&at, &k, NULL), ERR_OK);
        assert_string_equal(at, "");
        assert_int_equal(k.kind, kind);
        assert_int_equal(signing_open(r, &k, &secret, NULL), ERR_OK);
        assert_string_equal(secret, keys[kind]);
        assert_int_equal(signing_read(&at_again, &same, NULL), ERR_OK);
        assert_string_equal(k.id, same.id);
        assert_int_equal(strncmp(k.public_key, "whpk_", 5) == 0, kind == SIGNING_ED25519);
        assert_true(strlen(line) * SIGNING_KEYS_MAX < SIGNING_LINES_BYTES_MAX);
        secret_free(secret);
        free(line);
        free(again);
    }
    secret_ring_close(r);
}

static void malformed_lines_are_refused(void **state)
{
    (void)state;
    struct secret_ring *r = a_ring();
    static const char *const bad[] = {"",
                                      "v1",
                                      "v1 a - ",
                                      "v2 abcd1234 - sealed:v1:a:b\n",
                                      "v1 abcd12345 - sealed:v1:a:b\n",
                                      "v1 abcd1234 - sealed:v1",
                                      "v1\nabcd1234 - sealed:v1:a:b\n",
                                      "  - x\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *at = bad[i];
        struct signing_key k;
        assert_int_equal(signing_read(&at, &k, NULL), ERR_SYNTAX);
        assert_ptr_equal(at, bad[i]);
    }
    const char *at = "v1 abcd1234 - sealed:v1:gone:AAAA\n";
    struct signing_key k;
    struct fault f = {0};
    char *secret = NULL;
    assert_int_equal(signing_read(&at, &k, NULL), ERR_OK);
    assert_int_equal(signing_open(r, &k, &secret, &f), ERR_NOT_FOUND);
    assert_string_equal(f.text, "the signing key abcd1234 cannot be opened: the key gone that it "
                                "was sealed with is missing here");
    secret_ring_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold),
        cmocka_unit_test(a_seed_may_have_its_public_key_behind_it),
        cmocka_unit_test(what_is_no_key_is_refused_and_not_repeated),
        cmocka_unit_test(a_new_key_is_sound_and_no_other),
        cmocka_unit_test(a_line_hides_the_key_and_gives_it_back),
        cmocka_unit_test(malformed_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
