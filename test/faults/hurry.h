// SPDX-License-Identifier: MIT
// hurry.h: waiting for mail takes a millisecond at most, and the monotonic clock moves on by what
// it should have taken.
//
// So a test sees a writer that tries again after a second without waiting for it. The wall clock
// and the timers of the system stay as they are.

#ifndef CARILLON_FAULTS_HURRY_H
#define CARILLON_FAULTS_HURRY_H

void hurry(void); // From now on.

#endif
