// SPDX-License-Identifier: MIT
// signing.c: the two kinds of keys, and their signatures.

#include "secrets/signing.h"

#include "base/base64.h"
#include "base/memory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define CONTEXT "job-signing"
#define SEED_BYTES 32
#define ED25519_BYTES 64 // A signature; a seed with its public key.
#define HMAC_BYTES_MIN 24
#define HMAC_BYTES_MAX 64
#define HMAC_BYTES_NEW 32
#define NO_PUBLIC_KEY "-"

static const struct {
    const char *name;
    const char *prefix; // Prefix of the key,
    const char *mark;   // and of a signature.
} kinds[SIGNING_KINDS] = {
    [SIGNING_HMAC] = {"hmac-sha256", "whsec_", "v1"},
    [SIGNING_ED25519] = {"ed25519", "whsk_", "v1a"},
};

const char *signing_kind_name(enum signing_kind kind)
{
    return kinds[kind].name;
}

// --- The bytes of a key --------------------------------------------------------------------------

struct key_bytes {
    enum signing_kind kind;
    size_t count;
    unsigned char bytes[BASE64_BYTES(BASE64_CHARS(HMAC_BYTES_MAX))];
};

static void make_public(const unsigned char seed[static SEED_BYTES],
                        unsigned char out[static SEED_BYTES])
{
    size_t count = SEED_BYTES;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_BYTES);
    bool good = key && EVP_PKEY_get_raw_public_key(key, out, &count) && count == SEED_BYTES;
    assert(good); // Any 32 bytes are a seed.
    (void)good;
    EVP_PKEY_free(key);
}

static bool is_sound(const struct key_bytes *k)
{
    unsigned char public_key[SEED_BYTES];
    if (k->kind == SIGNING_HMAC)
        return HMAC_BYTES_MIN <= k->count && k->count <= HMAC_BYTES_MAX;
    if (k->count != ED25519_BYTES)
        return k->count == SEED_BYTES;
    make_public(k->bytes, public_key);
    return memcmp(public_key, k->bytes + SEED_BYTES, SEED_BYTES) == 0;
}

static bool read_key(const char *secret, struct key_bytes *out)
{
    for (out->kind = 0; out->kind < SIGNING_KINDS; out->kind++) {
        size_t before = strlen(kinds[out->kind].prefix);
        const char *text = secret + before;
        if (strncmp(secret, kinds[out->kind].prefix, before) == 0)
            return strlen(text) <= BASE64_CHARS(HMAC_BYTES_MAX) &&
                   base64_read(text, strlen(text), out->bytes, &out->count) && is_sound(out);
    }
    return false;
}

enum err signing_check(const char *secret, struct fault *f)
{
    struct key_bytes k;
    bool good = read_key(secret, &k);
    OPENSSL_cleanse(&k, sizeof k);
    return good ? ERR_OK
                : fault_set(f, ERR_SYNTAX,
                            "a signing key is whsec_ and 24 to 64 bytes in base64, or whsk_ and "
                            "the 32 bytes of an ed25519 key");
}

char *signing_new(enum signing_kind kind)
{
    unsigned char bytes[HMAC_BYTES_NEW];
    _Static_assert(HMAC_BYTES_NEW == SEED_BYTES, "one buffer serves both");
    int good = RAND_bytes(bytes, sizeof bytes);
    assert(good == 1); // The kernel's randomness cannot fail once the system is up.
    (void)good;
    size_t before = strlen(kinds[kind].prefix);
    char *out = xmalloc(before + BASE64_CHARS(sizeof bytes) + 1);
    memcpy(out, kinds[kind].prefix, before);
    base64_write(bytes, sizeof bytes, out + before);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return out;
}

// --- Lines ---------------------------------------------------------------------------------------
//
// "v1 5f0c81d2 - sealed:v1:..." and "v1a 1b2c3d4e whpk_... sealed:v1:..."

// The beginning of a hash. A key has far more than these 32 bits, so it gives nothing away.
static void name_key(const struct key_bytes *k, char out[static SIGNING_ID_CHARS + 1])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t count = k->kind == SIGNING_ED25519 ? SEED_BYTES : k->count;
    int good = EVP_Digest(k->bytes, count, hash, NULL, EVP_sha256(), NULL);
    assert(good);
    (void)good;
    snprintf(out, SIGNING_ID_CHARS + 1, "%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3]);
}

static void show_public(const struct key_bytes *k, char out[static SIGNING_PUBLIC_CHARS + 1])
{
    unsigned char public_key[SEED_BYTES];
    strcpy(out, NO_PUBLIC_KEY);
    if (k->kind == SIGNING_HMAC)
        return;
    make_public(k->bytes, public_key);
    strcpy(out, "whpk_");
    base64_write(public_key, sizeof public_key, out + strlen(out));
}

char *signing_line(const struct secret_ring *r, const char *secret)
{
    struct key_bytes k;
    char id[SIGNING_ID_CHARS + 1], public_key[SIGNING_PUBLIC_CHARS + 1];
    bool good = read_key(secret, &k);
    assert(good);
    (void)good;
    name_key(&k, id);
    show_public(&k, public_key);
    char *sealed = secret_seal(r, secret, CONTEXT);
    size_t room = sizeof "v1a \n" + SIGNING_ID_CHARS + 1 + SIGNING_PUBLIC_CHARS + 1;
    char *out = xmalloc(room + strlen(sealed));
    snprintf(out, room + strlen(sealed), "%s %s %s %s\n", kinds[k.kind].mark, id, public_key,
             sealed);
    free(sealed);
    OPENSSL_cleanse(&k, sizeof k);
    return out;
}

// The next word of a line, which ends at `stop`. False: it is longer than there is room.
static bool take_word(const char **at, char stop, char *out, size_t room)
{
    size_t n = strcspn(*at, " \n");
    if (n == 0 || n >= room || (*at)[n] != stop)
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at += n + 1;
    return true;
}

static bool read_mark(const char *mark, enum signing_kind *out)
{
    for (*out = 0; *out < SIGNING_KINDS; (*out)++)
        if (strcmp(mark, kinds[*out].mark) == 0)
            return true;
    return false;
}

enum err signing_read(const char **at, struct signing_key *out, struct fault *f)
{
    const char *p = *at;
    struct signing_key k = {0};
    char mark[8];
    bool good = take_word(&p, ' ', mark, sizeof mark) && read_mark(mark, &k.kind) &&
                take_word(&p, ' ', k.id, sizeof k.id) &&
                take_word(&p, ' ', k.public_key, sizeof k.public_key);
    k.sealed = p;
    k.sealed_chars = good ? strcspn(p, "\n") : 0;
    if (!good || p[k.sealed_chars] != '\n')
        return fault_set(f, ERR_SYNTAX, "a signing key of the job is malformed");
    if (strcmp(k.public_key, NO_PUBLIC_KEY) == 0)
        k.public_key[0] = '\0';
    *at = p + k.sealed_chars + 1;
    *out = k;
    return ERR_OK;
}

enum err signing_open(const struct secret_ring *r, const struct signing_key *k, char **secret,
                      struct fault *f)
{
    struct fault why = {0};
    char *text = NULL;
    enum err err = secret_open(r, k->sealed, k->sealed_chars, CONTEXT, &text, &why);
    if (!err && signing_check(text, &why))
        err = ERR_UNUSABLE;
    if (!err) {
        *secret = text;
        return ERR_OK;
    }
    secret_free(text);
    return fault_set(f, err, "the signing key %s cannot be opened: %s", k->id, why.text);
}

// --- Signatures ----------------------------------------------------------------------------------

static size_t sign_hmac(const struct key_bytes *k, const void *bytes, size_t count,
                        unsigned char out[static ED25519_BYTES])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_bytes = 0;
    const void *done = HMAC(EVP_sha256(), k->bytes, (int)k->count, bytes, count, hash, &hash_bytes);
    assert(done && hash_bytes <= ED25519_BYTES);
    (void)done;
    memcpy(out, hash, hash_bytes);
    return hash_bytes;
}

static size_t sign_ed25519(const struct key_bytes *k, const void *bytes, size_t count,
                           unsigned char out[static ED25519_BYTES])
{
    size_t written = ED25519_BYTES;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->bytes, SEED_BYTES);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool good = key && c && EVP_DigestSignInit(c, NULL, NULL, NULL, key) &&
                EVP_DigestSign(c, out, &written, bytes, count);
    assert(good); // Only memory can be missing, and then the x-functions stop us as well.
    (void)good;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    return written;
}

void signing_sign(const char *secret, const void *bytes, size_t count,
                  char out[static SIGNING_SIGNATURE_CHARS])
{
    struct key_bytes k;
    unsigned char signature[ED25519_BYTES];
    bool good = read_key(secret, &k);
    assert(good);
    (void)good;
    size_t written = k.kind == SIGNING_HMAC ? sign_hmac(&k, bytes, count, signature)
                                            : sign_ed25519(&k, bytes, count, signature);
    int n = snprintf(out, SIGNING_SIGNATURE_CHARS, "%s,", kinds[k.kind].mark);
    base64_write(signature, written, out + n);
    OPENSSL_cleanse(&k, sizeof k);
}
