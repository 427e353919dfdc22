# SPDX-License-Identifier: MIT
"""A server of Redis of a test's own, on a socket in a folder of its own. It keeps nothing: what it
held is gone when it is killed."""

import signal
import socket

from .neighbours import START_SECONDS, Neighbour, OwnFolder, Standing, find_program

READY = "eady to accept connections"  # At a socket, or at a port.


class Redis(Standing):
    """Use as a context manager; `url` is what --redis takes."""

    def __init__(self, name="redis"):
        self.folder = OwnFolder(name)
        self.socket = self.folder / "socket"
        self.url = f"unix://{self.socket}"
        settings = f'port 0\nunixsocket {self.socket}\nunixsocketperm 777\nsave ""\nappendonly no\n'
        self.folder.write("redis.conf", settings)
        command = [find_program("redis-server", "redis-server"), self.folder / "redis.conf"]
        self.process = Neighbour(name, command, self.folder)

    def close(self):
        self.process.end(signal.SIGKILL)
        self.folder.close()

    def start(self):
        self.process.start()
        self.process.wait_for_line(READY)

    def kill(self):
        self.process.kill()

    def ask(self, *words):
        """The first line of what the server answers to one command, as text."""
        command = b"*%d\r\n" % len(words)
        for word in map(str.encode, words):
            command += b"$%d\r\n%s\r\n" % (len(word), word)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_SECONDS)
            connection.connect(self.socket)
            connection.sendall(command)
            with connection.makefile("rb") as answer:
                return answer.readline().decode().rstrip("\r\n")
