// SPDX-License-Identifier: MIT
// test_certificates.c: a text of certificates holds certificates and nothing else.

#include "base/certificates.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#define CERTIFICATE                                                                                \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIBbzCCARWgAwIBAgIUI6l3poQgqwN7zN+1MGjp9xW7LwswCgYIKoZIzj0EAwIw\n"                           \
    "DDEKMAgGA1UEAwwBdDAgFw0yNjExMjgxNDI4MDFaGA8yMTI2MTEwNDE0MjgwMVow\n"                           \
    "DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNFsOszhrlgJ\n"                           \
    "rEK97+0SdFmKg9ZlIFxpgpikBc4nCJIYJ91CZU8y35KSHvyyfO3890gj5LUT1mD+\n"                           \
    "7+vsAvTslCijUzBRMB0GA1UdDgQWBBQx5bIEoajtuUfcpit/A/AtTsi6jzAfBgNV\n"                           \
    "HSMEGDAWgBQx5bIEoajtuUfcpit/A/AtTsi6jzAPBgNVHRMBAf8EBTADAQH/MAoG\n"                           \
    "CCqGSM49BAMCA0gAMEUCIG4zFXY/lAvqcNHUfS24avNAuFDLnve3F6qvjXhNrBZy\n"                           \
    "AiEAtx92L6yXrjgZ/x1yPWsl+ClDg880DRsUQnUsyhjuR/U=\n"                                           \
    "-----END CERTIFICATE-----\n"

#define KEY                                                                                        \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MEECAQAw\n"                                                                                   \
    "-----END PRIVATE KEY-----\n"

static const struct {
    const char *text;
    int count; // -1: refused.
    const char *reason;
} cases[] = {
    {CERTIFICATE, 1, ""},
    {"a comment\n" CERTIFICATE "another\n" CERTIFICATE "\n\n", 1, ""}, // The same one twice.
    {"", -1, "there is no certificate"},
    {"hello", -1, "there is no certificate"},
    {"-----BEGIN CERTIFICATE-----\n", -1, "certificate 1 is no PEM"},
    {CERTIFICATE "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", -1,
     "certificate 2 is no PEM"},
    {"-----BEGIN CERTIFICATE-----\nMEECAQAw\n-----END CERTIFICATE-----\n", -1,
     "certificate 1 cannot be read"},
    {CERTIFICATE KEY, -1, "part 2 is a PRIVATE KEY, not a CERTIFICATE"},
};

static void only_certificates_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault f = {0};
        X509_STORE *store = X509_STORE_new();
        enum err err = certificates_add(cases[i].text, store, &f);
        assert_int_equal(err, cases[i].count < 0 ? ERR_SYNTAX : ERR_OK);
        if (!strstr(f.text, cases[i].reason))
            fail_msg("\"%s\" does not say \"%s\"", f.text, cases[i].reason);
        if (cases[i].count >= 0)
            assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), cases[i].count);
        assert_int_equal(certificates_add(cases[i].text, NULL, NULL), err);
        assert_int_equal(ERR_peek_error(), 0); // Nobody else finds what went wrong here.
        X509_STORE_free(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_certificates_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
