# SPDX-License-Identifier: MIT
"""Where a server listens: its address, a Unix socket, and an address to observe."""

import http.client
import os
import socket
import stat
import subprocess

import pytest
from harness.jobs import expect
from harness.program import Client, run_to_end
from harness.wait import wait_until

JOB = {"schedule": "0 0 1 1 *", "api": "http://127.0.0.1:4/x"}
OBSERVED = ("/livez", "/readyz", "/metrics", "/observability/health", "/observability/metrics")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def at_socket(path, method, target, body=None):
    c = UnixConnection(path)
    try:
        return Client().request(method, target, body, connection=c)
    finally:
        c.close()


def serve_at(fleet, database, *arguments, event="server.listening_unix"):
    """A server whose only way in is not a port."""
    fleet.databases.add(database)
    server = fleet.start("serve", "--db", database, "--log-format", "json", *arguments)
    server.wait_for_event(event)
    return server


def test_a_unix_socket_takes_the_place_of_the_port(fleet, database, tmp_path):
    path = tmp_path / "api.sock"
    server = serve_at(fleet, database, "--listen", f"unix:{path}")
    event = server.wait_for_event("server.listening")
    assert event["url"] == f"unix:{path}" and event["port"] == 0
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    job = expect(at_socket(path, "POST", "/jobs", JOB), 201).json
    assert expect(at_socket(path, "GET", f"/jobs/{job['id']}"), 200).json["api"] == JOB["api"]
    command = ("curl", "-sS", "--unix-socket", path, f"http://localhost/jobs/{job['id']}")
    assert JOB["api"] in subprocess.run(command, capture_output=True, text=True).stdout
    server.stop()
    assert not path.exists()


def test_a_change_through_the_socket_is_logged_with_its_user(fleet, database, tmp_path):
    path = tmp_path / "api.sock"
    server = serve_at(fleet, database, "--listen", "127.0.0.1:0", "--listen-unix", f"{path},660")
    assert stat.S_IMODE(path.lstat().st_mode) == 0o660
    expect(at_socket(path, "POST", "/jobs", JOB), 201)
    created = server.wait_for_event("job.created")
    assert f"unix:uid={os.getuid()}" in created.values(), created
    server.stop()


def test_the_socket_of_a_killed_server_is_replaced(fleet, database, tmp_path):
    path = tmp_path / "api.sock"
    serve_at(fleet, database, "--listen", f"unix:{path}").kill()
    assert path.exists()
    with pytest.raises(ConnectionRefusedError):
        at_socket(path, "GET", "/livez")
    server = serve_at(fleet, database, "--listen", f"unix:{path}")
    expect(at_socket(path, "GET", "/livez"), 200)

    other = run_to_end("serve", "--db", tmp_path / "other.db", "--listen", f"unix:{path}")
    assert other.returncode == 1 and f"{path} is already in use" in other.stderr
    expect(at_socket(path, "GET", "/livez"), 200)
    server.stop()


def test_a_file_that_is_no_socket_stays_as_it_is(tmp_path):
    path = tmp_path / "notes"
    path.write_text("mine")
    end = run_to_end("serve", "--db", tmp_path / "a.db", "--listen", f"unix:{path}")
    assert end.returncode == 1 and f"{path} is there already, and is no socket" in end.stderr
    assert path.read_text() == "mine"


def test_mistakes_in_where_to_listen_are_named(tmp_path):
    cases = (
        (("--listen-unix", "/x,9"), '--listen-unix: "9" is not the mode of a file'),
        (("--listen-observe", "9100"), '--listen-observe: "9100" is not HOST:PORT'),
        (("--listen", "unix:/x", "--listen-unix", "/y"), "--listen names a Unix socket already"),
    )
    for arguments, words in cases:
        end = run_to_end("serve", "--db", tmp_path / "a.db", *arguments)
        assert end.returncode == 2 and words in end.stderr, end.stderr


def test_at_the_address_to_observe_there_is_health_and_nothing_else(fleet, database):
    server = fleet.serve(database, "--listen-observe", "127.0.0.1:0")
    observe = Client(server.wait_for_event("server.listening_observe")["port"])
    assert observe.port != server.port
    for path in OBSERVED:
        expect(observe.get(path), 200)
    for path in ("/", "/jobs", "/export", "/observability/alerts", "/cluster"):
        expect(server.get(path), 200)
        answer = expect(observe.get(path), 404)
        assert "--listen-observe" in answer.json["detail"]
    expect(observe.post("/jobs", JOB), 404)
    assert expect(server.get("/jobs"), 200).json["jobs"] == []
    server.stop()


def test_names_count_at_the_address_to_observe_too(fleet, database):
    server = fleet.serve(database, "--listen-observe", "127.0.0.1:0", "--allowed-hosts", "pit:1")
    observe = Client(server.wait_for_event("server.listening_observe")["port"])
    expect(observe.get("/livez", headers={"Host": "evil.example"}), 421)
    expect(observe.get("/livez", headers={"Host": "pit:1"}), 200)
    server.stop()


def test_whoever_observes_needs_no_token(fleet, database, tmp_path):
    path = tmp_path / "api.sock"
    doors = ("--listen-observe", "127.0.0.1:0", "--listen-unix", path)
    server = fleet.serve(database, *doors)
    observe = Client(server.wait_for_event("server.listening_observe")["port"])
    create = ("tokens", "create", "--name", "ops", "--scope", "admin", "--db", database)
    assert run_to_end(*create).returncode == 0
    wait_until(lambda: server.get("/metrics").status == 401, 10, "the token counts")
    expect(at_socket(path, "GET", "/metrics"), 401)
    for observed in OBSERVED:
        expect(observe.get(observed), 200)
    expect(observe.get("/jobs"), 404)
    server.stop()
