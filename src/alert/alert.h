// SPDX-License-Identifier: MIT
// alert.h: tell people that something went wrong.
//
// An alert is a durable row of facts, written in the transaction of what it is about. This room
// makes a sentence of them, the same for everybody who reads it, and speaks of an alert to the
// world, after that transaction is durable, so nobody hears of what never happened. Its one channel
// is the log, which has one line for every alert that people are to be told of.

#ifndef CARILLON_ALERT_ALERT_H
#define CARILLON_ALERT_ALERT_H

#include "ledger/ledger.h"

// What happened, in words; the caller frees it. Of a row that an older version wrote: its sentence.
char *alert_sentence(const struct alert *a) __attribute__((returns_nonnull));

// What is said of the job in a word or two, behind its name; NULL: the alert is about the server.
const char *alert_headline(enum alert_kind kind);

// Any thread; does not block.
void alert_raise(const struct alert *a);

#endif
