# SPDX-License-Identifier: MIT
"""A short run of `./dev chaos --cluster`, and the links that it breaks."""

import socket
import sys
import threading
from contextlib import suppress

import pytest
from harness.chaos import COMMAND, run_side_by_side
from harness.wait import wait_until

SECONDS_MAX = 600
SCENARIOS = [("cluster", "move"), ("queue", "snapshot"), ("pooler", "upgrade")]
# The version before is the same one here: what is seen is a rolling restart under faults.
SHORT = ("--hold", 5, "--rate", 100)


@pytest.mark.slow
def test_nothing_is_lost_in_a_short_chaos_of_a_cluster():
    run_side_by_side(6, SCENARIOS, SECONDS_MAX, SHORT)


# --- The links -----------------------------------------------------------------------------------


class Echo:
    """A server that answers each piece with the same, and notes what came."""

    def __init__(self, path):
        self.came = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, suppress(ConnectionError):
            while piece := connection.recv(100):
                self.came.append(piece)
                connection.sendall(piece)

    def close(self):
        self._listener.close()


@pytest.fixture
def echo(tmp_path):
    server = Echo(str(tmp_path / "echo"))
    yield server
    server.close()


@pytest.fixture
def link(tmp_path, echo):
    sys.path.insert(0, str(COMMAND.parent))
    from relay import Links

    with Links() as links:
        yield links.add("link-test", str(tmp_path / "echo"))


@pytest.fixture
def client(link):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(link.path)
        connection.sendall(b"1")
        assert connection.recv(100) == b"1"
        yield connection


def assert_broken(client):
    try:
        assert client.recv(100) == b""
    except ConnectionError:
        pass


def test_a_link_that_is_cut_breaks_its_connections(link, client):
    link.cut()
    assert_broken(client)


def test_a_link_that_loses_answers_delivers_what_was_asked(link, echo, client):
    link.lose_answers()
    client.sendall(b"2")
    assert_broken(client)
    assert echo.came == [b"1", b"2"]


def test_a_link_that_is_held_delivers_late_what_was_sent_even_by_those_who_are_gone(
    link, echo, client
):
    link.hold()
    client.sendall(b"2")
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(link.path)
        other.sendall(b"3")
    assert echo.came == [b"1"]
    link.heal()
    assert client.recv(100) == b"2"
    wait_until(lambda: sorted(echo.came) == [b"1", b"2", b"3"], 30, "what was sent arrives")


def test_a_slow_link_keeps_the_order(link, echo, client):
    link.slow(0.05)
    for n in range(10):
        client.sendall(b"%d" % n)
    wait_until(lambda: b"".join(echo.came) == b"10123456789", 30, "all arrives")
