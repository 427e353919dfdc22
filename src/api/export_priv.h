// SPDX-License-Identifier: MIT
// export_priv.h: the thread that writes a whole export, and the text that it writes.

#ifndef CARILLON_API_EXPORT_PRIV_H
#define CARILLON_API_EXPORT_PRIV_H

#include "api/api_priv.h"

#define EXPORTS_MAX 2 // At once; more are refused.

struct export_stream;

// export_thread.c: answers the request on a thread of its own. PROBLEM_BUSY: there are as many as
// there may be.
enum err export_start(struct api_request *r, job_id after, struct problem *p);
// Waits until there is room. ERR_CLOSED: the client has gone, or the server stops.
enum err export_stream_write(struct export_stream *s, const char *bytes, size_t n);

// export.c: the whole text.
void export_write(struct export_stream *s, struct service *service, job_id after, bool pretty);

#endif
