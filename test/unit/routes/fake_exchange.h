// SPDX-License-Identifier: MIT
// fake_exchange.h: a request and its answer without a server, for tests of what lies behind it.
//
// The test fills in what is asked and hands the exchange on; then it reads what was answered.

#ifndef CARILLON_TEST_FAKE_EXCHANGE_H
#define CARILLON_TEST_FAKE_EXCHANGE_H

#include "api/server_priv.h"

#define FAKE_MAX 8

struct fake_pair {
    const char *name;
    const char *value;
};

struct exchange {
    // What the test asks.
    const char *method;
    const char *target;
    const char *segments[FAKE_MAX]; // Ending in NULL.
    struct fake_pair parameters[FAKE_MAX];
    struct fake_pair headers[FAKE_MAX];
    const char *body;
    const char *peer; // NULL: "127.0.0.1".
    enum server_door door;
    bool is_tls;
    // What was answered.
    unsigned status; // 0: nothing yet.
    char content_type[64];
    char *answer; // The test frees it.
    char answer_headers[1024];
};

#endif
