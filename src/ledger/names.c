// SPDX-License-Identifier: MIT
// names.c: the words of every enum, as they stand in the API and in the tables.

#include "ledger/ledger.h"

#define ENUM ENUM_DEFINE
#define VALUE ENUM_DEFINE_VALUE
#include "ledger/enums.def"
