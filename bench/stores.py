# SPDX-License-Identifier: MIT
"""The servers that some contenders keep their data in: Redis and PostgreSQL, as Debian ships them.

Each listens on a Unix socket in a folder of the benchmark's own and nowhere else, and keeps its
data there, so nothing that runs on the machine already is touched. Both are as durable as their
users have them: Redis syncs its append-only file once a second, PostgreSQL every commit.
"""

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from harness.wait import wait_until

START_SECONDS = 30
POSTGRES_USER = "postgres"


@contextmanager
def _stopped_by(process, signal_number):
    try:
        yield process
    finally:
        process.send_signal(signal_number)
        process.wait()


@contextmanager
def redis_in(folder):
    """(socket, process id) of a Redis that keeps its data in the folder."""
    socket = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder]
    durable = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    process = subprocess.Popen([*command, *durable], stdout=subprocess.DEVNULL)
    with _stopped_by(process, signal.SIGTERM):
        wait_until(lambda: _redis_answers(socket), START_SECONDS, "Redis answers")
        yield socket, process.pid


# It answers, with an error, before it has loaded its data.
def _redis_answers(socket):
    ping = subprocess.run(["redis-cli", "-s", socket, "ping"], capture_output=True, text=True)
    return ping.stdout.strip() == "PONG"


def _postgres_program(name):
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return newest[-1] if newest else Path(shutil.which(name) or name)


def _as_postgres():
    """PostgreSQL refuses to run as root, so there it runs as the user that its package made."""
    if os.geteuid() != 0:
        return {}
    return {"user": POSTGRES_USER, "group": POSTGRES_USER, "extra_groups": [], "cwd": "/"}


def postgres_template(folder):
    """An empty data folder, made once, since that takes seconds."""
    template = folder / "postgres-template"
    if not template.exists():
        template.mkdir()
        if os.geteuid() == 0:
            shutil.chown(template, POSTGRES_USER, POSTGRES_USER)
        command = [_postgres_program("initdb"), "-D", template, "-U", POSTGRES_USER, "-A", "trust"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_as_postgres())
    return template


@contextmanager
def postgres_in(folder):
    """(folder of its socket, process id) of a PostgreSQL that keeps its data in the folder."""
    data = folder / "postgres"
    if not data.exists():
        subprocess.run(["cp", "-a", postgres_template(folder.parent), data], check=True)
    command = [_postgres_program("postgres"), "-D", data, "-k", data, "-c", "listen_addresses="]
    with open(folder / "postgres.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **_as_postgres())
    with _stopped_by(process, signal.SIGINT):  # SIGINT: at once, but in order.
        wait_until(lambda: _postgres_answers(data), START_SECONDS, "PostgreSQL answers")
        yield data, process.pid


def _postgres_answers(socket_folder):
    command = [_postgres_program("pg_isready"), "-q", "-h", socket_folder]
    return subprocess.run(command).returncode == 0


def make_database(socket_folder, name):
    """The URL of a new database of the server there."""
    url = f"postgresql:///{name}?host={socket_folder}&user={POSTGRES_USER}"
    ask_postgres(url.replace(f"/{name}?", "/postgres?"), f"CREATE DATABASE {name}")
    return url


def ask_postgres(url, sql):
    command = [_postgres_program("psql"), "-XAtq", "-c", sql, url]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
