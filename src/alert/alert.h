// SPDX-License-Identifier: MIT
// alert.h: tell people that something went wrong.
//
// An alert is a durable row, written in the transaction of what it is about. This room speaks of it
// to the world, after that transaction is durable, so nobody hears of what never happened. Its one
// channel is the log; every alert is one line there.

#ifndef CARILLON_ALERT_ALERT_H
#define CARILLON_ALERT_ALERT_H

#include "ledger/ledger.h"

// Any thread; does not block.
void alert_raise(const struct alert *a);

#endif
