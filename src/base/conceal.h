// SPDX-License-Identifier: MIT
// conceal.h: texts that name a server, without the passwords in them.
//
// URLs of databases hold passwords, and get into command lines, logs and messages of libraries.

#ifndef CARILLON_BASE_CONCEAL_H
#define CARILLON_BASE_CONCEAL_H

#include <stddef.h>

// Writes '*' over each password in the text: what stands between the first ':' and the last '@' in
// "scheme://user:password@host", and the value of every word that ends in "password", such as
// "password=x" and "?sslpassword=x". What looks like none is left alone.
void conceal_passwords(char *text);

#endif
