# SPDX-License-Identifier: MIT
"""Which addresses may be called: a server must not become a way into what only it can reach."""

import http.server
import resource
import socket
import ssl
import subprocess
import threading

import pytest
from harness.jobs import create_job, expect, list_executions, trigger, wait_for_end
from harness.program import run_to_end
from harness.times import EVERY_SECOND, NEVER_SOON
from harness.wait import wait_until

METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.mark.parametrize("api", [METADATA, "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/"])
def test_a_metadata_service_is_no_target(shared_server, api):
    jobs = {"jobs": [{"schedule": "@daily", "api": api}]}
    dry = expect(shared_server.post("/import?dry_run=1", jobs), 200)
    assert b"which deny_targets denies" in dry.body
    problem = expect(shared_server.post("/jobs", {"schedule": "@daily", "api": api}), 400).json
    assert problem["type"] == "/problems/target-forbidden"
    assert problem["errors"][0]["pointer"] == "/api"


@pytest.mark.parametrize(
    "api", ["http://cache.internal:11211/", "http://127.0.0.1:25/", "https://[::1]:10250/pods"]
)
def test_a_server_that_reads_lines_is_no_target(shared_server, api):
    problem = expect(shared_server.post("/jobs", {"schedule": "@daily", "api": api}), 400).json
    assert problem["type"] == "/problems/target-forbidden"
    assert "is one that deny_ports denies" in problem["error"]


# Whoever reaches the server from elsewhere must not reach through it what only its machine can.
def test_beyond_loopback_inner_targets_must_be_allowed(fleet, database, target):
    beyond = ("--listen", "0.0.0.0:0", "--insecure-no-auth")
    server = fleet.serve(database, *beyond)
    for inner in (target.url("/ok"), "http://192.168.1.1/"):
        answer = server.post("/jobs", {"schedule": NEVER_SOON, "api": inner})
        assert expect(answer, 400).json["type"] == "/problems/target-forbidden"
    by_name = target.url("/ok/inner").replace("127.0.0.1", "localhost")
    job = create_job(server, by_name, max_retries=0)
    execution = wait_for_end(server, trigger(server, job), 20)
    assert "a loopback address, which deny_targets denies" in execution["error"]
    server.stop()

    server = fleet.serve(database, *beyond, "--allow-targets", "loopback")
    assert wait_for_end(server, trigger(server, job), 20)["status"] == "SUCCESS"


def test_a_job_cannot_be_moved_to_a_denied_address(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/moved"))
    answer = expect(shared_server.patch(f"/jobs/{job['id']}", {"api": METADATA}), 400)
    assert answer.json["type"] == "/problems/target-forbidden"
    kept = expect(shared_server.get(f"/jobs/{job['id']}"), 200).json
    assert kept["api"] == job["api"]


@pytest.mark.parametrize("adapter", ["wire", "curl"])
def test_a_name_is_judged_by_the_address_that_is_called(fleet, database, target, adapter):
    server = fleet.serve(database, "--deny-targets", "loopback", "--dispatch", adapter)
    api = target.url("/ok/denied").replace("127.0.0.1", "localhost")
    job = create_job(server, api, max_retries=0)
    execution = wait_for_end(server, trigger(server, job), 20)
    assert execution["status"] == "FAILED"
    assert "a loopback address, which deny_targets denies" in execution["error"]
    assert target.arrivals("/ok/denied") == []
    server.stop()

    allowed = ("--deny-targets", "all", "--allow-targets", "127.0.0.1,::1")
    server = fleet.serve(database, *allowed, "--dispatch", adapter)
    assert wait_for_end(server, trigger(server, job), 20)["status"] == "SUCCESS"
    assert len(target.arrivals("/ok/denied")) == 1


# --- Who a target is -----------------------------------------------------------------------------


class SecureTarget:
    """Answers 200 to every request over TLS, with a certificate that nobody has signed."""

    def __init__(self, folder):
        key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run(
            [*make.split(), *names, "-keyout", key, "-out", self.certificate],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SecureTarget.Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def secure_target(tmp_path_factory):
    with SecureTarget(tmp_path_factory.mktemp("tls")) as t:
        yield t


def error_of(server, target, **fields):
    job = create_job(server, target.url, max_retries=0, **fields)
    return wait_for_end(server, trigger(server, job), 20)["error"]


@pytest.mark.parametrize("adapter", ["wire", "curl"])
def test_a_job_says_how_its_target_proves_itself(fleet, database, secure_target, adapter):
    server = fleet.serve(database, "--dispatch", adapter)
    for _ in range(2):
        assert error_of(server, secure_target, tls_verify=False) is None
        assert "self-signed certificate" in error_of(server, secure_target)
        assert error_of(server, secure_target, tls_ca=secure_target.certificate.read_text()) is None


@pytest.mark.parametrize("adapter", ["wire", "curl"])
def test_the_servers_own_certificates_are_beside_the_systems(
    fleet, database, secure_target, adapter
):
    options = ["--dispatch", adapter, "--ca-file", secure_target.certificate]
    for more in ([], ["--ca-only"]):
        server = fleet.serve(database, *options, *more)
        assert error_of(server, secure_target) is None
        server.stop()


def test_to_trust_nobody_is_refused_at_the_start(database):
    refused = run_to_end("serve", "--db", database, "--ca-only")
    assert refused.returncode == 2
    assert "--ca-only needs --ca-file" in refused.stderr


# --- Through a proxy -----------------------------------------------------------------------------


class Proxy:
    """Tunnels CONNECT to this machine whatever its host is called, and notes what it was asked."""

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                asked.append(self.path)
                if self.path.startswith("denied."):
                    self.send_error(403)
                    return
                port = int(self.path.rsplit(":", 1)[1])
                with socket.create_connection(("127.0.0.1", port)) as to:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=pump, args=(to, self.connection), daemon=True)
                    back.start()
                    pump(self.connection, to)
                    back.join(10)

            def do_POST(self):
                asked.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_requests_go_through_the_proxy(fleet, database, secure_target):
    with Proxy() as proxy:
        server = fleet.serve(database, "--proxy", proxy.url)
        port = secure_target.url.rsplit(":", 1)[1].strip("/")
        trust = secure_target.certificate.read_text()
        assert error_of(server, secure_target, tls_ca=trust) is None
        assert "self-signed" in error_of(server, secure_target)
        secret = create_job(server, f"https://denied.test:{port}/", max_retries=0)
        assert "403" in wait_for_end(server, trigger(server, secret), 20)["error"]
        plain = create_job(server, "http://no.such.name.test/x?y", max_retries=0)
        assert wait_for_end(server, trigger(server, plain), 20)["status"] == "SUCCESS"
        answer = server.post("/jobs", {"schedule": NEVER_SOON, "api": METADATA})
        assert expect(answer, 400).json["type"] == "/problems/target-forbidden"
        assert proxy.asked.count(f"127.0.0.1:{port}") == 2
        assert proxy.asked[-2:] == [f"denied.test:{port}", "http://no.such.name.test/x?y"]
    end = wait_for_end(server, trigger(server, plain), 20)
    assert "no connection to the proxy" in end["error"]


def test_a_malformed_proxy_is_refused_at_the_start(database):
    listen = ("--listen", "127.0.0.1:0")
    refused = run_to_end("serve", "--db", database, *listen, "--proxy", "ftp://x/")
    assert refused.returncode != 0
    assert "proxy: it must be like http://host:3128" in refused.stderr


# --- What this machine lacks ---------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ["wire", "curl"])
def test_without_descriptors_attempts_wait_and_nobody_is_blamed(fleet, database, target, adapter):
    server = fleet.serve(database, "--dispatch", adapter)
    url = target.url("/ok/held")
    job = create_job(server, url, max_retries=0, fresh_connection=True)
    pid = server.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    ids = [trigger(server, job) for _ in range(3)]
    for execution_id in ids:
        wait_for_end(server, execution_id, 10)
    job = expect(server.patch(f"/jobs/{job['id']}", {"schedule": EVERY_SECOND}), 200).json
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    server.wait_for_event("dispatch.held", 10)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def reason():
        return server.get("/observability/health").json["dispatch"].get("reason", "")

    wait_until(lambda: "attempts are put off" in reason(), 5, "health tells of it")
    assert server.get("/observability/metrics").json["attempts_held"] > 0
    due = [e["id"] for e in list_executions(server, job) if e["status"] != "SUCCESS"]
    ends = [wait_for_end(server, execution_id, 20) for execution_id in due]
    seen = {(e["status"], e["retry_count"], len(e["attempts"])) for e in ends}
    assert seen == {("SUCCESS", 0, 1)}
    assert server.get("/observability/alerts").json["alerts"] == []


# --- The server itself ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs"),
        ("POST", "/import"),
        ("POST", "/jobs/1/trigger"),
        ("POST", "/jobs/1/pause"),
        ("PUT", "/jobs/1"),
        ("DELETE", "/jobs/1"),
        ("POST", "/admin/clock/accept"),
    ],
)
def test_a_job_may_not_change_jobs(shared_server, method, path):
    answer = shared_server.request(method, path, {}, {"Carillon-Job": "61"})
    assert expect(answer, 508).json["type"] == "/problems/loop-detected"
    assert "job 61" in answer.json["detail"]


def test_a_server_is_not_its_own_target(shared_server):
    for host in ("127.0.0.1", "[::ffff:127.0.0.1]"):
        job = {"schedule": "@daily", "api": f"http://{host}:{shared_server.port}/jobs/1/trigger"}
        refused = expect(shared_server.post("/jobs", job), 400).json
        assert refused["type"] == "/problems/target-forbidden"
        assert "this server itself" in refused["detail"]
    other = {"schedule": "@daily", "api": f"http://127.0.0.1:{shared_server.port + 1}/"}
    expect(shared_server.post("/jobs", other), 201)


@pytest.mark.parametrize("adapter", ["wire", "curl"])
def test_a_name_that_leads_to_the_server_is_no_target(fleet, database, adapter):
    server = fleet.serve(database, "--dispatch", adapter, "--allow-targets", "all")
    api = f"http://localhost:{server.port}/livez"
    job = create_job(server, api, max_retries=0, method="GET")
    execution = wait_for_end(server, trigger(server, job), 20)
    assert execution["status"] == "FAILED"
    # Nobody listens at ::1, to which the name may lead as well.
    expected = ("127.0.0.1, this server itself, which no job may call", "refused by localhost")
    assert any(words in execution["error"] for words in expected)


def test_a_job_may_look_at_the_server(shared_server):
    headers = {"Carillon-Job": "61"}
    for path in ("/observability/health", "/jobs", "/livez"):
        expect(shared_server.get(path, headers=headers), 200)


def test_a_malformed_list_is_refused_at_the_start(database):
    refused = run_to_end("serve", "--db", database, "--deny-targets", "10.0.0.1/8")
    assert refused.returncode == 2
    assert "10.0.0.1/8" in refused.stderr and "is neither loopback" in refused.stderr
