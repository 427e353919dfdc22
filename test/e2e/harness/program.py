# SPDX-License-Identifier: MIT
"""One run of the binary: its process, its log, and an HTTP client for its API.

The program under test is $CARILLON_BIN, or build/carillon. It listens on a port which the kernel
chooses and says which in its log, so that nothing is guessed and nothing is slept for.
"""

import http.client
import json
import os
import resource
import signal
import subprocess
import threading
from pathlib import Path

from .wait import wait_until

BINARY = Path(os.environ.get("CARILLON_BIN", Path(__file__).parents[3] / "build" / "carillon"))
# A sanitizer's build is several times slower, and so may be the machine that runs the tests.
START_SECONDS = 30
STOP_SECONDS = 40
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")


def clean_environment(extra=None):
    """The caller's environment without settings of the program, so that only ours count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
    return {**kept, **(extra or {})}


def run_to_end(*arguments, environment=None, folder=None, seconds=START_SECONDS):
    """Runs the binary until it ends by itself; its exit code, output and errors as text."""
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=folder,
        env=clean_environment(environment),
    )


class Response:
    """An HTTP answer, read whole."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Client:
    """What talks HTTP to whatever listens on `port` of this machine."""

    def __init__(self, port=None):
        self.port = port

    def connect(self, seconds=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def request(self, method, path, body=None, headers=None, connection=None):
        """`body` may be text or bytes, sent as they are, or anything else, sent as JSON."""
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        own = connection or self.connect()
        try:
            own.request(method, path, body, headers)
            answer = own.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            if connection is None:
                own.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.request("PUT", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.request("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)


class Program(Client):
    """A running binary. Whoever starts it ends it with stop() or kill(). `prefix`: a command that
    becomes the binary, which is the rest of its arguments. `binary`: another one than BINARY."""

    def __init__(self, *arguments, environment=None, descriptors=None, prefix=(), binary=BINARY):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        super().__init__()
        self.lines = []
        self.process = subprocess.Popen(
            [*map(str, prefix), binary, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=clean_environment(environment),
            preexec_fn=limit if descriptors else None,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    # --- Its log ---------------------------------------------------------------------------------

    def _read_log(self):
        with self.process.stderr as stderr:
            for line in stderr:
                self.lines.append(line.rstrip("\n"))

    def events(self, name=None):
        """The log so far, one dictionary for each line; only events called `name` if given."""
        lines = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in lines if name in (None, line["event"])]

    def wait_for_event(self, name, seconds=START_SECONDS):
        def seen():
            if found := self.events(name):
                return found[0]
            assert self.is_running or self._reader.is_alive(), f"{self} ended\n{self.log_tail()}"

        return wait_until(seen, seconds, f"{name} is in the log:\n{self.log_tail()}")

    def log_tail(self):
        return "\n".join(self.lines[-30:])

    # --- Its life --------------------------------------------------------------------------------

    def __repr__(self):
        return f"carillon (process {self.process.pid}, exit code {self.process.poll()})"

    @property
    def is_running(self):
        return self.process.poll() is None

    def wait_until_listening(self):
        event = self.wait_for_event("server.listening")
        self.port = int(event["port"]) if "port" in event else int(event["url"].rsplit(":", 1)[1])
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=STOP_SECONDS):
        """The exit code, once the process has ended and its log is read to the end."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def kill(self):
        """kill -9: the process gets no chance to do anything more."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self):
        """An orderly end, which must succeed."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"{self}\n{self.log_tail()}"

    def check_sanitizers(self):
        for line in self.lines:
            assert not any(word in line for word in SANITIZER_WORDS), "\n".join(self.lines[-200:])


def server_arguments(database, *arguments):
    """A server on this database, on a port of the kernel's choice, with a log that we can read."""
    listen = ("--listen", "127.0.0.1:0")
    return ("serve", *listen, "--db", database, "--log-format", "json", *arguments)
