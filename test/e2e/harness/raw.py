# SPDX-License-Identifier: MIT
"""Bytes on a socket, for requests that no HTTP client would send."""

import socket


class RawAnswer:
    def __init__(self, data, closed):
        self.head, _, self.body = data.partition(b"\r\n\r\n")
        self.closed = closed  # The server ended the connection.
        self.status = int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else None

    def __repr__(self):
        return f"status {self.status}, closed {self.closed}, {self.head!r} {self.body[:300]!r}"


def send_raw(port, data, seconds=10):
    """Sends the bytes and reads until the server closes, or has nothing to say for `seconds`."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
        try:
            s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may close before it has read all; what it answered still counts.
        received = b""
        try:
            while chunk := s.recv(65536):
                received += chunk
            return RawAnswer(received, closed=True)
        except ConnectionResetError:
            return RawAnswer(received, closed=True)
        except TimeoutError:
            return RawAnswer(received, closed=False)
