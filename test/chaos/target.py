# SPDX-License-Identifier: MIT
"""The targets of the chaos.

`ChaosTarget` is the harness's, with two more ways to behave:

    /kill/40/...   kills the server with a chance of 40 in 100 while it sends; else 200 at once
    /drop/40/...   with the same chance closes a connection it has kept, without an answer

`StampingTarget` only says 200, but knows when a request came as the kernel saw it, however busy
this process was.
"""

import random
import selectors
import socket
import struct
import threading

from harness.target import Arrival, Target

SO_TIMESTAMPNS = 35  # Of Linux; the socket module does not name it.
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def without_resets(loop, context):
    """Killed clients reset their connections, also those that nobody reads any more."""
    if not isinstance(context.get("exception"), ConnectionError):
        loop.default_exception_handler(context)


class ChaosTarget(Target):
    def __init__(self, seed, kill=None):
        super().__init__()
        self._loop.set_exception_handler(without_resets)
        self._random = random.Random(seed)
        self._kill = kill  # Kills the server.
        self.is_armed = False
        self.is_healed = False  # Then it answers well, whatever the path says.
        self.kills = 0

    async def _answer(self, arrival, reader, writer):
        _, kind, argument, *_ = (arrival.path + "/").split("/")
        if self.is_healed:
            writer.write(ANSWER)
            return True
        if kind == "kill" and self.is_armed and self._happens(argument):
            self.kills += 1
            self._kill()
            return False
        if kind == "drop" and self._happens(argument):
            return False
        return await super()._answer(arrival, reader, writer)

    def _happens(self, percent):
        return self._random.randrange(100) < int(percent)


def receive_stamped(connection):
    """Bytes, and the wall time in milliseconds at which the kernel had the last of them."""
    data, notes, _, _ = connection.recvmsg(65536, 256)
    for level, kind, value in notes:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", value[:16])
            return data, seconds * 1000 + nanoseconds / 1_000_000
    return data, None


def parse_head(head):
    """(method, path, headers with names in lower case)."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return method, path, {name.lower(): value.strip() for name, _, value in pairs}


class StampingTarget:
    """Use as a context manager."""

    def __init__(self):
        self._arrivals = []
        self._received = {}  # {connection: what is left of what it sent}
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._end_read, self._end_write = socket.socketpair()

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # Connections inherit it.
        self.port = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._end_read, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end_write.send(b"e")
        self._thread.join()
        for one in (self._listener, self._end_read, self._end_write, *self._received):
            one.close()
        self._selector.close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def arrivals(self):
        return list(self._arrivals)

    def _run(self):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._end_read:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(key.fileobj)

    def _accept(self):
        connection, _ = self._listener.accept()
        self._received[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection):
        try:
            data, at_ms = receive_stamped(connection)
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            del self._received[connection]
            return connection.close()
        self._received[connection] += data
        return self._answer(connection, at_ms)

    def _answer(self, connection, at_ms):
        head, blank, body = self._received[connection].partition(b"\r\n\r\n")
        if not blank:
            return
        method, path, headers = parse_head(head)
        length = int(headers.get("content-length", 0))
        if len(body) >= length:
            self._arrivals.append(Arrival(at_ms, method, path, headers, body[:length]))
            self._received[connection] = body[length:]
            connection.sendall(ANSWER)
