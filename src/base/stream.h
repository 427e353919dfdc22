// SPDX-License-Identifier: MIT
// stream.h: writing text into memory with the functions of stdio.
//
// What open_memstream of the C library does, but for one case: when there is no memory it returns
// less than was written, and closes as if all were well. This stops the program, as the x-functions
// do (base/memory.h).

#ifndef CARILLON_BASE_STREAM_H
#define CARILLON_BASE_STREAM_H

#include <stdio.h>

// *text and *bytes are filled in by stream_close; there is a NUL behind the text, which the caller
// frees. ftell tells how much has been written.
FILE *stream_open(char **text, size_t *bytes) __attribute__((returns_nonnull));
void stream_close(FILE *stream);

#endif
