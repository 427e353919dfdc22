// SPDX-License-Identifier: MIT
// memory.c: the libraries get their memory as we do: from functions that stop the program when
// there is none (base/memory.h says why).
//
// Libraries report missing memory, and nobody can look at every report. Nobody looks at each value
// that jansson makes: a missing one would be a member less in an answer, or a sound body called
// malformed. OpenSSL forgets: when one of some allocations fails while a certificate is verified,
// the authority that is kept for later is marked as unusable, and every further handshake with
// targets that it vouches for fails with "self-signed certificate" until the program is started
// anew.

#include "base/memory.h"
#include "app/app_priv.h"

#include <assert.h>
#include <jansson.h>
#include <openssl/crypto.h>

static void *take(size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    return xmalloc(bytes);
}

static void *take_more(void *old, size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    return xrealloc(old, bytes);
}

static void give_back(void *old, const char *file, int line)
{
    (void)file, (void)line;
    free(old);
}

void app__give_memory(void)
{
    json_set_alloc_funcs(xmalloc, free);
    int given = CRYPTO_set_mem_functions(take, take_more, give_back);
    assert(given && "OpenSSL has allocated already");
    (void)given;
}
