// SPDX-License-Identifier: MIT
// certificate.h: a self-signed certificate made for one test, in a folder of its own.

#ifndef CARILLON_CONTRACT_CERTIFICATE_H
#define CARILLON_CONTRACT_CERTIFICATE_H

#include <stdbool.h>

struct certificate {
    char folder[64];
    char certificate_file[96]; // PEM; also good as a file of trusted certificates.
    char key_file[96];
    char pem[2048]; // What is in certificate_file.
};

// `names` in OpenSSL's words: "DNS:localhost,IP:127.0.0.1". Valid for a day, or since yesterday
// no more.
void certificate_make(struct certificate *c, const char *names, bool expired);
void certificate_remove(struct certificate *c);

#endif
