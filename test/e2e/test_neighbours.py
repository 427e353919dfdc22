# SPDX-License-Identifier: MIT
"""The servers that stand beside a cluster, as the tests start them, and deploy/haproxy.cfg: what it
sends again, and what it says when nobody is there."""

import http.client
import os
import socket
import threading

import pytest
from harness.haproxy import HAProxy
from harness.postgres import Postgres, url
from harness.redis import Redis
from harness.wait import wait_until


class ScriptedServer:
    """An API server that is ready, and closes the connection of each other request without an
    answer while it is `broken`."""

    def __init__(self):
        self.requests = []
        self.broken = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._answer(connection)
        except ConnectionError:
            pass  # A check whose asker did not wait.

    def _answer(self, connection):
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline().decode():
                while stream.readline().strip():
                    pass
                is_check = "/readyz" in line
                if not is_check:
                    self.requests.append(line.split()[0])
                if self.broken and not is_check:
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture
def servers():
    both = [ScriptedServer(), ScriptedServer()]
    yield both
    for server in both:
        server.close()


def ask(port, method, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, "/jobs", headers=headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def wait_until_it_serves(proxy):
    wait_until(lambda: ask(proxy.port, "GET").status == 200, 30, "a server is up")


def test_the_balancer_sends_again_only_what_is_safe_to_send_again(servers):
    with HAProxy([server.address for server in servers]) as proxy:
        wait_until_it_serves(proxy)
        for method, headers, times in (
            ("POST", {}, 1),
            ("PUT", {}, 1),
            ("DELETE", {}, 1),
            ("GET", {}, 4),
            ("POST", {"Idempotency-Key": '"a"'}, 4),
        ):
            for server in servers:
                server.broken = True
                server.requests.clear()
            assert ask(proxy.port, method, headers).status in (502, 503)
            assert sum((server.requests for server in servers), []) == [method] * times
        servers[0].broken = False
        assert ask(proxy.port, "GET").status == 200


def test_without_a_server_the_balancer_says_when_to_come_again(servers):
    for server in servers:
        server.close()
    with HAProxy([server.address for server in servers]) as proxy:

        def is_refused():
            answer = ask(proxy.port, "GET")
            return answer if answer.status == 503 else None

        answer = wait_until(is_refused, 30, "the balancer knows that nobody is there")
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_replica_has_what_its_primary_has_answered_and_takes_over():
    with Postgres() as primary, primary.make_replica() as replica:
        primary.ask("CREATE TABLE t AS SELECT 1 AS n")
        assert replica.ask("SELECT pg_is_in_recovery(), n FROM t") == [["t", "1"]]
        assert replica.folder.path in url(primary, replica)
        primary.freeze()
        replica.promote()
        replica.ask("INSERT INTO t VALUES (2)")
        primary.thaw()
        primary.kill()
        assert not primary.process.is_running
        primary.start()
        assert primary.ask("SELECT n FROM t") == [["1"]]
        folder = primary.folder.path
    assert not os.path.exists(folder)


def test_a_killed_redis_has_forgotten_everything():
    with Redis() as redis:
        assert redis.ask("SET", "a", "1") == "+OK"
        redis.kill()
        redis.start()
        assert redis.ask("GET", "a") == "$-1"
