#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints "zone utc offset" lines from Python's zoneinfo, for test_offsets to compare with.

    test/unit/cron/zoneinfo_offsets.py [instants] | build/release/test/unit/cron/test_offsets -

For every zone of the system: random instants (default 10,000) from 1970 to 2100, and the seconds
around every change of offset in that time.
"""

import random
import sys
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

END = 4102444800  # 2100-01-01
DAY = 86400


def changes(offset):
    """The first second of each new offset, found between days whose offsets differ."""
    last = offset(0)
    for day in range(DAY, END, DAY):
        now = offset(day)
        if now == last:
            continue
        before, after = day - DAY, day
        while after - before > 1:
            middle = (before + after) // 2
            if offset(middle) == last:
                before = middle
            else:
                after = middle
        yield after
        last = now


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    rng = random.Random(1)
    for name in sorted(available_timezones() - {"Factory", "localtime"}):
        zone = ZoneInfo(name)

        def offset(at, zone=zone):
            return int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())

        instants = [rng.randrange(END) for _ in range(count)]
        for change in changes(offset):
            instants += [change + delta for delta in (-3600, -2, -1, 0, 1, 3600)]
        sys.stdout.writelines(f"{name} {at} {offset(at)}\n" for at in instants)


main()
