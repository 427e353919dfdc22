# SPDX-License-Identifier: MIT
"""Clients that want to take the server down: slow ones, greedy ones, and those that lie.

Whatever they do, /livez answers, others are served, jobs run, and the memory stays bounded. Every
server is stopped in order at the end of its test, so that a sanitizer's build tells what it leaked.
"""

import contextlib
import resource
import select
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest
from harness.jobs import create_job, expect, list_executions
from harness.program import BINARY, server_arguments
from harness.raw import send_raw
from harness.times import EVERY_SECOND
from harness.wait import wait_until

LIVEZ_SECONDS = 2  # Ample: it takes a millisecond.
SLOW_CONNECTIONS = 1500  # More than one address may have.
OTHER_ADDRESS = "127.0.0.2"
SANITIZED = any(part in ("asan", "tsan") for part in Path(BINARY).resolve().parts)
GET = b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True, scope="module")
def many_descriptors():
    """A thousand connections are more than a process may usually have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def hostile(fleet, database):
    """Starts the server of the test, and stops it in order."""
    servers = []

    def serve(*arguments):
        servers.append(fleet.serve(database, *arguments))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


def connect(server, source="127.0.0.1", receive_bytes=None):
    s = socket.socket()
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.bind((source, 0))
    s.settimeout(30)
    s.connect(("127.0.0.1", server.port))
    return s


def check_livez(server):
    start = time.monotonic()
    expect(server.get("/livez"), 200)
    assert time.monotonic() - start < LIVEZ_SECONDS


def answer_of(s):
    """The status of the next answer, or None when the connection ends without one."""
    try:
        head = s.recv(65536)
    except ConnectionError:
        return None
    return int(head.split(b" ", 2)[1]) if head else None


def rss_mebibytes(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def check_memory(server, mebibytes):
    """A sanitizer keeps what was freed, so its memory says nothing."""
    assert SANITIZED or rss_mebibytes(server) < mebibytes


def readable(sockets):
    poll = select.poll()
    for s in sockets:
        poll.register(s, select.POLLIN)
    return {fd for fd, _ in poll.poll(0)}


# --- Slow ones -----------------------------------------------------------------------------------


def test_slow_heads_take_neither_livez_nor_the_seats_of_others(hostile, target):
    server = hostile("--api-request-timeout", "60s")
    job = create_job(server, target.url("/ok/still"), EVERY_SECOND)
    with contextlib.ExitStack() as stack:
        for number in range(SLOW_CONNECTIONS):
            s = stack.enter_context(connect(server))
            with contextlib.suppress(ConnectionError):
                s.send(GET + b"X-Slow: " + b"a" * 3000)
            if number % 100 == 99:
                check_livez(server)
        check_livez(server)
        check_memory(server, 100)

        # All seats of this address are taken; those of another are not.
        assert server.get("/jobs").status == 503
        other = stack.enter_context(connect(server, OTHER_ADDRESS))
        other.send(GET + b"\r\n")
        assert answer_of(other) == 200
        expect(server.get("/readyz"), 200)
        expect(server.get("/metrics"), 200)
        target.wait_for(2, "/ok/still", 10)
    wait_until(lambda: server.get("/jobs").status == 200, 20, "the seats are free again")
    assert {e["status"] for e in list_executions(server, job)} <= {"SUCCESS", "RUNNING", "PENDING"}


def test_heads_hurry_when_there_are_many(hostile):
    """In a crowd a head has 5 seconds, whatever it has otherwise."""
    server = hostile("--api-request-timeout", "10m", "--api-connections", "64")
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(server)) for _ in range(50)]
        for s in crowd:
            s.send(GET)
        assert answer_of(crowd[0]) == 408
        check_livez(server)


@pytest.mark.parametrize(
    "beginning",
    [GET + b"X-Slow: ", b"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\n"],
    ids=["head", "body"],
)
def test_a_byte_now_and_then_does_not_hold_a_connection(hostile, beginning):
    server = hostile("--api-request-timeout", "1s")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(50)]
        for s in slow:
            s.send(beginning)
        end = time.monotonic() + 30
        while len(readable(slow)) < len(slow):
            assert time.monotonic() < end, "some are still open"
            for s in slow:
                with contextlib.suppress(ConnectionError):
                    s.send(b"a")
            select.select([], [], [], 0.05)
        assert {answer_of(s) for s in slow} == {408}
    check_livez(server)


# --- Those that lie ------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [b" ", b"\t"], ids=["space", "tab"])
def test_a_blank_behind_chunked_is_refused_and_takes_no_memory(hostile, blank):
    """One parser would see an empty body, and another a body without an end."""
    server = hostile()
    head = (
        b"POST /schedules/preview HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked" + blank + b"\r\n\r\n0\r\n\r\n"
    )
    flood = (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 15000 + b"\r\n\r\n") * 64
    sent = 0
    with connect(server) as s:
        s.send(head)
        assert answer_of(s) == 400
        with contextlib.suppress(ConnectionError):
            while sent < 256 * MEBIBYTE:
                sent += s.send(flood)
    assert sent < 64 * MEBIBYTE  # The server has closed.
    check_memory(server, 100)
    check_livez(server)


def test_more_parameters_than_there_may_be_are_refused_each_time(hostile):
    server = hostile()
    with connect(server) as s:
        for number in [101, 1000, 4000] * 30:
            query = b"&".join([b"a"] * number)
            s.send(b"GET /livez?" + query + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert answer_of(s) == 400
        s.send(GET + b"\r\n")  # The connection goes on.
        assert answer_of(s) == 200
    check_livez(server)


@pytest.mark.parametrize("parts, status", [(3900, 200), (4500, 431)])
def test_a_huge_cookie_gets_one_answer(hostile, parts, status):
    server = hostile()
    cookie = b"Cookie: " + b"a=b;" * parts + b"\r\n"
    answer = send_raw(server.port, GET + b"Connection: close\r\n" + cookie + b"\r\n")
    assert answer.status == status and answer.closed
    assert b"HTTP/1.1" not in answer.body
    assert answer.body.startswith(b"{")


def test_clients_that_vanish_leave_nothing_behind(hostile):
    """They reset the connection after a part of a request, or while their change is under way."""
    server = hostile()
    body = b'{"schedule":"@yearly","api":"http://127.0.0.1:4/","name":"vanished"}'
    head = (
        b"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    request = head + body
    for cut in range(0, len(request) + 1, 2):
        with connect(server) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.send(request[: cut or None])
    check_livez(server)
    vanished = expect(server.get("/jobs?q=vanished&limit=500"), 200).json["jobs"]
    assert {job["name"] for job in vanished} <= {"vanished"}  # Whole jobs, or none.


# --- Greedy ones ---------------------------------------------------------------------------------


def test_slow_readers_hold_a_bounded_memory(hostile):
    """A hundred clients ask for megabytes and do not read: some get an answer, the others 503."""
    server = hostile("--api-answer-memory", "8")
    for number in range(20):
        create_job(server, "http://127.0.0.1:4/", body="b" * 200_000, name=f"large {number}")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server, receive_bytes=4096)) for _ in range(100)]
        for s in slow:
            s.send(GET[:-2].replace(b"/jobs", b"/jobs?limit=500") + b"\r\n\r\n")
        wait_until(lambda: len(readable(slow)) == len(slow), 60, "each answer has begun")
        answers = [s.recv(65536) for s in slow]
        refused = [answer for answer in answers if b" 503 " in answer[:20]]
        assert 0 < len(refused) < len(slow)
        assert all(b" 200 " in answer[:20] for answer in answers if answer not in refused)
        assert all(b"\r\nRetry-After: 1\r\n" in answer for answer in refused)
        assert all(b'"/problems/busy"' in answer for answer in refused)
        check_memory(server, 200)
        check_livez(server)
        create_job(server, "http://127.0.0.1:4/")  # Changes are taken all the same.
    wait_until(lambda: server.get("/jobs?limit=500").status == 200, 20, "the memory is free again")


def test_queries_keep_nobody_waiting_who_asks_for_health(hostile):
    """Hundreds of lists of megabytes, asked for at once: some wait for a thread that reads the
    database, the others are told to come back, and neither health nor a new job waits for them."""
    server = hostile("--query-threads", "1", "--queries-max", "8")
    for number in range(30):
        create_job(server, "http://127.0.0.1:4/", body="b" * 200_000, name=f"large {number}")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(200)]
        for s in clients:
            s.send(GET[:-2].replace(b"/jobs", b"/jobs?limit=500") + b"\r\n\r\n")
        check_livez(server)
        create_job(server, "http://127.0.0.1:4/")
        wait_until(lambda: len(readable(clients)) == len(clients), 60, "each answer has begun")
        assert {answer_of(s) for s in clients} == {200, 503}


def test_long_bodies_hold_a_bounded_memory(hostile):
    """A hundred clients send nearly all of a long body and then nothing more."""
    server = hostile()
    head = b"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % MEBIBYTE
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(100)]
        for s in slow:
            with contextlib.suppress(ConnectionError):
                s.sendall(head + b" " * (MEBIBYTE - 1))
        wait_until(lambda: len(readable(slow)) > 0, 30, "some are refused")
        assert answer_of(next(s for s in slow if s.fileno() in readable(slow))) == 503
        check_memory(server, 200)
        check_livez(server)
        create_job(server, "http://127.0.0.1:4/")  # A short body needs none of that memory.


def test_the_bodies_of_all_jobs_are_bounded(hostile):
    """What would go beyond is refused; what is there can become shorter, and makes room."""
    server = hostile("--jobs-memory", "1")
    large = {"schedule": "@yearly", "api": "http://127.0.0.1:4/", "body": "b" * 250_000}
    jobs = [expect(server.post("/jobs", large), 201).json for _ in range(4)]
    refused = expect(server.post("/jobs", large), 429)
    assert refused.json["type"] == "/problems/limit-reached" and "bodies" in refused.json["error"]
    expect(server.patch(f"/jobs/{jobs[0]['id']}", {"body": "short"}), 200)
    expect(server.post("/jobs", large), 201)


# --- Descriptors ---------------------------------------------------------------------------------


def test_idle_connections_leave_descriptors_for_attempts(fleet, database, target):
    """As many descriptors as are just enough, and more clients than that."""
    server = fleet.serve(database, descriptors=128)
    (lowered,) = server.events("server.descriptors")
    assert lowered["limit"] == 128
    job = create_job(server, target.url("/ok/still"), EVERY_SECOND, max_retries=0)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connect(server))
        seen = len(target.arrivals("/ok/still"))
        target.wait_for(seen + 3, "/ok/still", 20)
        check_livez(server)
    assert not [e for e in list_executions(server, job) if e["status"] == "FAILED"]
    server.stop()


def test_too_few_descriptors_are_refused_at_the_start(database):
    command = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", BINARY]
    command += map(str, server_arguments(database))
    end = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert end.returncode == 1
    assert "ulimit -n" in end.stderr
    assert not database.exists()
