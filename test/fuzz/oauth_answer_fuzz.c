// SPDX-License-Identifier: MIT
// oauth_answer_fuzz.c: any bytes as the answer of a token server.
//
// What is taken for a token can stand in a header, and lives for a bounded time. The error that is
// repeated is a word of ours, whatever the server says.

#include "dispatch/oauth/oauth_priv.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_token(const struct oauth_answer *a)
{
    size_t bytes = strlen(a->token);
    assert(0 < bytes && bytes <= OAUTH_TOKEN_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++)
        assert('!' <= a->token[i] && a->token[i] <= '~');
    assert(1000 <= a->lives_ms && a->lives_ms <= OAUTH_LIFE_S_MAX * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct oauth_answer a = {0};
    struct fault f = {0};
    char *text = xmalloc(bytes + 1);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    enum err err = oauth__read_answer(text, &a, &f);
    assert((err == ERR_OK) == (a.token != NULL) && (err == ERR_OK) == (*f.text == '\0'));
    if (!err)
        check_token(&a);
    oauth__forget_text(a.token);
    const char *word = oauth__error_word(text);
    assert(!word || strspn(word, "abcdefghijklmnopqrstuvwxyz_") == strlen(word));
    free(text);
    return 0;
}
