# SPDX-License-Identifier: MIT
"""What PostgreSQL, Redis and HAProxy have in common as neighbours of the program under test.

Each is a process of a folder of its own under /tmp, where the paths of sockets stay short. It is
another user's when root runs the tests, since PostgreSQL refuses to be root's. It is stopped by its
own process id, and by the kernel when the process that started it ends, however that ends: so it is
started by a thread that lives as long, the main one. Nothing listens on a fixed port: the servers
listen on sockets in the folder, and HAProxy on a port that the kernel has chosen.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading

from .wait import wait_until

START_SECONDS = 60
STOP_SECONDS = 40
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def other_user():
    """Whose the process is: None for the caller's own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return None


class OwnFolder:
    """A folder of the other user; close() removes it with all that is in it."""

    def __init__(self, name):
        self.path = tempfile.mkdtemp(prefix=f"carillon-{name}-", dir="/tmp")
        if user := other_user():
            os.chown(self.path, user.pw_uid, user.pw_gid)

    def __truediv__(self, name):
        return f"{self.path}/{name}"

    def write(self, name, text):
        with open(self / name, "w", encoding="utf-8") as file:
            file.write(text)
        if user := other_user():
            os.chown(self / name, user.pw_uid, user.pw_gid)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


def find_program(name, package):
    """Its path, also where it is not in the PATH of ordinary users."""
    places = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    path = shutil.which(name, path=places)
    assert path, f"{name} is not here: apt-get install {package}"
    return path


def whose(end_signal=signal.SIGKILL):
    """Arguments for subprocess that make the child the other user's, and end it with this process
    by `end_signal`."""

    def die_with_parent():
        libc.prctl(PR_SET_PDEATHSIG, end_signal)

    user = other_user()
    owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    return {**owner, "preexec_fn": die_with_parent, "stdin": subprocess.DEVNULL}


def run(command, folder):
    """Runs a command as the other user to its end, which must be a good one; what it printed."""
    end = subprocess.run(
        command, cwd=folder.path, text=True, capture_output=True, timeout=START_SECONDS, **whose()
    )
    assert end.returncode == 0, f"{command}: {end.stdout}{end.stderr}"
    return end.stdout


class Neighbour:
    """A process and what it says. `folder` stays the caller's."""

    def __init__(self, name, command, folder, end_signal=signal.SIGKILL, pass_fds=()):
        self.name = name
        self.folder = folder
        self.command = command
        self.end_signal = end_signal
        self.pass_fds = pass_fds
        self.process = None
        self.lines = []

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        """Starts the process, whose lines are counted from here on."""
        assert not self.is_running, f"{self.name} runs already"
        self.lines = []
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=self.pass_fds,
            start_new_session=True,  # Ctrl-C is for whoever has started it.
            **whose(self.end_signal),
        )
        self._reader = threading.Thread(
            target=self._read, args=(self.process.stdout, self.lines), daemon=True
        )
        self._reader.start()

    @staticmethod
    def _read(stream, lines):
        with stream:
            for line in stream:
                lines.append(line.rstrip("\n"))

    def wait_for_line(self, words, seconds=START_SECONDS):
        def said():
            assert self.is_running, f"{self.name} ended:\n{self.tail()}"
            return any(words in line for line in list(self.lines))

        wait_until(said, seconds, f"{self.name} says {words!r}")

    def tail(self):
        return "\n".join(self.lines[-30:])

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, number):
        """Ends the process by this signal, if it runs, and waits for that."""
        if self.is_running:
            self.signal(number)
            if number != signal.SIGKILL:
                self.signal(signal.SIGCONT)  # A process that a test has stopped hears nothing.
        if self.process:
            self.process.wait(STOP_SECONDS)
            self._reader.join(STOP_SECONDS)

    def kill(self):
        self.end(signal.SIGKILL)


class Standing:
    """A neighbour that runs for the length of a `with`; what fails to start is closed as well."""

    def _prepare(self):
        """What is done once, before the first start."""

    def start(self):
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def __enter__(self):
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid
