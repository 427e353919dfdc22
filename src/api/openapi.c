// SPDX-License-Identifier: MIT
// openapi.c: what the API is, for programs: openapi.json, which is written by hand, as a text of
// the program.
//
// test_openapi.c compares the description with the tables of the routes and of a job's members, and
// test/e2e/test_openapi.py asks a server for everything that the description says.

#include "api/api_priv.h"

// The assembler reads the file where the program is built, which is the folder of the Makefile.
__asm__(".section .rodata.openapi,\"a\",%progbits\n"
        ".globl openapi_text\n"
        ".globl openapi_end\n"
        "openapi_text:\n"
        ".incbin \"src/api/openapi.json\"\n"
        "openapi_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char openapi_end[];

size_t openapi_bytes(void)
{
    return (size_t)(openapi_end - openapi_text);
}

enum err handle_openapi(struct api_request *r, struct problem *p)
{
    (void)p;
    answer_static(r, 200, "application/json", openapi_text, openapi_bytes());
    return ERR_OK;
}
