# SPDX-License-Identifier: MIT
"""What a channel sends for a notice, by the program test/teller, which has the forms of the server.

The notices are those that matter: a failure, its recovery, a herd of 10,000, and texts that are as
nasty as can be.
"""

import json
import os
import subprocess
from pathlib import Path

from .program import BINARY

NOW = 1893456005000
AT = "2030-01-01T00:00:00.000Z"
LINK = "https://carillon.test/jobs/7"


def _folder():
    """Where the programs of the profile are whose server is tested."""
    beside = BINARY.parent / "test"
    return beside if beside.exists() else BINARY.parent / "release" / "test"


def run_teller(kind, settings, notice, **more):
    """What the program prints, line by line."""
    given = {"kind": kind, "settings": settings, "notice": notice, "now": NOW, **more}
    program = Path(os.environ.get("CARILLON_TELLER", _folder() / "teller" / "teller"))
    end = subprocess.run([program], input=json.dumps(given), capture_output=True, text=True,
                         timeout=60)
    assert end.returncode == 0, end.stderr
    return [json.loads(line) for line in end.stdout.splitlines()]


def item(number=5, message="it failed", name="backup", kind="failure"):
    return {"id": number, "kind": kind, "job_id": 7, "incident_id": 3, "at": AT, "job_name": name,
            "message": message, "execution_id": "7-1893456000000", "link": LINK}


def notice(**more):
    made = {
        "version": 1, "delivery_id": 12, "at": AT, "event": "opened", "severity": "critical",
        "title": "Job backup fails", "text": "it failed after 4 attempts: timeout",
        "dedup_key": "carillon-incident-3", "link": LINK, "count": 1, "counts": {"failure": 1},
        "alerts": [item()],
    }
    return made | more


FAILURE = notice()
RECOVERY = notice(delivery_id=13, event="recovered", title="Job backup is well again",
                  text="4 failures in 20 minutes")
HERD = notice(delivery_id=14, title="10,000 alerts: 9,999 failure, 1 clock",
              text="9,990 more alerts are not shown here.",
              dedup_key="carillon-digest-14", count=10000, counts={"failure": 9999, "clock": 1},
              alerts=[item(n, f"job {n} failed", f"job-{n}") for n in range(10)])
NASTY = "<script>alert(1)</script> @everyone @channel <!here> <@U1> *_~`|>#[x](http://evil.test) " \
        "&amp; \" \\ \r\n.\r\nBcc: x@y.test\r\n\r\n\u00fc\u20ac\U0001f514 =?x?B?y?= "
EVIL = notice(delivery_id=15, title=(NASTY * 2)[:130], text=(NASTY * 80)[:7000], count=10,
              alerts=[item(n, (NASTY * 9)[:900], NASTY[:80]) for n in range(10)])


def up_to_the_limit(character, count):
    """A text of one character, which is cut somewhere in every format."""
    return notice(delivery_id=16, text=character * count, count=10,
                  alerts=[item(n, character * (count // 10), None) for n in range(10)])


# 8,192 bytes are the most that a text has, and 1,024 of a sentence.
LONG = [up_to_the_limit("a", 8192), up_to_the_limit("\u20ac", 2700),
        up_to_the_limit("\U0001f514", 2040), up_to_the_limit("<", 8192),
        up_to_the_limit("\"", 8192), up_to_the_limit("\n", 8192)]
BARE = notice(delivery_id=17, title="", text=None, dedup_key=None, link=None, alerts=[])
NOTICES = [FAILURE, RECOVERY, HERD, EVIL, BARE, *LONG]
