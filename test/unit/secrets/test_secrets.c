// SPDX-License-Identifier: MIT
// test_secrets.c: sealing and opening, files of keys, and what happens to those that are altered.

#include "secrets/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_A "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "b:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\n"

// Writes the text into a file of its own and reads it as a ring.
static enum err read_ring(const char *text, mode_t mode, struct secret_ring **out, struct fault *f)
{
    char path[] = "/tmp/carillon-keys-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    enum err err = secret_ring_open(path, out, f);
    unlink(path);
    return err;
}

static struct secret_ring *ring_of(const char *text)
{
    struct secret_ring *r = NULL;
    struct fault f = {0};
    assert_int_equal(read_ring(text, 0600, &r, &f), ERR_OK);
    assert_non_null(r);
    return r;
}

static enum err open_text(const struct secret_ring *r, const char *sealed, const char *context,
                          char **out, struct fault *f)
{
    return secret_open(r, sealed, strlen(sealed), context, out, f);
}

// --- Sealing -------------------------------------------------------------------------------------

static void a_text_comes_back(void **state)
{
    (void)state;
    struct secret_ring *r = ring_of(KEY_A);
    static const char *const texts[] = {"", "x", "Bearer abc.def", "gr\xc3\xbc\xc3\x9f dich"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *sealed = secret_seal(r, texts[i], "job-header"), *opened = NULL;
        assert_true(secret_is_sealed(sealed));
        assert_int_equal(strlen(sealed), secret_sealed_chars(r, strlen(texts[i])));
        assert_int_equal(strncmp(sealed, "sealed:v1:a:", 12), 0);
        assert_int_equal(strcspn(sealed, " \t\r\n"), strlen(sealed));
        assert_int_equal(open_text(r, sealed, "job-header", &opened, NULL), ERR_OK);
        assert_string_equal(opened, texts[i]);
        secret_free(opened);
        free(sealed);
    }
    secret_ring_close(r);
}

static void the_longest_text_comes_back(void **state)
{
    (void)state;
    struct secret_ring *r = ring_of(KEY_A);
    char *text = malloc(SECRET_BYTES_MAX + 1), *opened = NULL;
    assert_non_null(text);
    memset(text, 'x', SECRET_BYTES_MAX);
    text[SECRET_BYTES_MAX] = '\0';
    char *sealed = secret_seal(r, text, "c");
    assert_int_equal(open_text(r, sealed, "c", &opened, NULL), ERR_OK);
    assert_string_equal(opened, text);
    secret_free(opened);
    free(sealed);
    free(text);
    secret_ring_close(r);
}

static void one_text_is_sealed_differently_each_time(void **state)
{
    (void)state;
    struct secret_ring *r = ring_of(KEY_A);
    char *first = secret_seal(r, "same", "c"), *second = secret_seal(r, "same", "c");
    assert_string_not_equal(first, second);
    free(first);
    free(second);
    secret_ring_close(r);
}

// Another context, or any other character in the base64, is noticed.
static void an_altered_text_does_not_open(void **state)
{
    (void)state;
    struct secret_ring *r = ring_of(KEY_A);
    struct fault f = {0};
    char *sealed = secret_seal(r, "Bearer abc", "job-header"), *opened = NULL;
    assert_int_equal(open_text(r, sealed, "signing", &opened, &f), ERR_UNUSABLE);
    for (char *at = sealed + 12; *at && *at != '='; at++) {
        char before = *at;
        *at = before == 'A' ? 'B' : 'A';
        assert_int_not_equal(open_text(r, sealed, "job-header", &opened, &f), ERR_OK);
        assert_null(strstr(f.text, "Bearer"));
        *at = before;
    }
    assert_null(opened);
    free(sealed);
    secret_ring_close(r);
}

static void malformed_texts_are_refused(void **state)
{
    (void)state;
    struct secret_ring *r = ring_of(KEY_A);
    static const char *const bad[] = {"",
                                      "sealed:",
                                      "sealed:v1:",
                                      "sealed:v1:a",
                                      "sealed:v1:a:",
                                      "sealed:v1::AAAA",
                                      "sealed:v1:a:AAAA",
                                      "sealed:v1:a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                      "sealed:v1:a:!!!!",
                                      "sealed:v2:a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
                                      "sealed:v1:a b:AAAA",
                                      "Bearer abc"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *opened = NULL;
        assert_int_equal(open_text(r, bad[i], "c", &opened, NULL), ERR_SYNTAX);
        assert_null(opened);
    }
    secret_ring_close(r);
}

// --- Keys ----------------------------------------------------------------------------------------

static void the_first_key_seals_and_all_open(void **state)
{
    (void)state;
    struct secret_ring *old = ring_of(KEY_A), *both = ring_of(KEY_B KEY_A), *new = ring_of(KEY_B);
    struct fault f = {0};
    char *by_a = secret_seal(old, "x", "c"), *by_b = secret_seal(both, "x", "c"), *opened = NULL;
    assert_int_equal(strncmp(by_b, "sealed:v1:b:", 12), 0);
    assert_true(secret_is_current(both, by_b, strlen(by_b)));
    assert_false(secret_is_current(both, by_a, strlen(by_a)));
    assert_int_equal(open_text(both, by_a, "c", &opened, &f), ERR_OK);
    secret_free(opened);
    assert_int_equal(open_text(new, by_a, "c", &opened, &f), ERR_NOT_FOUND);
    assert_non_null(strstr(f.text, "the key a "));
    assert_int_equal(open_text(NULL, by_a, "c", &opened, &f), ERR_NOT_FOUND);
    free(by_a);
    free(by_b);
    secret_ring_close(old);
    secret_ring_close(both);
    secret_ring_close(new);
}

// Somebody has put another key in the place of the one that sealed.
static void another_key_of_the_same_id_opens_nothing(void **state)
{
    (void)state;
    struct secret_ring *r = ring_of(KEY_A);
    struct secret_ring *other = ring_of("a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=");
    char *sealed = secret_seal(r, "x", "c"), *opened = NULL;
    assert_int_equal(open_text(other, sealed, "c", &opened, NULL), ERR_UNUSABLE);
    free(sealed);
    secret_ring_close(r);
    secret_ring_close(other);
}

static void a_new_key_makes_a_ring(void **state)
{
    (void)state;
    char first[SECRET_KEY_LINE_BYTES], second[SECRET_KEY_LINE_BYTES], text[300];
    secret_new_key(first);
    secret_new_key(second);
    assert_string_not_equal(first, second);
    snprintf(text, sizeof text, "# The keys\n\n  %s  \r\n%s", first, second);
    secret_ring_close(ring_of(text));
}

static void malformed_files_name_the_line_and_no_key(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "there is no key"},
        {"# none\n", "there is no key"},
        {KEY_A "hush\n", "line 2: a key is ID:BASE64"},
        {KEY_A ":hush\n", "line 2: a key is ID:BASE64"},
        {"a:hush\n", "line 1: behind the id"},
        {"a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAhush=\n", "line 1: behind the id"},
        {"a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAF=\n", "line 1: behind the id"},
        {KEY_A "\n" KEY_A, "line 3: a key of this id"},
        {"an-id-of-more-than-thirty-two-letters:AAAA\n", "line 1: a key is ID:BASE64"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct secret_ring *r = NULL;
        struct fault f = {0};
        assert_int_equal(read_ring(bad[i][0], 0600, &r, &f), ERR_SYNTAX);
        assert_non_null(strstr(f.text, bad[i][1]));
        assert_null(strstr(f.text, "hush"));
        assert_null(r);
    }
}

static void a_missing_file_is_an_error_and_no_name_is_no_ring(void **state)
{
    (void)state;
    struct secret_ring *r = NULL;
    struct fault f = {0};
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(secret_ring_open("/no/such/file", &r, &f), ERR_SYSTEM);
    assert_int_equal(secret_ring_open("", &r, &f), ERR_OK);
    assert_null(r);
    assert_false(secret_ring_is_exposed(r));
}

static void a_credential_of_systemd_is_found(void **state)
{
    (void)state;
    char folder[] = "/tmp/carillon-credentials-XXXXXX", path[80];
    struct secret_ring *r = NULL;
    assert_non_null(mkdtemp(folder));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_int_equal(secret_ring_open("", &r, NULL), ERR_OK);
    assert_null(r); // The folder has another credential, or none.
    snprintf(path, sizeof path, "%s/carillon-secrets-key", folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(KEY_A, out);
    fclose(out);
    assert_int_equal(secret_ring_open("", &r, NULL), ERR_OK);
    assert_non_null(r);
    secret_ring_close(r);
    unlink(path);
    rmdir(folder);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_file_that_everybody_can_read_is_noticed(void **state)
{
    (void)state;
    struct secret_ring *r = NULL;
    assert_int_equal(read_ring(KEY_A, 0644, &r, NULL), ERR_OK);
    assert_true(secret_ring_is_exposed(r));
    secret_ring_close(r);
    assert_int_equal(read_ring(KEY_A, 0640, &r, NULL), ERR_OK);
    assert_false(secret_ring_is_exposed(r));
    secret_ring_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_comes_back),
        cmocka_unit_test(the_longest_text_comes_back),
        cmocka_unit_test(one_text_is_sealed_differently_each_time),
        cmocka_unit_test(an_altered_text_does_not_open),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(the_first_key_seals_and_all_open),
        cmocka_unit_test(another_key_of_the_same_id_opens_nothing),
        cmocka_unit_test(a_new_key_makes_a_ring),
        cmocka_unit_test(malformed_files_name_the_line_and_no_key),
        cmocka_unit_test(a_missing_file_is_an_error_and_no_name_is_no_ring),
        cmocka_unit_test(a_credential_of_systemd_is_found),
        cmocka_unit_test(a_file_that_everybody_can_read_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
