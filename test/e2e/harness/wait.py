# SPDX-License-Identifier: MIT
"""Waiting for an event, never for a length of time."""

import time

POLL_SECONDS = 0.01


def wait_until(condition, seconds, what):
    """The first true answer of `condition`; fails the test, saying `what`, when there is none."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {what}")
        time.sleep(POLL_SECONDS)


def wait_until_clock(instant_ms):
    """Returns when the wall clock shows `instant_ms`: for tests in which time is the event."""
    while (left_ms := instant_ms - time.time() * 1000) > 0:
        time.sleep(min(left_ms / 1000, POLL_SECONDS))
