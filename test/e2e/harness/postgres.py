# SPDX-License-Identifier: MIT
"""A server of PostgreSQL of a test's own, alone or with a replica that its commits wait for.

    with Postgres() as primary: ...               alone
    with Postgres() as primary, primary.make_replica() as replica: ...

Both listen on a socket in a folder of their own and nowhere else. `primary.url()` is what --db
takes; `url(primary, replica)` names both, for a program that finds the one that can be written to.
"""

import glob
import os
import signal
import subprocess
from urllib.parse import quote

from .neighbours import START_SECONDS, Neighbour, OwnFolder, Standing, run, whose
from .wait import wait_until

USER = "carillon"
DATABASE = "carillon"
SETTINGS = {
    "max_connections": 100,
    "shared_buffers": "64MB",
    "checkpoint_timeout": "1h",
    "max_wal_senders": 4,
    "wal_keep_size": "256MB",
    "hot_standby": "on",
    "idle_in_transaction_session_timeout": "5s",
}
SETTINGS_FROM_14 = {"client_connection_check_interval": "1s"}
READY = "ready to accept connections"
READY_TO_READ = "ready to accept read"  # "read only" in 13, "read-only" from 14 on.


def programs_folder():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: (len(p), p))
    assert found, "the server of PostgreSQL is not here: apt-get install postgresql"
    return os.path.dirname(found[-1])


def url(*servers, database=DATABASE, **options):
    """The URL of a database that any of these servers may have."""
    options = {"host": ",".join(server.folder.path for server in servers), **options}
    query = "&".join(f"{name}={quote(str(value))}" for name, value in options.items())
    return f"postgresql://{USER}@/{database}?{query}"


class Server(Standing):
    """What a primary and a replica have in common. Use as a context manager."""

    def __init__(self, name):
        self.name = name
        self.folder = OwnFolder(name)
        self.programs = programs_folder()
        self.data = self.folder / "data"
        self.process = None

    def close(self):
        if self.process:
            self.process.end(signal.SIGQUIT)
        self.folder.close()

    # --- Its life --------------------------------------------------------------------------------

    def start(self, words=READY):
        arguments = ["-D", self.data, "-k", self.folder.path, "-h", ""]
        for name, value in self._settings().items():
            arguments += ["-c", f"{name}={value}"]
        command = [f"{self.programs}/postgres", *arguments]
        self.process = Neighbour(self.name, command, self.folder, signal.SIGQUIT)
        self.process.start()
        self.process.wait_for_line(words)
        return self

    def _settings(self):
        with open(f"{self.data}/PG_VERSION", encoding="ascii") as file:
            return SETTINGS | (SETTINGS_FROM_14 if int(file.read()) >= 14 else {})

    def stop(self):
        """An orderly end that does not wait for clients."""
        self.process.end(signal.SIGINT)

    def kill(self):
        """kill -9 of the server and what it has started, as when its machine dies."""
        children = self._children()
        self.process.kill()
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def freeze(self):
        """Nobody hears anything from the server any more, as behind a cable that was cut."""
        for pid in [self.pid, *self._children()]:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in [self.pid, *self._children()]:
            os.kill(pid, signal.SIGCONT)

    # --- Its databases ---------------------------------------------------------------------------

    def url(self, database=DATABASE, **options):
        return url(self, database=database, **options)

    def ask(self, sql, database=DATABASE):
        """The rows that the statements answer, each a list of texts."""
        command = [f"{self.programs}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
        end = subprocess.run(
            [*command, self.url(database)],
            text=True,
            capture_output=True,
            timeout=START_SECONDS,
            **whose(),
        )
        assert end.returncode == 0, f"{sql}: {end.stderr}"
        return [line.split("|") for line in end.stdout.splitlines()]

    def make_database(self, name, options=""):
        self.ask(f"CREATE DATABASE {name} {options}", "postgres")
        return self.url(name)


class Postgres(Server):
    """A primary, with the empty database `carillon`."""

    def __init__(self, name="pg"):
        super().__init__(name)

    def _prepare(self):
        how = ["-U", USER, "-A", "trust", "--encoding=UTF8", "--locale=C", "-N"]
        run([f"{self.programs}/initdb", "-D", self.data, *how], self.folder)

    def __enter__(self):
        super().__enter__()
        try:
            self.make_database(DATABASE)
        except BaseException:
            self.close()
            raise
        return self

    def make_replica(self, name="pg-replica"):
        return Replica(self, name)


class Replica(Server):
    """A copy of a running primary, which follows it; from then on the primary's commits wait for
    this one. promote() makes it a primary."""

    def __init__(self, primary, name):
        super().__init__(name)
        self.primary = primary
        self.slot = name.replace("-", "_")

    def _prepare(self):
        source = f"host={self.primary.folder.path} user={USER} application_name={self.slot}"
        command = [f"{self.programs}/pg_basebackup", "-D", self.data, "-d", source]
        run([*command, "-R", "-X", "stream", "-c", "fast", "--no-sync"], self.folder)

    def start(self, words=READY_TO_READ):
        return super().start(words)

    def __enter__(self):
        super().__enter__()
        try:
            self.make_synchronous()
        except BaseException:
            self.close()
            raise
        return self

    def make_synchronous(self):
        """From its return on the primary's commits wait for this replica."""
        # ALTER SYSTEM allows no transaction, so that it is a call of its own.
        self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'", "postgres")
        self.primary.ask("SELECT pg_reload_conf()", "postgres")
        sync = "SELECT sync_state FROM pg_stat_replication WHERE application_name = "

        def is_synchronous():
            found = self.primary.ask(f"{sync}'{self.slot}'", "postgres")
            return found in ([["quorum"]], [["sync"]])

        wait_until(is_synchronous, START_SECONDS, "the replica is synchronous")

    def promote(self):
        """It has no replica itself, so nothing may wait for one."""
        self.ask("SELECT pg_promote()", "postgres")
        self.ask("ALTER SYSTEM SET synchronous_standby_names = ''", "postgres")
        self.ask("SELECT pg_reload_conf()", "postgres")
