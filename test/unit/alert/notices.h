// SPDX-License-Identifier: MIT
// notices.h: notices for the tests of what channels say: plain ones, and as nasty ones as can be.

#ifndef CARILLON_TEST_ALERT_NOTICES_H
#define CARILLON_TEST_ALERT_NOTICES_H

#include "alert/notice.h"

#define NOTICE_AT 1893456000000 // 2030-01-01T00:00:00Z

// Each is made anew, for the caller to give to notice_clear.
void notice_of_failure(struct notice *out);  // The first failure of job 7, delivery 12.
void notice_of_recovery(struct notice *out); // The end of that incident, delivery 13.
void notice_of_herd(struct notice *out);     // 10,000 alerts, delivery 14.
void notice_of_evil(struct notice *out);     // Long texts of markup, mentions and quotes.

#endif
