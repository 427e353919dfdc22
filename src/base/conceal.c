// SPDX-License-Identifier: MIT
// conceal.c: where passwords are in a text, and stars over them.
//
// A password with '/', '?' or '@' in it ought to be percent-encoded; one that is not is concealed
// all the same: better too much than too little.

#define _GNU_SOURCE // strcasestr, memrchr
#include "base/conceal.h"

#include <string.h>

static void cover(char *from, const char *end)
{
    memset(from, '*', (size_t)(end - from));
}

// `text` begins behind "://". Texts with several URLs have blanks or quotes between them.
static void conceal_in_authority(char *text)
{
    char *end = text + strcspn(text, " \"'<>\t\n");
    char *at = memrchr(text, '@', (size_t)(end - text));
    char *colon = at ? memchr(text, ':', (size_t)(at - text)) : NULL;
    if (colon)
        cover(colon + 1, at);
}

// `value` begins behind "password=". Of a value in quotes, which may hold blanks, all is covered.
static void conceal_value(char *value)
{
    if (*value != '\'') {
        cover(value, value + strcspn(value, "& \t\n"));
        return;
    }
    char *end = value + 1;
    while (*end && *end != '\'')
        end += *end == '\\' && end[1] ? 2 : 1;
    cover(value + 1, end);
}

void conceal_passwords(char *text)
{
    for (char *p = text; (p = strstr(p, "://")); p += 3)
        conceal_in_authority(p + 3);
    for (char *p = text; (p = strcasestr(p, "password")); p++) {
        char *equals = p + strlen("password") + strspn(p + strlen("password"), " ");
        if (*equals == '=')
            conceal_value(equals + 1 + strspn(equals + 1, " "));
    }
}
