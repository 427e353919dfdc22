// SPDX-License-Identifier: MIT
// trust.c: whose certificates libcurl believes.
//
// The system's are found by libcurl in a folder, where it looks for the one it needs; ours and a
// job's come as a text beside it. A text replaces a system file of certificates, so where libcurl
// was built with such a file alone it is read into the text. Connections and sessions are kept
// apart by libcurl itself, which compares these options.

#include "dispatch/curl/curl_priv.h"

#include "base/stream.h"

#include <errno.h>
#include <string.h>

static enum err add_file(FILE *to, const char *path, struct fault *f)
{
    char block[4096];
    FILE *from = fopen(path, "re");
    if (!from)
        return fault_set(f, ERR_SYSTEM, "cannot read certificates from %s: %s", path,
                         strerror(errno));
    for (size_t n; (n = fread(block, 1, sizeof block, from)) > 0;)
        fwrite(block, 1, n, to);
    fputc('\n', to);
    fclose(from);
    return ERR_OK;
}

enum err curl__trust_open(struct curl_dispatch *d, const struct dispatch_options *o,
                          struct fault *f)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    enum err err = ERR_OK;
    FILE *to = stream_open(&d->ca, &d->ca_bytes);
    d->ca_only = o->ca_only;
    if (!o->ca_only && !info->capath && info->cainfo)
        err = add_file(to, info->cainfo, f);
    if (!err && o->ca_file)
        err = add_file(to, o->ca_file, f);
    stream_close(to);
    if (!err && o->ca_file && !strstr(d->ca, "-----BEGIN "))
        err =
            fault_set(f, ERR_SYSTEM, "cannot read certificates from %s: none is in it", o->ca_file);
    return err;
}

// The server's certificates and the job's, as one text.
static struct curl_blob blob_of(struct transfer *t, const char *tls_ca)
{
    const struct curl_dispatch *d = t->owner;
    struct curl_blob b = {.data = d->ca, .len = d->ca_bytes, .flags = CURL_BLOB_NOCOPY};
    if (!tls_ca)
        return b;
    t->ca.count = 0;
    request_text_add(&t->ca, d->ca, d->ca_bytes);
    request_text_say(&t->ca, tls_ca);
    b.data = t->ca.bytes;
    b.len = t->ca.count;
    return b;
}

CURLcode curl__trust_set(struct transfer *t, const struct request *r)
{
    struct curl_blob blob = blob_of(t, r->tls_ca);
    CURLcode code = curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, r->tls_verify ? 1L : 0L);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, r->tls_verify ? 2L : 0L);
    if (!code && t->owner->ca_only)
        code = curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
    if (!code)
        code = curl_easy_setopt(t->easy, CURLOPT_CAINFO_BLOB, blob.len > 0 ? &blob : NULL);
    return code;
}
