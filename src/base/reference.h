// SPDX-License-Identifier: MIT
// reference.h: what a reference means, such as the Location of an answer, at the URL where it was
// found (RFC 3986, 5.2).
//
// Only the text is put together; whether the result is a URL that may be called is judged by
// url_accept and by the policy of addresses, as for the URL of a job.

#ifndef CARILLON_BASE_REFERENCE_H
#define CARILLON_BASE_REFERENCE_H

// `base` is a URL that url_check accepts. The result has no fragment, which is never sent, and is
// the caller's to free. Steps like "../" are taken where the reference has a path of its own and no
// host; a whole URL stays as it stands.
char *reference_resolve(const char *base, const char *reference);

#endif
