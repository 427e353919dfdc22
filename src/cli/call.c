// SPDX-License-Identifier: MIT
// call.c: one request to a running server.

#include "base/memory.h"
#include "base/url.h"
#include "cli/cli_priv.h"

#include <assert.h>
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define CONNECT_S 10
#define TOKEN_BYTES_MAX 4096
#define PATH_BYTES_MAX 256

static size_t keep(char *bytes, size_t size, size_t count, void *context)
{
    struct cli_answer *a = context;
    size_t more = size * count;
    if (a->bytes + more > ANSWER_BYTES_MAX)
        return 0; // libcurl ends with CURLE_WRITE_ERROR.
    a->text = xrealloc(a->text, a->bytes + more + 1);
    memcpy(a->text + a->bytes, bytes, more);
    a->bytes += more;
    a->text[a->bytes] = '\0';
    return more;
}

// A server that asks for a token gets the one in the environment.
static struct curl_slist *add_token(struct curl_slist *list)
{
    const char *token = getenv("CARILLON_TOKEN");
    char line[TOKEN_BYTES_MAX + 32];
    if (!token || !*token || strlen(token) > TOKEN_BYTES_MAX)
        return list;
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    list = curl_slist_append(list, line);
    OPENSSL_cleanse(line, sizeof line);
    return list;
}

int cli__call(const char *command, const char *method, const char *server, const char *path,
              const char *body, struct cli_answer *a)
{
    char url[URL_BYTES_MAX + PATH_BYTES_MAX], error[CURL_ERROR_SIZE] = "";
    struct fault f = {0};
    if (url_check(server, &f))
        return cli__complain(command, f.text, server);
    bool slash = server[strlen(server) - 1] == '/';
    snprintf(url, sizeof url, "%s%s%s", server, slash ? "" : "/", path);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = add_token(headers);
    CURL *curl = curl_easy_init();
    assert(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (!code)
        return 0;
    cli__complain(command, url, *error ? error : curl_easy_strerror(code));
    return EXIT_SERVER;
}
