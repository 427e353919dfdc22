// SPDX-License-Identifier: MIT
// certificates.c: the blocks of a PEM text. What stands between blocks is a comment.

#include "base/certificates.h"

#include <assert.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <string.h>

// The next block as it stands, whatever it is.
struct block {
    char *name;
    char *header;
    unsigned char *bytes;
    long count;
};

static void block_free(struct block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->bytes, (size_t)b->count);
}

static bool is_certificate(const char *name)
{
    return strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0;
}

static enum err add_block(const struct block *b, unsigned number, X509_STORE *to, struct fault *f)
{
    if (!is_certificate(b->name))
        return fault_set(f, ERR_SYNTAX, "part %u is a %.40s, not a CERTIFICATE", number, b->name);
    const unsigned char *at = b->bytes;
    X509 *x = d2i_X509(NULL, &at, b->count);
    if (!x || at != b->bytes + b->count) {
        X509_free(x);
        return fault_set(f, ERR_SYNTAX, "certificate %u cannot be read", number);
    }
    int good = !to || X509_STORE_add_cert(to, x);
    assert(good); // Only memory can be missing, and then the x-functions stop us as well.
    (void)good;
    X509_free(x);
    return ERR_OK;
}

// Why there is no further block: the end of the text, or one that is damaged.
static enum err end_of_text(unsigned count, struct fault *f)
{
    unsigned long code = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (!ended)
        return fault_set(f, ERR_SYNTAX, "certificate %u is no PEM", count + 1);
    if (count == 0)
        return fault_set(f, ERR_SYNTAX,
                         "there is no certificate in it; one begins with "
                         "-----BEGIN CERTIFICATE-----");
    return ERR_OK;
}

enum err certificates_add(const char *pem, X509_STORE *to, struct fault *f)
{
    size_t bytes = strlen(pem);
    if (bytes > INT_MAX)
        return fault_set(f, ERR_LIMIT, "the certificates have %zu bytes", bytes);
    BIO *text = BIO_new_mem_buf(pem, (int)bytes);
    assert(text);
    enum err err = ERR_OK;
    unsigned count = 0;
    struct block b = {0};
    ERR_clear_error();
    while (!err && PEM_read_bio(text, &b.name, &b.header, &b.bytes, &b.count)) {
        err = add_block(&b, ++count, to, f);
        block_free(&b);
        b = (struct block){0};
    }
    if (!err)
        err = end_of_text(count, f);
    ERR_clear_error();
    BIO_free(text);
    return err;
}
