# SPDX-License-Identifier: MIT
"""TLS of the API: curl, openssl and python as clients, certificates that are renewed while requests
run, clients with certificates, clients that mean no good, and a load balancer in front."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from harness.authority import Authority
from harness.haproxy import HAProxy
from harness.jobs import expect
from harness.program import Client, run_to_end
from harness.raw import send_raw
from harness.wait import wait_until
from test_bad_input import BAD_FRAMING

JOB = {"schedule": "0 0 1 1 *", "api": "http://127.0.0.1:4/x"}
HANDSHAKES = 1000
LIVEZ_SECONDS = 2  # Ample: it takes a millisecond.


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


class SecureClient(Client):
    def __init__(self, port, context):
        super().__init__(port)
        self.context = context

    def connect(self, seconds=30):
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=seconds, context=self.context
        )


@pytest.fixture
def secure(fleet, database, authority):
    """Starts a server with a certificate of the authority, and stops it in order."""
    started = []
    pair = authority.sign("server")

    def serve(*arguments):
        options = ("--tls-cert", pair[0], "--tls-key", pair[1])
        started.append(fleet.serve(database, *options, *arguments))
        return started[-1]

    yield serve
    for server in started:
        server.stop()


def handshake(server, context):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        with context.wrap_socket(s, server_hostname="localhost") as secured:
            return secured.version(), secured.selected_alpn_protocol(), secured.getpeercert()


def metric(client, name):
    for line in expect(client.get("/metrics"), 200).body.decode().splitlines():
        if line.startswith(f"carillon_{name} "):
            return float(line.split()[1])
    raise AssertionError(f"there is no metric {name}")


# --- Those who are welcome -----------------------------------------------------------------------


def test_jobs_are_made_over_tls(secure, authority):
    server = secure()
    assert server.wait_for_event("server.listening")["url"] == f"https://127.0.0.1:{server.port}"
    client = SecureClient(server.port, authority.client())
    job = expect(client.post("/jobs", JOB), 201).json
    kept = client.connect()
    for _ in range(100):
        answer = client.request("GET", f"/jobs/{job['id']}", connection=kept)
        assert expect(answer, 200).json["api"] == JOB["api"]
    kept.close()
    long = expect(client.post("/jobs", {**JOB, "body": "x" * 200_000}), 201).json
    for _ in range(10):
        client.post("/jobs", {**JOB, "body": "y" * 200_000})
    assert len(expect(client.get(f"/jobs/{long['id']}"), 200).json["body"]) == 200_000
    assert len(expect(client.get("/export"), 200).body) > 2_000_000  # A stream.


def test_curl_and_openssl_agree_on_the_protocol(secure, authority):
    server = secure()
    url = f"https://localhost:{server.port}/livez"
    curl = ("curl", "-sS", "--cacert", authority.certificate, "-w", "%{http_code} %{http_version}")
    for version in ("1.2", "1.3"):
        options = (f"--tlsv{version}", "--tls-max", version)
        end = subprocess.run((*curl, *options, url), capture_output=True, text=True)
        assert end.returncode == 0 and end.stdout.endswith("200 1.1"), end
    old = ("--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
    assert subprocess.run((*curl, *old, url), capture_output=True).returncode != 0
    peer = ("-connect", f"127.0.0.1:{server.port}", "-CAfile", authority.certificate)
    for offered, chosen in (("h2,http/1.1", "http/1.1"), ("h2", None)):
        command = ("openssl", "s_client", *peer, "-alpn", offered)
        end = subprocess.run(command, input="", capture_output=True, text=True)
        assert (f"ALPN protocol: {chosen}" in end.stdout + end.stderr) == bool(chosen), end
        assert (end.returncode == 0) == bool(chosen)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed(secure, authority, tmp_path, version):
    server = secure()
    session = tmp_path / "session"
    peer = ("-connect", f"127.0.0.1:{server.port}", "-CAfile", authority.certificate, version)
    request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for option, word in (("-sess_out", "New"), ("-sess_in", "Reused")):
        command = ("openssl", "s_client", *peer, "-ign_eof", option, session)
        end = subprocess.run(command, input=request, capture_output=True, text=True)
        assert f"{word}, TLSv1" in end.stdout and "HTTP/1.1 200" in end.stdout, end
    client = SecureClient(server.port, authority.client())
    assert metric(client, "tls_handshakes_resumed_total") == 1


def test_only_clients_with_a_certificate_get_in(secure, authority, tmp_path):
    (tmp_path / "others").mkdir()
    others = Authority(tmp_path / "others")
    server = secure("--tls-client-ca", authority.certificate)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for pair in (None, others.sign("mallory")):
            client = SecureClient(server.port, authority.client(pair, version))
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                client.get("/livez")
        client = SecureClient(server.port, authority.client(authority.sign("alice"), version))
        expect(client.post("/jobs", JOB), 201)
    assert "127.0.0.1 CN=alice" in server.wait_for_event("job.created").values()
    assert server.wait_for_event("tls.handshake_failed")["peer"] == "127.0.0.1"


# --- Those who are not ---------------------------------------------------------------------------


def test_plain_http_is_answered_in_plain_http(secure, authority):
    server = secure()
    answer = send_raw(server.port, b"PATCH /jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == 400 and answer.closed
    assert b"this port speaks TLS" in answer.body and b"application/problem+json" in answer.head
    expect(SecureClient(server.port, authority.client()).get("/livez"), 200)


def send_secured(server, context, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        with context.wrap_socket(s, server_hostname="localhost") as secured:
            secured.sendall(data)
            received = b""
            while chunk := secured.recv(65536):
                received += chunk
            return received


def test_ambiguous_framing_ends_a_secured_connection_too(secure, authority):
    server = secure()
    smuggled = b"GET /observability/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for name, head in BAD_FRAMING.items():
        answer = send_secured(server, authority.client(), head + b"\r\n{}" + smuggled)
        assert answer.startswith(b"HTTP/1.1 400"), name
        assert answer.count(b"HTTP/1.1 ") == 1, name


def test_a_page_that_came_in_clear_is_of_another_site(secure, authority):
    """The same name without TLS: whoever is in between could have written the page."""
    client = SecureClient(secure().port, authority.client())
    own = f"localhost:{client.port}"
    pages = [
        (own, f"https://{own}", 200),
        ("localhost", "https://localhost", 200),
        (own, f"http://{own}", 403),
        ("localhost", "http://localhost", 403),
        (own, "null", 403),
        ("evil.example", "https://evil.example", 421),
    ]
    for host, origin, status in pages:
        answer = client.get("/jobs", headers={"Host": host, "Origin": origin})
        assert answer.status == status, (host, origin, answer)


def test_a_handshake_that_drips_is_ended(secure, authority):
    server = secure()
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
        s.settimeout(0.5)
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        for byte in hello:
            try:
                s.send(bytes([byte]))
                if not s.recv(100):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            raise AssertionError("the server waited for ever")
    assert time.monotonic() - begun < 30
    client = SecureClient(server.port, authority.client())
    assert metric(client, "tls_handshakes_failed_total") == 1


def test_livez_answers_during_a_thousand_handshakes(secure, authority):
    server = secure("--listen-observe", "127.0.0.1:0")
    observe = Client(server.wait_for_event("server.listening_observe")["port"])
    client = SecureClient(server.port, authority.client())
    failures = []

    def shake(count):
        context = authority.client()
        for _ in range(count):
            try:
                handshake(server, context)
            except OSError as problem:
                failures.append(problem)

    threads = [threading.Thread(target=shake, args=(HANDSHAKES // 4,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    slowest = 0
    while any(thread.is_alive() for thread in threads):
        for asked in (observe, client):
            begun = time.monotonic()
            expect(asked.get("/livez"), 200)
            slowest = max(slowest, time.monotonic() - begun)
    assert not failures
    assert slowest < LIVEZ_SECONDS
    assert metric(client, "tls_handshakes_total") >= HANDSHAKES


def test_livez_answers_beside_those_who_only_connect(secure, authority):
    """More connections than one address may have, which never say a word."""
    server = secure("--api-connections", "64", "--api-connections-per-address", "32")
    client = SecureClient(server.port, authority.client())
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    begun = time.monotonic()
    expect(client.get("/livez"), 200)
    assert time.monotonic() - begun < LIVEZ_SECONDS
    for s in silent:
        s.close()


# --- Files that change ---------------------------------------------------------------------------


def replace(pair, files):
    for new, old in zip(pair, files):
        os.replace(new, old)


def serial_of(server, authority):
    return handshake(server, authority.client())[2]["serialNumber"]


def test_a_renewed_certificate_counts_while_requests_run(secure, authority):
    server = secure()
    files = (authority.folder / "server.pem", authority.folder / "server.key")
    first = serial_of(server, authority)
    client = SecureClient(server.port, authority.client())
    kept = client.connect()
    stop = threading.Event()
    failures = []

    def ask():
        while not stop.is_set():
            try:
                expect(client.get("/jobs"), 200)
            except (OSError, AssertionError) as problem:
                failures.append(problem)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    expect(client.request("GET", "/livez", connection=kept), 200)
    replace(authority.sign("server", file="new"), files)
    wait_until(lambda: serial_of(server, authority) != first, 10, "the new certificate is shown")
    second = serial_of(server, authority)
    expect(client.request("GET", "/livez", connection=kept), 200)

    # A bad file: the old one stays, and the log says why, once.
    files[0].write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    event = server.wait_for_event("tls.reload_failed")
    assert str(files[0]) in event["detail"]
    assert serial_of(server, authority) == second

    # SIGHUP does not wait for a connection.
    replace(authority.sign("server", file="newer"), files)
    server.signal(signal.SIGHUP)
    server.wait_for_event("server.reloaded")
    assert serial_of(server, authority) != second
    stop.set()
    for thread in threads:
        thread.join()
    kept.close()
    assert not failures
    assert len(server.events("tls.certificate")) == 3
    assert len(server.events("tls.reload_failed")) == 1


def test_mistakes_in_the_settings_are_named(authority, tmp_path):
    certificate, key = authority.sign("server")
    other = authority.sign("other")[1]
    cases = (
        (("--tls-cert", certificate), "--tls-key is missing"),
        (("--tls-key", key), "--tls-cert is missing"),
        (("--tls-client-ca", certificate), "--tls-client-ca needs --tls-cert"),
        (("--tls-cert", certificate, "--tls-key", other), "is not that of the certificate"),
        (("--tls-cert", tmp_path / "none", "--tls-key", key), "No such file or directory"),
        (
            ("--listen", f"unix:{tmp_path}/s", "--tls-cert", certificate, "--tls-key", key),
            "there is no port to speak TLS at",
        ),
    )
    for arguments, words in cases:
        if "--listen" not in arguments:
            arguments = ("--listen", "127.0.0.1:0", *arguments)
        end = run_to_end("serve", "--db", tmp_path / "a.db", *arguments)
        assert end.returncode == 2 and words in end.stderr, end.stderr


# --- A load balancer -----------------------------------------------------------------------------


def test_haproxy_reaches_the_server_by_tls(secure, authority):
    server = secure("--tls-client-ca", authority.certificate)
    certificate, key = authority.sign("haproxy")
    files = {"ca.pem": authority.certificate.read_text()}
    files["own.pem"] = certificate.read_text() + key.read_text()
    options = "ssl verify required ca-file {folder}/ca.pem verifyhost localhost"
    options += " crt {folder}/own.pem"
    with HAProxy([f"127.0.0.1:{server.port}"], options=options, files=files) as proxy:
        client = Client(proxy.port)
        wait_until(lambda: client.get("/livez").status == 200, 10, "HAProxy has found the server")
        job = expect(client.post("/jobs", JOB), 201).json
        for _ in range(20):
            expect(client.get(f"/jobs/{job['id']}"), 200)
        assert "127.0.0.1 CN=haproxy" in server.wait_for_event("job.created").values()
