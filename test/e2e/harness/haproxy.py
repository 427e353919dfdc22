# SPDX-License-Identifier: MIT
"""The load balancer of deploy/haproxy.cfg, as it is but for the addresses in it, on a port that the
kernel has chosen."""

import re
import signal
import socket
from pathlib import Path

from .neighbours import START_SECONDS, Neighbour, OwnFolder, Standing, find_program

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "haproxy.cfg"
READY = "Loading success."


def with_addresses(text, bind, servers):
    """The configuration with this address to listen on, and these servers in the place of its
    samples, of which the first is the pattern."""
    lines, samples = [], 0
    for line in text.splitlines():
        if re.match(r"\s+server\s", line):
            samples += 1
            if samples > 1:
                continue
            for n, server in enumerate(servers, 1):
                lines.append(re.sub(r"server \S+ \S+", f"server api{n} {server}", line))
        else:
            lines.append(re.sub(r"^(\s+bind) \S+", rf"\1 {bind}", line))
    assert samples, "deploy/haproxy.cfg has no line of a server"
    return "\n".join(lines) + "\n"


class HAProxy(Standing):
    """Use as a context manager. `servers`: addresses of API servers, "127.0.0.1:4711". `options`
    stand behind each of them, with {folder} for where `files`, texts by their names, are put."""

    def __init__(self, servers, name="haproxy", port=0, options="", files=None):
        self.folder = OwnFolder(name)
        for file, content in (files or {}).items():
            self.folder.write(file, content)
        options = options.format(folder=self.folder.path)
        servers = [f"{server} {options}".rstrip() for server in servers]
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        bind = f"fd@{self.listener.fileno()}"
        text = with_addresses(CONFIGURATION.read_text(encoding="utf-8"), bind, servers)
        self.folder.write("haproxy.cfg", text)
        # -W: the process that was started stays, and says when its worker is ready; -db: here.
        program = find_program("haproxy", "haproxy")
        command = [program, "-W", "-db", "-f", self.folder / "haproxy.cfg"]
        fds = (self.listener.fileno(),)
        self.process = Neighbour(name, command, self.folder, signal.SIGTERM, fds)

    def start(self):
        self.process.start()
        self.process.wait_for_line(READY, START_SECONDS)

    def close(self):
        self.process.end(signal.SIGTERM)
        self.listener.close()
        self.folder.close()

    @property
    def pid(self):
        return self.process.pid
