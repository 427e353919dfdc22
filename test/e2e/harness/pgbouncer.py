# SPDX-License-Identifier: MIT
"""PgBouncer in transaction mode before a server of PostgreSQL: each transaction of a client may run
on another connection, so that nothing lasts which a session would keep."""

import signal
from urllib.parse import quote

from .neighbours import Neighbour, OwnFolder, Standing, find_program
from .postgres import DATABASE, USER

READY = "process up"


class PgBouncer(Standing):
    """Use as a context manager; `url("t1")` leads through it to a database of the server."""

    def __init__(self, postgres, name="pgbouncer"):
        self.folder = OwnFolder(name)
        self.folder.write("users.txt", f'"{USER}" ""\n')
        self._configure(postgres)
        command = [find_program("pgbouncer", "pgbouncer"), self.folder / "pgbouncer.ini"]
        self.process = Neighbour(name, command, self.folder, signal.SIGINT)

    def _configure(self, postgres):
        settings = {
            "listen_addr": "",
            "unix_socket_dir": self.folder.path,
            "auth_type": "trust",
            "auth_file": self.folder / "users.txt",
            "pool_mode": "transaction",
            "max_client_conn": 200,
            "default_pool_size": 10,
            "logfile": "",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        where = f"host={postgres.folder.path} user={USER}"
        databases = f"[databases]\n{DATABASE} = {where}\n* = {where}\n[pgbouncer]\n"
        self.folder.write("pgbouncer.ini", databases + "\n".join(lines) + "\n")

    def lead_to(self, postgres):
        """From now on to another server, as whoever promotes one has the pooler do."""
        self._configure(postgres)
        self.process.signal(signal.SIGHUP)

    def start(self):
        self.process.start()
        self.process.wait_for_line(READY)

    def close(self):
        self.process.end(signal.SIGTERM)
        self.folder.close()

    def url(self, database):
        host = quote(self.folder.path)
        return f"postgresql://{USER}@/{database}?host={host}&port=6432"
