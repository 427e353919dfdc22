# SPDX-License-Identifier: MIT
"""A real browser for pages that mean no good: Debian's Chromium, without a window.

It has a folder of its own for everything that it writes, and finds every name of `.test` at
127.0.0.1, so a page may come from any site that a test makes up.
"""

import os
import shutil
import signal
import subprocess

FLAGS = (
    "--headless",
    "--no-sandbox",  # Tests may run as root.
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)


def find_browser():
    return shutil.which("chromium")


class Browser:
    """Use as a context manager: it shows the page until the end of the block."""

    def __init__(self, url, folder):
        command = [find_browser(), *FLAGS, f"--user-data-dir={folder}", url]
        self._log = open(folder / "log", "wb")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It has many processes, all of one group."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
