// SPDX-License-Identifier: MIT
// ping_key.c: the key of a heartbeat's address: made once, by chance, when the job is created.
//
//     hb_mzxw6ytboi5gk3lsnq2tgnrxgi3dombs
//
// is "hb_" and 160 random bits in base32. Whoever has the key may ping, so nobody can come upon it
// by trying; the form is there so that what is none needs no database.

#include "service/service_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX "hb_"
#define PREFIX_LENGTH (sizeof PREFIX - 1)
#define RANDOM_BYTES 20
#define LENGTH (PREFIX_LENGTH + RANDOM_BYTES * 8 / 5)
_Static_assert(LENGTH < PING_KEY_BYTES, "it fits");

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

enum err service__draw_ping_key(struct job *j, struct service_problem *p)
{
    char text[PING_KEY_BYTES] = PREFIX;
    uint8_t bits[RANDOM_BYTES];
    if (getrandom(bits, sizeof bits, 0) != sizeof bits)
        return service_refuse(p, ERR_SYSTEM, PROBLEM_STORE, NULL, "no random numbers: %s",
                              strerror(errno));
    for (size_t i = PREFIX_LENGTH, at = 0; i < LENGTH; i++, at += 5) {
        unsigned two = (unsigned)bits[at / 8] << 8;
        two |= at / 8 + 1 < sizeof bits ? bits[at / 8 + 1] : 0;
        text[i] = letters[two >> (11 - at % 8) & 31];
    }
    job_set_text(&j->ping_key, text);
    return ERR_OK;
}

bool service_is_ping_key(const char *text)
{
    return strlen(text) == LENGTH && strncmp(text, PREFIX, PREFIX_LENGTH) == 0 &&
           strspn(text + PREFIX_LENGTH, letters) == LENGTH - PREFIX_LENGTH;
}
