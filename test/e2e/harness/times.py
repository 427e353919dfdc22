# SPDX-License-Identifier: MIT
"""Instants as the API writes them, and the instants that a schedule owes.

Everything here is computed without the program under test: it is what the program is held to.
An instant is a number of milliseconds since the Unix epoch.
"""

import calendar
import re
import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

EVERY_SECOND = "* * * * * *"
# Fires once in a year which no test will see: for jobs that only run when triggered.
NEVER_SOON = "0 0 0 1 1 * 2199"

RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z")


def now_ms():
    return time.time_ns() // 1_000_000


def parse_ms(text):
    """The instant that `text` names. It must be RFC 3339 in UTC with milliseconds, as promised."""
    match = RFC3339.fullmatch(text)
    assert match, f"{text!r} is not RFC 3339 in UTC with milliseconds"
    *date, milliseconds = map(int, match.groups())
    return calendar.timegm((*date, 0, 0, 0)) * 1000 + milliseconds


def wall_text(milliseconds):
    """The reverse of parse_ms."""
    at = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def seconds_between(after_ms, until_ms):
    """The whole seconds t with after < t <= until: what a job of every second owes."""
    first = after_ms // 1000 * 1000 + 1000
    return list(range(first, until_ms + 1, 1000))


def second_after(milliseconds):
    """The first whole second that is at least `milliseconds` away from now."""
    return -(-(now_ms() + milliseconds) // 1000) * 1000


def schedule_at(instant_ms, zone="UTC"):
    """A schedule that fires at this whole second, as the clocks of the zone show it, and never
    again."""
    at = datetime.fromtimestamp(instant_ms // 1000, ZoneInfo(zone))
    return f"{at.second} {at.minute} {at.hour} {at.day} {at.month} * {at.year}"
