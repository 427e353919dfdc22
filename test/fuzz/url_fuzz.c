// SPDX-License-Identifier: MIT
// url_fuzz.c: any bytes as the URL of a target, as a reference at a URL, as Host and as Origin.
//
// What is accepted is read the same by our own rules and by libcurl's, and stays as it is when it
// is accepted again. A reference leads to a text that is judged like any other.

#include "api/web_priv.h"
#include "base/reference.h"
#include "base/url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_host(const struct url *u)
{
    assert(*u->host && strlen(u->host) <= URL_HOST_BYTES_MAX && u->port > 0);
    for (const char *c = u->host; *c; c++)
        assert(*c > ' ' && *c < 0x7f && !strchr("/?#@\\%", *c) && !('A' <= *c && *c <= 'Z'));
}

static void check_url(const char *text)
{
    struct fault f = {0};
    struct url u, read;
    char *out = NULL, *again = NULL;
    enum err err = url_accept_parsed(text, &out, &u, &f);
    assert((err == ERR_OK) == (f.text[0] == '\0'));
    if (err)
        return;
    check_host(&u);
    err = url_read(out, &read, &f);
    assert(!err && read.https == u.https && read.port == u.port && strcmp(read.host, u.host) == 0 &&
           read.target_at == u.target_at && read.is_address == u.is_address);
    err = url_check(out, &f);
    assert(!err);
    err = url_accept(out, &again, &f);
    assert(!err && strcmp(out, again) == 0);
    for (const char *c = out; *c; c++)
        assert(*c > ' ' && *c < 0x7f);
    free(again);
    free(out);
}

static void check_reference(const char *base, const char *reference)
{
    struct fault f = {0};
    if (url_check(base, &f))
        return;
    char *url = reference_resolve(base, reference);
    assert(url && !strchr(url, '#'));
    check_url(url);
    free(url);
}

static void check_names(const char *listen, const char *text)
{
    static struct web_names names;
    struct fault f = {0};
    if (!web_names_parse(listen, "cron.example.org, carillon:3000", &names, &f)) {
        bool has = web_names_have(&names, text);
        // An origin of no site is nobody's, whatever Host says.
        assert(!web_origin_is_own(&names, "null", text));
        (void)web_origin_is_own(&names, text, "cron.example.org");
        struct web_authority a;
        assert(!has || web_authority_read(text, &a));
    }
    if (!web_names_parse(listen, text, &names, &f))
        assert(names.count <= WEB_NAMES_MAX);
    else
        assert(f.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > 2 * URL_BYTES_MAX || memchr(data, '\0', bytes))
        return 0;
    char *text = malloc(bytes + 1);
    assert(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    check_url(text);
    check_names("127.0.0.1", text);
    check_names("0.0.0.0", text);
    char *end = strchr(text, '\n');
    if (end) {
        *end = '\0';
        check_reference(text, end + 1);
    }
    check_reference("http://a.example/b/c?d", text);
    free(text);
    return 0;
}
