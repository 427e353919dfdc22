# SPDX-License-Identifier: MIT
"""Jobs that are OAuth clients: requests carry an access token, which is fetched when needed."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.keys import new_keys, sealing
from harness.program import Program, run_to_end
from harness.redis import Redis
from harness.target import RefusingPort
from harness.wait import wait_until

SECRET = "hush: 100% secret&"
OTHER_SECRET = "hush-other"


class TokenServer:
    """Answers requests for tokens as `answer` says: (status, body), or a function of their count;
    None is a good one. While `gate` is clear, nobody is answered. Use as a context manager."""

    def __init__(self):
        self.requests = []  # (headers, form, body)
        self.answer = None
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.requests.append((dict(self.headers), parse_qs(body), body))
                count = len(outer.requests)
                outer.gate.wait(20)
                status, answer = outer.respond(count)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def respond(self, count):
        answer = self.answer(count) if callable(self.answer) else self.answer
        status, body = answer or (200, token_answer(f"hush-token-{count}"))
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.close()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def token_answer(token, **more):
    return {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more}


@pytest.fixture
def tokens():
    with TokenServer() as server:
        yield server


@pytest.fixture
def server(fleet, database, keys):
    return fleet.serve(database, "--log-level", "debug", *sealing(keys))


def client(tokens, **more):
    return {"token_url": tokens.url, "client_id": "me", "client_secret": SECRET, **more}


def run(server, job):
    return wait_for_end(server, trigger(server, job), 20)


def bearers(target, path):
    return [a.headers.get("authorization") for a in target.arrivals(path)]


# --- With a token --------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ("basic", "body"))
def test_a_token_is_fetched_once_and_carried_by_every_request(server, target, tokens, auth):
    oauth = client(tokens, scope="read write", audience="https://api.example.com/", auth=auth)
    job = create_job(server, target.url("/ok/a"), oauth=oauth)
    assert job["oauth"] == {**oauth, "client_secret": True}
    for _ in range(3):
        assert run(server, job)["status"] == "SUCCESS"
    assert bearers(target, "/ok/a") == ["Bearer hush-token-1"] * 3
    assert len(tokens.requests) == 1
    headers, form, _ = tokens.requests[0]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Accept"] == "application/json"
    assert not [name for name in headers if name.lower().startswith(("carillon", "webhook", "id"))]
    said = {"grant_type": ["client_credentials"], "scope": ["read write"],
            "audience": ["https://api.example.com/"]}
    if auth == "basic":
        assert form == said
        user = base64.b64encode(b"me:hush%3A+100%25+secret%26").decode()
        assert headers["Authorization"] == f"Basic {user}"
    else:
        assert form == {**said, "client_id": ["me"], "client_secret": [SECRET]}
        assert "Authorization" not in headers


def test_many_waiting_jobs_need_one_fetch(server, target, tokens):
    tokens.gate.clear()
    jobs = [create_job(server, target.url("/ok/many"), oauth=client(tokens)) for _ in range(20)]
    other = create_job(server, target.url("/ok/other"), oauth=client(tokens, scope="else"))
    runs = [trigger(server, job) for job in (*jobs, other)]
    wait_until(lambda: len(tokens.requests) == 2, 10, "both tokens are asked for")
    plain = create_job(server, target.url("/ok/plain"))
    assert run(server, plain)["status"] == "SUCCESS"  # Nothing else waits.
    assert target.arrivals("/ok/many") == []
    tokens.gate.set()
    assert {wait_for_end(server, run, 20)["status"] for run in runs} == {"SUCCESS"}
    assert len(tokens.requests) == 2
    assert len(set(bearers(target, "/ok/many"))) == 1
    assert set(bearers(target, "/ok/other")).isdisjoint(bearers(target, "/ok/many"))


def test_a_token_is_renewed_before_it_ends(server, target, tokens):
    tokens.answer = lambda count: (200, token_answer(f"short-{count}", expires_in=1))
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens))

    def renewed():
        assert run(server, job)["status"] == "SUCCESS"
        return len(tokens.requests) > 1

    wait_until(renewed, 10, "the token of one second was renewed")
    assert bearers(target, "/ok/a")[-1] == f"Bearer short-{len(tokens.requests)}"


def test_a_token_that_the_target_refuses_is_not_used_again(server, target, tokens):
    path = "/flaky/401,200/a"
    job = create_job(
        server, target.url(path), oauth=client(tokens), retry_base_ms=1, max_retries=1
    )
    assert run(server, job)["status"] == "SUCCESS"
    assert bearers(target, path) == ["Bearer hush-token-1", "Bearer hush-token-2"]
    assert [a.attempt for a in target.arrivals(path)] == [1, 2]  # None is without a record.


def test_a_token_stays_behind_when_a_redirect_leads_elsewhere(server, target, tokens):
    elsewhere = f"/leave/307/{target.port}/ok/b"
    api = target.url(elsewhere).replace("127.0.0.1", "localhost")
    job = create_job(server, api, oauth=client(tokens), redirects=3)
    assert run(server, job)["status"] == "SUCCESS"
    assert bearers(target, elsewhere) == ["Bearer hush-token-1"]
    assert bearers(target, "/ok/b") == [None]
    near = create_job(server, target.url("/redirect/307/ok/c"), oauth=client(tokens), redirects=3)
    assert run(server, near)["status"] == "SUCCESS"
    assert bearers(target, "/ok/c") == ["Bearer hush-token-1"]


def test_a_trial_has_a_token_too(server, target, tokens):
    draft = {"schedule": "@daily", "api": target.url("/ok/trial"), "oauth": client(tokens)}
    answer = expect(server.post("/jobs/test", draft), 200)
    assert answer.json["success"], answer
    assert bearers(target, "/ok/trial") == ["Bearer hush-token-1"]
    assert b"hush" not in answer.body


def test_executors_fetch_tokens_themselves(fleet, database, keys, target, tokens):
    with Redis() as redis:
        executor = Program(
            "serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--role", "executor",
            "--redis", redis.url, *sealing(keys),
        ).wait_until_listening()
        try:
            wait_until(lambda: executor.get("/readyz").status == 200, 30, "the executor takes")
            queue = ("--dispatch", "queue", "--redis", redis.url)
            server = fleet.serve(database, *queue, *sealing(keys))
            job = create_job(server, target.url("/ok/a"), oauth=client(tokens))

            def executor_has_sent():  # The server sends until it knows of an executor.
                assert run(server, job)["status"] == "SUCCESS"
                return b"\ncarillon_attempts_started_total 0\n" not in executor.get("/metrics").body

            wait_until(executor_has_sent, 20, "the executor sent an attempt")
            assert set(bearers(target, "/ok/a")) <= {"Bearer hush-token-1", "Bearer hush-token-2"}
            server.stop()
        finally:
            executor.kill()


def test_the_adapter_curl_fetches_tokens_too(fleet, database, keys, target, tokens):
    server = fleet.serve(database, "--dispatch", "curl", *sealing(keys))
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens, auth="body"))
    assert [run(server, job)["status"] for _ in range(2)] == ["SUCCESS"] * 2
    assert bearers(target, "/ok/a") == ["Bearer hush-token-1"] * 2
    assert len(tokens.requests) == 1
    tokens.answer = (503, b"")
    path = "/status/401/b"
    other = create_job(server, target.url(path), oauth=client(tokens), max_retries=0)
    failed = run(server, other)
    assert failed["error"].endswith("answered with HTTP status 503")


# --- Without one ---------------------------------------------------------------------------------

BAD_ANSWERS = {
    "no JSON": (200, b"hush", "it is no JSON object"),
    "a list": (200, [], "it is no JSON object"),
    "no token": (200, {"token_type": "Bearer"}, "its access_token is no string"),
    "empty": (200, token_answer(""), "its access_token is not of visible ASCII characters"),
    "a line": (200, token_answer("hush\r\nX-A: b"), "its access_token is not of visible ASCII"),
    "mac": (200, token_answer("hush", token_type="mac"), "its token_type is not Bearer"),
    "past": (200, token_answer("hush", expires_in=0), "its expires_in is no number of seconds"),
    "words": (200, token_answer("hush", expires_in="1"), "its expires_in is no number of seconds"),
    "twice": (200, b'{"token_type":"Bearer","access_token":"a","access_token":"b"}',
              "it is no JSON object"),
    "long": (200, token_answer("hush", more="x" * 65536), "it is longer than 65536 bytes"),
    "refused": (401, {"error": "invalid_client"}, "answered with HTTP status 401, invalid_client"),
    "echo": (400, {"error": SECRET}, "answered with HTTP status 400"),
    "elsewhere": (302, b"", "answered with HTTP status 302"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_an_answer_without_a_token_fails_the_attempt_in_words(server, target, tokens, name):
    status, body, words = BAD_ANSWERS[name]
    tokens.answer = (status, body)
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens), max_retries=0)
    execution = run(server, job)
    assert execution["status"] == "FAILED"
    error = execution["error"]
    assert error.startswith("oauth: ") and words in error and "hush" not in error
    assert target.arrivals("/ok/a") == []


def test_a_token_server_that_is_down_is_asked_again_by_the_retry(server, target, tokens):
    tokens.answer = lambda count: (500, b"") if count == 1 else None
    job = create_job(
        server, target.url("/ok/a"), oauth=client(tokens), retry_base_ms=1, max_retries=1
    )
    execution = run(server, job)
    assert execution["status"] == "SUCCESS"
    assert len(tokens.requests) == 2 and bearers(target, "/ok/a") == ["Bearer hush-token-2"]


def test_a_token_server_that_nobody_reaches_is_named(server, target, tokens):
    with RefusingPort() as nobody:
        oauth = client(tokens, token_url=f"http://127.0.0.1:{nobody.port}/token")
        job = create_job(server, target.url("/ok/a"), oauth=oauth, max_retries=0)
        execution = run(server, job)
    assert execution["status"] == "FAILED"
    assert execution["error"].startswith("oauth: ") and str(nobody.port) in execution["error"]
    assert target.arrivals("/ok/a") == []


def test_the_time_of_the_fetch_counts(server, target, tokens):
    tokens.gate.clear()
    job = create_job(
        server, target.url("/ok/a"), oauth=client(tokens), timeout_ms=300, max_retries=0
    )
    execution = run(server, job)
    assert execution["status"] == "FAILED"
    assert execution["error"] == "oauth: there was no access token within 300 ms"
    tokens.gate.set()
    wait_until(lambda: run(server, job)["status"] == "SUCCESS", 10, "the token came after all")
    assert len(tokens.requests) == 1  # The fetch went on for the next attempt.


def test_the_policy_of_addresses_holds_for_token_servers(fleet, database, keys, target, tokens):
    options = ("--deny-targets", "127.0.0.2", *sealing(keys))
    server = fleet.serve(database, *options)
    oauth = client(tokens, token_url="http://127.0.0.2/token")
    body = {"schedule": "@daily", "api": target.url("/ok/a"), "oauth": oauth}
    refused = server.post("/jobs", body)
    assert refused.status in (400, 403)
    assert refused.json["errors"][0]["pointer"] == "/oauth/token_url"


# --- The secret ----------------------------------------------------------------------------------


def test_the_secret_and_the_token_are_found_nowhere(server, database, target, tokens):
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens), key="mine")
    assert run(server, job)["status"] == "SUCCESS"
    path = f"/jobs/{job['id']}"
    answers = [server.patch(path, {"oauth": {"client_secret": OTHER_SECRET}})]
    assert run(server, job)["status"] == "SUCCESS"
    assert bearers(target, "/ok/a") == ["Bearer hush-token-1", "Bearer hush-token-2"]
    bad = {"schedule": "@daily", "api": "x", "oauth": client(tokens)}
    answers.append(server.post("/jobs", bad))
    for each in ("/jobs", "/export", "/executions", "/audit", path, "/jobs/by-key/mine"):
        answers.append(expect(server.get(each), 200))
    for answer in answers:
        assert b"hush" not in answer.body, answer
    files = [each for each in database.parent.iterdir() if each.name.startswith(database.name)]
    assert any(each.name.endswith("-wal") for each in files)
    for each in files:
        assert b"hush" not in each.read_bytes(), each
    server.stop()
    assert "hush" not in "\n".join(map(str, server.events()))


def test_the_secret_stays_until_another_is_sent_and_goes_nowhere_else(server, target, tokens):
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens), key="k")
    path = f"/jobs/{job['id']}"
    read = expect(server.get(path), 200).json
    assert expect(server.put(path, read), 200).json["oauth"] == read["oauth"]
    scoped = expect(server.patch(path, {"oauth": {"scope": "read"}}), 200).json
    assert scoped["oauth"] == {**read["oauth"], "scope": "read"}
    assert run(server, job)["status"] == "SUCCESS"
    assert tokens.requests[0][1]["scope"] == ["read"]
    elsewhere = tokens.url.replace("127.0.0.1", "localhost")
    for oauth in ({"token_url": elsewhere}, {"token_url": elsewhere, "client_secret": True}):
        refused = expect(server.patch(path, {"oauth": oauth}), 400)
        assert refused.json["errors"][0]["pointer"] == "/oauth/client_secret"
        assert "was given for another server than that of token_url" in refused.json["error"]
    far = target.url("/ok/b").replace("127.0.0.1", "localhost")
    refused = expect(server.patch(path, {"api": far}), 400)
    assert "another server than that of api" in refused.json["error"]
    expect(server.patch(path, {"api": far, "oauth": {"client_secret": SECRET}}), 200)
    export = server.get("/export").json
    export["jobs"][0]["oauth"]["token_url"] = elsewhere
    for query in ("", "?dry_run=1"):
        answer = expect(server.post(f"/import{query}", export), 200).json
        assert answer["results"][0]["status"] == "invalid", answer
    expect(server.patch(path, {"oauth": client(tokens, token_url=elsewhere)}), 200)
    assert expect(server.patch(path, {"oauth": None}), 200).json["oauth"] is None


def test_an_export_comes_back_where_its_secret_is_known(server, target, tokens):
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens), key="mine")
    export = server.get("/export").json
    export["jobs"][0]["name"] = "another"
    assert server.post("/import?dry_run=1", export).json["would_update"] == 1
    assert server.post("/import", export).json["updated"] == 1
    assert run(server, job)["status"] == "SUCCESS"
    export["jobs"][0]["key"] = "not-there-yet"
    result = server.post("/import", export).json["results"][0]
    assert result["status"] == "invalid" and "client_secret" in result["reason"]


def test_a_bulk_operation_keeps_the_secret(server, target, tokens):
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens))
    patch = {"oauth": {"audience": "them"}}
    operations = [{"op": "update", "id": job["id"], "job": patch}]
    expect(server.post("/jobs/bulk", {"operations": operations}), 200)
    assert run(server, job)["status"] == "SUCCESS"
    assert tokens.requests[0][1]["audience"] == ["them"]


def test_the_secret_is_sealed_again_with_another_key(fleet, database, keys, target, tokens):
    server = fleet.serve(database, *sealing(keys))
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens))
    server.stop()
    old = keys.read_text()
    new = new_keys(keys).read_text()
    keys.write_text(new + old)
    server = fleet.serve(database, *sealing(keys))
    end = run_to_end("secrets", "rotate", "--url", f"http://127.0.0.1:{server.port}")
    assert (end.returncode, end.stdout) == (0, "1 jobs sealed again, 0 failed\n"), end.stdout
    server.stop()
    keys.write_text(new)
    server = fleet.serve(database, *sealing(keys))
    assert run(server, job)["status"] == "SUCCESS"
    server.stop()
    new_keys(keys)
    server = fleet.serve(database, *sealing(keys))
    expect(server.patch(f"/jobs/{job['id']}", {"max_retries": 0}), 200)
    error = run(server, job)["error"]
    assert error.startswith("oauth: client_secret cannot be opened: the key ")


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "oauth, pointer",
    (
        ("me", "/oauth"),
        ({"client_id": "me"}, "/oauth/token_url"),
        ({"token_url": "ftp://a/", "client_id": "me", "client_secret": "s"}, "/oauth/token_url"),
        ({"token_url": "http://a/", "client_secret": "s"}, "/oauth/client_id"),
        ({"token_url": "http://a/", "client_id": "me"}, "/oauth/client_secret"),
        ({"token_url": "http://a/", "client_id": "me", "client_secret": True},
         "/oauth/client_secret"),
        ({"token_url": "http://a/", "client_id": "me", "client_secret": "a\nb"},
         "/oauth/client_secret"),
        ({"token_url": "http://a/", "client_id": 7, "client_secret": "s"}, "/oauth/client_id"),
        ({"token_url": "http://a/", "client_id": "x" * 1001, "client_secret": "s"},
         "/oauth/client_id"),
        ({"token_url": "http://a/", "client_id": "me", "client_secret": "s", "scope": "a  b"},
         "/oauth/scope"),
        ({"token_url": "http://a/", "client_id": "me", "client_secret": "s", "auth": "jwt"},
         "/oauth/auth"),
        ({"token_url": "http://a/", "client_id": "me", "client_secret": "s", "secret": "s"},
         "/oauth/secret"),
    ),
)
def test_a_malformed_client_is_refused(server, target, oauth, pointer):
    body = {"schedule": "@daily", "api": target.url("/ok/a"), "oauth": oauth}
    refused = expect(server.post("/jobs", body), 400)
    assert refused.json["errors"][0]["pointer"] == pointer, refused


def test_a_client_and_a_header_authorization_exclude_each_other(server, target, tokens):
    headers = {"authorization": "Bearer mine"}
    body = {"schedule": "@daily", "api": target.url("/ok/a"), "headers": headers,
            "oauth": client(tokens)}
    refused = server.post("/jobs", body)
    assert refused.status in (400, 409), refused
    assert refused.json["errors"][0]["pointer"] == "/oauth"
    job = create_job(server, target.url("/ok/a"), oauth=client(tokens))
    again = server.patch(f"/jobs/{job['id']}", {"headers": headers})
    assert again.status == refused.status and "Authorization" in again.json["error"]


def test_without_a_key_a_client_is_refused(fleet, database, target, tokens):
    server = fleet.serve(database)
    body = {"schedule": "@daily", "api": target.url("/ok/a"), "oauth": client(tokens)}
    refused = expect(server.post("/jobs", body), 400)
    assert "carillon secrets new-key" in refused.json["error"]
    assert refused.json["errors"][0]["pointer"] == "/oauth/client_secret"
