# SPDX-License-Identifier: MIT
"""The HTTP server that jobs call. It records every arrival, and its paths say how it behaves:

    /ok/...                 200 at once
    /status/503/...         that status
    /delay/250/...          200 after 250 ms
    /redirect/302/ok/...    that status, with "Location: /ok/..."
    /leave/302/4711/ok/...  that status, with "Location: http://127.0.0.1:4711/ok/..."
    /flaky/500,500,200/...  one status after the other for each Idempotency-Key, then the last one
    /busy/2/...             503 with "Retry-After: 2" to the first of each Idempotency-Key, then 200
    /wait/...               202 with "Carillon-Completion: wait"
    /hang/...               never answers
    /close/...              closes the connection without an answer
    /reset/...              resets it
    /odd/NAME/...           the answer of that name in ODD_ANSWERS, then closes the connection
    /stall/NAME/...         the same, but then does nothing more
    /forge/...              200, and 50 ms later a second answer, for which nobody has asked

What follows is free, so that each job can have a path of its own. The server runs on a thread with
an event loop of its own, on a port that the kernel chooses.
"""

import asyncio
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass

from .wait import wait_until


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ODD_ANSWERS = {
    "folded": OK + b"X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "two-lengths": OK + b"Content-Length: 3\r\n" + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "long-head": OK + b"X-A: " + b"a" * 20000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "endless-head": OK + b"X-A: a\r\n" * 40000,
    "short": OK + b"Content-Length: 100\r\n\r\nok",
    "bad-chunk": OK + CHUNKED + b"\r\n2\r\nok\r\nx\r\n",
    "half-head": OK + b"X-A: b",
}


@dataclass(frozen=True)
class Arrival:
    at_ms: float  # The wall clock when the whole request head was there.
    method: str
    path: str
    headers: dict  # Names in lower case.
    body: bytes

    @property
    def key(self):
        return self.headers["idempotency-key"].strip('"')

    @property
    def attempt(self):
        return int(self.headers["carillon-attempt"])

    @property
    def fence(self):
        return int(self.headers["carillon-fence"])

    @property
    def job_id(self):
        return int(self.headers["carillon-job"])

    @property
    def json(self):
        return json.loads(self.body)


class Target:
    """Use as a context manager: it listens from the beginning to the end of the block."""

    def __init__(self):
        self._arrivals = []
        self._answered = {}  # Requests so far, by Idempotency-Key.
        self._hung_up = []
        self._forged = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _close(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    # --- For tests -------------------------------------------------------------------------------

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def arrivals(self, path=None):
        """What came so far, in order; only of one path if given."""
        return [a for a in list(self._arrivals) if path in (None, a.path)]

    def arrivals_by_key(self, path=None):
        keys = {}
        for arrival in self.arrivals(path):
            keys.setdefault(arrival.key, []).append(arrival)
        return keys

    def wait_for(self, count, path, seconds):
        """The arrivals at `path` once there are `count` of them."""

        def enough():
            found = self.arrivals(path)
            return found if len(found) >= count else None

        return wait_until(enough, seconds, f"{count} requests came to {path}")

    def wait_until_forged(self, count):
        """Until so many answers of /forge were written in all."""
        wait_until(lambda: self._forged >= count, 10, f"{count} answers were forged")

    def hung_up(self):
        """The keys of requests whose client did not wait for the answer, in order."""
        return list(self._hung_up)

    # --- For the program under test --------------------------------------------------------------

    async def _serve(self, reader, writer):
        try:
            while arrival := await self._read(reader):
                self._arrivals.append(arrival)
                if not await self._answer(arrival, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The client went away, or the test is over.
        finally:
            writer.close()

    @staticmethod
    async def _read(reader):
        head = await reader.readuntil(b"\r\n\r\n")
        at_ms = time.time_ns() / 1_000_000
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Arrival(at_ms, method, path, headers, body)

    async def _answer(self, arrival, reader, writer):
        """False when the connection is not to be used any more."""
        _, kind, argument, *_ = (arrival.path + "/").split("/")
        status, more = 200, ""
        if kind in ("close", "reset"):
            self._break_off(kind, writer)
            return False
        if kind in ("delay", "hang"):
            if await self._hangs_up(reader, int(argument) / 1000 if kind == "delay" else None):
                self._hung_up.append(arrival.key)
                return False
        if kind == "forge":
            writer.write(OK + b"Content-Length: 2\r\n\r\nok")
            await asyncio.sleep(0.05)
            writer.write(OK + b"Content-Length: 6\r\n\r\nforged")
            self._forged += 1
            return True
        if kind in ("odd", "stall"):
            writer.write(ODD_ANSWERS[argument])
            await writer.drain()
            return kind == "stall" and not await self._hangs_up(reader, None)
        if kind == "status":
            status = int(argument)
        if kind == "wait":
            status, more = 202, "Carillon-Completion: wait\r\n"
        if kind == "redirect":
            status = int(argument)
            more = f"Location: /{arrival.path.split('/', 3)[3]}\r\n"
        if kind == "leave":
            status = int(argument)
            more = f"Location: http://127.0.0.1:{arrival.path.split('/', 3)[3]}\r\n"
        if kind == "flaky":
            status = self._next_status(arrival, [int(word) for word in argument.split(",")])
        if kind == "busy":
            status = self._next_status(arrival, [503, 200])
            more = f"Retry-After: {argument}\r\n" if status == 503 else ""
        writer.write(self._response(status, more))
        await writer.drain()
        return True

    @staticmethod
    def _break_off(kind, writer):
        """Closing follows; without lingering it is a reset."""
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    @staticmethod
    async def _hangs_up(reader, seconds):
        """Whether the client goes away within `seconds`, or ever; it sends nothing meanwhile."""
        try:
            return await asyncio.wait_for(reader.read(1), seconds) == b""
        except asyncio.TimeoutError:
            return False
        except ConnectionError:
            return True

    @staticmethod
    def _response(status, headers=""):
        if status == 204:
            return b"HTTP/1.1 204 Nothing\r\n\r\n"  # Has neither body nor length.
        body = b'{"answer":"of the target"}'
        head = f"HTTP/1.1 {status} Answer\r\n{headers}Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _next_status(self, arrival, statuses):
        count = self._answered.get(arrival.key, 0)
        self._answered[arrival.key] = count + 1
        return statuses[min(count, len(statuses) - 1)]


class RefusingPort:
    """A port on which nobody listens and which nobody else can take meanwhile."""

    def __enter__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self._socket.close()
