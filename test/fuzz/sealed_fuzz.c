// SPDX-License-Identifier: MIT
// sealed_fuzz.c: any bytes as a sealed text, and as the lines of a job's signing keys.
//
// Nobody has the keys but the server, so what is not the text that it has sealed does not open;
// what it does not open says why. A line that is read is read again from what it says, and its end
// lies within the text.

#include "secrets/signing.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define TEXT_BYTES_MAX 16384

static struct secret_ring *ring;

// The file of keys; the first one has a known id, so that a text can name it.
static void have_ring(void)
{
    if (ring)
        return;
    char path[] = "/tmp/carillon-fuzz-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    assert(fd >= 0 && file);
    fputs("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", file);
    fclose(file);
    struct fault f = {0};
    enum err err = secret_ring_open(path, &ring, &f);
    assert(!err && ring);
    unlink(path);
}

static void check_opening(const char *text, size_t chars)
{
    char *out = NULL;
    struct fault f = {0};
    enum err err = secret_open(ring, text, chars, SECRET_JOB_HEADER, &out, &f);
    assert(err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_UNUSABLE || err == ERR_SYNTAX);
    assert((err == ERR_OK) == (out != NULL));
    assert((err == ERR_OK) == (f.text[0] == '\0'));
    assert(err || secret_is_sealed(text));
    secret_free(out);
}

static void check_lines(const char *text)
{
    const char *at = text, *end = text + strlen(text);
    struct signing_key key;
    struct fault f = {0};
    while (*at) {
        const char *before = at;
        if (signing_read(&at, &key, &f)) {
            assert(at == before && f.text[0]);
            return;
        }
        assert(at > before && at <= end && at[-1] == '\n');
        assert(key.kind < SIGNING_KINDS && strlen(key.id) <= SIGNING_ID_CHARS);
        assert(key.sealed >= before && key.sealed + key.sealed_chars < at);
        char *secret = NULL;
        if (!signing_open(ring, &key, &secret, &f))
            secret_free(secret);
    }
}

// What is sealed opens, and not when one character of it is another.
static void check_altered(const char *text, size_t chars)
{
    char *sealed = secret_seal(ring, text, SECRET_JOB_HEADER);
    size_t length = strlen(sealed);
    char *out = NULL;
    struct fault f = {0};
    enum err err = secret_open(ring, sealed, length, SECRET_JOB_HEADER, &out, &f);
    assert(!err && strcmp(out, text) == 0);
    secret_free(out);
    size_t place = chars ? ((unsigned char)text[0] * 131u + chars) % length : 0;
    sealed[place] = sealed[place] == 'A' ? 'B' : 'A';
    out = NULL;
    err = secret_open(ring, sealed, length, SECRET_JOB_HEADER, &out, &f);
    assert(err && !out);
    free(sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > TEXT_BYTES_MAX || memchr(data, '\0', bytes))
        return 0;
    have_ring();
    char *text = malloc(bytes + 1);
    assert(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    check_opening(text, bytes);
    check_lines(text);
    check_altered(text, bytes);
    free(text);
    return 0;
}
