# SPDX-License-Identifier: MIT
"""A job proves who it is to its target by a certificate, whose key is found nowhere else."""

import http.server
import json
import ssl
import threading

import pytest
from harness.authority import Authority, run_openssl
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.keys import new_keys, sealing
from harness.program import Program
from harness.redis import Redis
from harness.times import NEVER_SOON
from harness.wait import wait_until

ADAPTERS = pytest.mark.parametrize("adapter", ["wire", "curl"])


def members_of(authority, name):
    """Members of a job that is called so."""
    certificate, key = authority.sign(name)
    return {"tls_client_cert": certificate.read_text(), "tls_client_key": key.read_text()}


class Target:
    """Answers those who show a certificate of an authority, and notes whom by which connection."""

    def __init__(self, authority, clients, latest=ssl.TLSVersion.TLSv1_3, to=None):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                subject = (self.connection.getpeercert() or {}).get("subject", ())
                name = dict(part[0] for part in subject).get("commonName")
                seen.append((name, self.client_address[1]))
                self.send_response(308 if to else 200)
                self.send_header("Content-Length", "0")
                if to:
                    self.send_header("Location", to)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def finish_request(self, request, address):
                # In the thread of the connection, so that one that is refused stops no other.
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, address)

            def handle_error(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = latest
        context.load_cert_chain(*authority.sign("target"))
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL if to == "" else ssl.CERT_REQUIRED
        to = to or None
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def names(self):
        return [name for name, _ in self.seen]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def alice(authority):
    return members_of(authority, "alice")


@pytest.fixture(scope="module")
def bob(authority):
    return members_of(authority, "bob")


@pytest.fixture
def picky(authority):
    with Target(authority, authority) as t:
        yield t


def serve(fleet, database, authority, keys, *more):
    options = ("--ca-file", str(authority.certificate), *sealing(keys))
    return fleet.serve(database, *options, *map(str, more))


def run(server, job):
    return wait_for_end(server, trigger(server, job), 20)


def error_of(server, url, **fields):
    return run(server, create_job(server, url, max_retries=0, **fields))["error"]


def lines_of(key):
    """What of a key's text nothing else has."""
    return [line.encode() for line in key.splitlines() if line and "-----" not in line]


# --- Who calls -----------------------------------------------------------------------------------


@ADAPTERS
@pytest.mark.parametrize("latest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_target_is_shown_the_certificate_of_the_job_and_no_other(
    fleet, database, authority, keys, alice, bob, adapter, latest
):
    server = serve(fleet, database, authority, keys, "--dispatch", adapter)
    with Target(authority, authority, latest) as target:
        jobs = [create_job(server, target.url, max_retries=0, **who) for who in (alice, bob, {})]
        for _ in range(3):
            ends = [run(server, job)["status"] for job in jobs]
            assert ends == ["SUCCESS", "SUCCESS", "FAILED"]
        assert target.names == ["alice", "bob"] * 3
        # Each has kept a connection, which the others have not used.
        ports = {name: {port for who, port in target.seen if who == name} for name in target.names}
        assert not ports["alice"] & ports["bob"]
        assert all(len(of_one) == 1 for of_one in ports.values())


@ADAPTERS
def test_a_session_is_resumed_by_nobody_else(fleet, database, authority, keys, alice, bob, adapter):
    server = serve(fleet, database, authority, keys, "--dispatch", adapter)
    fields = {"max_retries": 0, "fresh_connection": True}
    with Target(authority, authority, ssl.TLSVersion.TLSv1_2, to="") as target:
        jobs = [create_job(server, target.url, **fields, **who) for who in (alice, bob, {})]
        for job in jobs * 2:
            assert run(server, job)["status"] == "SUCCESS"
        assert target.names == ["alice", "bob", None] * 2


# With TLS 1.3 a client may be refused when it already sends; libcurl does not always read why.
@pytest.mark.parametrize(
    "adapter, latest",
    [
        ("wire", ssl.TLSVersion.TLSv1_2),
        ("wire", ssl.TLSVersion.TLSv1_3),
        ("curl", ssl.TLSVersion.TLSv1_2),
    ],
)
def test_a_target_that_refuses_the_certificate_is_quoted(
    fleet, database, authority, keys, adapter, latest, tmp_path
):
    server = serve(fleet, database, authority, keys, "--dispatch", adapter)
    stranger = members_of(Authority(tmp_path, "stranger"), "mallory")
    begins = "TLS handshake with 127.0.0.1 failed: "
    none = "it requires a client certificate (tls_client_cert)"
    if adapter == "curl":  # TLS 1.2 has no alert for that; ours remembers what it was asked for.
        none = "sslv3 alert handshake failure"
    with Target(authority, authority, latest) as target:
        assert error_of(server, target.url) == begins + none
        assert error_of(server, target.url, **stranger) == (
            f"{begins}it refuses the client certificate (tls_client_cert): unknown authority"
        )
        assert target.seen == []


@ADAPTERS
def test_a_redirect_elsewhere_leaves_the_certificate_behind(
    fleet, database, authority, keys, alice, adapter
):
    server = serve(fleet, database, authority, keys, "--dispatch", adapter)
    with Target(authority, authority, to="") as elsewhere:
        with Target(authority, authority, to=elsewhere.url) as first:
            assert error_of(server, first.url, redirects=1, **alice) is None
            assert (first.names, elsewhere.names) == (["alice"], [None])


def test_an_attempt_that_is_tried_shows_it_too(fleet, database, authority, keys, alice, picky):
    server = serve(fleet, database, authority, keys)
    draft = {"schedule": NEVER_SOON, "api": picky.url, **alice}
    assert expect(server.post("/jobs/test", draft), 200).json["success"]
    assert picky.names == ["alice"]


def test_an_executor_opens_the_key_with_its_own(fleet, database, authority, keys, alice, picky):
    with Redis() as redis:
        executor = Program(
            "serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--role", "executor",
            "--redis", redis.url, "--ca-file", str(authority.certificate), *sealing(keys),
        ).wait_until_listening()  # fmt: skip
        try:
            wait_until(lambda: executor.get("/readyz").status == 200, 30, "the executor takes")
            queue = ("--dispatch", "queue", "--redis", redis.url)
            server = serve(fleet, database, authority, keys, *queue)
            assert error_of(server, picky.url, **alice) is None
            assert picky.names == ["alice"]
            server.stop()
        finally:
            executor.kill()


# --- Where the key is ----------------------------------------------------------------------------


def test_the_private_key_is_found_nowhere(fleet, database, authority, keys, alice, picky):
    server = serve(fleet, database, authority, keys, "--log-level", "debug")
    job = create_job(server, picky.url, key="mine", **alice)
    path = f"/jobs/{job['id']}"
    assert job["tls_client_key"] == {"secret": True}
    assert job["tls_client_cert"] == alice["tls_client_cert"]
    assert run(server, job)["status"] == "SUCCESS"
    bad = {"schedule": "@daily", "api": picky.url, "tls_client_key": alice["tls_client_key"]}
    said = [server.post("/jobs", bad), server.patch(path, {"tls_client_key": "x"})]
    lists = ("/jobs", "/export", "/audit", "/executions", path, "/jobs/by-key/mine")
    said += [expect(server.get(name), 200) for name in lists]
    places = {f"answer {i}": answer.body for i, answer in enumerate(said)}
    for file in database.parent.glob(f"{database.name}*"):
        places[file] = file.read_bytes()
    server.stop()
    places["the log"] = json.dumps(server.events(), default=str).encode()
    for place, text in places.items():
        for line in lines_of(alice["tls_client_key"]):
            assert line not in text, place
    audit = expect_entries(said[4])
    assert audit[0]["after"]["tls_client_key"] == {"secret": True}


def expect_entries(answer):
    return [entry for entry in answer.json["entries"] if entry["action"] == "job.create"]


def test_another_key_of_the_server_seals_it_again(fleet, database, authority, keys, alice, picky):
    server = serve(fleet, database, authority, keys)
    job = create_job(server, picky.url, **alice)
    server.stop()
    old = keys.read_text()
    keys.write_text(new_keys(keys).read_text() + old)
    server = serve(fleet, database, authority, keys)
    sealed = expect(server.post("/secrets/rotate"), 200).json
    assert sealed == {"sealed": 1, "channels": 0, "failed": 0, "failures": []}
    server.stop()
    keys.write_text(keys.read_text().replace(old, ""))
    server = serve(fleet, database, authority, keys)
    assert run(server, job)["status"] == "SUCCESS"
    assert expect(server.post("/secrets/rotate"), 200).json["sealed"] == 0


def test_a_key_that_cannot_be_opened_is_said(
    fleet, database, authority, keys, alice, picky, tmp_path
):
    server = serve(fleet, database, authority, keys)
    job = create_job(server, picky.url, max_retries=0, **alice)
    server.stop()
    for adapter in ("wire", "curl"):
        others = new_keys(tmp_path / "others")
        server = serve(fleet, database, authority, others, "--dispatch", adapter)
        assert run(server, job)["error"].startswith("tls_client_key cannot be opened: the key ")
        server.stop()
    assert picky.seen == []


# --- What is taken -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encrypted(authority, alice):
    path = authority.folder / "encrypted"
    run_openssl("pkey", "-in", authority.folder / "alice.key", "-aes256", "-passout", "pass:secret",
            "-out", path)  # fmt: skip
    return path.read_text()


def test_what_is_no_pair_is_refused_by_name(
    fleet, database, authority, keys, alice, bob, encrypted
):
    server = serve(fleet, database, authority, keys)
    certificate, key = alice["tls_client_cert"], alice["tls_client_key"]
    one, other = "tls_client_cert", "tls_client_key"
    cases = [
        ({one: certificate}, other, "is missing"),
        ({other: key}, one, "is missing"),
        ({one: "no PEM", other: key}, one, "there is no certificate in it"),
        ({one: key, other: key}, one, "is a PRIVATE KEY, not a CERTIFICATE"),
        ({one: certificate, other: certificate}, other, "there is no private key in it"),
        ({one: certificate, other: encrypted}, other, "encrypted with a passphrase"),
        ({one: certificate, other: bob[other]}, other, "not that of the first certificate"),
        ({one: certificate, other: "x" * 16385}, other, "at most 16384 are allowed"),
        ({one: certificate.ljust(32769), other: key}, one, "at most 32768 are allowed"),
        ({one: certificate, other: 7}, other, "must be a private key as a string"),
        ({one: certificate, other: {"secret": False}}, other, "must be a private key as a string"),
        ({one: certificate, other: {"secret": True}}, other, "nobody has said what it is"),
        ({one: certificate, other: "sealed:v1:a:b"}, other, "there is no private key in it"),
    ]
    for fields, member, reason in cases:
        body = {"schedule": NEVER_SOON, "api": "https://127.0.0.1/", **fields}
        for path in ("/jobs", "/jobs/test"):
            problem = expect(server.post(path, body), 400).json
            assert problem["errors"][0]["pointer"] == f"/{member}", fields
            assert reason in problem["error"]
        results = expect(server.post("/import", {"jobs": [body]}), 200).json["results"]
        assert results[0]["status"] == "invalid" and reason in results[0]["reason"]


def test_as_long_as_they_may_be_they_are_taken(fleet, database, authority, keys, alice):
    server = serve(fleet, database, authority, keys)
    lengths = {"tls_client_cert": 32768, "tls_client_key": 16384}
    create_job(server, "https://127.0.0.1/", **{m: alice[m].ljust(n) for m, n in lengths.items()})


def test_without_a_key_of_the_server_none_is_taken(fleet, database, alice):
    server = fleet.serve(database)
    refused = server.post("/jobs", {"schedule": NEVER_SOON, "api": "https://127.0.0.1/", **alice})
    problem = expect(refused, 400).json
    assert problem["errors"][0]["pointer"] == "/tls_client_key"
    assert "carillon secrets new-key" in problem["error"]


def test_the_key_stays_until_another_is_sent(fleet, database, authority, keys, alice, bob, picky):
    server = serve(fleet, database, authority, keys)
    job = create_job(server, picky.url, **alice)
    path = f"/jobs/{job['id']}"
    read = expect(server.get(path), 200).json
    expect(server.put(path, read), 200)
    expect(server.patch(path, alice), 200)
    refused = expect(server.patch(path, {"tls_client_cert": bob["tls_client_cert"]}), 400).json
    assert "not that of the first certificate" in refused["error"]
    expect(server.patch(path, {"tls_client_key": None}), 400)
    expect(server.patch(path, bob), 200)
    entries = expect(server.get("/audit"), 200).json["entries"]
    told = [set(entry["after"]) & set(bob) for entry in entries if entry["after"]]
    assert sum(map(bool, told)) == 2  # The creation, and the last change alone.
    assert run(server, job)["status"] == "SUCCESS"
    assert picky.names == ["bob"]
    gone = expect(server.patch(path, dict.fromkeys(bob)), 200).json
    assert (gone["tls_client_cert"], gone["tls_client_key"]) == (None, None)


def test_whoever_changes_a_job_cannot_be_it_elsewhere(fleet, database, authority, keys, alice):
    server = serve(fleet, database, authority, keys)
    job = create_job(server, "https://127.0.0.1:1443/", key="k", **alice)
    path, elsewhere = f"/jobs/{job['id']}", "https://127.0.0.1:2443/"
    moved = {"op": "update", "id": job["id"], "job": {"api": elsewhere}}
    export = server.get("/export").json
    export["jobs"][0]["api"] = elsewhere
    answers = [
        server.patch(path, {"api": elsewhere}),
        server.put("/jobs/by-key/k", {"schedule": "@daily", "api": elsewhere}),
    ]
    for answer in answers:
        assert "was given for another server" in expect(answer, 400).json["error"]
    for answer in (
        server.post("/import", export),
        server.post("/import?dry_run=1", export),
        server.post("/jobs/bulk", {"operations": [moved]}),
    ):
        assert b"was given for another server" in answer.body
    expect(server.patch(path, {"api": "https://127.0.0.1:1443/other"}), 200)
    expect(server.patch(path, {"api": elsewhere, **alice}), 200)


def test_an_export_comes_back_where_the_key_is_known(
    fleet, database, authority, keys, alice, picky
):
    server = serve(fleet, database, authority, keys)
    job = create_job(server, picky.url, key="mine", **alice)
    export = server.get("/export").json
    export["jobs"][0]["name"] = "another"
    assert server.post("/import?dry_run=1", export).json["would_update"] == 1
    assert server.post("/import", export).json["updated"] == 1
    assert run(server, job)["status"] == "SUCCESS"
    export["jobs"][0]["key"] = "not-there-yet"
    for query in ("", "?dry_run=1"):
        result = server.post(f"/import{query}", export).json["results"][0]
        assert result["status"] == "invalid" and "nobody has said" in result["reason"]
