// SPDX-License-Identifier: MIT
// options.c: the words of what a job may choose where clocks change.

#include "cron/cron.h"

#define ENUM ENUM_DEFINE
#define VALUE ENUM_DEFINE_VALUE
#include "cron/choices.def"
