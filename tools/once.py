#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The way of a change: what is done once is called from one place.

ARCHITECTURE.md tells how a change goes from its request to its answer. A schedule that is compiled
again on that way, or a URL that is cut up again, is a step back which no test would notice. So each
step has one caller, or a few of which the others lie off the way, and a new one is named here.
"""

import re
import sys
from pathlib import Path

CALLERS = {
    # The steps, in their order.
    "job_decode": {"api/change_decode.c", "api/import.c", "api/bulk.c"},
    "service__change_start": {"service/changes.c"},
    "service__key_look_up": {"service/change.c"},
    "service__change_row": {"service/change.c", "service/bulk.c"},  # Each part of a bulk.
    "service__change_check": {"service/change.c", "service/bulk.c"},
    "service__check_job": {"service/change_check.c"},
    "service__quota_note": {"service/change.c", "service/bulk.c"},
    "service__quota_take": {"service/change.c"},
    "service__change_command": {"service/change.c"},
    # In a cluster the post lies between the two: what it hands on is of whichever node's client.
    "engine_submit": {"app/raise.c", "service/change_command.c", "app/mail.c"},
    # The text of a schedule. Beside the check: rows that the core loads or gives an id to, rows
    # that cannot be loaded, versions of the past, crontabs, and the command line.
    "cron_compile": {"service/check_schedule.c"},
    "cron_parse": {
        "core/configure.c",
        "engine/load.c",
        "ledger/version.c",
        "crontab/schedule.c",
        "service/forecast.c",  # Of many jobs, whose normal forms nobody wants.
        "app/teller_desks.c",  # Of silences, which were checked when they were made.
        "cron/delay.c",
        "cli/cron.c",
    },
    # The text of a URL. Beside the check: hosts of rows that the core loads, of redirects, of token
    # servers, for a proxy and for an explanation.
    "url_accept_parsed": {"service/check_url.c"},
    "url_origin": {
        "core/configure.c",
        "dispatch/hops.c",
        "dispatch/oauth/layer.c",
        "dispatch/curl/transfer.c",
        "service/explain.c",
    },
}


def defines(text, function):
    return re.search(rf"^[a-z][\w *]*\b{function}\([^;]*?\)\n{{", text, re.M)


def callers(function, sources):
    call = re.compile(rf"\b{function}\(")
    return {
        name
        for name, text in sources.items()
        if call.search(text) and not defines(text, function)
    }


def main():
    root = Path("src")
    sources = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.c")}
    problems = []
    for function, expected in CALLERS.items():
        found = callers(function, sources)
        problems += [f"src/{name} calls {function} too" for name in sorted(found - expected)]
        problems += [f"src/{name} does not call {function}" for name in sorted(expected - found)]
    good = f"{len(CALLERS)} functions on the way of a change are called where they should be"
    print("\n".join(f"once: {problem}" for problem in problems or [good]))
    return 1 if problems else 0


sys.exit(main())
