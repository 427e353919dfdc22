// SPDX-License-Identifier: MIT
// channel_priv.h: what the files that know the kinds of channels share.

#ifndef CARILLON_ALERT_CHANNEL_PRIV_H
#define CARILLON_ALERT_CHANNEL_PRIV_H

#include "alert/channel_form.h"

#define ENUM ENUM_DECLARE
#define VALUE ENUM_DECLARE_VALUE
#include "alert/channel.def"
#undef ENUM
#undef VALUE

#endif
